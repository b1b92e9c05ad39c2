"""This is where a run learns what of its daily budgets is left, and marks which writes will draw on them."""

from daemon.core.daily import Budget, Spent, budgets
from daemon.core.model import Change, Decision
from daemon.engine.context import Context


def spent(context: Context) -> Spent:
    """What was written in the last 24 hours, by budget."""
    return Spent(context.store.spending.since(context.row.id, context.clock()), context.sync.zone)


def draws(context: Context, decision: Decision, change: Change) -> list[Budget]:
    """The budgets that *decision* draws on once *change* is done: with its last change, and if no person approved it.

    What has no limit for the day is not counted, such as what is announced, nor is a step that only makes room.
    """
    if change.parks or change is not decision.changes[-1] or decision.line in context.approved:
        return []
    return [(kind, name) for kind, name in budgets(decision) if context.sync.guards.limit(kind).daily]
