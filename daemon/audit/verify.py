"""This is where anyone finds out whether a log was changed: without secrets, without the lock, beside a live writer.

The log is judged as it is at the start of the look: the newest segment up to its size then. Memory stays at one
segment. The public key counts as much as who gave it: pass *identity* from a place that the log's host cannot change;
without it the file `origin` is believed, which whoever rewrites the whole folder rewrites as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from daemon.audit.frames import CHECKPOINT, CONTINUED, ENTRY, Frame
from daemon.audit.segment import Origin, gap, list_segments, read_origin, read_segment, segment_path
from daemon.audit.state import Memory, read_memory
from daemon.audit.walk import Damage, Place, Walk, WrongKey
from daemon.errors import AuditError

GRACE: Final = 10.0
"""Seconds an entry may stand without a checkpoint, and a write may be unfinished. A live log needs one or two."""

Code: TypeAlias = Literal[0, 1, 2, 3]
SOUND: Final = 0
DAMAGED: Final = 1
INCOMPLETE: Final = 2
NOTHING: Final = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found.

    code         0 sound, 1 damaged, 2 incomplete (unsealed, stale, shorter than remembered), 3 nothing or wrong key
    size         good frames from the beginning; sealed_size: how many of them the newest checkpoint covers
    checkpoints  proven ones; sealed_time: seconds since 1970 of the newest, None without any
    unsealed     entries after the newest checkpoint; torn: bytes of an unfinished write at the end
    problems     one text a problem, each with its place; first_bad: the first place where a frame is not good
    fingerprint  the public identity key that was used, to be compared with the one that people know
    """

    code: Code
    size: int = 0
    sealed_size: int = 0
    checkpoints: int = 0
    problems: tuple[str, ...] = ()
    first_bad: Place | None = None
    sealed_time: float | None = None
    unsealed: int = 0
    torn: int = 0
    last_intent: int = 0
    fingerprint: str = ""


@dataclass(slots=True)
class _Look:
    """One verification under way."""

    folder: Path
    walk: Walk
    memory: Memory
    sizes: dict[int, int]
    unsealed: int = 0
    oldest: int = 0
    changed: float = 0.0
    published: bool = False
    problems: list[str] = field(default_factory=list)


def verify_log(
    folder: Path,
    *,
    expect_size: int | None = None,
    max_age: float | None = None,
    now: float,
    identity: bytes | None = None,
) -> Verdict:
    """Reads the whole log and judges it. *identity* is the raw public key; *max_age* in seconds, *now* since 1970.

    *expect_size* is a size that somebody remembers; without it the files beside the segments have to remember.
    Never raises for what a log may contain.
    """
    try:
        origin = read_origin(folder)
    except (AuditError, OSError) as error:
        return Verdict(NOTHING, problems=(str(error),))
    if identity is not None and identity != origin.public:
        other = Origin(origin.name, identity).fingerprint
        text = f"{folder / 'origin'}: this log is signed by {origin.fingerprint}, expected was {other}"
        return Verdict(NOTHING, problems=(text,), fingerprint=origin.fingerprint)
    try:
        look = _look(folder, origin)
    except OSError as error:
        return Verdict(NOTHING, problems=(f"{folder}: {error}",), fingerprint=origin.fingerprint)
    return _judge(look, expect_size, max_age, now)


def _look(folder: Path, origin: Origin) -> _Look:
    memory = read_memory(folder, origin)  # before the sizes: a live log may grow in between, never shrink
    look = _Look(folder, Walk(origin), memory, {})
    for number in list_segments(folder):
        facts = segment_path(folder, number).lstat()
        look.sizes[number] = facts.st_size
        look.changed = facts.st_mtime
    return look


def _judge(look: _Look, expect_size: int | None, max_age: float | None, now: float) -> Verdict:
    if not look.sizes:
        return _verdict(look, NOTHING, "no segments: nothing to verify")
    remembered = max(look.memory.size, expect_size or 0)
    try:
        _read(look)
        _end(look, remembered)
    except WrongKey as damage:
        text = f"{damage}; either the key is another log's, or the log was rewritten by someone without the key"
        return _verdict(look, NOTHING, text, damage.place)
    except Damage as damage:
        return _verdict(look, DAMAGED, str(damage), damage.place)
    except AuditError as error:
        return _verdict(look, DAMAGED, str(error))
    if expect_size is None:
        look.problems += look.memory.faults
    look.problems += _missing(look, remembered, max_age, now)
    return _verdict(look, INCOMPLETE if look.problems else SOUND)


def _read(look: _Look) -> None:
    missing = gap(look.sizes)
    last = max(look.sizes)
    for number, size in look.sizes.items():
        if missing is not None and number > missing:
            raise Damage(Place(missing, 0, look.walk.chain.size), "the segment is missing, and later ones exist")
        _read_segment(look, number, size, newest=number == last)


def _read_segment(look: _Look, number: int, size: int, *, newest: bool) -> None:
    data = read_segment(look.folder, number, size=size if newest else None)
    due = look.memory.state.size - 1 if look.memory.state else -1
    for frame in look.walk.segment(number, data, newest=newest):
        if frame.type == ENTRY:
            look.oldest = look.oldest if look.unsealed else frame.time
            look.unsealed += not frame.flags & CONTINUED
        if frame.type == CHECKPOINT or frame.seq == due:
            _compare(look, frame)


def _compare(look: _Look, frame: Frame) -> None:
    """Holds a frame of the log against what is remembered of it."""
    sealed = look.walk.sealed
    if why := look.memory.denies(frame, sealed):
        raise Damage(Place(frame.segment, frame.start, frame.seq), why)
    if frame.type == CHECKPOINT:
        look.unsealed = 0
        look.published = look.published or (sealed is not None and sealed.note == look.memory.note)


def _end(look: _Look, remembered: int) -> None:
    """Holds the log's end against its remembered size. Shorter with bytes left over is damage, not a cut."""
    walk, note = look.walk, look.memory.note
    place = Place(max(look.sizes), walk.offset, walk.chain.size)
    if walk.chain.size < remembered and walk.torn:
        raise Damage(place, f"no good frame here, and the log is remembered to reach {remembered}")
    if note and note.size < walk.chain.size and not look.published:
        raise Damage(place, f"the checkpoint for {note.size} in the file `checkpoint` is not in the log")


def _missing(look: _Look, remembered: int, max_age: float | None, now: float) -> Iterator[str]:
    """What keeps a log without damage from being whole and fresh."""
    walk = look.walk
    if walk.chain.size < remembered:
        yield f"the log ends at {walk.chain.size}, remembered {remembered}: its end is missing, or the folder is old"
    if walk.sealed is None:
        yield "no checkpoint: nothing proves this log"
    elif max_age is not None and abs(age := now - walk.sealed.time / 1e6) > max_age:
        yield f"the newest checkpoint is {age:.0f} s old, {max_age:.0f} s are allowed; is the daemon running?"
    if look.unsealed and abs(age := now - look.oldest / 1e6) > GRACE:
        yield f"unsealed: {look.unsealed} entries, the first {age:.0f} s old; starting the daemon seals them"
    if walk.torn and abs(now - look.changed) > GRACE:
        yield f"{walk.torn} bytes of an unfinished write at the end; starting the daemon cuts them and says so"


def _verdict(look: _Look, code: Code, problem: str = "", place: Place | None = None) -> Verdict:
    walk, sealed = look.walk, look.walk.sealed
    return Verdict(
        code,
        size=walk.chain.size,
        sealed_size=sealed.note.size if sealed else 0,
        checkpoints=walk.checkpoints,
        problems=(problem, *look.problems) if problem else tuple(look.problems),
        first_bad=place,
        sealed_time=sealed.time / 1e6 if sealed else None,
        unsealed=look.unsealed,
        torn=walk.torn,
        last_intent=sealed.note.intent if sealed else 0,
        fingerprint=walk.origin.fingerprint,
    )
