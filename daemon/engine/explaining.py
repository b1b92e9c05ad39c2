"""This is where one pair is explained: what is known, what both records show, and what the next run would do."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from connectors.base import ConnectorError, Driver
from connectors.paths import ABSENT
from daemon.audit.log import AuditLog
from daemon.core.members import same
from daemon.core.merge import moved
from daemon.core.model import Decision, Item, Pair
from daemon.core.rules import SIDES, Rule, Side, Sync
from daemon.engine.context import Context
from daemon.engine.finding import Clock, ask, find, look_alone, look_at
from daemon.engine.pairing import told_pair
from daemon.engine.report import line, plain, shown
from daemon.engine.waiting import remedy
from daemon.engine.waiting import told as waiting_told
from daemon.errors import TallystickError
from daemon.store.store import Store

ENDED: Final = {
    "gone": "its record is gone; the pair has ended and keeps its ids, so that what is left is not new tomorrow",
    "scope": "it left the scope; the pair has ended, and goes on when it comes back",
    "merged": "the system joined its record with another one; the pair has ended",
    "ignored": "it has no partner and shall not get one: `cases` or `create.when` says so",
    "unlinked": "a person took it out of its pair; it is matched again only with somebody else, or by pairs import",
    "parent": "its parents are no pair now; it takes part again, and is looked at, once they are one",
    "bereft": "its parents lost a record, perhaps it did so with them; it is looked at once they are a pair again",
    "dropped": "a person gave it up; it is looked at when it changes, or when a newcomer carries its match key",
}
"""What became of a pair for which the next run does nothing."""


def explain(
    sync: Sync, drivers: Mapping[Side, Driver], store: Store, audit: AuditLog, key: str, *, clock: Clock, actor: str
) -> dict[str, Any]:
    """One pair told: its state, each field's two values and rule, and what the next run would do."""
    pair = find(sync, store, key)
    told = waiting_told(sync.name, pair) | {"state": pair.state, "born": pair.born}
    if sync.collections:
        told["children"] = _children(sync, store, pair)
    if not (pair.left and pair.right):
        context = ask(sync, drivers, store, audit, clock=clock, actor=actor)
        return told | {"next": _next(sync, pair, _kept(pair)), **_lonely(context, pair)}
    decision = look_at(sync, drivers, store, audit, key, clock=clock, actor=actor)
    left, right = decision.left, decision.right
    if _succession(pair) and "gone" in (left.presence, right.presence):
        coming = _next(sync, pair, _kept(pair)) | {"what": _succession(pair)}
    else:
        coming = _next(sync, replace(pair, state=decision.state, reason=decision.reason), line(sync, decision))
    told |= {"presence": {"left": left.presence, "right": right.presence}, "next": coming}
    if not (left.item and right.item):
        return told | {"fields": {}}
    items: dict[Side, Item] = {"left": left.item, "right": right.item}
    return told | {"fields": {rule.name: _field(sync, rule, pair, items, decision) for rule in sync.rules}}


def _children(sync: Sync, store: Store, pair: Pair) -> list[dict[str, Any]]:
    """The children of a pair, in a line each."""
    rows = [(child.name, store.sync(child.name).id) for child in sync.collections]
    found = [(name, one) for name, row in rows for one in store.pairs.get(store.families.of(row, pair.key)).values()]
    return [told_pair(name, one) for name, one in found]


def _succession(pair: Pair) -> str:
    """What becomes of a pair by a newcomer, whom a look at its two records does not show."""
    if "chosen" in pair.detail:
        return f"{pair.detail['chosen']} goes on for its record that is gone"
    return str(pair.detail["why"]) if pair.detail.keys() & {"heir", "heirs"} else ""


def _kept(pair: Pair) -> dict[str, Any]:
    return {"kind": pair.state, "reason": pair.reason, "detail": plain(pair.detail)}


def _next(sync: Sync, pair: Pair, coming: Mapping[str, Any]) -> dict[str, Any]:
    """What the next run makes of *pair*, and what a person can do about it."""
    return dict(coming) | {"remedy": remedy(sync.name, pair), "what": ENDED.get(pair.reason, "")}


def _lonely(context: Context, pair: Pair) -> dict[str, Any]:
    """What a record without a partner shows now."""
    side: Side = "left" if pair.left else "right"
    try:
        item = look_alone(context, pair)
    except (ConnectorError, TallystickError) as fault:
        return {"presence": {side: "unknown"}, "fields": {}, "unread": str(fault)}
    sync = context.sync
    lenses = [(rule, lens) for rule in sync.rules if (lens := rule.lens(side))]
    told = {rule.name: {side: _value(sync, rule, item), f"{side}_path": lens.text} for rule, lens in lenses}
    return {"presence": {side: "here"}, "fields": told}


def _value(sync: Sync, rule: Rule, item: Item) -> Any:
    value = item.values[rule.name]
    if value is ABSENT:
        return "(unreadable)" if rule.name in item.faults else "(absent)"
    return shown(sync, rule.name, value)


def _field(sync: Sync, rule: Rule, pair: Pair, items: Mapping[Side, Item], decision: Decision) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for side in SIDES:
        half = pair.half(side)
        told[side] = _value(sync, rule, items[side])
        told[f"{side}_moved"] = moved(half, rule.name, items[side])
        told[f"{side}_path"] = lens.text if (lens := rule.lens(side)) else None
    values = [items[side].values[rule.name] for side in SIDES]
    told["same"] = same(rule, *values) if rule.merge else rule.same(*values)
    decider = f"owner: {rule.owner}" if rule.owner else f"wins: {rule.wins}"
    told["rule"] = f"merge: {rule.merge}" + (f", {decider}" if rule.owner else "") if rule.merge else decider
    moves = [(change.side, m) for change in decision.changes for m in change.moves if m.field == rule.name]
    told["why"] = decision.held.get(rule.name) or "; ".join(f"{side} will be written: {m.why}" for side, m in moves)
    return told
