"""This is where intents left open by a crash or a lost answer end: the store decides, the audit log testifies.

planned  -> never sent: cancelled
sent     -> may have happened: probed, once the system cannot be working on it any more
settled  -> done, and perhaps not testified: the outcome is written, exactly once
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.base import ConnectorError, Done, Failed, Gone, Lost, Record, Refused, Stale
from connectors.paths import quote
from daemon.audit.entries import Entry
from daemon.core.model import Pair, Reason
from daemon.core.rules import SIDES, Side
from daemon.engine.answers import at_work, refused
from daemon.engine.context import Context
from daemon.engine.lost_births import adopt, ask_create, go_on, held_open, newborn, read_again, verdict, window
from daemon.engine.membership import probed
from daemon.engine.settle import carried, free
from daemon.engine.wires import entry
from daemon.store.flights import Flight

_CANCELLED = {"result": "cancelled", "message": "the daemon stopped before it was sent"}


def recover(context: Context) -> frozenset[int]:
    """Bring open flights of this sync to their end. Returns the pairs that still wait for a probe."""
    waiting: set[int] = set()
    for flight in _untold(context):
        if flight.state == "planned":
            _cancel(context, flight)
        elif flight.state == "settled":
            testify(context, flight)
        else:
            still_open = _probe(context, flight) if _ripe(context, flight) else flight.items
            waiting |= {item["pair"] for item in still_open}
            _keep_waiting(context, still_open)
    return frozenset(waiting)


def _untold(context: Context) -> Iterator[Flight]:
    """The open flights. An older copy of the store brings some back whose end was told long ago."""
    flights = context.store.flights.open(context.row.id)
    told = context.audit.outcomes_since(0) if flights and context.row.restored else frozenset()
    over = [flight for flight in flights if not told.isdisjoint(flight.intents)]
    context.store.flights.finish(over)
    return (flight for flight in flights if flight not in over)


def _ripe(context: Context, flight: Flight) -> bool:
    """Whether the system can be asked: of a job always, else once it cannot be working on the request any more."""
    return context.clock() >= flight.not_before or all("job" in item for item in flight.items)


def testify(context: Context, flight: Flight) -> None:
    """Write the outcomes of a settled flight to the audit log, unless they are there, and forget the flight."""
    told = context.audit.outcomes_since(flight.audit_size)
    entries = [
        Entry(entry(context, item, "outcome", outcome), outcome=intent)
        for intent, item, outcome in zip(flight.intents, flight.items, flight.outcomes, strict=True)
        if outcome is not None and intent not in told
    ]
    if entries:
        context.audit.append(entries)
    context.store.flights.finish([flight])


def abandon(context: Context, why: str) -> None:
    """End the open flights of this sync without asking: nobody can be asked any more what became of them."""
    for flight in context.store.flights.open(context.row.id):
        if flight.state == "settled":
            testify(context, flight)
        elif flight.state == "planned":
            _cancel(context, flight)
        else:
            _end(context, flight, [{"result": "unknown", "message": why}] * len(flight.items), [])


def _cancel(context: Context, flight: Flight) -> None:
    if context.audit.last_intent >= flight.first:  # it was announced, so its end is told
        _end(context, flight, [_CANCELLED] * len(flight.items), [])
    else:
        context.store.flights.finish([flight])


def _probe(context: Context, flight: Flight) -> Sequence[Mapping[str, Any]]:
    """Ask the system what became of each item. Returns those of which nobody can say yet."""
    try:
        heard = [_hear(context, flight, item) for item in flight.items]
    except ConnectorError as fault:
        context.say(f"a write whose answer was lost cannot be checked yet: {fault}")
        return flight.items
    still_open = [item for item, told in zip(flight.items, heard, strict=True) if told is None]
    if len(still_open) < len(flight.items):
        pairs = [pair for _, pair in filter(None, heard) if pair]
        _end(
            context, flight, [told and told[0] for told in heard], pairs, not_before=_later(context, flight, still_open)
        )
    return still_open


def _later(context: Context, flight: Flight, items: Sequence[Mapping[str, Any]]) -> float:
    """When the system cannot be at work any more on what is still open: on steps that were gone on with, on orders."""
    asked = [context.clock() + window(context, item["side"]) for item in items if "wish" in item]
    return max([flight.not_before, *asked])


def _hear(context: Context, flight: Flight, item: Mapping[str, Any]) -> tuple[Mapping[str, Any], Pair | None] | None:
    """What became of one item; None where nobody can say yet."""
    if "wish" in item:
        return go_on(context, flight, item)
    return _ask_job(context, flight, item) if "job" in item else _ask(context, item)


def _end(
    context: Context,
    flight: Flight,
    outcomes: Sequence[Mapping[str, Any] | None],
    pairs: Sequence[Pair],
    *,
    not_before: float = 0.0,
) -> None:
    context.store.flights.settle(flight, outcomes, pairs, context.audit.head.size, not_before=not_before)
    done = Flight(flight.id, flight.sync, flight.run, flight.first, "settled", flight.items, outcomes)
    entries = [
        Entry(entry(context, item, "outcome", outcome), outcome=intent)
        for intent, item, outcome in zip(done.intents, done.items, outcomes, strict=True)
        if outcome is not None
    ]
    context.audit.append(entries)
    context.store.flights.finish([done])


def _ask_job(context: Context, flight: Flight, item: Mapping[str, Any]) -> tuple[Mapping[str, Any], Pair | None] | None:
    """How the job stands that carries the write out; None while the system works on it."""
    side: Side = item["side"]
    (outcome,) = context.drivers[side].poll(context.sync.end(side).entity, [item["job"]])
    pair = context.store.pairs.get([item["pair"]]).get(item["pair"]) or newborn(item)
    match outcome:
        case Refused(message):
            held = refused(held_open(pair, message, "refused"), item["line"], context.clock())
            return {"result": "refused", "message": message}, held
        case Stale(message):
            return {"result": "stale", "message": message}, read_again(pair, "stale")
        case Done(id) if item["op"] == "create" and id:
            (answer,) = context.get(side, [id]).values()
            return None if isinstance(answer, Failed) else adopt(context, item, pair, answer, "its job is done")
        case Done() if item["op"] != "create":
            told, after = _ask(context, item)
            return {**told, "result": "done", "message": "its job is done"}, after
        case Done() | Lost() if context.clock() >= flight.not_before:
            return _ask(context, item)
    return None


def _ask(context: Context, item: Mapping[str, Any]) -> tuple[Mapping[str, Any], Pair | None]:
    pair = context.store.pairs.get([item["pair"]]).get(item["pair"])
    if item["op"] == "create":
        return ask_create(context, item, pair)
    (answer,) = _get(context, item["side"], item["id"])
    if item["op"] == "delete":
        happened = isinstance(answer, Gone)
    elif item["op"] == "deactivate":
        off = context.views[item["side"]].capabilities.deactivated
        happened = isinstance(answer, Gone) or (isinstance(answer, Record) and bool(off) and _holds(answer.fields, off))
        if happened and pair:  # what it shows is no field of ours: nothing else would tell the next plan
            return verdict(True, item["id"]), _switched_off(pair, item)
    else:
        happened = isinstance(answer, Record) and _shows(context, item, answer)
        pair = _with_sent(context, item, pair, answer) if pair and isinstance(answer, Record) else pair
    # either way the pair is read and merged anew in this run: what happened shows as equal, what did not is moved again
    return verdict(happened, item["id"]), read_again(pair, "stale") if pair else None


def _switched_off(pair: Pair, item: Mapping[str, Any]) -> Pair:
    """The pair as it ends with a `deactivate`."""
    pair = replace(pair, state="retired", reason=item["ends"], detail={}, next_try=0.0)
    ended = {side: half if side == item["side"] else free(half) for side in SIDES if (half := pair.half(side))}
    return replace(pair, left=ended.get("left"), right=ended.get("right")) if item["ends"] == "gone" else pair


def _get(context: Context, side: Side, id: str) -> Iterator[Record | Gone | Failed]:
    """The record with all that can tell whether a write arrived."""
    view = context.views[side]
    wanted = [*view.wanted, *(quote(name) for name in view.capabilities.deactivated or ())]
    return context.drivers[side].get(view.end.entity, [id], fields=list(dict.fromkeys(wanted)))


def _holds(shown: Any, wanted: Any) -> bool:
    """Whether *shown* has everything of *wanted*."""
    if isinstance(wanted, Mapping) and isinstance(shown, Mapping):
        return all(_holds(shown.get(name), part) for name, part in wanted.items())
    return bool(shown == wanted)


def _shows(context: Context, item: Mapping[str, Any], record: Record) -> bool:
    seen = context.views[item["side"]].item(record)
    return all(seen.digests.get(name) == digest for name, digest in item["digests"].items())


def _with_sent(context: Context, item: Mapping[str, Any], pair: Pair, record: Record) -> Pair:
    """The pair, knowing which values on the written side are ours, so that none of them is taken for an edit."""
    seen = context.views[item["side"]].item(record).digests
    ours = {name: digest for name, digest in item["digests"].items() if seen.get(name) == digest}
    pair = probed(pair, item, seen)
    return carried(pair, item["side"], ours, item["source"], item.get("members", ()), item.get("joins", ()))


def _keep_waiting(context: Context, items: Sequence[Mapping[str, Any]]) -> None:
    """A write that may have happened keeps its pair from being planned a second time, where people see it wait."""
    known = context.store.pairs.get(item["pair"] for item in items)
    held = []
    for item in items:
        pair = known.get(item["pair"])
        reason, why = _why_open(item)
        if pair is None and item["op"] == "create" and item["new"]:
            held.append(held_open(newborn(item), why, reason))
        elif pair is not None and pair.reason != reason:
            held.append(replace(held_open(pair, why, reason), since=context.clock()))
    context.store.pairs.remember(context.row.id, held)


def _why_open(item: Mapping[str, Any]) -> tuple[Reason, str]:
    if "job" in item:
        return "pending", at_work(item["job"])
    lost = f"the answer to its {item['op']} was lost"
    return "unknown", f"{lost}; it is looked for once {item['side']} cannot be at work on it"
