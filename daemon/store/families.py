"""This is where children are held to the pairs of their parents, in the store: who sleeps, who wakes, who is nobody's.

A pair of children is in force only while the pair of its parents is, with both of its records there. Else it sleeps:
retired, for the reason `parent`. What its records do meanwhile is looked at when it wakes.
"""

from collections.abc import Collection, Sequence

import msgspec

from daemon.core.rules import SIDES, Side, other
from daemon.store.database import Database

APART = ("case", "unreachable", "unknown", "pending", "ambiguous", "confirm", "merged")
"""Reasons of held parents of which it is not known that both are there."""
AWAKE = (
    "p.left_id IS NOT NULL AND p.right_id IS NOT NULL AND (p.state = 'active' OR (p.state = 'held' AND p.reason NOT IN"
    f" ({', '.join(repr(reason) for reason in APART)})))"
)
"""Whether the pair `p` of parents is in force."""
LOST = ("gone", "case", "merged", "ended")
"""Reasons of parents of which one is gone, or may be: what is missing of their children may have gone along."""
_ASLEEP = "c.state = 'retired' AND c.reason IN ('parent', 'bereft')"
_QUIET = "since = ?, awaits = NULL, line = NULL, next_try = 0, attempts = 0"


class Families:
    """Children and their parents. *sync* is always the children's, *parents* the sync of their parents."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def awake(self, parents: int, side: Side, ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """The pairs in force of these parents on *side*: each one's key, and its partner on the other side."""
        sql = (
            f"SELECT p.{side}_id, p.key, p.{other(side)}_id FROM pair p WHERE p.sync = ? AND {AWAKE}"  # noqa: S608
            f" AND p.{side}_id IN (SELECT value FROM json_each(?))"
        )
        rows = self._db.rows(sql, parents, msgspec.json.encode(ids).decode())
        return {id: (key, partner) for id, key, partner in rows}

    def asleep(self, keys: Collection[int]) -> frozenset[int]:
        """Which of these pairs of parents are not in force."""
        sql = f"SELECT p.key FROM pair p WHERE {AWAKE} AND p.key IN (SELECT value FROM json_each(?))"  # noqa: S608
        rows = self._db.rows(sql, msgspec.json.encode(list(keys)).decode())
        return frozenset(keys) - {key for (key,) in rows}

    def rouse(self, sync: int, now: float, busy: Collection[int]) -> None:
        """Lets the children of parents who are no pair now sleep, and wakes those whose parents are one again.

        A *busy* one has a write on its way, and comes to its end first.
        """
        flying = msgspec.json.encode(list(busy)).decode()
        mine = "c.sync = ? AND c.key NOT IN (SELECT value FROM json_each(?))"
        lull = (
            f"SELECT c.key FROM pair c JOIN pair p ON p.key = c.parent WHERE {mine} AND c.state <> 'retired'"  # noqa: S608
            f" AND c.left_id IS NOT NULL AND c.right_id IS NOT NULL AND NOT ({AWAKE})"
        )
        wake = f"SELECT c.key FROM pair c JOIN pair p ON p.key = c.parent WHERE {mine} AND {_ASLEEP} AND {AWAKE}"  # noqa: S608
        bereft = (
            f"SELECT c.key FROM pair c JOIN pair p ON p.key = c.parent WHERE {mine} AND {_ASLEEP} AND NOT ({AWAKE})"  # noqa: S608
            f" AND p.reason IN ({', '.join(repr(reason) for reason in LOST)})"
        )
        with self._db.transaction() as db:
            asleep = f"state = 'retired', {_unless_bereft('parent')}, detail = NULL, {_QUIET}"
            db.execute(f"UPDATE pair SET {asleep} WHERE key IN ({lull})", (now, sync, flying))  # noqa: S608
            db.execute(f"UPDATE pair SET reason = 'bereft' WHERE key IN ({bereft})", (sync, flying))  # noqa: S608
            awake = f"state = 'held', {_unless_bereft('stale')}, {_QUIET}"
            db.execute(f"UPDATE pair SET {awake} WHERE key IN ({wake})", (now, sync, flying))  # noqa: S608

    def strayed(self, sync: int, nested: Collection[Side]) -> list[int]:
        """Pairs of children whose parents were taken apart, or of which one got a successor.

        *nested* are the sides on which a child's id begins with its parent's.
        """
        moved = [f"json_extract(c.{side}_id, '$[0]') <> p.{side}_id" for side in SIDES if side in nested]
        apart = " OR ".join(["p.left_id IS NULL", "p.right_id IS NULL", *moved])
        sql = f"SELECT c.key FROM pair c JOIN pair p ON p.key = c.parent WHERE c.sync = ? AND ({apart})"  # noqa: S608
        return [key for (key,) in self._db.rows(sql, sync)]

    def members(self, sync: int, side: Side, parents: Collection[str]) -> list[tuple[int, str]]:
        """Key and id of every child on *side* of *parents* there whose pair has not ended, in the order of keys."""
        sql = (
            f"SELECT c.key, c.{side}_id FROM pair p JOIN pair c ON c.parent = p.key WHERE c.sync = ?"  # noqa: S608
            f" AND c.state <> 'retired' AND c.{side}_id IS NOT NULL"
            f" AND p.{side}_id IN (SELECT value FROM json_each(?)) ORDER BY c.key"
        )
        return self._db.rows(sql, sync, msgspec.json.encode(list(parents)).decode())

    def of(self, sync: int, parent: int) -> list[int]:
        """Keys of all children of one pair of parents."""
        return [key for (key,) in self._db.rows("SELECT key FROM pair WHERE sync = ? AND parent = ?", sync, parent)]


def _unless_bereft(reason: str) -> str:
    """The reason of a child that falls asleep or wakes. Who may have lost a record with its parents keeps that one."""
    return f"reason = CASE reason WHEN 'bereft' THEN 'bereft' ELSE '{reason}' END"
