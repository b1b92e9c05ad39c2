"""This is where what both sides showed becomes decisions: partners found, absences confirmed, fields merged."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from connectors.base import Gone, Record
from daemon.core.match import Candidate, Matches, match
from daemon.core.model import UNANSWERED, Decision, Half, Item, Look, Pair, Reason
from daemon.core.plan import decide_pair, decide_single
from daemon.core.rules import SIDES, Side, other
from daemon.engine.arrivals import with_arrivals
from daemon.engine.births import foretold
from daemon.engine.context import Context
from daemon.engine.gather import Sight, missing

_UNKNOWN = Look("unknown")


def make_plan(context: Context, sights: Mapping[Side, Sight], busy: Collection[int] = ()) -> list[Decision]:
    """Everything that needs deciding. *busy* pairs wait for a write whose outcome is unknown."""
    looks = _looks(context, sights)
    pairs = {k: p for k, p in context.store.pairs.get(looks).items() if k not in busy}
    pairs = {key: _with_new_life(context, pair, looks[key]) for key, pair in pairs.items()}
    whole = {key: pair for key, pair in pairs.items() if pair.left and pair.right}
    alone = {key: pair for key, pair in pairs.items() if key not in whole}
    waiting = _singles(context, alone, looks)
    for side, newcomers in _newcomers(context, sights).items():
        waiting[side] |= newcomers
    heirs = {side: _by_match_key(waiting[side].values()) for side in SIDES}
    decisions = [_unless_recreated(d, heirs) for d in _whole_pairs(context, whole, looks)]
    return with_arrivals(context, [*decisions, *_vanished(alone, looks), *_loners(context, waiting, busy)])


def again(context: Context, pairs: Sequence[Pair]) -> list[Decision]:
    """Decide *pairs* anew from fresh reads of both sides."""
    whole = {pair.key: pair for pair in pairs if pair.left and pair.right}
    return list(_whole_pairs(context, whole, {key: {} for key in whole}))


def _looks(context: Context, sights: Mapping[Side, Sight]) -> dict[int, dict[Side, Look]]:
    """What is known of each touched pair without asking again."""
    held, healing = context.store.pairs.keys_in(context.row.id, "held"), context.store.pairs.healing(context.row.id)
    looks: dict[int, dict[Side, Look]] = {key: {} for key in (*held, *healing)}
    for side, sight in sights.items():
        view = context.views[side]
        for key, record in sight.moved.items():
            looks.setdefault(key, {})[side] = Look("here", view.item(record))
        for key, record in sight.outside.items():
            looks.setdefault(key, {})[side] = Look("outside", view.item(record))
        for key in sight.gone:
            looks.setdefault(key, {})[side] = Look("gone")
        absent = dict(missing(sight, context.store, context.row, side))
        for key, look in _confirm(context, side, absent).items():
            looks.setdefault(key, {})[side] = look
    return looks


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
        case Gone():
            return Look("gone")
        case _:
            return _UNKNOWN


def _whole_pairs(
    context: Context, pairs: Mapping[int, Pair], looks: Mapping[int, dict[Side, Look]]
) -> Iterator[Decision]:
    quiet = {key: pair for key, pair in pairs.items() if _nothing_moved(pair, looks[key])}
    yield from (_confirmed(pair, looks[key]) for key, pair in quiet.items())
    pairs = {key: pair for key, pair in pairs.items() if key not in quiet}
    _fill(context, pairs, looks)
    rulings = context.store.journal.rulings(context.row.id) if pairs else {}
    for key, pair in pairs.items():
        left, right = (_unless_late(context, pair, side, looks[key][side]) for side in SIDES)
        if pair.state == "retired":
            yield from _retired(context, pair, left, right)
            continue
        if "again" in pair.detail:
            yield _still_back(pair, left, right)
            continue
        decision = decide_pair(context.sync, pair, left, right, context.notcher.line, rulings=rulings.get(key))
        if not _waits(context, decision):
            yield decision


def _unless_late(context: Context, pair: Pair, side: Side, look: Look) -> Look:
    """What we made a moment ago and never saw: where a system shows late, its absence says nothing so soon."""
    half, window = pair.half(side), context.views[side].capabilities.consistency_window
    unseen = half is not None and not half.seen and not half.agreed and pair.reason in ("", "stale", "unreachable")
    return _UNKNOWN if look.presence == "gone" and unseen and context.clock() < pair.since + window else look


def _nothing_moved(pair: Pair, looks: Mapping[Side, Look]) -> bool:
    """Whether the sides that were looked at show only what was agreed or sent, so that the others need no request."""
    if pair.state == "retired":
        return pair.reason == "ended" and any(look.item.ended for look in looks.values() if look.item)
    if pair.state != "active" or not looks or len(looks) == len(SIDES):
        return False
    for side, look in looks.items():
        half = pair.half(side)
        if look.presence != "here" or look.item is None or half is None or look.item.faults or look.item.ended:
            return False
        for name, digest in look.item.digests.items():
            if digest != half.sent.get(name, half.agreed.get(name)):
                return False
    return True


def _confirmed(pair: Pair, looks: Mapping[Side, Look]) -> Decision:
    """Only to be remembered: what we sent is there, or something changed that no field shows."""
    left, right = looks.get("left", _UNKNOWN), looks.get("right", _UNKNOWN)
    return Decision(pair, left, right, state=pair.state, reason=pair.reason)


def _by_match_key(waiting: Iterable[tuple[Pair, Item]]) -> dict[bytes, str]:
    """Which record without a partner carries a match key."""
    return {key: item.record.id for _, item in waiting for key in item.keys if key}


def _unless_recreated(decision: Decision, heirs: Mapping[Side, Mapping[bytes, str]]) -> Decision:
    """A record that is gone while a newcomer carries its match key got another id, more likely than not."""
    for side in SIDES:
        half = decision.pair.half(side)
        if decision.look(side).presence != "gone" or half is None or decision.pair.state == "retired":
            continue
        heir = next((heirs[side][key] for key in half.keys if key and key in heirs[side]), None)
        if heir is not None and decision.look(other(side)).presence == "here":
            why = f"gone on {side}, and {heir} carries its match key; `held retry` makes {heir} its successor"
            detail = {"why": why, "heir": {side: heir}}
            return replace(decision, changes=(), state="held", reason="case", detail=detail, line=b"")
    return decision


def _retired(context: Context, pair: Pair, left: Look, right: Look) -> Iterator[Decision]:
    """A pair that ended stays ended, unless its reason is gone: back in scope, or a vanished record returned."""
    looks: dict[Side, Look] = {"left": left, "right": right}
    back = tuple(side for side in SIDES if _returned(context, pair, side, looks[side]))
    inside = all(look.item and context.views[side].in_scope(look.item.record) for side, look in looks.items())
    stands = left.presence == right.presence == "here" and inside
    if (stands and pair.reason == "scope") or (_lives(context, looks) and pair.reason == "ended"):
        active = replace(pair, state="active", reason="")
        decision = decide_pair(context.sync, active, left, right, context.notcher.line)
        yield replace(decision, reopens=decision.state != "retired")
    elif back and pair.reason == "gone":
        detail = {"why": f"gone on {back[0]} once, and there again", "again": list(back)}
        yield Decision(pair, left, right, state="held", reason="case", detail=detail)
    else:
        yield Decision(pair, left, right, state="retired", reason=pair.reason)


def _lives(context: Context, looks: Mapping[Side, Look]) -> bool:
    """Whether the record that ended is seen not to be over any more."""
    look = looks.get(context.sync.ending.when.side) if context.sync.ending else None
    if look is None or look.item is None or look.presence != "here":
        return False
    return not look.item.ended and UNANSWERED not in look.item.faults


def _with_new_life(context: Context, pair: Pair, looks: Mapping[Side, Look]) -> Pair:
    """*pair*, or only its record that had ended and lives again, if we deleted the partner: it gets another one."""
    if pair.state != "retired" or pair.reason != "ended" or not _lives(context, looks):
        return pair
    assert context.sync.ending
    gone = other(context.sync.ending.when.side)
    half = pair.half(gone)
    if half is None or half.seen or half.keys:
        return pair
    alone = replace(pair, state="single", reason="")
    return replace(alone, left=None) if gone == "left" else replace(alone, right=None)


def _returned(context: Context, pair: Pair, side: Side, look: Look) -> bool:
    """Whether a record that was gone is really there; a listing may lag behind our own delete."""
    half = pair.half(side)
    if look.presence != "here" or half is None or half.seen:
        return False
    return isinstance(context.get(side, [half.id])[half.id], Record)


def _still_back(pair: Pair, left: Look, right: Look) -> Decision:
    """A returned record waits for a person, who says `held retry`, or goes away again."""
    there = [side for side, look in (("left", left), ("right", right)) if look.presence == "here"]
    if set(pair.detail["again"]) & set(there):
        return Decision(pair, left, right, state="held", reason="case", detail=pair.detail)
    return Decision(pair, left, right, state="retired", reason="gone")


def _waits(context: Context, decision: Decision) -> bool:
    """A change that a system refused is not sent again unchanged before its time."""
    pair = decision.pair
    return pair.reason == "refused" and pair.line == decision.line and context.clock() < pair.next_try


def _fill(context: Context, pairs: Mapping[int, Pair], looks: Mapping[int, dict[Side, Look]]) -> None:
    """Fetch the side of each pair that nobody looked at yet, in one go per side."""
    for side in SIDES:
        wanted = {k: half.id for k, p in pairs.items() if side not in looks[k] and (half := p.half(side))}
        answers = context.get(side, list(wanted.values()))
        for key, id in wanted.items():
            looks[key][side] = _as_look(context, side, answers[id])


def _loners(
    context: Context, waiting: dict[Side, dict[int, tuple[Pair, Item]]], busy: Collection[int]
) -> Iterator[Decision]:
    """Records without a partner: newcomers, and those that were held or left alone before."""
    taken = _taken(context, waiting, busy)
    for mine in waiting.values():
        _leave_out_given_up(mine)
    candidates = {s: [Candidate(k, item.keys) for k, (_, item) in waiting[s].items()] + taken[s] for s in SIDES}
    found = match(context.sync.match_on, candidates["left"], candidates["right"])
    yield from _matched(context, waiting, found)
    both = (*found.sure, *found.asked)
    decided = {
        "left": {left for left, _ in both} | set(found.ambiguous["left"]),
        "right": {right for _, right in both} | set(found.ambiguous["right"]),
    }
    for side in SIDES:
        yield from _unmatched(context, side, {k: w for k, w in waiting[side].items() if k not in decided[side]})


def _leave_out_given_up(mine: dict[int, tuple[Pair, Item]]) -> None:
    """A record that a person gave up stands in nobody's way who carries the same match key."""
    given_up = {key for key, (pair, item) in mine.items() if _is_given_up(pair, item)}
    wanted = {k for key, (_, item) in mine.items() if key not in given_up for k in item.keys if k}
    for key in given_up:
        if wanted.intersection(mine[key][1].keys):
            del mine[key]


def _is_given_up(pair: Pair, item: Item) -> bool:
    """Whether a person gave this record up, and it still shows what they saw."""
    return pair.reason == "dropped" and pair.detail.get("look") == item.appearance


def _singles(
    context: Context, alone: Mapping[int, Pair], looks: Mapping[int, dict[Side, Look]]
) -> dict[Side, dict[int, tuple[Pair, Item]]]:
    found: dict[Side, dict[int, tuple[Pair, Item]]] = {"left": {}, "right": {}}
    for side in SIDES:
        mine = {key: pair for key, pair in alone.items() if pair.half(side)}
        _fill(context, mine, looks)
        for key, pair in mine.items():
            look = looks[key][side]
            if look.presence == "here" and look.item:
                found[side][key] = (pair, look.item)
    return found


def _vanished(alone: Mapping[int, Pair], looks: Mapping[int, dict[Side, Look]]) -> Iterator[Decision]:
    """A record without a partner went away before it got one: there is nothing to remember."""
    for key, pair in alone.items():
        side: Side = "left" if pair.left else "right"
        if looks[key][side].presence in ("gone", "outside"):
            yield Decision(
                pair,
                looks[key].get("left", _UNKNOWN),
                looks[key].get("right", _UNKNOWN),
                state="retired",
                reason="gone",
            )


def _newcomers(context: Context, sights: Mapping[Side, Sight]) -> dict[Side, dict[int, tuple[Pair, Item]]]:
    """Every record that no pair knows, under a key of its own."""
    keys = context.store.pairs.new_keys()
    found: dict[Side, dict[int, tuple[Pair, Item]]] = {"left": {}, "right": {}}
    for side in SIDES:
        view = context.views[side]
        for record in sights[side].fresh.values():
            item, key = view.item(record), next(keys)
            half = Half(record.id, keys=item.keys)
            pair = Pair(key, left=half) if side == "left" else Pair(key, right=half)
            found[side][key] = (pair, item)
    return found


def _taken(
    context: Context, waiting: Mapping[Side, dict[int, tuple[Pair, Item]]], busy: Collection[int]
) -> dict[Side, list[Candidate]]:
    """Pairs that hold a match key of somebody waiting and stand in the way. Those without a partner wait with them."""
    found: dict[Side, list[Candidate]] = {"left": [], "right": []}
    if not context.store.pairs.count(context.row.id):
        return found
    wanted = {key for side in SIDES for _, item in waiting[side].values() for key in item.keys if key}
    for side in SIDES:
        holders = {k for keys in context.store.pairs.taken(context.row.id, side, wanted).values() for k in keys}
        pairs = context.store.pairs.get(holders - set(waiting[side]))
        whole = {key: pair for key, pair in pairs.items() if pair.left and pair.right}
        found[side] = [Candidate(k, half.keys, taken=True) for k, p in whole.items() if (half := p.half(side))]
        lonely = {key: pair for key, pair in pairs.items() if key not in whole and key not in busy}
        waiting[side].update(_singles(context, lonely, {key: {} for key in lonely})[side])
        _leave_to_probing(context, waiting, [pair for key, pair in pairs.items() if key in busy])
    return found


def _leave_to_probing(
    context: Context, waiting: Mapping[Side, dict[int, tuple[Pair, Item]]], unknown: Iterable[Pair]
) -> None:
    """Who carries the match key of a create whose answer is lost may be what it made: the probe tells, no match."""
    keys = {key for pair in unknown for half in (pair.left, pair.right) if half for key in half.keys if key}
    for side in SIDES:
        for key in [key for key, (_, item) in waiting[side].items() if keys & set(item.keys)]:
            del waiting[side][key]
            context.deferred = True


def _matched(
    context: Context, waiting: Mapping[Side, Mapping[int, tuple[Pair, Item]]], found: Matches
) -> Iterator[Decision]:
    approved = context.store.journal.approved(context.row.id, context.clock()) if found.asked else frozenset()
    for pairs, asked in ((found.sure, False), (found.asked, True)):
        for left, right in pairs:
            (lp, li), (rp, ri) = waiting["left"][left], waiting["right"][right]
            if rp.detail.get("parted") == li.record.id or lp.detail.get("parted") == ri.record.id:
                yield from (_single("left", lp, li), _single("right", rp, ri))
                continue
            decision = _link(context, lp, li, rp, ri)
            if asked and decision.line not in approved:
                yield replace(_held_loner("left", lp, li, "confirm", {"candidate": ri.record.id}), line=decision.line)
                yield _held_loner("right", rp, ri, "confirm", {"candidate": li.record.id})
            elif not _waits(context, replace(decision, pair=lp)):
                yield decision
    for side in SIDES:
        for key, rivals in found.ambiguous[side].items():
            if key in waiting[side]:
                pair, item = waiting[side][key]
                why = f"its match key belongs to {rivals} more; make the keys differ, or remove the double"
                yield _held_loner(side, pair, item, "ambiguous", {"why": why})


def _link(context: Context, lp: Pair, li: Item, rp: Pair, ri: Item) -> Decision:
    """Two records become a pair. The row that the right one had for itself is absorbed."""
    pair = Pair(lp.key, lp.left, rp.right, born="matched")
    here = Look("here", li), Look("here", ri)
    decision = decide_pair(context.sync, pair, *here, context.notcher.line, new=True)
    return replace(decision, absorbs=rp.key if rp.since else 0)


def _held_loner(side: Side, pair: Pair, item: Item, reason: Reason, detail: Mapping[str, str]) -> Decision:
    if "parted" in pair.detail:
        detail = {**detail, "parted": pair.detail["parted"]}
    return Decision(pair, *_alone(side, item), state="held", reason=reason, detail=detail, new=not pair.since)


def _single(side: Side, pair: Pair, item: Item) -> Decision:
    """A record that a person took out of its pair: it stays alone until somebody says who its partner is."""
    return Decision(pair, *_alone(side, item), state="single", reason="unlinked", detail=pair.detail)


def _alone(side: Side, item: Item) -> tuple[Look, Look]:
    here, nothing = Look("here", item), Look("gone")
    return (here, nothing) if side == "left" else (nothing, here)


def _unmatched(context: Context, side: Side, waiting: Mapping[int, tuple[Pair, Item]]) -> Iterator[Decision]:
    view = context.views[side]
    for pair, item in waiting.values():
        if "parted" in pair.detail:
            yield _single(side, pair, item)
            continue
        if _is_given_up(pair, item):
            continue
        try:
            wanted = view.may_be_born(item.record) and not item.ended
        except ValueError as fault:
            yield _held_loner(side, pair, item, "mapping", {"why": f"create.when: {fault}"})
            continue
        decision = decide_single(
            context.sync, pair, side, item, context.notcher.line, wanted=wanted, new=not pair.since
        )
        if not _waits(context, decision):
            yield foretold(context, decision)
