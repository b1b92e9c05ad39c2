"""This is where the key that a person typed finds its pair, and both records are looked at once more."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from connectors.base import ConnectorError, Driver, Gone, Record
from daemon.audit.log import AuditLog
from daemon.core.model import Decision, Item, Pair
from daemon.core.rules import SIDES, Side, Sync
from daemon.engine.context import Context, start
from daemon.engine.planning import again
from daemon.engine.report import Request
from daemon.errors import NoSuch, TallystickError
from daemon.store.store import Store

Clock = Callable[[], float]
DIGITS: Final = 18
"""Of a pair's number at the most: the store counts in 64 bits."""


def find(sync: Sync, store: Store, key: str) -> Pair:
    """The pair of a record id on either side, of `left:ID` or `right:ID`, or of a pair's own number. Raises NoSuch."""
    keys = _by_id(sync, store, key) or _by_number(sync, store, key)
    if len(keys) > 1:  # two systems that count their records from 1 share many ids
        raise NoSuch(f"{sync.name} has a record '{key}' on either side; say left:{key} or right:{key}")
    pairs = store.pairs.get(keys)
    if not pairs:
        raise NoSuch(unknown(sync, key))
    return next(iter(pairs.values()))


def known(sync: Sync, store: Store, key: str) -> bool:
    """Whether *sync* or one of its collections remembers the record of that id, or of `left:ID` or `right:ID`."""
    return any(_by_id(one, store, key) for one in (sync, *sync.collections))


def unknown(sync: Sync, key: str) -> str:
    """What is said where nobody knows *key*."""
    return f"{sync.name} knows no record '{key}'; use the record's id on either side, as in `tallystick held`"


def whose(sync: Sync, store: Store, key: str) -> Sync:
    """*sync*, or that of its collections which knows *key* where it does not; a record's id before a pair's number."""
    for look in (_by_id, _by_number):
        for one in (sync, *sync.collections):
            if look(one, store, key):
                return one
    return sync


def _by_id(sync: Sync, store: Store, key: str) -> list[int]:
    row = store.sync(sync.name)
    side, _, id = key.partition(":")
    keys = store.pairs.find_pair(row.id, key)
    return keys or (store.pairs.find_pair(row.id, id, (side,)) if side in SIDES else [])


def _by_number(sync: Sync, store: Store, key: str) -> list[int]:
    number = key.isdecimal() and len(key) <= DIGITS
    return store.pairs.numbered(store.sync(sync.name).id, int(key)) if number else []


def ask(
    sync: Sync, drivers: Mapping[Side, Driver], store: Store, audit: AuditLog, *, clock: Clock, actor: str
) -> Context:
    """What a question about single records needs: both sides seen as a run sees them."""
    request = Request("plan", actor=actor)
    return start(sync, drivers, store, audit, clock=clock, run_id="", request=request, stop=lambda: False)


def busy(store: Store, sync: int) -> frozenset[int]:
    """Pairs with a write that is under way, or whose answer was lost."""
    return store.flights.pairs(sync)


def look_at(
    sync: Sync, drivers: Mapping[Side, Driver], store: Store, audit: AuditLog, key: str, *, clock: Clock, actor: str
) -> Decision:
    """Both records of a pair as they are now, and what would be decided about them."""
    pair = find(sync, store, key)
    if not (pair.left and pair.right):
        raise NoSuch(f"record '{key}' has no partner in {sync.name}")
    context = ask(sync, drivers, store, audit, clock=clock, actor=actor)
    try:
        (decision,) = again(context, [replace(pair, line=b"")])
    except ConnectorError as fault:
        raise TallystickError(str(fault)) from None
    return decision


def look_alone(context: Context, pair: Pair) -> Item:
    """The record of a pair that has no partner, as it is now. Raises TallystickError where it cannot be had."""
    side: Side = "left" if pair.left else "right"
    half = pair.half(side)
    assert half
    answer = context.get(side, [half.id])[half.id]
    if isinstance(answer, Record):
        return context.views[side].item(answer)
    why = "is gone" if isinstance(answer, Gone) else f"cannot be read: {answer.message}"
    raise TallystickError(f"'{half.id}' on {side} {why}; run {context.sync.name} and look again")
