"""This is where a log is read front to back and nothing in it is believed: every rule of the format, in one place.

Verification, recovery and reading all walk the same way. A frame is handed out only after its header, leaf, chain
hash and place have been checked; a checkpoint only after its signature and its root. What breaks a rule raises
Damage with the place. No key is needed, and no more memory than one segment.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from daemon.audit import frames
from daemon.audit.chain import Chain, chain_hash, leaf_hash
from daemon.audit.frames import Frame, frame_at, header_at
from daemon.audit.note import Note, NoteError, UnknownSigner, read_note
from daemon.audit.segment import FORMAT, Opening, Origin, Previous, Recovery, decode_body, previous

SEAL: Final = struct.Struct(">QQ32s64s")
"""A CHECKPOINT's body before its note: epoch, time, the next ratchet key and the ratchet's signature."""
NO_RATCHET: Final = (bytes(32), bytes(64))


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is wrong: the segment, the offset in its file, and the sequence that was due there."""

    segment: int
    offset: int
    seq: int

    def __str__(self) -> str:
        return f"seg/{self.segment:010d}.seg, byte {self.offset}, sequence {self.seq}"


class Damage(Exception):
    """A rule of the format is broken at *place*."""

    def __init__(self, place: Place, why: str) -> None:
        super().__init__(f"{place}: {why}")
        self.place = place
        self.why = why


class WrongKey(Damage):
    """The first checkpoint met is not signed by the pinned key at all."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The newest checkpoint met: what it states, and its time in microseconds since 1970."""

    note: Note
    time: int


class Walk:
    """The state of a walk; read its attributes between segments.

    chain      everything taken in so far
    epoch      the epoch that the next checkpoint must have
    sealed     the newest proven checkpoint; `checkpoints` counts them
    opening    the OPEN body of the current segment, None before it was met
    born       the current segment's first batch is whole
    closed     the current segment ended with CLOSE
    offset     where the good frames of the current segment end
    torn       how many bytes follow there that an interrupted write explains
    previous   what the next OPEN frame must say
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.chain = Chain()
        self.epoch = 0
        self.sealed: Sealed | None = None
        self.checkpoints = 0
        self.opening: Opening | None = None
        self.born = False
        self.closed = True
        self.offset = 0
        self.torn = 0
        self.previous: Previous | None = None

    def enter(self, number: int, data: bytes) -> None:
        """Begins in the middle of a log, believing the OPEN frame of this segment until a checkpoint proves it."""
        first = frame_at(data, len(frames.FILE_MAGIC))
        place = Place(number, 0, 0)
        if first is None or first.type != frames.OPEN:
            raise Damage(place, "does not begin with an OPEN frame")
        opening = _opening(first, place)
        before = opening.prev
        if before is not None:
            self.chain = Chain(before.count, before.chain, list(before.peaks))
        if len(self.chain.peaks) != self.chain.size.bit_count():
            raise Damage(place, "the OPEN frame contradicts itself about the segment before")
        self.previous = before
        self.closed = opening.reason != "recovery"
        self.epoch = opening.epoch

    def segment(self, number: int, data: bytes, *, newest: bool) -> Iterator[Frame]:
        """The frames of a segment, each before it is added to `chain`. Only the newest one may end in a torn tail."""
        was_closed = self.closed
        self.opening, self.born, self.closed, self.torn = None, False, False, 0
        self.offset = at = len(frames.FILE_MAGIC) if data.startswith(frames.FILE_MAGIC) else 0
        chain, batch, last, count = self.chain, -1, True, 0
        while at:
            frame = frame_at(data, at)
            if frame is None or frame.segment != number or frame.seq != chain.size:
                break
            leaf = leaf_hash(frame.entry)
            if chain_hash(chain.hash, leaf) != frame.chain:
                break
            if frame.batch != (batch + 1 if last else batch):
                raise Damage(self._here(number), f"batch {frame.batch} after batch {batch}")
            if frame.type != frames.ENTRY or not self.born or self.closed:
                self._control(frame, count, was_closed)
            elif frame.flags & ~frames.ENTRY_FLAGS or not frame.flags & frames.ENCRYPTED:
                raise Damage(self._here(number), f"flags {frame.flags:#x} are unknown on an entry")
            yield frame
            chain.add(leaf, frame.chain)
            batch, last = frame.batch, bool(frame.flags & frames.LAST)
            self.born = self.born or last
            self.offset = at = frame.end
            count += 1
        self._end(number, data, batch, last=last, newest=newest)

    def _end(self, number: int, data: bytes, batch: int, *, last: bool, newest: bool) -> None:
        """Judges what follows the good frames."""
        rest = data[self.offset :]
        if not newest and (rest or not self.born):
            raise Damage(self._here(number), "no good frame here, and later segments exist")
        if rest.strip(b"\0"):
            if self.closed or not is_torn(data, self.offset, segment=number, in_flight=batch + 1 if last else batch):
                raise Damage(self._here(number), "no good frame here, and a crash does not explain it")
            self.torn = len(rest)
        if not newest:
            self.previous = previous(number, data, self.chain)

    def _control(self, frame: Frame, count: int, was_closed: bool) -> None:
        place = self._here(frame.segment)
        if self.closed:
            raise Damage(place, "a frame after CLOSE")
        if frame.flags & ~frames.LAST:
            raise Damage(place, f"flags {frame.flags:#x} are unknown on a frame of type {frame.type}")
        if (count == 0) != (frame.type == frames.OPEN):
            raise Damage(place, "a segment begins with its one OPEN frame")
        recovering = self.opening is not None and self.opening.reason == "recovery"
        if (count == 1 and recovering) != (frame.type == frames.RECOVERY):
            raise Damage(place, "a RECOVERY frame stands second in a segment that was opened for recovery")
        match frame.type:
            case frames.OPEN:
                self._open(frame, place, was_closed)
            case frames.CHECKPOINT:
                self._checkpoint(frame, place)
            case frames.RECOVERY:
                _recovery(frame, place)
            case frames.CLOSE:
                self.closed = True
            case _:
                raise Damage(place, f"frames of type {frame.type} are unknown here")

    def _open(self, frame: Frame, place: Place, was_closed: bool) -> None:
        opening = _opening(frame, place)
        if opening.format != FORMAT or opening.log != self.origin.log_id or opening.origin != self.origin.name:
            raise Damage(place, f"belongs to another log or format: {opening.origin}, format {opening.format}")
        if opening.segment != frame.segment or opening.epoch != self.epoch:
            raise Damage(place, f"says segment {opening.segment}, epoch {opening.epoch}; expected epoch {self.epoch}")
        if opening.prev != self.previous:
            raise Damage(place, "the segment before is not the one that this one continues")
        if (opening.reason == "init") != (opening.prev is None) or (opening.reason == "recovery") == was_closed:
            raise Damage(place, f"opened for {opening.reason!r}, which the segment before contradicts")
        self.opening = opening

    def _checkpoint(self, frame: Frame, place: Place) -> None:
        body = frame.body
        if len(body) < SEAL.size:
            raise Damage(place, "a checkpoint of too few bytes")
        epoch, time, *ratchet = SEAL.unpack_from(body)
        if epoch != self.epoch:
            raise Damage(place, f"checkpoint of epoch {epoch}, expected {self.epoch}")
        if tuple(ratchet) != NO_RATCHET:
            raise Damage(place, "signed by a ratchet that this log does not have")
        note = self._note(body[SEAL.size :], place)
        if note.size != frame.seq or note.root != self.chain.root():
            raise Damage(place, f"the checkpoint states another log: {note.size} frames with another root")
        if self.sealed and note.intent < self.sealed.note.intent:
            raise Damage(place, f"the highest intent fell from {self.sealed.note.intent} to {note.intent}")
        self.sealed = Sealed(note, time)
        self.checkpoints += 1
        self.epoch += 1

    def _note(self, signed: bytes, place: Place) -> Note:
        try:
            return read_note(signed, origin=self.origin.name, public=self.origin.public)
        except UnknownSigner as error:
            raise (Damage if self.sealed else WrongKey)(place, str(error)) from None
        except NoteError as error:
            raise Damage(place, str(error)) from None

    def _here(self, number: int) -> Place:
        return Place(number, self.offset, self.chain.size)


def is_torn(data: bytes, at: int, *, segment: int, in_flight: int) -> bool:
    """Whether an interrupted write explains that no good frame lies at *at*.

    One batch is in flight at a time, and the next is begun only when it is durable. So any header of this segment
    from here on that names another batch proves that the batch in flight had been durable: then it is damage.
    Bodies of entries are encrypted, hence nobody can plant a header in one.
    """
    found = data.find(frames.MAGIC, at)
    while found >= 0:
        header = header_at(data, found)
        if header and header.segment == segment and header.batch != in_flight:
            return False
        found = data.find(frames.MAGIC, found + 1)
    return True


def _opening(frame: Frame, place: Place) -> Opening:
    try:
        return decode_body(frame.body, Opening)
    except ValueError as error:
        raise Damage(place, f"not the body of an OPEN frame: {error}") from None


def _recovery(frame: Frame, place: Place) -> None:
    try:
        decode_body(frame.body, Recovery)
    except ValueError as error:
        raise Damage(place, f"not the body of a RECOVERY frame: {error}") from None
