"""This is where records without a partner find one, are created across, or wait: each becomes a decision.

Both sides may hold more records than memory: they are taken up one by one, in the order of match keys.
"""

import heapq
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from daemon.core.bits import Bits
from daemon.core.match import FEW, Ambiguous, Finding, Seat, match
from daemon.core.model import Decision, Half, Item, Look, Pair, Reason
from daemon.core.plan import decide_pair, decide_single
from daemon.core.rules import SIDES, Side
from daemon.engine.answers import still_refused
from daemon.engine.births import foretold
from daemon.engine.context import Context
from daemon.engine.lookers import Lookers
from daemon.engine.looking import Looks, fill
from daemon.engine.stepwise import set_apart, still_half_made

_Sides: TypeAlias = Mapping[Side, Lookers]


def join_singles(context: Context, alone: Mapping[int, Pair], known: Looks, lookers: _Sides) -> None:
    """Records that have a row without a partner, and are there, look for one again."""
    for side in SIDES:
        mine = {key: pair for key, pair in alone.items() if pair.half(side)}
        fill(context, mine, known)
        for key, pair in mine.items():
            look = known[key][side]
            if look.presence == "here" and look.item:
                lookers[side].join(pair, look.item)


def loners(context: Context, lookers: _Sides, busy: Collection[int], apart: Collection[int] = ()) -> Iterator[Decision]:
    """What becomes of all that look for a partner: newcomers, and those that were held or left alone before.

    Pairs that are set *apart* stand in nobody's way.
    """
    taken = _taken(context, lookers, busy, apart)
    for side in SIDES:
        _leave_out_given_up(lookers[side])
    unfinished = set_apart(lookers)
    found = _found(match(context.sync.match_on, lambda at: _seats(at, lookers, taken)), len(lookers["left"]))
    keys = {side: context.store.pairs.new_keys(len(lookers[side])) for side in SIDES}

    def who(side: Side, number: int) -> tuple[Pair, Item]:
        item = lookers[side].item(number)
        return lookers[side].pair(number) or newcomer(keys[side][number], side, item), item

    for side in SIDES:
        for number in lookers[side]:
            if torn := found.torn[side].get(number):
                yield held_loner(side, *who(side, number), "ambiguous", _torn(torn, lookers, taken))
            elif number not in found.matched[side]:
                yield from _unmatched(context, side, *who(side, number))
            elif side == "left":
                partner, asked = who("right", found.partners[number]), number in found.asked
                yield from _matched(context, *who("left", number), *partner, asked=asked)
        for number in unfinished[side]:
            yield from map(still_half_made, _unmatched(context, side, *who(side, number)))


def _torn(torn: Ambiguous, lookers: _Sides, taken: Mapping[Side, Sequence[Half]]) -> Mapping[str, Any]:
    """Why a record that shares its match key waits, and the first few with whom it shares it."""

    def named(side: Side, number: int) -> str:
        beyond = number - len(lookers[side])
        return taken[side][beyond].id if beyond >= 0 else lookers[side].item(number).record.id

    sharing: dict[Side, tuple[int, ...]] = {"left": torn.left, "right": torn.right}
    others = {s: [n for n in sharing[s] if (s, n) != (torn.side, torn.number)] for s in SIDES}
    candidates = {side: [named(side, number) for number in others[side][:FEW]] for side in SIDES}
    told = ", ".join(f"{' '.join(ids)} on {side}" for side, ids in candidates.items() if ids)
    why = f"its match key belongs to {torn.rivals} more ({told}); make the keys differ, or remove the double"
    return {"why": why, "candidates": candidates}


@dataclass(slots=True)
class _Findings:
    """Who belongs to whom, in a few bytes each, so that the plan can be told in the order of the listings."""

    partners: MutableSequence[int]
    """By the numbers of the left side, those of the right."""
    asked: Bits = field(default_factory=Bits)
    """Numbers of the left side whose match a person has to confirm."""
    matched: dict[Side, Bits] = field(default_factory=lambda: {"left": Bits(), "right": Bits()})
    torn: dict[Side, dict[int, Ambiguous]] = field(default_factory=lambda: {"left": {}, "right": {}})


def _found(findings: Iterable[Finding], lefts: int) -> _Findings:
    told = _Findings(array("L", bytes(8 * lefts)))
    for finding in findings:
        if isinstance(finding, Ambiguous):
            told.torn[finding.side][finding.number] = finding
            continue
        told.partners[finding.left] = finding.right
        told.matched["left"].add(finding.left)
        told.matched["right"].add(finding.right)
        if finding.confirm == "ask":
            told.asked.add(finding.left)
    return told


def _seats(alternative: int, lookers: _Sides, taken: Mapping[Side, Sequence[Half]]) -> Iterator[Seat]:
    """Everybody who takes part in one alternative of match_on, in the order of keys."""
    in_the_way = sorted(
        Seat(key, side, number, True)
        for side, halves in taken.items()
        for number, half in enumerate(halves, len(lookers[side]))
        if (key := half.keys[alternative])
    )
    return heapq.merge(*(lookers[side].seats(alternative) for side in SIDES), in_the_way)


def newcomer(key: int, side: Side, item: Item) -> Pair:
    """The row of a record that no pair knows."""
    half = Half(item.record.id, keys=item.keys)
    return Pair(key, left=half) if side == "left" else Pair(key, right=half)


def _taken(
    context: Context, lookers: _Sides, busy: Collection[int], apart: Collection[int]
) -> Mapping[Side, Sequence[Half]]:
    """Halves of pairs that hold a match key of somebody and stand in the way. Who has no partner looks, too."""
    found: dict[Side, list[Half]] = {"left": [], "right": []}
    if not context.store.pairs.count(context.row.id):
        return found
    holders = _holders(context, lookers)
    for side in SIDES:
        pairs = context.store.pairs.get(holders[side] - {pair.key for pair in lookers[side].rows().values()} - {*apart})
        whole = {key: pair for key, pair in pairs.items() if pair.left and pair.right}
        found[side] = [half for pair in whole.values() if (half := pair.half(side))]
        lonely = {key: pair for key, pair in pairs.items() if key not in whole and key not in busy}
        join_singles(context, lonely, {key: {} for key in lonely}, lookers)
        _leave_to_probing(context, lookers, [pair for key, pair in pairs.items() if key in busy])
    return found


def _holders(context: Context, lookers: _Sides) -> Mapping[Side, set[int]]:
    """The pairs that hold a match key which somebody on either side carries, by the side on which they hold it."""
    found: dict[Side, set[int]] = {"left": set(), "right": set()}
    for keys in (some for side in SIDES for some in lookers[side].match_keys()):
        for side in SIDES:
            taken = context.store.pairs.taken(context.row.id, side, keys)
            found[side].update(key for holders in taken.values() for key in holders)
    return found


def _leave_to_probing(context: Context, lookers: _Sides, unknown: Iterable[Pair]) -> None:
    """Who carries the match key of a create whose answer is lost may be what it made: the probe tells, no match."""
    keys = {key for pair in unknown for half in (pair.left, pair.right) if half for key in half.keys if key}
    for side in SIDES:
        if carriers := lookers[side].carriers(keys):
            lookers[side].leave(carriers)
            context.deferred = True


def _leave_out_given_up(mine: Lookers) -> None:
    """A record that a person gave up stands in nobody's way who carries the same match key."""
    given_up = {number for number, pair in mine.rows().items() if _is_given_up(pair, mine.item(number))}
    mine.leave([number for number in given_up if set(mine.carriers(mine.item(number).keys)) - given_up])


def _is_given_up(pair: Pair, item: Item) -> bool:
    """Whether a person gave this record up, and it still shows what they saw."""
    return pair.reason == "dropped" and pair.detail.get("look") == item.appearance


def _matched(context: Context, lp: Pair, li: Item, rp: Pair, ri: Item, *, asked: bool) -> Iterator[Decision]:
    """Two records that belong together, unless a person has to say so first, or has said that they do not."""
    if rp.detail.get("parted") == li.record.id or lp.detail.get("parted") == ri.record.id:
        yield from (_single("left", lp, li), _single("right", rp, ri))
        return
    decision = _link(context, lp, li, rp, ri)
    if asked and decision.line not in context.approved:
        yield replace(held_loner("left", lp, li, "confirm", {"candidate": ri.record.id}), line=decision.line)
        yield held_loner("right", rp, ri, "confirm", {"candidate": li.record.id})
    else:
        yield decision


def _link(context: Context, lp: Pair, li: Item, rp: Pair, ri: Item) -> Decision:
    """Two records become a pair. The row that the right one had for itself is absorbed."""
    pair = Pair(lp.key, lp.left, rp.right, born="matched")
    here = Look("here", li), Look("here", ri)
    decision = decide_pair(context.sync, pair, *here, context.notcher.line, new=True)
    return replace(decision, absorbs=rp.key if rp.since else 0)


def held_loner(side: Side, pair: Pair, item: Item, reason: Reason, detail: Mapping[str, Any]) -> Decision:
    """A record without a partner that waits."""
    if "parted" in pair.detail:
        detail = {**detail, "parted": pair.detail["parted"]}
    return Decision(pair, *_alone(side, item), state="held", reason=reason, detail=detail, new=not pair.since)


def _single(side: Side, pair: Pair, item: Item) -> Decision:
    """A record that a person took out of its pair: it stays alone until somebody says who its partner is."""
    return Decision(pair, *_alone(side, item), state="single", reason="unlinked", detail=pair.detail)


def _alone(side: Side, item: Item) -> tuple[Look, Look]:
    here, nothing = Look("here", item), Look("gone")
    return (here, nothing) if side == "left" else (nothing, here)


def _unmatched(context: Context, side: Side, pair: Pair, item: Item) -> Iterator[Decision]:
    """A record that nobody belongs to: created across, left alone, or held."""
    if "parted" in pair.detail:
        yield _single(side, pair, item)
        return
    if _is_given_up(pair, item):
        return
    if pair.reason == "unknown":  # its create may have made one of several: a person compares
        yield held_loner(side, pair, item, "unknown", pair.detail)
        return
    try:
        wanted = context.views[side].may_be_born(item.record) and not item.ended
    except ValueError as fault:
        yield held_loner(side, pair, item, "mapping", {"why": f"create.when: {fault}"})
        return
    decision = decide_single(context.sync, pair, side, item, context.notcher.line, wanted=wanted, new=not pair.since)
    if not still_refused(decision, context.clock()):
        yield foretold(context, decision)
