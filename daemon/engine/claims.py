"""This is where an id that a system gives a second time is taken from the pair that ended with it.

SQLite counts on from the highest number that is there: who deletes the last row and makes another one gets the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from connectors.base import Done, Outcome
from daemon.core.model import Change, Pair
from daemon.core.rules import Side, other
from daemon.engine.context import Context
from daemon.store.pairs import Known


def claims(context: Context, changes: Sequence[Change], outcomes: Sequence[Outcome]) -> Mapping[str, Known]:
    """Who claims the records that were just created, all on one side."""
    both = zip(changes, outcomes, strict=True)
    made = [done.id for change, done in both if change.op == "create" and isinstance(done, Done)]
    return context.store.pairs.known(context.row.id, changes[0].side, made) if made else {}


def given_up(
    context: Context, side: Side, known: Known | None, by: int, settled: Sequence[Pair]
) -> tuple[list[Pair], list[int]]:
    """What is left of an ended pair that is *known* to claim a record on *side* of the pair *by*; and rows to drop.

    It may have ended just now, among the *settled*. A pair that goes on gives nothing up: two claims on one record are
    an error.
    """
    if known is None or known.key == by:
        return [], []
    ended = next((p for p in settled if p.key == known.key), None) or context.store.pairs.get([known.key])[known.key]
    if ended.state != "retired":
        return [], []
    if ended.half(other(side)) is None:
        return [], [ended.key]
    return [replace(ended, left=None) if side == "left" else replace(ended, right=None)], []
