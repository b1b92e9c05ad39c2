"""This is where three ways meet: what was agreed, what left shows and what right shows, field by field. Pure.

    left    right             result
    same    same              nothing
    moved   same              right := left
    same    moved             left := right
    moved   moved, equal      only remember
    moved   moved, different  `wins` decides, or the field is held
At first contact nothing was agreed: `owner`, then `first`, then an empty side is filled, then `wins`; else held.
`fill` knows only one movement: into emptiness.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from connectors.paths import ABSENT
from daemon.core.clash import weigh
from daemon.core.joining import joined
from daemon.core.members import Notch, notch_of, same
from daemon.core.model import Half, Item, Members, Move, Roster
from daemon.core.rules import SIDES, Rule, Scale, Side, Sync, Winner, other
from daemon.core.sets import Met, merge_sets
from daemon.core.types import empty

Take: TypeAlias = Literal["left", "right", "merge"]
"""What a person says to a conflict: whose value stays, or that both become one."""
Outcome: TypeAlias = Literal["nothing", "remember", "hold"] | Take
"""left and right name the side whose value is taken."""
Finding: TypeAlias = Outcome | Scale
"""What the rule alone can say; newest, min and max are then told by the records."""


WHOLE = "hold: record"
"""Stands in the reason of a field that could flow and waits with its record."""


REMAPPED = "the mapping changed, cases.mapping_changed"
"""Stands in the reason of what is decided or held because of it."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How one field (or one group) stands between its two sides."""

    left_moved: bool
    right_moved: bool
    equal: bool
    known: bool
    """Both sides once agreed on it."""
    left_empty: bool = False
    right_empty: bool = False
    left_absent: bool = False
    right_absent: bool = False
    remapped: Literal["", "hold", "left", "right"] = ""
    """The mapping changed since both sides agreed, and what the sync's case then says."""
    waiting: bool = False
    """A side still shows the old value of something that we wrote: too early to tell an edit from a lag."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A person's answer to one conflict; it holds for the two values that were seen."""

    take: Take
    left: bytes
    right: bytes


@dataclass(frozen=True, slots=True)
class Merged:
    """What every field of a pair needs."""

    to_left: tuple[Move, ...]
    to_right: tuple[Move, ...]
    held: Mapping[str, str]
    settled: frozenset[str]
    """Fields whose present inputs become the agreed ones once the moves are done."""
    members: Mapping[str, Roster] = field(default_factory=dict)
    """Per set field, what becomes of the memory of its members."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of the sets of one pair, and how its members are digested."""

    pair: int
    members: Mapping[str, Members]
    line: Callable[[Any], bytes]


def merge(
    sync: Sync,
    halves: Mapping[Side, Half | None],
    items: Mapping[Side, Item],
    rulings: Mapping[str, Ruling] | None = None,
    remapped: Collection[str] = (),
    memory: Memory | None = None,
) -> Merged:
    """Decide every field of one pair that is present on both sides. Sets need the *memory* of their members.

    *remapped* are parts of its mapping that changed since: a field, or where it lies on a side (`name.left`).
    """
    moves: dict[Side, list[Move]] = {"left": [], "right": []}
    held: dict[str, str] = {}
    settled: set[str] = set()
    rosters: dict[str, Roster] = {}
    for rules in _together(sync):
        if fault := _fault(rules, items):
            held |= {rule.name: fault for rule in rules}
            continue
        if not all(_visible(rule, halves, items) for rule in rules):
            continue  # absent: the record does not say, and nothing was ever agreed
        motion = _motion(rules, halves, items, remapped, sync.cases.mapping_changed)
        if rules[0].merge:
            assert memory
            known = None if _moved_house(rules[0], remapped) else memory.members.get(rules[0].name)
            notch = notch_of(memory.line, memory.pair, rules[0])
            _meet(rules[0], _members(rules[0], motion, items, known, notch), (moves, held, settled, rosters))
            continue
        outcome, why = _outcome(rules, halves, items, motion, _ruling(rules, items, rulings or {}))
        if outcome == "hold":
            held |= {rule.name: why for rule in rules}
            continue
        settled |= {rule.name for rule in rules}
        for rule in rules:
            _move(rule, outcome, items, why, moves)
    if stopper := next((name for name in held if sync.rule(name).hold == "record"), None):
        flowing = {move.field for side in moves for move in moves[side]}
        held |= dict.fromkeys(flowing, f"waits for {stopper}, {WHOLE}")  # or its edit would count as settled
        kept = {name: roster for name, roster in rosters.items() if name not in held}
        return Merged((), (), held, frozenset(settled - flowing), kept)
    return Merged(tuple(moves["left"]), tuple(moves["right"]), held, frozenset(settled), rosters)


_Found: TypeAlias = tuple[dict[Side, list[Move]], dict[str, str], set[str], dict[str, Roster]]


def _meet(rule: Rule, met: Met | str, found: _Found) -> None:
    """Add what was decided of a set to what was *found*: moves, held, settled, rosters."""
    moves, held, settled, rosters = found
    if isinstance(met, str):
        held[rule.name] = met
        return
    settled.add(rule.name)
    if met.roster:
        rosters[rule.name] = met.roster
    for side, move in met.moves.items():
        moves[side].append(move)


def _moved_house(rule: Rule, remapped: Collection[str]) -> bool:
    """Whether a set lies elsewhere by now: what is not in that list was not removed from it."""
    return any(f"{rule.name}.{side}" in remapped for side in SIDES)


def _members(rule: Rule, motion: Motion, items: Mapping[Side, Item], memory: Members | None, notch: Notch) -> Met | str:
    known = memory if motion.known else None
    edited = motion.left_moved or motion.right_moved
    if motion.left_absent or motion.right_absent:
        return _UNSEEN.format("left" if motion.left_absent else "right") if edited else Met({}, None)
    if motion.waiting and not same(rule, *(items[side].values[rule.name] for side in SIDES)):
        return "what was written does not show yet"
    met = merge_sets(rule, items, known, notch)
    if edited or motion.remapped or known is None or isinstance(met, str):
        return met
    assert met.roster
    return Met({}, Roster(met.roster.agreed))  # a difference that a person lets stand, until an edit


_UNSEEN = (
    "{} does not show this set, so nobody knows its members; where it leaves out what is empty, say `empty: omitted`"
    " for its entity"
)


def decide(rule: Rule, motion: Motion) -> tuple[Finding, str]:
    """The one rule. The text says why, for the plan and the audit log."""
    idle = motion.known and not motion.left_moved and not motion.right_moved
    if motion.equal:
        return ("nothing", "") if idle else ("remember", "both sides say the same")
    if motion.waiting:
        return "hold", "what was written does not show yet"
    if motion.left_empty and motion.right_empty and (motion.remapped or not motion.known):
        return "remember", "both sides are empty, each in its own way"
    if rule.once and motion.known:
        return "remember", "once: written at birth only"
    if rule.fill:
        return ("nothing", "") if idle else _filled(rule, motion)
    if idle and motion.remapped:
        return _remapped(rule, motion.remapped)
    if rule.owner:
        return ("nothing", "") if idle else (rule.owner, _owned(rule.owner, motion))
    if not motion.known:
        return _first_contact(rule, motion)
    match motion.left_moved, motion.right_moved:
        case False, False:
            return "nothing", ""  # a system that rewrites what it is given
        case True, False:
            return "left", "changed on left"
        case False, True:
            return "right", "changed on right"
        case _:
            return _clash(rule.wins, f"changed on both sides, wins: {rule.wins}")


def moved(half: Half | None, name: str, item: Item) -> bool:
    """Whether the field differs from what was agreed and from what we sent. Absence is never a movement."""
    if half is None or item.values.get(name, ABSENT) is ABSENT:
        return False
    now = item.digests[name]
    return now != half.agreed.get(name) and now != half.sent.get(name)


def _remapped(rule: Rule, case: Literal["hold", "left", "right"]) -> tuple[Finding, str]:
    """Both sides mean different things since the mapping changed. It is no edit, so that none of them is newer."""
    return (rule.owner, f"the mapping changed, owner: {rule.owner}") if rule.owner else (case, f"{REMAPPED}: {case}")


def _filled(rule: Rule, motion: Motion) -> tuple[Finding, str]:
    """The side that fills the other, if one is empty: absence is not emptiness, and the owner is never written."""
    source: Side = "right" if motion.left_empty else "left"
    blocked = motion.left_absent or motion.right_absent or rule.owner == other(source)
    if motion.left_empty == motion.right_empty or blocked:
        return "remember", "fill: written into emptiness only"
    return source, f"{other(source)} is empty, fill"


def _first_contact(rule: Rule, motion: Motion) -> tuple[Finding, str]:
    if rule.first in (None, "min", "max") and motion.left_empty != motion.right_empty:
        return ("right" if motion.left_empty else "left"), "first contact, an empty side is filled"
    if rule.first:
        return _clash(rule.first, f"first contact, first: {rule.first}")
    return _clash(rule.wins, f"first contact, wins: {rule.wins}")


def _clash(wins: Winner, why: str) -> tuple[Finding, str]:
    return ("hold", why) if wins == "ask" else (wins, why)


def _owned(owner: Side, motion: Motion) -> str:
    if not motion.known:
        return f"first contact, owner: {owner}"
    foreign = motion.right_moved if owner == "left" else motion.left_moved
    ours = motion.left_moved if owner == "left" else motion.right_moved
    if foreign and not ours:
        return f"{other(owner)} was edited and is put back, owner: {owner}"
    return f"changed on {owner}, owner: {owner}" if ours else f"owner: {owner}"


def _together(sync: Sync) -> list[tuple[Rule, ...]]:
    """Every rule once, the members of a group side by side."""
    grouped = {name: group for group, names in sync.groups.items() for name in names}
    bundles: dict[str, list[Rule]] = {}
    for rule in sync.rules:
        bundles.setdefault(f"group {grouped[rule.name]}" if rule.name in grouped else rule.name, []).append(rule)
    return [tuple(bundle) for bundle in bundles.values()]


def _motion(
    rules: Sequence[Rule],
    halves: Mapping[Side, Half | None],
    items: Mapping[Side, Item],
    remapped: Collection[str],
    case: Literal["hold", "left", "right"],
) -> Motion:
    left, right = items["left"], items["right"]

    def edited(side: Side) -> bool:
        """Whether one of them moved there. What now lies elsewhere shows another value without an edit."""
        staying = (rule for rule in rules if not remapped or f"{rule.name}.{side}" not in remapped)
        return any(moved(halves[side], rule.name, items[side]) for rule in staying)

    return Motion(
        left_moved=edited("left"),
        right_moved=edited("right"),
        remapped=case if remapped and _touched(rules, remapped) else "",
        equal=all(rule.same(left.values[rule.name], right.values[rule.name]) for rule in rules),
        known=all(_known(half, rule.name) for rule in rules for half in halves.values()),
        left_empty=all(empty(left.values[rule.name]) for rule in rules),
        right_empty=all(empty(right.values[rule.name]) for rule in rules),
        left_absent=any(left.values[rule.name] is ABSENT for rule in rules),
        right_absent=any(right.values[rule.name] is ABSENT for rule in rules),
        waiting=any(_waiting(halves[side], rule.name, items[side]) for rule in rules for side in items),
    )


def _touched(rules: Sequence[Rule], remapped: Collection[str]) -> bool:
    """Whether the mapping of one of them changed, on either side or as a whole."""
    names = {part.partition(".")[0] for part in remapped}
    return any(rule.name in names for rule in rules)


def _outcome(
    rules: Sequence[Rule],
    halves: Mapping[Side, Half | None],
    items: Mapping[Side, Item],
    motion: Motion,
    ruling: Ruling | None,
) -> tuple[Outcome, str]:
    finding, why = decide(rules[0], motion)
    outcome: Outcome
    match finding:
        case "newest" | "min" | "max":
            outcome, why = weigh(rules, finding, halves, items, why)
        case _:
            outcome = finding
    if outcome == "hold" and ruling:
        return ruling.take, f"a person took {ruling.take}"
    return outcome, why


def _ruling(rules: Sequence[Rule], items: Mapping[Side, Item], rulings: Mapping[str, Ruling]) -> Ruling | None:
    """The answer to a conflict, if every member still shows the two values that the person saw."""
    given = [rulings.get(rule.name) for rule in rules]
    for rule, ruling in zip(rules, given, strict=True):
        seen = (items["left"].digests.get(rule.name), items["right"].digests.get(rule.name))
        if ruling is None or seen != (ruling.left, ruling.right):
            return None
    return given[0]


def _known(half: Half | None, name: str) -> bool:
    return half is not None and (name in half.agreed or name in half.sent)


def _waiting(half: Half | None, name: str, item: Item) -> bool:
    if half is None or name not in half.sent:
        return False
    now = item.digests.get(name)
    return now != half.sent[name] and now == half.agreed.get(name)


def _visible(rule: Rule, halves: Mapping[Side, Half | None], items: Mapping[Side, Item]) -> bool:
    return all(items[side].values[rule.name] is not ABSENT or _known(halves[side], rule.name) for side in items)


def _fault(rules: Sequence[Rule], items: Mapping[Side, Item]) -> str | None:
    for rule in rules:
        for side, item in items.items():
            if fault := item.faults.get(rule.name):
                return f"{side}: {fault}"
    return None


def _move(rule: Rule, outcome: Outcome, items: Mapping[Side, Item], why: str, moves: Mapping[Side, list[Move]]) -> None:
    shown: dict[Side, Any] = {side: items[side].values[rule.name] for side in SIDES}
    match outcome:
        case "left" | "right":
            wanted = {other(outcome): shown[outcome]}
        case "merge":
            wanted = dict.fromkeys(SIDES, joined(rule, shown["left"], shown["right"]))
        case _:
            return
    for side, value in wanted.items():
        if value is not ABSENT and not rule.same(value, shown[side]):
            moves[side].append(Move(rule.name, value, shown[side], why))
        # absent never overwrites; an equal member of a moving group needs no write
