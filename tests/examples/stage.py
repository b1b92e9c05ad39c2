"""This is where an example of docs/examples is set up as its reader would: files, databases, the demo CRM."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from daemon.admin.operations import Operations
from daemon.audit.verify import verify_log
from daemon.cli.demo.crm import Crm
from daemon.service import foreground
from tests.systems.slapd import Slapd

ROOT = Path(__file__).parents[2]
ASK = {"actor": "uid:1000", "reason": "test"}
CRM = "http://127.0.0.1:8923"
DIRECTORY = "url: ldap://ldap.corp.example"


class Stage:
    """One example, laid out in *folder*. Ends with `close`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder / name
        shutil.copytree(ROOT / "docs/examples" / name, self.folder)
        for script in self.folder.glob("*.sql"):
            with closing(sqlite3.connect(script.with_suffix(".db"))) as db:
                db.executescript(script.read_text())
        self.crm: Crm | None = None
        self.directory: Slapd | None = None
        if (self.folder / "systems/crm.yaml").exists():
            self._open_crm()
        if (self.folder / "systems/directory.yaml").exists():
            self._open_directory()

    def _open_directory(self) -> None:
        self.directory = Slapd(self.folder.parent / "slapd")
        self._secret("directory-password", Slapd.password)
        system = self.folder / "systems/directory.yaml"
        system.write_text(system.read_text().replace(DIRECTORY, f"url: {self.directory.url}\nca: {self.directory.ca}"))

    def _secret(self, name: str, value: str) -> None:
        secret = self.folder / "secrets.d" / name
        secret.parent.mkdir(exist_ok=True)
        secret.write_text(value)
        secret.chmod(0o600)

    def _open_crm(self) -> None:
        self._secret("crm-token", "token")
        shutil.copy(ROOT / "configs/systems/democrm.yaml", self.folder / "systems")
        self.crm = Crm(self.folder / "crm.json", "token")
        threading.Thread(target=self.crm.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
        system = self.folder / "systems/crm.yaml"
        system.write_text(system.read_text().replace(CRM, self.crm.url))

    def close(self) -> None:
        """The CRM and the directory go home."""
        if self.directory:
            self.directory.stop()
        if self.crm:
            self.crm.shutdown()
            self.crm.server_close()

    def sql(self, name: str, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Somebody at work in a database."""
        with closing(sqlite3.connect(self.folder / f"{name}.db")) as db, db:
            return db.execute(text, values).fetchall()

    def put(self, kind: str, **properties: Any) -> str:
        """A new record by a user of the CRM."""
        assert self.crm
        with self.crm.turn:
            return str(self.crm.collections[kind].create({"properties": properties})["id"])

    def edit(self, kind: str, id: str, **properties: Any) -> None:
        """An edit by a user of the CRM."""
        assert self.crm
        with self.crm.turn:
            self.crm.collections[kind].update(id, {"properties": properties}, None)

    def shown(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """What the CRM shows, by id."""
        assert self.crm
        with self.crm.turn:
            return {id: dict(record["properties"]) for id, record in self.crm.collections[kind].records.items()}

    @contextmanager
    def operations(self) -> Iterator[Operations]:
        """The verbs, as the command line has them without a daemon."""
        with foreground.open(self.folder, os.environ) as operations:
            yield operations

    def run(self, sync: str, *, only: str | None = None) -> dict[str, Any]:
        """One full run."""
        with self.operations() as operations:
            return dict(operations.run(sync, full=True, only=only, wait=True, **ASK))

    def approve(self, sync: str, *kinds: str) -> dict[str, Any]:
        """A yes to what is held."""
        with self.operations() as operations:
            return dict(operations.approve(sync, kinds=kinds, only=None, expires=600, **ASK))

    def held(self, sync: str) -> list[dict[str, Any]]:
        """What waits."""
        with self.operations() as operations:
            return [dict(told) for told in operations.held(sync)["held"]]

    def adopt(self, *syncs: str) -> None:
        """The first run of each sync, approved."""
        for sync in syncs:
            self.approve(sync)
            self.run(sync)

    def sound(self) -> bool:
        """Whether the audit log proves itself."""
        return verify_log(self.folder / "state/audit", now=0).code == 0
