"""This is where values that must be unique change hands in order: given up before they are taken. Pure.

Whoever takes a value comes in a later wave than whoever gives it up on that side. In a circle one record makes room
first: it gets a temporary value, and its own change once everybody else has moved.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from daemon.core.model import Change, Decision, Move
from daemon.core.rules import Side, Sync
from daemon.core.types import empty

Line: TypeAlias = Callable[[Any], bytes]
"""The digest of some facts (Notcher.line)."""

PARKED = b"\xff" * 8
"""Stands as `agreed` on the side that a parked field comes from, and for a set that met across before its own side was
written: no value has this digest, so the field has moved there until its change is done, whoever dies in between."""
_WHY = "makes room: its value goes to another record first"


def in_order(sync: Sync, decisions: Iterable[Decision], line: Line) -> Iterator[Decision] | None:
    """*decisions* with their waves, and with those that make room; None where nobody waits for anybody.

    They are walked several times. Of those that wait for each other numbers and digests are kept, no decision.
    """
    if not any(rule.unique for rule in sync.rules):
        return None
    givers = _givers(sync, decisions, line)
    needs, asked = _needs(sync, decisions, line, givers) if givers else ({}, {})
    return _in_waves(decisions, needs, asked) if needs else None


def _in_waves(
    decisions: Iterable[Decision], needs: Mapping[int, set[int]], asked: Mapping[int, set[tuple[Side, str]]]
) -> Iterator[Decision]:
    involved = needs.keys() | asked.keys()
    ranks = {at: decision.rank for at, decision in enumerate(decisions) if at in involved}
    waves, rooms = dict[int, int](), dict[int, int]()
    for wave, (members, circling) in enumerate(_waves(needs), 1):
        rooms |= dict.fromkeys(circling, wave)
        for at in members:
            waves[at] = wave
            ranks[at] = max(ranks[at], *(ranks[giver] for giver in needs[at]))
    for at, decision in enumerate(decisions):
        if at in rooms:
            yield replace(_making_room(decision, asked[at]), wave=rooms[at])
        yield replace(decision, wave=waves[at], rank=ranks[at]) if at in waves else decision


def taken(sync: Sync, change: Change, line: Line, *, unique: bool = True) -> Iterator[tuple[bytes, str]]:
    """The values that *change* takes on its side, each as a digest with its field."""
    for move in change.moves if change.op in ("create", "update") else ():
        if not empty(move.value) and (sync.rule(move.field).unique or not unique):
            yield _value(sync, change.side, move.field, move.value, line), move.field


def given_up(
    sync: Sync, decision: Decision, change: Change, line: Line, *, unique: bool = True
) -> Iterator[tuple[bytes, str]]:
    """The values that *change* gives up on its side, or may: who is deactivated perhaps keeps them."""
    for name, value in _left_behind(sync, decision, change).items():
        if not empty(value) and (sync.rule(name).unique or not unique):
            yield _value(sync, change.side, name, value, line), name


def stand_in(decision: Decision, token: str) -> Decision:
    """*decision*, which makes room, with a text instead of emptiness, for systems that will have no emptiness.

    An e-mail address stays one, of a domain that nobody can own (RFC 2606). A number becomes one made of *token*.
    """
    (change,) = decision.changes
    moves = tuple(move._replace(value=_alike(move.before, token)) for move in change.moves)
    return replace(decision, changes=(replace(change, moves=moves),))


def _alike(value: Any, token: str) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(token[:7], 16)
    return f"{token}@tallystick.invalid" if "@" in str(value) else f"tallystick-{token}"


def _left_behind(sync: Sync, decision: Decision, change: Change) -> Mapping[str, Any]:
    if change.op == "update":
        return {move.field: move.before for move in change.moves}
    item = decision.look(change.side).item
    shown = item.values if item and change.op != "create" else {}
    return {rule.name: shown[rule.name] for rule in sync.rules if rule.name in shown}


def _value(sync: Sync, side: Side, name: str, value: Any, line: Line) -> bytes:
    return line(["unique", side, name, sync.rule(name).shape(value)])


def _givers(sync: Sync, decisions: Iterable[Decision], line: Line) -> dict[bytes, int]:
    """Who gives each value up, by place in *decisions*."""
    return {
        value: at
        for at, decision in enumerate(decisions)
        for change in decision.changes
        for value, _ in given_up(sync, decision, change, line)
    }


def _needs(
    sync: Sync, decisions: Iterable[Decision], line: Line, givers: Mapping[bytes, int]
) -> tuple[dict[int, set[int]], dict[int, set[tuple[Side, str]]]]:
    """Whom each decision has to wait for, and what those are asked for."""
    needs: dict[int, set[int]] = {}
    asked: dict[int, set[tuple[Side, str]]] = {}
    for at, decision in enumerate(decisions):
        for change in decision.changes:
            for value, name in taken(sync, change, line):
                giver = givers.get(value, at)
                if giver != at:
                    needs.setdefault(at, set()).add(giver)
                    asked.setdefault(giver, set()).add((change.side, name))
    return needs, asked


def _waves(needs: Mapping[int, set[int]]) -> Iterator[tuple[list[int], list[int]]]:
    """Who waits for nobody any more, again and again; or, where all wait, one of each circle that has to make room."""
    rest = {at: names & needs.keys() for at, names in needs.items()}
    waiting: dict[int, list[int]] = {}
    for at, names in rest.items():
        for name in names:
            waiting.setdefault(name, []).append(at)
    ready = [at for at, names in rest.items() if not names]
    while rest:
        circling = [] if ready else _circles(rest)
        yield ready, circling
        for at in ready:
            del rest[at]
        freed = [(at, name) for name in (*ready, *circling) for at in waiting.pop(name, ()) if at in rest]
        for at, name in freed:
            rest[at].discard(name)
        ready = [at for at in dict.fromkeys(at for at, _ in freed) if not rest[at]]


def _circles(rest: Mapping[int, set[int]]) -> list[int]:
    """One of each circle that is met when everybody follows the first one that they wait for."""
    found: list[int] = []
    met: dict[int, int] = {}
    for start in rest:
        at = start
        while at not in met:
            met[at] = start
            at = min(rest[at])
        if met[at] == start:
            found.append(at)
    return found


def _making_room(decision: Decision, asked: set[tuple[Side, str]]) -> Decision:
    """The step in which the record of *decision* gives up what others ask for; it is emptied there."""
    changes = []
    for change in decision.changes:
        wanted = [move for move in change.moves if (change.side, move.field) in asked]
        moves = tuple(Move(move.field, None, move.before, _WHY) for move in wanted)
        changes += [Change(change.side, "update", moves, _WHY, parks=True)] if moves else []
    return replace(decision, changes=tuple(changes), rank=0)
