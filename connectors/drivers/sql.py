"""This is where databases are spoken to, by SQLAlchemy Core: SQLite and PostgreSQL, other dialects untested.

A listing is one ordered statement in one snapshot, streamed page by page: nothing is seen twice, and nothing slips
through between two pages. On an SQLite file without WAL the snapshot keeps others from committing while it is read.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from connectors.base import (
    Capabilities,
    ConnectorError,
    CursorRule,
    EntityShape,
    Failed,
    Fields,
    FieldShape,
    Gone,
    Health,
    Lost,
    NotSent,
    Op,
    Outcome,
    Page,
    Permanent,
    Record,
    Refused,
    Write,
)
from connectors.definition import Reveal, unknown_entity
from connectors.paths import PathError, parse, quote
from connectors.sql.columns import Shape
from connectors.sql.database import describe_source, identity, open_engine, raised
from connectors.sql.facts import Entity, System
from connectors.sql.relations import Links, describe_links, with_links
from connectors.sql.writing import BATCH, Writer, is_deleted

__all__ = ["Entity", "SqlDriver", "System", "connect"]

_TROUBLE = (SQLAlchemyError, OverflowError)


def connect(
    system: System, entities: Mapping[str, Entity], *, check: Mapping[str, Any] | None, reveal: Reveal
) -> "SqlDriver":
    """A driver for one database; the first request opens the first connection."""
    del check  # reaching the database is what there is to check
    return SqlDriver(system, entities, reveal)


class SqlDriver:
    """A Driver over SQL."""

    def __init__(self, system: System, entities: Mapping[str, Entity], reveal: Reveal) -> None:
        self.name = system.name
        self._system = system
        self._entities = dict(entities)
        self._reveal = reveal
        self._lock = threading.RLock()
        self._open: sa.Engine | None = None
        self._shapes: dict[str, Shape] = {}
        self._links: dict[str, Mapping[str, Links]] = {}

    def describe(self, entity: str) -> Capabilities:
        """What this entity can guarantee."""
        facts = self._facts(entity)
        rule = facts.cursor
        writes: set[Op] = {"create", "update", "delete"} if facts.table else set()
        more: set[Op] = {"deactivate"} if facts.deactivate else set()
        return Capabilities(
            precondition=True,
            compares=facts.version is None,
            read_back=True,
            gets=BATCH,
            find=frozenset(facts.find or map(quote, self._columns(entity))),
            tombstones=bool(facts.cursor and facts.soft_delete),
            cursor=CursorRule(rule.kind, rule.lag, rule.overlap) if rule else None,
            batch=BATCH,
            nested="replace",
            processing_window=self._system.timeout,
            times_trusted=facts.times_trusted,
            writes=frozenset(writes | more),
            identity=self._system.path is None,  # a copy of a file says the same as the file
            deactivated=facts.deactivate,
            relations=frozenset(f"@{name}" for name in facts.relations),
        )

    def check(self, entity: str | None = None) -> Health:
        """Whether the database answers, lets us in, and has the entity's table and columns."""
        try:
            with self._engine().connect() as connection:
                sqlite = connection.dialect.name == "sqlite"  # which looks at the file only when it has to
                connection.execute(sa.text("PRAGMA schema_version" if sqlite else "SELECT 1"))
                tenant, epoch = identity(connection)
            if entity is not None:
                self._shape(entity)
        except _TROUBLE as error:
            return Health(False, str(raised(error, self.name)))
        except ConnectorError as error:
            return Health(False, str(error))
        return Health(True, f"{self._system.url or self._system.path}", tenant=tenant, epoch=epoch)

    def read(
        self, entity: str, *, cursor: str | None = None, fields: Sequence[str] = (), where: Fields | None = None
    ) -> Iterator[Page]:
        """Pages of one snapshot, ordered by the key, or by cursor and key where a cursor is given."""
        facts, shape = self._facts(entity), self._shape(entity)
        if cursor is not None and facts.cursor is None:
            raise Permanent(f"{self.name} {entity}: has no cursor; only full reads")
        names, links = self._asked(entity, fields)
        asked = self._select(shape, facts, names).where(*self._rules(shape, facts, where or {}))
        keys = [shape.column(name) for name in facts.key]
        if cursor is not None and facts.cursor is not None:
            first = shape.column(facts.cursor.column)
            tie = [shape.column(facts.cursor.tiebreak)] if facts.cursor.tiebreak else []
            asked = asked.where(first >= self._cursor_value(shape, facts, cursor)).order_by(first, *tie, *keys)
        else:
            asked = asked.order_by(*keys)
        try:
            with self._snapshot() as connection:
                for page in self._pages(connection, asked, shape, facts, names, whole=cursor is None):
                    yield replace(page, records=with_links(connection, page.records, links))
        except _TROUBLE as error:
            raise raised(error, f"{self.name} {entity}") from None

    def get(self, entity: str, ids: Sequence[str], *, fields: Sequence[str] = ()) -> Iterator[Record | Gone | Failed]:
        """One answer per id, in order."""
        facts, shape = self._facts(entity), self._shape(entity)
        names, links = self._asked(entity, fields)
        for at in range(0, len(ids), BATCH):
            part = ids[at : at + BATCH]
            keys = [key for id in part for key in _key(shape, id)]
            asked = self._select(shape, facts, names).where(shape.among(keys))
            found = {r.id: r for r in self._records(entity, asked, names, links)} if keys else {}
            yield from (found.get(id) or Gone(id) for id in part)

    def find(self, entity: str, by: Fields, *, consistent: bool = False, fields: Sequence[str] = ()) -> list[Record]:
        """Records whose columns equal all of *by*, exactly."""
        del consistent  # a database answers from what was committed
        facts, shape = self._facts(entity), self._shape(entity)
        names, links = self._asked(entity, fields)
        try:
            rules = self._rules(shape, facts, by)
        except ValueError:
            return []  # the column cannot hold such a value, so no record has it
        return list(self._records(entity, self._select(shape, facts, names).where(*rules), names, links))

    def write(self, entity: str, writes: Sequence[Write], *, fields: Sequence[str] = ()) -> Iterator[Outcome]:
        """One outcome per write, in order; a transaction for every 500."""
        try:
            facts, shape = self._facts(entity), self._shape(entity)
            names, links = self._asked(entity, fields) if fields else ([], {})
        except ConnectorError as error:
            yield from (NotSent(str(error), permanent=isinstance(error, Permanent)) for _ in writes)
            return
        offered = self.describe(entity).writes
        refused = [w.op for w in writes if w.op not in offered]
        if refused:
            yield from (Refused(f"{self.name} {entity}: {refused[0]} is not offered") for _ in writes)
            return
        yield from Writer(self._engine(), shape, facts, self._links[entity], (*names, *links)).write(writes)

    def poll(self, entity: str, jobs: Sequence[str]) -> Iterator[Outcome]:
        """Every write is done when it is answered; there are no jobs."""
        return iter([Lost(f"{self.name} {entity}: there are no jobs") for _ in jobs])

    def discover(self) -> Sequence[EntityShape]:
        """The tables and views of the default schema."""
        try:
            with self._engine().connect() as connection:
                look = sa.inspect(connection)
                names = sorted([*look.get_table_names(), *look.get_view_names()])
                return [EntityShape(name, tuple(map(_field, look.get_columns(name)))) for name in names]
        except _TROUBLE as error:
            raise raised(error, self.name) from None

    def close(self) -> None:
        """Gives back the connections."""
        with self._lock:
            if self._open is not None:
                self._open.dispose()

    # Reading

    def _snapshot(self) -> sa.Connection:
        connection = self._engine().connect()
        options: dict[str, Any] = {"stream_results": True}
        if connection.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return connection.execution_options(**options)

    def _pages(
        self, connection: sa.Connection, asked: Any, shape: Shape, facts: Entity, names: Sequence[str], *, whole: bool
    ) -> Iterator[Page]:
        clock, last = self._clock(connection, shape, facts), None
        result = connection.execute(asked)
        try:
            parts = result.mappings().partitions(self._system.page)
            part, following = next(parts, []), next(parts, None)
            while True:
                page = self._page(shape, facts, part, names, complete=whole and following is None, clock=clock)
                ids = [last, *(record.id for record in page.records)] if whole else []
                twice = next((one for one, two in pairwise(ids) if one == two), None)
                if twice is not None:
                    raise Permanent(f"{shape.place}: two rows have the key {twice}; {', '.join(facts.key)} is no key")
                yield page
                if following is None:
                    return
                last = ids[-1] if ids else None
                part, following = following, next(parts, None)
        finally:
            result.close()  # the caller may have stopped listening half-way

    def _page(
        self, shape: Shape, facts: Entity, rows: Sequence[Any], names: Sequence[str], *, complete: bool, clock: Any
    ) -> Page:
        alive = [row for row in rows if _alive(shape, facts, row)]
        gone = [shape.id(row) for row in rows if not _alive(shape, facts, row)]
        name = facts.cursor.column if facts.cursor else None
        moments = [row[name] for row in rows if row[name] is not None] if name else []
        return Page(
            records=tuple(self._record(shape, facts, row, names) for row in alive),
            gone=() if complete else tuple(gone),
            cursor=_cursor_text(max(moments)) if moments else None,
            complete=complete,
            server_time=clock,
        )

    def _clock(self, connection: sa.Connection, shape: Shape, facts: Entity) -> str | None:
        if facts.cursor is None or facts.cursor.kind != "time" or connection.dialect.name != "postgresql":
            return None
        zoned = getattr(shape.column(facts.cursor.column).type, "timezone", False)
        return _cursor_text(connection.execute(sa.text("SELECT now()" if zoned else "SELECT localtimestamp")).scalar())

    def _cursor_value(self, shape: Shape, facts: Entity, cursor: str) -> Any:
        assert facts.cursor is not None
        codec = shape.codec(facts.cursor.column)
        try:
            if facts.cursor.kind == "number":
                return int(cursor)
            return cursor if codec.plain or codec.kind == "other" else codec.written(cursor)
        except ValueError as error:
            raise Permanent(f"{shape.place}: '{cursor}' is not a cursor of this table: {error}") from None

    def _records(self, entity: str, asked: Any, names: Sequence[str], links: Mapping[str, Links]) -> tuple[Record, ...]:
        shape, facts = self._shape(entity), self._facts(entity)
        try:
            with self._engine().connect() as connection:
                rows = [row for row in connection.execute(asked).mappings() if _alive(shape, facts, row)]
                return with_links(connection, [self._record(shape, facts, row, names) for row in rows], links)
        except _TROUBLE as error:
            raise raised(error, f"{self.name} {entity}") from None

    def _select(self, shape: Shape, facts: Entity, names: Sequence[str]) -> Any:
        more = [n for n in (facts.version, facts.cursor and facts.cursor.column) if n]
        more += [facts.soft_delete.column] if facts.soft_delete else []
        return sa.select(*(shape.column(name) for name in dict.fromkeys([*names, *facts.key, *more])))

    def _rules(self, shape: Shape, facts: Entity, where: Fields) -> list[Any]:
        rules = []
        for path, value in {**facts.where, **where}.items():
            name = path if path in shape.codecs else _top(shape, path)
            rules.append(shape.column(name).is_not_distinct_from(shape.codec(name).written(value)))
        return rules

    def _asked(self, entity: str, fields: Sequence[str]) -> tuple[list[str], Mapping[str, Links]]:
        """The columns and the relations that are asked for; all where nothing is named."""
        shape, facts = self._shape(entity), self._facts(entity)
        links = self._links[entity]
        if not fields:
            return list(facts.columns or shape.codecs), links
        names = list(dict.fromkeys(path if path in shape.codecs else _top(shape, path) for path in fields))
        for name in names:
            if name.startswith("@") and name not in links and name not in shape.codecs:
                raise Permanent(f"{shape.place}: no relation {name}; known: {', '.join(links) or 'none'}")
            if name not in links:
                shape.codec(name)
        return [name for name in names if name not in links], {n: those for n, those in links.items() if n in names}

    def _record(self, shape: Shape, facts: Entity, row: Any, names: Sequence[str]) -> Record:
        version = row[facts.version] if facts.version else None
        shown = shape.codecs[facts.version].shown(version) if facts.version else None
        return Record(shape.id(row), shape.fields(row, names), None if shown is None else str(shown))

    # Opening

    def _engine(self) -> sa.Engine:
        with self._lock:
            if self._open is None:
                try:
                    password = self._reveal(self._system.password) if self._system.password else None
                except KeyError as error:
                    raise Permanent(f"{self.name}: no password: {error.args[0]}") from None
                self._open = open_engine(self._system, password)
            if self._system.path and not self._system.path.exists():
                raise Permanent(f"{self.name}: no file {self._system.path}, and an empty one is never made")
            return self._open

    def _shape(self, entity: str) -> Shape:
        facts = self._facts(entity)
        with self._lock:
            if entity not in self._shapes:
                try:
                    shape = describe_source(self._engine(), f"{self.name} {entity}", facts)
                    self._links[entity] = describe_links(self._engine(), shape, facts.relations)
                    self._shapes[entity] = shape
                except _TROUBLE as error:
                    raise raised(error, f"{self.name} {entity}") from None
            return self._shapes[entity]

    def _columns(self, entity: str) -> Sequence[str]:
        """All columns where they are known; a file is looked at, a server is not asked only for this."""
        facts = self._facts(entity)
        if entity in self._shapes or self._system.path is not None:
            with suppress(ConnectorError):
                return list(self._shape(entity).codecs)
        return [*facts.key, *facts.columns, *([facts.marker] if facts.marker else [])]

    def _facts(self, entity: str) -> Entity:
        if entity in self._entities:
            return self._entities[entity]
        raise Permanent(unknown_entity(self.name, entity, self._entities))


def _alive(shape: Shape, facts: Entity, row: Any) -> bool:
    gone = facts.soft_delete
    return gone is None or not is_deleted(row[gone.column], gone.value, shape.codecs[gone.column].kind)


def _key(shape: Shape, id: str) -> list[tuple[Any, ...]]:
    try:
        return [shape.key_of(id)]
    except ValueError:
        return []  # no record of this table is called that


def _top(shape: Shape, path: str) -> str:
    try:
        return parse(path).top
    except PathError as error:
        raise Permanent(f"{shape.place}: '{path}' is not a path: {error}") from None


def _cursor_text(value: Any) -> str:
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)


def _field(column: Any) -> FieldShape:
    return FieldShape(column["name"], str(column["type"]).lower(), required=not column.get("nullable", True))
