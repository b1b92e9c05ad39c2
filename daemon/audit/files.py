"""This is where files of a log are replaced, read and locked in ways that a crash or a stranger cannot twist."""

import fcntl
import os
import stat
from pathlib import Path

from daemon.errors import AuditError, Busy


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Puts *data* at *path*. After a crash the old or the new content is there, never something between."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        write_all(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    fresh.replace(path)
    sync_folder(path.parent)


def write_all(fd: int, data: bytes, at: int) -> None:
    """Writes every byte of *data* at offset *at*, however short the kernel's single writes are."""
    done = os.pwrite(fd, data, at)
    view = memoryview(data)
    while done < len(data):
        done += os.pwrite(fd, view[done:], at + done)


def sync_folder(folder: Path) -> None:
    """Makes created, renamed and removed names in *folder* durable; a file's own fsync does not."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_file(path: Path, *, limit: int, size: int | None = None) -> bytes:
    """The content of a plain file of at most *limit* bytes, or its first *size* bytes.

    Raises AuditError for links, devices and giants.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise AuditError(f"{path}: not a plain file; an audit log holds nothing else")
        if facts.st_size > limit:
            raise AuditError(f"{path}: {facts.st_size} bytes, more than any file of a log; it was not written by us")
        with os.fdopen(os.dup(fd), "rb") as file:
            return file.read(facts.st_size if size is None else size)
    finally:
        os.close(fd)


def lock_folder(folder: Path) -> int:
    """Takes the writer's lock of a log and gives the descriptor that holds it. Raises Busy naming the holder."""
    path = folder / "lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        os.close(fd)
        raise Busy(f"{folder}: process {holder or 'unknown'} is writing this audit log; stop it first") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
