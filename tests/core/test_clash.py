"""The policies that look at values and times: who wins, and what is said where nobody does."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.clash import weigh
from daemon.core.merge import merge
from daemon.core.rules import Rule
from tests.core.things import half, item, rule, sync

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
NOTHING: Any = {"left": None, "right": None}


def winner(law: Rule, scale: Any, left: Any, right: Any) -> tuple[str, str]:
    items: Any = {"left": item({"f": left}), "right": item({"f": right})}
    return weigh([law], scale, NOTHING, items, "because")


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (1, 2),
        (Decimal("1.10"), 2),
        (0.1, Decimal("0.2")),
        (-1, 0.5),
        (False, True),
        (date(2026, 1, 1), date(2026, 1, 2)),
        (EARLY, LATE),
    ],
)
def test_values_of_one_kind_have_a_smaller_one(less: Any, more: Any) -> None:
    assert winner(rule(), "min", less, more) == ("left", "because")
    assert winner(rule(), "min", more, less) == ("right", "because")
    assert winner(rule(), "max", less, more) == ("right", "because")
    assert winner(rule(), "max", more, less) == ("left", "because")


@pytest.mark.parametrize(
    ("left", "right", "why"),
    [
        (None, 1, "an empty value has no rank"),
        (1, "", "an empty value has no rank"),
        ("9", "10", "a value has no rank; say `type: decimal`, date or datetime, or list the words in `order`"),
        ([1], 1, "a value has no rank; say `type: decimal`, date or datetime, or list the words in `order`"),
        (True, 2, "the two values are of different kinds"),
        (date(2026, 1, 1), EARLY, "the two values are of different kinds"),
        (float("nan"), 1, "a value is not a number"),
        (EARLY, EARLY.replace(tzinfo=None), "the two values cannot be compared"),
    ],
)
def test_values_without_a_common_rank_are_held(left: Any, right: Any, why: str) -> None:
    for scale in ("min", "max"):
        assert winner(rule(), scale, left, right) == ("hold", f"because, but {why}")
        assert winner(rule(), scale, right, left) == ("hold", f"because, but {why}")


STAGES = ("lead", "opportunity", "customer")


@pytest.mark.parametrize(
    ("left", "right"), [("customer", "lead"), ("opportunity", "lead"), ("customer", "opportunity")]
)
def test_ranked_words_are_compared_by_their_place(left: str, right: str) -> None:
    law = rule(wins="max", order=STAGES)

    assert winner(law, "max", left, right) == ("left", "because")
    assert winner(law, "min", left, right) == ("right", "because")


def test_words_are_those_that_the_right_side_means_as_comparing_sees_them() -> None:
    law = rule(wins="max", order=("LEAD", "Customer"), normalise=["casefold"], values={"1": "lead", "2": "customer"})

    assert law.order == ("lead", "customer")
    assert winner(law, "max", "Lead", "CUSTOMER") == ("right", "because")
    assert rule(wins="max", order=("3", "1"), type="integer").order == (3, 1)


@pytest.mark.parametrize("word", ["churned", 1, True])
def test_a_word_outside_the_order_is_held(word: Any) -> None:
    held = ("hold", "because, but a value is not in `order`; add it")

    assert winner(rule(wins="max", order=STAGES), "max", "lead", word) == held
    assert winner(rule(wins="max", order=(1, 2)), "max", 2, True) == held


def test_values_that_differ_and_rank_alike_are_held() -> None:
    assert winner(rule(), "max", 0.1, Decimal("0.1")) == ("hold", "because, but neither value is the smaller one")


def group(one: Any, two: Any) -> tuple[str, str]:
    rules = [rule("f"), rule("g"), rule("h")]
    left, right = item({"f": one[0], "g": two[0], "h": "x"}), item({"f": one[1], "g": two[1], "h": "x"})
    return weigh(rules, "max", NOTHING, {"left": left, "right": right}, "because")


def test_the_members_of_a_group_must_be_of_one_mind() -> None:
    assert group((1, 2), (3, 4)) == ("right", "because")
    assert group((2, 1), (4, 3)) == ("left", "because")
    assert group((2, 1), (3, 4)) == ("hold", "because, but the members of the group do not agree which side that is")


TIMES = [(2.0, 1.0, "left"), (1.0, 2.0, "right")]


@pytest.mark.parametrize(("left", "right", "expected"), TIMES)
def test_the_newest_is_the_record_that_was_changed_later(left: float, right: float, expected: str) -> None:
    items: Any = {"left": replace(item({"f": "L"}), time=left), "right": replace(item({"f": "R"}), time=right)}
    halves: Any = {"left": half({"f": "o"}), "right": replace(half({"f": "o"}), version="v0")}

    found = merge(sync(rule(wins="newest")), halves, items)

    assert [m.value for m in found.to_left + found.to_right] == ["L" if expected == "left" else "R"]
    assert [m.why for m in found.to_left + found.to_right] == ["changed on both sides, wins: newest"]


@pytest.mark.parametrize(
    ("left", "right", "version", "why"),
    [
        (1.0, 1.0, "v0", "both sides were changed at the same time"),
        (None, 1.0, "v0", "left tells no time that can be trusted"),
        (1.0, None, "v0", "right tells no time that can be trusted"),
        (1.0, 2.0, "v1", "the time on right is that of our own write"),
    ],
)
def test_a_time_that_tells_nothing_is_asked_about(left: Any, right: Any, version: str, why: str) -> None:
    items: Any = {"left": replace(item({"f": "L"}), time=left), "right": replace(item({"f": "R"}), time=right)}
    halves: Any = {"left": half({"f": "o"}), "right": replace(half({"f": "o"}), version=version)}

    found = merge(sync(rule(wins="newest")), halves, items)

    assert found.held == {"f": f"changed on both sides, wins: newest, but {why}"}
