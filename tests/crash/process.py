"""This is where a run happens in a process to be killed for real: `python -m tests.crash.process FOLDER`."""

import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from connectors.drivers import sql
from daemon.audit.keys import create_keys, load_keys
from daemon.audit.log import AuditLog, init_log
from daemon.core.rules import Cases, End, Guards, Limit, Match, Side, Sync
from daemon.engine.people import approve
from daemon.engine.report import Report, Request
from daemon.engine.run import run_sync
from daemon.store.store import Store
from tests.engine.world import rule


def sync() -> Sync:
    """Three fields between two tables; deletes travel from the left."""
    rules = (rule("number", owner="left"), rule("name", wins="left", unique=True), rule("phone", wins="right"))
    return Sync(
        "people", End("hr", "person"), End("crm", "person"), rules, (Match(("number",)),),
        cases=Cases(gone_left="delete"), guards=Guards(deletes=Limit(), creates=Limit(), updates=Limit(), shrink=1.0),
        rev="1", fingerprint="1",
    )  # fmt: skip


def prepare(folder: Path, people: int) -> None:
    """Two databases, the left one full, and an audit log."""
    for name in ("hr", "crm"):
        with closing(sqlite3.connect(folder / f"{name}.db")) as db, db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, number TEXT, name TEXT, phone TEXT)")
    with closing(sqlite3.connect(folder / "hr.db")) as db, db:
        db.executemany(
            "INSERT INTO person (number, name, phone) VALUES (?, ?, '1')", [(f"{n}", f"P{n}") for n in range(people)]
        )
    init_log(folder / "audit", create_keys(folder / "keys"), origin="crash/audit")


def drivers(folder: Path) -> Mapping[Side, Any]:
    """The real SQL driver on both sides."""
    return {"left": _driver(folder, "hr"), "right": _driver(folder, "crm")}


def _driver(folder: Path, name: str) -> Any:
    system = {"version": 1, "name": name, "connector": "sql", "path": str(folder / f"{name}.db")}
    entity = sql.Entity.model_validate({"table": "person", "key": ["id"]})
    return sql.connect(sql.System.model_validate(system), {"person": entity}, check=None, reveal=lambda _: "")


def run(folder: Path, *, adopt: bool = False, later: float = 0.0) -> Report:
    """One run, from opening the store to closing the log, *later* seconds from now."""
    store = Store(folder / "store.db")
    audit = AuditLog.open(folder / "audit", load_keys(folder / "keys"))
    made = drivers(folder)

    def clock() -> float:
        return time.time() + later

    if adopt:
        approve(
            sync(), made, store, audit, clock=clock, run_id="a", kinds=(), only=None, actor="test", reason="",
            expires=9e9,
        )  # fmt: skip
    report = run_sync(sync(), made, store, audit, clock=clock, run_id=str(time.time_ns()), request=Request())
    audit.close()
    store.close()
    return report


if __name__ == "__main__":
    told = run(Path(sys.argv[1]), adopt="adopt" in sys.argv)
    print(told.state)
