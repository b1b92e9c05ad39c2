"""This is where writes on their way are kept: intents, and the outbox of what the audit log has not heard yet.

MUST NOT: keep a payload longer than its write is open. It is the only business data in the store, and encrypted.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.core.model import Pair
from daemon.errors import StoreError
from daemon.store.database import Database
from daemon.store.pairs import Pairs
from daemon.store.spending import draw
from daemon.store.turns import PairTurns, write_turns
from daemon.store.vault import Vault

TESTIFIED = "testified"
"""Under this name the store remembers the newest intent of which the audit log MUST know."""


@dataclass(frozen=True, slots=True)
class Flight:
    """Writes on their way together. `items` are in the order of their intent ids."""

    id: int
    sync: int
    run: str
    first: int
    state: str
    items: Sequence[Mapping[str, Any]]
    outcomes: Sequence[Mapping[str, Any] | None] = ()
    audit_size: int = 0
    not_before: float = 0.0

    @property
    def intents(self) -> range:
        """The intent ids of the items."""
        return range(self.first, self.first + len(self.items))


class Flights:
    """Every write that is planned, sent, or settled but not yet testified."""

    def __init__(self, database: Database, vault: Vault, pairs: Pairs) -> None:
        self._db = database
        self._vault = vault
        self._pairs = pairs

    def plan(self, sync: int, run: str, items: Sequence[Mapping[str, Any]]) -> Flight:
        """Allocate intent ids and write the plan of some writes down, encrypted.

        Raises StoreError for a pair that has a write on its way to that side already.
        """
        with self._db.transaction() as db:
            (first,) = db.execute("SELECT coalesce(max(value), 0) + 1 FROM meta WHERE name = 'intent'").fetchone()
            db.execute("INSERT OR REPLACE INTO meta VALUES ('intent', ?)", (first + len(items) - 1,))
            newest = max((item.get("pair", 0) for item in items), default=0)
            db.execute(
                "INSERT INTO meta VALUES ('pair', ?)"
                " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
                (newest,),
            )
            id = db.execute(
                "INSERT INTO flight (sync, run, first, size, state, payload) VALUES (?, ?, ?, ?, 'planned', ?)",
                (sync, run, first, len(items), self._vault.seal(items)),
            ).lastrowid
            _take_off(db, id, items)
        assert id is not None
        return Flight(id, sync, run, first, "planned", items)

    @property
    def last_intent(self) -> int:
        """The highest intent id ever given out; 0 if none."""
        (found,) = self._db.rows("SELECT coalesce(max(value), 0) FROM meta WHERE name = 'intent'")
        return int(found[0])

    def mark_sent(self, flight: Flight, not_before: float = 0.0, *, finished: Iterable[Flight] = ()) -> None:
        """From here on the requests may have happened. Erases what the audit log has heard of meanwhile."""
        with self._db.transaction() as db:
            db.executemany("DELETE FROM flight WHERE id = ?", [(done.id,) for done in finished])
            db.execute("UPDATE flight SET state = 'sent', not_before = ? WHERE id = ?", (not_before, flight.id))
            db.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
                (TESTIFIED, flight.intents[-1]),
            )

    def settle(
        self,
        flight: Flight,
        outcomes: Sequence[Mapping[str, Any] | None],
        pairs: Iterable[Pair],
        audit_size: int,
        *,
        not_before: float = 0.0,
        drop: Collection[int] = (),
        turns: PairTurns | None = None,
    ) -> None:
        """Remember what became of *flight* and of its pairs, in one transaction. The audit log hears of it next.

        An item whose outcome is None is unknown: it stays open as a flight of its own, to be probed after *not_before*.
        """
        with self._db.transaction() as db:
            self._pairs.write(db, flight.sync, list(pairs), drop=drop)
            answers = zip(flight.items, outcomes, strict=True)
            draw(db, flight.sync, [item for item, told in answers if told and told.get("result") == "done"])
            write_turns(db, turns or {})
            db.execute("DELETE FROM aloft WHERE flight = ?", (flight.id,))
            for intent, item, outcome in zip(flight.intents, flight.items, outcomes, strict=True):
                if outcome is None:
                    rest = db.execute(
                        "INSERT INTO flight (sync, run, first, size, state, not_before, payload)"
                        " VALUES (?, ?, ?, 1, 'sent', ?, ?)",
                        (flight.sync, flight.run, intent, not_before, self._vault.seal([item])),
                    )
                    _take_off(db, rest.lastrowid, [item])
            db.execute(
                "UPDATE flight SET state = 'settled', outcome = ?, audit_size = ? WHERE id = ?",
                (self._vault.seal(outcomes), audit_size, flight.id),
            )

    def finish(self, flights: Iterable[Flight]) -> None:
        """The audit log holds the outcomes: erase the payloads."""
        with self._db.transaction() as db:
            db.executemany("DELETE FROM flight WHERE id = ?", [(flight.id,) for flight in flights])

    def pairs(self, sync: int) -> frozenset[int]:
        """Pairs with a write that is under way, or whose answer was lost."""
        return frozenset(item["pair"] for flight in self.open(sync) for item in flight.items)

    def open(self, sync: int | None = None) -> list[Flight]:
        """Every flight that is not finished, oldest first."""
        rows = self._db.rows(
            "SELECT id, sync, run, first, state, payload, outcome, audit_size, not_before FROM flight"
            " WHERE ? IS NULL OR sync = ? ORDER BY id",
            sync,
            sync,
        )
        return [
            Flight(
                r[0], r[1], r[2], r[3], r[4], self._vault.open(r[5]), self._vault.open(r[6]) if r[6] else (), r[7], r[8]
            )
            for r in rows
        ]


def _take_off(db: sqlite3.Connection, flight: int | None, items: Sequence[Mapping[str, Any]]) -> None:
    try:
        rows = [(item["pair"], item["side"], flight) for item in items]
        db.executemany("INSERT INTO aloft VALUES (?, ?, ?)", rows)
    except sqlite3.IntegrityError as fault:
        raise StoreError(f"a pair would have two writes on their way to one side at once ({fault})") from None
