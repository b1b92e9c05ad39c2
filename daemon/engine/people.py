"""This is where people come in: what is held is listed, explained, approved, resolved and tried again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from connectors.base import ConnectorError, Driver
from connectors.paths import ABSENT
from daemon.audit.entries import Entry
from daemon.audit.log import AuditLog
from daemon.core.guards import needs_approval
from daemon.core.merge import WHOLE, Ruling, moved
from daemon.core.model import Decision, Item, Pair
from daemon.core.rules import SIDES, Rule, Side, Sync
from daemon.engine.context import Context, start
from daemon.engine.gather import gather
from daemon.engine.planning import again, make_plan
from daemon.engine.report import Request, line, shown
from daemon.engine.run import adopting, judge, needs_full, open_pairs, record_ids, shrink_line, shrunken
from daemon.errors import NoSuch, TallystickError
from daemon.store.store import Store

Clock = Callable[[], float]


def approve(
    sync: Sync,
    drivers: Mapping[Side, Driver],
    store: Store,
    audit: AuditLog,
    *,
    clock: Clock,
    run_id: str,
    kinds: Sequence[str],
    only: str | None,
    actor: str,
    reason: str,
    expires: float,
) -> dict[str, Any]:
    """Look again, and approve what a guard holds now: {approved: {kind: count}, expires}.

    No *kinds* means all. An approval names exactly one line: it lapses when the line changes, and after *expires* s.
    """
    context = start(
        sync, drivers, store, audit, clock=clock, run_id=run_id,
        request=Request("plan", full=True, only=only, actor=actor), stop=lambda: False,
    )  # fmt: skip
    found = list(_open_lines(context))
    wanted = [(d, kind) for d, kind, line in found if (not kinds or kind in kinds) and (only is None or only in line)]
    lines = dict(wanted)
    until = clock() + expires
    numbers = {kind: list(lines.values()).count(kind) for kind in sorted(set(lines.values()))}
    body = {"action": "plan.approved", "actor": actor, "sync": sync.name, "reason": reason, "approved": numbers}
    if lines:
        audit.append([Entry(body)])
        store.journal.approve(context.row.id, lines, actor, until)
    if "adopt" in numbers and len(lines) == len({digest for digest, _, _ in found}):
        # from now on only what was not seen here faces the guards, whatever interrupts the run
        row = replace(context.row, adopted=True, fingerprint=sync.fingerprint, rev=sync.rev, salt="")
        store.save_sync(row)
    return {"sync": sync.name, "approved": numbers, "expires": until, "problems": list(context.problems)}


def _open_lines(context: Context) -> Iterator[tuple[bytes, str, frozenset[str]]]:
    """What stands before a guard or a question now: its digest, the word to approve it by, the records it is about."""
    sights = gather(context.views, context.drivers, context.store, context.row, full=needs_full(context))
    if shrunken(context, sights):
        yield from ((shrink_line(context, side), "shrink", frozenset[str]()) for side in SIDES)
    decisions = make_plan(context, sights, open_pairs(context))
    yield from ((decision.line, str(kind), record_ids(decision)) for decision, kind in judge(context, decisions).held)
    if adopting(context):
        yield from ((d.line, "adopt", record_ids(d)) for d in decisions if needs_approval(d, adopting=True))
    yield from ((d.line, "confirm", record_ids(d)) for d in decisions if d.reason == "confirm" and d.line)


def adopt(
    sync: Sync, drivers: Mapping[Side, Driver], store: Store, audit: AuditLog, *, clock: Clock, run_id: str, actor: str
) -> dict[str, Any]:
    """The census before the first run: {matched, unmatched_left, unmatched_right, ambiguous, lines, problems}."""
    context = start(
        sync, drivers, store, audit, clock=clock, run_id=run_id, request=Request("plan", full=True, actor=actor),
        stop=lambda: False,
    )  # fmt: skip
    sights = gather(context.views, context.drivers, context.store, context.row, full=True)
    decisions = make_plan(context, sights, open_pairs(context))
    lines = [_census_line(sync, decision) for decision in decisions]
    words = [told["census"] for told in lines]
    return {
        "sync": sync.name,
        "adopted": not adopting(context),
        **{word: words.count(word) for word in ("matched", "unmatched_left", "unmatched_right", "ambiguous")},
        "lines": lines,
        "problems": list(context.problems),
    }


def _census_line(sync: Sync, decision: Decision) -> dict[str, Any]:
    left, right = (decision.look(side).item for side in SIDES)
    both = bool(left and right) or bool(decision.pair.left and decision.pair.right)
    word = "matched" if both else ("unmatched_left" if left else "unmatched_right")
    if decision.reason in ("ambiguous", "confirm"):
        word = "ambiguous"
    return {"census": word, **line(sync, decision)}


def held(store: Store, syncs: Sequence[str], reasons: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Everything that waits for a person or a better day, oldest first."""
    found = []
    for name in syncs:
        row = store.sync(name)
        pairs = store.pairs.get(store.pairs.keys_in(row.id, "held")).values()
        found += [_told(name, pair) for pair in pairs if not reasons or pair.reason in reasons]
    return sorted(found, key=lambda told: told["since"])


def _told(sync: str, pair: Pair) -> dict[str, Any]:
    return {
        "sync": sync,
        "pair": pair.key,
        "left": pair.left.id if pair.left else None,
        "right": pair.right.id if pair.right else None,
        "reason": pair.reason,
        "since": pair.since,
        "attempts": pair.attempts,
        "next_try": pair.next_try,
        **pair.detail,
    }


def retry(sync: Sync, store: Store, audit: AuditLog, key: str, *, actor: str) -> dict[str, Any]:
    """Let a held pair be tried in the next run, whatever its waiting time."""
    pair = find(sync, store, key)
    audit.append([Entry({"action": "held.retry", "actor": actor, "sync": sync.name, "pair": pair.key})])
    row = store.sync(sync.name)
    heir = next(iter(pair.detail.get("heir", {}).items()), None)
    if heir is None:
        store.pairs.remember(row.id, [_freed(pair)])
    else:
        succeeded, absorbed = _succeeded(store, row.id, pair, *heir)
        store.pairs.remember(row.id, [succeeded], drop=[absorbed])
    return {"sync": sync.name, "pair": pair.key, "retried": True}


def _succeeded(store: Store, sync: int, pair: Pair, side: Side, heir: str) -> tuple[Pair, int]:
    """*pair* with another record on *side*, and the key of the row that this record had for itself."""
    known = store.pairs.known(sync, side, [heir]).get(heir)
    own = store.pairs.get([known.key]).get(known.key) if known else None
    half = own.half(side) if own else None
    if own is None or half is None or (own.left and own.right):
        raise NoSuch(f"record '{heir}' on {side} does not look for a partner any more; run the sync and look again")
    heard = replace(pair, detail={}, next_try=0.0, line=b"")
    return (replace(heard, left=half) if side == "left" else replace(heard, right=half)), own.key


def _freed(pair: Pair) -> Pair:
    """*pair* without its reason to wait. A record that came back alone looks for a partner like any newcomer."""
    freed = replace(pair, next_try=0.0, line=b"", detail={k: v for k, v in pair.detail.items() if k != "again"})
    match pair.detail.get("again"):
        case ["left"] if pair.right and not pair.right.seen:
            return replace(freed, right=None)
        case ["right"] if pair.left and not pair.left.seen:
            return replace(freed, left=None)
    return freed


def resolve(
    sync: Sync,
    drivers: Mapping[Side, Driver],
    store: Store,
    audit: AuditLog,
    key: str,
    *,
    take: Literal["left", "right"],
    fields: Sequence[str],
    actor: str,
    reason: str,
    clock: Clock,
) -> dict[str, Any]:
    """Answer a conflict for the two values that stand there now. If either changes meanwhile, it is asked again."""
    decision = _look_at(sync, drivers, store, audit, key, clock=clock, actor=actor)
    if not decision.held:
        raise NoSuch(f"'{key}' of {sync.name} has no conflict now; see `tallystick why {sync.name} {key}`")
    if unknown := sorted(set(fields) - decision.held.keys()):
        raise NoSuch(f"field '{unknown[0]}' is not in conflict; in conflict: {', '.join(sorted(decision.held))}")
    names = [name for name, why in decision.held.items() if (not fields or name in fields) and WHOLE not in why]
    left, right = decision.left.item, decision.right.item
    if left is None or right is None:
        raise TallystickError("a record of the pair cannot be read now; try again")
    rulings = {name: Ruling(take, left.digests[name], right.digests[name]) for name in names}
    body = {"action": "conflict.resolved", "actor": actor, "sync": sync.name, "pair": decision.pair.key}
    values = {
        name: {"left": shown(sync, name, left.values[name]), "right": shown(sync, name, right.values[name])}
        for name in names
    }
    audit.append([Entry(body | {"take": take, "fields": values, "reason": reason})])
    store.journal.rule(decision.pair.key, rulings, actor, clock())
    return {"sync": sync.name, "pair": decision.pair.key, "take": take, "fields": names}


def explain(
    sync: Sync, drivers: Mapping[Side, Driver], store: Store, audit: AuditLog, key: str, *, clock: Clock, actor: str
) -> dict[str, Any]:
    """One pair told: its state, each field's two values and rule, and what the next run would do."""
    pair = find(sync, store, key)
    told = _told(sync.name, pair) | {"state": pair.state, "born": pair.born}
    if not (pair.left and pair.right):
        return told | {"fields": {}, "next": _next_of_single(pair)}
    decision = _look_at(sync, drivers, store, audit, key, clock=clock, actor=actor)
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


def find(sync: Sync, store: Store, key: str) -> Pair:
    """The pair of a record id on either side, of `left:ID` or `right:ID`, or of a pair's own number. Raises NoSuch."""
    row = store.sync(sync.name)
    side, _, id = key.partition(":")
    keys = store.pairs.find_pair(row.id, key)
    if not keys and side in SIDES:
        keys = store.pairs.find_pair(row.id, id, (side,))
    if not keys and key.isdigit():
        keys = store.pairs.numbered(row.id, int(key))
    if len(keys) > 1:  # two systems that count their records from 1 share many ids
        raise NoSuch(f"{sync.name} has a record '{key}' on either side; say left:{key} or right:{key}")
    pairs = store.pairs.get(keys)
    if not pairs:
        raise NoSuch(
            f"{sync.name} knows no record '{key}'; use the record's id on either side, as in `tallystick held`"
        )
    return next(iter(pairs.values()))


def _look_at(
    sync: Sync, drivers: Mapping[Side, Driver], store: Store, audit: AuditLog, key: str, *, clock: Clock, actor: str
) -> Decision:
    """Both records of a pair as they are now, and what would be decided about them."""
    pair = find(sync, store, key)
    if not (pair.left and pair.right):
        raise NoSuch(f"record '{key}' has no partner in {sync.name}")
    request = Request("plan", only=key, actor=actor)
    context = start(
        sync, drivers, store, audit, clock=clock, run_id="", request=request, stop=lambda: False
    )  # fmt: skip
    try:
        decisions = again(context, [replace(pair, line=b"")])
    except ConnectorError as fault:
        raise TallystickError(str(fault)) from None
    return decisions[0]
