"""This is where what waits is listed, and tried again when a person says so."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from daemon.audit.entries import Entry
from daemon.audit.log import AuditLog
from daemon.core.model import Pair
from daemon.core.rules import Side, Sync
from daemon.engine.finding import find
from daemon.errors import NoSuch
from daemon.store.store import Store


def held(store: Store, syncs: Sequence[str], reasons: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Everything that waits for a person or a better day, oldest first."""
    found = []
    for name in syncs:
        row = store.sync(name)
        pairs = store.pairs.get(store.pairs.keys_in(row.id, "held")).values()
        found += [told(name, pair) for pair in pairs if not reasons or pair.reason in reasons]
    return sorted(found, key=lambda one: one["since"])


def told(sync: str, pair: Pair) -> dict[str, Any]:
    return {
        "sync": sync,
        "pair": pair.key,
        "left": pair.left.id if pair.left else None,
        "right": pair.right.id if pair.right else None,
        "reason": pair.reason,
        "since": pair.since,
        "attempts": pair.attempts,
        "next_try": pair.next_try,
        **pair.detail,
    }


def retry(sync: Sync, store: Store, audit: AuditLog, key: str, *, actor: str) -> dict[str, Any]:
    """Let a held pair be tried in the next run, whatever its waiting time."""
    pair = find(sync, store, key)
    audit.append([Entry({"action": "held.retry", "actor": actor, "sync": sync.name, "pair": pair.key})])
    row = store.sync(sync.name)
    heir = next(iter(pair.detail.get("heir", {}).items()), None)
    if heir is None:
        store.pairs.remember(row.id, [_freed(pair)])
    else:
        succeeded, absorbed = _succeeded(store, row.id, pair, *heir)
        store.pairs.remember(row.id, [succeeded], drop=[absorbed])
    return {"sync": sync.name, "pair": pair.key, "retried": True}


def _succeeded(store: Store, sync: int, pair: Pair, side: Side, heir: str) -> tuple[Pair, int]:
    """*pair* with another record on *side*, and the key of the row that this record had for itself."""
    known = store.pairs.known(sync, side, [heir]).get(heir)
    own = store.pairs.get([known.key]).get(known.key) if known else None
    half = own.half(side) if own else None
    if own is None or half is None or (own.left and own.right):
        raise NoSuch(f"record '{heir}' on {side} does not look for a partner any more; run the sync and look again")
    heard = replace(pair, detail={}, next_try=0.0, line=b"")
    return (replace(heard, left=half) if side == "left" else replace(heard, right=half)), own.key


def _freed(pair: Pair) -> Pair:
    """*pair* without its reason to wait. A record that came back alone looks for a partner like any newcomer."""
    freed = replace(pair, next_try=0.0, line=b"", detail={k: v for k, v in pair.detail.items() if k != "again"})
    match pair.detail.get("again"):
        case ["left"] if pair.right and not pair.right.seen:
            return replace(freed, right=None)
        case ["right"] if pair.left and not pair.left.seen:
            return replace(freed, left=None)
    return freed
