"""This is where the answer to a write is read: what the audit log hears of it, and how its pair stands after it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from connectors.base import Done, Lost, NotSent, Outcome, Partial, Pending, Refused, Stale
from daemon.audit.entries import Entry
from daemon.core.model import Decision, Pair
from daemon.core.plan import still_remapped
from daemon.core.rules import Side
from daemon.engine.context import Context
from daemon.engine.stepwise import kept
from daemon.store.flights import Flight

_HOUR = 3600.0
_DAY = 24 * _HOUR

Halt: TypeAlias = Literal["", "postponed", "failed", "stopped"]


@dataclass(slots=True)
class Progress:
    """What became of the decisions."""

    counts: Counter[str] = field(default_factory=Counter)
    halt: Halt = ""
    stale: list[Pair] = field(default_factory=list)
    """Pairs whose record changed between reading and writing."""
    told: list[tuple[Flight, list[Entry]]] = field(default_factory=list)
    """Outcomes that the audit log has not heard yet."""
    wanting: dict[bytes, dict[int, Decision]] = field(default_factory=dict)
    """By value, who was refused and wanted it; by pair."""
    freed: dict[int, Decision] = field(default_factory=dict)
    """Who was refused a value that was given up since."""
    retried: set[int] = field(default_factory=set)
    making_room: set[int] = field(default_factory=set)
    """Pairs that were asked to give a unique value up for a while."""
    parked: set[int] = field(default_factory=set)
    """Those of them that did."""
    cramped: dict[int, Decision] = field(default_factory=dict)
    """Those of them whose system would not have it."""


def testimony(context: Context, side: Side, outcome: Outcome, progress: Progress) -> dict[str, Any] | None:
    """What the audit log is told; None while it is unknown."""
    match outcome:
        case Done(id=id, version=version, without=without):
            progress.counts["written"] += 1
            for name, why in without.items():
                context.say(f"{context.sync.end(side).system} {id} was made without {name}, for the next run: {why}")
            steps = {"steps": list(outcome.steps)} if outcome.steps else {}
            return {"result": "done", "record": id, "version": version, **steps, **_lacking(without)}
        case Partial(done=done, rest=rest):
            return {**(testimony(context, side, rest, progress) or {}), "steps": list(done)}
        case Refused(message):
            progress.counts["refused"] += 1
            return {"result": "refused", "message": message}
        case Stale(message):
            return {"result": "stale", "message": message}
        case NotSent(message, permanent=permanent):
            progress.halt = "failed" if permanent else progress.halt or "postponed"
            system = context.sync.end(side).system
            context.say(message if message.startswith(system) else f"{system}: {message}")
            return {"result": "not_sent", "message": message}
        case Pending():
            progress.counts["pending"] += 1
            return None
        case _:
            progress.counts["unknown"] += 1
            return None


def _lacking(without: Mapping[str, str]) -> dict[str, Any]:
    return {"without": dict(without)} if without else {}


TOGETHER = "its batch was refused as a whole, it may not be at fault: "
"""Before the system's words, in the outcome of a write that is sent once more in a smaller batch."""


def refused_together(atomic: bool, outcomes: Sequence[Outcome]) -> list[int]:
    """Which writes of a flight failed because one of them did, as all-or-nothing systems have it.

    Of such a batch nothing happened. A lost answer tells nothing of the kind, and is never sent again.
    """
    failed = [at for at, outcome in enumerate(outcomes) if isinstance(outcome, Refused | Stale)]
    return failed if atomic and len(failed) > 1 else []


def unsettled(
    context: Context, decision: Decision, outcome: Outcome, progress: Progress, not_before: float
) -> Pair | None:
    """How the pair stands after a write that did not come to its end."""
    now = context.clock()
    match outcome:
        case Refused(message):
            return refused(held(context, decision, "refused", {"why": message}), decision.line, now)
        case Lost(message):
            return replace(held(context, decision, "unknown", {"why": message}), next_try=not_before)
        case Pending(job):
            return replace(held(context, decision, "pending", {"why": at_work(job)}), next_try=now)
        case Stale(message):
            progress.stale.append(decision.pair)
            return held(context, decision, "stale", {"why": message})
        case Partial(rest=rest):
            waits = held(context, decision, "stale", {"why": rest.message})
            return unsettled(context, decision, rest, progress, not_before) or waits
        case _:
            return None


def refused(pair: Pair, line: bytes, now: float) -> Pair:
    """*pair*, whose change of this *line* is not sent again unchanged before its time."""
    wait = min(_HOUR * 2**pair.attempts, _DAY)
    return replace(pair, line=line, attempts=pair.attempts + 1, next_try=now + wait)


def still_refused(decision: Decision, now: float) -> bool:
    """Whether this is a change that a system refused: it is not sent again unchanged before its time."""
    pair = decision.pair
    return pair.reason == "refused" and pair.line == decision.line and now < pair.next_try


def at_work(job: str) -> str:
    """Why a pair waits whose write the system has only taken the order for."""
    return f"the system took the order and works on it (job {job}); every run asks how it stands"


def held(context: Context, decision: Decision, reason: Any, detail: Mapping[str, Any]) -> Pair:
    """The pair as remembered before, waiting. What was agreed stays what it was."""
    pair = decision.pair
    since = pair.since if pair.state == "held" and pair.reason == reason else context.clock()
    detail = {**detail, **kept(pair), **still_remapped(context.sync, pair)}
    return replace(pair, state="held", reason=reason, detail=detail, since=since)
