"""This is where a birth in several requests is followed up: what is made of it, and what its record was given.

Until the last step is made, the record has no partner, whoever finds it in a listing: it is the half-made one's.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.base import RECORD, Done, Partial
from daemon.core.model import Decision, Half, Look, Members, Pair
from daemon.core.rules import SIDES, Side, other
from daemon.engine.lookers import Lookers
from daemon.engine.membership import members_at_birth

KEPT = "unfinished"
"""Under this name a pair's detail holds the answers of the steps that are made. People are told the names alone."""


def made(pair: Pair) -> Mapping[str, Any]:
    """What the steps that are made have answered, by name."""
    return dict(pair.detail.get(KEPT, {}).get("done", {}))


def given_at_birth(pair: Pair) -> dict[str, Any]:
    """What the half-made record was given and whence, in the words of a flight's item; nothing before it is there."""
    return dict(pair.detail.get(KEPT, {}).get("born", {}))


def half_made(pair: Pair, before: Pair, outcome: Partial, item: Mapping[str, Any], sent: Mapping[str, bytes]) -> Pair:
    """*pair* with what the steps of *before* and of this attempt have made. *sent* are the digests of what it gives."""
    born = given_at_birth(before)
    if RECORD in outcome.done and not born:
        members = dict(item["members"])
        born = {"digests": dict(sent), "source": dict(item["source"]), "keys": list(item["keys"]), "members": members}
    told = {"done": dict(outcome.done), "born": born}
    return replace(pair, detail={**pair.detail, "steps": list(outcome.done), KEPT: told})


def kept(pair: Pair) -> Mapping[str, Any]:
    """What must not be forgotten of a half-made record, whatever its pair waits for."""
    return {name: pair.detail[name] for name in ("steps", KEPT) if name in pair.detail}


def still_half_made(decision: Decision) -> Decision:
    """*decision* about a half-made record, which forgets nothing of it while it waits."""
    detail = {**decision.detail, **kept(decision.pair)}
    return replace(decision, detail=detail) if decision.state == "held" else decision


def finished(decision: Decision, side: Side, done: Done, now: float) -> Pair:
    """The pair whose record is whole at last: to be merged from what it was born with, which may be some time ago."""
    born, source = given_at_birth(decision.pair), decision.pair.half(other(side))
    assert source is not None
    half = Half(done.id, None, b"", {}, born["digests"], tuple(key or None for key in born["keys"]))
    halves = {side: half, other(side): replace(source, agreed=born["source"])}
    why = {"why": "it was half made for a while; both records are read again"}
    return replace(
        decision.pair, left=halves["left"], right=halves["right"], state="held", reason="stale", detail=why,
        born="created", since=now, next_try=0.0, attempts=0, line=b"", members=_members(born, side),
    )  # fmt: skip


def orphaned(
    alone: Mapping[int, Pair], known: Mapping[int, Mapping[Side, Look]], lookers: Mapping[Side, Lookers]
) -> dict[int, Pair]:
    """Those of *alone* whose source is gone while their partner was half made, as pairs of both: a case like any other.

    Else the half-made record would be a newcomer, and bring back whom somebody removed.
    """
    found: dict[int, Pair] = {}
    for key, pair in alone.items():
        source: Side = "left" if pair.left else "right"
        born = given_at_birth(pair)
        if not born or known[key][source].presence not in ("gone", "outside"):
            continue
        id = str(made(pair)[RECORD])
        lookers[other(source)].leave(lookers[other(source)].called([id]))
        half = Half(id, None, b"", {}, born["digests"])
        whole = replace(pair, members=_members(born, other(source)))
        found[key] = replace(whole, right=half) if source == "left" else replace(whole, left=half)
    return found


def set_apart(lookers: Mapping[Side, Lookers]) -> dict[Side, list[int]]:
    """Take those whose partner is half made out of *lookers*, with whoever looks like that partner: their numbers."""
    found: dict[Side, list[int]] = {}
    for side in SIDES:
        mine, across = lookers[side], lookers[other(side)]
        rows = {number: pair for number, pair in mine.rows().items() if KEPT in pair.detail}
        keys = [key for number in rows for key in mine.item(number).keys]
        keys += [key for pair in rows.values() for key in given_at_birth(pair).get("keys", ())]
        ids = [made(pair)[RECORD] for pair in rows.values() if RECORD in made(pair)]
        mine.leave(rows)
        across.leave([*across.carriers(keys), *across.called(ids)])
        found[side] = list(rows)
    return found


def _members(born: Mapping[str, Any], side: Side) -> dict[str, Members]:
    """The sets that a half-made record of *side* was given; of one that an earlier version began nothing is known."""
    return members_at_birth({"side": side, "members": born.get("members", {})})
