"""This is where writing fails: the log fails closed, says so to everyone, and a restart takes it up again."""

import contextlib
import errno
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.audit.entries import Entry
from daemon.audit.keys import Keys
from daemon.audit.log import AuditLog
from daemon.audit.reading import read_entries
from daemon.audit.segment import read_origin
from daemon.audit.state import read_memory
from daemon.errors import AuditError
from tests.audit.logs import ORIGIN, Clock, begin, entries, newest, reopen, verified


def test_a_failed_sync_is_never_tried_again(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    calls: list[int] = []
    broken = False

    def sync(fd: int) -> None:
        calls.append(fd)
        if broken:
            raise OSError(errno.EIO, "Input/output error")

    log = reopen(folder, keys, clock, sync=sync)
    log.append(entries(1))
    broken = True
    with pytest.raises(AuditError, match=r"Input/output error.*restart the daemon"):
        log.append(entries(1))
    count, broken = len(calls), False

    with pytest.raises(AuditError, match="nothing is written to any system"):
        log.append(entries(1))
    with pytest.raises(AuditError):
        log.checkpoint()
    log.tick()
    log.close()

    assert len(calls) == count
    assert log.failed is not None
    log = reopen(folder, keys, clock)
    log.append(entries(1, tag="after"))
    log.close()
    assert verified(folder).code == 0


def test_entries_that_are_durable_are_not_denied_for_a_failed_checkpoint(
    folder: Path, keys: Keys, clock: Clock
) -> None:
    begin(folder, keys)
    left = [1_000]

    def sync(fd: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, "Input/output error")

    log = reopen(folder, keys, clock, sync=sync)
    left[0] = 1
    first = log.append(entries(1024))  # makes a checkpoint due, which fails

    assert log.failed
    with pytest.raises(AuditError, match="Input/output error"):
        log.append(entries(1))
    log.close()
    assert [entry.seq for entry in read_entries(folder, keys)] == list(range(first, first + 1024))


def test_a_tick_remembers_what_was_sealed_in_a_hurry(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append(entries(1024))  # sealed at once, but the files beside the segments were written this very second
    origin = read_origin(folder)
    assert read_memory(folder, origin).size < log.head.size

    log.tick()

    state = read_memory(folder, origin).state
    assert state is not None
    assert (state.size, state.chain) == (log.head.size, log.head.chain)
    log.close()


def test_every_waiting_caller_hears_of_the_failure(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    for _ in range(20):
        broken = threading.Event()

        def sync(fd: int, broken: threading.Event = broken) -> None:
            time.sleep(0.0005)
            if broken.is_set():
                raise OSError(errno.ENOSPC, "No space left on device")

        log = reopen(folder, keys, clock, sync=sync)
        refused: list[str] = []

        def produce(log: AuditLog = log, refused: list[str] = refused) -> None:
            try:
                while True:
                    log.append(entries(1))
            except AuditError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=produce, daemon=True) for _ in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(0.005)
        broken.set()
        for thread in threads:
            thread.join(10)
        log.close()

        assert len(refused) == 12
        assert all("No space left" in text for text in refused)


def test_closing_sends_every_waiting_caller_home(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock, sync=lambda _: time.sleep(0.0005))
    acknowledged: list[int] = []
    refused: list[str] = []

    def produce() -> None:
        try:
            while True:
                acknowledged.append(log.append(entries(1)))
        except AuditError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=produce, daemon=True) for _ in range(12)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    log.close()
    for thread in threads:
        thread.join(10)

    assert len(refused) == 12
    assert sorted(acknowledged) == [entry.seq for entry in read_entries(folder, keys)]
    assert verified(folder).code == 0


def test_a_file_that_somebody_cut_under_us_stops_the_log(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append(entries(3))

    os.truncate(newest(folder), 100)

    with pytest.raises(AuditError, match="changed by somebody else"):
        log.checkpoint()
    with pytest.raises(AuditError):
        log.append(entries(1))
    log.close()


def test_an_entry_beyond_all_measure_is_refused_and_the_log_goes_on(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)

    with pytest.raises(AuditError, match="record large fields by digest"):
        log.append([Entry({"x": "y" * (17 * 1024 * 1024)})])

    log.append(entries(1))
    log.close()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_stops_the_log_and_loses_nothing(tiny_disk: Path, keys: Keys, clock: Clock) -> None:
    folder = begin(tiny_disk / "log", keys)
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(40_000))
    log = reopen(folder, keys, clock, sync=os.fdatasync)

    acknowledged = []
    while not log.failed:
        with contextlib.suppress(AuditError):
            acknowledged.append(log.append(entries(4, size=500)))
    assert "No space left" in log.failed
    log.close()
    ballast.unlink()
    reopen(folder, keys, clock).close()

    shown = {entry.seq for entry in read_entries(folder, keys)}
    assert shown >= {seq + number for seq in acknowledged for number in range(4)}
    assert acknowledged
    assert verified(folder).code == 0
    assert read_origin(folder).name == ORIGIN
