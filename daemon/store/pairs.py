"""This is where pairs are found, written down and counted."""

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from daemon.core.model import Pair
from daemon.core.rules import SIDES, Side, other
from daemon.store.database import Database
from daemon.store.rows import COLUMNS, UPSERT, half_keys, to_pair, to_row
from daemon.store.vault import Vault

_IDS_AT_ONCE = 500
_PARTNERED = (
    "EXISTS (SELECT 1 FROM pair p JOIN sync s ON s.id = p.sync WHERE s.name = json_extract(a.value, '$[0]')"
    " AND json_extract(a.value, '$[1]') = '{0}' AND p.{0}_id = json_extract(a.value, '$[2]')"
    " AND p.left_id IS NOT NULL AND p.right_id IS NOT NULL AND p.state <> 'retired')"
)
_HEALING = (
    "SELECT DISTINCT w.key FROM pair w, json_each(w.awaits) a WHERE w.sync = ? AND w.awaits IS NOT NULL"  # noqa: S608
    " AND w.state <> 'retired'"
    f" AND ((? AND json_extract(a.value, '$[0]') = '') OR {_PARTNERED.format('left')} OR {_PARTNERED.format('right')})"
)


@dataclass(frozen=True, slots=True)
class Known:
    """The little that reading needs to know of a half: its pair, its digest, its pair's state."""

    key: int
    seen: bytes
    state: str


class Pairs:
    """The pairs of all syncs. At most one per record and sync: a second is an IntegrityError, not a replacement."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._db = database
        self._vault = vault
        self._layouts: dict[int, tuple[str, ...]] = {}
        self._last_key = 0
        self._fresh_lock = threading.Lock()

    def known(self, sync: int, side: Side, ids: Sequence[str]) -> dict[str, Known]:
        """What reading needs of the halves with these record ids."""
        asked = (
            f"SELECT {side}_id, key, {side}_seen, state FROM pair"  # noqa: S608  # side is one of two words
            f" WHERE sync = ? AND {side}_id IN "
        )
        listed = f"{asked} (SELECT value FROM json_each(?))"  # noqa: S608
        rows = self._db.rows(listed, sync, msgspec.json.encode(ids).decode())
        for id in ids:
            if "\0" in id:  # SQLite's JSON ends a text there
                rows += self._db.rows(f"{asked} (?)", sync, id)
        return {id: Known(key, seen, state) for id, key, seen, state in rows}

    def partners(self, sync: int, side: Side, ids: Sequence[str]) -> dict[str, str]:
        """The record on the other side of each of these records on *side*, where the pair has not ended."""
        asked = (
            f"SELECT {side}_id, {other(side)}_id FROM pair WHERE sync = ? AND state <> 'retired'"  # noqa: S608
            f" AND {other(side)}_id IS NOT NULL AND {side}_id IN "
        )
        listed = f"{asked} (SELECT value FROM json_each(?))"  # noqa: S608
        rows = self._db.rows(listed, sync, msgspec.json.encode(ids).decode())
        for id in ids:
            if "\0" in id:  # SQLite's JSON ends a text there
                rows += self._db.rows(f"{asked} (?)", sync, id)
        return dict(rows)

    def healing(self, sync: int, *, asking: bool = True) -> list[int]:
        """Keys of pairs that await somebody who has a partner by now; with *asking*, whoever only a system can tell."""
        return [key for (key,) in self._db.rows(_HEALING, sync, asking)]

    def get(self, keys: Iterable[int]) -> dict[int, Pair]:
        """The pairs of these keys."""
        found: dict[int, Pair] = {}
        wanted = list(keys)
        for at in range(0, len(wanted), _IDS_AT_ONCE):
            chunk = msgspec.json.encode(wanted[at : at + _IDS_AT_ONCE]).decode()
            rows = self._db.rows(
                f"SELECT {COLUMNS} FROM pair WHERE key IN (SELECT value FROM json_each(?))",  # noqa: S608
                chunk,
            )
            found |= {row[0]: self._pair(row) for row in rows}
        return found

    def keys_in(self, sync: int, *states: str) -> list[int]:
        """The keys of all pairs of *sync* in one of *states*."""
        marks = ",".join("?" * len(states))
        sql = f"SELECT key FROM pair WHERE sync = ? AND state IN ({marks})"  # noqa: S608  # question marks only
        return [key for (key,) in self._db.rows(sql, sync, *states)]

    def listed(self, sync: int, states: Sequence[str], *, after: int, limit: int) -> list[int]:
        """The first *limit* keys behind *after*, of pairs in one of *states*; in any state where none is named."""
        marks = ",".join("?" * len(states))
        chosen = f" AND state IN ({marks})" if states else ""
        sql = f"SELECT key FROM pair WHERE sync = ? AND key > ?{chosen} ORDER BY key LIMIT ?"  # noqa: S608
        return [key for (key,) in self._db.rows(sql, sync, after, *states, limit)]

    def standing(self, sync: int, side: Side) -> Iterator[tuple[int, str]]:
        """Key and record id of every half on *side* whose pair has not ended, in the order of keys."""
        after = 0
        while rows := self._db.rows(
            f"SELECT key, {side}_id FROM pair WHERE sync = ? AND key > ? AND state <> 'retired'"  # noqa: S608
            f" AND {side}_id IS NOT NULL ORDER BY key LIMIT 10000",
            sync,
            after,
        ):
            yield from rows
            after = rows[-1][0]

    def count(self, sync: int) -> dict[str, int]:
        """How many pairs are in each state."""
        return dict(self._db.rows("SELECT state, count(*) FROM pair WHERE sync = ? GROUP BY state", sync))

    def taken(self, sync: int, side: Side, digests: Collection[bytes]) -> dict[bytes, list[int]]:
        """Which pairs already hold these match keys on *side*."""
        found: dict[bytes, list[int]] = {}
        wanted = list(digests)
        for at in range(0, len(wanted), _IDS_AT_ONCE):
            chunk = wanted[at : at + _IDS_AT_ONCE]
            marks = ",".join("?" * len(chunk))
            sql = f"SELECT digest, key FROM match_key WHERE sync = ? AND side = ? AND digest IN ({marks})"  # noqa: S608
            for digest, key in self._db.rows(sql, sync, side, *chunk):
                found.setdefault(digest, []).append(key)
        return found

    def find_pair(self, sync: int, record_id: str, sides: Sequence[str] = SIDES) -> list[int]:
        """Keys of the pairs in which a record with this id stands on one of *sides*."""
        found: dict[int, None] = {}
        for side in SIDES:
            if side in sides:
                sql = f"SELECT key FROM pair WHERE sync = ? AND {side}_id = ?"  # noqa: S608  # one of two words
                found |= {key: None for (key,) in self._db.rows(sql, sync, record_id)}
        return list(found)

    def numbered(self, sync: int, key: int) -> list[int]:
        """*key* itself, if it is a pair of *sync*."""
        return [key for (key,) in self._db.rows("SELECT key FROM pair WHERE sync = ? AND key = ?", sync, key)]

    def new_keys(self, count: int) -> range:
        """Fresh pair keys. None is given twice: not to two syncs at once, not again while a flight speaks of it."""
        with self._fresh_lock:
            if not self._last_key:
                ((self._last_key,),) = self._db.rows(
                    "SELECT max((SELECT coalesce(max(key), 0) FROM pair),"
                    " (SELECT coalesce(max(value), 0) FROM meta WHERE name = 'pair'))"
                )
            first = self._last_key + 1
            self._last_key += count
            return range(first, first + count)

    def remember(self, sync: int, pairs: Iterable[Pair], *, drop: Collection[int] = ()) -> None:
        """Write down *pairs* as they are now, new or changed, and forget those in *drop*, in one transaction."""
        with self._db.transaction() as db:
            self.write(db, sync, list(pairs), drop=drop)

    def forget(self, sync: int) -> None:
        """Nothing is known of any record of *sync* any more."""
        with self._db.transaction() as db:
            self._drop(db, sync, [key for (key,) in db.execute("SELECT key FROM pair WHERE sync = ?", (sync,))])

    def distrust(self, sync: int) -> None:
        """The pairs of *sync* stay, and nothing counts as agreed any more: fields are compared as if first met."""
        parts = [f"{side}_{part}" for side in SIDES for part in ("seen", "agreed", "sent")]
        columns = ", ".join(f"{column} = NULL" for column in (*parts, "members"))
        with self._db.transaction() as db:
            db.execute(f"UPDATE pair SET {columns} WHERE sync = ? AND state <> 'retired'", (sync,))  # noqa: S608

    def _pair(self, row: Sequence[Any]) -> Pair:
        detail = self._vault.open(row[4]) if row[4] else {}
        return to_pair(row, self._layout_names(row[11]), detail)

    def write(self, db: sqlite3.Connection, sync: int, pairs: Sequence[Pair], *, drop: Collection[int] = ()) -> None:
        """`remember` inside a transaction that does more."""
        if drop:
            self._drop(db, sync, drop)
        if not pairs:
            return
        told = {n for p in pairs for s in SIDES if (h := p.half(s)) for n in (*h.agreed, *h.sent)}
        names = tuple(sorted(told.union(*(p.members for p in pairs))))
        layout = self._layout(db, names)
        self._drop_keys(db, sync, [pair.key for pair in pairs])
        rows = [to_row(p, sync, layout, names, self._vault.seal(p.detail) if p.detail else None) for p in pairs]
        db.executemany(UPSERT, rows)
        keys = [(sync, s, d, p.key) for p in pairs for s in SIDES if (h := p.half(s)) for d in h.keys if d]
        db.executemany("INSERT OR IGNORE INTO match_key VALUES (?, ?, ?, ?)", keys)

    def _drop(self, db: sqlite3.Connection, sync: int, keys: Collection[int]) -> None:
        """Forgets pairs, and with them their children, who look for partners anew in the next full comparison."""
        self._drop_keys(db, sync, keys)
        listed = msgspec.json.encode(list(keys)).decode()
        below = "SELECT key, sync FROM pair WHERE parent IN (SELECT value FROM json_each(?))"
        children: dict[int, list[int]] = {}
        for key, family in db.execute(below, (listed,)).fetchall():
            children.setdefault(family, []).append(key)
        for family, members in children.items():
            db.execute("UPDATE sync SET salt = '' WHERE id = ?", (family,))
            self._drop(db, family, members)
        db.executemany("DELETE FROM ruling WHERE pair = ?", [(key,) for key in keys])
        db.executemany("DELETE FROM turn WHERE pair = ?", [(key,) for key in keys])
        db.executemany("DELETE FROM pair WHERE key = ?", [(key,) for key in keys])

    def _drop_keys(self, db: sqlite3.Connection, sync: int, keys: Collection[int]) -> None:
        listed = msgspec.json.encode(list(keys)).decode()
        rows = db.execute(
            f"SELECT {COLUMNS} FROM pair WHERE key IN (SELECT value FROM json_each(?))",  # noqa: S608
            (listed,),
        ).fetchall()
        gone = [(sync, side, digest, row[0]) for row in rows for side in SIDES for digest in half_keys(row, side)]
        db.executemany("DELETE FROM match_key WHERE sync = ? AND side = ? AND digest = ? AND key = ?", gone)

    def _layout(self, db: sqlite3.Connection, names: tuple[str, ...]) -> int:
        text = msgspec.json.encode(names).decode()
        db.execute("INSERT INTO layout (names) VALUES (?) ON CONFLICT DO NOTHING", (text,))
        (id,) = db.execute("SELECT id FROM layout WHERE names = ?", (text,)).fetchone()
        return int(id)

    def _layout_names(self, id: int) -> tuple[str, ...]:
        if id not in self._layouts:
            (row,) = self._db.rows("SELECT names FROM layout WHERE id = ?", id)
            self._layouts[id] = tuple(msgspec.json.decode(row[0]))
        return self._layouts[id]
