"""This is where a plan says what it can promise on each side, and about how many requests the run will cost.

The words are those of Capabilities, held against what the sync does: nothing is claimed that a driver does not promise.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any, Literal, TypeAlias

from connectors.base import Capabilities, Op
from daemon.core.births import born_on
from daemon.core.model import Decision
from daemon.core.rules import SIDES, Side, Sync
from daemon.core.swaps import in_order
from daemon.engine.context import Context
from daemon.engine.gather import Sight
from daemon.engine.wires import probe_keys

Updates: TypeAlias = Literal["strict", "compare", "none", "never"]
Creates: TypeAlias = Literal["idempotent", "marker", "match_key", "at_risk", "refused", "never"]


def guarantees(context: Context) -> list[dict[str, Any]]:
    """What holds on each side, and what does not: {side, system, entity, updates, creates, found_by, steps, deletes,
    read_back}."""
    return [_guarantee(context, side) for side in SIDES]


def requests(context: Context, sights: Mapping[Side, Sight], passed: Iterable[Decision]) -> dict[str, dict[str, int]]:
    """Per system an estimate: {read, get, write, probe, total}. Reading is counted as this plan did it.

    What nobody knows before is left out: answers that are lost, records edited meanwhile, names that are taken.
    """
    writes = _writes(context, passed)
    found: dict[str, Counter[str]] = {}
    for side in SIDES:
        capabilities, kinds = context.views[side].capabilities, writes[side]
        cost = found.setdefault(context.sync.end(side).system, Counter())
        cost["read"] += sights[side].pages if side in sights else 0
        cost["get"] += context.gets[side]
        cost["write"] += sum(_requests(capabilities, op, count) for op, count in kinds.items())
        cost["probe"] += _probes(context, side, kinds["create"])
    return {name: _summed(cost) for name, cost in found.items()}


def making_room(sync: Sync, passed: Iterable[Decision], context: Context) -> dict[int, dict[str, list[str]]]:
    """By pair, the fields that are given up for a moment on each side, because unique values go round in a circle."""
    rooms = (d for d in in_order(sync, passed, context.notcher.line) or () if any(c.parks for c in d.changes))
    return {d.pair.key: {c.side: [move.field for move in c.moves] for c in d.changes} for d in rooms}


def _guarantee(context: Context, side: Side) -> dict[str, Any]:
    sync, capabilities = context.sync, context.views[side].capabilities
    end, keys = sync.end(side), next(probe_keys(sync, side, capabilities), ())
    creates = _creates(sync, side, capabilities)
    return {
        "side": side,
        "system": end.system,
        "entity": end.entity,
        "updates": _updates(sync, side, capabilities),
        "creates": creates,
        "found_by": list(keys) if creates == "match_key" else [],
        "steps": list(capabilities.steps),
        "deletes": "tombstones" if capabilities.tombstones else "full_comparison",
        "read_back": "proven" if capabilities.read_back and not capabilities.consistency_window else "first_sight",
    }


def _updates(sync: Sync, side: Side, capabilities: Capabilities) -> Updates:
    """Whether an edit between our look and our write is noticed."""
    if all(rule.owner == side or rule.once for rule in sync.writable(side)):
        return "never"
    if capabilities.compares:
        return "compare"
    return "strict" if capabilities.precondition else "none"


def _creates(sync: Sync, side: Side, capabilities: Capabilities) -> Creates:
    """What becomes of a create whose answer is lost."""
    case = sync.cases.new_right if side == "left" else sync.cases.new_left
    if case != "create":
        return "never"
    if capabilities.idempotent_create:
        return "idempotent"
    if capabilities.marker:
        return "marker"
    if any(probe_keys(sync, side, capabilities)):
        return "match_key"
    return "at_risk" if sync.allow_duplicate_creates else "refused"


def _writes(context: Context, passed: Iterable[Decision]) -> Mapping[Side, Counter[Op]]:
    """How many writes of each kind are made on each side, those included that make room."""
    found: dict[Side, Counter[Op]] = {side: Counter() for side in SIDES}
    ordered = in_order(context.sync, passed, context.notcher.line)
    for decision in passed if ordered is None else ordered:
        for change in decision.changes:
            found[change.side][change.op] += 1
    return found


def _requests(capabilities: Capabilities, op: Op, count: int) -> int:
    each = capabilities.requests.get(op)
    return count * each if each else ceil(count / capabilities.batch)


def _probes(context: Context, side: Side, creates: int) -> int:
    """Open writes that are looked for, and names that are asked for before they are given."""
    flights = context.store.flights.open(context.row.id)
    open_here = sum(1 for flight in flights for item in flight.items if item["side"] == side)
    names = sum(len(birth.places(side)) for birth in born_on(context.sync, side))
    return open_here + creates * names


def _summed(cost: Counter[str]) -> dict[str, int]:
    told = {kind: cost[kind] for kind in ("read", "get", "write", "probe")}
    return {**told, "total": sum(told.values())}
