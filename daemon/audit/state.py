"""This is where a log's size is remembered beside it, so that a log which became shorter is noticed.

`state` is for the writer's next start, with a CRC and no signature. `checkpoint` is the newest signed note, for
everybody. Both are written only after what they speak of is durable, so they never run ahead of the log.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from daemon.audit.files import read_file, replace_file
from daemon.audit.frames import Frame
from daemon.audit.note import Note, NoteError, read_note
from daemon.audit.segment import Origin
from daemon.audit.walk import Sealed


@dataclass(frozen=True, slots=True)
class State:
    """The log's end as its writer last remembered it. *intent* is the highest intent id ever written."""

    size: int
    chain: bytes
    segment: int
    epoch: int
    intent: int
    time: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What the files beside the segments say about the log; None where one is missing or cannot be read."""

    state: State | None
    note: Note | None
    faults: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """No honest log is shorter than this."""
        return max(self.state.size if self.state else 0, self.note.size if self.note else 0)

    def denies(self, frame: Frame, sealed: Sealed | None) -> str | None:
        """Why a frame of a walk cannot be, if what is remembered says so."""
        state, note = self.state, self.note
        if state and frame.seq + 1 == state.size and frame.chain != state.chain:
            return "the file `state` remembers another log of this size"
        if note and sealed and sealed.note.size == note.size and sealed.note != note:
            return "the file `checkpoint` states another log of this size"
        return None


def write_state(folder: Path, state: State) -> None:
    """Replaces the file `state`."""
    text = msgspec.json.encode(state)
    replace_file(folder / "state", text + b"\n%08x\n" % zlib.crc32(text))


def read_memory(folder: Path, origin: Origin) -> Memory:
    """Both files. Never raises: a log is judged by its segments, and *faults* says what could not be used."""
    faults: list[str] = []
    state: State | None = None
    note: Note | None = None
    try:
        state = _state(read_file(folder / "state", limit=4096))
    except Exception as error:
        faults.append(f"state: cannot be used ({error}), so it does not tell whether the log became shorter")
    try:
        signed = read_file(folder / "checkpoint", limit=65_536)
        note = read_note(signed, origin=origin.name, public=origin.public)
    except Exception as error:
        faults.append(f"checkpoint: cannot be used ({error})")
    return Memory(state, note, tuple(faults))


def _state(raw: bytes) -> State:
    text, crc, rest = raw.split(b"\n")
    if rest or crc != b"%08x" % zlib.crc32(text):
        raise NoteError("its checksum is wrong")
    return msgspec.json.decode(text, type=State)
