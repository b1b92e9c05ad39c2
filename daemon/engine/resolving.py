"""This is where a person answers a conflict, for exactly the two values that stand there."""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from connectors.base import Driver
from daemon.audit.entries import Entry
from daemon.audit.log import AuditLog
from daemon.core.joining import joined
from daemon.core.merge import WHOLE, Ruling, Take
from daemon.core.model import Item
from daemon.core.rounds import RESTLESS
from daemon.core.rules import Side, Sync
from daemon.engine.finding import Clock, look_at
from daemon.engine.report import shown
from daemon.errors import NoSuch, TallystickError
from daemon.store.store import Store

_SET = (
    "`{}` is a set, of which no side is taken whole ({}): correct its members on either side, or let both stand with"
    " `tallystick held drop {} {}`"
)


def resolve(
    sync: Sync,
    drivers: Mapping[Side, Driver],
    store: Store,
    audit: AuditLog,
    key: str,
    *,
    take: Take,
    fields: Sequence[str],
    actor: str,
    reason: str,
    clock: Clock,
) -> dict[str, Any]:
    """Answer a conflict for the two values that stand there now. If either changes meanwhile, it is asked again."""
    decision = look_at(sync, drivers, store, audit, key, clock=clock, actor=actor)
    left, right = decision.left.item, decision.right.item
    if "unknown" in (decision.left.presence, decision.right.presence):
        raise TallystickError("a record of the pair cannot be read now; try again")
    if not decision.held:
        raise NoSuch(f"'{key}' of {sync.name} has no conflict now; see `tallystick why {sync.name} {quote(key)}`")
    if unknown := sorted(set(fields) - decision.held.keys()):
        raise NoSuch(f"field '{unknown[0]}' is not in conflict; in conflict: {', '.join(sorted(decision.held))}")
    asked = {name: why for name, why in decision.held.items() if (not fields or name in fields) and WHOLE not in why}
    if restless := next((name for name, why in asked.items() if RESTLESS in why), None):
        raise NoSuch(f"{restless}: {asked[restless]}; make them agree, then: tallystick held retry {sync.name} {key}")
    names = list(asked)
    sets = [name for name in names if sync.rule(name).merge]
    if sets and (fields or sets == names):
        raise TallystickError(_SET.format(sets[0], decision.held[sets[0]], sync.name, quote(key)))
    names = [name for name in names if name not in sets]
    assert left
    assert right
    if take == "merge":
        _refuse_what_cannot_be_joined(sync, names, left, right)
    rulings = {name: Ruling(take, left.digests[name], right.digests[name]) for name in names}
    body = {"action": "conflict.resolved", "actor": actor, "sync": sync.name, "pair": decision.pair.key}
    values = {
        name: {"left": shown(sync, name, left.values[name]), "right": shown(sync, name, right.values[name])}
        for name in names
    }
    audit.append([Entry(body | {"take": take, "fields": values, "reason": reason})])
    store.journal.rule(decision.pair.key, rulings, actor, clock())
    return {"sync": sync.name, "pair": decision.pair.key, "take": take, "fields": names}


def _refuse_what_cannot_be_joined(sync: Sync, names: Sequence[str], left: Item, right: Item) -> None:
    grouped = {name: group for group, members in sync.groups.items() for name in members}
    for name in names:
        if name in grouped:
            text = f"{name} changes hands with its group {grouped[name]}, whose two values cannot be joined"
            raise TallystickError(f"{text}: take left or right")
        try:
            joined(sync.rule(name), left.values[name], right.values[name])
        except ValueError as fault:
            raise TallystickError(f"{fault}; name the others with --field") from None
