"""This is where a whole plan is measured against its limits, before the first write. Pure.

A decision guard holds the decisions of one kind and lets the others flow. What a person approved line by line passes.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from daemon.core.model import Decision
from daemon.core.rules import Limit, Sync
from daemon.core.types import empty

Kind: TypeAlias = Literal["adopt", "tenant", "canary", "cursor", "shrink", "deletes", "creates", "updates", "blanked"]


@dataclass(frozen=True, slots=True)
class Trip:
    """One guard that holds decisions, with the numbers that an operator wants to see."""

    kind: Kind
    count: int
    allowed: int
    pairs: int
    field: str = ""
    """The field that is blanked, the entity whose listing shrank, or in a sentence what else is out of the ordinary."""

    def __str__(self) -> str:
        if self.kind == "adopt":
            return f"{self.field or 'the first plan of this sync'}: {self.count} decisions wait for approval"
        if self.kind == "shrink":
            return f"{self.field} lists {self.count} records after {self.pairs}: nothing is written"
        if self.kind in ("tenant", "canary", "cursor"):
            return f"{self.field}: nothing is written"
        verb = {"deletes": "delete", "creates": "create", "updates": "update", "blanked": "blank"}[self.kind]
        what = f"{verb} `{self.field}` of" if self.field else verb
        return f"would {what} {self.count} of {self.pairs} pairs; {self.allowed} are allowed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which decisions may be carried out."""

    passed: tuple[Decision, ...]
    held: tuple[tuple[Decision, Kind], ...]
    trips: tuple[Trip, ...]


def guard(
    sync: Sync, decisions: Sequence[Decision], pairs: int, approved: Collection[bytes], *, adopting: bool = False
) -> Verdict:
    """Sort *decisions* by the limits of *sync* over *pairs* active pairs. *approved* are lines that a person saw."""
    open_lines = [d for d in decisions if needs_approval(d, adopting=adopting) and d.line not in approved]
    stopped: dict[int, Kind] = {}
    trips: list[Trip] = []
    if adopting:
        stopped = {id(d): "adopt" for d in open_lines}
        trips = [Trip("adopt", len(open_lines), 0, pairs)] if open_lines else []
        return _sorted(decisions, stopped, trips)
    for kind, limit, ops in _limits(sync):
        mine = [d for d in open_lines if d.kind in ops]
        allowed = limit.allows(pairs)
        stoppable = [d for d in mine if kind != "updates" or not d.urgent]  # who leaves today does not wait for a limit
        if len(mine) > allowed and stoppable:
            trips.append(Trip(kind, len(mine), allowed, pairs))
            stopped |= {id(d): kind for d in stoppable}
    for name, mine in _blanking(open_lines).items():
        allowed = sync.guards.blanked.allows(pairs)
        if len(mine) > allowed:
            trips.append(Trip("blanked", len(mine), allowed, pairs, name))
            stopped |= {id(d): "blanked" for d in mine}
    return _sorted(decisions, stopped, trips)


def needs_approval(decision: Decision, *, adopting: bool) -> bool:
    """Whether a guard can hold it: everything that writes, and at adoption every new pair."""
    return bool(decision.changes) or (adopting and decision.kind == "link")


def counts(decisions: Sequence[Decision]) -> dict[str, int]:
    """How many decisions of each kind."""
    return dict(Counter(decision.kind for decision in decisions))


def _limits(sync: Sync) -> list[tuple[Kind, Limit, frozenset[str]]]:
    guards = sync.guards
    return [
        ("deletes", guards.deletes, frozenset({"delete", "deactivate"})),
        ("creates", guards.creates, frozenset({"create"})),
        ("updates", guards.updates, frozenset({"update"})),
    ]


def _blanking(decisions: Sequence[Decision]) -> dict[str, list[Decision]]:
    """Per field, the updates that leave nothing where something was."""
    found: dict[str, list[Decision]] = {}
    for decision in decisions:
        if decision.kind != "update":
            continue
        names = {m.field for c in decision.changes for m in c.moves if empty(m.value) and not empty(m.before)}
        for name in names:
            found.setdefault(name, []).append(decision)
    return found


def _sorted(decisions: Sequence[Decision], stopped: dict[int, Kind], trips: Sequence[Trip]) -> Verdict:
    passed = tuple(d for d in decisions if id(d) not in stopped)
    held = tuple((d, stopped[id(d)]) for d in decisions if id(d) in stopped)
    return Verdict(passed, held, tuple(trips))
