"""This is where a change becomes a Write for a driver, and the item of a flight that remembers it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from connectors import paths
from connectors.base import Capabilities, Record, Write
from connectors.paths import ABSENT, Path
from daemon.core.model import Change, Decision
from daemon.core.rules import Side, Sync, other
from daemon.engine.context import Context
from daemon.engine.membership import aloft
from daemon.engine.relating import joining, moving, parted
from daemon.engine.report import HIDDEN, shown
from daemon.engine.settle import joint, origin
from daemon.engine.spending import draws
from daemon.engine.stepwise import given_at_birth, made


def make_write(context: Context, decision: Decision, change: Change) -> Write:
    """What the driver is asked. Raises ValueError where a value cannot be written there."""
    view = context.views[change.side]
    item = decision.look(change.side).item
    if change.op in ("delete", "deactivate"):
        assert item is not None
        return Write(change.op, item.record.id, before=item.record.fields, version=item.record.version)
    values, lists = parted(view, _values(context, change, item.record if item else None))
    if change.op == "create":
        key = identity(context, decision, change.side)
        given = context.sync.birth.get(change.side, {})
        constants = {name: given[name] for name in view.capabilities.relations & given.keys()}
        plain = {name: value for name, value in given.items() if name not in constants}
        fields, members = _merged(plain, paths.patch({}, values)), joining(lists, constants)
        marker = key if view.capabilities.marker else None
        if made(decision.pair) and not view.capabilities.steps:
            raise ValueError(_NO_STEPS.format(context.sync.end(change.side), context.sync.name))
        done = made(decision.pair)
        return Write("create", fields=fields, key=key, marker=marker, done=done, members=members)
    assert item is not None
    seen = item.record.fields
    fields = paths.patch(seen, values, whole=view.capabilities.nested == "replace")
    before, members = _same_shape(seen, fields), moving(lists, seen)
    return Write("update", item.record.id, fields, before, item.record.version, members=members)


_NO_STEPS = (
    "its record is half made by steps that the definition of {0.system}.{0.entity} does not have any more: put them"
    " back, or finish the record by hand and tell: tallystick pairs import {1} FILE.csv"
)


def identity(context: Context, decision: Decision, side: Side) -> str:
    """The same for every attempt at the same create: from sync, side and the record that is copied."""
    source = decision.look(other(side)).item
    assert source is not None
    return context.notcher.line(["create", side, source.record.id]).hex()


def unsafe_create(context: Context, change: Change) -> str:
    """Why a create could be neither repeated nor found again if its answer were lost; empty where it could."""
    capabilities, end = context.views[change.side].capabilities, context.sync.end(change.side)
    if capabilities.idempotent_create or capabilities.marker or context.sync.allow_duplicate_creates:
        return ""
    if _find(context, change):
        return ""
    missing = dict.fromkeys(name for names in probe_keys(context.sync, change.side, capabilities) for name in names)
    return _NAMELESS.format(end, " or ".join(missing)) if missing else _UNSAFE.format(end)


_UNSAFE = (
    "{0.system}.{0.entity} can neither repeat a create safely nor find it again: give the entity `find` on a match"
    " field, a `marker` or an idempotency key, or allow_duplicate_creates: true in the sync"
)
_NAMELESS = (
    "a record without {1} cannot be created safely, because {0.system}.{0.entity} could not find it again: give it one,"
    " give the entity a `marker` or an idempotency key, or allow_duplicate_creates: true in the sync"
)


def probe_keys(sync: Sync, side: Side, capabilities: Capabilities) -> Iterator[tuple[str, ...]]:
    """The alternatives of match_on by which *side* can look a record up, so that a lost create can be found again."""
    for alternative in sync.match_on:
        lenses = [sync.rule(name).lens(side) for name in alternative.on]
        if all(lens and lens.path and capabilities.finds(lens.path.text) for lens in lenses):
            yield alternative.on


def flight_item(context: Context, decision: Decision, change: Change, write: Write) -> dict[str, Any]:
    """What the store keeps, encrypted, while the write is open: enough to tell, to probe and to settle it."""
    view = context.views[change.side]
    source = decision.look(other(change.side)).item
    moves = change.moves if change.op in ("create", "update") else ()
    item = decision.look(change.side).item
    digests = view.sent_digests(
        write.id or "", ((move.field, move.value) for move in moves), item.record if item else None
    )
    return {
        "pair": decision.pair.key,
        "new": decision.new,
        "parent": decision.pair.parent,
        "side": change.side,
        "op": change.op,
        "id": write.id,
        "left": _id(decision, "left"),
        "right": _id(decision, "right"),
        "why": change.why,
        "line": decision.line,
        "ends": decision.reason,
        "fields": _told(context, change),
        "digests": digests,
        "members": aloft(decision, change, item),
        "source": origin(change, source),
        "joins": sorted(joint(decision)),
        "key": write.key,
        "marker": write.marker,
        "find": _find(context, change),
        "keys": [key or b"" for key in source.keys] if source else [],
        "draws": draws(context, decision, change),
        "at": context.clock(),
        **_birth_in_steps(view.capabilities, decision, write),
    }


def _birth_in_steps(capabilities: Capabilities, decision: Decision, write: Write) -> dict[str, Any]:
    """All that a create in steps is gone on with, should its answer be lost; nothing for any other write."""
    if write.op != "create" or not capabilities.steps:
        return {}
    return {"wish": {"fields": write.fields, "done": write.done}, **given_at_birth(decision.pair)}


def entry(
    context: Context, item: Mapping[str, Any], action: str, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The audit entry of one item: who, why, before and after, as the fields' `audit` allows."""
    end = context.sync.end(item["side"])
    return {
        "action": action,
        "actor": context.request.actor,
        "sync": context.sync.name,
        "system": end.system,
        "entity": end.entity,
        "record": item["id"],
        "left": item["left"],
        "right": item["right"],
        "op": item["op"],
        "run": context.run,
        "reason": item["why"] or context.request.reason,
        "fields": item["fields"],
        **(more or {}),
    }


def _told(context: Context, change: Change) -> dict[str, Any]:
    told = {}
    for move in change.moves:
        rule = context.sync.rule(move.field)
        if rule.secret:
            told[move.field] = {"before": None, "after": HIDDEN, "why": move.why}
        if rule.audit == "none":
            continue
        if rule.audit == "digest":
            before, after = (context.notcher.line([move.field, v]).hex() for v in (move.before, move.value))
        else:
            before, after = (shown(context.sync, move.field, v) for v in (move.before, move.value))
        told[move.field] = {"before": before, "after": after, "why": move.why}
    return told


def _find(context: Context, change: Change) -> dict[str, Any] | None:
    """What to look a created record up by: the first alternative of match_on that it has values for."""
    if change.op != "create":
        return None
    told = {move.field for move in change.moves}
    known = probe_keys(context.sync, change.side, context.views[change.side].capabilities)
    names = next((on for on in known if told.issuperset(on)), ())
    asked = replace(change, moves=tuple(move for move in change.moves if move.field in names))
    written = _values(context, asked, None)
    return {path.text: value for path, value in written.items()} or None


def _id(decision: Decision, side: Side) -> str | None:
    item, half = decision.look(side).item, decision.pair.half(side)
    return item.record.id if item else (half.id if half else None)


def _values(context: Context, change: Change, over: Record | None) -> dict[Path, Any]:
    view = context.views[change.side]
    values: dict[Path, Any] = {}
    for move in change.moves:
        rule = context.sync.rule(move.field)
        lens = rule.lens(change.side)
        assert lens
        assert lens.path
        try:
            values[lens.path] = view.written(rule, move.value, over)
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as fault:
            why = str(fault) if isinstance(fault, ValueError) else repr(fault)
            raise ValueError(f"{move.field}: {why}") from None
    return values


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        known = merged.get(name)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(known, value) if both else value  # type: ignore[arg-type]  # both are mappings here
    return merged


def _same_shape(seen: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The values last seen at the places that *fields* writes."""
    before: dict[str, Any] = {}
    for name, value in fields.items():
        known = seen.get(name, ABSENT) if isinstance(seen, Mapping) else ABSENT
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            before[name] = _same_shape(known, value)
        elif known is not ABSENT:
            before[name] = known
    return before
