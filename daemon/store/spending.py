"""This is where it is counted what was written of each daily budget, so that a slow bleed shows across runs."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from daemon.core.daily import DAY, MINUTE, Budget
from daemon.store.database import Database


class Spending:
    """Counts by minute, kept for a day."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def since(self, sync: int, now: float) -> dict[Budget, list[tuple[float, int]]]:
        """By budget, the minutes of the last 24 hours in which something was written, and how much."""
        found: dict[Budget, list[tuple[float, int]]] = {}
        rows = self._db.rows(
            "SELECT kind, field, minute, count FROM spent WHERE sync = ? AND minute > ? ORDER BY minute",
            sync,
            now - DAY - MINUTE,
        )
        for kind, field, minute, count in rows:
            found.setdefault((kind, field), []).append((minute, count))
        return found


def draw(db: sqlite3.Connection, sync: int, done: Iterable[Mapping[str, Any]]) -> None:
    """Count the items of a flight that were *done*, in the transaction that settles them."""
    for item in done:
        minute = item["at"] - item["at"] % MINUTE if "at" in item else 0.0
        for kind, field in item.get("draws", ()):
            db.execute("DELETE FROM spent WHERE sync = ? AND minute < ?", (sync, minute - DAY - MINUTE))
            db.execute(
                "INSERT INTO spent VALUES (?, ?, ?, ?, 1)"
                " ON CONFLICT (sync, kind, field, minute) DO UPDATE SET count = count + 1",
                (sync, kind, field, minute),
            )
