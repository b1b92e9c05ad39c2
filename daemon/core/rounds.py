"""This is where it is seen that two sides never agree: one field, written back and forth between two values. Pure.

A round is one and the same write again: this side, from this value to that one, after something moved the field back
that was not our own write to this side. So who switches a field on and off, on whichever side, makes no round.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from daemon.core.model import Change, Decision
from daemon.core.plan import Line
from daemon.core.rules import Side, Sync

ROUNDS: Final = 3
"""Rounds that are written. The next one waits for a person."""
WINDOW: Final = 2 * 86400.0
"""Seconds after which a round is not the same story any more. Long enough for a sync that runs once a day."""
RESTLESS: Final = "back and forth"
"""Stands in the reason of a field that is held for this."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The last write of one field of one pair, and how often it was made."""

    side: Side
    move: bytes
    """8 bytes over the field and the values before and after."""
    count: int
    at: float


def turned(sync: Sync, known: Mapping[str, Turn], change: Change, line: Line, now: float) -> Iterator[tuple[str, Turn]]:
    """What is to be remembered of each field that *change* has written."""
    for move in change.moves if change.op == "update" and not change.parks else ():
        there, back = (_digest(sync, move.field, *way, line) for way in _ways(move.before, move.value))
        last = known.get(move.field)
        if last is None or now - last.at > WINDOW:
            yield move.field, Turn(change.side, there, 1, now)
        elif last.side == change.side:
            yield move.field, Turn(change.side, there, last.count + 1 if last.move == there else 1, now)
        else:
            yield move.field, replace(last, at=now) if last.move == back else Turn(change.side, there, 1, now)


def steadied(sync: Sync, decision: Decision, worn: Mapping[str, Turn], line: Line) -> Decision:
    """*decision* without the writes that were made ROUNDS times already and came to nothing; *worn* are these."""
    tired = {
        move.field
        for change in decision.changes
        for move in change.moves
        if (turn := worn.get(move.field)) and turn.side == change.side
        if turn.move == _digest(sync, move.field, move.before, move.value, line)
    }
    if not tired or decision.kind != "update":
        return decision
    names = _held_with(sync, tired, {move.field for change in decision.changes for move in change.moves})
    left = [replace(c, moves=tuple(m for m in c.moves if m.field not in names)) for c in decision.changes]
    held = {**decision.held, **{name: _why(sync, name if name in tired else min(tired)) for name in sorted(names)}}
    return replace(
        decision,
        changes=tuple(change for change in left if change.moves),
        held=held,
        state="held",
        reason="oscillation",
        detail={**decision.detail, "fields": held},
    )


def _held_with(sync: Sync, tired: Collection[str], moving: Collection[str]) -> set[str]:
    """*tired* fields, and those that change hands with them."""
    if any(sync.rule(name).hold == "record" for name in tired):
        return set(moving)
    groups = [names for names in sync.groups.values() if set(names) & set(tired)]
    return set(tired).union(*groups)


def _why(sync: Sync, name: str) -> str:
    rule = sync.rule(name)
    left, right = (lens.text if lens else "" for lens in (rule.left, rule.right))
    return f"written {RESTLESS} {ROUNDS} times: `{left}` on left and `{right}` on right never come to one value"


def _ways(before: object, after: object) -> tuple[tuple[object, object], tuple[object, object]]:
    return (before, after), (after, before)


def _digest(sync: Sync, name: str, before: object, after: object, line: Line) -> bytes:
    shape = sync.rule(name).shape
    return line(["turn", name, shape(before), shape(after)])[:8]
