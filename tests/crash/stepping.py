"""This is where people are born in steps in a process to be killed: `python -m tests.crash.stepping FOLDER ADDRESS`."""

import sys
import time
from pathlib import Path

from connectors.drivers.memory import MemoryDriver
from daemon.audit.keys import create_keys, load_keys
from daemon.audit.log import AuditLog, init_log
from daemon.core.rules import End, Match, Sync
from daemon.engine.people import approve
from daemon.engine.report import Report, Request
from daemon.engine.run import run_sync
from daemon.store.store import Store
from tests.connectors.http.connected import driver_for
from tests.engine.onboarding import ENTITY
from tests.engine.world import person, rule

SYNC = Sync(
    "people", End("hr", "person"), End("crm", "person"), (rule("number", owner="left"), rule("name", wins="left")),
    (Match(("number",)),), rev="1", fingerprint="1",
)  # fmt: skip


def prepare(folder: Path) -> None:
    """An audit log of its own."""
    init_log(folder / "audit", create_keys(folder / "keys"), origin="crash/audit")


def run(folder: Path, address: str, *, later: float = 0.0) -> Report:
    """One approved run, *later* seconds from now; Ada is on the left, and the office of onboarding.py on the right."""
    store = Store(folder / "store.db")
    audit = AuditLog.open(folder / "audit", load_keys(folder / "keys"))
    made = {"left": MemoryDriver({"person": {"L1": person(1)}}, name="hr"), "right": driver_for(address, ENTITY)}

    def clock() -> float:
        return time.time() + later

    approve(
        SYNC, made, store, audit, clock=clock, run_id="a", kinds=(), only=None, actor="test", reason="", expires=9e9
    )  # type: ignore[arg-type]  # fmt: skip
    report = run_sync(SYNC, made, store, audit, clock=clock, run_id=str(time.time_ns()), request=Request())  # type: ignore[arg-type]
    audit.close()
    store.close()
    made["right"].close()
    return report


if __name__ == "__main__":
    print(run(Path(sys.argv[1]), sys.argv[2]).state)
