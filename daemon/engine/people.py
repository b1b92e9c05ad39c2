"""This is where people say yes: what a guard or a question holds is counted, shown and approved line by line."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from connectors.base import Driver
from daemon.audit.entries import Entry
from daemon.audit.log import AuditLog
from daemon.core.guards import needs_approval
from daemon.core.model import Decision
from daemon.core.rules import SIDES, Side, Sync
from daemon.engine.alarms import Alarm, alarms, remedy
from daemon.engine.collecting import children
from daemon.engine.context import Context, start
from daemon.engine.family import owners
from daemon.engine.gather import gather
from daemon.engine.report import Request, line
from daemon.engine.run import adopting, decide, judge, needs_full, open_pairs, record_ids, shrink_line, shrunken
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
    What holds the collections of *sync* is approved with it, and nothing is where one of them cannot be read.
    """
    context = start(
        sync, drivers, store, audit, clock=clock, run_id=run_id,
        request=Request("plan", full=True, only=only, actor=actor), stop=lambda: False,
    )  # fmt: skip
    yes = Yes(kinds, only, reason, clock() + expires)
    looked = [(each, _looked(each, yes)) for each in chain([context], children(context))]
    approved, problems = Counter[str](), list[str]()
    for each, allow in looked:
        approved.update(allow())
        of = "" if each is context else f"{each.sync.short}: "
        problems += [f"{of}{problem}" for problem in each.problems]
    return {"sync": sync.name, "approved": dict(sorted(approved.items())), "expires": yes.until, "problems": problems}


@dataclass(frozen=True, slots=True)
class Yes:
    """What a person approves: of which kinds (none: of all), of which record, why, and until when."""

    kinds: Sequence[str]
    only: str | None
    reason: str
    until: float

    def means(self, kind: str, records: Collection[str]) -> bool:
        """Whether a line is meant."""
        return (not self.kinds or kind in self.kinds) and (self.only is None or self.only in records)


def _looked(context: Context, yes: Yes) -> Callable[[], Mapping[str, int]]:
    """What is approved when it is called: how many lines of each kind. Until then nothing is."""
    if "restored" in yes.kinds and context.row.restored:
        return partial(_trust, context, yes)
    if stopped := alarms(context):
        return partial(_take_over, context, stopped, yes)
    lines, whole = dict[bytes, str](), set[bytes]()
    for digest, kind, records in _open_lines(context):
        whole |= {digest} if kind == "adopt" else set()
        if yes.means(kind, records):
            lines[digest] = kind
    return partial(_allow, context, yes, lines, whole)


def _trust(context: Context, yes: Yes) -> Mapping[str, int]:
    trust_again(context, yes.reason)
    return {"restored": 1}


def _take_over(context: Context, stopped: Sequence[Alarm], yes: Yes) -> Mapping[str, int]:
    accepted = [alarm for alarm in stopped if alarm.line and (not yes.kinds or alarm.trip.kind in yes.kinds)]
    take_over(context, accepted, yes.reason)
    for alarm in stopped:
        if alarm not in accepted:
            context.say(f"{alarm.trip}; {remedy(context.sync.name, alarm.trip)}")
    return {"tenant": len(accepted)} if accepted else {}


def _allow(context: Context, yes: Yes, lines: Mapping[bytes, str], whole: set[bytes]) -> Mapping[str, int]:
    numbers = Counter(lines.values())
    told = {"action": "plan.approved", "actor": context.request.actor, "sync": context.sync.name}
    if lines:
        context.audit.append([Entry(told | {"reason": yes.reason, "approved": dict(sorted(numbers.items()))})])
        context.store.journal.approve(context.row.id, lines, context.request.actor, yes.until)
    if "adopt" in numbers and whole <= lines.keys():
        # from now on only what was not seen here faces the guards, whatever interrupts the run
        row = replace(context.row, adopted=True, fingerprint=context.sync.fingerprint, rev=context.sync.rev, salt="")
        row = replace(row, remapped=context.sync.remapped)
        context.store.save_sync(row)
    return numbers


def _open_lines(context: Context) -> Iterator[tuple[bytes, str, frozenset[str]]]:
    """What stands before a guard or a question now: its digest, the word to approve it by, the records it is about."""
    sights = gather(context.views, context.drivers, context.store, context.row, full=needs_full(context))
    if shrunken(context, sights):
        yield from ((shrink_line(context, side), "shrink", frozenset[str]()) for side in SIDES)
    context.planned = decisions = decide(context, sights, open_pairs(context))
    verdict = judge(context, decisions)
    yield from ((d.line, str(kind), _records(context, d)) for d, kind in verdict.held)
    if adopting(context):
        whole = (d for d in decisions if needs_approval(d, adopting=True) and verdict.stops(d) != "values")
        yield from ((d.line, "adopt", _records(context, d)) for d in whole)
    yield from ((d.line, "confirm", _records(context, d)) for d in decisions if d.reason == "confirm" and d.line)


def _records(context: Context, decision: Decision) -> frozenset[str]:
    """The records that a decision is about, and whose children they are, where a person approves of one alone."""
    if context.request.only is None:
        return frozenset()
    return record_ids(decision) | owners(context, decision)


def adopt(
    sync: Sync, drivers: Mapping[Side, Driver], store: Store, audit: AuditLog, *, clock: Clock, run_id: str, actor: str
) -> dict[str, Any]:
    """The census before the first run: {matched, unmatched_left, unmatched_right, ambiguous, lines, problems}."""
    context = start(
        sync, drivers, store, audit, clock=clock, run_id=run_id, request=Request("plan", full=True, actor=actor),
        stop=lambda: False,
    )  # fmt: skip
    lines, problems = _census(context), [*context.problems]
    for child in children(context):
        lines += [{"collection": child.sync.short, **told} for told in _census(child)]
        problems += [f"{child.sync.short}: {problem}" for problem in child.problems]
    words = [told["census"] for told in lines]
    return {
        "sync": sync.name,
        "adopted": not adopting(context),
        **{word: words.count(word) for word in ("matched", "unmatched_left", "unmatched_right", "ambiguous")},
        "lines": lines,
        "problems": problems,
    }


def _census(context: Context) -> list[dict[str, Any]]:
    sights = gather(context.views, context.drivers, context.store, context.row, full=True)
    context.planned = decisions = decide(context, sights, open_pairs(context))
    return [_census_line(context.sync, decision) for decision in decisions]


def _census_line(sync: Sync, decision: Decision) -> dict[str, Any]:
    left, right = (decision.look(side).item for side in SIDES)
    both = bool(left and right) or bool(decision.pair.left and decision.pair.right)
    word = "matched" if both else ("unmatched_left" if left else "unmatched_right")
    if decision.reason in ("ambiguous", "confirm"):
        word = "ambiguous"
    return {"census": word, **line(sync, decision)}
