"""This is where people say yes: what a guard or a question holds is counted, shown and approved line by line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.base import Driver
from daemon.audit.entries import Entry
from daemon.audit.log import AuditLog
from daemon.core.guards import needs_approval
from daemon.core.model import Decision
from daemon.core.rules import SIDES, Side, Sync
from daemon.engine.alarms import alarms, remedy
from daemon.engine.context import Context, start
from daemon.engine.gather import gather
from daemon.engine.planning import make_plan
from daemon.engine.report import Request, line
from daemon.engine.run import adopting, judge, needs_full, open_pairs, record_ids, shrink_line, shrunken
from daemon.engine.takeover import take_over, trust_again
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
    if "restored" in kinds and context.row.restored:
        trust_again(context, reason)
        return {"sync": sync.name, "approved": {"restored": 1}, "expires": clock() + expires, "problems": []}
    if stopped := alarms(context):
        accepted = [alarm for alarm in stopped if alarm.line and (not kinds or alarm.trip.kind in kinds)]
        take_over(context, accepted, reason)
        numbers = {"tenant": len(accepted)} if accepted else {}
        problems = [f"{alarm.trip}; {remedy(sync.name, alarm.trip)}" for alarm in stopped if alarm not in accepted]
        return {"sync": sync.name, "approved": numbers, "expires": clock() + expires, "problems": problems}
    lines, whole = dict[bytes, str](), set[bytes]()
    for digest, kind, ids in _open_lines(context):
        whole |= {digest} if kind == "adopt" else set()
        if (not kinds or kind in kinds) and (only is None or only in ids):
            lines[digest] = kind
    until = clock() + expires
    numbers = {kind: list(lines.values()).count(kind) for kind in sorted(set(lines.values()))}
    body = {"action": "plan.approved", "actor": actor, "sync": sync.name, "reason": reason, "approved": numbers}
    if lines:
        audit.append([Entry(body)])
        store.journal.approve(context.row.id, lines, actor, until)
    if "adopt" in numbers and whole <= lines.keys():
        # from now on only what was not seen here faces the guards, whatever interrupts the run
        row = replace(context.row, adopted=True, fingerprint=sync.fingerprint, rev=sync.rev, salt="")
        row = replace(row, remapped=context.sync.remapped)
        store.save_sync(row)
    return {"sync": sync.name, "approved": numbers, "expires": until, "problems": list(context.problems)}


def _open_lines(context: Context) -> Iterator[tuple[bytes, str, frozenset[str]]]:
    """What stands before a guard or a question now: its digest, the word to approve it by, the records it is about."""
    sights = gather(context.views, context.drivers, context.store, context.row, full=needs_full(context))
    if shrunken(context, sights):
        yield from ((shrink_line(context, side), "shrink", frozenset[str]()) for side in SIDES)
    decisions = make_plan(context, sights, open_pairs(context))
    verdict = judge(context, decisions)
    yield from ((decision.line, str(kind), record_ids(decision)) for decision, kind in verdict.held)
    if adopting(context):
        whole = (d for d in decisions if needs_approval(d, adopting=True) and verdict.stops(d) != "values")
        yield from ((d.line, "adopt", record_ids(d)) for d in whole)
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
