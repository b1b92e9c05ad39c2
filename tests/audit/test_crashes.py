"""This is where power fails and processes are killed: nothing acknowledged is lost, nothing damaged is repaired."""

import random
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

from daemon.audit import frames
from daemon.audit.entries import Entry
from daemon.audit.keys import Keys, create_keys
from daemon.audit.log import AuditLog
from daemon.audit.reading import read_entries
from daemon.audit.recovery import recover
from daemon.audit.segment import (
    Recovery,
    decode_body,
    list_segments,
    read_origin,
    read_segment,
    segment_path,
    torn_path,
    unborn_path,
)
from daemon.audit.walk import Walk
from daemon.errors import AuditError
from tests.audit.logs import Clock, begin, copy, crash, entries, frames_of, newest, put, reopen, verified

SECTOR = 512


class Torn:
    """A log whose last batch was in flight: its bytes, where that batch begins, and what was acknowledged before."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        log = reopen(begin(folder, keys), keys, Clock())
        for number in range(4):
            log.append(entries(3, size=40 * number))
        log.checkpoint()
        log.append(entries(5, size=90))
        self.acknowledged = log.head.size
        self.start = newest(folder).stat().st_size
        log.append([*entries(6, size=300), Entry({"large": "x" * 200})])
        crash(log)
        self.folder = folder
        self.path = newest(folder)
        self.number = list_segments(folder)[-1]
        self.whole = self.path.read_bytes()

    def recovered(self, keys: Keys, image: bytes) -> list[int]:
        """The sequences shown after a restart on this image; the folder is put back afterwards."""
        put(self.path, image)
        kept = {name: (self.folder / name).read_bytes() for name in ("state", "checkpoint")}
        try:
            reopen(self.folder, keys, Clock()).close()
            verdict = verified(self.folder)
            assert (verdict.code, verdict.problems) == (0, ())
            return [entry.seq for entry in read_entries(self.folder, keys)]
        finally:
            for number in list_segments(self.folder):
                if number > self.number:
                    segment_path(self.folder, number).unlink()
            torn_path(self.folder, self.number).unlink(missing_ok=True)
            for name, content in kept.items():
                put(self.folder / name, content)


@pytest.fixture
def torn(folder: Path, keys: Keys) -> Torn:
    return Torn(folder, keys)


def _lost(image: bytes, start: int, lost: tuple[bool, ...], filler: bytes | None = None) -> bytes:
    """The image with some sectors of the last batch as they were before it: zeros, or something older."""
    changed = bytearray(image)
    for sector, gone in enumerate(lost, start // SECTOR):
        begin_, end = max(sector * SECTOR, start), min((sector + 1) * SECTOR, len(image))
        if gone:
            changed[begin_:end] = filler[: end - begin_] if filler else bytes(end - begin_)
    return bytes(changed)


def _sectors(torn: Torn) -> int:
    return (len(torn.whole) - 1) // SECTOR - torn.start // SECTOR + 1


def test_every_set_of_lost_sectors_of_the_last_batch_is_recovered(torn: Torn, keys: Keys) -> None:
    durable = [f.seq for n in (1, 2) for f in frames_of(read_segment(torn.folder, n)) if f.type == frames.ENTRY]
    durable = [seq for seq in durable if seq < torn.acknowledged]

    for lost in product((False, True), repeat=_sectors(torn)):
        shown = torn.recovered(keys, _lost(torn.whole, torn.start, lost))
        assert shown[: len(durable)] == durable
        assert len(shown) <= len(durable) + 7


def test_old_garbage_in_lost_sectors_is_recovered_too(torn: Torn, keys: Keys) -> None:
    dice = random.Random(7)
    for _ in range(60):
        lost = tuple(dice.random() < 0.5 for _ in range(_sectors(torn)))
        shown = torn.recovered(keys, _lost(torn.whole, torn.start, lost, dice.randbytes(SECTOR)))
        assert len(shown) >= 17


def test_every_cut_of_the_last_batch_is_explained_by_a_crash(torn: Torn) -> None:
    origin = read_origin(torn.folder)
    for cut, tail in product(range(torn.start, len(torn.whole)), (0, 1000)):
        image = torn.whole[:cut] + bytes(tail)
        walk = Walk(origin)
        walk.enter(torn.number, image)
        for _ in walk.segment(torn.number, image, newest=True):
            pass
        assert walk.chain.size >= torn.acknowledged
        assert walk.offset >= torn.start


def test_cuts_of_the_last_batch_are_recovered(torn: Torn, keys: Keys) -> None:
    origin = read_origin(torn.folder)
    for cut in range(torn.start, len(torn.whole), 11):
        image = torn.whole[:cut] + bytes(cut % 3 * 500)
        put(torn.path, image)
        found = recover(torn.folder, origin, keys, remembered=torn.acknowledged)
        assert torn.acknowledged <= found.chain.size <= torn.acknowledged + 7
        assert torn.path.stat().st_size == found.previous.size <= len(image)

    for cut in range(torn.start, len(torn.whole), 97):
        assert len(torn.recovered(keys, torn.whole[:cut])) >= 17


def test_damage_in_durable_data_is_refused_with_its_place(torn: Torn, keys: Keys) -> None:
    for at in range(0, torn.start, 97):
        changed = bytearray(torn.whole)
        changed[at] ^= 0x10
        put(torn.path, bytes(changed))
        with pytest.raises(AuditError, match=r"seg/0000000002\.seg, byte \d+, sequence \d+: .*Nothing was changed"):
            reopen(torn.folder, keys, Clock())
        assert torn.path.read_bytes() == bytes(changed)


def test_a_tail_below_the_remembered_size_is_refused(torn: Torn, keys: Keys) -> None:
    changed = bytearray(torn.whole)
    changed[-40] ^= 1
    put(torn.path, bytes(changed))

    with pytest.raises(AuditError, match=f"remembered {torn.acknowledged + 7}"):
        reopen(torn.folder, keys, Clock(), remembered=torn.acknowledged + 7)
    assert not torn_path(torn.folder, torn.number).exists()


def test_what_was_cut_is_kept_and_told_once(torn: Torn, keys: Keys) -> None:
    put(torn.path, torn.whole[:-10])

    reopen(torn.folder, keys, Clock()).close()
    reopen(torn.folder, keys, Clock()).close()

    told = [
        decode_body(frame.body, Recovery)
        for number in list_segments(torn.folder)
        for frame in frames_of(read_segment(torn.folder, number))
        if frame.type == frames.RECOVERY
    ]
    kept = torn_path(torn.folder, torn.number).read_bytes()
    assert [(cut.file, cut.size) for recovery in told for cut in recovery.cuts] == [("0000000002.torn", len(kept))]
    assert torn.whole[:-10].endswith(kept)


def test_a_crash_at_every_byte_of_a_new_segment_is_recovered(torn: Torn, keys: Keys, tmp_path: Path) -> None:
    """The first batch of the recovering segment, OPEN and RECOVERY, is itself torn at every place."""
    put(torn.path, torn.whole[:-10])
    before = copy(torn.folder, tmp_path / "before")
    reopen(torn.folder, keys, Clock()).close()
    born = newest(torn.folder).read_bytes()
    first = next(frame.end for frame in frames_of(born) if frame.flags & frames.LAST)
    put(before / "seg" / torn_path(before, 2).name, torn_path(torn.folder, 2).read_bytes())
    put(segment_path(before, 2), segment_path(torn.folder, 2).read_bytes())

    for cut in range(0, first, 11):
        again = copy(before, tmp_path / f"again{cut}")
        put(segment_path(again, 3), born[:cut])
        put(again / "seg" / "0000000003.keys", b"[]")
        reopen(again, keys, Clock()).close()
        assert verified(again).code == 0
        assert unborn_path(again, 3).read_bytes() == born[:cut]
        assert len(list(read_entries(again, keys))) >= 17


def test_an_entry_that_was_cut_in_the_middle_is_not_shown(folder: Path, keys: Keys, clock: Clock) -> None:
    log = reopen(begin(folder, keys), keys, clock)
    log.append(entries(1))
    log.append([Entry({"large": "x" * 200_000}, intent=9)])
    crash(log)
    path = newest(folder)
    put(path, path.read_bytes()[:-1000])

    log = reopen(folder, keys, clock)
    log.append(entries(1, tag="later"))
    log.close()

    assert [sorted(entry.body) for entry in read_entries(folder, keys)] == [["n", "pad"], ["later", "pad"]]
    assert log.last_intent == 0
    assert verified(folder).code == 0


WRITER = """
import sys
from pathlib import Path
from daemon.audit.entries import Entry
from daemon.audit.keys import load_keys
from daemon.audit.log import AuditLog
log = AuditLog.open(Path(sys.argv[1]), load_keys(Path(sys.argv[2])))
number = log.last_intent
while True:
    entries = [Entry({"n": number + at, "pad": "x" * 300}, intent=number + at) for at in range(1, 8)]
    log.append(entries)
    number += 7
    print(number, flush=True)
    log.tick()
"""


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    keys = create_keys(tmp_path / "keys")
    folder = begin(tmp_path / "log", keys)
    acknowledged = 0

    for life in range(5):
        command = [sys.executable, "-c", WRITER, str(folder), str(tmp_path / "keys")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(3 + 11 * life):
                acknowledged = int(writer.stdout.readline())
            time.sleep(0.003 * life)
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split()
            acknowledged = int(rest[-1]) if rest else acknowledged

        log = AuditLog.open(folder, keys)
        shown = [entry.intent for entry in read_entries(folder, keys)]
        assert shown[:acknowledged] == list(range(1, acknowledged + 1))
        assert log.last_intent == len(shown) >= acknowledged
        log.close()

    assert verified(folder, now=time.time()).code == 0
