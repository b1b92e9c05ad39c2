"""This is where tests get a whole configuration in a temporary folder, and a real daemon on it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from daemon.admin.client import Client, connect
from daemon.errors import NoSuch, TallystickError

TALLYSTICK = """\
version: 1
node: test
"""
HR = """\
version: 1
name: hr
connector: memory
type: hr
entities:
  employee:
    find: [mail]
    records:
"""
CRM = """\
version: 1
name: crm
connector: memory
type: crm
entities:
  contact:
    find: [email]
    records: {}
"""
PEOPLE = """\
version: 1
name: people
left: {system: hr, entity: employee}
right: {system: crm, entity: contact}
every: 12h
reconcile: "0 3 1 1 *"
match_on: [[email]]
guards: {creates: {count: 1000000}}
fields:
  email: {left: mail, right: email, normalise: [trim, casefold], wins: left}
  name: {left: name, right: name, wins: left}
"""


def lay_out(folder: Path, *, people: int = 3) -> Path:
    """A configuration of two systems in memory and the sync `people` between them."""
    for name in ("systems", "syncs"):
        (folder / name).mkdir(parents=True)
    records = "".join(f"      e-{n}: {{mail: p{n}@corp.example, name: Person {n}}}\n" for n in range(people))
    (folder / "tallystick.yaml").write_text(TALLYSTICK)
    (folder / "systems/hr.yaml").write_text(HR + records)
    (folder / "systems/crm.yaml").write_text(CRM)
    (folder / "syncs/people.yaml").write_text(PEOPLE)
    return folder


class Listener:
    """The other end of sd_notify: remembers every word."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(path))
        self.words: list[dict[str, str]] = []

    def hear(self) -> list[dict[str, str]]:
        """Everything that was said so far."""
        self._line.setblocking(False)
        while True:
            try:
                text = self._line.recv(65536).decode()
            except BlockingIOError:
                return self.words
            self.words.append(dict(line.split("=", 1) for line in text.splitlines()))

    def close(self) -> None:
        self._line.close()


@dataclass
class Daemon:
    """A real daemon in a process of its own."""

    folder: Path
    process: "subprocess.Popen[str]"
    log: Path
    listener: Listener | None = None
    said: list[str] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "state/admin.sock"

    def client(self) -> Client:
        return connect(self.socket)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Stops it as systemd would: the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(20)

    def text(self) -> str:
        """What it logged so far."""
        return self.log.read_text()


@contextmanager
def daemon(folder: Path, *, env: Mapping[str, str] | None = None, wait: bool = True) -> Iterator[Daemon]:
    """A daemon on *folder*, killed at the end if it still lives."""
    log = folder.parent / f"{folder.name}.log"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # as the unit does with `env --block-signal=HUP`
    try:
        with log.open("a") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "daemon.service.serve", str(folder)],
                stderr=out,
                stdout=out,
                env={**os.environ, **(env or {})},
                text=True,
            )
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    running = Daemon(folder, process, log)
    try:
        if wait:
            until(lambda: answers(running), what=lambda: running.text())
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def answers(running: Daemon) -> bool:
    """Whether the daemon is up and says so. Fails at once when it has ended."""
    assert running.process.poll() is None, running.text()
    try:
        return bool(running.client().status()["state"] == "running")
    except NoSuch:
        return False


def until(claim: Callable[[], object], *, what: Callable[[], str] = lambda: "", seconds: float = 15.0) -> None:
    """Waits until *claim* is true."""
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, f"did not happen in {seconds} s: {what()}"
        time.sleep(0.02)


def approve_all(client: Client, sync: str = "people") -> None:
    """Says yes to a first plan."""
    client.approve(sync, kinds=[], only=None, actor="", reason="test", expires=3600)


__all__ = ["Client", "Daemon", "Listener", "TallystickError", "approve_all", "daemon", "lay_out", "until"]
