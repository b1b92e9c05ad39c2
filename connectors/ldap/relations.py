"""This is where it is told, and changed, which entries name an entry: the groups of a person, kept by the groups.

Such a list lies outside the record, so no version speaks of it and no incremental listing notices when it changes.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import ldap3

from connectors.base import ConnectorError, Members, Outcome, Permanent, Refused
from connectors.ldap import values
from connectors.ldap.facts import Relation
from connectors.ldap.session import Sessions, meaning, search, words

_TEXTS: Final = values.Shapes.of((), (), ())
FEW: Final = 50
"""Entries that are asked for one by one, with a search each; for more, every group is read once."""
PAGED: Final = "1.2.840.113556.1.4.319"
"""The control for results in pages (RFC 2696)."""


@dataclass(frozen=True, slots=True)
class Holders:
    """The entries of one relation: those that name others."""

    place: str
    """System, entity and relation, for errors."""
    facts: Relation
    base: str
    page: int
    ignore_referrals: bool

    def everything(self, connection: Any) -> dict[str, list[str]]:
        """From the key of each name that is named to how those are called that name it."""
        found: dict[str, list[str]] = {}
        cookie = None
        while True:
            paging = {"paged_size": self.page, "paged_cookie": cookie, "paged_criticality": True}
            for entry in self._search(connection, self.facts.filter, [self.facts.attribute, *self._shown], **paging):
                shown = self._called(entry)
                for dn in values.raw(entry, self.facts.attribute):
                    found.setdefault(values.dn_key(dn.decode()), []).append(shown)
            cookie = paging_cookie(connection.result)
            if not cookie:
                return found

    def of(self, connection: Any, dn: str) -> dict[str, str]:
        """Those that name *dn* now: from their own name in the directory to how they are called."""
        rules = f"(&{self.facts.filter}{values.equals(self.facts.attribute, dn)})"
        return {entry["dn"]: self._called(entry) for entry in self._search(connection, rules, self._shown or ["1.1"])}

    def locate(self, connection: Any, called: Any) -> list[str]:
        """The distinguished names of those that are called so. Raises ValueError with words for several."""
        if self.facts.show == values.DN:
            return self._itself(connection, str(called))
        rules = f"(&{self.facts.filter}{values.equals(self.facts.show, called)})"
        found = [str(entry["dn"]) for entry in self._search(connection, rules, ["1.1"])]
        if len(found) > 1:
            raise ValueError(f"{len(found)} entries are called '{called}'; tell them apart by `show: dn`")
        return found

    def names(self, connection: Any, holder: str, dn: str) -> bool:
        """Whether *holder* names *dn*."""
        rules = values.equals(self.facts.attribute, dn)
        return bool(search(connection, self.place, holder, rules, ldap3.BASE, ["1.1"]))

    @property
    def _shown(self) -> list[str]:
        return [] if self.facts.show == values.DN else [self.facts.show]

    def _called(self, entry: Any) -> str:
        if self.facts.show == values.DN:
            return str(entry["dn"])
        names = values.raw(entry, self.facts.show)
        if not names:
            raise Permanent(f"{self.place}: {entry['dn']} has no {self.facts.show}; show another attribute, or dn")
        return str(_TEXTS.value(self.facts.show, [min(names)]))

    def _itself(self, connection: Any, dn: str) -> list[str]:
        inside = values.dn_key(dn).endswith("\0" + values.dn_key(self.base))
        with suppress(Permanent):  # a name that is none, or that nobody has
            if inside and search(connection, self.place, dn, self.facts.filter, ldap3.BASE, ["1.1"]):
                return [dn]
        return []

    def _search(self, connection: Any, rules: str, attributes: list[str], **paging: Any) -> list[dict[str, Any]]:
        found = search(connection, self.place, self.base, rules, ldap3.SUBTREE, attributes, **paging)
        entries = [entry for entry in found if entry["type"] == "searchResEntry"]
        if len(entries) < len(found) and not self.ignore_referrals:
            text = f"{self.place}: a part lies on another server"
            raise Permanent(f"{text}; give the relation a narrower `base`, or say `ignore_referrals: true`")
        return entries


class Memberships:
    """The relations of the records of one answer: asked one by one while they are few, else all at once."""

    def __init__(self, sessions: Sessions, holders: Mapping[str, Holders]) -> None:
        self._sessions = sessions
        self._holders = holders
        self._all: dict[str, dict[str, list[str]]] | None = None
        self._asked = 0

    def load(self) -> None:
        """Reads every group, once."""
        if self._all is None:
            with self._sessions.connection() as connection:
                self._all = {name: holders.everything(connection) for name, holders in self._holders.items()}

    def of(self, dns: Sequence[str]) -> list[dict[str, list[str]]]:
        """The relations of each of these entries, in order."""
        if not self._holders or not dns:
            return [{} for _ in dns]
        self._asked += len(dns)
        if self._asked > FEW:
            self.load()
        if self._all is not None:
            keys = [values.dn_key(dn) for dn in dns]
            return [{name: _sorted(known.get(key, ())) for name, known in self._all.items()} for key in keys]
        with self._sessions.connection() as connection:
            return [related(connection, self._holders, dn) for dn in dns]


def related(connection: Any, holders: Mapping[str, Holders], dn: str) -> dict[str, list[str]]:
    """All relations of one entry, as they are now."""
    return {name: _sorted(those.of(connection, dn).values()) for name, those in holders.items()}


@dataclass(frozen=True, slots=True)
class Mover:
    """Changes in whose attributes an entry is named. *send* makes one request and gives the server's result."""

    connection: Any
    send: Callable[[Callable[[], Any]], Any]
    judge: Callable[[Any, str], Outcome | None]

    def move(self, holders: Holders, dn: str, members: Members) -> Outcome | None:
        """Adds and removes; None when all is as *members* says. What nobody has to change is left alone."""
        try:
            joins = {self._there(holders, called): str(called) for called in members.add}
            leaves = {h: str(called) for called in members.remove for h in holders.locate(self.connection, called)}
        except (ValueError, Permanent) as error:
            return Refused(f"{holders.place}: {error}")
        return self._move(holders, dn, joins, leaves)

    def move_to(self, holders: Holders, dn: str, wanted: Sequence[Any] = ()) -> Outcome | None:
        """Makes *wanted* all that name *dn*, the protected ones aside: that those still do is Refused in the end."""
        try:
            known = holders.of(self.connection, dn)
            joins = {self._there(holders, called): str(called) for called in wanted if called not in known.values()}
        except (ValueError, Permanent) as error:
            return Refused(f"{holders.place}: {error}")
        leaves = {holder: called for holder, called in known.items() if called not in wanted}
        free = {h: called for h, called in leaves.items() if not self._protected(holders, {h: called})}
        return self._move(holders, dn, joins, free) or self._protected(holders, leaves)

    def leave(self, holders: Holders, dn: str, known: Mapping[str, str]) -> Outcome | None:
        """Takes *dn* out of all that are *known* to name it, before its entry goes: else whoever gets its name later
        inherits them. Where one is protected nothing happens."""
        return self._move(holders, dn, {}, known)

    def put_back(self, holders: Holders, dn: str, known: Mapping[str, str]) -> None:
        """Undoes `leave`, as far as the server lets us: the entry stays."""
        for holder in known:
            self._changed(holders, holder, dn, ldap3.MODIFY_ADD)

    def follow(self, holders: Holders, old: str, new: str) -> Outcome | None:
        """After a rename: whoever still names *old* names *new*. No membership changes by that, so protection is no
        matter here. A server that follows by itself (Active Directory, refint) leaves nothing to do."""
        for holder in holders.of(self.connection, old):
            change = [(ldap3.MODIFY_DELETE, [old.encode()]), (ldap3.MODIFY_ADD, [new.encode()])]
            if bad := self._sent(holders, holder, change):
                return bad
        return None

    def _there(self, holders: Holders, called: Any) -> str:
        found = holders.locate(self.connection, called)
        if not found:
            raise ValueError(f"there is no '{called}' under {holders.base} that fits {holders.facts.filter}")
        return found[0]

    def _move(self, holders: Holders, dn: str, joins: Mapping[str, str], leaves: Mapping[str, str]) -> Outcome | None:
        if both := sorted(joins.keys() & leaves.keys()):
            names = f"'{joins[both[0]]}' and '{leaves[both[0]]}'"
            return Refused(f"{holders.place}: {names} are one entry, {both[0]}; spell it as the directory does")
        if barred := self._protected(holders, {**joins, **leaves}):
            return barred
        changes = [*((holder, ldap3.MODIFY_ADD) for holder in joins), *((h, ldap3.MODIFY_DELETE) for h in leaves)]
        return next((bad for holder, how in changes if (bad := self._changed(holders, holder, dn, how))), None)

    def _protected(self, holders: Holders, called: Mapping[str, str]) -> Refused | None:
        for holder, name in called.items():
            if rule := protection(self.connection, holders.place, holders.facts.protect, holder):
                return Refused(f"{holders.place}: '{name}' is protected by {rule}: only people change its members")
        return None

    def _changed(self, holders: Holders, holder: str, dn: str, how: str) -> Outcome | None:
        bad = self._sent(holders, holder, [(how, [dn.encode()])])
        if isinstance(bad, Refused):  # attributeOrValueExists, noSuchAttribute; Active Directory has codes of its own
            with suppress(ConnectorError):
                if holders.names(self.connection, holder, dn) == (how == ldap3.MODIFY_ADD):
                    return None  # it is so already
        return bad

    def _sent(self, holders: Holders, holder: str, change: list[tuple[str, list[bytes]]]) -> Outcome | None:
        result = self.send(lambda: self.connection.modify(holder, {holders.facts.attribute: change}))
        if meaning(result["result"]) in ("permanent", "missing", "stale"):
            return Refused(f"{holders.place}: {holder}: {words(result)}")  # of this one entry, not of the record's
        return self.judge(result, f"{holders.facts.attribute} of {holder}")


def protection(connection: Any, place: str, rules: Sequence[str], dn: str) -> str | None:
    """The first of *rules* (distinguished names, or filters in parentheses) that the entry *dn* meets."""
    for rule in rules:
        if not rule.startswith("("):
            if values.dn_key(rule) == values.dn_key(dn):
                return rule
        elif search(connection, place, dn, rule, ldap3.BASE, ["1.1"]):
            return rule
    return None


def paging_cookie(result: Any) -> bytes | None:
    """Where the next page begins; None after the last."""
    control = (result.get("controls") or {}).get(PAGED)
    return control["value"]["cookie"] or None if control else None


def _sorted(names: Any) -> list[str]:
    return sorted(set(names))
