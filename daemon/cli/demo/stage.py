"""This is where the demo has its stage: the folder, the three systems, the daemon, and a hand that types commands."""

import contextlib
import csv
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from daemon.admin import client
from daemon.admin.operations import Operations
from daemon.cli.demo.crm import Crm
from daemon.cli.demo.seed import make_token, seed
from daemon.cli.demo.telling import LONGEST, Teller
from daemon.cli.layout import lay_out, shipped_configs
from daemon.errors import TallystickError

PORT: Final = 8923
"""Where configs/systems/crm.yaml looks for the CRM; another one is taken, and written down, when it is not free."""
_START: Final = 20.0
_COMMAND: Final = 60.0


class FalseStory(TallystickError):
    """Something that the story says did not happen."""


class Stage:
    """Everything that the story needs to act and to check."""

    def __init__(self, folder: Path, crm: Crm, teller: Teller) -> None:
        self.folder, self.crm, self.teller = folder, crm, teller
        self._daemon: subprocess.Popen[bytes] | None = None

    def tallystick(self, *words: str, expect: int = 0, longest: int = LONGEST) -> str:
        """Types a command, shows its answer and holds its exit code against *expect*."""
        self.teller.command(words)
        done = self._run(words)
        self.teller.answer(done.stdout + done.stderr, longest=longest)
        self.teller.ended(done.returncode)
        if done.returncode != expect:
            self.teller.answer(done.stdout + done.stderr, longest=1000)
            raise FalseStory(f"tallystick {' '.join(words)}: exit code {done.returncode}, the story says {expect}")
        return done.stdout + done.stderr

    def prove(self, claim: bool, text: str) -> None:
        """Says *text* if it is true, and ends the story if it is not."""
        if not claim:
            self.teller.failed(text)
            raise FalseStory(f"not true: {text}")
        self.teller.proven(text)

    def ask(self) -> Operations:
        """The daemon, for questions that the story does not show."""
        return client.connect(self.folder / "state" / "admin.sock")

    def start_daemon(self) -> int:
        """Starts `tallystick serve` as a process of its own and waits until it answers: its process id."""
        with (self.folder / "daemon.log").open("ab") as log:
            self._daemon = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                [*_program(self.folder), "serve"], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        until = time.monotonic() + _START
        while time.monotonic() < until:
            if self._daemon.poll() is not None:
                break
            with contextlib.suppress(TallystickError):
                self.ask().status()
                return self._daemon.pid
            time.sleep(0.05)
        raise FalseStory(f"the daemon does not answer; {self.folder / 'daemon.log'} says why")

    def kill_daemon(self) -> None:
        """Ends the daemon as a power cut would."""
        if self._daemon:
            self._daemon.send_signal(signal.SIGKILL)
            self._daemon.wait()
            self._daemon = None

    def stop_daemon(self) -> None:
        """Asks the daemon to end."""
        if self._daemon:
            self._daemon.terminate()
            try:
                self._daemon.wait(20)
            except subprocess.TimeoutExpired:
                self.kill_daemon()
            self._daemon = None

    def wait_for_daemon(self) -> None:
        """Until the daemon ends by itself, or Ctrl-C."""
        if self._daemon:
            self._daemon.wait()

    def hr(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What HR's own program does to its database."""
        with closing(sqlite3.connect(self.folder / "hr.db", timeout=10)) as db, db:
            return db.execute(sql, values).fetchall()

    def contact(self, number: str) -> Mapping[str, Any]:
        """The CRM's record of an employee."""
        return next(r for r in self.staff() if r["properties"].get("employee_no") == number)

    def staff(self) -> list[Mapping[str, Any]]:
        """The CRM's contacts that are staff."""
        with self.crm.turn:
            records = [*self.crm.collections["contacts"].records.values()]
        return [record for record in records if record["properties"].get("type") == "staff"]

    def edit_contact(self, number: str, **properties: Any) -> None:
        """What a person in sales does in the CRM's own screen."""
        id = self.contact(number)["id"]
        with self.crm.turn:
            self.crm.collections["contacts"].update(id, {"properties": properties}, None)
            self.crm.save()

    def edit_company(self, account: str, **properties: Any) -> None:
        """The same for a company."""
        with self.crm.turn:
            self.crm.collections["companies"].update(self.company(account)["id"], {"properties": properties}, None)
            self.crm.save()

    def company(self, account: str) -> Mapping[str, Any]:
        """The CRM's record of a company."""
        with self.crm.turn:
            records = [*self.crm.collections["companies"].records.values()]
        return next(record for record in records if record["properties"]["account_no"] == account)

    def edit_finance(self, old: str, new: str) -> None:
        """What somebody types into finance's file."""
        file = self.folder / "finance.csv"
        text = file.read_text("utf-8")
        if text.count(old) != 1:
            raise FalseStory(f"finance.csv has no single {old}")
        file.write_text(text.replace(old, new), "utf-8")

    def accounts(self) -> dict[str, dict[str, str]]:
        """The rows of finance's CSV."""
        with (self.folder / "finance.csv").open(newline="", encoding="utf-8") as file:
            return {row["account"]: row for row in csv.DictReader(file)}

    def wait_until(self, happened: Any, what: str, *, within: float = 20.0) -> None:
        """Until *happened* says so; the story is false if it never does."""
        until = time.monotonic() + within
        while not happened():
            if time.monotonic() > until:
                raise FalseStory(f"{what} did not happen within {within:.0f} seconds")
            time.sleep(0.02)

    def _run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120"}
        try:
            return subprocess.run(  # noqa: S603  # our own interpreter and module
                [*_program(self.folder), *words], capture_output=True, text=True, env=environment,
                timeout=_COMMAND, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise FalseStory(f"tallystick {' '.join(words)} did not end within {_COMMAND:.0f} seconds") from None


@contextmanager
def new_stage(folder: Path, teller: Teller) -> Iterator[Stage]:
    """Lays out a new folder, fills the systems and opens the CRM, for the length of a `with`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port(PORT)
    lay_out(shipped_configs(), folder, {f"127.0.0.1:{PORT}": f"127.0.0.1:{port}"})
    crm = Crm(folder / "crm.json", make_token(folder / "secrets.d"), port)
    seed(folder, crm)
    with _opened(folder, crm, teller) as stage:
        yield stage


@contextmanager
def same_stage(folder: Path, teller: Teller) -> Iterator[Stage]:
    """The stage of an earlier story, as it was left."""
    token = (folder / "secrets.d" / "crm-token").read_text().strip()
    address = (folder / "systems" / "crm.yaml").read_text("utf-8")
    port = int(address.partition("127.0.0.1:")[2].split()[0])
    with _opened(folder, Crm(folder / "crm.json", token, port), teller) as stage:
        yield stage


@contextmanager
def _opened(folder: Path, crm: Crm, teller: Teller) -> Iterator[Stage]:
    stage = Stage(folder.resolve(), crm, teller)
    thread = threading.Thread(target=crm.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stage
    finally:
        stage.stop_daemon()
        crm.faults.set({})
        crm.shutdown()
        crm.server_close()


def _program(folder: Path) -> list[str]:
    return [sys.executable, "-P", "-m", "daemon.cli.main", "--config", str(folder)]


def _free_port(wished: int) -> int:
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise FalseStory("there is no free port on 127.0.0.1")
