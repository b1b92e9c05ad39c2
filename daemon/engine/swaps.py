"""This is where the writes of one run mind each other: who made room goes on, who was refused too early tries again.

A system refuses a value that another record still has. What was refused is kept with the values that it wanted, and as
soon as the same run gives one of them up, the write is made once more.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from connectors.base import Done, Outcome, Refused, Write
from daemon.core.model import Change, Decision, Pair
from daemon.core.swaps import given_up, stand_in, taken
from daemon.engine.answers import Progress
from daemon.engine.context import Context
from daemon.engine.planning import again

Job: TypeAlias = tuple[Decision, Change, Write]


def notice(context: Context, progress: Progress, answered: Iterable[tuple[Job, Outcome]]) -> None:
    """Remember who made room, who was refused, and who of those wants a value that was given up since, or at once."""
    sync, line = context.sync, context.notcher.line
    done: list[tuple[Decision, Change]] = []
    for (decision, change, _), outcome in answered:
        if isinstance(outcome, Done):
            done.append((decision, change))
            if change.parks:
                progress.parked.add(decision.pair.key)
        elif isinstance(outcome, Refused) and change.parks:
            progress.cramped[decision.pair.key] = decision
        elif isinstance(outcome, Refused):
            for value, _ in taken(sync, change, line, unique=False):
                progress.wanting.setdefault(value, {})[decision.pair.key] = decision
    for decision, change in done if progress.wanting else ():
        for value, _ in given_up(sync, decision, change, line, unique=False):
            progress.freed |= progress.wanting.pop(value, {})


def second_tries(context: Context, progress: Progress) -> list[Decision]:
    """Those who would not be emptied to make room: they get a text that nobody else has."""
    cramped, progress.cramped = progress.cramped, {}
    progress.counts["refused"] -= len(cramped)
    return [
        stand_in(decision, context.notcher.line(["parked", key]).hex()[:16])
        for key, decision in cramped.items()
        if all(move.value is None for change in decision.changes for move in change.moves)
    ]


def freed(context: Context, progress: Progress) -> list[Decision]:
    """Those who were refused a value that is free by now, each once in a run, as they stand now."""
    decisions = {key: d for key, d in progress.freed.items() if key not in progress.retried}
    progress.retried |= decisions.keys()
    progress.freed = {}
    progress.counts["refused"] -= len(decisions)
    pairs = {key: _unrefused(pair) for key, pair in context.store.pairs.get(decisions).items()}
    alone = [replace(d, pair=pairs[k], new=False, absorbs=0) for k, d in decisions.items() if not _whole(pairs[k])]
    return [*alone, *_as_passed(context, [d for k, d in decisions.items() if _whole(pairs[k])], pairs, progress)]


def going_on(context: Context, decisions: Sequence[Decision], progress: Progress) -> list[Decision]:
    """*decisions* as they stand now, where the record made room before. Who could not make room waits."""
    roomy = [d for d in decisions if d.pair.key in progress.making_room and not _parks(d)]
    parted = [d for d in roomy if d.pair.key in progress.parked]
    pairs = context.store.pairs.get(d.pair.key for d in parted)
    return [*(d for d in decisions if d not in roomy), *_as_passed(context, parted, pairs, progress)]


def _parks(decision: Decision) -> bool:
    return any(change.parks for change in decision.changes)


def _as_passed(
    context: Context, decisions: Sequence[Decision], pairs: dict[int, Pair], progress: Progress
) -> Iterator[Decision]:
    """*decisions* made anew, where they do no more than what the guards saw. The rest is merged and judged again."""
    before = {decision.pair.key: decision for decision in decisions}
    for fresh in again(context, [pairs[key] for key in before]):
        planned = before[fresh.pair.key]
        if all(move in _aims(planned) for move in _aims(fresh)):
            yield context.as_approved(fresh, planned)
        else:
            progress.stale.append(fresh.pair)


def _aims(decision: Decision) -> list[tuple[object, ...]]:
    return [(c.side, c.op, move.field, move.value) for c in decision.changes for move in c.moves]


def _whole(pair: Pair) -> bool:
    return bool(pair.left and pair.right)


def _unrefused(pair: Pair) -> Pair:
    """*pair* without the refusal that this run has just remembered: its next try is the same one."""
    return replace(pair, line=b"", next_try=0.0, attempts=max(0, pair.attempts - 1))
