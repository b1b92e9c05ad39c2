"""This is where one pair is explained: what is known, what both records show, and what the next run would do."""

from collections.abc import Mapping
from typing import Any

from connectors.base import Driver
from connectors.paths import ABSENT
from daemon.audit.log import AuditLog
from daemon.core.merge import moved
from daemon.core.model import Decision, Item, Pair
from daemon.core.rules import SIDES, Rule, Side, Sync
from daemon.engine.finding import Clock, find, look_at
from daemon.engine.report import line, shown
from daemon.engine.waiting import told as waiting_told
from daemon.store.store import Store


def explain(
    sync: Sync, drivers: Mapping[Side, Driver], store: Store, audit: AuditLog, key: str, *, clock: Clock, actor: str
) -> dict[str, Any]:
    """One pair told: its state, each field's two values and rule, and what the next run would do."""
    pair = find(sync, store, key)
    told = waiting_told(sync.name, pair) | {"state": pair.state, "born": pair.born}
    if not (pair.left and pair.right):
        return told | {"fields": {}, "next": _next_of_single(pair)}
    decision = look_at(sync, drivers, store, audit, key, clock=clock, actor=actor)
    left, right = decision.left, decision.right
    told |= {"presence": {"left": left.presence, "right": right.presence}, "next": line(sync, decision)}
    if not (left.item and right.item):
        return told | {"fields": {}}
    items: dict[Side, Item] = {"left": left.item, "right": right.item}
    return told | {"fields": {rule.name: _field(sync, rule, pair, items, decision) for rule in sync.rules}}


def _next_of_single(pair: Pair) -> dict[str, Any]:
    return {"kind": pair.state, "reason": pair.reason, "detail": dict(pair.detail)}


def _field(sync: Sync, rule: Rule, pair: Pair, items: Mapping[Side, Item], decision: Decision) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for side in SIDES:
        value = items[side].values[rule.name]
        half = pair.half(side)
        told[side] = shown(sync, rule.name, value)
        if value is ABSENT:
            told[side] = "(unreadable)" if rule.name in items[side].faults else "(absent)"
        told[f"{side}_moved"] = moved(half, rule.name, items[side])
        told[f"{side}_path"] = lens.text if (lens := rule.lens(side)) else None
    told["same"] = rule.same(items["left"].values[rule.name], items["right"].values[rule.name])
    told["rule"] = f"owner: {rule.owner}" if rule.owner else f"wins: {rule.wins}"
    moves = [(change.side, m) for change in decision.changes for m in change.moves if m.field == rule.name]
    told["why"] = decision.held.get(rule.name) or next((f"{side} will be written: {m.why}" for side, m in moves), "")
    return told
