"""This is where one run of one sync happens: recover, gather, plan, guard, apply, save. Read it top to bottom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import ceil

from connectors.base import ConnectorError, Driver, Temporary
from daemon.audit.entries import Entry
from daemon.audit.log import AuditLog
from daemon.core.guards import Trip, Verdict, guard
from daemon.core.model import Decision, Pair
from daemon.core.plan import still_remapped
from daemon.core.rules import SIDES, Side, Sync
from daemon.core.typed import named
from daemon.engine.alarms import Alarm, alarms, regressions, remedy, unfamiliar
from daemon.engine.answers import Progress
from daemon.engine.apply import apply
from daemon.engine.collecting import announced, asked_for, joined, with_collections
from daemon.engine.context import Context, start
from daemon.engine.cursors import next_cursor
from daemon.engine.decisions import Plan
from daemon.engine.failpoints import reached
from daemon.engine.family import owners, rouse
from daemon.engine.finding import known, unknown
from daemon.engine.gather import Sight, Stopped, gather
from daemon.engine.planning import again, make_plan
from daemon.engine.promises import guarantees, making_room, requests
from daemon.engine.recover import recover
from daemon.engine.report import Report, Request, RunState, line
from daemon.engine.spending import spent
from daemon.engine.takeover import distrust
from daemon.errors import NoSuch
from daemon.store.store import Store

STALE_ROUNDS = 3
"""Times that a pair is read and merged again within one run because somebody edits it meanwhile."""
UNFINISHED = ""
"""Salt of a full comparison that did not come to its end. The next look is full again, that of an approval too: else
what only a full one can see, such as absence, could never be approved."""
TOLD = 1000
"""Lines that a run's report holds."""
PLANNED = 20_000
"""Lines that a plan holds, which is for reading."""
SMALL = 20
"""Listings up to this size may shrink as they like, but not to nothing."""


def run_sync(
    sync: Sync,
    drivers: Mapping[Side, Driver],
    store: Store,
    audit: AuditLog,
    *,
    clock: Callable[[], float],
    run_id: str,
    request: Request,
    stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Bring both sides of *sync* into step, or say why not.

    What goes wrong with a system ends in the report. AuditError and StoreError are raised: without a log or a memory
    nothing is written. So is NoSuch, where only one record was asked for and nobody knows it.
    """
    context = start(
        sync, drivers, store, audit, clock=clock, run_id=run_id, request=request, stop=stop
    )  # fmt: skip
    if request.kind == "plan":
        return _met(context, asked_for(request.collection, with_collections(context, _guarded(_plan_only))))
    expected = announced(context)
    _announce(context, "run.started", {"announced": expected} if expected else {})
    store.journal.start_run(run_id, sync.name, request.actor, clock())
    reports = with_collections(context, _guarded(_run))
    report = joined(reports)
    _announce(context, "run.finished", {"state": report.state, "counts": dict(report.counts)})
    store.journal.end_run(run_id, report.state, clock(), _kept(report))
    return _met(context, asked_for(request.collection, reports))


def _run(context: Context) -> Report:
    if found := alarms(context):
        return _stopped(context, found)
    context.store.save_sync(context.row)
    busy = recover(context)
    rouse(context)
    sights = _gather(context)
    if back := regressions(context, sights):
        distrust(context)
        return _stopped(context, back)
    if shrunk := shrunken(context, sights):
        verdict = Verdict(trips=tuple(shrunk))
        context.store.save_sync(replace(context.row, salt=UNFINISHED))
        _testify_trips(context, verdict)
        return _report(context, "held", sights, _nothing(context), verdict)
    plan = decide(context, sights, busy)
    verdict = judge(context, plan)
    _testify_trips(context, verdict)
    told = chosen(context, plan)
    progress = apply(context, replace(verdict, decisions=told).passed)
    _write_again(context, progress)
    _heal(context, progress)
    _save(context, sights, verdict, progress)
    return _report(context, _state(context, verdict, progress, plan), sights, told, verdict, progress)


def _plan_only(context: Context) -> Report:
    if found := alarms(context):
        return replace(_stopped(context, found), state="planned")
    sights = _gather(context)
    if back := regressions(context, sights):
        return replace(_stopped(context, back), state="planned")
    context.planned = plan = chosen(context, decide(context, sights, open_pairs(context)))
    verdict = judge(context, plan)
    verdict = replace(verdict, trips=(*shrunken(context, sights), *verdict.trips))
    report = _report(context, "planned", sights, plan, verdict)
    return replace(report, guarantees=guarantees(context), requests=requests(context, sights, verdict.passed))


def _stopped(context: Context, found: Sequence[Alarm]) -> Report:
    """Nothing is read: whatever this system shows, it is not what the pairs speak of."""
    verdict = Verdict(trips=tuple(alarm.trip for alarm in found))
    if context.request.kind == "run":
        _testify_trips(context, verdict)
    return _report(context, "held", {}, _nothing(context), verdict)


def _nothing(context: Context) -> Plan:
    return Plan(context.store.folder)


def _gather(context: Context) -> Mapping[Side, Sight]:
    full = needs_full(context)
    return gather(context.views, context.drivers, context.store, context.row, full=full, stop=context.stop)


def decide(context: Context, sights: Mapping[Side, Sight], busy: frozenset[int]) -> Plan:
    """The whole plan, and beside it what a person who adopts it should look at."""
    plan = make_plan(context, sights, busy)
    if adopting(context):  # everything was mapped: a path that found nothing stands out
        for view in context.views.values():
            for problem in (*view.blind_paths(), *view.missing_times()):
                context.say(problem)
    return plan


def needs_full(context: Context) -> bool:
    """Whether everything has to be compared: asked for, never done, or the mapping or the day changed."""
    row = context.row
    return context.request.full or row.last_full == 0 or row.salt != context.salt or adopting(context)


def adopting(context: Context) -> bool:
    """Whether nobody has approved a plan of this mapping, these match keys, this direction and scope yet."""
    return bool(unfamiliar(context.row, context.sync))


def open_pairs(context: Context) -> frozenset[int]:
    """Pairs with a write whose outcome is unknown."""
    return context.store.flights.pairs(context.row.id)


def judge(context: Context, plan: Plan) -> Verdict:
    """The guards' word on the whole plan."""
    standing = context.store.pairs.count(context.row.id)
    pairs = standing.get("active", 0) + standing.get("held", 0)
    verdict = guard(context.sync, plan, pairs, context.approved, adopting=adopting(context), spent=spent(context))
    why = unfamiliar(context.row, context.sync)
    return replace(verdict, trips=tuple(replace(t, field=why) if t.kind == "adopt" else t for t in verdict.trips))


def shrunken(context: Context, sights: Mapping[Side, Sight]) -> list[Trip]:
    """Plan guard: a complete listing that lost much since the last one is more often a fault than the truth."""
    found = []
    pairs = context.store.pairs.count(context.row.id).get("active", 0)
    for side, sight in sights.items():
        last = max(context.row.counts.get(side) or 0, pairs)  # a first run's listing lacked what it then created
        if not sight.complete or not last or shrink_line(context, side) in context.approved:
            continue
        if last <= SMALL and sight.count:
            continue
        allowed = last * (1 - context.sync.guards.shrink)
        if sight.count < allowed:
            end = context.sync.end(side)
            found.append(Trip("shrink", sight.count, ceil(allowed), last, f"{end.system}.{end.entity}"))
    return found


def shrink_line(context: Context, side: Side) -> bytes:
    """What a person approves who knows why a listing became so small."""
    return context.notcher.line(["shrink", side, context.row.counts.get(side)])


def chosen(context: Context, plan: Plan) -> Plan:
    """Only what was asked for."""
    only = context.request.only
    if only is None:
        return plan
    mine = (d for d in plan if only in record_ids(d) or only in owners(context, d))
    return Plan(context.store.folder, mine)


def record_ids(decision: Decision) -> frozenset[str]:
    """The records on either side that a decision is about, as people name them."""
    seen = {(side, item.record.id) for side in SIDES if (item := decision.look(side).item)}
    return named(seen | {(side, half.id) for side in SIDES if (half := decision.pair.half(side))})


def _met(context: Context, report: Report) -> Report:
    """*report*, saying so if nothing came of the one record that was asked for. Raises NoSuch where nobody knows it."""
    only, decided = context.request.only, any(n for kind, n in report.counts.items() if not kind.startswith("read_"))
    if only is None or decided or report.guards or report.state not in ("done", "held", "planned"):
        return report
    if not known(context.sync, context.store, only):
        raise NoSuch(unknown(context.sync, only))
    nothing = f"nothing is to be done for a record '{only}' of {context.sync.name}"
    return replace(report, problems=(*report.problems, nothing))


def _write_again(context: Context, progress: Progress) -> None:
    """Records that changed under our hands: read, merge and write again, a few times."""
    for _ in range(STALE_ROUNDS):
        if not progress.stale or progress.halt:
            break
        pairs = context.store.pairs.get(pair.key for pair in progress.stale)
        verdict = judge(context, again(context, list(pairs.values())))
        fresh = apply(context, verdict.passed)
        progress.counts += fresh.counts
        progress.stale, progress.halt = [*fresh.stale, *(d.pair for d, _ in verdict.held)], fresh.halt
    if progress.stale:
        context.store.pairs.remember(context.row.id, [_restless(context, pair) for pair in progress.stale])


def _heal(context: Context, progress: Progress) -> None:
    """References that got their partner in this very run, such as those in a circle of newcomers."""
    if progress.halt or not context.references.own or context.request.only is not None:
        return
    context.references.forget()
    pairs = context.store.pairs.get(context.store.pairs.healing(context.row.id, asking=False))
    verdict = judge(context, again(context, list(pairs.values())))
    healed = apply(context, verdict.passed)
    progress.counts += healed.counts
    progress.stale, progress.halt = [*progress.stale, *healed.stale], healed.halt


def _restless(context: Context, pair: Pair) -> Pair:
    why = {"why": "somebody keeps editing it while it is written"}
    detail = why | still_remapped(context.sync, pair)
    return replace(pair, state="held", reason="stale", detail=detail, since=pair.since or context.clock())


def _save(context: Context, sights: Mapping[Side, Sight], verdict: Verdict, progress: Progress) -> None:
    """Move the cursors, once everything behind them is settled or held in the store."""
    row = context.row
    if any(trip.kind == "adopt" for trip in verdict.trips):
        return  # nothing was adopted: next time everything is looked at again
    row = replace(row, adopted=True, fingerprint=context.sync.fingerprint, rev=context.sync.rev)
    row = replace(row, remapped=context.sync.remapped)
    if not (progress.halt or verdict.trips or context.deferred or context.request.only):
        cursors = {side: _cursor(context, side, sight) for side, sight in sights.items()}
        counts = {side: sight.count if sight.complete else row.counts.get(side) for side, sight in sights.items()}
        full = all(sight.full for sight in sights.values())
        restored = row.restored and bool(context.store.pairs.count(row.id).get("held"))
        row = replace(row, cursors=cursors, counts=counts, restored=restored)
        settled = replace(row, last_full=context.clock(), salt=context.salt, remapped=frozenset())
        row = settled if full else row
    elif needs_full(context) and not context.request.only:
        row = replace(row, salt=UNFINISHED)
    context.store.save_sync(row)
    if not progress.halt and not context.request.only:
        context.store.journal.tidy(row.id, context.clock(), approvals=not verdict.trips)
        context.store.turns.tidy(context.clock())
    reached("saved")


def _cursor(context: Context, side: Side, sight: Sight) -> str | None:
    rule = context.views[side].capabilities.cursor
    if rule is None:
        return None
    stored = None if sight.full else context.row.cursors.get(side)
    return next_cursor(rule, stored, sight.cursor, sight.server_time)


def _state(context: Context, verdict: Verdict, progress: Progress, plan: Plan) -> RunState:
    if progress.halt:
        return progress.halt
    waits = verdict.trips or progress.stale or open_pairs(context)
    return "held" if waits or plan.waits or context.store.pairs.count(context.row.id).get("held") else "done"


def _guarded(work: Callable[[Context], Report]) -> Callable[[Context], Report]:
    """A system that is away postpones the run; one that refuses us fails it. Either is told, never raised."""

    def guarded(context: Context) -> Report:
        try:
            return work(context)
        except Stopped:
            return Report(context.sync.name, context.run, "stopped", problems=tuple(context.problems))
        except Temporary as fault:
            context.say(f"{fault}; the run is postponed")
            return Report(context.sync.name, context.run, "postponed", problems=tuple(context.problems))
        except ConnectorError as fault:
            context.say(str(fault))
            return Report(context.sync.name, context.run, "failed", problems=tuple(context.problems))

    return guarded


def _report(
    context: Context,
    state: RunState,
    sights: Mapping[Side, Sight],
    plan: Plan,
    verdict: Verdict,
    progress: Progress | None = None,
) -> Report:
    read = {f"read_{side}": sight.count for side, sight in sights.items()}
    done = dict(progress.counts) if progress else {}
    telling = (d for d in plan if d.changes or d.kind in ("link", "relink", "hold", "retire", "reopen"))
    rooms = making_room(context.sync, verdict.passed, context) if context.request.kind == "plan" else {}
    told = islice(telling, PLANNED if context.request.kind == "plan" else TOLD)
    lines = tuple(line(context.sync, d, guard=verdict.stops(d), room=rooms.get(d.pair.key)) for d in told)
    if context.request.kind == "plan" and next(telling, None):
        context.say(f"only the first {PLANNED} lines are shown; the counts are of all")
    return Report(
        context.sync.name,
        context.run,
        state,
        counts={**plan.counts, **read, **done},
        lines=lines,
        guards=tuple(_trip(context.sync, trip) for trip in verdict.trips),
        problems=tuple(context.problems),
    )


def _trip(sync: Sync, trip: Trip) -> dict[str, object]:
    return {
        "kind": trip.kind, "count": trip.count, "allowed": trip.allowed, "pairs": trip.pairs, "field": trip.field,
        "text": str(trip), "remedy": remedy(sync.name, trip),
    }  # fmt: skip


def _kept(report: Report) -> dict[str, object]:
    """What the store keeps of a report: numbers and places, no values."""
    return {"counts": dict(report.counts), "guards": list(report.guards), "problems": list(report.problems)}


def _announce(context: Context, action: str, more: Mapping[str, object] | None = None) -> None:
    body = {"action": action, "actor": context.request.actor, "sync": context.sync.name, "run": context.run}
    context.audit.append([Entry(body | {"reason": context.request.reason} | dict(more or {}))])


def _testify_trips(context: Context, verdict: Verdict) -> None:
    if verdict.trips:
        body = {"action": "guard.tripped", "sync": context.sync.name, "run": context.run}
        context.audit.append(
            [Entry(body | {"guard": t.kind, "count": t.count, "allowed": t.allowed}) for t in verdict.trips]
        )
