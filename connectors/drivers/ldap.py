"""This is where directories are spoken to: OpenLDAP, 389, Active Directory and whatever else speaks LDAP version 3.

An entry is compared before it is written. Where the server knows the assertion control (RFC 4528) the comparison and
the write are one step on entryCSN; elsewhere a moment lies between them. The version of a write comes from the
post-read control (RFC 4527), or is read again where the server has none.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.protocol.rfc4512 import ObjectClassInfo

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
    Temporary,
    Write,
)
from connectors.definition import Reveal, unknown_entity
from connectors.ldap import values
from connectors.ldap.facts import GUARD, Entity, System
from connectors.ldap.relations import FEW, Holders, Memberships, paging_cookie
from connectors.ldap.session import Access, Sessions, search
from connectors.ldap.writing import Unanswered, Writer, record_of, written_by_members
from connectors.paths import PathError, parse

__all__ = ["Entity", "LdapDriver", "System", "connect"]

IDS_PER_SEARCH: Final = 50


def connect(
    system: System, entities: Mapping[str, Entity], *, check: Mapping[str, Any] | None, reveal: Reveal
) -> "LdapDriver":
    """A driver for one directory; the first request opens the first connection."""
    del check  # the login and the base are what there is to check
    return LdapDriver(system, entities, reveal)


class LdapDriver:
    """A Driver over LDAP."""

    def __init__(self, system: System, entities: Mapping[str, Entity], reveal: Reveal) -> None:
        self.name = system.name
        self._system = system
        self._entities = dict(entities)
        self._shapes = {name: values.Shapes.of(e.many, e.binary, e.booleans) for name, e in entities.items()}
        access = Access(
            name=system.name,
            url=system.url,
            tls=system.encrypts,
            ca=system.ca,
            bind_dn=system.bind_dn,
            connect_timeout=system.connect_timeout,
            receive_timeout=system.receive_timeout,
        )
        self._sessions = Sessions(access, lambda: _password(system, reveal))
        self._holders = {name: self._holders_of(name, facts) for name, facts in self._entities.items()}

    def describe(self, entity: str) -> Capabilities:
        """What this entity can guarantee."""
        facts = self._facts(entity)
        rule = facts.cursor
        more: set[Op] = {"deactivate"} if facts.deactivate else set()
        return Capabilities(
            precondition=True,
            compares=facts.version != GUARD,  # the assertion is made on nothing else
            read_back=True,
            gets=IDS_PER_SEARCH,
            find=frozenset({facts.rdn, *facts.find, *([facts.marker] if facts.marker else [])}),
            cursor=CursorRule("time", rule.lag, rule.overlap) if rule else None,
            processing_window=self._system.receive_timeout,
            writes=Capabilities().writes | more,
            identity=True,
            deactivated=facts.deactivate,
            relations=frozenset({*self._holders[entity], *written_by_members(facts)}),
        )

    def check(self, entity: str | None = None) -> Health:
        """Whether the server answers, lets us in and shows the base."""
        try:
            facts = self._facts(entity) if entity is not None else None
            base = (facts.base if facts else None) or self._system.base
            with self._sessions.connection() as connection:
                search(connection, self.name, base, "(objectClass=*)", ldap3.BASE, ["1.1"])
                root = self._sessions.root(connection)
                epoch = self._invocation(connection, _text(root.get("dsservicename")))
        except (ConnectorError, LDAPException, OSError) as error:
            return Health(False, str(error))
        login = self._system.bind_dn or "anonymous"
        contexts = b" ".join(sorted(root.get("namingcontexts", []))).decode() or None
        return Health(True, f"{self._system.url} as {login}", tenant=contexts, epoch=epoch)

    def read(
        self, entity: str, *, cursor: str | None = None, fields: Sequence[str] = (), where: Fields | None = None
    ) -> Iterator[Page]:
        """Pages as the server cuts them. A size limit or a referral is never taken for the end of a listing."""
        facts, names = self._facts(entity), _names(fields)
        changed = self._since(entity, facts, cursor)
        rules = f"(&{facts.filter}{self._rules(entity, where or {})}{changed})"
        scope = ldap3.LEVEL if facts.scope == "one" else ldap3.SUBTREE
        base, attributes = facts.base or self._system.base, self._attributes(facts, names)
        cookie, whole = None, cursor is None
        memberships = self._memberships(entity, names)
        if whole:
            memberships.load()
        with self._sessions.connection() as connection:
            clock = _text(self._sessions.root(connection).get("currenttime")) if facts.cursor else None
            while True:
                found = search(
                    connection,
                    f"{self.name} {entity}",
                    base,
                    rules,
                    scope,
                    attributes,
                    paged_size=self._system.page,
                    paged_cookie=cookie,
                    paged_criticality=True,
                )
                whole = whole and (facts.ignore_referrals or all(e["type"] == "searchResEntry" for e in found))
                cookie = paging_cookie(connection.result)
                yield self._page(entity, found, names, memberships, complete=whole and not cookie, clock=clock)
                if not cookie:
                    return

    def get(self, entity: str, ids: Sequence[str], *, fields: Sequence[str] = ()) -> Iterator[Record | Gone | Failed]:
        """One answer per id, in order, wherever the entry lies now: an entry that was moved is not gone."""
        facts, names = self._facts(entity), _names(fields)
        memberships = self._memberships(entity, names)
        if len(ids) > FEW:
            memberships.load()
        for at in range(0, len(ids), IDS_PER_SEARCH):
            part = ids[at : at + IDS_PER_SEARCH]
            rules = "".join(_or_nothing(facts.id, id) for id in part)
            found = self._search(entity, self._system.base, f"(|{rules})", names, memberships) if rules else []
            known = {record.id: record for record in found}
            yield from (known.get(id) or Gone(id) for id in part)

    def find(self, entity: str, by: Fields, *, consistent: bool = False, fields: Sequence[str] = ()) -> list[Record]:
        """Entries whose attributes equal all of *by*, by the directory's own rules: mostly without regard to case."""
        del consistent  # a single server answers from what was written; replicas are not asked
        facts = self._facts(entity)
        rules, names = f"(&{facts.filter}{self._rules(entity, by)})", _names(fields)
        return self._search(entity, facts.base or self._system.base, rules, names, self._memberships(entity, names))

    def write(self, entity: str, writes: Sequence[Write], *, fields: Sequence[str] = ()) -> Iterator[Outcome]:
        """One outcome per write, in order; LDAP has no batches, so each stands alone."""
        for write in writes:
            yield self._write(entity, write, _names(fields))

    def poll(self, entity: str, jobs: Sequence[str]) -> Iterator[Outcome]:
        """Every write is done when it is answered; there are no jobs."""
        return iter([Lost(f"{self.name} {entity}: there are no jobs") for _ in jobs])

    def discover(self) -> Sequence[EntityShape]:
        """The configured entities with the attributes that their object classes allow."""
        with self._sessions.connection() as connection:
            place = f"{self.name}: the schema"
            where = _text(self._sessions.root(connection).get("subschemasubentry")) or "cn=subschema"
            (entry,) = search(connection, place, where, "(objectClass=*)", ldap3.BASE, ["objectClasses"])
            parse_classes: Any = ObjectClassInfo.from_definition
            classes = parse_classes([v.decode() for v in values.raw(entry, "objectClasses")])
        return [_shape(name, facts.object_classes, classes) for name, facts in self._entities.items()]

    def close(self) -> None:
        """Ends the resting connections."""
        self._sessions.close()

    def _invocation(self, connection: Any, service: str | None) -> str | None:
        """Active Directory's number of this controller's database: another after a restore, and on every controller."""
        if service is None:
            return None
        (entry,) = search(connection, self.name, service, "(objectClass=*)", ldap3.BASE, ["invocationId"])
        return next((raw.hex() for raw in values.raw(entry, "invocationId")), None)

    def _write(self, entity: str, write: Write, names: tuple[str, ...]) -> Outcome:
        try:
            facts = self._facts(entity)
            if write.op not in self.describe(entity).writes:
                return Refused(f"{self.name} {entity} {write.id}: {write.op} is not offered")
            with self._sessions.connection() as connection:
                place, base = f"{self.name} {entity}", self._system.base
                shapes, holders = self._shapes[entity], self._holders[entity]
                return Writer(place, connection, self._sessions, base, facts, shapes, holders, names).write(write)
        except Unanswered as error:
            return error.born or Lost(str(error))
        except Permanent as error:
            return NotSent(str(error), permanent=True)
        except Temporary as error:
            return NotSent(str(error), error.retry_after)

    def _search(
        self, entity: str, base: str, rules: str, names: tuple[str, ...], memberships: Memberships
    ) -> list[Record]:
        facts = self._facts(entity)
        with self._sessions.connection() as connection:
            attributes, place = self._attributes(facts, names), f"{self.name} {entity}"
            found = search(connection, place, base, rules, ldap3.SUBTREE, attributes)
        return self._records(entity, found, names, memberships)

    def _page(
        self, entity: str, found: Sequence[Any], names: Sequence[str], memberships: Memberships, *,
        complete: bool, clock: Any,
    ) -> Page:  # fmt: skip
        facts = self._facts(entity)
        entries = [e for e in found if e["type"] == "searchResEntry"]
        moved = [_text(values.raw(e, facts.cursor.attribute)) for e in entries] if facts.cursor else []
        return Page(
            records=tuple(self._records(entity, entries, names, memberships)),
            cursor=max((m for m in moved if m), default=None),
            complete=complete,
            server_time=clock,
        )

    def _records(
        self, entity: str, found: Sequence[Any], names: Sequence[str], memberships: Memberships
    ) -> list[Record]:
        entries = [e for e in found if e["type"] == "searchResEntry"]
        related = memberships.of([e["dn"] for e in entries])
        facts, shapes = self._facts(entity), self._shapes[entity]
        return [record_of(e, facts, shapes, names, r) for e, r in zip(entries, related, strict=True)]

    def _memberships(self, entity: str, names: Sequence[str]) -> Memberships:
        """The relations that are asked for: all where nothing is named. Raises Permanent for one that there is not."""
        known = self._holders[entity]
        if unknown := [name for name in names if name.startswith("@") and name not in known]:
            raise Permanent(f"{self.name} {entity}: no relation {unknown[0]}; known: {', '.join(known) or 'none'}")
        return Memberships(self._sessions, {n: those for n, those in known.items() if not names or n in names})

    def _holders_of(self, entity: str, facts: Entity) -> dict[str, Holders]:
        system = self._system
        return {
            f"@{name}": Holders(
                f"{self.name} {entity} @{name}", relation, relation.base or system.base, system.page,
                facts.ignore_referrals,
            )
            for name, relation in facts.relations.items()
        }  # fmt: skip

    def _attributes(self, facts: Entity, names: Sequence[str]) -> list[str]:
        more = {facts.id, *([facts.version] if facts.version else [])}
        more |= {facts.cursor.attribute} if facts.cursor else set()
        plain = [n for n in names if n != values.DN and not n.startswith("@")]
        return [*plain, *sorted(more)] if names else ["*", *sorted(more)]

    def _since(self, entity: str, facts: Entity, cursor: str | None) -> str:
        if cursor is None:
            return ""
        if facts.cursor is None:
            raise Permanent(f"{self.name} {entity}: has no cursor; only full reads")
        return values.equals(facts.cursor.attribute, cursor).replace("=", ">=", 1)

    def _rules(self, entity: str, rules: Fields) -> str:
        try:
            return values.everything({parse(name).top: value for name, value in rules.items()})
        except (ValueError, PathError) as error:
            raise Permanent(f"{self.name} {entity}: cannot look that up: {error}") from None

    def _facts(self, entity: str) -> Entity:
        if entity in self._entities:
            return self._entities[entity]
        raise Permanent(unknown_entity(self.name, entity, self._entities))


def _password(system: System, reveal: Reveal) -> str | None:
    try:
        return reveal(system.password) if system.password is not None else None
    except KeyError as error:
        raise Permanent(f"{system.name}: no password: {error.args[0]}") from None


def _shape(name: str, wanted: Sequence[str], classes: Any) -> EntityShape:
    must: set[str] = set()
    may: set[str] = set()
    todo = list(wanted)
    while todo:
        found = classes.get(todo.pop())
        if found is not None:
            must.update(found.must_contain or ())
            may.update(found.may_contain or ())
            todo.extend(found.superior or ())
    shapes = (FieldShape(path, "text", required=path in must) for path in sorted(must | may))
    return EntityShape(name, tuple(shapes))


def _names(fields: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(parse(name).top for name in fields))


def _or_nothing(name: str, value: str) -> str:
    try:
        return values.equals(name, value)
    except ValueError:
        return ""  # no id of this directory looks like that, so there is no such entry


def _text(raw: Sequence[bytes] | None) -> str | None:
    return raw[0].decode() if raw else None
