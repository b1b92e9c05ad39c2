"""This is where every name that was ever generated is remembered, as a keyed digest, so that none is given twice."""

from daemon.store.database import Database


class Names:
    """Names given out, each to one newborn record for good. Its owner is the identity of the create."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def owner(self, name: bytes) -> bytes | None:
        """Whose name it is."""
        rows = self._db.rows("SELECT owner FROM given WHERE name = ?", name)
        return rows[0][0] if rows else None

    def give(self, name: bytes, owner: bytes) -> bool:
        """Give *name* to *owner*, durably; False when somebody else has it."""
        with self._db.transaction() as db:
            db.execute("INSERT INTO given VALUES (?, ?) ON CONFLICT DO NOTHING", (name, owner))
            (kept,) = db.execute("SELECT owner FROM given WHERE name = ?", (name,)).fetchone()
        return bool(kept == owner)
