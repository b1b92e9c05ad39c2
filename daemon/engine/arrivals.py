"""This is where the records of one plan that refer to each other are told apart: who comes first, who waits for whom.

A newcomer that gets its partner in this run is known to the plan already: by the partner's id where one was found, else
as `Coming`. What refers to the latter is written after it, decided anew with the id that it got. In a circle of
newcomers one is created without its reference, which is set before the run ends.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from daemon.core.model import Decision, Look, Target
from daemon.core.plan import decide_pair, decide_single
from daemon.core.rules import SIDES, Side
from daemon.engine.births import foretold
from daemon.engine.context import Context

_OPEN = ("", "reference", "mapping", "conflict")
"""Reasons of decisions that a reference may change. What a case, a person or a refusal holds is left alone."""


def with_arrivals(context: Context, decisions: Sequence[Decision]) -> list[Decision]:
    """The plan again, where references lead to records that get their partner in this very run, and in which order."""
    found = list(decisions)
    coming: dict[Target, str | None] = {}
    while True:
        arrived = arrivals(context, found)
        if arrived.keys() <= coming.keys():
            return _ranked(context, found, coming)
        coming |= arrived
        context.references.promise(coming)
        found = [decide_again(context, d) if _names(d, coming) else d for d in found]


def bound(context: Context, decisions: Sequence[Decision]) -> list[Decision]:
    """Decisions that referred to newcomers, with the ids that these got meanwhile. Who got none is missing."""
    context.references.forget()
    return [context.as_approved(decide_again(context, decision), decision) for decision in decisions]


def decide_again(context: Context, decision: Decision) -> Decision:
    """The same records decided once more, because references may lead elsewhere by now."""
    looks = {side: _mapped(context, side, decision.look(side)) for side in SIDES}
    left, right, line = looks["left"], looks["right"], context.notcher.line
    if left.item and right.item:
        mine = context.rulings.get(decision.pair.key)
        again = decide_pair(context.sync, decision.pair, left, right, line, rulings=mine, new=decision.new)
    else:
        side: Side = "left" if left.item else "right"
        item = looks[side].item
        assert item
        again = decide_single(context.sync, decision.pair, side, item, line, wanted=True, new=decision.new)
        again = foretold(context, again)
    reopens = decision.reopens and again.state != "retired"
    return replace(again, absorbs=decision.absorbs, rank=decision.rank, reopens=reopens, relinks=decision.relinks)


def _mapped(context: Context, side: Side, look: Look) -> Look:
    return replace(look, item=context.views[side].item(look.item.record)) if look.item else look


def arrivals(context: Context, decisions: Iterable[Decision]) -> dict[Target, str | None]:
    """Who gets a partner by these decisions: its id, or None while it is still to be created."""
    found: dict[Target, str | None] = {}
    for decision in decisions:
        left, right = decision.left.item, decision.right.item
        if born := _born(context, decision):
            found |= dict.fromkeys(born)
        elif decision.new and left and right and decision.reason != "confirm":
            found[Target(context.sync.name, "left", left.record.id)] = right.record.id
            found[Target(context.sync.name, "right", right.record.id)] = left.record.id
    return found


def _born(context: Context, decision: Decision) -> list[Target]:
    """Whose partner is to be created."""
    if all(change.op != "create" for change in decision.changes):
        return []
    items = [(side, decision.look(side).item) for side in SIDES]
    return [Target(context.sync.name, side, item.record.id) for side, item in items if item]


def _names(decision: Decision, coming: Collection[Target]) -> frozenset[Target]:
    """Which of those to come the decision refers to."""
    items = [look.item for look in (decision.left, decision.right) if look.item and look.presence == "here"]
    whole = bool(decision.pair.left and decision.pair.right)
    if decision.reason not in _OPEN or len(items) < 1 + whole:
        return frozenset()
    return frozenset(t for item in items for targets in item.awaits.values() for t in targets if t in coming)


def _ranked(context: Context, decisions: Sequence[Decision], coming: Mapping[Target, str | None]) -> list[Decision]:
    """Every decision with its rank: one more than the highest of those that it refers to."""
    waits = {at: _names(d, coming) for at, d in enumerate(decisions)}
    births = {target: at for at, d in enumerate(decisions) for target in _born(context, d)}
    needs = {at: {births[t] for t in names if t in births} - {at} for at, names in waits.items() if names}
    found = list(decisions)
    for rank, members in enumerate(_layers(needs), 1):
        for at in members:
            found[at] = replace(found[at], rank=rank)
    return found


def _layers(needs: Mapping[int, set[int]]) -> Iterator[list[int]]:
    """Who needs nobody of the rest, again and again. In a circle the first one goes before."""
    rest = {at: names & needs.keys() for at, names in needs.items()}
    needed: dict[int, list[int]] = {}
    for at, names in rest.items():
        for name in names:
            needed.setdefault(name, []).append(at)
    ready = [at for at, names in rest.items() if not names]
    while rest:
        ready = ready or [next(iter(rest))]
        yield ready
        for at in ready:
            del rest[at]
        freed = [(at, name) for name in ready for at in needed.get(name, ()) if at in rest]
        for at, name in freed:
            rest[at].discard(name)
        ready = [at for at in dict.fromkeys(at for at, _ in freed) if not rest[at]]
