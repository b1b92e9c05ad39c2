"""This is where a log is taken up again after a stop or a crash: what was torn is cut, what was damaged is refused.

Cut is only what a crash explains: the tail of the newest segment, in the one batch that was in flight, past
everything that anybody remembers. The cut bytes are kept beside the segment and named in a RECOVERY frame. Damage in
durable data is never repaired. Every step may itself be interrupted and done again.
"""

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from daemon.audit.chain import Chain
from daemon.audit.entries import decode_entry
from daemon.audit.files import read_file, replace_file, sync_folder
from daemon.audit.frames import ENTRY, INTENT, Frame
from daemon.audit.keys import Keys
from daemon.audit.reading import SegmentReader
from daemon.audit.segment import (
    MAX_FILE,
    Cut,
    Opening,
    Origin,
    Previous,
    gap,
    list_segments,
    previous,
    read_segment,
    segment_path,
    torn_path,
    unborn_path,
)
from daemon.audit.state import Memory, read_memory
from daemon.audit.walk import Damage, Place, Walk
from daemon.errors import AuditError

REMEDY = (
    "Nothing was changed. `tallystick audit verify` shows the whole picture; restore the folder from a newer backup,"
    " or keep it aside as evidence and begin a new log with `tallystick audit init`"
)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a log goes on: after *previous*, with *epoch* for the next checkpoint."""

    chain: Chain
    epoch: int
    intent: int
    previous: Previous
    closed: bool
    cuts: tuple[Cut, ...]


def recover(folder: Path, origin: Origin, keys: Keys, *, remembered: int) -> Found:
    """Looks at the newest segments and cuts a torn tail. Raises AuditError for damage and for a log that shrank."""
    memory = read_memory(folder, origin)
    numbers = list_segments(folder)
    missing = gap(numbers)
    if not numbers or missing:
        raise AuditError(f"{segment_path(folder, missing or 1)}: missing, so the log is not whole. {REMEDY}")
    try:
        unborn = _is_unborn(origin, numbers[-1], read_segment(folder, numbers[-1]))
        if unborn and len(numbers) > 1:
            numbers.pop()
        tail = _walk_tail(folder, origin, numbers, memory)
    except Damage as damage:
        raise AuditError(f"{folder / str(damage)}. {REMEDY}") from None
    _refuse_shorter(folder, numbers[-1], tail.walk, max(memory.size, remembered))
    intent = max(_last_intent(folder, keys, tail), memory.state.intent if memory.state else 0)
    if unborn:
        segment_path(folder, numbers[-1] + 1).replace(unborn_path(folder, numbers[-1] + 1))
        sync_folder(folder / "seg")
    end = _cut(folder, numbers[-1], tail.walk)
    return Found(tail.walk.chain, tail.walk.epoch, intent, end, tail.walk.closed, _cuts(folder, numbers[-1]))


@dataclass(slots=True)
class _Tail:
    """A walk to the log's end that met a proven checkpoint, and the intents that stand after that one."""

    walk: Walk
    unsealed: list[Frame] = field(default_factory=list)
    openings: dict[int, Opening] = field(default_factory=dict)


def _walk_tail(folder: Path, origin: Origin, numbers: list[int], memory: Memory) -> _Tail:
    """Walks the newest segments, beginning as late as a checkpoint allows to prove where the walk began."""
    for start in range(len(numbers) - 1, -1, -1):
        tail = _Tail(Walk(origin))
        for number in numbers[start:]:
            data = read_segment(folder, number)
            if number == numbers[start]:
                tail.walk.enter(number, data)
            _take(tail, number, data, memory, newest=number == numbers[-1])
        if tail.walk.sealed:
            return tail
    raise AuditError(f"{folder}: no segment holds a checkpoint, so nothing proves this log. {REMEDY}")


def _take(tail: _Tail, number: int, data: bytes, memory: Memory, *, newest: bool) -> None:
    walk = tail.walk
    sealed = walk.sealed
    for frame in walk.segment(number, data, newest=newest):
        if why := memory.denies(frame, walk.sealed):
            raise Damage(Place(number, frame.start, frame.seq), why)
        if walk.sealed is not sealed:
            sealed = walk.sealed
            tail.unsealed.clear()
        if frame.type == ENTRY and frame.flags & INTENT:
            tail.unsealed.append(frame)
    if walk.opening:
        tail.openings[number] = walk.opening


def _is_unborn(origin: Origin, number: int, data: bytes) -> bool:
    """Whether a crash stopped this segment before its first batch was whole; then nothing in it was ever promised.

    Raises Damage where later batches follow. That nobody remembers the segment is checked with the log's size.
    """
    walk = Walk(origin)
    with contextlib.suppress(Damage):  # without a good OPEN frame the walk below finds none either
        walk.enter(number, data)
    return not any(walk.born for _ in walk.segment(number, data, newest=True)) and not walk.born


def _refuse_shorter(folder: Path, number: int, walk: Walk, remembered: int) -> None:
    if walk.chain.size < remembered:
        what = f"{walk.torn} bytes there are no good frames" if walk.torn else "the file ends there"
        place = Place(number, walk.offset, walk.chain.size)
        raise AuditError(
            f"{folder / str(place)}: the log ends at {walk.chain.size}, remembered {remembered}; {what}. {REMEDY}"
        )


def _last_intent(folder: Path, keys: Keys, tail: _Tail) -> int:
    """The highest intent id: what the newest checkpoint says in clear, or an entry after it."""
    highest = tail.walk.sealed.note.intent if tail.walk.sealed else 0
    readers: dict[int, SegmentReader] = {}
    for frame in tail.unsealed:
        if frame.segment not in readers:
            opening = tail.openings[frame.segment]
            readers[frame.segment] = SegmentReader(folder, tail.walk.origin, keys, frame.segment, opening)
        whole = readers[frame.segment].take(frame)
        intent = decode_entry(whole.text).get("intent") if whole else None
        highest = max(highest, intent if isinstance(intent, int) else 0)
    return highest


def _cut(folder: Path, number: int, walk: Walk) -> Previous:
    """Moves a torn tail beside its segment, and says how the segment ends now."""
    data = read_segment(folder, number)
    good, rest = data[: walk.offset], data[walk.offset :]
    if walk.torn:
        replace_file(torn_path(folder, number), rest)
    if rest:
        path = segment_path(folder, number)
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            os.ftruncate(fd, len(good))
            os.fsync(fd)
        finally:
            os.close(fd)
    return previous(number, good, walk.chain)


def _cuts(folder: Path, number: int) -> tuple[Cut, ...]:
    """What was cut from a segment, now or by an attempt that a crash interrupted."""
    path = torn_path(folder, number)
    if not path.exists():
        return ()
    data = read_file(path, limit=MAX_FILE)
    return (Cut(path.name, len(data), hashlib.sha256(data).digest()),)
