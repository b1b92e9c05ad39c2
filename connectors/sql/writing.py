"""This is where writes become one transaction: rows locked and compared, changed, read back, committed together.

A bad write is undone to its savepoint and refused; its neighbours stay. Until COMMIT is sent nothing has happened, so
every failure before it is NotSent; an answer lost during COMMIT makes the whole transaction Lost.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InvalidRequestError, SQLAlchemyError

from connectors.base import Done, Fields, Lost, NotSent, Outcome, Permanent, Record, Refused, Stale, Write
from connectors.sql.columns import Shape
from connectors.sql.database import meaning, words
from connectors.sql.facts import Entity
from connectors.sql.relations import Links, with_links

BATCH = 500
"""Most writes of one transaction: enough to pay for the commit, few enough that others do not wait long."""

_TROUBLE = (SQLAlchemyError, OverflowError)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes records of one entity."""

    engine: sa.Engine
    shape: Shape
    facts: Entity
    links: Mapping[str, Links]
    wanted: tuple[str, ...] = ()
    """Columns and relations of the record that is read back."""

    def write(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        """One outcome per write, in order; a transaction for each part in which every record occurs once."""
        for part in _parts(writes):
            yield from self._transaction(part)

    def _transaction(self, writes: Sequence[Write]) -> list[Outcome]:
        place = self.shape.place
        try:
            with self.engine.connect().execution_options(writes=True) as connection:
                outcomes = self._inside(connection, writes)
                try:
                    connection.commit()
                except _TROUBLE as error:
                    connection.rollback()
                    return self._uncommitted(error, writes)
                return outcomes
        except Permanent as error:
            return [NotSent(str(error), permanent=True)] * len(writes)
        except _TROUBLE as error:
            text = f"{place}: {words(error)}"
            return [NotSent(text, permanent=meaning(error) == "permanent")] * len(writes)

    def _uncommitted(self, error: Exception, writes: Sequence[Write]) -> list[Outcome]:
        """COMMIT failed: refused by a deferred constraint, put off by a lock, or nobody knows."""
        text = f"{self.shape.place}: {words(error)}"
        answered = not (isinstance(error, DBAPIError) and error.connection_invalidated)
        if answered and meaning(error) == "refused":
            if len(writes) == 1:
                return [Refused(text)]
            return [outcome for write in writes for outcome in self._transaction([write])]
        if answered and any(word in text.lower() for word in ("locked", "busy", "serialize", "deadlock")):
            return [NotSent(text)] * len(writes)
        return [Lost(text)] * len(writes)

    def _inside(self, connection: sa.Connection, writes: Sequence[Write]) -> list[Outcome]:
        rows = self._locked(connection, writes)
        outcomes: dict[int, Outcome] = self._changed_alike(connection, writes, rows)
        creates: dict[int, dict[str, Any]] = {}
        for at, write in enumerate(writes):
            if at in outcomes:
                continue
            try:
                if write.op == "create" and not write.members:
                    creates[at] = self._newborn(write)
                else:
                    outcomes[at] = self._related(connection, write, rows)
            except (ValueError, Permanent) as error:
                outcomes[at] = Refused(f"{self.shape.place} {write.id or 'new'}: {error}")
        outcomes.update(self._born(connection, creates))
        return self._read_back(connection, writes, [outcomes[at] for at in range(len(writes))])

    # Creating

    def _newborn(self, write: Write) -> dict[str, Any]:
        fields = {**self.facts.where, **write.fields}
        if self.facts.marker and write.marker is not None:
            fields[self.facts.marker] = write.marker
        if write.id is not None:
            fields.update(zip(self.shape.key, self.shape.key_of(write.id), strict=True))
        return self.shape.written(fields)

    def _born(self, connection: sa.Connection, creates: Mapping[int, dict[str, Any]]) -> dict[int, Outcome]:
        """Rows of the same columns all at once; if that fails, one by one."""
        alike: dict[frozenset[str], dict[int, dict[str, Any]]] = {}
        for at, row in creates.items():
            alike.setdefault(frozenset(row), {})[at] = row
        outcomes: dict[int, Outcome] = {}
        for rows in alike.values():
            ids = self._insert_together(connection, list(rows.values())) if len(rows) > 1 else None
            if ids is None:
                outcomes |= {at: self._insert(connection, row) for at, row in rows.items()}
            else:
                outcomes |= {at: Done(id) for at, id in zip(rows, ids, strict=True)}
        return outcomes

    def _insert_together(self, connection: sa.Connection, rows: list[dict[str, Any]]) -> list[str] | None:
        """The ids of the new rows in their order; None where it has to be done one by one."""
        insert = sa.insert(self.shape.source)
        keyed = all(rows[0].get(name) is not None for name in self.shape.key)
        savepoint = connection.begin_nested()
        try:
            if keyed:
                connection.execute(insert, rows)
                ids = [self.shape.id(row) for row in rows]
            else:
                columns = [self.shape.source.c[name] for name in self.shape.key]
                born = connection.execute(insert.returning(*columns, sort_by_parameter_order=True), rows)
                ids = [self.shape.id(row) for row in born.mappings()]
            if len(ids) != len(rows):
                raise Permanent(f"{self.shape.place}: {len(ids)} of {len(rows)} new rows came out")
            savepoint.commit()
        except (Permanent, InvalidRequestError):  # no key came out, or the dialect cannot tell which is whose
            savepoint.rollback()
            return None
        except _TROUBLE as error:
            self._undo(savepoint, error)
            return None
        return ids

    def _insert(self, connection: sa.Connection, row: dict[str, Any]) -> Outcome:
        columns = [self.shape.source.c[name] for name in self.shape.key]
        savepoint = connection.begin_nested()
        try:
            born = connection.execute(sa.insert(self.shape.source).values(row).returning(*columns)).mappings().first()
            if born is None:  # a trigger or a rule swallowed it
                savepoint.rollback()
                return Refused(f"{self.shape.place}: the database took the new row and kept nothing of it; a trigger?")
            done = Done(self.shape.id(born))
            savepoint.commit()
            return done
        except Permanent as error:  # the table gave it no key
            savepoint.rollback()
            return Refused(str(error))
        except _TROUBLE as error:
            self._undo(savepoint, error)
            return Refused(f"{self.shape.place}: {words(error)}")

    # Relating

    def _related(self, connection: sa.Connection, write: Write, rows: Mapping[str, Any]) -> Outcome:
        """The record's change and its members, together or not at all. Raises ValueError where one is refused."""
        off = {n: v for n, v in (self.facts.deactivate or {}).items() if n in self.links and write.op == "deactivate"}
        goes = write.op == "delete" and write.id in rows and self.facts.soft_delete is None
        if not (write.members or off or (goes and self.links)):
            return self._alone(connection, write, rows)
        if unknown := write.members.keys() - self.links.keys():
            raise ValueError(f"no relation {', '.join(sorted(unknown))}")
        savepoint = connection.begin_nested()
        try:
            self._make(connection, write, dict.fromkeys(self.links if goes else (), ()))
            outcome = self._alone(connection, write, rows)
            if isinstance(outcome, Done):
                for name, members in write.members.items():
                    self.links[name].move(connection, outcome.id, members)
                self._make(connection, write, off)
        except (ValueError, Permanent):
            savepoint.rollback()
            raise
        if isinstance(outcome, Done):
            savepoint.commit()
        else:
            savepoint.rollback()
        return outcome

    def _alone(self, connection: sa.Connection, write: Write, rows: Mapping[str, Any]) -> Outcome:
        if write.op == "create":
            return self._insert(connection, self._newborn(write))
        return self._changed(connection, write, rows)

    def _make(self, connection: sa.Connection, write: Write, lists: Mapping[str, Any]) -> None:
        for name, wanted in lists.items():
            self.links[name].make(connection, write.id or "", wanted or ())

    # Changing

    def _changed_alike(
        self, connection: sa.Connection, writes: Sequence[Write], rows: Mapping[str, Any]
    ) -> dict[int, Outcome]:
        """Updates of the same columns in one go; whatever is odd about any of them is left to be done one by one."""
        groups: dict[frozenset[str], dict[int, dict[str, Any]]] = {}
        for at, write in enumerate(writes):
            row = rows.get(write.id or "")
            odd = not write.fields or write.members or set(write.fields) & set(self.shape.key)
            if write.op != "update" or row is None or odd:
                continue
            try:
                change = self.shape.written(write.fields)
                if self._moved(row, write) is None:
                    keys = {f"key {name}": row[name] for name in self.shape.key}
                    groups.setdefault(frozenset(change), {})[at] = {
                        **keys,
                        **{f"new {n}": v for n, v in change.items()},
                    }
            except (ValueError, Permanent):
                continue
        done: dict[int, Outcome] = {}
        for names, changes in groups.items():
            if len(changes) > 1 and self._sent_together(connection, names, list(changes.values())):
                done |= {at: Done(writes[at].id or "") for at in changes}
        return done

    def _sent_together(self, connection: sa.Connection, names: frozenset[str], changes: list[dict[str, Any]]) -> bool:
        table = self.shape.source
        here = [table.c[name] == sa.bindparam(f"key {name}") for name in self.shape.key]
        change = self._touched({name: sa.bindparam(f"new {name}") for name in sorted(names)})
        savepoint = connection.begin_nested()
        try:
            connection.execute(sa.update(table).where(*here).values(change), changes)
            savepoint.commit()
        except _TROUBLE as error:
            self._undo(savepoint, error)
            return False
        return True

    def _changed(self, connection: sa.Connection, write: Write, rows: Mapping[str, Any]) -> Outcome:
        id, place = write.id or "", f"{self.shape.place} {write.id}"
        row = rows.get(id)
        if row is None:
            return Done(id) if write.op == "delete" else Stale(f"{place}: is gone")
        moved = self._moved(row, write)
        if moved:
            return Stale(f"{place}: {moved}")
        here = self.shape.among([self.shape.key_of(id)])
        change = self._change(write)
        statement = sa.delete(self.shape.source) if change is None else sa.update(self.shape.source).values(change)
        if change == {}:
            return Done(id)
        savepoint = connection.begin_nested()
        try:
            count = connection.execute(statement.where(here)).rowcount
            savepoint.commit()
        except _TROUBLE as error:
            self._undo(savepoint, error)
            return Refused(f"{place}: {words(error)}")
        return Done(id) if count else Stale(f"{place}: is gone")

    def _change(self, write: Write) -> dict[str, Any] | None:
        """The columns to set; None where the row goes."""
        if write.op == "delete":
            gone = self.facts.soft_delete
            if gone is None:
                return None
            value = sa.func.current_timestamp() if gone.value is None else gone.value
            return self._touched({gone.column: value})
        fields: Fields = (self.facts.deactivate or {}) if write.op == "deactivate" else write.fields
        fields = {name: value for name, value in fields.items() if name not in self.links}
        keys = set(fields) & set(self.shape.key)
        if keys and any(fields[name] is None for name in keys):
            raise ValueError(f"{' and '.join(sorted(keys))} is the key and must not be empty")
        return self._touched(self.shape.written(fields)) if fields else {}

    def _touched(self, change: dict[str, Any]) -> dict[str, Any]:
        for name in self.facts.touch:
            column = self.shape.column(name)
            numeric = self.shape.codecs[name].kind in ("integer", "decimal")
            change.setdefault(name, sa.func.coalesce(column, 0) + 1 if numeric else sa.func.current_timestamp())
        return change

    def _moved(self, row: Mapping[str, Any], write: Write) -> str | None:
        """Why the row is not the one that was read; None if it still is. It is locked, so it stays."""
        if write.version is not None and self.facts.version:
            now = str(self.shape.codecs[self.facts.version].shown(row[self.facts.version]))
            return None if now == write.version else f"changed since it was read (version {now})"
        for name, value in (write.before or {}).items():
            codec = self.shape.codec(name)
            if not _same(codec.shown(row[name]), value, codec.plain):
                return f"{name} changed since it was read"
        return None

    # Reading around the writes

    def _locked(self, connection: sa.Connection, writes: Sequence[Write]) -> dict[str, Any]:
        ids = [write.id for write in writes if write.op != "create" and write.id is not None]
        rows = self._rows(connection, ids, [*self.shape.codecs], lock=True)
        gone = self.facts.soft_delete
        return {
            id: row
            for id, row in rows.items()
            if gone is None or not is_deleted(row[gone.column], gone.value, self.shape.codecs[gone.column].kind)
        }

    def _read_back(self, connection: sa.Connection, writes: Sequence[Write], outcomes: list[Outcome]) -> list[Outcome]:
        """The outcomes with versions and, where fields are wanted, records: what COMMIT will make visible."""
        version = self.facts.version
        if not self.wanted and version is None:
            return outcomes
        done = [o.id for o, w in zip(outcomes, writes, strict=True) if isinstance(o, Done) and w.op != "delete"]
        plain = [name for name in self.wanted if name not in self.links]
        names = [*plain, *self.shape.key, *([version] if version else [])]
        rows = self._rows(connection, done, list(dict.fromkeys(names)))
        asked = {name: those for name, those in self.links.items() if name in self.wanted}
        shown = [Record(id, self.shape.fields(row, plain), self._version(row)) for id, row in rows.items()]
        records = {record.id: record for record in with_links(connection, shown, asked)}
        return [
            self._told(outcome, records[outcome.id]) if isinstance(outcome, Done) and outcome.id in rows else outcome
            for outcome in outcomes
        ]

    def _version(self, row: Mapping[str, Any]) -> str | None:
        name = self.facts.version
        return None if name is None else str(self.shape.codecs[name].shown(row[name]))

    def _told(self, done: Done, record: Record) -> Done:
        return replace(done, version=record.version, record=record if self.wanted else None, exact=bool(self.wanted))

    def _rows(
        self, connection: sa.Connection, ids: Sequence[str], names: Sequence[str], *, lock: bool = False
    ) -> dict[str, Any]:
        keys = []
        for id in ids:
            try:
                keys.append(self.shape.key_of(id))
            except ValueError:
                continue  # no record of this table is called that
        if not keys:
            return {}
        asked = sa.select(*(self.shape.source.c[name] for name in names)).where(self.shape.among(keys))
        rows = connection.execute(asked.with_for_update() if lock else asked).mappings()
        return {self.shape.id(row): row for row in rows}

    def _undo(self, savepoint: sa.NestedTransaction, error: Exception) -> None:
        """Back to before the write; what is not the record's own fault fails the transaction."""
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise error
        savepoint.rollback()
        if meaning(error) != "refused":
            raise error


def is_deleted(value: Any, marked: Any, kind: str) -> bool:
    """Whether a soft-delete column says that the record is gone."""
    if marked is None:
        return value is not None
    return bool(value) == marked if kind == "boolean" and value is not None else bool(value == marked)


def _parts(writes: Sequence[Write]) -> Iterator[list[Write]]:
    part: list[Write] = []
    seen: set[str | None] = set()
    for write in writes:
        if len(part) == BATCH or (write.id is not None and write.id in seen):
            yield part
            part, seen = [], set()
        part.append(write)
        seen.add(write.id)
    if part:
        yield part


def _same(shown: Any, before: Any, plain: bool) -> bool:
    if isinstance(shown, bool) != isinstance(before, bool):
        return False
    return bool(shown == before) or (plain and shown is not None and str(shown) == str(before))
