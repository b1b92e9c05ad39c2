"""This is where the records of one side wait that look for a partner: found by id, by match key, and in their order.

Newcomers are met while their side is read; records that looked in vain before join them when the plan is made. Only
numbers are in memory: ids and match keys lie in a database without a name, what a record says lies in the overflow.
"""

import sqlite3
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from daemon.core.bits import Bits
from daemon.core.match import Seat
from daemon.core.model import Item, Pair
from daemon.core.rules import Side
from daemon.engine.overflow import Overflow, no_room

_AT_ONCE = 500
_SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-16000;
BEGIN;
CREATE TABLE seat (id BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID;
CREATE TABLE mark (key BLOB, number INTEGER, alternative INTEGER, PRIMARY KEY (key, number)) WITHOUT ROWID;
"""
"""16 MB stay in memory. The transaction never ends: nothing of it is meant to last."""


class Lookers:
    """Numbered from 0 in the order in which they came. For one thread at a time."""

    def __init__(self, side: Side, folder: Path) -> None:
        """*folder* takes what memory does not. Raises StoreError, as every method does, when its disk is full."""
        self.side: Side = side
        self._folder = folder
        self._items = Overflow[Item](folder)
        self._pairs: dict[int, Pair] = {}
        self._left = Bits()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[int]:
        """The numbers of those who still look."""
        return (number for number in range(len(self)) if number not in self._left)

    def meet(self, item: Item) -> bool:
        """A record that no pair knows, once or again. Whether it was not here before."""
        known = self._ask("SELECT number FROM seat WHERE id = ?", _id(item)).fetchone()
        if known is None:
            self._sit(self._items.append(item), item)
            return True
        (number,) = known
        self._each(
            "DELETE FROM mark WHERE key = ? AND number = ? AND alternative = ?", _marks(self._items[number], number)
        )
        self._items[number] = item
        self._each("INSERT INTO mark VALUES (?, ?, ?)", _marks(item, number))
        return False

    def join(self, pair: Pair, item: Item) -> None:
        """A record that has a row of its own, as one that was held."""
        number = self._items.append(item)
        self._pairs[number] = pair
        self._sit(number, item)

    def item(self, number: int) -> Item:
        """The record of that number."""
        return self._items[number]

    def number(self, id: str) -> int | None:
        """The number of the record with this id, if it still looks."""
        found = self._ask("SELECT number FROM seat WHERE id = ?", _named(id)).fetchone() if len(self) else None
        return found[0] if found and found[0] not in self._left else None

    def called(self, ids: Iterable[str]) -> list[int]:
        """The numbers of those of these ids that still look."""
        return [number for id in ids if (number := self.number(id)) is not None]

    def pair(self, number: int) -> Pair | None:
        """Its row; None for a newcomer."""
        return self._pairs.get(number)

    def rows(self) -> dict[int, Pair]:
        """The rows of those who have one, by their numbers."""
        return {number: pair for number, pair in self._pairs.items() if number not in self._left}

    def leave(self, numbers: Iterable[int]) -> None:
        """These records look no more."""
        for number in numbers:
            self._left.add(number)

    def carriers(self, keys: Iterable[bytes | None]) -> list[int]:
        """The numbers of those who carry one of these match keys, in the order of the keys."""
        if not len(self):
            return []
        asked = "SELECT number FROM mark WHERE key = ? ORDER BY number"
        found = [number for key in keys if key for (number,) in self._ask(asked, key)]
        return [number for number in dict.fromkeys(found) if number not in self._left]

    def seats(self, alternative: int) -> Iterator[Seat]:
        """Who takes part in one alternative of match_on, in the order of keys."""
        if len(self):
            marks = self._ask("SELECT key, number FROM mark WHERE alternative = ? ORDER BY key, number", alternative)
            yield from (Seat(key, self.side, number) for key, number in marks if number not in self._left)

    def match_keys(self) -> Iterator[list[bytes]]:
        """All match keys of those who still look, some at a time."""
        marks = self._ask("SELECT key, number FROM mark ORDER BY key") if len(self) else ()
        wanted = (key for key, number in marks if number not in self._left)
        while some := list(islice(wanted, _AT_ONCE)):
            yield some

    def _sit(self, number: int, item: Item) -> None:
        self._each("INSERT OR IGNORE INTO seat VALUES (?, ?)", [(_id(item), number)])
        self._each("INSERT INTO mark VALUES (?, ?, ?)", _marks(item, number))

    def _ask(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._index.execute(sql, values)

    def _each(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            self._index.executemany(sql, rows)
        except sqlite3.Error as fault:
            raise no_room(self._folder, fault) from None

    @cached_property
    def _index(self) -> sqlite3.Connection:
        """Made when the first one comes. The plan goes on in its own thread with what the reading began."""
        try:
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix="lookers-") as file:
                index = sqlite3.connect(file.name, check_same_thread=False, isolation_level=None)
                weakref.finalize(self, index.close)
                index.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as fault:
            raise no_room(self._folder, fault) from None
        return index


def _id(item: Item) -> bytes:
    return _named(item.record.id)


def _named(id: str) -> bytes:
    return id.encode("utf-8", "surrogatepass")


def _marks(item: Item, number: int) -> list[tuple[bytes, int, int]]:
    return [(key, number, alternative) for alternative, key in enumerate(item.keys) if key]
