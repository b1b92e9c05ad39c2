"""This is where the daemon's memory is opened: one SQLite file with its secret beside it."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.core.rules import Side
from daemon.errors import StoreError
from daemon.store.database import Database
from daemon.store.families import Families
from daemon.store.flights import TESTIFIED, Flights
from daemon.store.growth import grow
from daemon.store.journal import Journal
from daemon.store.names import Names
from daemon.store.pairs import Pairs
from daemon.store.spending import Spending
from daemon.store.turns import Turns
from daemon.store.vault import Vault

SCHEMA = Path(__file__).with_name("schema.sql")
VERSION = 1


@dataclass(frozen=True, slots=True)
class SyncRow:
    """What is remembered of a sync as a whole."""

    id: int
    name: str
    rev: str = ""
    fingerprint: str = ""
    adopted: bool = False
    cursors: Mapping[Side, str | None] = field(default_factory=dict)
    counts: Mapping[Side, int | None] = field(default_factory=dict)
    last_full: float = 0.0
    salt: str = ""
    tenants: Mapping[Side, str | None] = field(default_factory=dict)
    epochs: Mapping[Side, str | None] = field(default_factory=dict)
    restored: bool = False
    """What counts as agreed may be older than what was done since."""
    remapped: frozenset[str] = frozenset()
    """Parts of the mapping that changed since some pairs were last settled."""


class Store:
    """All that is remembered: `pairs`, `families`, `flights`, `journal`, `names`, `spending`, `turns`.

    For several threads.
    """

    def __init__(self, path: Path) -> None:
        """Opens or creates the store at *path*. Raises StoreError with the remedy."""
        self.new = not path.exists()
        """Nothing was remembered when this store was opened."""
        self.folder = path.parent
        """Where what is too big for memory finds room, too."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _refuse_remains(path)
        self.vault = Vault.at(path.with_name("state.key"), may_create=self.new)
        self._db = Database(path)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise
        path.chmod(0o600)
        self.pairs = Pairs(self._db, self.vault)
        self.families = Families(self._db)
        self.flights = Flights(self._db, self.vault, self.pairs)
        self.journal = Journal(self._db)
        self.names = Names(self._db)
        self.spending = Spending(self._db)
        self.turns = Turns(self._db)

    def close(self) -> None:
        """Gives the file back."""
        self._db.close()

    def sync(self, name: str) -> SyncRow:
        """What is remembered of the sync *name*; made when it is new."""
        with self._db.transaction() as db:
            db.execute("INSERT INTO sync (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        (row,) = self._db.rows(
            "SELECT id, rev, fingerprint, adopted, left_cursor, right_cursor, left_count, right_count, last_full, salt,"
            " left_tenant, right_tenant, left_epoch, right_epoch, restored, remapped FROM sync WHERE name = ?",
            name,
        )
        cursors: dict[Side, str | None] = {"left": row[4], "right": row[5]}
        counts: dict[Side, int | None] = {"left": row[6], "right": row[7]}
        tenants: dict[Side, str | None] = {"left": row[10], "right": row[11]}
        epochs: dict[Side, str | None] = {"left": row[12], "right": row[13]}
        more = (row[8], row[9], tenants, epochs, bool(row[14]), frozenset(row[15].split()))
        return SyncRow(row[0], name, row[1], row[2], bool(row[3]), cursors, counts, *more)

    def save_sync(self, row: SyncRow) -> None:
        """Remember *row*: cursors, counts and the mapping's revision, at the end of a run."""
        with self._db.transaction() as db:
            db.execute(
                "UPDATE sync SET rev=?, fingerprint=?, adopted=?, left_cursor=?, right_cursor=?, left_count=?,"
                " right_count=?, last_full=?, salt=?, left_tenant=?, right_tenant=?, left_epoch=?, right_epoch=?,"
                " restored=?, remapped=? WHERE id=?",
                (
                    row.rev, row.fingerprint, row.adopted, row.cursors.get("left"), row.cursors.get("right"),
                    row.counts.get("left"), row.counts.get("right"), row.last_full, row.salt,
                    row.tenants.get("left"), row.tenants.get("right"), row.epochs.get("left"), row.epochs.get("right"),
                    row.restored, " ".join(sorted(row.remapped)), row.id,
                ),
            )  # fmt: skip

    def roll_forward(self, intent: int) -> None:
        """Go on after *intent*, which a newer copy of this store gave out: believe nothing, and forget every answer.

        What was on its way may have happened since, so that nothing of it may be called cancelled.
        """
        with self._db.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", [("intent", intent), (TESTIFIED, intent)])
            db.execute("DELETE FROM approval")
            db.execute("DELETE FROM ruling")
            db.execute("UPDATE flight SET state = 'sent' WHERE state = 'planned'")
            db.execute(
                "UPDATE sync SET adopted = 0, restored = 1, last_full = 0, salt = '', left_cursor = NULL,"
                " right_cursor = NULL, left_count = NULL, right_count = NULL"
            )

    def note(self, name: str, value: Any) -> None:
        """Remember one small fact, such as the audit log's head."""
        with self._db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> Any:
        """The fact of that name, or None."""
        rows = self._db.rows("SELECT value FROM meta WHERE name = ?", name)
        return rows[0][0] if rows else None

    def _prepare(self) -> None:
        if self.new:
            with self._db.transaction() as db:
                for statement in _statements(SCHEMA.read_text()):
                    db.execute(statement)
                db.execute("INSERT INTO meta VALUES ('version', ?), ('secret', ?)", (VERSION, self.vault.seal("ours")))
            return
        known = dict(self._db.rows("SELECT name, value FROM meta"))
        if known.get("version") != VERSION:
            raise StoreError(
                f"the store has format {known.get('version')}, this Tallystick knows {VERSION}: upgrade it"
            )
        self.vault.open(known["secret"])
        with self._db.transaction() as db:
            grow(db, _statements(SCHEMA.read_text()))


def _refuse_remains(path: Path) -> None:
    """SQLite would make a strange store of a write-ahead log whose file is gone."""
    remains = path.with_name(f"{path.name}-wal")
    if not path.exists() and remains.exists() and remains.stat().st_size:
        raise StoreError(
            f"{path} is gone and {remains.name} is not: bring it back or restore the backup; or move {remains.name}"
            " away too, and adopt each sync again (nothing is deleted by that)"
        )


def _statements(script: str) -> list[str]:
    found, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found
