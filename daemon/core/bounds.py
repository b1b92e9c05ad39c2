"""This is where a decision is asked whether it would give a field a value out of its bounds. Pure.

What is said about a value never quotes it: the plan shows it beside, as far as the field's `audit` allows.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

from daemon.core.limits import Bound
from daemon.core.model import Decision
from daemon.core.types import empty

_EXACT = Context(prec=400, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""Wide enough for every amount, and never an error."""


def crossings(bounds: Mapping[str, Bound], decision: Decision) -> dict[str, str]:
    """The fields that a create or an update of *decision* would bring out of bounds, and how."""
    if not bounds or decision.kind not in ("create", "update"):
        return {}
    moves = [move for change in decision.changes for move in change.moves if move.field in bounds]
    told = {move.field: _fault(bounds[move.field], move.value, move.before) for move in moves}
    return {name: fault for name, fault in told.items() if fault}


def _fault(bound: Bound, value: Any, before: Any) -> str:
    if empty(value):
        return "would become empty" if bound.filled else ""
    if bound.least is not None and _ranked(value) < _ranked(bound.least):
        return f"is below min {bound.least}"
    if bound.most is not None and _ranked(value) > _ranked(bound.most):
        return f"is above max {bound.most}"
    if bound.change is not None and not empty(before) and _leaps(value, before, bound.change):
        return f"changes by more than {(bound.change * 100).normalize():f}%"
    return ""


def _leaps(value: Any, before: Any, share: Decimal) -> bool:
    """Whether the step is wider than that share of *before*. From zero, every step is."""
    was, now = _exactly(before), _exactly(value)
    return _EXACT.subtract(now, was).copy_abs() > _EXACT.multiply(share, was.copy_abs())


def _ranked(value: Any) -> Any:
    return value if isinstance(value, datetime | date) else _exactly(value)


def _exactly(value: Any) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
