"""This is where a run is stopped before it touches anything: another system answers, or its canary is gone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from connectors.base import Failed, Record, Temporary
from connectors.paths import parse, read
from daemon.core.guards import Trip
from daemon.core.revisions import changed_parts, told_mapping
from daemon.core.rules import SIDES, Canary, Side, Sync
from daemon.engine.context import Context
from daemon.engine.cursors import went_back
from daemon.engine.gather import Sight
from daemon.store.store import SyncRow


class Name(NamedTuple):
    """What a system says of itself: whose records these are, and which life of them. None: it does not say."""

    tenant: str | None
    epoch: str | None


NAMELESS = Name(None, None)


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why nothing may be written, and how a person says that it is right."""

    trip: Trip
    line: bytes = b""
    """By which it is approved; empty where only a repair helps."""
    side: Side = "left"
    name: Name = NAMELESS
    """For a stranger: what it says of itself."""


def alarms(context: Context) -> list[Alarm]:
    """What forbids this run, asked before anything is read. Names that are told for the first time are remembered.

    Raises ConnectorError where a system that has told its name before cannot be asked now.
    """
    names = {side: name for side in SIDES if (name := _name(context, side))}
    found = [*_strangers(context, names), *_lost_canaries(context)]
    context.row = introduced(context.row, names)
    return found


def regressions(context: Context, sights: Mapping[Side, Sight]) -> list[Alarm]:
    """Systems that show less than they have shown before: most likely they were restored from an older copy.

    Where only the newest record was deleted, nothing else shows another value: a later edit has a later cursor.
    """
    return [
        Alarm(
            Trip(
                "cursor",
                0,
                0,
                0,
                f"{end.system}.{end.entity} went back from {context.row.cursors[side]} to {sight.cursor}",
            )
        )
        for side, sight in sights.items()
        if (end := context.sync.end(side)) and _went_back(context, side, sight)
    ]


def _went_back(context: Context, side: Side, sight: Sight) -> bool:
    rule, stored = context.views[side].capabilities.cursor, context.row.cursors.get(side)
    same_look = context.row.salt == context.salt  # else every record looks other than before
    return sight.complete and same_look and sight.edited > 0 and went_back(rule, stored, sight.cursor)


def introduced(row: SyncRow, names: Mapping[Side, Name]) -> SyncRow:
    """*row* with what *names* tell for the first time."""
    tenants = {side: row.tenants.get(side) or name.tenant for side, name in names.items()}
    epochs = {side: row.epochs.get(side) or name.epoch for side, name in names.items()}
    return replace(row, tenants={**row.tenants, **tenants}, epochs={**row.epochs, **epochs})


def known_name(row: SyncRow, side: Side) -> Name:
    """What the system of *side* said of itself when it was first met."""
    return Name(row.tenants.get(side), row.epochs.get(side))


def _name(context: Context, side: Side) -> Name | None:
    """What the system says now; None where it has never said anything."""
    if not (context.views[side].capabilities.identity or any(known_name(context.row, side))):
        return None
    health = context.drivers[side].check()
    if health.reachable:
        return Name(health.tenant, health.epoch)
    view = context.views[side]
    next(iter(context.drivers[side].read(view.end.entity, fields=view.wanted)), None)  # which knows if waiting helps
    raise Temporary(f"{view.end.system}: {health.message}; it cannot be told whose system answers")


def _strangers(context: Context, names: Mapping[Side, Name]) -> Iterator[Alarm]:
    for side, name in names.items():
        known = known_name(context.row, side)
        parts = zip(("tenant", "epoch"), known, name, strict=True)
        changed = [f"{word} '{was}' is now {_quoted(now)}" for word, was, now in parts if was and was != now]
        if changed:
            end = context.sync.end(side)
            trip = Trip("tenant", 0, 0, 0, f"{end.system} is not the system that it was: {', '.join(changed)}")
            yield Alarm(trip, context.notcher.line(["tenant", side, *known, *name]), side, name)


def _quoted(name: str | None) -> str:
    return "not told" if name is None else f"'{name}'"


def _lost_canaries(context: Context) -> Iterator[Alarm]:
    for side in SIDES:
        end = context.sync.end(side)
        if end.canary and (fault := _canary_fault(context, side, end.canary)):
            yield Alarm(Trip("canary", 0, 0, 0, f"the canary {end.canary.id} of {end.system}.{end.entity} {fault}"))


def _canary_fault(context: Context, side: Side, canary: Canary) -> str:
    entity = context.sync.end(side).entity
    (answer,) = context.drivers[side].get(entity, [canary.id], fields=tuple(canary.fields))
    if isinstance(answer, Failed):
        return f"cannot be read: {answer.message}"
    if not isinstance(answer, Record):
        return "is not there"
    wrong = [path for path, value in canary.fields.items() if not _same(read(answer.fields, parse(path)), value)]
    return f"shows another {', '.join(wrong)}" if wrong else ""


def _same(shown: Any, wanted: Any) -> bool:
    return bool(shown == wanted) and isinstance(shown, bool) == isinstance(wanted, bool)


def unfamiliar(row: SyncRow, sync: Sync) -> str:
    """Why the next plan waits for a person as a whole; empty where it does not."""
    if not row.adopted:
        return "after a restore nothing is taken for granted" if row.restored else "the first plan of this sync"
    mapping = [told_mapping(row.rev, sync.rev)] if row.rev != sync.rev else []
    changed = [*changed_parts(row.fingerprint, sync.fingerprint), *mapping]
    return f"changed: {', '.join(changed)}" if changed else ""


def remedy(sync: str, trip: Trip) -> str:
    """What a person does about a guard that holds something."""
    approve = f"`tallystick approve {sync} --kind {trip.kind}`"
    look = f"look with `tallystick plan {sync}`, then {approve}"
    match trip.kind:
        case "tenant":
            return f"correct the system's address; or, if this is right, {approve}: then everything is compared anew"
        case "cursor":
            return (
                "ask whether it was restored; the next run compares everything and waits for approval before it writes"
            )
        case "canary":
            return "look whether this is the right system and whether our login sees all of it; then restore the record"
        case "shrink":
            return f"{look} if that is right, else look at the system's rights and filters"
        case "adopt":
            return look
        case "values":
            return f"correct the values where they are kept; or {look} or change guards.values.{trip.field}"
    if trip.day:
        return f"{look} or raise guards.{trip.kind}.per_day"
    return f"{look} or raise guards.{trip.kind}"
