"""This is where a pair's two looks become one decision: fields merged, the gone sorted by case. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from connectors.base import PARENT, Op
from connectors.paths import ABSENT
from daemon.core.members import keyed, newborn, notch_of
from daemon.core.merge import REMAPPED, WHOLE, Memory, Merged, Ruling, merge, moved
from daemon.core.model import UNANSWERED, Change, Decision, Item, Look, Move, Pair, Reason, Roster
from daemon.core.rules import SIDES, Case, Side, Sync, other
from daemon.core.types import empty

Line = Callable[[Any], bytes]
"""The keyed digest of facts, such as one line of a plan (Notcher.line)."""


def decide_pair(
    sync: Sync, pair: Pair, left: Look, right: Look, line: Line, *, rulings: Mapping[str, Ruling] | None = None,
    new: bool = False,
) -> Decision:  # fmt: skip
    """What a pair with two halves needs. Fields are merged only where both records are here."""
    base = Decision(pair, left, right, new=new)
    if ended := _ended(sync, base):
        return _signed(ended, line)
    match left.presence, right.presence:
        case "here", "here":
            assert left.item
            assert right.item
            halves = {side: pair.half(side) for side in SIDES}
            remapped, memory = _remapped(sync, pair), Memory(pair.key, pair.members, line)
            merged = merge(sync, halves, {"left": left.item, "right": right.item}, rulings, remapped, memory)
            return _signed(_merged(base, merged, remapped), line)
        case "gone", "gone":
            return replace(base, state="retired", reason="gone")
        case "outside", _:
            return _signed(_by_case(sync, base, "left", "scope", sync.cases.out_of_scope_left), line)
        case _, "outside":
            return _signed(_by_case(sync, base, "right", "scope", sync.cases.out_of_scope_right), line)
        case "gone", _:
            return _signed(_gone(sync, base, "left"), line)
        case _, "gone":
            return _signed(_gone(sync, base, "right"), line)
        case _:
            detail = {"why": "the record could not be read"}
            reason: Reason = "bereft" if pair.reason == "bereft" else "unreachable"
            return replace(base, state="held", reason=reason, detail=detail)


def decide_single(sync: Sync, pair: Pair, side: Side, item: Item, line: Line, *, wanted: bool, new: bool) -> Decision:
    """What a record without a partner needs. *wanted* is the answer of create.when."""
    look = Look("here", item)
    sides = {side: look, other(side): Look("gone")}
    base = Decision(pair, sides["left"], sides["right"], new=new)
    case = sync.cases.new_left if side == "left" else sync.cases.new_right
    if case == "ignore" or not wanted:
        return replace(base, state="single", reason="ignored")
    if PARENT in item.faults and PARENT in item.awaits:
        return replace(base, state="single", reason="parent")  # whoever is out of it takes the children along
    if case == "hold":
        return replace(base, state="held", reason="case", detail={"why": f"cases.new_{side}: hold"})
    if faults := {name: f"{side}: {fault}" for name, fault in item.faults.items()}:
        if not _only_waits(sync, item):
            reason: Reason = "reference" if faults.keys() <= item.awaits.keys() else "mapping"
            return replace(base, state="held", reason=reason, detail={"fields": faults})
        base = replace(base, held=faults, state="held", reason="reference", detail={"fields": faults})
    moves = tuple(_birth_moves(sync, side, item))
    why = f"new on {side}, cases.new_{side}: create"
    base = replace(base, members=_born_sets(sync, pair, other(side), item, line))
    change = Change(other(side), "create", moves, why)
    return _signed(replace(base, changes=(change,)), line, {PARENT: sync.owner_of(side, item.record.fields)})


def _only_waits(sync: Sync, item: Item) -> bool:
    """Whether a record may be born without the fields that refer to nobody yet."""
    return all(name in item.awaits and sync.rule(name).hold == "field" for name in item.faults)


def _ended(sync: Sync, base: Decision) -> Decision | None:
    """What becomes of a pair whose time is over; None while it is not."""
    if sync.ending is None:
        return None
    side = sync.ending.when.side
    item, partner = base.look(side).item, base.look(other(side))
    if item is None or base.look(side).presence != "here" or partner.presence not in ("here", "gone"):
        return None
    if fault := item.faults.get(UNANSWERED):
        return replace(base, state="held", reason="mapping", detail={"fields": {UNANSWERED: f"{side}: {fault}"}})
    if not item.ended:
        return None
    return _by_case(sync, base, side, "ended", sync.ending.do if partner.presence == "here" else "retire")


def still_remapped(sync: Sync, pair: Pair) -> dict[str, Any]:
    """What a pair that is not settled yet has to remember of a changed mapping, among its details.

    Else the next run would take the new place's value for an edit.
    """
    parts = _remapped(sync, pair) if pair.left and pair.right else ()
    return {"remapped": sorted(parts)} if parts else {}


def _remapped(sync: Sync, pair: Pair) -> frozenset[str]:
    """The parts of the mapping that changed since *pair* was settled, or since what it holds was agreed."""
    return (sync.remapped if pair.rev != sync.mark else frozenset()) | set(pair.detail.get("remapped", ()))


def _merged(base: Decision, merged: Merged, remapped: frozenset[str]) -> Decision:
    base = replace(base, members=merged.members)
    moves: dict[Side, tuple[Move, ...]] = {"left": merged.to_left, "right": merged.to_right}
    changes = tuple(Change(side, "update", moves[side]) for side in ("right", "left") if moves[side])
    if merged.held:
        causes = [why for why in merged.held.values() if WHOLE not in why]
        clashes = [why for why in causes if "changed on both" in why or "first contact" in why or REMAPPED in why]
        waits: Reason = "reference" if not clashes and _refers_in_vain(base) else "mapping"
        reason: Reason = "conflict" if len(clashes) == len(causes) else waits
        detail: dict[str, Any] = {"fields": dict(merged.held)}
        if stays := sorted(part for part in remapped if part.partition(".")[0] in merged.held):
            detail["remapped"] = stays  # or the next run would take the new place's value for an edit
        return replace(base, changes=changes, held=merged.held, state="held", reason=reason, detail=detail)
    return replace(base, changes=changes)


def _refers_in_vain(base: Decision) -> bool:
    """Whether all that cannot be read is a reference to somebody who has no partner yet."""
    items = [item for item in (base.left.item, base.right.item) if item]
    faulty = [(item, name) for item in items for name in item.faults]
    return bool(faulty) and all(name in item.awaits for item, name in faulty)


def _gone(sync: Sync, base: Decision, side: Side) -> Decision:
    """*side* lost its record. A child may have lost it with its parent, which is back: then a person decides."""
    decision = _by_case(sync, base, side, "gone", _gone_case(sync, base, side))
    if base.pair.reason != "bereft" or decision.kind not in ("delete", "deactivate", "hold"):
        return decision
    why = f"gone on {side}: taken out by somebody, or gone with its parent, which is there again"
    return replace(base, state="held", reason="bereft", detail={"why": why})


def _gone_case(sync: Sync, base: Decision, gone: Side) -> Case:
    survivor = base.look(other(gone)).item
    half = base.pair.half(other(gone))
    if survivor and any(moved(half, rule.name, survivor) for rule in sync.rules):
        return sync.cases.gone_and_changed
    return sync.cases.gone_left if gone == "left" else sync.cases.gone_right


_LEFT_BY: Mapping[str, str] = {"gone": "gone", "scope": "out of scope", "ended": "ended"}


def _by_case(sync: Sync, base: Decision, side: Side, reason: Reason, case: Case) -> Decision:
    """*side* lost its record (or its place in the scope); the other one still stands."""
    why = f"{_LEFT_BY[reason]} on {side}"
    survivor = base.look(other(side))
    if case in ("delete", "deactivate") and survivor.presence == "here":
        assert survivor.item
        op: Op = "delete" if case == "delete" else "deactivate"
        moves = tuple(_last_words(sync, survivor.item)) if case == "delete" else ()
        change = Change(other(side), op, moves, f"{why}: {case}")
        return replace(base, changes=(change,), state="retired", reason=reason)
    if case in ("retire", "ignore"):
        return replace(base, state="retired", reason=reason)
    return replace(base, state="held", reason="case", detail={"why": f"{why}: {case}"})


def _birth_moves(sync: Sync, side: Side, item: Item) -> list[Move]:
    """Every value that a new record gets. Emptiness is what a new record has anyway."""
    why = f"new on {side}"
    shown = ((rule, item.values[rule.name]) for rule in sync.writable(other(side)))
    values = ((rule.name, newborn(rule, value) if rule.merge else value) for rule, value in shown)
    return [Move(name, value, None, why) for name, value in values if not empty(value)]


def _born_sets(sync: Sync, pair: Pair, to: Side, item: Item, line: Line) -> dict[str, Roster]:
    """The sets that a new record is given, to be remembered once they show."""
    sets = [rule for rule in sync.writable(to) if rule.merge and item.values[rule.name] is not ABSENT]
    members = {r.name: frozenset(keyed(item.values[r.name], notch_of(line, pair.key, r))) for r in sets}
    return {name: Roster(frozenset(), {to: digests}) for name, digests in members.items()}


def _last_words(sync: Sync, item: Item) -> list[Move]:
    """What a deleted record said, for the audit log and for undo."""
    shown = {rule.name: item.values[rule.name] for rule in sync.rules}
    return [Move(name, None, value, "deleted") for name, value in shown.items() if not empty(value)]


def _signed(decision: Decision, line: Line, instead: Mapping[str, Any] | None = None) -> Decision:
    """With the digest by which an approval knows it again; *instead* of a value that is not there before it is done."""
    if not decision.changes and not decision.new:
        return decision
    known = instead or {}
    facts = [
        [c.side, c.op, [[m.field, m.before, known.get(m.field, m.value)] for m in c.moves]] for c in decision.changes
    ]
    ids = [look.item.record.id if look.item else None for look in (decision.left, decision.right)]
    return replace(decision, line=line([ids, facts]))
