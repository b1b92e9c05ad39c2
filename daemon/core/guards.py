"""This is where a whole plan is measured against its limits, before the first write. Pure.

A decision guard holds the decisions of one kind and lets the others flow. What a person approved line by line passes.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
    """Which decisions may be carried out. Nothing of a plan is kept but the plan itself."""

    decisions: Iterable[Decision] = ()
    trips: tuple[Trip, ...] = ()
    stops: Callable[[Decision], Kind | None] = lambda _: None
    """The guard that holds a decision; None where it may be carried out."""

    @property
    def passed(self) -> Iterator[Decision]:
        """What may be carried out."""
        return (decision for decision in self.decisions if self.stops(decision) is None)

    @property
    def held(self) -> Iterator[tuple[Decision, Kind]]:
        """What waits for approval, and before which guard."""
        return ((decision, kind) for decision in self.decisions if (kind := self.stops(decision)))


def guard(
    sync: Sync, decisions: Iterable[Decision], pairs: int, approved: Collection[bytes], *, adopting: bool = False
) -> Verdict:
    """Measure *decisions* by the limits of *sync* over *pairs* active pairs. *approved* are lines that a person saw.

    They are walked once to be counted; each is then judged by itself.
    """

    def is_open(decision: Decision) -> bool:
        return needs_approval(decision, adopting=adopting) and decision.line not in approved

    if adopting:
        count = sum(map(is_open, decisions))
        trips = (Trip("adopt", count, 0, pairs),) if count else ()
        return Verdict(decisions, trips, lambda decision: "adopt" if is_open(decision) else None)
    tally, stoppable = Counter[tuple[Kind, str]](), set[tuple[Kind, str]]()
    for decision in filter(is_open, decisions):
        for key in _counted(decision):
            tally[key] += 1
            stoppable |= {key} if _may_wait(decision, key[0]) else set()
    tripped = [
        Trip(kind, count, allowed, pairs, name)
        for (kind, name), count in sorted(tally.items(), key=_in_order)
        if count > (allowed := _limit(sync, kind).allows(pairs)) and (kind, name) in stoppable
    ]
    over = {(trip.kind, trip.field) for trip in tripped}

    def stops(decision: Decision) -> Kind | None:
        if not over or not is_open(decision):
            return None
        kinds = [kind for kind, name in _counted(decision) if (kind, name) in over and _may_wait(decision, kind)]
        return kinds[-1] if kinds else None

    return Verdict(decisions, tuple(tripped), stops)


def needs_approval(decision: Decision, *, adopting: bool) -> bool:
    """Whether a guard can hold it: everything that writes, and at adoption every new pair."""
    return bool(decision.changes) or (adopting and decision.kind == "link")


_OPS: Mapping[str, Kind] = {"delete": "deletes", "deactivate": "deletes", "create": "creates", "update": "updates"}
_KINDS: Sequence[Kind] = ("deletes", "creates", "updates", "blanked")


def _counted(decision: Decision) -> Iterator[tuple[Kind, str]]:
    """Under which limits the decision counts: by its gravest change, and per field that loses its value."""
    if kind := _OPS.get(decision.kind):
        yield kind, ""
    if decision.kind == "update":
        moves = (move for change in decision.changes for move in change.moves)
        yield from dict.fromkeys(("blanked", m.field) for m in moves if empty(m.value) and not empty(m.before))


def _may_wait(decision: Decision, kind: Kind) -> bool:
    """Who leaves today does not wait for a limit of updates."""
    return kind != "updates" or not decision.urgent


def _limit(sync: Sync, kind: Kind) -> Limit:
    limit: Limit = getattr(sync.guards, kind)
    return limit


def _in_order(counted: tuple[tuple[Kind, str], int]) -> tuple[int, str]:
    (kind, name), _ = counted
    return _KINDS.index(kind), name
