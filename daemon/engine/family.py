"""This is where the records of a collection are held to their parents: whose they are, and whether they take part.

A child that is gone while its parent is gone, too, is not taken for deleted: nobody took it out. Its pair sleeps until
it is known what becomes of the parents.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import islice

from connectors.base import PARENT, Record
from daemon.core.model import Decision, Half, Look, Pair
from daemon.core.rules import SIDES, Side, other
from daemon.core.typed import named
from daemon.engine.context import Context
from daemon.store.families import APART

AT_ONCE = 1000
"""Decisions whose parents are looked up in one go."""


def rouse(context: Context) -> None:
    """Before a look: who sleeps by now, who wakes, and who is to find its partner anew, in a full comparison."""
    family, row = context.sync.family, context.row
    if family is None:
        return
    flying = context.store.flights.pairs(row.id)
    context.store.families.rouse(row.id, context.clock(), flying)
    strayed = set(context.store.families.strayed(row.id, family.nests)) - flying
    if strayed:
        context.store.pairs.remember(row.id, [], drop=strayed)
        context.row = replace(row, salt="")
        context.store.save_sync(context.row)


def at_home(context: Context, decisions: Iterable[Decision]) -> Iterator[Decision]:
    """*decisions*, each knowing the pair of its parents, without those whose parents are no pair now."""
    if context.sync.family is None:
        yield from decisions
        return
    walk, foreseen = iter(decisions), _foreseen(context)
    while some := list(islice(walk, AT_ONCE)):
        homes = _homes(context, some)
        placed = [_placed(decision, homes) for decision in some]
        sleepers = _sleepers(context, {d.pair.parent for d in placed} - {0}, foreseen)
        yield from (d for d in placed if d.pair.state == "retired" or d.pair.parent not in sleepers)


def bereaved(context: Context, pairs: Mapping[int, Pair], looks: Mapping[int, Mapping[Side, Look]]) -> frozenset[int]:
    """Those of *pairs* of which a record went away together with its parent, or nobody knows whose it was."""
    if context.sync.family is None:
        return frozenset()
    lost: set[int] = set()
    for side in SIDES:
        gone = [pair for key, pair in pairs.items() if looks[key][side].presence == "gone"]
        there = _parents_there(context, side, {pair.parent for pair in gone} - {0})
        lost |= {pair.key for pair in gone if pair.parent not in there}
    return frozenset(lost)


def regrown(context: Context, pair: Pair, looks: Mapping[Side, Look]) -> Pair:
    """*pair*, or what a member of a list begins anew that was taken out once: its key is no name of one thing forever.

    It meets what was kept of its partner for the first time, or looks for another one.
    """
    nests = context.sync.family.nests if context.sync.family else {}
    back = [side for side in nests if _is_back(context, pair, side, looks)]
    if not back or pair.left is None or pair.right is None:
        return pair
    across = other(back[0])
    half = pair.half(across)
    again = replace(pair, state="active", reason="", left=_unknown(pair.left), right=_unknown(pair.right))
    if half and (half.seen or half.keys or (across in looks and looks[across].presence == "here")):
        return again
    alone = replace(again, state="single")
    return replace(alone, left=None) if across == "left" else replace(alone, right=None)


def _is_back(context: Context, pair: Pair, side: Side, looks: Mapping[Side, Look]) -> bool:
    """Whether a member is in its list again that was gone; a listing may lag behind our own write."""
    half = pair.half(side)
    if pair.state != "retired" or pair.reason != "gone" or half is None or half.seen or side not in looks:
        return False
    return looks[side].presence == "here" and isinstance(context.get(side, [half.id])[half.id], Record)


def _unknown(half: Half) -> Half:
    return Half(half.id, keys=half.keys)


def asleep(pair: Pair, left: Look, right: Look) -> Decision:
    """What is decided about a child that went away with its parent: nothing."""
    left, right = (Look("unknown") if look.presence == "gone" else look for look in (left, right))
    return Decision(pair, left, right, state="retired", reason="bereft")


def owners(context: Context, decision: Decision) -> frozenset[str]:
    """The parents of the records that a decision is about, on either side, as people name them."""
    if context.sync.family is None:
        return frozenset()
    items = [(side, decision.look(side).item) for side in SIDES]
    shown = {(s, owner) for s, i in items if i and (owner := context.sync.owner_of(s, i.record.fields))}
    parents = context.store.pairs.get([decision.pair.parent]).values()
    return named(shown | {(side, half.id) for pair in parents for side in SIDES if (half := pair.half(side))})


def _parents_there(context: Context, side: Side, keys: Iterable[int]) -> frozenset[int]:
    """Which of these pairs of parents still have their record on *side*, by asking for it."""
    family = context.sync.family
    assert family
    parents = context.store.pairs.get(keys)
    ids = {key: half.id for key, pair in parents.items() if (half := pair.half(side))}
    if not ids:
        return frozenset()
    wanted = list(dict.fromkeys(ids.values()))
    answers = context.systems[side].get(family.entities[side], wanted)
    there = {id for id, answer in zip(wanted, answers, strict=True) if isinstance(answer, Record)}
    return frozenset(key for key, id in ids.items() if id in there)


def _foreseen(context: Context) -> Mapping[int, bool]:
    """Of the pairs of parents that a plan is about, whether they are in force once it is carried out."""
    planned = context.parents.planned if context.parents else ()
    return {decision.pair.key: _in_force(decision) for decision in planned if not decision.new}


def _sleepers(context: Context, keys: Set[int], foreseen: Mapping[int, bool]) -> frozenset[int]:
    """Pairs of parents that are not in force: as the store has it, or after what a plan would do to them."""
    known = context.store.families.asleep(keys - foreseen.keys())
    return known | {key for key in keys if not foreseen.get(key, True)}


def _in_force(decision: Decision) -> bool:
    return decision.state == "active" or (decision.state == "held" and decision.reason not in APART)


def _homes(context: Context, decisions: Sequence[Decision]) -> Mapping[int, int]:
    """The pair of the parents of each decision, by the key of its own pair."""
    assert context.sync.family
    parents = context.store.sync(context.sync.family.sync).id
    named: dict[Side, dict[int, str]] = {"left": {}, "right": {}}
    for decision in decisions:
        side = _telling(decision)
        item = decision.look(side).item
        if item and (owner := context.sync.owner_of(side, item.record.fields)):
            named[side][decision.pair.key] = owner
    found: dict[int, int] = {}
    for side, owners in named.items():
        known = context.store.families.awake(parents, side, sorted(set(owners.values())))
        found |= {key: known[owner][0] for key, owner in owners.items() if owner in known}
    return found


def _telling(decision: Decision) -> Side:
    """The side that knows whose child it will be: the other one, where a change moves it to another parent."""
    moved = {change.side for change in decision.changes for move in change.moves if move.field == PARENT}
    return "right" if decision.left.item is None or ("left" in moved and decision.right.item) else "left"


def _placed(decision: Decision, homes: Mapping[int, int]) -> Decision:
    home = homes.get(decision.pair.key, decision.pair.parent)
    return decision if home == decision.pair.parent else replace(decision, pair=replace(decision.pair, parent=home))
