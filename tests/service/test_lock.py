"""One process a state folder; whoever comes second learns who is there."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.errors import Busy
from daemon.service.lock import Holder, NoFolder, NotOwner, StateLock

HOLD = "import sys; from pathlib import Path; from daemon.service.lock import StateLock; lock = \
StateLock(Path(sys.argv[1])); lock.acquire(sys.argv[2]); print('held', flush=True); sys.stdin.read()"


@contextmanager
def held(state: Path, kind: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process with the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.mark.parametrize("kind", ["serve", "run"])
def test_a_command_is_refused_and_told_who_holds_the_folder(tmp_path: Path, kind: str) -> None:
    with held(tmp_path, kind) as other, pytest.raises(Busy, match=f"process {other.pid}, since 20") as refused:
        StateLock(tmp_path).acquire("run")

    assert refused.value.exit_code == 75


def test_a_second_daemon_is_refused_at_once(tmp_path: Path) -> None:
    began = time.monotonic()

    with held(tmp_path, "serve"), pytest.raises(Busy, match="the daemon, process"):
        StateLock(tmp_path).acquire("serve")

    assert time.monotonic() - began < 5


def test_a_daemon_waits_for_a_command_in_the_foreground(tmp_path: Path) -> None:
    seen: list[Holder] = []
    lock = StateLock(tmp_path)
    with held(tmp_path, "run") as command:
        threading.Timer(0.4, command.kill).start()

        assert lock.acquire("serve", waiting=seen.append) is True

    assert [holder.pid for holder in seen] == [command.pid]
    lock.release()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with held(tmp_path, "serve") as dead:
        dead.kill()
        dead.wait()
        lock = StateLock(tmp_path)

        assert lock.acquire("run") is False

    assert f'"pid":{os.getpid()}' in (tmp_path / "lock.holder").read_text()
    lock.release()


def test_nobody_leaves_files_in_another_users_folder(tmp_path: Path) -> None:
    folder = tmp_path if os.geteuid() == 0 else Path("/usr")
    if folder == tmp_path:
        os.chown(tmp_path, 65534, 65534)

    with pytest.raises(NotOwner, match="run it as that user: sudo -u "):
        StateLock(folder)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)

    with pytest.raises(NotOwner, match=f"run chmod go-w {tmp_path}"):
        StateLock(tmp_path)


@pytest.mark.parametrize(
    ("place", "told"), [("file", "is no folder"), ("file/in", "is no folder"), ("/proc/x", "No such")]
)
def test_a_state_folder_that_cannot_be_names_the_setting(tmp_path: Path, place: str, told: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NoFolder, match=f"{told}.*; name another state folder with `state`") as refused:
        StateLock(tmp_path / place)

    assert refused.value.exit_code == 74
