"""This is where what both sides showed becomes decisions: pairs merged, absences weighed, returns noticed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from connectors.base import Record
from daemon.core.model import UNANSWERED, Decision, Look, Pair
from daemon.core.plan import decide_pair
from daemon.core.rounds import steadied
from daemon.core.rules import SIDES, Side, other
from daemon.engine.answers import still_refused
from daemon.engine.arrivals import with_arrivals
from daemon.engine.context import Context
from daemon.engine.decisions import Plan
from daemon.engine.family import asleep, at_home, bereaved, regrown
from daemon.engine.gather import Sight
from daemon.engine.heirs import Heirs
from daemon.engine.looking import UNKNOWN, Looks, fill, looks, unless_late
from daemon.engine.overflow import Overflow
from daemon.engine.partners import join_singles, loners
from daemon.engine.stepwise import orphaned


def make_plan(context: Context, sights: Mapping[Side, Sight], busy: Collection[int] = ()) -> Plan:
    """Everything that needs deciding. *busy* pairs wait for a write whose outcome is unknown."""
    plan = Plan(context.store.folder, at_home(context, _decisions(context, sights, busy)))
    if context.references.own:  # who comes before whom is only told with all of them at hand
        return Plan(context.store.folder, with_arrivals(context, list(plan)))
    return plan


def again(context: Context, pairs: Sequence[Pair]) -> Plan:
    """Decide *pairs* anew from fresh reads of both sides."""
    whole = {pair.key: pair for pair in pairs if pair.left and pair.right}
    return Plan(context.store.folder, at_home(context, _whole_pairs(context, whole, {key: {} for key in whole})))


def _decisions(context: Context, sights: Mapping[Side, Sight], busy: Collection[int]) -> Iterator[Decision]:
    lookers = {side: sight.fresh for side, sight in sights.items()}
    bereft = Overflow[Decision](context.store.folder)
    for known in looks(context, sights):
        pairs = {k: p for k, p in context.store.pairs.get(known).items() if k not in busy}
        pairs = {key: regrown(context, _with_new_life(context, p, known[key]), known[key]) for key, p in pairs.items()}
        whole = {key: pair for key, pair in pairs.items() if pair.left and pair.right}
        alone = {key: pair for key, pair in pairs.items() if key not in whole}
        join_singles(context, alone, known, lookers)
        orphans = orphaned(alone, known, lookers)
        yield from _vanished({key: pair for key, pair in alone.items() if key not in orphans}, known)
        whole |= orphans
        for decision in _whole_pairs(context, whole, known):
            if "gone" in (decision.left.presence, decision.right.presence):
                bereft.append(decision)  # until everybody is known who looks for a partner
            else:
                yield decision
    heirs = Heirs(context, lookers)
    ended = set[int]()
    for decision in map(heirs.meet, bereft):
        ended |= {decision.pair.key} if decision.left.presence == decision.right.presence == "gone" else set()
        yield decision
    yield from heirs.waiting
    yield from loners(context, lookers, busy, heirs.apart | ended)


def _whole_pairs(context: Context, pairs: Mapping[int, Pair], known: Looks) -> Iterator[Decision]:
    quiet = {key: pair for key, pair in pairs.items() if _nothing_moved(pair, known[key])}
    yield from (_confirmed(pair, known[key]) for key, pair in quiet.items())
    pairs = {key: pair for key, pair in pairs.items() if key not in quiet}
    fill(context, pairs, known)
    rulings = context.rulings if pairs else {}
    worn = context.store.turns.worn(context.row.id, context.clock()) if pairs else {}
    orphans = bereaved(context, pairs, known)
    for key, pair in pairs.items():
        left, right = (unless_late(context, pair, side, known[key][side]) for side in SIDES)
        if pair.state == "retired":
            yield from _retired(context, pair, left, right)
            continue
        if key in orphans:
            yield asleep(pair, left, right)
            continue
        if "again" in pair.detail:
            yield _still_back(pair, left, right)
            continue
        decision = decide_pair(context.sync, pair, left, right, context.notcher.line, rulings=rulings.get(key))
        decision = steadied(context.sync, decision, worn.get(key, {}), context.notcher.line)
        if not still_refused(decision, context.clock()):
            yield decision


def _nothing_moved(pair: Pair, looks: Mapping[Side, Look]) -> bool:
    """Whether the sides that were looked at show only what was agreed or sent, so that the others need no request."""
    if pair.state == "retired":
        return pair.reason == "ended" and any(look.item.ended for look in looks.values() if look.item)
    if pair.state != "active" or not looks or len(looks) == len(SIDES):
        return False
    for side, look in looks.items():
        half = pair.half(side)
        if look.presence != "here" or look.item is None or half is None or look.item.faults or look.item.ended:
            return False
        for name, digest in look.item.digests.items():
            if digest != half.sent.get(name, half.agreed.get(name)):
                return False
        if any(side in members.sent and name not in half.sent for name, members in pair.members.items()):
            return False  # a set does not show what was written to it
    return True


def _confirmed(pair: Pair, looks: Mapping[Side, Look]) -> Decision:
    """Only to be remembered: what we sent is there, or something changed that no field shows."""
    left, right = looks.get("left", UNKNOWN), looks.get("right", UNKNOWN)
    return Decision(pair, left, right, state=pair.state, reason=pair.reason)


def _retired(context: Context, pair: Pair, left: Look, right: Look) -> Iterator[Decision]:
    """A pair that ended stays ended, unless its reason is gone: back in scope, or a vanished record returned."""
    looks: dict[Side, Look] = {"left": left, "right": right}
    back = tuple(side for side in SIDES if _returned(context, pair, side, looks[side]))
    inside = all(look.item and context.views[side].in_scope(look.item.record) for side, look in looks.items())
    stands = left.presence == right.presence == "here" and inside
    if (stands and pair.reason == "scope") or (_lives(context, looks) and pair.reason == "ended"):
        active = replace(pair, state="active", reason="")
        decision = decide_pair(context.sync, active, left, right, context.notcher.line)
        yield replace(decision, reopens=decision.state != "retired")
    elif back and pair.reason in ("gone", "merged"):
        detail = {"why": f"gone on {back[0]} once, and there again", "again": list(back)}
        yield Decision(pair, left, right, state="held", reason="case", detail=detail)
    else:
        yield Decision(pair, left, right, state="retired", reason=pair.reason)


def _lives(context: Context, looks: Mapping[Side, Look]) -> bool:
    """Whether the record that ended is seen not to be over any more."""
    look = looks.get(context.sync.ending.when.side) if context.sync.ending else None
    if look is None or look.item is None or look.presence != "here":
        return False
    return not look.item.ended and UNANSWERED not in look.item.faults


def _with_new_life(context: Context, pair: Pair, looks: Mapping[Side, Look]) -> Pair:
    """*pair*, or only its record that had ended and lives again, if we deleted the partner: it gets another one."""
    if pair.state != "retired" or pair.reason != "ended" or not _lives(context, looks):
        return pair
    assert context.sync.ending
    gone = other(context.sync.ending.when.side)
    half = pair.half(gone)
    if half is None or half.seen or half.keys:
        return pair
    alone = replace(pair, state="single", reason="")
    return replace(alone, left=None) if gone == "left" else replace(alone, right=None)


def _returned(context: Context, pair: Pair, side: Side, look: Look) -> bool:
    """Whether a record that was gone is really there; a listing may lag behind our own delete."""
    half = pair.half(side)
    if look.presence != "here" or half is None or half.seen:
        return False
    return isinstance(context.get(side, [half.id])[half.id], Record)


def _still_back(pair: Pair, left: Look, right: Look) -> Decision:
    """A returned record waits for a person, who says `held retry`, or goes away again."""
    there = [side for side, look in (("left", left), ("right", right)) if look.presence == "here"]
    if set(pair.detail["again"]) & set(there):
        return Decision(pair, left, right, state="held", reason="case", detail=pair.detail)
    return Decision(pair, left, right, state="retired", reason="gone")


def _vanished(alone: Mapping[int, Pair], known: Looks) -> Iterator[Decision]:
    """A record without a partner went away before it got one: there is nothing to remember."""
    for key, pair in alone.items():
        side: Side = "left" if pair.left else "right"
        if known[key][side].presence in ("gone", "outside"):
            yield Decision(
                pair,
                known[key].get("left", UNKNOWN),
                known[key].get("right", UNKNOWN),
                state="retired",
                reason="gone",
            )
