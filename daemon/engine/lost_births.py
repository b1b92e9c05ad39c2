"""This is where a create whose answer was lost is looked for: adopted, finished where it takes steps, or called off."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.base import (
    RECORD,
    Capabilities,
    Done,
    Failed,
    Gone,
    Lost,
    Outcome,
    Partial,
    Pending,
    Record,
    Refused,
    Write,
)
from daemon.core.model import Half, Pair, Reason
from daemon.core.rules import Side, other
from daemon.engine.answers import Progress, refused, testimony
from daemon.engine.apply import send
from daemon.engine.context import Context
from daemon.engine.failpoints import reached
from daemon.engine.membership import members_at_birth
from daemon.engine.relating import fields_of, forgotten
from daemon.engine.stepwise import half_made
from daemon.store.flights import Flight

_UNSEEN = "nothing can look the record up; it is created again if allow_duplicate_creates says so"


def ask_create(context: Context, item: Mapping[str, Any], pair: Pair | None) -> tuple[Mapping[str, Any], Pair | None]:
    """A record that may have been born: found once it is ours, found twice a person decides, not found it never was."""
    pair = pair or newborn(item)
    match _look_for(context, item, pair):
        case Record() as record:
            return adopt(context, item, pair, record, "found by probing")
        case None:
            return verdict(False, None), read_again(pair, "stale")
        case undecided:
            return undecided


def go_on(context: Context, flight: Flight, item: Mapping[str, Any]) -> tuple[Mapping[str, Any], Pair] | None:
    """Make what is left of a birth in steps, under the intent that announced it. None while that is in doubt."""
    side: Side = item["side"]
    view = context.views[side]
    pair = context.store.pairs.get([item["pair"]]).get(item["pair"]) or newborn(item)
    if not view.capabilities.steps:
        context.say(f"{item[other(side)]}: its birth waits for the `steps` that it began with; put them back")
        return None
    done = dict(item["wish"]["done"])
    if RECORD not in done:
        found = _look_for(context, item, pair)
        if isinstance(found, Record):
            done[RECORD] = found.id
        elif found and not _blind(view.capabilities, item):
            context.say(f"{item[other(side)]}: {found[0]['message']}; its last steps wait until one is left")
            return None
        elif found and not view.capabilities.idempotent_create:
            return found
    context.store.flights.mark_sent(flight, context.clock() + window(context, side))
    reached("sent")
    wish = Write(
        "create", fields=item["wish"]["fields"], key=item["key"], marker=item["marker"], done=done, doubt=True
    )  # fmt: skip
    (outcome,) = send(context, side, [wish])
    reached("written")
    return _went_on(context, item, pair, outcome)


def _went_on(
    context: Context, item: Mapping[str, Any], pair: Pair, outcome: Outcome
) -> tuple[Mapping[str, Any], Pair] | None:
    """What the log is told of the last steps, and how the pair stands; None while one is in doubt."""
    rest = outcome.rest if isinstance(outcome, Partial) else outcome
    if isinstance(rest, Done):
        (answer,) = context.get(item["side"], [rest.id]).values()
        if isinstance(answer, Failed):
            return None
        told, adopted = adopt(context, item, pair, answer, "its last steps are made")
        return {**told, "steps": list(rest.steps)}, adopted
    if isinstance(rest, Lost | Pending | Partial):
        return None
    told = testimony(context, item["side"], rest, Progress()) or {}
    refusal = refused(held_open(pair, rest.message, "refused"), item["line"], context.clock())
    after = refusal if isinstance(rest, Refused) else read_again(pair, "stale")
    if not isinstance(outcome, Partial):
        return told, after
    born = context.get(item["side"], [outcome.done[RECORD]]).values() if RECORD in outcome.done else ()
    sent = next((_sent_at_birth(context, item, record) for record in born if isinstance(record, Record)), {})
    return {**told, "steps": list(outcome.done)}, half_made(after, pair, outcome, item, sent)


def _look_for(context: Context, item: Mapping[str, Any], pair: Pair) -> Record | tuple[Mapping[str, Any], Pair] | None:
    """The record that a create may have made; None where there is none; else why nobody can say."""
    side: Side = item["side"]
    view = context.views[side]
    by = {view.capabilities.marker: item["marker"]} if view.capabilities.marker else item["find"]
    if _blind(view.capabilities, item):
        again = "sent again under the same key" if view.capabilities.idempotent_create else _UNSEEN
        return {"result": "unknown", "message": again}, read_again(pair, "stale")
    found = context.drivers[side].find(view.end.entity, by, consistent=True, fields=view.wanted)
    if len(found) > 1:
        return {"result": "unknown", "message": f"{len(found)} records match"}, held_open(pair, "several records match")
    if not found:
        return None
    record = found[0]
    claimed = context.store.pairs.known(context.row.id, side, [record.id])
    if claimed and claimed[record.id].key != pair.key:
        return {"result": "unknown", "message": "the match is another pair's record"}, read_again(pair, "stale")
    return record


def _blind(capabilities: Capabilities, item: Mapping[str, Any]) -> bool:
    """Whether nothing can look a created record up."""
    return not capabilities.marker and not item["find"]


def adopt(
    context: Context, item: Mapping[str, Any], pair: Pair, record: Record | Gone, why: str
) -> tuple[Mapping[str, Any], Pair]:
    """The pair with the record that its create made, to be merged from what it was born with."""
    side: Side = item["side"]
    sent = _sent_at_birth(context, item, record) if isinstance(record, Record) else {}
    born = Half(record.id, None, b"", {}, sent, tuple(key or None for key in item["keys"]))
    source = pair.half(other(side))
    halves = {side: born, other(side): replace(source, agreed=item["source"]) if source else None}
    adopted = Pair(pair.key, halves["left"], halves["right"], "held", "stale", {}, "created", since=context.clock())
    adopted = replace(adopted, members=members_at_birth(item), parent=pair.parent)
    adopted = forgotten(adopted, _not_related(context, side, record, sent))
    return {"result": "done", "record": record.id, "message": why}, adopted


def _not_related(context: Context, side: Side, record: Record | Gone, sent: Mapping[str, bytes]) -> frozenset[str]:
    """Lists that a found record does not show as we meant it: it may have been born and not related to anybody yet."""
    view = context.views[side]
    shown = view.item(record).digests if isinstance(record, Record) else sent
    return frozenset(n for n in fields_of(view, view.capabilities.relations) & sent.keys() if shown[n] != sent[n])


def _sent_at_birth(context: Context, item: Mapping[str, Any], record: Record) -> dict[str, bytes]:
    """What a created record was given. The digests were taken before it had an id; another value there is an edit."""
    view = context.views[item["side"]]
    now, unnamed = view.item(record).digests, view.item(replace(record, id="")).digests
    return {name: now[name] if unnamed[name] == given else given for name, given in item["digests"].items()}


def window(context: Context, side: Side) -> float:
    """Seconds until a request whose answer was lost can be looked for."""
    capabilities = context.views[side].capabilities
    return max(capabilities.processing_window, capabilities.consistency_window)


def verdict(happened: bool, id: str | None) -> dict[str, Any]:
    """What the audit log is told of a write that was probed."""
    if happened:
        return {"result": "done", "record": id, "message": "found by probing"}
    return {"result": "not_done", "record": id, "message": "probing shows that it did not happen"}


def newborn(item: Mapping[str, Any]) -> Pair:
    """The pair of a create that the store does not know yet: its source alone."""
    source = other(item["side"])
    half = Half(item[source], keys=tuple(key or None for key in item["keys"]))
    pair = Pair(item["pair"], parent=item.get("parent", 0))
    return replace(pair, left=half) if source == "left" else replace(pair, right=half)


def read_again(pair: Pair, reason: Any) -> Pair:
    """*pair*, to be read and merged anew in this run."""
    return held_open(pair, "", reason)


def held_open(pair: Pair, why: str, reason: Reason = "unknown") -> Pair:
    """*pair*, which waits for a person or a better day."""
    told, since = {"why": why} if why else {}, pair.since or 1.0
    detail = {**told, **{name: pair.detail[name] for name in ("remapped",) if name in pair.detail}}
    held = Pair(pair.key, pair.left, pair.right, "held", reason, detail, pair.born, since)
    return replace(held, members=pair.members, parent=pair.parent, rev=pair.rev)
