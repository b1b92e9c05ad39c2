"""This is where a log tells what it keeps: appending, sealing, rotating, reading."""

import base64
import itertools
import os
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.audit.entries import Entry
from daemon.audit.frames import CHECKPOINT, CONTINUED, ENTRY
from daemon.audit.keys import Keys, create_keys
from daemon.audit.log import AuditLog, init_log
from daemon.audit.reading import read_entries
from daemon.audit.segment import list_segments, read_segment, segment_path, sidecar_path
from daemon.audit.verify import verify_log
from daemon.audit.walk import SEAL
from daemon.errors import AuditError, Busy
from tests.audit.logs import HOUR, ORIGIN, START, Clock, begin, crash, entries, frames_of, reopen, verified


def test_what_was_appended_is_read_back_exactly(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)

    first = log.append([Entry({"before": {"pay": Decimal("10.50")}, "id": 10**24}, intent=3), Entry({}, outcome=3)])
    log.close()

    shown = list(read_entries(folder, keys))
    assert [entry.seq for entry in shown] == [first, first + 1]
    assert shown[0].body == {"before": {"pay": Decimal("10.50")}, "id": 10**24, "intent": 3}
    assert (shown[0].intent, shown[0].outcome, shown[1].intent, shown[1].outcome) == (3, None, None, 3)
    assert shown[0].time == START
    assert verified(folder).code == 0


def test_nothing_readable_lies_on_disk(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append([Entry({"name": "Ada Lovelace"})])
    log.close()

    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())

    assert b"Lovelace" not in stored


def test_a_large_entry_goes_on_in_the_next_frames(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    text = "".join(chr(97 + number % 26) for number in range(150_000))

    first = log.append([Entry({"small": 1}), Entry({"large": text}, intent=4), Entry({"small": 2})])
    log.close()

    shown = list(read_entries(folder, keys))
    assert [entry.seq for entry in shown] == [first, first + 1, first + 4]
    assert shown[1].body["large"] == text
    assert (shown[1].frames, shown[1].intent) == (3, 4)
    flags = [f.flags & CONTINUED for f in frames_of(read_segment(folder, 2)) if f.type == ENTRY]
    assert flags == [0, CONTINUED, CONTINUED, 0, 0]
    assert [entry.seq for entry in read_entries(folder, keys, start=first + 2)] == [first + 4]


def test_reading_takes_a_range_and_a_question(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    seqs = []
    for _ in range(4):
        seqs.append(log.append(entries(3)))
        clock.now += HOUR  # the next append begins a new segment
    log.close()

    some = list(read_entries(folder, keys, start=seqs[1] + 1, end=seqs[3] + 1, match=lambda body: body["n"] != 2))

    assert [entry.seq for entry in some] == [seqs[1] + 1, seqs[2], seqs[2] + 1, seqs[3]]


def test_an_old_segment_is_followed_by_a_new_one_with_its_own_key(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append(entries(2))
    clock.now += HOUR
    log.append(entries(2))
    log.close()

    assert list_segments(folder) == [1, 2, 3]
    assert segment_path(folder, 2).stat().st_mode & 0o777 == 0o440
    assert sidecar_path(folder, 2).read_bytes() != sidecar_path(folder, 3).read_bytes()
    assert verified(folder).code == 0


def test_the_highest_intent_survives_every_kind_of_end(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append([Entry({}, intent=7), Entry({}, intent=5)])
    log.close()
    assert verified(folder).last_intent == 7

    log = reopen(folder, keys, clock)
    assert log.last_intent == 7
    log.append([Entry({"large": "x" * 100_000}, intent=12), Entry({}, outcome=12)])
    crash(log)

    log = reopen(folder, keys, clock)
    assert log.last_intent == 12
    log.close()


def test_the_outcomes_since_a_sequence_are_told(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append([Entry({}, intent=1), Entry({}, outcome=1)])
    seq = log.append([Entry({}, intent=2), Entry({}, outcome=2), Entry({}, outcome=3)])

    assert log.outcomes_since(seq) == {2, 3}
    assert log.outcomes_since(0) == {1, 2, 3}
    assert log.outcomes_since(log.head.size) == frozenset()
    log.close()


def test_a_checkpoint_comes_a_second_after_an_entry_and_a_minute_after_nothing(
    folder: Path, keys: Keys, clock: Clock
) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)

    def sealed_after(seconds: float) -> int:
        clock.now += seconds
        log.tick()
        return verified(folder).checkpoints

    start = sealed_after(0)
    assert sealed_after(0.5) == start
    log.append(entries(1))
    assert sealed_after(0.5) == start
    assert sealed_after(0.6) == start + 1
    assert sealed_after(58) == start + 1
    assert sealed_after(3) == start + 2
    assert sealed_after(-1000) == start + 3  # a clock that was set back delays nothing
    log.close()


def test_many_frames_are_sealed_without_waiting(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append(entries(2500))
    log.close()

    frames = frames_of(read_segment(folder, 2))
    sealed = [frame.seq for frame in frames if frame.type == CHECKPOINT]
    assert all(later - earlier <= 2048 for earlier, later in itertools.pairwise(sealed))
    assert verified(folder).unsealed == 0


def test_many_threads_share_batches_and_lose_nothing(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    syncs: list[int] = []

    def sync(fd: int) -> None:
        syncs.append(fd)
        time.sleep(0.002)  # long enough for others to line up

    log = reopen(folder, keys, clock, sync=sync)
    acknowledged: dict[int, tuple[int, int]] = {}

    together = threading.Barrier(16)

    def produce(thread: int) -> None:
        together.wait()
        for number in range(25):
            acknowledged[log.append([Entry({"thread": thread, "number": number})])] = (thread, number)

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()

    shown = {entry.seq: (entry.body["thread"], entry.body["number"]) for entry in read_entries(folder, keys)}
    assert shown == acknowledged
    assert len(acknowledged) == 400
    for thread_number in range(16):
        assert [n for t, n in shown.values() if t == thread_number] == list(range(25))
    assert len(syncs) < 400


def test_verification_never_disturbs_nor_accuses_a_live_log(folder: Path, keys: Keys) -> None:
    begin(folder, keys)
    log = AuditLog.open(folder, keys)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            log.append(entries(40))
            log.tick()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        verdicts = [verify_log(folder, now=time.time()) for _ in range(25)]
        counts = [sum(1 for _ in read_entries(folder, keys)) for _ in range(5)]
    finally:
        stop.set()
        writer.join()
        log.close()

    assert [verdict.problems for verdict in verdicts] == [()] * 25
    assert counts == sorted(counts)
    assert counts[-1] > 0


def test_the_head_is_what_a_checkpoint_states(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append(entries(5))
    head = log.head
    log.checkpoint()

    log.close()

    frames = [frame for number in list_segments(folder) for frame in frames_of(read_segment(folder, number))]
    seal = next(frame for frame in frames if frame.type == CHECKPOINT and frame.seq == head.size)
    lines = seal.body[SEAL.size :].decode().splitlines()
    assert lines[:3] == [ORIGIN, str(head.size), base64.b64encode(head.root).decode()]
    assert frames[head.size - 1].chain == head.chain


def test_a_second_writer_is_told_who_writes(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)

    with pytest.raises(Busy, match=f"process {os.getpid()} is writing"):
        reopen(folder, keys, clock)

    log.close()
    reopen(folder, keys, clock).close()


def test_a_log_is_begun_once(folder: Path, keys: Keys) -> None:
    begin(folder, keys)

    with pytest.raises(AuditError, match="already"):
        init_log(folder, keys, origin=ORIGIN)
    for bad in ("", "two words", "a+b", "ü"):
        with pytest.raises(AuditError, match="origin"):
            init_log(folder / "other", keys, origin=bad)


def test_foreign_keys_open_nothing(folder: Path, keys: Keys, clock: Clock, tmp_path: Path) -> None:
    begin(folder, keys)
    other = create_keys(tmp_path / "other")

    with pytest.raises(AuditError, match="use its own key"):
        reopen(folder, other, clock)
    reopen(folder, keys, clock).close()


def test_without_the_wrapping_key_nothing_is_shown(folder: Path, keys: Keys, clock: Clock, tmp_path: Path) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append(entries(1))
    log.close()
    stranger = Keys(create_keys(tmp_path / "other").keks, keys.identity)

    with pytest.raises(AuditError, match=r"0000000002\.keys: wrapped for aes-kw"):
        list(read_entries(folder, stranger))
    assert verified(folder).code == 0
