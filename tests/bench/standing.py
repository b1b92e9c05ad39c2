"""This is where the standing benchmark of docs/sync.md runs: `python -m tests.bench.standing [COUNT ...]`.

An HTTP system of COUNT nested records is mirrored into SQLite with ten mapped fields, state and audit log on; then a
full comparison finds nothing to do. Beside each stands the bare loop: the same pages, fetched and parsed by the same
libraries, nothing else. Ratios are of times measured in one process, one after the other; each phase runs in a fresh
process, so that its peak memory is its own.
"""

import gc
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec

from connectors.definition import load_definition
from connectors.drivers import http as http_driver
from connectors.drivers import sql as sql_driver
from daemon.audit.keys import create_keys, load_keys
from daemon.audit.log import AuditLog, init_log
from daemon.core.mapping import Place, compile_rule
from daemon.core.rules import Cases, End, Guards, Limit, Match, Side, Sync
from daemon.engine.people import approve
from daemon.engine.report import Report, Request
from daemon.engine.run import run_sync
from daemon.service.runtime import calm_collector
from daemon.store.store import Store
from tests.bench.pages import PAGE

FIELDS = {
    "number": "properties.number", "first": "properties.first", "last": "properties.last",
    "email": "properties.email", "phone": "properties.phone", "grade": "properties.grade",
    "salary": "properties.salary", "street": "properties.address.street", "zip": "properties.address.zip",
    "city": "properties.address.city",
}  # fmt: skip


def sync() -> Sync:
    """Ten fields, the left side owns them."""
    types = {"salary": "decimal"}
    rules = tuple(
        compile_rule(name, left=Place(path), right=Place(name), owner="left", type=types.get(name))
        for name, path in FIELDS.items()
    )
    return Sync(
        "bench", End("crm", "contact"), End("db", "contact"), rules, (Match(("number",)),),
        cases=Cases(new_right="ignore"), guards=Guards(creates=Limit()), rev="1", fingerprint="1",
    )  # fmt: skip


def drivers(folder: Path, port: int) -> Mapping[Side, Any]:
    """The real drivers, as a configuration would connect them."""
    entity = {
        "id": "id",
        "read": {
            "list": {
                "get": "/contacts", "records": "results", "query": {"limit": PAGE},
                "page": {"offset": "offset", "total": "total"},
            },
            "get": {"get": "/contacts/{id}"},
        },
    }  # fmt: skip
    left = http_driver.connect(
        http_driver.System.model_validate(
            {"version": 1, "name": "crm", "connector": "rest", "base_url": f"http://127.0.0.1:{port}",
             "limits": {"requests": 100_000, "per": "1s"}}
        ),
        {"contact": http_driver.Entity.model_validate(entity)},
        check=load_definition("rest").check,
        reveal=lambda _: "",
    )  # fmt: skip
    right = sql_driver.connect(
        sql_driver.System.model_validate(
            {"version": 1, "name": "db", "connector": "sql", "path": str(folder / "right.db")}
        ),
        {"contact": sql_driver.Entity.model_validate({"table": "contact", "key": ["id"]})},
        check=None,
        reveal=lambda _: "",
    )
    return {"left": left, "right": right}


def prepare(folder: Path) -> None:
    """An empty table, an audit log."""
    with closing(sqlite3.connect(folder / "right.db")) as db, db:
        db.execute("PRAGMA journal_mode=WAL")
        columns = ", ".join(f"{name} NUMERIC" if name == "salary" else f"{name} TEXT" for name in FIELDS)
        db.execute(f"CREATE TABLE contact (id INTEGER PRIMARY KEY, {columns})")
    keys = create_keys(folder / "keys")
    init_log(folder / "audit", keys, origin="bench/audit")


def bare(port: int, count: int) -> float:
    """Seconds to fetch and parse all pages with the same libraries, and nothing else."""
    decode = msgspec.json.Decoder().decode
    started = time.perf_counter()
    seen = 0
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for offset in range(0, count, PAGE):
            seen += len(decode(client.get("/contacts", params={"offset": offset, "limit": PAGE}).content)["results"])
    assert seen == count
    return time.perf_counter() - started


def bare_right(folder: Path, count: int) -> float:
    """Seconds to read all rows of the mirror, and nothing else."""
    started = time.perf_counter()
    with closing(sqlite3.connect(folder / "right.db")) as db, db:
        rows = db.execute("SELECT * FROM contact ORDER BY id").fetchall()
    assert len(rows) == count
    return time.perf_counter() - started


def run(folder: Path, port: int, *, adopt: bool) -> tuple[float, Report]:
    """Seconds of one full run, approval aside."""
    store = Store(folder / "state" / "store.db")
    audit = AuditLog.open(folder / "audit", load_keys(folder / "keys"))
    made = drivers(folder, port)
    if adopt:
        approve(
            sync(), made, store, audit, clock=time.time, run_id="a", kinds=(), only=None, actor="bench", reason="",
            expires=3600,
        )  # fmt: skip
    started = time.perf_counter()
    report = run_sync(
        sync(), made, store, audit, clock=time.time, run_id=f"run{time.time_ns()}", request=Request(full=True)
    )
    seconds = time.perf_counter() - started
    assert report.state == "done", report.problems
    audit.close()
    store.close()
    return seconds, report


def forget_peak() -> None:
    """The bare loop leaves answers behind that nobody collects; they are not ours."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The most memory that was resident since then, in MB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def phase(name: str, folder: Path, port: int, count: int) -> dict[str, Any]:
    """One measurement in this process, set up as the daemon's."""
    base = bare(port, count)
    calm_collector()
    forget_peak()
    seconds, report = run(folder, port, adopt=name == "first")
    peak = peak_mb()
    gc.collect()
    again = bare(port, count)
    bare_seconds = min(base, again)
    told = {
        "phase": name, "records": count, "seconds": round(seconds, 2), "bare": round(bare_seconds, 2),
        "ratio": round(seconds / bare_seconds, 2), "peak_mb": round(peak),
        "written": report.counts.get("written", 0),
    }  # fmt: skip
    if name == "noop":
        told["ratio_per_side"] = round(seconds / (2 * bare_seconds), 2)
        told["bare_right"] = round(bare_right(folder, count), 2)
    return told


def main(counts: list[int]) -> Iterator[dict[str, Any]]:
    """The figures of each phase, printed as they come."""
    for count in counts:
        command = [sys.executable, "-m", "tests.bench.pages", str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            port = int(server.stdout.readline())
            with tempfile.TemporaryDirectory() as temporary:
                prepare(Path(temporary))
                for name in ("first", "noop"):
                    done = subprocess.run(
                        [sys.executable, "-m", "tests.bench.standing", name, temporary, str(port), str(count)],
                        stdout=subprocess.PIPE, text=True, check=True,
                    )  # fmt: skip
                    print(done.stdout.strip(), flush=True)
                    yield json.loads(done.stdout)
            server.kill()


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ("first", "noop"):
        print(json.dumps(phase(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
    else:
        list(main([int(arg) for arg in sys.argv[1:]] or [10_000, 100_000]))
