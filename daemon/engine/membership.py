"""This is where the memory of sets follows what was written: what is proven to stand there, what is waited for.

A member that we added or removed is agreed upon once it shows. One that does not show though our write is proven was
rewritten by the system: it stays `sent`, so that the next plan holds the set instead of taking it for an edit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from daemon.core.model import Change, Decision, Half, Item, Members, Pair, Roster
from daemon.core.rules import SIDES, Side
from daemon.engine.view import View


def remembered(
    decision: Decision, proofs: Mapping[Side, Item | None], views: Mapping[Side, View]
) -> dict[str, Members]:
    """The sets of a pair once the writes to the sides in *proofs* are done: what each is proven to show, None: nothing.

    A set that was not decided shows perhaps what was written to it before.
    """
    known = {name: members for name, members in decision.pair.members.items() if name in views["left"].sets}
    after = {name: _confirmed(decision, name, members) for name, members in known.items()}
    for name, roster in decision.members.items():
        if name not in decision.held:
            made = {s: i for s, i in proofs.items() if any(_writes(c, name) for c in decision.changes if c.side == s)}
            shown = {s: views[s].members(decision.pair.key, name, i) if i else None for s, i in made.items()}
            after[name] = roster.after(shown)
    return after


def unseen(half: Half | None, side: Side, members: Mapping[str, Members]) -> Half | None:
    """*half*, to be looked at again where something that was written to a set of it was not seen yet."""
    return replace(half, seen=b"") if half and any(side in known.sent for known in members.values()) else half


def as_agreed(
    pair: Pair, names: Sequence[str], items: Mapping[Side, Item], views: Mapping[Side, View]
) -> dict[str, Members]:
    """The sets of *pair* as if both sides had agreed on what *names* show; members that differ stay where they are."""
    after = dict(pair.members)
    for name in views["left"].sets & set(names):
        if not any(name in item.faults for item in items.values()):
            left, right = (views[side].members(pair.key, name, items[side]) for side in SIDES)
            after[name] = Members(left & right)
    return after


def aloft(decision: Decision, change: Change, before: Item | None) -> dict[str, Any]:
    """What a flight keeps of the sets that *change* writes, so that a lost answer loses no member."""
    return {
        name: {
            "agreed": sorted(roster.agreed),
            "changed": sorted(roster.changed[change.side]),
            "before": before.digests[name] if before else b"",
        }
        for name, roster in decision.members.items()
        if change.side in roster.changed and _writes(change, name)
    }


def _writes(change: Change, name: str) -> bool:
    return change.op == "create" or any(move.field == name for move in change.moves)


def probed(pair: Pair, item: Mapping[str, Any], digests: Mapping[str, bytes]) -> Pair:
    """*pair*, whose write of unknown end left *digests*: written, not written, or edited since, as it looks."""
    members = dict(pair.members)
    for name, kept in item.get("members", {}).items():
        roster = _roster(kept, item["side"])
        if digests.get(name) == item["digests"].get(name):
            members[name] = roster.after({item["side"]: frozenset(roster.changed[item["side"]] - roster.agreed)})
        elif digests.get(name) != kept["before"] and (removed := roster.changed[item["side"]] & roster.agreed):
            members[name] = Members(roster.agreed, {item["side"]: removed})  # whoever is there may have come back since
    return replace(pair, members=members)


def members_at_birth(item: Mapping[str, Any]) -> dict[str, Members]:
    """The sets of a record that a create of unknown end was found to have made."""
    return {
        name: _roster(kept, item["side"]).after({item["side"]: None}) for name, kept in item.get("members", {}).items()
    }


def _roster(kept: Mapping[str, Any], side: Side) -> Roster:
    return Roster(frozenset(kept["agreed"]), {side: frozenset(kept["changed"])})


def _confirmed(decision: Decision, name: str, members: Members) -> Members:
    """*members*, where a side shows exactly what was sent to it."""
    for side in SIDES:
        half, item = decision.pair.half(side), decision.look(side).item
        sent = members.sent.get(side)
        if sent and half and item and name in half.sent and item.digests.get(name) == half.sent[name]:
            members = Members(members.agreed ^ sent, {s: d for s, d in members.sent.items() if s != side})
    return members
