"""Stories of single values that would go too far."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.bounds import crossings
from daemon.core.guards import guard
from daemon.core.limits import Bound, Guards
from daemon.core.model import Change, Decision, Look, Move, Pair
from tests.core.things import sync, update, writing

D = Decimal


@pytest.mark.parametrize(
    ("bound", "before", "value", "told"),
    [
        (Bound(least=0), 5, 0, ""),
        (Bound(least=0), 5, -1, "is below min 0"),
        (Bound(least=D("0.01")), D("1"), D("0.009"), "is below min 0.01"),
        (Bound(most=D("99999999999999999999.99")), None, D("99999999999999999999.99"), ""),
        (
            Bound(most=D("99999999999999999999.99")),
            None,
            D("100000000000000000000"),
            "is above max 9999999999999999999",
        ),
        (Bound(least=1, most=3), 2, 2, ""),
        (Bound(least=date(2020, 1, 1)), None, date(2019, 12, 31), "is below min 2020-01-01"),
        (Bound(most=datetime(2026, 1, 1, tzinfo=UTC)), None, datetime(2026, 1, 2, tzinfo=UTC), "is above max 2026-01"),
        (Bound(change=D("0.3")), D("100"), D("130"), ""),
        (Bound(change=D("0.3")), D("100"), D("70"), ""),
        (Bound(change=D("0.3")), D("100"), D("130.0000000000000000000000000000000001"), "changes by more than 30%"),
        (Bound(change=D("0.3")), D("100"), D("69.99"), "changes by more than 30%"),
        (Bound(change=D("0.3")), D("-10"), D("-13"), ""),
        (Bound(change=D("0.3")), D("-10"), D("10"), "changes by more than 30%"),
        (Bound(change=D("2.5")), 10, 35, ""),
        (Bound(change=D("2.5")), 10, 36, "changes by more than 250%"),
        (Bound(change=D("0.1")), 0.5, 0.55, ""),
        (Bound(change=D("0.3")), 0, 1, "changes by more than 30%"),
        (Bound(change=D("0.3")), None, 1, ""),
        (Bound(change=D("0.3")), "", 1, ""),
        (Bound(change=D("0.3")), 7, None, ""),
        (Bound(least=0), 7, None, ""),
        (Bound(filled=True), 7, None, "would become empty"),
        (Bound(filled=True), 7, "", "would become empty"),
        (Bound(filled=True), 7, 0, ""),
        (Bound(change=D("0.3")), D("1E-999999"), D("9E+999999"), "changes by more than 30%"),
    ],
)
def test_a_bound_says_what_goes_too_far_and_never_quotes_the_value(
    bound: Bound, before: Any, value: Any, told: str
) -> None:
    found = crossings({"f": bound}, update(1, value=value, before=before))

    assert list(found) == (["f"] if told else [])
    assert found.get("f", "").startswith(told)


def test_a_newborn_is_measured_and_a_delete_is_not() -> None:
    bounds = {"f": Bound(most=10)}
    born = Decision(Pair(1), Look("here"), Look("gone"), (Change("right", "create", (Move("f", 11, None, ""),)),))
    deleted = Decision(Pair(1), Look("gone"), Look("here"), (Change("right", "delete", (Move("f", None, 11, ""),)),))

    assert crossings(bounds, born) == {"f": "is above max 10"}
    assert crossings({"f": Bound(filled=True)}, deleted) == {}
    assert crossings({}, born) == {}
    assert crossings(bounds, update(1, value=11, field="another")) == {}


def test_only_what_goes_too_far_waits_and_an_approval_lets_exactly_that_pass() -> None:
    agreed = sync(guards=Guards(values={"f": Bound(most=10), "g": Bound(least=0)}))
    fine, high, low = update(1, value=9, before=8), update(2, value=11), update(3, value=-1, field="g")
    both = [fine, high, low, writing(4, "delete")]

    verdict = guard(agreed, both, 100, ())

    assert [(d.pair.key, kind) for d, kind in verdict.held] == [(2, "values"), (3, "values")]
    assert [(t.kind, t.field, t.count) for t in verdict.trips] == [("values", "f", 1), ("values", "g", 1)]
    assert str(verdict.trips[0]) == "would bring `f` of 1 records out of its bounds"
    assert [d.pair.key for d, _ in guard(agreed, both, 100, {b"line 2"}).held] == [3]


def test_at_adoption_what_goes_too_far_waits_apart() -> None:
    agreed = sync(guards=Guards(values={"f": Bound(most=10)}))

    verdict = guard(agreed, [update(1, value=9), update(2, value=11)], 100, (), adopting=True)

    assert [(d.pair.key, kind) for d, kind in verdict.held] == [(1, "adopt"), (2, "values")]
    assert [(t.kind, t.count) for t in verdict.trips] == [("adopt", 1), ("values", 1)]


def test_a_float_is_the_number_that_it_shows() -> None:
    change = Change("right", "update", (Move("f", 0.1, None, ""),))
    decision = Decision(Pair(1), Look("here"), Look("here"), (change,))

    assert crossings({"f": Bound(least=D("0.1"), most=D("0.1"))}, decision) == {}
