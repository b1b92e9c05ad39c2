"""This is where a person accepts another system behind an address: what was known of the old one is not believed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from daemon.audit.entries import Entry
from daemon.engine.alarms import Alarm, known_name
from daemon.engine.context import Context
from daemon.engine.recover import abandon
from daemon.store.store import Store, SyncRow


def take_over(context: Context, strangers: Sequence[Alarm], reason: str) -> None:
    """Go on with what the *strangers* say of themselves, as at a first adoption: the next plan waits for approval.

    Of another tenant nothing is known, so all pairs are forgotten. Another epoch is the same tenant at another moment:
    the pairs stay, and nothing counts as agreed, because what looks like an edit may be the past.
    """
    if not strangers:
        return
    row = context.row
    body: dict[str, Any] = {"action": "tenant.taken_over", "actor": context.request.actor, "sync": context.sync.name}
    told = {
        stranger.side: {"before": [*known_name(row, stranger.side)], "after": [*stranger.name]}
        for stranger in strangers
    }
    context.audit.append([Entry(body | {"reason": reason, "names": told})])
    abandon(context, "another system was taken over before its answer came")
    context.store.journal.tidy(row.id, context.clock(), approvals=True)
    another = any(known_name(row, stranger.side).tenant != stranger.name.tenant for stranger in strangers)
    if another:
        context.store.pairs.forget(row.id)
    else:
        context.store.pairs.distrust(row.id)
    context.row = replace(
        row,
        adopted=False, cursors={}, counts={}, last_full=0.0, salt="", restored=not another,
        tenants={**row.tenants, **{stranger.side: stranger.name.tenant for stranger in strangers}},
        epochs={**row.epochs, **{stranger.side: stranger.name.epoch for stranger in strangers}},
    )  # fmt: skip
    context.store.save_sync(context.row)


def trust_again(context: Context, reason: str) -> None:
    """A person looked at what is held since a restore, and lets the sync's own rules decide again."""
    body = {"action": "plan.approved", "actor": context.request.actor, "sync": context.sync.name}
    context.audit.append([Entry(body | {"reason": reason, "approved": {"restored": 1}})])
    context.row = replace(context.row, restored=False, salt="")
    context.store.save_sync(context.row)


def distrust(context: Context) -> None:
    """A system went back in time: from now on the memory of it is treated like that of a restored one."""
    context.row = _distrusted(context.store, context.row)
    for child in context.sync.collections:
        _distrusted(context.store, context.store.sync(child.name))


def _distrusted(store: Store, row: SyncRow) -> SyncRow:
    store.pairs.distrust(row.id)
    row = replace(row, adopted=False, restored=True, cursors={}, counts={}, last_full=0.0, salt="")
    store.save_sync(row)
    return row
