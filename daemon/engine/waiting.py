"""This is where what waits is listed, with its remedy, and tried again or given up when a person says so."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from connectors.base import ConnectorError, Driver
from daemon.audit.entries import Entry
from daemon.audit.log import AuditLog
from daemon.core.merge import WHOLE
from daemon.core.model import Decision, Half, Item, Look, Pair, Reason
from daemon.core.rules import SIDES, Side, Sync
from daemon.core.typed import typed
from daemon.engine.context import Context
from daemon.engine.finding import Clock, ask, busy, find, look_alone, look_at
from daemon.engine.membership import as_agreed
from daemon.engine.pairing import parted
from daemon.engine.report import plain, shown
from daemon.errors import Busy, NoSuch, TallystickError
from daemon.store.store import Store

REMEDIES: Final[Mapping[str, str]] = {
    "conflict": "decide: tallystick conflicts resolve {sync} {key} --take left|right",
    "refused": "correct the value where it is kept; it is sent again when it changes, or on:"
    " tallystick held retry {sync} {key}",
    "unknown": "the next run looks for what became of the write; where it found several, remove what is too much, or"
    " create it all the same: tallystick held retry {sync} {key}",
    "pending": "nothing to do: every run asks the system how its job stands",
    "oscillation": "make the mapping or the system agree with itself; to let it go once more:"
    " tallystick held retry {sync} {key}",
    "ambiguous": "make the match keys differ, or name the pair: tallystick pairs import {sync} FILE.csv",
    "confirm": "right: tallystick approve {sync} --only {key}; wrong: tallystick held drop {sync} {key}",
    "case": "bring the records in order, or change `cases` in {file}; the next run looks again",
    "mapping": "correct the value where it is kept, or the field in {file}; the next run looks again",
    "reference": "give the record that it refers to a partner, or run the sync that does; it heals by itself",
    "stale": "nothing to do: the next run reads both records again",
    "unreachable": "the next run reads it again; look at the system's rights if that goes on",
    "bereft": "put it in again, or take it out across by hand; to let what is there stand alone:"
    " tallystick held drop {sync} {key}",
    "merged": "the system joined two records: join or delete across by hand what is too many, or:"
    " tallystick held drop {sync} {key}",
}
"""What a person can do, by the reason why a pair waits."""
_SAME_OR_NOT: Final = "the same one: tallystick held retry {sync} {key}; another: tallystick held drop {sync} {key}"


def held(store: Store, syncs: Sequence[str], reasons: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Everything that waits for a person or a better day, oldest first."""
    found = []
    for name in syncs:
        row = store.sync(name)
        pairs = store.pairs.get(store.pairs.keys_in(row.id, "held")).values()
        found += [told(name, pair) for pair in pairs if not reasons or pair.reason in reasons]
    return sorted(found, key=lambda one: one["since"])


def told(sync: str, pair: Pair) -> dict[str, Any]:
    """One pair that waits, and what a person can do about it."""
    return {
        "sync": sync,
        "pair": pair.key,
        "left": pair.left.id if pair.left else None,
        "right": pair.right.id if pair.right else None,
        "reason": pair.reason,
        "since": pair.since,
        "attempts": pair.attempts,
        "next_try": pair.next_try,
        "remedy": remedy(sync, pair),
        **plain(pair.detail),
    }


def remedy(sync: str, pair: Pair) -> str:
    """What a person can do, in one sentence; nothing where nothing waits."""
    if pair.state != "held":
        return ""
    if "heir" in pair.detail or "again" in pair.detail:
        return _SAME_OR_NOT.format(sync=sync, key=_key_of(pair))
    file = f"syncs/{sync.partition('.')[0]}.yaml"  # where its collections stand, too
    return REMEDIES[pair.reason].format(sync=sync, key=_key_of(pair), file=file)


def name_of(pair: Pair) -> str:
    """What names *pair*: the id of one of its records."""
    half = pair.left or pair.right
    return half.id if half else str(pair.key)


def _key_of(pair: Pair) -> str:
    """What a person types into a shell for it."""
    if not (pair.left or pair.right):
        return str(pair.key)
    return typed(pair.left.id if pair.left else None, pair.right.id if pair.right else None)


def retry(sync: Sync, store: Store, audit: AuditLog, key: str, *, actor: str) -> dict[str, Any]:
    """Let a held pair be tried in the next run, whatever its waiting time; a single one looks for a partner again."""
    pair = find(sync, store, key)
    if pair.state not in ("held", "single"):
        raise NoSuch(f"'{key}' of {sync.name} does not wait: it is {pair.state}")
    row = store.sync(sync.name)
    heir = next(iter(pair.detail.get("heir", {}).items()), None)
    freed = [_freed(pair), *_former_partner(store, row.id, pair)]
    after = freed if heir is None else [_succeeded(store, row.id, pair, *heir)]
    audit.append([Entry({"action": "held.retry", "actor": actor, "sync": sync.name, "pair": pair.key})])
    store.turns.forget(pair.key)
    store.pairs.remember(row.id, after)
    return {"sync": sync.name, "pair": pair.key, "retried": True}


def _former_partner(store: Store, sync: int, pair: Pair) -> list[Pair]:
    """The record that *pair* was taken apart from, so that it may be found again."""
    side: Side = "right" if pair.left else "left"
    known = store.pairs.known(sync, side, [str(pair.detail.get("parted") or "")])
    found = store.pairs.get(half.key for half in known.values()).values()
    return [replace(one, detail={}) for one in found if one.detail.get("parted") == name_of(pair)]


def _succeeded(store: Store, sync: int, pair: Pair, side: Side, heir: str) -> Pair:
    """*pair*, that the next run lets go on with the *heir*, which a person has chosen."""
    known = store.pairs.known(sync, side, [heir]).get(heir)
    own = store.pairs.get([known.key]).get(known.key) if known else None
    if own is None or (own.left and own.right):
        raise NoSuch(f"record '{heir}' on {side} does not look for a partner any more; run the sync and look again")
    return replace(pair, detail={**pair.detail, "chosen": heir}, next_try=0.0, line=b"")


def _freed(pair: Pair) -> Pair:
    """*pair* without its reason to wait. A record that came back alone looks for a partner like any newcomer."""
    if pair.state == "single":
        return replace(pair, state="held", reason="stale", detail={"why": "a person lets it look for a partner"})
    if pair.reason == "unknown":
        return replace(pair, reason="stale", detail={"why": "a person lets it be written again"})
    freed = replace(pair, next_try=0.0, line=b"", detail={k: v for k, v in pair.detail.items() if k != "again"})
    match pair.detail.get("again"):
        case ["left"] if pair.right and not pair.right.seen:
            return replace(freed, right=None)
        case ["right"] if pair.left and not pair.left.seen:
            return replace(freed, left=None)
    return freed


def drop(
    sync: Sync,
    drivers: Mapping[Side, Driver],
    store: Store,
    audit: AuditLog,
    key: str,
    *,
    actor: str,
    reason: str,
    clock: Clock,
) -> dict[str, Any]:
    """Give a held pair up until its records change again: {pair, was, means, fields}. Nothing is written anywhere."""
    pair = find(sync, store, key)
    if pair.state != "held":
        raise NoSuch(f"'{key}' of {sync.name} is not held: it is {pair.state}")
    context = ask(sync, drivers, store, audit, clock=clock, actor=actor)
    if pair.key in busy(store, context.row.id):
        raise Busy(f"a write to '{key}' is under way or its answer was lost; run {sync.name} and try again")
    values: dict[str, Any] = {}
    if pair.left and pair.right:
        decision = look_at(sync, drivers, store, audit, key, clock=clock, actor=actor)
        after, means, values = _given_up(context, pair, decision)
    else:
        after, means = _left_alone(context, pair)
    body = {"action": "held.dropped", "actor": actor, "sync": sync.name, "pair": pair.key, "was": pair.reason}
    ids = {side: half.id if (half := pair.half(side)) else None for side in SIDES}
    audit.append([Entry(body | ids | {"means": means, "fields": values, "reason": reason})])
    store.pairs.remember(context.row.id, after)
    return {"sync": sync.name, "pair": pair.key, "was": pair.reason, "means": means, "fields": sorted(values)}


def _left_alone(context: Context, pair: Pair) -> tuple[list[Pair], str]:
    """A record without a partner stays alone; one that could have been a partner is no longer proposed."""
    try:
        item = look_alone(context, pair)
    except ConnectorError as fault:
        raise TallystickError(str(fault)) from None
    if found := _candidate(context, pair):
        left, right = (pair, found) if pair.left else (found, pair)
        joined = replace(left, right=right.half("right"))
        return parted(joined, right.key, context.clock()), "the two are not the same, and are not matched again"
    side: Side = "left" if pair.left else "right"
    half = context.views[side].half(item, {}, {})
    detail = {"look": item.appearance, **{n: v for n, v in pair.detail.items() if n == "parted"}}
    alone = replace(_quiet(pair, context.clock()), state="single", reason="dropped", detail=detail)
    return [
        replace(alone, left=half) if side == "left" else replace(alone, right=half)
    ], "it gets no partner until it changes or a newcomer carries its match key"


def _candidate(context: Context, pair: Pair) -> Pair | None:
    """The record that waits for a person to confirm that it is the same as that of *pair*."""
    if pair.reason != "confirm":
        return None
    side: Side = "right" if pair.left else "left"
    id = str(pair.detail["candidate"])
    known = context.store.pairs.known(context.row.id, side, [id]).get(id)
    found = context.store.pairs.get([known.key])[known.key] if known else None
    return found if found and not (found.left and found.right) else None


def _given_up(context: Context, pair: Pair, decision: Decision) -> tuple[list[Pair], str, dict[str, Any]]:
    """What two records become that a person lets differ: their fields as they stand, or the end of the pair."""
    looks = {side: decision.look(side) for side in SIDES}
    if any(look.presence == "unknown" for look in looks.values()):
        raise TallystickError("a record of the pair cannot be read now; try again")
    if "again" in pair.detail or any(look.presence != "here" for look in looks.values()):
        gone = "again" in pair.detail or "gone" in {look.presence for look in looks.values()}
        merged = pair.reason == "merged" and gone
        reason: Reason = "merged" if merged else "gone" if gone else "scope"
        return [_ended(context, pair, looks, reason)], "the pair ends; what is there stays", {}
    names = _fields_in_question(pair, decision)
    if not names:
        raise NoSuch("nothing of it waits for a person; the next run settles it")
    items = {side: item for side in SIDES if (item := looks[side].item)}
    waits = decision.changes or any(WHOLE in why for why in decision.held.values())
    after = replace(_quiet(pair, context.clock()), rev=context.sync.mark)
    if waits:  # other edits of it go on, and held pairs are read again wherever the cursors stand
        after = replace(after, state="held", reason="stale", detail={"why": "the next run writes its other fields"})
    halves = {side: _accepted(context, pair, side, items[side], names, seen=not waits) for side in SIDES}
    values = {n: {s: shown(context.sync, n, item.values[n]) for s, item in items.items()} for n in names}
    means = "both sides keep what they show until one of them changes"
    members = as_agreed(pair, names, items, context.views)
    return [replace(after, left=halves["left"], right=halves["right"], members=members)], means, values


def _fields_in_question(pair: Pair, decision: Decision) -> list[str]:
    """What nobody could decide, or what a system would not have."""
    names = {name for name, why in decision.held.items() if WHOLE not in why}
    if pair.reason == "refused" and pair.line == decision.line:
        names |= {move.field for change in decision.changes for move in change.moves}
    return sorted(names)


def _accepted(context: Context, pair: Pair, side: Side, item: Item, names: Sequence[str], *, seen: bool) -> Half:
    """The half as if both had agreed on what *names* show; everything else stands as it stood."""
    half = pair.half(side)
    assert half
    told = {name for name in names if name not in item.faults}
    agreed = dict(half.agreed) | {name: item.digests[name] for name in told}
    sent = {name: digest for name, digest in half.sent.items() if name not in told}
    return context.views[side].half(item, agreed, sent, seen=seen)


def _ended(context: Context, pair: Pair, looks: Mapping[Side, Look], reason: Reason) -> Pair:
    halves: dict[Side, Half] = {}
    for side in SIDES:
        half, item = pair.half(side), looks[side].item
        assert half
        kept = context.views[side].half(item, dict(half.agreed), dict(half.sent)) if item else replace(half, seen=b"")
        halves[side] = replace(kept, keys=()) if item is None or "heir" in pair.detail else kept
    quiet = replace(_quiet(pair, context.clock()), state="retired", reason=reason)
    return replace(quiet, left=halves["left"], right=halves["right"])


def _quiet(pair: Pair, now: float) -> Pair:
    """*pair* without anything that it waits for."""
    return replace(pair, state="active", reason="", detail={}, since=now, next_try=0.0, attempts=0, line=b"")
