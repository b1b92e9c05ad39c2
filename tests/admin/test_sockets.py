"""The admin socket: closed to others from its first moment, never taken from a living daemon."""

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from daemon.admin import sockets
from daemon.errors import Busy, ConfigError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_socket_of_ours_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with sockets.bind(tmp_path / "admin.sock"):
            assert mode(tmp_path / "admin.sock") == 0o600
        assert os.umask(0) == 0
    finally:
        os.umask(before)


def test_a_group_may_be_let_in(tmp_path: Path) -> None:
    import grp

    group = grp.getgrgid(os.getegid()).gr_name
    with sockets.bind(tmp_path / "admin.sock", group=group):
        assert mode(tmp_path / "admin.sock") == 0o660
        assert (tmp_path / "admin.sock").stat().st_gid == os.getegid()


def test_an_unknown_group_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no group 'nobodies'"):
        sockets.bind(tmp_path / "admin.sock", group="nobodies")

    assert not (tmp_path / "admin.sock").exists()


def test_the_file_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "admin.sock"))

    with sockets.bind(tmp_path / "admin.sock"), socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(tmp_path / "admin.sock"))


def test_a_daemon_that_answers_keeps_its_socket(tmp_path: Path) -> None:
    with sockets.bind(tmp_path / "admin.sock"):
        with pytest.raises(Busy, match="another daemon answers"):
            sockets.bind(tmp_path / "admin.sock")

        assert (tmp_path / "admin.sock").is_socket()


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "admin.sock").write_text("precious")

    with pytest.raises(ConfigError, match="is no socket"):
        sockets.bind(tmp_path / "admin.sock")

    assert (tmp_path / "admin.sock").read_text() == "precious"


def test_a_path_that_no_socket_can_have_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="longer than 107 bytes"):
        sockets.bind(tmp_path / ("x" * 120))


def test_the_kernel_says_who_calls(tmp_path: Path) -> None:
    with sockets.bind(tmp_path / "admin.sock") as line, socket.socket(socket.AF_UNIX) as caller:
        threading.Thread(target=caller.connect, args=(str(tmp_path / "admin.sock"),)).start()
        with line.accept()[0] as other:
            assert sockets.peer(other) == (os.getpid(), os.getuid())


INHERIT = """
import os, sys
from daemon.admin.sockets import inherited
line = inherited({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": sys.argv[1]})
print(line and line.getsockname(), line and os.get_inheritable(line.fileno()))
"""


@pytest.mark.parametrize(("names", "found"), [("other:admin", "{path} False"), ("other:another", "None None")])
def test_systemds_socket_is_found_by_its_name(tmp_path: Path, names: str, found: str) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as line, (tmp_path / "other").open("w") as other:
        line.bind(path)
        line.listen()
        told = subprocess.run(
            ["/bin/bash", "-c", 'exec "$0" -c "$1" "$2" 3>&"$3" 4<&"$4"', sys.executable, INHERIT, names,
             str(other.fileno()), str(line.fileno())],
            pass_fds=(line.fileno(), other.fileno()), capture_output=True, text=True, check=True,
        )  # fmt: skip

    assert told.stdout.strip() == found.format(path=path)


def test_a_socket_for_another_process_is_not_ours() -> None:
    assert sockets.inherited({"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "admin"}) is None
    assert sockets.inherited({}) is None
