"""This is where a real PostgreSQL server is started for a test, as an unprivileged user, and stopped again."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.systems.slapd import free_port, wait_for_port


def binaries() -> Path | None:
    """The folder of the newest server that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3].split(".")[0]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def need_postgres() -> Path:
    """The server's folder; skips the test loudly where there is none; with CI=true that is a failure."""
    found = binaries()
    if found is None:
        message = "PostgreSQL's server is missing: apt-get install postgresql"
        raise pytest.fail.Exception(message) if os.environ.get("CI") == "true" else pytest.skip.Exception(message)
    return found


class Postgres:
    """A cluster of its own on a free loopback port; `url` names no password."""

    user = "tallystick"
    password = "database-password"

    def __init__(self) -> None:
        self._bin = need_postgres()
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="tallystick-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._who = _unprivileged(self.folder)
        self._prepare()
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://127.0.0.1:{self.port}/postgres"

    @property
    def _options(self) -> list[str]:
        where = f"-D {self.folder}/data -p {self.port} -h 127.0.0.1"
        return f"{where} -c unix_socket_directories={self.folder} -c fsync=off".split()

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), *self._options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._who,
            )
        wait_for_port(self.port, self._process, self.folder / "log")
        self._wait_until_ready()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops the server at once (SIGINT: rolling back what is open); its data stays for the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def close(self) -> None:
        """Stops the server and removes its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Postgres":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self) -> None:
        secret, options = self.folder / "password", "-A scram-sha-256 -E UTF8 --locale C --no-sync"
        secret.write_text(self.password)
        if self._who:
            shutil.chown(secret, user=self._who["user"])
        subprocess.run(
            f"{self._bin}/initdb -D {self.folder}/data -U {self.user} --pwfile {secret} {options}".split(),
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self._who,
        )

    def _wait_until_ready(self) -> None:
        import psycopg

        for _ in range(200):
            try:
                psycopg.connect(self.url, user=self.user, password=self.password, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if "starting up" not in str(error):
                    raise
            else:
                return


def _unprivileged(folder: Path) -> dict[str, Any]:
    """How to run the server, which refuses to be root; the folder is handed to that user."""
    if os.geteuid() != 0:
        return {}
    name = next(user for user in ("postgres", "nobody") if _exists(user))
    account = pwd.getpwnam(name)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": name, "group": account.pw_gid, "extra_groups": []}


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
