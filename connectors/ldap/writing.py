"""This is where one entry is written: found by its id, compared, changed under an assertion, and its version told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.dn import parse_dn, to_dn

from connectors.base import (
    ConnectorError,
    Done,
    Fields,
    Lost,
    NotSent,
    Outcome,
    Permanent,
    Record,
    Refused,
    Stale,
    Write,
)
from connectors.ldap import values
from connectors.ldap.facts import GUARD, Entity
from connectors.ldap.session import LOST, Sessions, meaning, search, words

ASSERTION: Final = "1.3.6.1.1.12"
POST_READ: Final = "1.3.6.1.1.13.2"


class Unanswered(Exception):
    """A write was sent and its answer never came; the connection is of no more use."""


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
                    return self._update(write, self.facts.deactivate or {})
                case _:
                    return self._update(write, write.fields)
        except ValueError as error:
            return Refused(f"{self.place} {write.id or 'new'}: {error}")

    def _create(self, write: Write) -> Outcome:
        fields = dict(write.fields)
        if self.facts.marker and write.marker is not None:
            fields[self.facts.marker] = write.marker
        name = next((fields[key] for key in fields if key.lower() == self.facts.rdn.lower()), None)
        dn = f"{values.rdn(self.facts.rdn, _first(name))},{self.facts.parent or self.facts.base or self.base}"
        attributes = self._attributes(fields)
        classes = attributes.pop("objectClass", None) or [c.encode() for c in self.facts.object_classes]
        result = self._send(lambda: self.connection.add(dn, classes, attributes, self._controls(None)))
        bad = self._judge(result, dn)
        if bad is not None:
            missing = meaning(result["result"]) == "missing"
            return Refused(f"{self.place} {dn}: its container does not exist") if missing else bad
        return self._done(values.post_read(result).get(self.facts.id.lower()), dn, result)

    def _update(self, write: Write, fields: Fields) -> Outcome:
        entry = self._locate(write.id or "", [*fields, *(write.before or {})])
        place = f"{self.place} {write.id}"
        if entry is None:
            return Stale(f"{place}: is gone")
        stale = self._moved(entry, write)
        if stale:
            return Stale(f"{place}: {stale}")
        changes = self._changes(entry, fields)
        dn, guard, result = entry["dn"], self._first_value(entry, GUARD), None
        name = next((key for key in changes if key.lower() == self.facts.rdn.lower()), None)
        if name is not None:
            dn, result = self._rename(dn, values.rdn(self.facts.rdn, _first(fields[name])), guard)
            bad = self._judge(result, write.id)
            if bad is not None:
                return bad
            guard = values.post_read(result).get(GUARD.lower())
            if len(self._raw(entry, name)) <= 1:
                del changes[name]
        if changes:
            result = self._send(lambda: self.connection.modify(dn, changes, self._controls(guard)))
            bad = self._judge(result, write.id)
            if bad is not None:
                if name is not None:
                    self._rename(dn, to_dn(entry["dn"])[0], None)  # back to how it was: nothing was written
                return bad
        return self._done(write.id, dn, result, entry)

    def _delete(self, write: Write) -> Outcome:
        entry = self._locate(write.id or "", [*(write.before or {})])
        if entry is None:
            return Done(write.id or "")
        rule = self._protection(entry["dn"])
        if rule:
            return Refused(f"{self.place} {entry['dn']}: is protected by {rule}")
        stale = self._moved(entry, write)
        if stale:
            return Stale(f"{self.place} {write.id}: {stale}")
        controls = self._asserting(self._first_value(entry, GUARD))
        result = self._send(lambda: self.connection.delete(entry["dn"], controls))
        if meaning(result["result"]) == "missing":
            return Done(write.id or "")
        return self._judge(result, write.id) or Done(write.id or "")

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
            if name != values.DN and sorted(self._raw(entry, name)) != sorted(self.shapes.octets(name, value)):
                return f"{name} changed since it was read"
        return None

    def _changes(self, entry: dict[str, Any], fields: Fields) -> dict[str, list[tuple[Any, list[bytes]]]]:
        """What differs, as ldap3 wants it; lists by members, so that a large group costs what moved."""
        changes: dict[str, list[tuple[Any, list[bytes]]]] = {}
        for name, octets in self._attributes(fields, empty=True).items():
            known = self._raw(entry, name)
            if sorted(known) == sorted(octets):
                continue
            if name.lower() in self.shapes.many and known and octets:
                gone, new = [v for v in known if v not in octets], [v for v in octets if v not in known]
                both = ((ldap3.MODIFY_DELETE, gone), (ldap3.MODIFY_ADD, new))
                changes[name] = [(how, members) for how, members in both if members]
            else:
                changes[name] = [(ldap3.MODIFY_REPLACE, octets)]
        return changes

    def _attributes(self, fields: Fields, *, empty: bool = False) -> dict[str, list[bytes]]:
        if values.DN in fields:
            raise ValueError(f"dn is read-only; write {self.facts.rdn} to rename an entry")
        found = {name: self.shapes.octets(name, value) for name, value in fields.items()}
        return {name: octets for name, octets in found.items() if octets or empty}

    def _done(self, id: str | None, dn: str, result: Any, entry: dict[str, Any] | None = None) -> Outcome:
        """Done, with the version from the post-read control or from another look at the entry."""
        told = values.post_read(result or {}).get((self.facts.version or "").lower())
        if result is None and entry is not None and self.facts.version:
            told = self._first_value(entry, self.facts.version)
        record = None
        if id is None or self.wanted or (self.facts.version and told is None):
            record = self._again(dn)
        if id is None and record is None:
            return Lost(f"{self.place} {dn}: written, but its id could not be read")
        version = told or (record.version if record else None)
        return Done(id or (record.id if record else ""), version, record if self.wanted else None)

    def _again(self, dn: str) -> Record | None:
        more = [self.facts.id, *([self.facts.version] if self.facts.version else [])]
        try:
            found = search(
                self.connection, self.place, dn, "(objectClass=*)", ldap3.BASE, [*(self.wanted or ["1.1"]), *more]
            )
        except ConnectorError:
            return None  # written all the same; the next read shows it
        return record_of(found[0], self.facts, self.shapes, self.wanted) if found else None

    def _protection(self, dn: str) -> str | None:
        for rule in self.facts.protect:
            if not rule.startswith("("):
                if _folded(rule) == _folded(dn):
                    return rule
            elif search(self.connection, self.place, dn, rule, ldap3.BASE, ["1.1"]):
                return rule
        return None

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

    def _raw(self, entry: Mapping[str, Any], name: str) -> list[bytes]:
        return next((list(v) for n, v in entry["raw_attributes"].items() if n.lower() == name.lower()), [])

    def _first_value(self, entry: Mapping[str, Any], name: str) -> str | None:
        raw = self._raw(entry, name)
        return str(self.shapes.value(name, raw[:1])) if raw else None


def record_of(entry: Any, facts: Entity, shapes: values.Shapes, wanted: Sequence[str]) -> Record:
    """The record that an entry is. Raises Permanent where the server hides its id."""
    known = {n.lower(): v for n, v in entry["raw_attributes"].items()}
    id = shapes.value(facts.id, known.get(facts.id.lower(), []))
    if not isinstance(id, str):
        raise Permanent(f"{entry['dn']}: has no {facts.id}; may the login read it?")
    version = shapes.value(facts.version, known.get(facts.version.lower(), [])) if facts.version else None
    return Record(id, shapes.shown(entry, wanted), None if version is None else str(version))


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else value


def _folded(dn: str) -> list[tuple[str, str]]:
    return [(name.lower(), value.lower()) for name, value, _ in parse_dn(dn, escape=False, strip=True)]
