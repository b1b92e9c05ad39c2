"""This is where it is put together what a run knows of each touched pair, and asked for what it does not know yet."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import TypeAlias

from connectors.base import Gone, Record
from daemon.core.model import Look, Pair
from daemon.core.rules import SIDES, Side, other
from daemon.engine.context import Context
from daemon.engine.gather import Sight, missing

AT_ONCE = 1000
"""Pairs whose records are in memory together."""
UNKNOWN = Look("unknown")
_UNWRITTEN = ("", "stale", "unreachable", "bereft")
"""Reasons of pairs of which nothing was decided since a record of theirs was made."""

Looks: TypeAlias = dict[int, dict[Side, Look]]

_Touch: TypeAlias = tuple[int, Side, bool, str]
"""A pair by its key, the side that touched it, whether by absence, and then the record's id."""


def looks(context: Context, sights: Mapping[Side, Sight]) -> Iterator[Looks]:
    """What is known of each touched pair, some pairs at a time, in the order of their keys."""
    streams = [_waiting(context), *(stream for side in SIDES for stream in _touched(context, side, sights[side]))]
    touches = groupby(heapq.merge(*streams), key=itemgetter(0))
    while some := {key: list(touched) for key, touched in islice(touches, AT_ONCE)}:
        yield _looks_of(context, sights, some)


def fill(context: Context, pairs: Mapping[int, Pair], known: Looks) -> None:
    """Fetch the side of each pair that nobody looked at yet, in one go per side."""
    for side in SIDES:
        wanted = {k: half.id for k, p in pairs.items() if side not in known[k] and (half := p.half(side))}
        answers = context.get(side, list(wanted.values()))
        for key, id in wanted.items():
            known[key][side] = _as_look(context, side, answers[id])


def unless_late(context: Context, pair: Pair, side: Side, look: Look) -> Look:
    """What we made a moment ago and never saw: where a system shows late, its absence says nothing so soon."""
    half, window = pair.half(side), context.views[side].capabilities.consistency_window
    unseen = half is not None and not half.seen and not half.agreed
    # or it is held because the other record is gone, which says nothing of this one
    across = pair.reason == "case" and str(pair.detail.get("why")).startswith(f"gone on {other(side)}")
    unseen = unseen and (pair.reason in _UNWRITTEN or across)
    return UNKNOWN if look.presence == "gone" and unseen and context.clock() < pair.since + window else look


def _waiting(context: Context) -> Iterator[_Touch]:
    """Pairs that are looked at in every run, and those whose references may lead somewhere now."""
    held, healing = context.store.pairs.keys_in(context.row.id, "held"), context.store.pairs.healing(context.row.id)
    yield from ((key, "left", False, "") for key in sorted({*held, *healing}))


def _touched(context: Context, side: Side, sight: Sight) -> Iterator[Iterator[_Touch]]:
    for keys in (sight.moved, sight.outside, sight.gone):
        yield ((key, side, False, "") for key in sorted(keys))
    yield ((key, side, True, id) for key, id in missing(sight, context.store, context.row, side))


def _looks_of(context: Context, sights: Mapping[Side, Sight], some: Mapping[int, Sequence[_Touch]]) -> Looks:
    found: Looks = {key: {} for key in some}
    for side, sight in sights.items():
        view = context.views[side]
        for key, mine in found.items():
            if key in sight.moved:
                mine[side] = Look("here", view.item(sight.moved[key]))
            if key in sight.outside:
                mine[side] = Look("outside", view.item(sight.outside[key]))
        for key, look in _buried(context, side, [key for key in found if key in sight.gone]).items():
            found[key][side] = look
        absent = {key: id for touches in some.values() for key, where, gone, id in touches if gone and where == side}
        for key, look in _confirm(context, side, absent).items():
            found[key][side] = look
    return found


def _buried(context: Context, side: Side, gone: Sequence[int]) -> dict[int, Look]:
    """Records that the system itself calls gone. Where it can tell, it is asked whom they were merged into."""
    buried = dict.fromkeys(gone, Look("gone"))
    if gone and context.views[side].capabilities.merges:
        ids = {key: half.id for key, pair in context.store.pairs.get(gone).items() if (half := pair.half(side))}
        answers = context.get(side, list(ids.values()))
        told = {key: _as_look(context, side, answers[id]) for key, id in ids.items()}
        buried |= {key: look for key, look in told.items() if look.into}
    return buried


def _confirm(context: Context, side: Side, absent: Mapping[int, str]) -> dict[int, Look]:
    """Absence from a listing is a question, not an answer: only a direct `get` says gone."""
    answers = context.get(side, list(absent.values()))
    return {key: _as_look(context, side, answers[id], listed=False) for key, id in absent.items()}


def _as_look(context: Context, side: Side, answer: object, *, listed: bool = True) -> Look:
    view = context.views[side]
    match answer:
        case Record() as record:
            left_where = not listed and bool(view.end.where)  # it exists, and the system's own filter leaves it out
            return Look("outside" if left_where or not view.in_scope(record) else "here", view.item(record))
        case Gone(into=into):
            return Look("gone", into=into or "")
        case _:
            return UNKNOWN
