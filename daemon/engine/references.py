"""This is where a reference is followed: from the name that one side has for a record to the name the other side has.

    left name -> [find on the left] -> left id -> pair -> right id -> [read on the right] -> right name
The steps in brackets are only taken where a side names records by another field than the id.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from connectors.base import Driver, Record
from connectors.paths import ABSENT, parse, read
from daemon.core.members import asked
from daemon.core.model import Coming, Foreign, Target
from daemon.core.rules import Naming, Ref, Rule, Side, Sync, other
from daemon.core.types import empty
from daemon.store.store import Store

REMEMBERED = 100_000
"""Answers that are kept in memory at once; the store gives them again."""


class Crossing(NamedTuple):
    """What became of one name on its way across."""

    partner: str | None
    """Whom it means there, by a name that does not change when a record is renamed. None: nobody yet."""
    shown: str | None
    """By what name that side refers to it."""
    target: Target


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the value of a reference field means."""

    value: Any
    fault: str | None = None
    awaits: tuple[Target, ...] = ()
    partner: Any = None
    """Goes into the field's digest, so that another partner is a movement."""


class References:
    """Follows the references of one sync in one run. Called from several threads."""

    def __init__(self, sync: Sync, store: Store, drivers: Mapping[Side, Driver]) -> None:
        self._sync = sync
        self._store = store
        self._drivers = drivers
        self._ids = {rule.ref.sync: store.sync(rule.ref.sync).id for rule in sync.rules if rule.ref and rule.ref.sync}
        self._partners: dict[tuple[str, Side, bool], dict[str, str | None]] = {}
        self._asked: dict[tuple[Side, Naming, str], str | None] = {}
        self._coming: Mapping[Target, str | None] = {}

    @property
    def own(self) -> bool:
        """Whether records of this sync refer to each other."""
        return self._sync.name in self._ids

    def promise(self, coming: Mapping[Target, str | None]) -> None:
        """Records that get their partner in this run: by its id, or None for one that is still to be created."""
        self._coming = coming

    def forget(self) -> None:
        """Look again: partners may have come about."""
        self._partners.clear()
        self._asked = {question: answer for question, answer in self._asked.items() if answer is not None}
        self._coming = {}

    def expect(self, ref: Ref, side: Side, names: Iterable[Any]) -> None:
        """Fetch the partners of many ids in one go."""
        wanted = {name for value in names for name in (value if isinstance(value, list) else [value]) if name}
        known = self._known(ref, side)
        if len(known) > REMEMBERED:
            known.clear()
        if wanted := wanted - known.keys():
            found = self._partnered(ref, side, sorted(wanted))
            known.update({name: found.get(name) for name in wanted})

    def meaning(self, rule: Rule, side: Side, value: Any) -> Meaning:
        """What *value*, as *side* shows it, means as a shared value: as the right side names it."""
        if isinstance(value, list):
            members = [self.meaning(rule, side, member) for member in value]
            return _joined(members)
        if rule.ref is None or empty(value) or (side == "right" and rule.owner == "left"):
            return Meaning(value)  # what the owner does not decide by is compared as it stands
        try:
            crossing = self._across(rule.ref, side, value)
        except ValueError as fault:
            return Meaning(ABSENT, str(fault))
        if crossing.shown is None or isinstance(crossing.shown, Coming):
            return _missing(rule, rule.ref, side, value, crossing)
        return Meaning(crossing.shown if side == "left" else value, partner=crossing.partner)

    def members(self, rule: Rule, side: Side, value: Any) -> Meaning:
        """What a set of references means, member by member. One that leads to nobody stays where it is, or waits."""
        if not isinstance(value, list):
            return self.meaning(rule, side, value)
        found = [Meaning(m) if isinstance(m, Foreign) else self.meaning(rule, side, m) for m in value]
        awaits = tuple(target for member in found for target in member.awaits)
        partners = [member.partner for member in found]
        faults = [member.fault for member in found if member.fault]
        if faults and asked(rule.owner, side):
            return Meaning(ABSENT, faults[0], awaits if all(m.awaits for m in found if m.fault) else ())
        values = [Foreign(name) if _stays(side, m) else m.value for name, m in zip(value, found, strict=True)]
        return Meaning(values, None, awaits, partners)

    def partner(self, ref: Ref, side: Side, value: Any) -> Any:
        """Whom *value* means across, where the store alone can tell."""
        if isinstance(value, list):
            return [self.partner(ref, side, member) for member in value]
        return None if empty(value) else self._partner(ref, side, value)

    def written(self, rule: Rule, value: Any) -> Any:
        """The shared *value* by the name that the left side has for it. Raises ValueError."""
        if isinstance(value, list):
            return [self.written(rule, member) for member in value]
        if rule.ref is None or empty(value):
            return value
        shown = self._across(rule.ref, "right", value).shown
        if shown is None or isinstance(shown, Coming):
            raise ValueError(_nobody(rule.ref, value))
        return shown

    def _across(self, ref: Ref, side: Side, name: str) -> Crossing:
        """The name on the other side of what *side* calls *name*. Raises ValueError where it means several."""
        if ref.by:
            shown = self._find(ref.ask, ref.by, name) if side != ref.ask else self._read(ref.ask, ref.by, name)
            return Crossing(shown, shown, Target("", side, name))
        id = self._find(side, ref.named[side], name) if side in ref.named else name
        if id is None:
            return Crossing(None, None, Target("", side, name))
        target = Target(ref.sync, side, id)
        there = self._partner(ref, side, id) or self._coming.get(target)
        if there is None:
            return (
                Crossing(id, Coming(f"{id} (created by this run)"), target)
                if target in self._coming
                else Crossing(None, None, target)
            )
        far = other(side)
        shown = self._read(far, ref.named[far], there) if far in ref.named else there
        return Crossing(there, shown, Target("", side, name))

    def _known(self, ref: Ref, side: Side) -> dict[str, str | None]:
        return self._partners.setdefault((ref.sync, side, ref.awake), {})

    def _partnered(self, ref: Ref, side: Side, ids: list[str]) -> dict[str, str]:
        if ref.awake:
            awake = self._store.families.awake(self._ids[ref.sync], side, ids)
            return {id: partner for id, (_, partner) in awake.items()}
        return self._store.pairs.partners(self._ids[ref.sync], side, ids)

    def _partner(self, ref: Ref, side: Side, id: str) -> str | None:
        known = self._known(ref, side)
        if id not in known:
            self.expect(ref, side, [id])
        return known.get(id)

    def _find(self, side: Side, by: Naming, value: str) -> str | None:
        """The id of the record whose field shows *value*."""

        def ask() -> str | None:
            found = self._drivers[side].find(by.entity, {by.path: value}, fields=[by.path])
            if len(found) > 1:
                raise ValueError(f"{len(found)} records of {by.entity} have the {by.path} '{value}'")
            return found[0].id if found else None

        return self._once((side, by, f"={value}"), ask)

    def _read(self, side: Side, by: Naming, id: str) -> str | None:
        """What the field of the record *id* shows."""

        def ask() -> str | None:
            (answer,) = self._drivers[side].get(by.entity, [id], fields=[by.path])
            shown = read(answer.fields, parse(by.path)) if isinstance(answer, Record) else None
            return None if empty(shown) else str(shown)

        return self._once((side, by, f"#{id}"), ask)

    def _once(self, question: tuple[Side, Naming, str], ask: Callable[[], str | None]) -> str | None:
        if question not in self._asked:
            if len(self._asked) > REMEMBERED:
                self._asked.clear()
            self._asked[question] = ask()
        return self._asked[question]


def _missing(rule: Rule, ref: Ref, side: Side, name: str, crossing: Crossing) -> Meaning:
    awaits = (crossing.target,)
    if rule.owner == other(side):
        return Meaning(f"{name} (no partner in {ref.where})")  # it is overwritten, and never equal to a real name
    if isinstance(crossing.shown, Coming):
        return Meaning(crossing.shown if side == "left" else name, awaits=awaits, partner=crossing.partner)
    if ref.missing == "hold":
        return Meaning(ABSENT, _nobody(ref, name), awaits)
    return Meaning(None if ref.missing == "null" else ABSENT, awaits=awaits)


def _nobody(ref: Ref, name: str) -> str:
    return f"its reference {name} has no partner in {ref.where} yet"


def _stays(side: Side, meaning: Meaning) -> bool:
    """Whether a member has no name across: on the right it is its own name, on the left somebody has to be there."""
    nobody = side == "left" and meaning.partner is None and not isinstance(meaning.value, Coming)
    return nobody or empty(meaning.value) or isinstance(meaning.value, Foreign)


def _joined(members: list[Meaning]) -> Meaning:
    """A list of references: one that waits holds the list, or is left out of it."""
    fault = next((member.fault for member in members if member.fault), None)
    awaits = tuple(target for member in members for target in member.awaits)
    if fault:
        return Meaning(ABSENT, fault, awaits if all(m.awaits for m in members if m.fault) else ())
    values = [member.value for member in members if not empty(member.value)]
    return Meaning(values, None, awaits, [member.partner for member in members])
