"""This is where it is remembered how often one and the same write was made, until two days have passed since."""

import sqlite3
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import msgspec

from daemon.core.rounds import ROUNDS, WINDOW, Turn
from daemon.store.database import Database

PairTurns: TypeAlias = Mapping[int, Mapping[str, Turn]]
"""By pair and field."""


class Turns:
    """The last write of each field that was written lately."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, pairs: Collection[int]) -> PairTurns:
        """What is known of these pairs."""
        listed = msgspec.json.encode(list(pairs)).decode()
        return _by_pair(self._db.rows(_OF, listed))

    def worn(self, sync: int, now: float) -> PairTurns:
        """Writes of *sync* that are not made once more; those for which a pair is held wait without a limit."""
        return _by_pair(self._db.rows(_WORN, ROUNDS, sync, now - WINDOW))

    def forget(self, pair: int) -> None:
        """A person lets the pair go once more."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM turn WHERE pair = ?", (pair,))

    def tidy(self, now: float) -> None:
        """Forget what is too long ago, so that no more is kept than was written in that time."""
        with self._db.transaction() as db:
            db.execute(
                "DELETE FROM turn WHERE at < ? AND NOT EXISTS"
                " (SELECT 1 FROM pair p WHERE p.key = turn.pair AND p.reason = 'oscillation')",
                (now - WINDOW,),
            )


def write_turns(db: sqlite3.Connection, turns: PairTurns) -> None:
    """Remember *turns*, inside a transaction that does more."""
    rows = [(pair, name, t.side, t.move, t.count, t.at) for pair, mine in turns.items() for name, t in mine.items()]
    db.executemany("INSERT OR REPLACE INTO turn VALUES (?, ?, ?, ?, ?, ?)", rows)


_OF = "SELECT pair, field, side, move, count, at FROM turn WHERE pair IN (SELECT value FROM json_each(?))"
_WORN = (
    "SELECT t.pair, t.field, t.side, t.move, t.count, t.at FROM turn t JOIN pair p ON p.key = t.pair"
    " WHERE t.count >= ? AND p.sync = ? AND (t.at >= ? OR p.reason = 'oscillation')"
)


def _by_pair(rows: list[Any]) -> PairTurns:
    found: dict[int, dict[str, Turn]] = {}
    for pair, name, *turn in rows:
        found.setdefault(pair, {})[name] = Turn(*turn)
    return found
