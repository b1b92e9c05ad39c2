"""This is where a system lives that needs nothing installed: records in memory, for tests and examples.

It keeps every promise of the protocol (paging, a numbered cursor, tombstones, versions, preconditions), and each can be
switched off by handing in other Capabilities, so that the engine can be tested against poorer systems. What a write
replaces is never changed in place: a record once handed out stays as it was.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.base import (
    Capabilities,
    CursorRule,
    Done,
    EntityShape,
    Failed,
    Fields,
    FieldShape,
    Gone,
    Health,
    Lost,
    Members,
    NotSent,
    Op,
    Outcome,
    Page,
    Permanent,
    Record,
    Refused,
    Stale,
    Write,
)
from connectors.definition import Reveal, unknown_entity
from connectors.memory.facts import Entity, System
from connectors.memory.looks import emptied, equal, holds, merged, named, shown
from connectors.memory.relations import Related
from connectors.paths import Path, parse, quote
from connectors.paths import read as read_path

DEFAULT = Capabilities(
    precondition=True, read_back=True, tombstones=True, cursor=CursorRule("number"), batch=50, gets=1000,
    processing_window=0.0, identity=True,
)  # fmt: skip
"""What an entity of this driver guarantees unless the test says otherwise."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Shelf:
    """One entity: its records with the number of their last change, and what was deleted when."""

    records: dict[str, Record] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    joined: dict[str, str] = field(default_factory=dict)
    """Into which record one that is gone was merged."""
    births: dict[str, str] = field(default_factory=dict)
    """Ids by idempotency key."""
    paths: set[str] = field(default_factory=set)
    related: Related = field(default_factory=Related)
    born: int = 0


def connect(
    system: System, entities: Mapping[str, Entity], *, check: Mapping[str, Any] | None, reveal: Reveal
) -> "MemoryDriver":
    """A driver holding the records that the entities start with."""
    del check, reveal  # there is nothing to reach and nothing to unlock
    return MemoryDriver(
        {name: entity.records for name, entity in entities.items()},
        name=system.name,
        page=system.page,
        find={name: entity.find for name, entity in entities.items()},
        marker={name: entity.marker for name, entity in entities.items() if entity.marker},
        deactivate={name: entity.deactivate for name, entity in entities.items() if entity.deactivate},
        timed=[name for name, entity in entities.items() if entity.times_trusted],
        relations={name: entity.relations for name, entity in entities.items()},
    )


class MemoryDriver:
    """A Driver over dicts: `MemoryDriver({"contact": {"c-1": {"email": "ada@corp.example"}}})`.

    put, edit, remove, merge, relate, records and epoch are the hands of the system's users; the rest is the Driver
    protocol. Every change takes the next number of one counter: it is the record's version and its cursor value.
    Relations lie beside the records, so changing them takes no number.
    """

    def __init__(
        self,
        records: Mapping[str, Mapping[str, Fields]] | None = None,
        *,
        name: str = "memory",
        page: int = 100,
        capabilities: Mapping[str, Capabilities] | None = None,
        find: Mapping[str, Sequence[str]] | None = None,
        marker: Mapping[str, str] | None = None,
        deactivate: Mapping[str, Fields] | None = None,
        timed: Collection[str] = (),
        relations: Mapping[str, Collection[str]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.page = page
        self.epoch: str | None = None
        self._capabilities = dict(capabilities or {})
        self._find = dict(find or {})
        self._marker = dict(marker or {})
        self._deactivate = dict(deactivate or {})
        self._timed = frozenset(timed)
        self._clock = clock
        self._latest = 0
        self._lock = threading.RLock()
        self._number = 0
        related = relations or {}
        self._shelves = {entity: _Shelf(related=Related(related.get(entity, ()))) for entity in records or {}}
        for entity, members in (records or {}).items():
            for id, fields in members.items():
                self.put(entity, fields, id)

    # The hands of the system's users

    def put(self, entity: str, fields: Fields, id: str | None = None) -> str:
        """Stores a whole record, new or in place of the one of that id; returns its id."""
        with self._lock:
            shelf = self._shelf(entity)
            return self._keep(entity, id if id is not None else _next_id(entity, shelf), fields).id

    def edit(self, entity: str, id: str, fields: Fields) -> None:
        """Changes some fields of a record, keeping the siblings in nested objects."""
        with self._lock:
            self._keep(entity, id, merged(self._shelf(entity).records[id].fields, fields))

    def remove(self, entity: str, id: str) -> None:
        """Deletes a record. Raises KeyError if there is none."""
        with self._lock:
            shelf = self._shelf(entity)
            del shelf.records[id], shelf.changed[id]
            shelf.related.drop(id)
            self._number += 1
            shelf.gone[id] = self._number

    def merge(self, entity: str, id: str, into: str) -> None:
        """Joins a record with another one, which stays as it is. Raises KeyError if there is none."""
        with self._lock:
            self.remove(entity, id)
            self._shelf(entity).joined[id] = into

    def relate(self, entity: str, id: str, *, add: Fields | None = None, remove: Fields | None = None) -> None:
        """Changes relations: `relate("person", "1", add={"@groups": ["admins"]})`."""
        with self._lock:
            for name in {**(add or {}), **(remove or {})}:
                moving = Members(tuple((add or {}).get(name, ())), tuple((remove or {}).get(name, ())))
                self._shelf(entity).related.change(id, {name: moving})

    def records(self, entity: str) -> dict[str, Fields]:
        """The fields of every record, by id."""
        with self._lock:
            shelf = self._shelf(entity)
            return {id: {**record.fields, **shelf.related.of(id)} for id, record in shelf.records.items()}

    # The Driver protocol

    def describe(self, entity: str) -> Capabilities:
        """What this entity can guarantee: as handed in, else everything; find then lists the paths seen so far."""
        with self._lock:
            shelf = self._shelf(entity)
            if entity in self._capabilities:
                return self._capabilities[entity]
            marked = {quote(self._marker[entity])} if entity in self._marker else set()
            found = frozenset(shelf.paths | set(self._find.get(entity, ())) | marked)
            more: set[Op] = {"deactivate"} if entity in self._deactivate else set()
            off, timed = self._deactivate.get(entity), entity in self._timed
            says = replace(DEFAULT, find=found, writes=DEFAULT.writes | more, merges=bool(shelf.joined))
            return replace(says, deactivated=off, times_trusted=timed, relations=shelf.related.names)

    def check(self, entity: str | None = None) -> Health:
        """Always reachable; an unknown entity is named."""
        with self._lock:
            if entity is not None and entity not in self._shelves:
                return Health(True, self._unknown(entity), permissions={"read": False})
            return Health(True, f"{len(self._shelves)} entities in memory", tenant=self.name, epoch=self.epoch)

    def read(
        self, entity: str, *, cursor: str | None = None, fields: Sequence[str] = (), where: Fields | None = None
    ) -> Iterator[Page]:
        """Pages of one moment's records in the order of their last change, with tombstones on incremental reads."""
        wanted, rules = _paths(fields), _rules(where)
        with self._lock:
            shelf, says = self._shelf(entity), self.describe(entity)
            if cursor is not None and says.cursor is None:
                raise Permanent(f"{self.name} {entity}: has no cursor; only full reads")
            since = _number(cursor, f"{self.name} {entity}")
            order = sorted((n, id) for id, n in shelf.changed.items() if n >= since)
            found = [(n, _shown(shelf, id, wanted)) for n, id in order if _fits(shelf.records[id], rules)]
            gone = sorted((n, id) for id, n in shelf.gone.items() if n >= since) if cursor and says.tombstones else []
        yield from self._pages(found, gone, complete=cursor is None, numbered=says.cursor is not None)

    def get(self, entity: str, ids: Sequence[str], *, fields: Sequence[str] = ()) -> Iterator[Record | Gone | Failed]:
        """One answer per id, in order."""
        wanted = _paths(fields)
        for id in ids:
            with self._lock:
                shelf = self._shelf(entity)
                answer = _shown(shelf, id, wanted) if id in shelf.records else Gone(id, shelf.joined.get(id))
            yield answer

    def find(self, entity: str, by: Fields, *, consistent: bool = False, fields: Sequence[str] = ()) -> list[Record]:
        """Records whose paths equal all of *by*; any path unless Capabilities were handed in."""
        wanted, rules = _paths(fields), _rules(by)
        with self._lock:
            shelf, says = self._shelf(entity), self.describe(entity)
            barred = set(by) - says.find if entity in self._capabilities else set()
            if barred:
                raise Permanent(f"{self.name} {entity}: cannot look up {', '.join(sorted(barred))}")
            if consistent and says.consistency_window:
                raise Permanent(f"{self.name} {entity}: find lags by {says.consistency_window:g} s")
            return [_shown(shelf, id, wanted) for id, record in shelf.records.items() if _fits(record, rules)]

    def write(self, entity: str, writes: Sequence[Write], *, fields: Sequence[str] = ()) -> Iterator[Outcome]:
        """One outcome per write, in order, the record read back in each that is done."""
        if entity not in self._shelves:
            yield from (NotSent(self._unknown(entity), permanent=True) for _ in writes)
            return
        says = self.describe(entity)
        size = max(1, says.batch)
        for at in range(0, len(writes), size):
            yield from self._batch(entity, writes[at : at + size], says, _paths(fields))

    def poll(self, entity: str, jobs: Sequence[str]) -> Iterator[Outcome]:
        """Every write is done when it is answered; there are no jobs."""
        return iter([Lost(f"{self.name} {entity}: there are no jobs") for _ in jobs])

    def discover(self) -> Sequence[EntityShape]:
        """The entities with the top-level fields that their records have."""
        with self._lock:
            return [
                EntityShape(name, tuple(FieldShape(path, kind) for path, kind in sorted(_kinds(shelf).items())))
                for name, shelf in self._shelves.items()
            ]

    def close(self) -> None:
        """Nothing to give back; the records stay."""

    # Reading

    def _pages(
        self, found: list[tuple[int, Record]], gone: list[tuple[int, str]], *, complete: bool, numbered: bool
    ) -> Iterator[Page]:
        for at in range(0, max(1, len(found)), self.page):
            part, last = found[at : at + self.page], at + self.page >= len(found)
            seen = [n for n, _ in part] + ([n for n, _ in gone] if last else [])
            yield Page(
                records=tuple(record for _, record in part),
                gone=tuple(id for _, id in gone) if last else (),
                cursor=str(max(seen)) if seen and numbered else None,
                complete=complete and last,
            )

    # Writing

    def _batch(self, entity: str, writes: Sequence[Write], says: Capabilities, wanted: Sequence[Path]) -> list[Outcome]:
        with self._lock:
            before = deepcopy(self._shelves[entity]) if says.atomic_batch else None
            outcomes = [self._one(entity, write, says, wanted) for write in writes]
            bad = [outcome for outcome in outcomes if not isinstance(outcome, Done)]
            if bad and before is not None:
                self._shelves[entity] = before
                return [bad[0]] * len(writes)
            return outcomes

    def _one(self, entity: str, write: Write, says: Capabilities, wanted: Sequence[Path]) -> Outcome:
        place = f"{self.name} {entity} {write.id or 'new'}"
        if write.op not in says.writes:
            return Refused(f"{place}: {write.op} is not offered")
        if unknown := write.members.keys() - says.relations:
            return Refused(f"{place}: no relation {', '.join(sorted(unknown))}")
        if write.op == "create":
            return self._create(entity, write, says, wanted)
        known = self._shelves[entity].records.get(write.id or "")
        if known is None:
            return Done(write.id or "") if write.op == "delete" else Stale(f"{place}: is gone")
        if says.precondition and not _unmoved(known, write):
            return Stale(f"{place}: changed since it was read (version {known.version})")
        if write.op == "delete":
            self.remove(entity, known.id)
            return Done(known.id)
        shelf = self._shelves[entity]
        shelf.related.change(known.id, write.members)
        fields = self._deactivate.get(entity, {}) if write.op == "deactivate" else write.fields
        joined = {**known.fields, **fields} if says.nested == "replace" else merged(known.fields, fields)
        after = self._keep(entity, known.id, joined) if fields or not write.members else known
        return _done(shelf, after, write, wanted)

    def _create(self, entity: str, write: Write, says: Capabilities, wanted: Sequence[Path]) -> Outcome:
        shelf = self._shelves[entity]
        if says.idempotent_create and write.key in shelf.births and shelf.births[write.key] in shelf.records:
            return _done(shelf, shelf.records[shelf.births[write.key]], write, wanted)
        if write.id is not None and write.id in shelf.records:
            return Refused(f"{self.name} {entity} {write.id}: exists already")
        fields = dict(write.fields)
        if write.marker is not None and entity in self._marker:
            fields[self._marker[entity]] = write.marker
        record = self._keep(entity, write.id or _next_id(entity, shelf), fields)
        if write.key is not None:
            shelf.births[write.key] = record.id
        shelf.related.change(record.id, write.members)
        return _done(shelf, record, write, wanted)

    def _keep(self, entity: str, id: str, fields: Fields) -> Record:
        shelf, empty = self._shelf(entity), self._capabilities.get(entity, DEFAULT).empty
        self._number += 1
        shelf.records[id] = record = Record(id, emptied(shelf.related.take(id, fields), empty), self._version(entity))
        shelf.changed[id] = self._number
        shelf.gone.pop(id, None)
        shelf.joined.pop(id, None)
        shelf.paths.update(named(record.fields))
        return record

    def _version(self, entity: str) -> str:
        """The number of a change or, where times are promised, its time; no two changes have the same."""
        if entity not in self._timed:
            return str(self._number)
        self._latest = max(self._latest + 1, int(self._clock() * 1_000_000))
        return (_EPOCH + timedelta(microseconds=self._latest)).isoformat()

    def _shelf(self, entity: str) -> _Shelf:
        if entity not in self._shelves:
            raise Permanent(self._unknown(entity))
        return self._shelves[entity]

    def _unknown(self, entity: str) -> str:
        return unknown_entity(self.name, entity, self._shelves)


def _next_id(entity: str, shelf: _Shelf) -> str:
    while True:
        shelf.born += 1
        id = f"{entity}-{shelf.born}"
        if id not in shelf.records and id not in shelf.gone:
            return id


def _done(shelf: _Shelf, record: Record, write: Write, wanted: Sequence[Path]) -> Done:
    return Done(record.id, record.version, None if write.members else _shown(shelf, record.id, wanted))


def _shown(shelf: _Shelf, id: str, wanted: Sequence[Path]) -> Record:
    record, related = shelf.records[id], shelf.related.of(id)
    return shown(replace(record, fields={**record.fields, **related}) if related else record, wanted)


def _unmoved(known: Record, write: Write) -> bool:
    if write.version is not None:
        return known.version == write.version
    return write.before is None or holds(known.fields, write.before)


def _kinds(shelf: _Shelf) -> dict[str, str]:
    return {
        quote(key): type(value).__name__
        for record in shelf.records.values()
        for key, value in record.fields.items()
        if value is not None
    }


def _paths(fields: Sequence[str]) -> list[Path]:
    return [parse(name) for name in fields]


def _rules(where: Fields | None) -> list[tuple[Path, Any]]:
    return [(parse(name), value) for name, value in (where or {}).items()]


def _fits(record: Record, rules: list[tuple[Path, Any]]) -> bool:
    return all(equal(read_path(record.fields, path), value) for path, value in rules)


def _number(cursor: str | None, place: str) -> int:
    try:
        return int(cursor or 0)
    except ValueError:
        raise Permanent(f"{place}: '{cursor}' is not a cursor of this system") from None
