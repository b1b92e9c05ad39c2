"""This is where one process at a time gets the state folder, and learns who holds it otherwise."""

import contextlib
import os
import pwd
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec
from filelock import FileLock, Timeout

from daemon.errors import Busy, TallystickError
from daemon.service import clock

Kind: TypeAlias = Literal["serve", "run"]
"""serve: a daemon. run: a command that works in the foreground and soon ends."""

PATIENCE: Final = 60.0
"""Seconds that a starting daemon waits for a command in the foreground."""
_STEP: Final = 0.1


class NotOwner(TallystickError):
    """The state folder is another user's, or is not ours alone."""

    exit_code = 77


class NoFolder(TallystickError):
    """There is no state folder, and none can be made."""

    def __init__(self, state: Path, error: OSError) -> None:
        what = "is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        super().__init__(f"{state}: {what}; name another state folder with `state` in tallystick.yaml")
        self.exit_code = 77 if isinstance(error, PermissionError) else 74


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the state folder."""

    pid: int
    kind: Kind
    started: float


class StateLock:
    """The lock on a state folder. The kernel drops it when the process ends, however that happens."""

    def __init__(self, state: Path) -> None:
        """Makes the folder when there is none. Raises NotOwner for another user's, where files of ours would lock
        him out, and for one that others may write to."""
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise NoFolder(state, error) from None
        facts = state.stat()
        if facts.st_uid != os.geteuid():
            name = _name(facts.st_uid)
            raise NotOwner(f"{state} belongs to {name}; run it as that user: sudo -u {name} tallystick")
        if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise NotOwner(f"{state}: others may put files there in the place of ours; run chmod go-w {state}")
        self._state = state
        self._lock = FileLock(state / "lock", thread_local=False, mode=0o600)
        self._note = state / "lock.holder"  # beside it: taking the lock may truncate the file itself

    def acquire(self, kind: Kind, *, waiting: Callable[[Holder], None] | None = None) -> bool:
        """Takes the lock, and tells whether somebody had to be waited for. Raises Busy naming the holder.

        A daemon waits a minute for a command in the foreground, hearing of it once through *waiting*; nobody waits
        for a daemon.
        """
        until = clock.monotonic() + (PATIENCE if kind == "serve" else 0.0)
        waited = False
        while not self._take():
            holder = self._holder()
            if clock.monotonic() >= until or (holder and holder.kind == "serve"):
                raise Busy(f"{self._state} is held by {_told(holder)}")
            if holder and waiting and not waited:
                waiting(holder)
            waited = True
            time.sleep(_STEP)
        with contextlib.suppress(OSError):  # the lock holds without it, and a full disk is told by what needs it
            self._note.write_bytes(msgspec.json.encode(Holder(os.getpid(), kind, clock.now())))
        return waited

    def release(self) -> None:
        """Gives the folder back. Idempotent."""
        if self._lock.is_locked:
            self._note.unlink(missing_ok=True)
            self._lock.release()

    def _take(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def _holder(self) -> Holder | None:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(self._note.read_bytes(), type=Holder)
        return None


def _told(holder: Holder | None) -> str:
    if holder is None:
        return "another process; try again, or find it with `fuser`"
    name = "the daemon" if holder.kind == "serve" else "a `tallystick` command in the foreground"
    remedy = "ask it over its socket, or stop it first" if holder.kind == "serve" else "try again when it has ended"
    return f"{name}, process {holder.pid}, since {clock.as_text(holder.started)}; {remedy}"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
