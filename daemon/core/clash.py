"""This is where a clash finds its winner by values or times, or is held with the reason why not. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from daemon.core.model import Half, Item
from daemon.core.rules import SIDES, Rule, Scale, Side, other
from daemon.core.types import empty

Verdict: TypeAlias = tuple[Side | Literal["hold"], str]
"""Whose value is taken, and why."""


def weigh(
    rules: Sequence[Rule], scale: Scale, halves: Mapping[Side, Half | None], items: Mapping[Side, Item], why: str
) -> Verdict:
    """The winner among the two values of a field, or of all members of a group. *why* there is a clash at all."""
    try:
        winner = _newer(halves, items) if scale == "newest" else _outranking(rules, scale, items)
    except ValueError as reason:
        return "hold", f"{why}, but {reason}"
    return winner, why


def _newer(halves: Mapping[Side, Half | None], items: Mapping[Side, Item]) -> Side:
    """The side whose record was changed later. A record has one time, whichever of its fields it is about."""
    for side in SIDES:
        half, item = halves[side], items[side]
        if item.time is None:
            raise ValueError(f"{side} tells no time that can be trusted")
        if half is not None and half.version is not None and half.version == item.record.version:
            raise ValueError(f"the time on {side} is that of our own write")
    left, right = items["left"].time, items["right"].time
    assert left is not None
    assert right is not None
    if left == right:
        raise ValueError("both sides were changed at the same time")
    return "left" if left > right else "right"


def _outranking(rules: Sequence[Rule], scale: Scale, items: Mapping[Side, Item]) -> Side:
    """The side with the smaller or greater value. The members of a group must be of one mind."""
    differing = [rule for rule in rules if not rule.same(*(items[side].values[rule.name] for side in SIDES))]
    winners = {_smaller(rule, *(items[side].values[rule.name] for side in SIDES)) for rule in differing}
    if len(winners) > 1:
        raise ValueError("the members of the group do not agree which side that is")
    smaller = winners.pop()
    return smaller if scale == "min" else other(smaller)


def _smaller(rule: Rule, left: Any, right: Any) -> Side:
    one, two = _rank(rule, left), _rank(rule, right)
    if type(one) is not type(two):
        raise ValueError("the two values are of different kinds")
    try:
        if one == two:
            raise ValueError("neither value is the smaller one")
        return "left" if one < two else "right"
    except TypeError:  # times with and without a zone
        raise ValueError("the two values cannot be compared") from None


def _rank(rule: Rule, value: Any) -> Any:
    """What is compared of *value*. Raises ValueError for what has no rank: emptiness, lists, words without `order`."""
    if empty(value):
        raise ValueError("an empty value has no rank")
    shaped = rule.shape(value)
    if rule.order:
        at = next((n for n, word in enumerate(rule.order) if word == shaped and type(word) is type(shaped)), None)
        if at is None:
            raise ValueError("a value is not in `order`; add it")
        return at
    if isinstance(shaped, int | float | Decimal) and not isinstance(shaped, bool):
        shaped = Decimal(repr(shaped)) if isinstance(shaped, float) else Decimal(shaped)
        if shaped.is_nan():
            raise ValueError("a value is not a number")
    elif not isinstance(shaped, bool | date | datetime):
        raise ValueError("a value has no rank; say `type: decimal`, date or datetime, or list the words in `order`")
    return shaped
