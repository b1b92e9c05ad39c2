"""This is where people say who is who: pairs are listed, shown, imported from a table and taken apart.

No record is written here. What an import or an unlink means for the records, the next run's plan shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from connectors.base import Driver, Failed, Gone, Record
from daemon.audit.entries import Entry
from daemon.audit.log import AuditLog
from daemon.core.model import Half, Pair
from daemon.core.rules import SIDES, Side, Sync, other
from daemon.engine.context import Context
from daemon.engine.finding import Clock, ask, busy, find
from daemon.engine.report import plain
from daemon.errors import Busy, NoSuch
from daemon.store.store import Store

TOLD = 500
"""Pairs in one entry of the audit log."""
_IMPORTED = {"why": "imported; the next run compares the two records"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table of pairs."""

    line: int
    left: str
    right: str

    def id(self, side: Side) -> str:
        """The record on *side*."""
        return self.left if side == "left" else self.right


Claims: TypeAlias = Mapping[Side, Mapping[str, Pair]]
"""Which pair holds each record that a table names."""

Answers: TypeAlias = Mapping[Side, Mapping[str, Record | Gone | Failed]]
"""What the systems say about each of them."""


def list_pairs(sync: Sync, store: Store, *, states: Sequence[str], after: int, limit: int) -> dict[str, Any]:
    """Pairs in the order of their numbers, from behind *after*: {pairs: [...], next}. *next* is None at the end."""
    row = store.sync(sync.name)
    keys = store.pairs.listed(row.id, states, after=after, limit=limit)
    pairs = store.pairs.get(keys)
    told = [told_pair(sync.name, pairs[key]) for key in keys]
    return {"sync": sync.name, "pairs": told, "next": keys[-1] if len(keys) == limit else None}


def told_pair(sync: str, pair: Pair) -> dict[str, Any]:
    """One pair in a line, without its detail."""
    ids: dict[str, Any] = {side: half.id if (half := pair.half(side)) else None for side in SIDES}
    state = {"state": pair.state, "reason": pair.reason, "born": pair.born, "since": pair.since}
    return {"sync": sync, "pair": pair.key, **ids, **state}


def show_pair(sync: Sync, store: Store, key: str) -> dict[str, Any]:
    """What is remembered of a pair: names and facts, never a value. No system is asked."""
    pair = find(sync, store, key)
    halves = {f"{side}_half": _told_half(half) if (half := pair.half(side)) else None for side in SIDES}
    waits = {"attempts": pair.attempts, "next_try": pair.next_try, "detail": plain(pair.detail)}
    return told_pair(sync.name, pair) | waits | halves


def unlink(
    sync: Sync, store: Store, audit: AuditLog, key: str, *, actor: str, reason: str, clock: Clock
) -> dict[str, Any]:
    """Dissolve a pair. Both records stay as they are and single; the two are never matched with each other again."""
    pair = find(sync, store, key)
    row = store.sync(sync.name)
    if not (pair.left and pair.right):
        raise NoSuch(f"record '{key}' of {sync.name} has no partner to be unlinked from")
    if pair.state == "retired":
        raise NoSuch(f"the pair of '{key}' in {sync.name} has ended already ({pair.reason})")
    if pair.key in busy(store, row.id):
        raise Busy(f"a write to the pair of '{key}' is under way; run {sync.name} and try again")
    told = {"action": "pair.unlinked", "actor": actor, "sync": sync.name, "pair": pair.key, "reason": reason}
    audit.append([Entry(told | {"left": pair.left.id, "right": pair.right.id, "born": pair.born})])
    store.pairs.remember(row.id, parted(pair, store.pairs.new_keys(1)[0], clock()))
    return {"sync": sync.name, "pair": pair.key, "left": pair.left.id, "right": pair.right.id, "unlinked": True}


def parted(pair: Pair, key: int, now: float) -> list[Pair]:
    """The two records of *pair*, each for itself, the right one under *key*; first the row that gives up an id."""
    assert pair.left
    assert pair.right
    lonely = Pair(pair.key, state="single", reason="unlinked", since=now)
    left = replace(lonely, left=_forgetful(pair.left), detail={"parted": pair.right.id})
    right = replace(lonely, key=key, right=_forgetful(pair.right), detail={"parted": pair.left.id})
    return [left, right]


def import_pairs(
    sync: Sync,
    drivers: Mapping[Side, Driver],
    store: Store,
    audit: AuditLog,
    rows: Sequence[Row],
    *,
    dry_run: bool,
    actor: str,
    reason: str,
    clock: Clock,
) -> dict[str, Any]:
    """Take pairs over from a table: all of it or nothing. {imported, known, faults: [{line, text}], dry_run}.

    Every record is asked for, and stands in no other pair that goes on. Pairs that are known already are left alone.
    """
    context = ask(sync, drivers, store, audit, clock=clock, actor=actor)
    claims = {side: _claims(context, side, [row.id(side) for row in rows]) for side in SIDES}
    known = [row for row in rows if _is_pair(claims, row)]
    wanted = [row for row in rows if row not in known]
    answers = {side: context.get(side, sorted({row.id(side) for row in wanted})) for side in SIDES}
    faults = [*_doubles(rows), *_claimed(context, wanted, claims), *_missing(context, wanted, answers)]
    if wanted and not faults and not dry_run:
        _take_over(context, wanted, claims, answers, actor, reason)
    return {
        "sync": sync.name,
        "imported": 0 if faults else len(wanted),
        "known": len(known),
        "dry_run": dry_run,
        "faults": [{"line": line, "text": text} for line, text in sorted(faults)],
    }


def _take_over(
    context: Context, rows: Sequence[Row], claims: Claims, answers: Answers, actor: str, reason: str
) -> None:
    told = {"action": "pairs.imported", "actor": actor, "sync": context.sync.name, "reason": reason}
    ids = [[row.left, row.right] for row in rows]
    context.audit.append([Entry(told | {"pairs": ids[at : at + TOLD]}) for at in range(0, len(ids), TOLD)])
    born = [_imported(context, row, answers) for row in rows]
    taken = {side: {row.id(side) for row in rows} for side in SIDES}
    holders = {pair.key: pair for side in SIDES for pair in claims[side].values()}
    left_over = [rest for pair in holders.values() if (rest := _rest(pair, taken, context.clock()))]
    drop = holders.keys() - {rest.key for rest in left_over}
    context.store.pairs.remember(context.row.id, [*left_over, *born], drop=drop)


def _imported(context: Context, row: Row, answers: Answers) -> Pair:
    """A pair that waits for the next run, which reads held pairs by id, wherever its cursors stand."""
    halves: dict[Side, Half] = {}
    for side in SIDES:
        record = answers[side][row.id(side)]
        assert isinstance(record, Record)
        halves[side] = Half(record.id, keys=context.views[side].item(record).keys)
    key = context.store.pairs.new_keys(1)[0]
    since = context.clock()
    return Pair(key, halves["left"], halves["right"], "held", "stale", _IMPORTED, "imported", since=since)


def _rest(pair: Pair, taken: Mapping[Side, set[str]], now: float) -> Pair | None:
    """What is left of an ended pair that gives up a record: the other one, which is not to be created anew."""
    keeps = [side for side in SIDES if (half := pair.half(side)) and half.id not in taken[side]]
    if not keeps:
        return None
    (side,) = keeps
    half = pair.half(side)
    assert half
    rest = Pair(pair.key, state="single", reason="unlinked", since=now, detail={"parted": ""})
    return replace(rest, left=_forgetful(half)) if side == "left" else replace(rest, right=_forgetful(half))


def _claims(context: Context, side: Side, ids: Sequence[str]) -> dict[str, Pair]:
    """Which pair holds each of these records."""
    known = context.store.pairs.known(context.row.id, side, ids)
    pairs = context.store.pairs.get(half.key for half in known.values())
    return {id: pairs[half.key] for id, half in known.items()}


def _is_pair(claims: Claims, row: Row) -> bool:
    """Whether exactly these two are a pair that goes on."""
    left, right = claims["left"].get(row.left), claims["right"].get(row.right)
    return left is not None and right is not None and left.key == right.key and left.state != "retired"


def _doubles(rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
    for side in SIDES:
        first: dict[str, int] = {}
        for row in rows:
            if first.setdefault(row.id(side), row.line) != row.line:
                yield row.line, f"'{row.id(side)}' on {side} stands in line {first[row.id(side)]} already"


def _claimed(context: Context, rows: Sequence[Row], claims: Claims) -> Iterator[tuple[int, str]]:
    flying = busy(context.store, context.row.id)
    for row in rows:
        for side in SIDES:
            id, pair = row.id(side), claims[side].get(row.id(side))
            if pair is None:
                continue
            partner = pair.half(other(side))
            if partner and pair.state != "retired":
                remedy = f"tallystick pairs unlink {context.sync.name} {side}:{id}"
                yield row.line, f"'{id}' on {side} is paired with '{partner.id}'; if that is wrong: {remedy}"
            elif pair.key in flying:
                yield row.line, f"a write for '{id}' on {side} is under way; run the sync and try again"


def _missing(context: Context, rows: Sequence[Row], answers: Answers) -> Iterator[tuple[int, str]]:
    for row in rows:
        for side in SIDES:
            if text := _fault(context, side, answers[side][row.id(side)]):
                yield row.line, text


def _fault(context: Context, side: Side, answer: Record | Gone | Failed) -> str:
    end = context.sync.end(side)
    place = f"{end.system}.{end.entity}"
    match answer:
        case Gone(id):
            return f"{place} has no record '{id}'"
        case Failed(id, message):
            return f"{place} '{id}' cannot be read: {message}"
        case Record() if not context.views[side].in_scope(answer):
            return f"{place} '{answer.id}' is out of scope"
        case _:
            return ""


def _forgetful(half: Half) -> Half:
    """A record that had a partner: its look and its keys are remembered, what was agreed is not."""
    return Half(half.id, half.version, half.seen, keys=half.keys)


def _told_half(half: Half) -> dict[str, Any]:
    keys = [n + 1 for n, key in enumerate(half.keys) if key]
    fields = {"agreed": sorted(half.agreed), "sent": sorted(half.sent)}
    return {"id": half.id, "version": half.version, "seen": bool(half.seen), "match_keys": keys, **fields}
