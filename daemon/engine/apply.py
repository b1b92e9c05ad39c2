"""This is where decisions are carried out: planned, testified, sent, settled, told. In that order, whatever dies.

    planned (store) -> INTENT (audit) -> sent (store) -> request -> settled (store, also the outbox) -> OUTCOME (audit)
MUST NOT: send a request whose intent is not durable in both. MUST NOT: repeat a write whose answer was lost.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, TypeAlias

from connectors.base import (
    RECORD,
    ConnectorError,
    Done,
    Lost,
    Outcome,
    Partial,
    Pending,
    Refused,
    Stale,
    Temporary,
    Write,
)
from daemon.audit.entries import Entry
from daemon.core.model import Change, Decision, Pair
from daemon.core.rounds import turned
from daemon.core.rules import Side
from daemon.core.swaps import in_order
from daemon.engine.answers import TOGETHER, Progress, held, refused_together, testimony, unsettled
from daemon.engine.arrivals import bound
from daemon.engine.births import given
from daemon.engine.claims import claims, given_up
from daemon.engine.context import Context
from daemon.engine.decisions import Plan
from daemon.engine.failpoints import reached
from daemon.engine.settle import reached_halfway, settled
from daemon.engine.stepwise import finished, given_at_birth, half_made
from daemon.engine.swaps import freed, going_on, notice, second_tries
from daemon.engine.wires import entry, flight_item, make_write, unsafe_create
from daemon.store.flights import Flight
from daemon.store.turns import PairTurns

POOL = 4
"""Single writes on their way at once, for systems that take no batches."""
QUIET = 500
"""Decisions without a write that are remembered in one transaction."""

_Job: TypeAlias = tuple[Decision, Change, Write]


def apply(context: Context, decisions: Iterable[Decision]) -> Progress:
    """Carry *decisions* out, in the order of a Plan; they are walked several times.

    Stops early when a system is away, refuses us, or we are asked to stop.
    """
    progress = Progress()
    _write(context, decisions, progress)
    while progress.freed and not progress.halt:
        tries = _anew(context, progress, lambda: freed(context, progress))
        _write(context, Plan(context.store.folder, tries), progress)
    tell(context, progress)
    return progress


def _write(context: Context, decisions: Iterable[Decision], progress: Progress) -> None:
    """Make the writes of *decisions*, and remember those that have none."""
    for chunk in _chunks(context, _in_waves(context, decisions)):
        if not chunk[0].changes:
            _remember(context, chunk)
            continue
        progress.making_room |= {d.pair.key for d in chunk if any(change.parks for change in d.changes)}
        known = _known(context, chunk, progress)
        _carry_out(context, list(_given(context, known, progress)), progress)
        _carry_out(context, second_tries(context, progress), progress)
        if progress.halt:
            return


def _in_waves(context: Context, decisions: Iterable[Decision]) -> Iterable[Decision]:
    """*decisions* with those that make room, in their order, where unique values change hands."""
    ordered = in_order(context.sync, decisions, context.notcher.line)
    return decisions if ordered is None else Plan(context.store.folder, ordered)


def tell(context: Context, progress: Progress) -> None:
    """Empty the outbox into the audit log."""
    if progress.told:
        context.audit.append([entry for _, entries in progress.told for entry in entries])
        reached("outcome")
        context.store.flights.finish(flight for flight, _ in progress.told)
        progress.told.clear()


def _given(context: Context, decisions: Sequence[Decision], progress: Progress) -> Iterator[Decision]:
    """*decisions* with what their newborn records are given, which has to be known before it is told."""
    for decision in decisions:
        try:
            yield given(context, decision)
        except ValueError as fault:
            progress.counts["held"] += 1
            _keep(context, held(context, decision, "mapping", {"why": str(fault)}), decision)
        except ConnectorError as fault:
            _halt(context, progress, fault, "nobody can say which name is free")
            return


def _chunks(context: Context, decisions: Iterable[Decision]) -> Iterator[Sequence[Decision]]:
    """Decisions that are remembered, or written, together: with changes or without, of one rank and wave."""
    size = max(POOL, *(context.views[side].capabilities.batch for side in ("left", "right")))
    for (writes, _, _), alike in groupby(decisions, key=lambda d: (bool(d.changes), d.rank, d.wave)):
        while chunk := list(islice(alike, size if writes else QUIET)):
            yield chunk


def _known(context: Context, decisions: Sequence[Decision], progress: Progress) -> Sequence[Decision]:
    """Those with something to write, now that the records are there that they refer to or that take their values."""
    if decisions[0].rank:
        decisions = _anew(context, progress, lambda: bound(context, decisions))
    if progress.making_room:
        decisions = _anew(context, progress, lambda: going_on(context, decisions, progress))
    return decisions


def _anew(context: Context, progress: Progress, decide: Callable[[], Sequence[Decision]]) -> list[Decision]:
    """What still has something to write once it is decided anew; the rest is remembered."""
    try:
        decided = decide()
    except ConnectorError as fault:
        _halt(context, progress, fault, "nobody can say how the records stand that others depend on")
        return []
    _remember(context, [decision for decision in decided if not decision.changes])
    return [decision for decision in decided if decision.changes]


def _halt(context: Context, progress: Progress, fault: ConnectorError, what: str) -> None:
    context.say(f"{fault}; {what}")
    progress.halt = "postponed" if isinstance(fault, Temporary) else "failed"


def _carry_out(context: Context, decisions: Sequence[Decision], progress: Progress) -> None:
    """Write one side, then the other; a decision settles with its last change."""
    done: dict[int, dict[Side, Done]] = {id(decision): {} for decision in decisions}
    for side in ("right", "left"):
        jobs = list(_jobs(context, decisions, side, done, progress))
        batch = context.views[side].capabilities.batch
        width = batch if batch > 1 else POOL
        waiting: list[Sequence[_Job]] = [jobs[at : at + width] for at in range(0, len(jobs), width)]
        while waiting:
            if not progress.halt and context.stop():
                progress.halt = "stopped"
            if progress.halt:
                return
            waiting = [*_fly(context, side, waiting[0], done, progress), *waiting[1:]]


def _jobs(
    context: Context, decisions: Iterable[Decision], side: str, done: Mapping[int, Any], progress: Progress
) -> Iterator[_Job]:
    for decision in decisions:
        change = next((c for c in decision.changes if c.side == side), None)
        first = next(iter(decision.changes))
        if change is None or (change is not first and not done[id(decision)]):
            continue  # its other write did not happen
        try:
            write = make_write(context, decision, change)
            if change.op == "create" and (danger := unsafe_create(context, change)):
                context.say(danger)
                raise ValueError(danger)
            yield decision, change, write
        except ValueError as fault:
            progress.counts["held"] += 1
            _keep(context, held(context, decision, "mapping", {"why": str(fault)}), decision)


def _fly(
    context: Context, side: Side, jobs: Sequence[_Job], done: dict[int, dict[Side, Done]], progress: Progress
) -> list[Sequence[_Job]]:
    """One flight. Returns the halves of an all-or-nothing batch that failed: each flies again, under new intents."""
    items = [flight_item(context, *job) for job in jobs]
    finished = [flight for flight, _ in progress.told]
    flight = context.store.flights.plan(context.row.id, context.run, items)
    reached("planned")
    context.audit.append(
        [e for _, entries in progress.told for e in entries]
        + [Entry(entry(context, item, "intent"), intent=n) for n, item in zip(flight.intents, items, strict=True)]
    )
    reached("testified")
    window = context.views[side].capabilities
    not_before = context.clock() + max(window.processing_window, window.consistency_window)
    context.store.flights.mark_sent(flight, not_before, finished=finished)
    progress.told.clear()
    reached("sent")
    outcomes = send(context, side, [write for _, _, write in jobs])
    reached("written")
    again = refused_together(window.atomic_batch, outcomes)
    _settle(context, flight, jobs, outcomes, done, progress, not_before, again)
    reached("settled")
    middle = (len(again) + 1) // 2
    return [[jobs[at] for at in half] for half in (again[:middle], again[middle:]) if half]


def send(context: Context, side: Side, writes: Sequence[Write]) -> list[Outcome]:
    """One outcome per write. A driver that breaks leaves the rest unknown, never forgotten."""
    driver, view = context.drivers[side], context.views[side]

    def write(some: Sequence[Write]) -> list[Outcome]:
        answers: list[Outcome] = []
        try:
            answers.extend(driver.write(view.end.entity, some, fields=view.wanted))
        except Exception as fault:
            context.say(f"{view.end.system}: the driver broke while writing: {type(fault).__name__}: {fault}")
        return answers + [Lost("the driver gave no answer")] * (len(some) - len(answers))

    if view.capabilities.batch > 1 or len(writes) == 1:
        return write(writes)
    with ThreadPoolExecutor(min(POOL, len(writes)), thread_name_prefix="write") as pool:
        return [answers[0] for answers in pool.map(lambda one: write([one]), writes)]


def _settle(
    context: Context,
    flight: Flight,
    jobs: Sequence[_Job],
    outcomes: Sequence[Outcome],
    done: dict[int, dict[Side, Done]],
    progress: Progress,
    not_before: float,
    again: Sequence[int],
) -> None:
    results: list[dict[str, Any] | None] = []
    pairs: list[Pair] = []
    drop: list[int] = []
    claimed = claims(context, [change for _, change, _ in jobs], outcomes)
    for at, ((decision, change, _), outcome) in enumerate(zip(jobs, outcomes, strict=True)):
        if at in again and isinstance(outcome, Refused | Stale):
            results.append({"result": "not_done", "message": TOGETHER + outcome.message})
            continue
        result = testimony(context, change.side, outcome, progress)
        results.append(result)
        if isinstance(outcome, Done):
            done[id(decision)][change.side] = outcome
        halfway = replace(decision, pair=reached_halfway(decision, done[id(decision)], context.views))
        if not isinstance(outcome, Done):
            pair = unsettled(context, halfway, outcome, progress, not_before)
            if pair and isinstance(outcome, Partial):
                sent = _given_to(context, change, outcome)
                pair = half_made(pair, decision.pair, outcome, flight.items[at], sent)
        elif given_at_birth(decision.pair):
            pair = finished(decision, change.side, outcome, context.clock())
            progress.stale.append(pair)
        elif change is decision.changes[-1] and not change.parks:
            pair = settled(decision, done[id(decision)], context.views, context.clock())
        else:
            why = change.why if change.parks else "its other side is not written yet"
            pair = held(context, halfway, "stale", {"why": why})
        if isinstance(outcome, Done) and change.op == "create":
            rest, empty = given_up(context, change.side, claimed.get(outcome.id), decision.pair.key, pairs)
            pairs, drop = [*pairs, *rest], [*drop, *empty]
        if pair:
            pairs.append(pair)
            drop += _absorbed(decision)
    turns = _turns(context, jobs, outcomes)
    notice(context, progress, ((j, o) for at, (j, o) in enumerate(zip(jobs, outcomes, strict=True)) if at not in again))
    size = context.audit.head.size
    flight = replace(flight, items=[_ordered(*each) for each in zip(flight.items, outcomes, strict=True)])
    context.store.flights.settle(flight, results, pairs, size, not_before=not_before, drop=drop, turns=turns)
    told = [
        Entry(entry(context, item, "outcome", result), outcome=intent)
        for intent, item, result in zip(flight.intents, flight.items, results, strict=True)
        if result is not None
    ]
    progress.told.append((flight, told))


def _given_to(context: Context, change: Change, outcome: Partial) -> Mapping[str, bytes]:
    """What a record in the making was given, by its own id."""
    values = ((move.field, move.value) for move in change.moves)
    return context.views[change.side].sent_digests(str(outcome.done.get(RECORD, "")), values)


def _turns(context: Context, jobs: Sequence[_Job], outcomes: Sequence[Outcome]) -> PairTurns:
    """How often the writes that are done were made lately, field by field."""
    answered = zip(jobs, outcomes, strict=True)
    done = [(d.pair.key, c) for (d, c, _), outcome in answered if c.op == "update" and isinstance(outcome, Done)]
    if not done:
        return {}
    known, line, now = context.store.turns.of([key for key, _ in done]), context.notcher.line, context.clock()
    return {key: dict(turned(context.sync, known.get(key, {}), change, line, now)) for key, change in done}


def _ordered(item: Mapping[str, Any], outcome: Outcome) -> Mapping[str, Any]:
    """*item*, knowing the job that works on it, if there is one."""
    return {**item, "job": outcome.job} if isinstance(outcome, Pending) else item


def _remember(context: Context, decisions: Sequence[Decision]) -> None:
    now = context.clock()
    pairs = []
    for decision in decisions:
        after = settled(decision, {}, context.views, now)
        if decision.new or after != replace(decision.pair, since=after.since):
            pairs.append(after)
    drop = [key for decision in decisions for key in _absorbed(decision)]
    context.store.pairs.remember(context.row.id, pairs, drop=drop)


def _keep(context: Context, pair: Pair, decision: Decision) -> None:
    context.store.pairs.remember(context.row.id, [pair], drop=_absorbed(decision))


def _absorbed(decision: Decision) -> list[int]:
    return [decision.absorbs] if decision.absorbs else []
