"""This is where records without a partner find one: by match_on, alternatives in order, unique both ways. Pure.

Nobody has to be in memory for it: records take part as seats, a match key and a number, and come in the order of keys.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, TypeAlias

from daemon.core.bits import Bits
from daemon.core.rules import SIDES, Match, Side

FEW = 5
"""So many of those who share a match key are named: a mistake such as `unknown@corp.example` has thousands."""


class Seat(NamedTuple):
    """One record under one alternative of match_on. The order of seats is that of their keys."""

    key: bytes
    side: Side
    number: int
    """The caller's own number of the record, from 0; a side gives each once."""
    taken: bool = False
    """It has a partner already, and stands in the way of a second."""


class Found(NamedTuple):
    """Two records that belong together, by their numbers."""

    left: int
    right: int
    confirm: Literal["auto", "ask"]


class Ambiguous(NamedTuple):
    """A record with several candidates, or whose only one is taken or wanted twice."""

    side: Side
    number: int
    rivals: int
    """How many compete with it."""
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    """The first few that share the match key, on either side, the record itself included."""


Finding: TypeAlias = Found | Ambiguous


def match(alternatives: Sequence[Match], seats: Callable[[int], Iterable[Seat]]) -> Iterator[Finding]:
    """Pair left with right; *seats* gives those of one alternative, in the order of keys.

    The first alternative that finds anything for a record decides about it. Whoever appears in no finding has no
    partner. Who is taken stands in the way under every alternative.
    """
    decided: dict[Side, Bits] = {"left": Bits(), "right": Bits()}
    for index, alternative in enumerate(alternatives):
        for _, group in groupby(seats(index), key=lambda seat: seat.key):
            sharing = [seat for seat in group if seat.number not in decided[seat.side]]
            yield from _decide(alternative, {s: [seat for seat in sharing if seat.side == s] for s in SIDES}, decided)


def _decide(
    alternative: Match, sharing: Mapping[Side, Sequence[Seat]], decided: Mapping[Side, Bits]
) -> Iterator[Finding]:
    """What becomes of those who share one match key."""
    lefts, rights = sharing["left"], sharing["right"]
    if not (lefts and rights) and len(lefts) + len(rights) < 2:
        return
    for side in SIDES:
        for seat in sharing[side]:
            if not seat.taken:
                decided[side].add(seat.number)
    if len(lefts) == len(rights) == 1 and not lefts[0].taken and not rights[0].taken:
        yield Found(lefts[0].number, rights[0].number, alternative.confirm)
        return
    first = {side: tuple(seat.number for seat in sharing[side][: FEW + 1]) for side in SIDES}
    for side in SIDES:
        # twins of one side without anybody across wait, too: a partner for each would make two of one
        rivals = len(lefts) + len(rights) - 1
        yield from (Ambiguous(side, seat.number, rivals, **first) for seat in sharing[side] if not seat.taken)
