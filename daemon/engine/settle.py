"""This is where it is decided what is remembered after a write: what it rested on, or is proven to have left.

A written field becomes agreed only if the read-back carries the version that the write returned; else it stays `sent`
and the first sight of it confirms. A field that was not written gets the value gathered before, never the read-back:
so an edit between our write and our reading is still an edit tomorrow.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from connectors.base import Done
from connectors.paths import ABSENT
from daemon.core.model import Change, Decision, Half, Item, Members, Move, Pair, Target
from daemon.core.plan import still_remapped
from daemon.core.rules import SIDES, Side, other
from daemon.core.swaps import PARKED
from daemon.engine.membership import remembered, unseen
from daemon.engine.relating import unrelated
from daemon.engine.view import View


def settled(decision: Decision, done: Mapping[Side, Done], views: Mapping[Side, View], now: float) -> Pair:
    """The pair as it is remembered once every change of *decision* is done."""
    halves = {side: _half(decision, side, done.get(side), views[side]) for side in SIDES}
    created = any(change.op == "create" for change in decision.changes)
    pair = decision.pair
    members = _members(decision, done, views)
    waits, as_before, sync = decision.state in ("held", "single"), _agrees_as_before(decision), views["left"].sync
    after = replace(
        pair,
        left=unseen(halves["left"], "left", members),
        right=unseen(halves["right"], "right", members),
        members=members,
        state=decision.state,
        reason=decision.reason,
        detail={**decision.detail, **still_remapped(sync, pair)} if as_before else decision.detail,
        born="created" if created else pair.born,
        since=pair.since if waits and pair.state == decision.state and pair.reason == decision.reason else now,
        next_try=0.0,
        attempts=0,
        line=b"",
        awaits=awaited(decision),
        rev=pair.rev if as_before else sync.mark,
    )
    return unrelated(after, done, views)


def awaited(decision: Decision) -> tuple[Target, ...]:
    """Whom the fields of both records refer to in vain. Of a record that nobody looked at, what is known is kept."""
    if decision.state == "retired":
        return ()
    looks = (decision.left, decision.right)
    found = {target for look in looks if look.item for targets in look.item.awaits.values() for target in targets}
    if any(look.presence == "unknown" for look in looks):
        found |= set(decision.pair.awaits)
    return tuple(sorted(found))


def reached_halfway(decision: Decision, done: Mapping[Side, Done], views: Mapping[Side, View]) -> Pair:
    """The pair while only some of its changes are done: the fields written so far are ours on both sides.

    Else our own value would look like somebody's edit to the next run, if the other change never comes about.
    """
    pair = decision.pair
    if done:
        pair = replace(pair, members=_members(decision, done, views))
    for change in decision.changes:
        answer, source = done.get(change.side), decision.look(other(change.side)).item
        if answer is None or source is None or change.op != "update":
            continue
        sent = _shown(answer, change, views[change.side], decision.look(change.side).item)
        joins = joint(decision)
        pair = carried(pair, change.side, sent, origin(change, source), frozenset(decision.members), joins)
    return pair


def origin(change: Change, source: Item | None) -> dict[str, bytes]:
    """What counts as agreed on the other side once *change* is made: what its values came from."""
    if change.parks:
        return {move.field: PARKED for move in change.moves}
    return dict(source.digests) if source else {}


def joint(decision: Decision) -> frozenset[str]:
    """Fields that get one new value on both sides, as a person said."""
    moving = [{move.field for move in change.moves} for change in decision.changes if change.op == "update"]
    return frozenset(moving[0] & moving[1]) - decision.members.keys() if len(moving) == len(SIDES) else frozenset()


def carried(
    pair: Pair,
    side: Side,
    sent: Mapping[str, bytes],
    source: Mapping[str, bytes],
    sets: Collection[str] = (),
    joins: Collection[str] = (),
) -> Pair:
    """The pair after some fields were carried over to *side*: what they show there, and what they came from.

    Of *sets* the source may still lack members, so it counts as edited. Of *joins* it lacks what *side* has by now, so
    *side* counts as edited.
    """
    there, here = pair.half(side), pair.half(other(side))
    if there is None or here is None:
        return pair
    ours = {name: digest for name, digest in sent.items() if name not in joins}
    there = replace(there, seen=b"", sent=dict(there.sent) | ours)
    settled = {name: source[name] for name in sent if name in source and name not in sets}
    # or the memory of its members would not be believed, and what somebody removes meanwhile would come back
    met = {name: PARKED for name in sets if name in sent and name not in here.agreed and name not in here.sent}
    here = replace(here, agreed=dict(here.agreed) | settled | met)
    return replace(pair, left=there, right=here) if side == "left" else replace(pair, left=here, right=there)


def _half(decision: Decision, side: Side, done: Done | None, view: View) -> Half | None:
    old, item = decision.pair.half(side), decision.look(side).item
    change = next((c for c in decision.changes if c.side == side), None)
    if change is None or done is None:
        return _gathered(decision, old, item, view)
    match change.op:
        case "create":
            return _created(decision, change, done, view)
        case "update":
            assert item is not None
            return _updated(decision, change, done, item, view)
        case _:
            half = old or _gathered(decision, old, item, view)
            return free(half) if half and change.op == "delete" else half


def _gathered(decision: Decision, old: Half | None, item: Item | None, view: View) -> Half | None:
    """Nothing was written here: what was seen when the decision was made is what it was based on."""
    if item is None:
        ended = decision.state == "retired" and decision.look(view.side).presence == "gone"
        return free(old) if old and ended else old
    agreed, sent = _kept(old)
    for name, digest in item.digests.items():
        if name not in decision.held and _told(item, name):
            agreed[name] = digest
            sent.pop(name, None)
    if _agrees_as_before(decision):
        agreed, sent = (dict(old.agreed), dict(old.sent)) if old else ({}, {})
    half = view.half(item, agreed, sent)
    # the version of the last look that settled everything: a later one tells that a clash is about a later edit
    return replace(half, version=old.version if old else None) if decision.held else half


def _agrees_as_before(decision: Decision) -> bool:
    """Whether nothing was decided about the fields, so that what was agreed stays what it was."""
    return decision.state == "retired" or (decision.state == "held" and not decision.held)


def _created(decision: Decision, change: Change, done: Done, view: View) -> Half:
    source = decision.look(other(view.side)).item
    sent = _sent(done.id, change.moves, view)
    if _proven(done, view) and done.record:
        shown = view.digests(done.record)
        if source and all(shown[name] == digest for name, digest in sent.items()):
            return Half(done.id, done.version, view.seen(done.record), shown, {}, source.keys)
        return view.half(view.item(done.record), shown, {})  # the system rewrote something, perhaps a match key
    return Half(done.id, done.version, b"", {}, sent, source.keys if source else ())


def _updated(decision: Decision, change: Change, done: Done, before: Item, view: View) -> Half:
    old = decision.pair.half(view.side)
    agreed, sent = _kept(old)
    for name, digest in before.digests.items():
        if name not in decision.held and _told(before, name):
            agreed[name] = digest  # a written field too: to show the overruled value still is no edit
            sent.pop(name, None)
    after = _proof(done, view)
    if after is None:
        sent |= _sent(before.record.id, change.moves, view, before)
        source = decision.look(other(view.side)).item
        return Half(before.record.id, done.version, b"", agreed, sent, source.keys if source else before.keys)
    written = {move.field for move in change.moves}
    for name in written:
        agreed[name] = after.digests[name]
        sent.pop(name, None)
    untouched = all(after.digests[n] == before.digests[n] for n in before.digests if n not in written)
    return view.half(after, agreed, sent, seen=untouched)


def free(half: Half) -> Half:
    """Its record is gone: the match keys are free for a newcomer, and should it come back, it is looked at."""
    return replace(half, seen=b"", keys=())


def _kept(old: Half | None) -> tuple[dict[str, bytes], dict[str, bytes]]:
    return (dict(old.agreed), dict(old.sent)) if old else ({}, {})


def _told(item: Item, name: str) -> bool:
    """Absence is no value to agree on: a record that does not say today shows what was agreed tomorrow."""
    return item.values.get(name, ABSENT) is not ABSENT


def _proof(done: Done, view: View) -> Item | None:
    """The read-back, if it shows what our write made and nothing later."""
    return view.item(done.record) if done.record and _proven(done, view) else None


def _proven(done: Done, view: View) -> bool:
    """Whether the read-back is of the write's own transaction, or carries the version that the write returned.

    Where a system shows late, what it shows next is older than any read-back: only showing our value confirms it.
    """
    if done.record is None or view.capabilities.consistency_window:
        return False
    return done.exact or (done.version is not None and done.record.version == done.version)


def _shown(done: Done, change: Change, view: View, over: Item | None) -> dict[str, bytes]:
    """What the written fields show now: proven by the read-back, else as we sent them."""
    if after := _proof(done, view):
        return {move.field: after.digests[move.field] for move in change.moves}
    return _sent(done.id, change.moves, view, over)


def _members(decision: Decision, done: Mapping[Side, Done], views: Mapping[Side, View]) -> dict[str, Members]:
    written = done.items() if decision.members else ()
    return remembered(decision, {side: _proof(answer, views[side]) for side, answer in written}, views)


def _sent(id: str, moves: tuple[Move, ...], view: View, over: Item | None = None) -> dict[str, bytes]:
    return view.sent_digests(id, ((move.field, move.value) for move in moves), over.record if over else None)
