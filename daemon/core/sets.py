"""This is where two sets meet: every member for itself, with the memory of what both sides once had. Pure.

A member that stands on one side alone was added there or removed across; whether both had it before tells which.
Foreign members, and those that the owner never had, stay where they are.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from daemon.core.members import Notch, keyed
from daemon.core.model import Foreign, Item, Members, Move, Roster
from daemon.core.rules import SIDES, Rule, Side, other

Fate: TypeAlias = Literal["both", "neither", "add", "remove", "leave", "hold"]
"""add: to the side that lacks it. remove: from the side that has it. leave: the sides may differ in it."""
_NOBODY: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Met:
    """What two sets need: a move per side that lacks or keeps something, and what is remembered of them."""

    moves: Mapping[Side, Move]
    roster: Roster | None
    """None: it stays as it is."""


@dataclass(slots=True)
class _Tally:
    """The members by what becomes of them."""

    agreed: set[bytes] = field(default_factory=set)
    on: dict[Side, dict[bytes, Any]] = field(default_factory=lambda: {"left": {}, "right": {}})
    """To be added there: the members themselves."""
    off: dict[Side, set[bytes]] = field(default_factory=lambda: {"left": set(), "right": set()})
    """To be removed there."""
    back: set[bytes] = field(default_factory=set)
    """Added where it was before."""
    unshown: dict[Side, int] = field(default_factory=lambda: {"left": 0, "right": 0})


def merge_sets(rule: Rule, items: Mapping[Side, Item], known: Members | None, notch: Notch) -> Met | str:
    """What the set of *rule* needs, or why it is held. *known* is what is remembered; None at first contact."""
    sets = {side: keyed(items[side].values[rule.name], notch) for side in SIDES}
    skipping = rule.ref is not None and rule.ref.missing == "skip"
    vague = frozenset(side for side in SIDES if skipping and rule.name in items[side].awaits)
    tally = _count(rule, sets, known or Members(), vague)
    for side, unshown in tally.unshown.items():
        if unshown:
            return _UNSHOWN.format(side=side, count=unshown)
    if rule.once and known is not None:
        return Met({}, Roster(known.agreed))
    changed = {to: frozenset(tally.on[to].keys() | tally.off[to]) for to in SIDES if tally.on[to] or tally.off[to]}
    moves = {}
    for to in changed:
        before = items[to].values[rule.name]
        why = _why(rule, to, tally, first=known is None)
        moves[to] = Move(rule.name, _rewritten(rule, before, tally, to, notch), before, why)
    return Met(moves, Roster(frozenset(tally.agreed), changed))


def fate(rule: Rule, on: Mapping[Side, bool], agreed: bool, sent: Side | None) -> tuple[Fate, bool]:
    """What becomes of a member that stands on the sides *on*, and whether it counts as agreed from here on.

    *sent*: the side where we added it if it is not agreed, else removed it, and did not see it so until now.
    """
    if on["left"] == on["right"]:
        return ("both", True) if on["left"] else ("neither", False)
    here: Side = "left" if on["left"] else "right"
    if sent:
        if (here == sent) == agreed:
            return "hold", agreed
        agreed = not agreed  # what we did there shows
    if rule.merge == "union":
        return ("leave", agreed) if rule.owner == other(here) else ("add", False)
    if rule.owner == here or (rule.owner is None and not agreed):
        return "add", False
    return ("remove", True) if agreed and rule.merge == "set" else ("leave", agreed)


def _count(rule: Rule, sets: Mapping[Side, Mapping[bytes, Any]], known: Members, vague: Collection[Side]) -> _Tally:
    """What becomes of whom. A *vague* side has members that nobody can name across: one that seems gone may be such."""
    tally = _Tally()
    for digest in {**sets["left"], **sets["right"], **dict.fromkeys(known.agreed)}:
        on: dict[Side, bool] = {side: digest in sets[side] for side in SIDES}
        sent = next((side for side in SIDES if digest in known.sent.get(side, _NOBODY)), None)
        here: Side = "left" if on["left"] else "right"
        what, agreed = fate(rule, on, digest in known.agreed, sent)
        if agreed:
            tally.agreed.add(digest)
        match what:
            case "add":
                tally.on[other(here)][digest] = sets[here][digest]
                tally.back |= {digest} & known.agreed if sent is None else _NOBODY
            case "remove" if other(here) not in vague:
                tally.off[here].add(digest)
            case "hold":
                assert sent
                tally.unshown[sent] += 1
    return tally


def _rewritten(rule: Rule, before: Any, tally: _Tally, to: Side, notch: Notch) -> list[Any]:
    """The whole set of a side: who stays keeps place and form, newcomers follow in an order that does not change."""
    stay = [m for m in before or () if isinstance(m, Foreign) or notch(m) not in tally.off[to]]
    return stay + sorted(tally.on[to].values(), key=lambda m: str(rule.shape(m)))


_UNSHOWN = (
    "{side} shows {count} of the members that we added or removed there otherwise: where it changes their spelling, say"
    " so in `normalise`; else bring them in order on either side"
)


def _why(rule: Rule, to: Side, tally: _Tally, *, first: bool) -> str:
    source, added, removed = other(to), len(tally.on[to]), len(tally.off[to])
    back = len(tally.on[to].keys() & tally.back)
    if first or rule.merge == "union":
        told = [f"{added} only on {source}"]
    else:
        counts = {f"added on {source}": added - back, f"put back on {to}": back, f"removed on {source}": removed}
        told = [f"{count} {what}" for what, count in counts.items() if count]
    about = ["first contact"] if first else []
    return ", ".join([*about, *told, *([f"owner: {rule.owner}"] if rule.owner else [])])
