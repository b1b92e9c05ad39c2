"""Benchmarks: they print figures and fail only where something became far worse than it was. Run by `make bench`."""

import json
import os
import resource
import time
from pathlib import Path

import pytest

from daemon.audit.entries import Entry
from daemon.audit.keys import create_keys
from daemon.audit.log import AuditLog, init_log
from daemon.audit.verify import verify_log
from tests.bench import standing

pytestmark = pytest.mark.bench

ENTRY = {
    "action": "outcome", "actor": "schedule", "sync": "people", "system": "crm", "entity": "contact",
    "record": "c-1042", "op": "update", "run": "20261122-180753-dcdb22", "result": "done",
    "fields": {"phone": {"before": "+4930111", "after": "+4930222", "why": "changed on left"}},
}  # fmt: skip


def test_the_standing_benchmark() -> None:
    """First mirroring over HTTP into SQLite, then a comparison with nothing to do, beside the bare loop."""
    first, noop = standing.main([10_000])

    assert first["written"] == 10_000
    assert noop["written"] == 0
    assert noop["ratio_per_side"] < 10
    assert first["ratio"] < 150


def test_the_audit_log(tmp_path: Path) -> None:
    """Entries per second through encoding, encryption, chain and leaf; frames per second through verify."""
    keys = create_keys(tmp_path / "keys")
    init_log(tmp_path / "audit", keys, origin="bench/audit")
    log = AuditLog.open(tmp_path / "audit", keys, sync=lambda descriptor: None)
    batches, size = 60, 1024
    started = time.perf_counter()
    for _ in range(batches):
        log.append([Entry(ENTRY)] * size)
    encoded = batches * size / (time.perf_counter() - started)
    log.close()
    started = time.perf_counter()
    verdict = verify_log(tmp_path / "audit", now=time.time())
    verified = verdict.size / (time.perf_counter() - started)
    print(json.dumps({"entries_per_s": round(encoded), "frames_verified_per_s": round(verified)}))

    assert verdict.code == 0
    assert encoded > 20_000
    assert verified > 40_000


def test_durable_entries_beside_raw_appends(tmp_path: Path) -> None:
    """Batches of 512 with fdatasync, beside raw appends of as many bytes with as many fdatasync calls."""
    keys = create_keys(tmp_path / "keys")
    init_log(tmp_path / "audit", keys, origin="bench/audit")
    log = AuditLog.open(tmp_path / "audit", keys)
    batches, size = 40, 512
    started = time.perf_counter()
    for _ in range(batches):
        log.append([Entry(ENTRY)] * size)
    ours = batches * size / (time.perf_counter() - started)
    log.close()
    written = sum(path.stat().st_size for path in (tmp_path / "audit" / "seg").glob("*.seg"))
    raw = _raw_appends(tmp_path / "raw", b"x" * (written // batches), batches)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"durable_per_s": round(ours), "raw_per_s": round(batches * size / raw), "peak_mb": peak}))

    assert ours > 2_000


def _raw_appends(path: Path, block: bytes, times: int) -> float:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    started = time.perf_counter()
    for _ in range(times):
        os.write(descriptor, block)
        os.fdatasync(descriptor)
    os.close(descriptor)
    return time.perf_counter() - started
