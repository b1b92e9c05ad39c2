"""This is where a whole plan is measured against its limits, before the first write. Pure.

A decision guard holds the decisions of one kind and lets the others flow. What a person approved line by line passes.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from daemon.core.bounds import crossings
from daemon.core.daily import NOTHING, Spent, budgets
from daemon.core.model import Decision
from daemon.core.rules import Sync

Kind: TypeAlias = Literal[
    "adopt", "tenant", "canary", "cursor", "shrink", "deletes", "creates", "updates", "blanked", "values"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trip:
    """One guard that holds decisions, with the numbers that an operator wants to see."""

    kind: Kind
    count: int
    allowed: int
    pairs: int
    field: str = ""
    """The field that is blanked or out of bounds, the entity whose listing shrank, or in a sentence what else is out of
    the ordinary."""
    day: str = ""
    """Where not this run is too much but the day: what was done before, and when it frees."""

    def __str__(self) -> str:
        if self.kind == "adopt":
            return f"{self.field or 'the first plan of this sync'}: {self.count} decisions wait for approval"
        if self.kind == "shrink":
            return f"{self.field} lists {self.count} records after {self.pairs}: nothing is written"
        if self.kind in ("tenant", "canary", "cursor"):
            return f"{self.field}: nothing is written"
        if self.kind == "values":
            return f"would bring `{self.field}` of {self.count} records out of its bounds"
        verb = {"deletes": "delete", "creates": "create", "updates": "update", "blanked": "blank"}[self.kind]
        what = f"{verb} `{self.field}` of" if self.field else verb
        return f"would {what} {self.count} of {self.pairs} pairs; {self.day or f'{self.allowed} are allowed'}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which decisions may be carried out. Nothing of a plan is kept but the plan itself."""

    decisions: Iterable[Decision] = ()
    trips: tuple[Trip, ...] = ()
    stops: Callable[[Decision], Kind | None] = lambda _: None
    """The guard that holds a decision; None where it may be carried out."""

    @property
    def passed(self) -> "Passed":
        """What may be carried out; can be walked again."""
        return Passed(self)

    @property
    def held(self) -> Iterator[tuple[Decision, Kind]]:
        """What waits for approval, and before which guard."""
        return ((decision, kind) for decision in self.decisions if (kind := self.stops(decision)))


@dataclass(frozen=True, slots=True)
class Passed:
    """The decisions of a verdict that no guard holds."""

    verdict: Verdict

    def __iter__(self) -> Iterator[Decision]:
        return (decision for decision in self.verdict.decisions if self.verdict.stops(decision) is None)


def guard(
    sync: Sync,
    decisions: Iterable[Decision],
    pairs: int,
    approved: Collection[bytes],
    *,
    adopting: bool = False,
    spent: Spent = NOTHING,
) -> Verdict:
    """Measure *decisions* by the limits of *sync* over *pairs* active pairs. *approved* are lines that a person saw.

    *spent* is what was written in the last day. They are walked once to be counted; each is then judged by itself.
    """
    tally, stoppable = Counter[tuple[Kind, str]](), set[tuple[Kind, str]]()
    counted = _at_adoption if adopting else _counted

    def keys(decision: Decision) -> Iterator[tuple[Kind, str]]:
        is_open = needs_approval(decision, adopting=adopting) and decision.line not in approved
        return counted(sync, decision) if is_open else iter(())

    for decision in decisions:
        for key in keys(decision):
            tally[key] += 1
            stoppable |= {key} if _may_wait(decision, key[0]) else set()
    counts = sorted(tally.items(), key=_in_order)
    found = (_over(sync, *key, count, pairs, spent) for key, count in counts if key in stoppable)
    tripped = tuple(trip for trip in found if trip)
    over = {(trip.kind, trip.field) for trip in tripped}

    def stops(decision: Decision) -> Kind | None:
        kinds = [k for k, name in keys(decision) if (k, name) in over and _may_wait(decision, k)] if over else []
        return kinds[-1] if kinds else None

    return Verdict(decisions, tripped, stops)


def needs_approval(decision: Decision, *, adopting: bool) -> bool:
    """Whether a guard can hold it: everything that writes, and at adoption every new pair."""
    return bool(decision.changes) or (adopting and decision.kind == "link")


_ORDER: Sequence[Kind] = ("adopt", "deletes", "creates", "updates", "blanked", "values")


def _counted(sync: Sync, decision: Decision) -> Iterator[tuple[Kind, str]]:
    """Under which limits it counts: by its gravest change, per field that loses its value or goes beyond its bounds."""
    yield from budgets(decision)
    yield from (("values", name) for name in crossings(sync.guards.values, decision))


def _at_adoption(sync: Sync, decision: Decision) -> Iterator[tuple[Kind, str]]:
    """Everything waits as a whole, and what goes beyond its bounds apart from it."""
    crossing = crossings(sync.guards.values, decision)
    yield from (("values", name) for name in crossing)
    if not crossing:
        yield "adopt", ""


def _may_wait(decision: Decision, kind: Kind) -> bool:
    """Who leaves today does not wait for a limit of updates."""
    return kind != "updates" or not decision.urgent


def _over(sync: Sync, kind: Kind, name: str, count: int, pairs: int, spent: Spent) -> Trip | None:
    """What *count* decisions are too many for: this run, or the day. Nothing at all may go beyond its bounds."""
    if kind in ("adopt", "values"):
        return Trip(kind, count, 0, pairs, name)
    limit = sync.guards.limit(kind)
    if count > (allowed := limit.allows(pairs)):
        return Trip(kind, count, allowed, pairs, name)
    if count + spent.done((kind, name)) > (allowed := limit.allows_daily(pairs)):
        return Trip(kind, count, allowed, pairs, name, spent.told((kind, name), count, allowed))
    return None


def _in_order(counted: tuple[tuple[Kind, str], int]) -> tuple[int, str]:
    (kind, name), _ = counted
    return _ORDER.index(kind), name
