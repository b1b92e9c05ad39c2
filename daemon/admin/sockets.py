"""This is where the admin socket comes from: handed over by systemd, or bound by us with the right mode from the start.

Never by uvicorn: it would make the socket writable for everybody.
"""

import contextlib
import grp
import os
import shutil
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from daemon.errors import Busy, ConfigError

NAME: Final = "admin"
"""FileDescriptorName of the socket unit."""
_FIRST_FD: Final = 3  # sd_listen_fds(3)
_LONGEST: Final = 107  # bytes of sun_path, unix(7)
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid


def inherited(env: Mapping[str, str]) -> socket.socket | None:
    """The socket that systemd holds for us, if it does."""
    if env.get("LISTEN_PID") != str(os.getpid()):
        return None
    names = env.get("LISTEN_FDNAMES", "").split(":")
    for at in range(int(env.get("LISTEN_FDS", "0"))):
        if names[at : at + 1] in ([NAME], [f"tallystick-{NAME}.socket"], ["tallystick.socket"]):
            os.set_inheritable(_FIRST_FD + at, False)
            return socket.socket(fileno=_FIRST_FD + at)
    return None


def bind(path: Path, *, group: str | None = None) -> socket.socket:
    """A listening socket at *path*, for its owner alone, or for the members of *group* as well.

    The file of a daemon that died is replaced. Raises Busy where somebody answers, ConfigError for a path or group
    that cannot be.
    """
    if len(os.fsencode(path)) > _LONGEST:
        raise ConfigError([f"admin.socket: {path} is longer than {_LONGEST} bytes; choose a shorter path"])
    gid = _gid(group) if group else None
    _remove_dead(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # so that there is no moment in which others could connect
    try:
        line.bind(str(path))
    finally:
        os.umask(before)
    if gid is not None:
        shutil.chown(path, group=gid)
        path.chmod(0o660)
    line.listen(128)
    return line


def remove(path: Path) -> None:
    """Takes the file of a socket of ours away."""
    with contextlib.suppress(OSError):
        path.unlink()


def peer(line: socket.socket) -> tuple[int, int]:
    """Process and user at the other end, as the kernel says."""
    pid, uid, _ = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid


def _gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError(
            [f"admin.group: this host has no group '{group}'; make it, or leave the setting out"]
        ) from None


def _remove_dead(path: Path) -> None:
    if not path.is_socket():
        if path.exists():
            raise ConfigError([f"admin.socket: {path} is there and is no socket; move it away"])
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(1.0)
        try:
            caller.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise Busy(f"{path} is there and does not answer ({error}); find out who holds it") from None
    raise Busy(f"another daemon answers at {path}")
