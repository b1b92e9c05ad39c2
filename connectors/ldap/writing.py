"""This is where one entry is written: found by its id, compared, changed under an assertion, and its version told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.dn import to_dn

from connectors.base import (
    ConnectorError,
    Done,
    Fields,
    Lost,
    Members,
    NotSent,
    Outcome,
    Permanent,
    Record,
    Refused,
    Stale,
    Temporary,
    Write,
)
from connectors.ldap import values
from connectors.ldap.facts import GUARD, Entity
from connectors.ldap.relations import Holders, Mover, protection, related
from connectors.ldap.session import LOST, Sessions, meaning, search, words

ASSERTION: Final = "1.3.6.1.1.12"
POST_READ: Final = "1.3.6.1.1.13.2"


VALUES: Final = 500
"""Most values in one request: servers refuse a few thousand."""


class Unanswered(Exception):
    """A write was sent and its answer never came; the connection is of no more use."""

    born: Done | None = None
    """The new entry, where only what was to follow it is unknown."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes entries of one entity over one connection. *base* is where records are looked for by id."""

    place: str
    connection: Any
    """A bound ldap3.Connection; half of its published types are missing."""
    sessions: Sessions
    base: str
    facts: Entity
    shapes: values.Shapes
    holders: Mapping[str, Holders]
    wanted: tuple[str, ...] = ()

    def write(self, write: Write) -> Outcome:
        """The outcome of one write. Raises Unanswered, and ConnectorError where nothing was sent."""
        try:
            match write.op:
                case "create":
                    return self._create(write)
                case "delete":
                    return self._delete(write)
                case "deactivate":
                    off = self.facts.deactivate or {}
                    lists = {name: wanted for name, wanted in off.items() if name in self.holders}
                    return self._update(write, {n: v for n, v in off.items() if n not in lists}, lists)
                case _:
                    return self._update(write, write.fields)
        except ValueError as error:
            return Refused(f"{self.place} {write.id or 'new'}: {error}")

    def _create(self, write: Write) -> Outcome:
        fields = dict(write.fields)
        if self.facts.marker and write.marker is not None:
            fields[self.facts.marker] = write.marker
        fields |= {name: list(members.add) for name, members in write.members.items() if name not in self.holders}
        name = next((fields[key] for key in fields if key.lower() == self.facts.rdn.lower()), None)
        dn = f"{values.rdn(self.facts.rdn, _first(name))},{self.facts.parent or self.facts.base or self.base}"
        attributes = self._attributes(fields)
        classes = attributes.pop("objectClass", None) or [c.encode() for c in self.facts.object_classes]
        first = {name: octets[:VALUES] for name, octets in attributes.items()}
        result = self._send(lambda: self.connection.add(dn, classes, first, self._controls(None)))
        bad = self._judge(result, dn)
        if bad is not None:
            missing = meaning(result["result"]) == "missing"
            return Refused(f"{self.place} {dn}: its container does not exist") if missing else bad
        born = self._done(values.post_read(result).get(self.facts.id.lower()), dn, result, alone=self._alone(write))
        return self._followed(write, born, dn, attributes) if isinstance(born, Done) else born

    def _followed(self, write: Write, born: Done, dn: str, attributes: Mapping[str, list[bytes]]) -> Outcome:
        """The new entry with the members that its own request could not carry, or without them: it is born."""
        later = {n: [(ldap3.MODIFY_ADD, octets[VALUES:])] for n, octets in attributes.items() if octets[VALUES:]}
        without: dict[str, str] = {}
        try:
            for name, change in later.items():
                if (bad := self._modified(dn, {name: change}, born.id, None)[1]) is not None:
                    without[name] = _message(bad)
            for name, members in write.members.items():
                if name in self.holders and (bad := self._mover.move(self.holders[name], dn, members)) is not None:
                    without[name] = _message(bad)
        except (Unanswered, ConnectorError) as error:
            why = dict.fromkeys(write.members.keys() | later.keys(), str(error))
            lost = Unanswered(str(error))
            lost.born = replace(born, record=None, without=why)
            raise lost from None
        return replace(born, without=without)

    def _update(self, write: Write, fields: Fields, lists: Mapping[str, Any] | None = None) -> Outcome:
        names = [name for name in write.members if name not in self.holders]
        entry = self._locate(write.id or "", [*fields, *(write.before or {}), *names])
        place = f"{self.place} {write.id}"
        if entry is None:
            return Stale(f"{place}: is gone")
        stale = self._moved(entry, write)
        if stale:
            return Stale(f"{place}: {stale}")
        changes = self._changes(entry, fields) | self._joined(entry, write.members)
        dn, guard, result = entry["dn"], self._first_value(entry, GUARD), None
        name = next((key for key in changes if key.lower() == self.facts.rdn.lower()), None)
        if name is not None:
            dn, result = self._rename(dn, values.rdn(self.facts.rdn, _first(fields[name])), guard)
            bad = self._judge(result, write.id)
            if bad is not None:
                return bad
            guard = values.post_read(result).get(GUARD.lower())
            if len(values.raw(entry, name)) <= 1:
                del changes[name]
        if changes:
            result, bad = self._modified(dn, changes, write.id, guard)
            if bad is not None:
                if name is not None:
                    self._rename(dn, to_dn(entry["dn"])[0], None)  # back to how it was: nothing was written
                return bad
        if bad := self._related(write, entry["dn"], dn, lists or {}, begun=result is not None):
            return bad
        return self._done(write.id, dn, result, entry, alone=self._alone(write))

    def _related(self, write: Write, old: str, dn: str, lists: Mapping[str, Any], *, begun: bool) -> Outcome | None:
        """Whoever named the entry by its *old* name, who shall name it, and who shall not. None when all are done.

        *begun*: something was written already, so that what was not sent now is not the whole truth.
        """
        try:
            for name, holders in self.holders.items():
                bad = self._mover.follow(holders, old, dn) if old != dn else None
                if not bad and name in write.members:
                    bad = self._mover.move(holders, dn, write.members[name])
                if not bad and name in lists:
                    bad = self._mover.move_to(holders, dn, lists[name] or ())
                if bad:
                    return Lost(_message(bad)) if begun and isinstance(bad, NotSent) else bad
        except Temporary as error:
            if begun:
                raise Unanswered(str(error)) from None
            raise
        return None

    def _delete(self, write: Write) -> Outcome:
        entry = self._locate(write.id or "", [*(write.before or {})])
        if entry is None:
            return Done(write.id or "")
        rule = protection(self.connection, self.place, self.facts.protect, entry["dn"])
        if rule:
            return Refused(f"{self.place} {entry['dn']}: is protected by {rule}")
        stale = self._moved(entry, write)
        if stale:
            return Stale(f"{self.place} {write.id}: {stale}")
        left = [(holders, holders.of(self.connection, entry["dn"])) for holders in self.holders.values()]
        bad = next((bad for holders, known in left if (bad := self._mover.leave(holders, entry["dn"], known))), None)
        if bad is None:
            controls = self._asserting(self._first_value(entry, GUARD))
            result = self._send(lambda: self.connection.delete(entry["dn"], controls))
            bad = None if meaning(result["result"]) == "missing" else self._judge(result, write.id)
        if bad is None:
            return Done(write.id or "")
        for holders, known in left:
            self._mover.put_back(holders, entry["dn"], known)
        return bad

    def _modified(
        self, dn: str, changes: Mapping[str, list[tuple[Any, list[bytes]]]], id: str | None, guard: str | None
    ) -> tuple[Any, Outcome | None]:
        """The last result and what went wrong, after as many requests as the values need."""
        result = None
        for part in values.in_parts(changes, VALUES):
            result = self._send(partial(self.connection.modify, dn, part, self._controls(guard)))
            if bad := self._judge(result, id):
                return result, bad
            guard = values.post_read(result).get(GUARD.lower())
        return result, None

    def _rename(self, dn: str, name: str, guard: str | None) -> tuple[str, Any]:
        result = self._send(lambda: self.connection.modify_dn(dn, name, controls=self._controls(guard)))
        return ",".join([name, *to_dn(dn)[1:]]) if result["result"] == 0 else dn, result

    def _locate(self, id: str, names: Sequence[str]) -> dict[str, Any] | None:
        attributes = {n for n in names if n != values.DN} | {self.facts.id, self.facts.rdn, GUARD}
        if self.facts.version:
            attributes.add(self.facts.version)
        rules = values.equals(self.facts.id, id)
        found = search(self.connection, self.place, self.base, rules, ldap3.SUBTREE, sorted(attributes))
        return next((e for e in found if e["type"] == "searchResEntry"), None)

    def _moved(self, entry: dict[str, Any], write: Write) -> str | None:
        """Why the entry is not the one that was read; None if it still is."""
        if write.version is not None and self.facts.version:
            now = self._first_value(entry, self.facts.version)
            return None if now == write.version else f"changed since it was read (version {now})"
        for name, value in (write.before or {}).items():
            known = None if name == values.DN or name.startswith("@") else values.raw(entry, name)
            if known is not None and sorted(known) != sorted(self.shapes.octets(name, value)):
                return f"{name} changed since it was read"
        return None

    def _changes(self, entry: dict[str, Any], fields: Fields) -> dict[str, list[tuple[Any, list[bytes]]]]:
        """What differs, as ldap3 wants it; lists by members, so that a large group costs what moved."""
        changes: dict[str, list[tuple[Any, list[bytes]]]] = {}
        for name, octets in self._attributes(fields, empty=True).items():
            known = values.raw(entry, name)
            if sorted(known) == sorted(octets):
                continue
            if name.lower() in self.shapes.many and known and octets:
                changes[name] = values.moved(known, add=octets, remove=known)
            else:
                changes[name] = [(ldap3.MODIFY_REPLACE, octets)]
        return changes

    def _joined(self, entry: dict[str, Any], lists: Mapping[str, Members]) -> dict[str, list[tuple[Any, list[bytes]]]]:
        """Who joins and leaves the entry's own lists, of those who are not there, or are."""
        found = {}
        for name, members in lists.items():
            if name in self.holders:
                continue
            if name.lower() not in self.shapes.many:
                raise ValueError(f"{name} is no list here; say `many: [{name}]`")
            add, remove = (self.shapes.octets(name, list(part)) for part in (members.add, members.remove))
            found[name] = values.moved(values.raw(entry, name), add=add, remove=remove)
        return {name: change for name, change in found.items() if change}

    def _attributes(self, fields: Fields, *, empty: bool = False) -> dict[str, list[bytes]]:
        if values.DN in fields:
            raise ValueError(f"dn is read-only; write {self.facts.rdn} to rename an entry")
        found = {name: self.shapes.octets(name, value) for name, value in fields.items()}
        return {name: octets for name, octets in found.items() if octets or empty}

    def _done(
        self, id: str | None, dn: str, result: Any, entry: dict[str, Any] | None = None, *, alone: bool = True
    ) -> Outcome:
        """Done, with the version from the post-read control or from another look at the entry. No version speaks of
        what other entries say, so that the record is shown only where it was written *alone*."""
        told = values.post_read(result or {}).get((self.facts.version or "").lower())
        if result is None and entry is not None and self.facts.version:
            told = self._first_value(entry, self.facts.version)
        record = None
        shown = self.wanted and alone
        if id is None or shown or (self.facts.version and told is None):
            record = self._again(dn, self.wanted if alone else ())
        if id is None and record is None:
            return Lost(f"{self.place} {dn}: written, but its id could not be read")
        version = told or (record.version if record else None)
        return Done(id or (record.id if record else ""), version, record if shown else None)

    def _alone(self, write: Write) -> bool:
        return self.holders.keys().isdisjoint(write.members)

    def _again(self, dn: str, wanted: Sequence[str]) -> Record | None:
        more = [self.facts.id, *([self.facts.version] if self.facts.version else [])]
        plain = [name for name in wanted if name not in self.holders]
        try:
            found = search(self.connection, self.place, dn, "(objectClass=*)", ldap3.BASE, [*(plain or ["1.1"]), *more])
            asked = {name: those for name, those in self.holders.items() if name in wanted}
            return record_of(found[0], self.facts, self.shapes, wanted, related(self.connection, asked, dn))
        except (ConnectorError, IndexError):
            return None  # written all the same; the next read shows it

    @property
    def _mover(self) -> Mover:
        return Mover(self.connection, self._send, self._judge)

    def _controls(self, guard: str | None) -> Any:
        post = self.facts.id.lower() != "objectguid" and self.sessions.offers(self.connection, POST_READ)
        names = [self.facts.id, GUARD, *([self.facts.version] if self.facts.version else [])]
        return [*(self._asserting(guard) or []), *([(POST_READ, False, values.selection(names))] if post else [])]

    def _asserting(self, guard: str | None) -> Any:
        if guard is None or not self.sessions.offers(self.connection, ASSERTION):
            return []
        return [(ASSERTION, True, values.assertion(values.equals(GUARD, guard)))]

    def _send(self, request: Callable[[], Any]) -> Any:
        try:
            request()
        except (*LOST, OSError) as error:
            raise Unanswered(f"{self.place}: {error}") from None
        except LDAPException as error:
            raise ValueError(str(error)) from None  # ldap3 would not encode it: nothing was sent
        return self.connection.result

    def _judge(self, result: Any, id: str | None) -> Outcome | None:
        text = f"{self.place} {id}: {words(result)}"
        match meaning(result["result"]):
            case "done":
                return None
            case "temporary":
                return NotSent(text)
            case "permanent":
                return NotSent(text, permanent=True)
            case "stale" | "missing":
                return Stale(text)
            case "unclear":
                return Lost(text)
            case _:
                return Refused(text)

    def _first_value(self, entry: Mapping[str, Any], name: str) -> str | None:
        raw = values.raw(entry, name)
        return str(self.shapes.value(name, raw[:1])) if raw else None


def written_by_members(facts: Entity) -> list[str]:
    """The entry's own lists, of which only what joins and leaves is sent; what names it and what it is stays whole."""
    return [name for name in facts.many if name.lower() not in (facts.rdn.lower(), "objectclass")]


def record_of(
    entry: Any, facts: Entity, shapes: values.Shapes, wanted: Sequence[str], relations: Fields | None = None
) -> Record:
    """The record that an entry is, with its *relations*. Raises Permanent where the server hides its id."""
    known = {n.lower(): v for n, v in entry["raw_attributes"].items()}
    id = shapes.value(facts.id, known.get(facts.id.lower(), []))
    if not isinstance(id, str):
        raise Permanent(f"{entry['dn']}: has no {facts.id}; may the login read it?")
    version = shapes.value(facts.version, known.get(facts.version.lower(), [])) if facts.version else None
    fields = shapes.shown(entry, wanted) | dict(relations or {})
    return Record(id, fields, None if version is None else str(version))


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else value


def _message(outcome: Outcome) -> str:
    return str(getattr(outcome, "message", outcome))
