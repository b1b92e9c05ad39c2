"""This is where SQLite is opened and spoken to: one connection, one lock, durable transactions."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from daemon.errors import StoreError

_REMEDIES: Final = {
    "SQLITE_FULL": "free space, then start again; nothing was lost",
    "SQLITE_IOERR": "free space or repair the disk, then start again",
    "SQLITE_READONLY": "give the daemon's user the right to write it",
    "SQLITE_CANTOPEN": "give the daemon's user the right to open it",
    "SQLITE_BUSY": "another program has it open; end that, then try again",
}
_DAMAGED: Final = (
    "restore it from the backup, and leave no store.db-wal of the damaged one beside it; or move the whole state folder"
    " away and adopt each sync again (nothing is deleted by that)"
)


class Database:
    """A SQLite file in WAL mode with synchronous=FULL: what a transaction returned from has survived a power cut."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file. Raises StoreError, as every method does, with the remedy."""
        self._path = path
        self._lock = threading.RLock()
        with self._explained():
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            try:
                self._connection.executescript(
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-16000"
                )
                self._refuse_damage()
            except BaseException:
                self._connection.close()
                raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; nothing when the body raises."""
        with self._lock, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk rolls back by itself
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Everything that *sql* finds."""
        with self._lock, self._explained():
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Folds the write-ahead log in, where there is space for it, and closes the file."""
        with self._lock:
            with suppress(sqlite3.OperationalError):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()

    def _refuse_damage(self) -> None:
        """A damaged file could hide pairs, and what no pair knows would be created a second time."""
        ((found,),) = self._connection.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise StoreError(f"{self._path} is damaged: {found}; {_DAMAGED}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What SQLite says, with the remedy. A row that must not exist twice stays an IntegrityError."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError as fault:
            name = "_".join(getattr(fault, "sqlite_errorname", "").split("_")[:2])
            raise StoreError(f"{self._path} cannot be used: {fault}; {_REMEDIES.get(name, _DAMAGED)}") from fault
