"""This is where entries are read: checked, decrypted with their place as associated data, and put together."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidTag

from daemon.audit.entries import decode_entry
from daemon.audit.files import read_file
from daemon.audit.frames import CONTINUED, ENTRY, FILE_MAGIC, HEADER_SIZE, INTENT, LAST, OUTCOME, Frame, header_at
from daemon.audit.keys import Keys, segment_key
from daemon.audit.segment import (
    Opening,
    Origin,
    list_segments,
    read_origin,
    read_segment,
    segment_path,
    sidecar_path,
)
from daemon.audit.walk import Damage, Walk
from daemon.errors import AuditError

Match: TypeAlias = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry as it stands in the log. *time* is in seconds since 1970, *seq* that of its first frame."""

    seq: int
    time: float
    flags: int
    body: Mapping[str, Any]
    segment: int
    frames: int = 1

    @property
    def intent(self) -> int | None:
        """The intent id that this entry announces."""
        return self.body.get("intent") if self.flags & INTENT else None

    @property
    def outcome(self) -> int | None:
        """The intent id that this entry settles."""
        return self.body.get("outcome") if self.flags & OUTCOME else None


class Whole(NamedTuple):
    """The text of an entry, the first of its frames, and how many there were."""

    first: Frame
    frames: int
    text: bytes


class SegmentReader:
    """Decrypts the frames of one segment and puts continued entries together."""

    def __init__(self, folder: Path, origin: Origin, keys: Keys, number: int, opening: Opening) -> None:
        """Raises AuditError where the sidecar is missing, foreign, or of another segment."""
        path = sidecar_path(folder, number)
        try:
            sidecar = read_file(path, limit=1024 * 1024)
        except OSError as error:
            raise AuditError(f"{path}: {error.strerror}; without it the segment cannot be read") from None
        key = segment_key(keys.unwrap(sidecar, path), origin.log_id, number)
        if opening.commit != key.commit:
            raise AuditError(f"{path}: belongs to another segment than it is named after; restore it from a backup")
        self._cipher = key.cipher
        self._log_id = origin.log_id
        self._place = segment_path(folder, number)
        self._pieces: list[bytes] = []
        self._first: Frame | None = None

    def take(self, frame: Frame) -> Whole | None:
        """The entry whose last frame this is, or None while it goes on."""
        if not self._pieces:
            self._first = frame
        assert self._first is not None
        self._pieces.append(self._decrypt(frame))
        if frame.flags & CONTINUED:
            return None
        whole = Whole(self._first, len(self._pieces), b"".join(self._pieces))
        self._pieces = []
        return whole

    def _decrypt(self, frame: Frame) -> bytes:
        body = frame.body
        try:
            return self._cipher.decrypt(body[:12], body[12:], frame.header + self._log_id)
        except (InvalidTag, ValueError):
            raise AuditError(f"{self._place}, byte {frame.start}, sequence {frame.seq}: does not decrypt") from None


def read_entries(
    folder: Path, keys: Keys, *, start: int = 0, end: int | None = None, match: Match | None = None
) -> Iterator[Shown]:
    """The entries that begin in [start, end), oldest first, those that *match* accepts.

    Every frame's leaf and chain hash are checked before it is decrypted; who wants the signatures checked as well
    verifies the log. May run beside the writer. An entry that a crash cut off, which was never promised, is not
    shown. Raises AuditError with the place of what cannot be believed or decrypted.
    """
    origin = read_origin(folder)
    numbers = list_segments(folder)
    if not numbers:
        raise AuditError(f"{folder}: no segments, nothing to read; see `tallystick audit verify`")
    walk = Walk(origin)
    entered = False
    for number in numbers[_index(folder, numbers, start) :]:
        data = read_segment(folder, number)
        try:
            if not entered:
                walk.enter(number, data)
                entered = True
            for whole in _entries(folder, keys, walk, number, data, newest=number == numbers[-1]):
                if end is not None and whole.first.seq >= end:
                    return
                shown = _shown(whole)
                if whole.first.seq >= start and (match is None or match(shown.body)):
                    yield shown
        except Damage as damage:
            raise AuditError(f"{folder / str(damage)}; see `tallystick audit verify`") from None


def _entries(folder: Path, keys: Keys, walk: Walk, number: int, data: bytes, *, newest: bool) -> Iterator[Whole]:
    """The entries of one segment. Its key is asked for only when it has any."""
    reader: SegmentReader | None = None
    for frame in walk.segment(number, data, newest=newest):
        if frame.type != ENTRY:
            continue
        if reader is None:
            assert walk.opening is not None
            reader = SegmentReader(folder, walk.origin, keys, number, walk.opening)
        whole = reader.take(frame)
        if whole:
            yield whole


def _shown(whole: Whole) -> Shown:
    first = whole.first
    try:
        body = decode_entry(whole.text)
    except ValueError as error:
        raise AuditError(f"segment {first.segment}, sequence {first.seq}: not an entry: {error}") from None
    return Shown(first.seq, first.time / 1e6, first.flags & ~(LAST | CONTINUED), body, first.segment, whole.frames)


def _index(folder: Path, numbers: list[int], seq: int) -> int:
    """Where in *numbers* the segment stands that holds *seq*."""
    for index in range(len(numbers) - 1, 0, -1):
        with segment_path(folder, numbers[index]).open("rb") as file:
            header = header_at(file.read(len(FILE_MAGIC) + HEADER_SIZE), len(FILE_MAGIC))
        if header and header.seq <= seq:
            return index
    return 0
