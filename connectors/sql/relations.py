"""This is where link tables become relations: a row for each of whom a record is related to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from connectors.base import Members, Record
from connectors.sql.columns import Shape
from connectors.sql.database import describe_source, meaning, words
from connectors.sql.facts import Entity, Relation

_MOST = 500
"""Records or members named in one statement."""
_INSERTS: Mapping[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""Dialects that can leave alone what is there, whoever was faster."""


@dataclass(frozen=True, slots=True)
class Links:
    """One relation: its table, whose columns name the record (*own*) and the member (*other*), and its records."""

    name: str
    own: Shape
    other: Shape
    owner: Shape
    facts: Relation

    def lists(self, connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[str]]:
        """The members of each of these records, in a stable order."""
        found: dict[str, set[str]] = {id: set() for id in ids}
        for at in range(0, len(ids), _MOST):
            keys = [self._key(id) for id in ids[at : at + _MOST]]
            for row in connection.execute(self._rows(self.own.among(keys))).mappings():
                found[self._owner(row)].add(self.other.id(row))
        return {id: sorted(members) for id, members in found.items()}

    def move(self, connection: sa.Connection, id: str, members: Members) -> None:
        """Adds and removes rows; what is so already stays so. Raises ValueError naming a member that is refused."""
        add, remove = (self._named(part) for part in (members.add, members.remove))
        mine, known = self.own.among([self._key(id)]), self._of(connection, id)
        self._forget(connection, mine, [value for text, value in remove.items() if text not in add])
        for text, value in add.items():
            if text not in known:
                self._insert(connection, id, text, value)

    def make(self, connection: sa.Connection, id: str, wanted: Iterable[Any]) -> None:
        """Makes *wanted* all members that there are."""
        known, names = self._of(connection, id), tuple(wanted)
        self.move(connection, id, Members(names, tuple(known - self._named(names).keys())))

    def _of(self, connection: sa.Connection, id: str) -> set[str]:
        mine = self.own.among([self._key(id)])
        return {self.other.id(row) for row in connection.execute(self._rows(mine)).mappings()}

    def _rows(self, condition: Any) -> Any:
        there = self.other.column(self.facts.other).is_not(None)
        rules = [self.own.column(n).is_not_distinct_from(self._written(n, v)) for n, v in self.facts.where.items()]
        columns = [self.own.column(name) for name in (*self.own.key, self.facts.other)]
        return sa.select(*columns).where(condition, there, *rules)

    def _insert(self, connection: sa.Connection, id: str, text: str, value: Any) -> None:
        constants = {name: self._written(name, value) for name, value in self.facts.where.items()}
        row = {**dict(zip(self.own.key, self._key(id), strict=True)), self.facts.other: value, **constants}
        make = _INSERTS.get(connection.dialect.name)
        statement = make(self.own.source).on_conflict_do_nothing() if make else sa.insert(self.own.source)
        try:
            done = connection.execute(statement.values(row), execution_options={"preserve_rowcount": True}).rowcount
        except SQLAlchemyError as error:
            if meaning(error) != "refused":
                raise
            raise ValueError(f"{self.name} '{text}': {words(error)}") from None
        if not done and text not in self._of(connection, id):
            raise ValueError(f"{self.name} '{text}': {self.facts.table} has a row for it that is none of this relation")

    def _forget(self, connection: sa.Connection, mine: Any, values: Sequence[Any]) -> None:
        rules = [self.own.column(n).is_not_distinct_from(self._written(n, v)) for n, v in self.facts.where.items()]
        for at in range(0, len(values), _MOST):
            gone = self.other.column(self.facts.other).in_(values[at : at + _MOST])
            connection.execute(sa.delete(self.own.source).where(mine, gone, *rules))

    def _named(self, members: Iterable[Any]) -> dict[str, Any]:
        """Members as ids, and as the column holds them. Raises ValueError for what cannot be one."""
        try:
            return {str(member): self.other.key_of(str(member))[0] for member in members}
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    def _key(self, id: str) -> tuple[Any, ...]:
        return tuple(self._written(n, v) for n, v in zip(self.own.key, self.owner.key_of(id), strict=True))

    def _owner(self, row: Any) -> str:
        return self.owner.id({name: row[mine] for name, mine in zip(self.owner.key, self.own.key, strict=True)})

    def _written(self, name: str, value: Any) -> Any:
        return self.own.codec(name).written(value)


def describe_links(engine: sa.Engine, owner: Shape, relations: Mapping[str, Relation]) -> dict[str, Links]:
    """The relations of an entity by their paths. Raises Permanent for a table or column that is not there."""
    found = {}
    for name, facts in relations.items():
        whole = Entity(table=facts.table, key=(*facts.own, facts.other), columns=tuple(facts.where))
        shape = describe_source(engine, f"{owner.place} @{name}", whole)
        own, other = replace(shape, key=facts.own), replace(shape, key=(facts.other,))
        found[f"@{name}"] = Links(f"@{name}", own, other, owner, facts)
    return found


def with_links(connection: sa.Connection, records: Sequence[Record], links: Mapping[str, Links]) -> tuple[Record, ...]:
    """*records* with the relations that were asked for."""
    ids = [record.id for record in records]
    lists = {name: those.lists(connection, ids) for name, those in links.items()}
    if not lists:
        return tuple(records)
    return tuple(
        replace(r, fields={**r.fields, **{name: members[r.id] for name, members in lists.items()}}) for r in records
    )
