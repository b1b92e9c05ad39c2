"""This is where the tests of the audit room get small logs, a clock that stands still, and pictures of folders."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.audit.entries import Entry
from daemon.audit.frames import FILE_MAGIC, Frame, frame_at
from daemon.audit.keys import Keys
from daemon.audit.log import AuditLog, init_log
from daemon.audit.segment import list_segments, segment_path
from daemon.audit.verify import Verdict, verify_log

ORIGIN = "t.example/a"
START = 1_750_000_000.0
HOUR = 3600.0


@dataclass
class Clock:
    """A clock that moves when told."""

    now: float = START

    def __call__(self) -> float:
        return self.now


def no_sync(_: int) -> None:
    """For tests that are not about durability."""


def begin(folder: Path, keys: Keys) -> Path:
    """A fresh log."""
    init_log(folder, keys, origin=ORIGIN)
    return folder


def reopen(
    folder: Path, keys: Keys, clock: Callable[[], float], *, sync: Callable[[int], None] = no_sync, remembered: int = 0
) -> AuditLog:
    return AuditLog.open(folder, keys, clock=clock, sync=sync, remembered=remembered)


def entries(count: int, size: int = 8, tag: str = "n") -> list[Entry]:
    return [Entry({tag: number, "pad": "x" * size}) for number in range(count)]


def three_segments(folder: Path, keys: Keys) -> Path:
    """A closed log: the empty first segment, and two with entries, the second by rotation."""
    begin(folder, keys)
    clock = Clock()
    log = reopen(folder, keys, clock)
    log.append([Entry({"do": "x"}, intent=1), Entry({"done": "x"}, outcome=1)])
    clock.now += HOUR
    log.append([Entry({"do": "y"}, intent=2), Entry({"done": "y"}, outcome=2)])
    log.close()
    return folder


def frames_of(data: bytes) -> list[Frame]:
    """The frames in a segment's bytes, hashes unchecked."""
    found, at = [], len(FILE_MAGIC)
    while frame := frame_at(data, at):
        found.append(frame)
        at = frame.end
    return found


def newest(folder: Path) -> Path:
    return segment_path(folder, list_segments(folder)[-1])


def verified(folder: Path, **asked: object) -> Verdict:
    return verify_log(folder, **{"now": START + HOUR, **asked})  # type: ignore[arg-type]  # keywords pass through


def crash(log: AuditLog) -> None:
    """What is left of a writer that was killed: its descriptors are closed, nothing else happens."""
    log._failed = "killed"
    log.close()


def copy(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def put(path: Path, data: bytes) -> None:
    """Replaces a file's content, whatever its mode."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)
