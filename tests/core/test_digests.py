"""Digests tell apart what differs, and only that."""

from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.paths import ABSENT
from daemon.core.digests import FIELD, MATCH, SEEN, Notcher

KEY = b"k" * 32
NOTCHER = Notcher(KEY, "people")
DIFFERENT: list[Any] = [
    None, ABSENT, "", "a", "1", 1, True, False, 0, "true", Decimal("1.5"), "1.5", date(2026, 1, 1), date(2026, 1, 2),
    [], [None], [""], {}, {"a": None}, {"a": ABSENT}, ["a", "b"], ["ab"], [["a"], "b"], 10**25, 10**25 + 1,
]  # fmt: skip

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def field(value: Any, *, notcher: Notcher = NOTCHER, side: Any = "left", id: str = "1", name: str = "f") -> bytes:
    return notcher.field(side, id, name, value)


@pytest.mark.parametrize(("one", "another"), list(combinations(DIFFERENT, 2)), ids=repr)
def test_different_values_have_different_digests(one: Any, another: Any) -> None:
    assert field(one) != field(another)
    assert NOTCHER.seen("left", "1", [one]) != NOTCHER.seen("left", "1", [another])
    assert NOTCHER.match(0, [one]) != NOTCHER.match(0, [another])


def test_equal_values_do_not_look_equal_elsewhere() -> None:
    seen = {
        field("x"), field("x", side="right"), field("x", id="2"), field("x", name="g"),
        field("x", notcher=Notcher(KEY, "other")), field("x", notcher=Notcher(b"j" * 32, "people")),
    }  # fmt: skip

    assert len(seen) == 6
    assert NOTCHER.seen("left", "1", ["x"]) != NOTCHER.seen("left", "2", ["x"])
    assert NOTCHER.seen("left", "1", ["x"]) != NOTCHER.seen("right", "1", ["x"])


def test_a_match_key_is_found_from_the_other_side_and_only_in_its_alternative() -> None:
    assert NOTCHER.match(0, ["x"]) == Notcher(KEY, "people", salt="tomorrow").match(0, ["x"])
    assert NOTCHER.match(0, ["x"]) != NOTCHER.match(1, ["x"])
    assert NOTCHER.match(0, ["x"]) != Notcher(KEY, "other").match(0, ["x"])


def test_parts_never_run_together() -> None:
    assert NOTCHER.match(0, ["a", "bc"]) != NOTCHER.match(0, ["ab", "c"])
    assert NOTCHER.seen("left", "a", ["bc"]) != NOTCHER.seen("left", "ab", ["c"])
    assert field("c", id="a", name="b") != field("c", id="ab", name="")
    assert Notcher(KEY, "ab").match(0, ["c"]) != Notcher(KEY, "a").match(0, ["bc"])


@pytest.mark.parametrize("number", [7, 7.0, Decimal("7"), Decimal("7.00"), Decimal("7E0")])
def test_one_number_is_one_match_key_however_a_system_writes_it(number: Any) -> None:
    assert NOTCHER.match(0, [number]) == NOTCHER.match(0, [7])
    assert NOTCHER.match(0, [number]) != NOTCHER.match(0, ["7"])


def test_a_match_key_of_many_digits_is_exact() -> None:
    assert NOTCHER.match(0, [Decimal(10**30 + 1)]) == NOTCHER.match(0, [10**30 + 1])
    assert NOTCHER.match(0, [Decimal(10**30 + 1)]) != NOTCHER.match(0, [10**30])
    assert NOTCHER.match(0, [Decimal("0.1")]) == NOTCHER.match(0, [Decimal("0.10")]) == NOTCHER.match(0, [0.1])


def test_another_day_makes_records_look_new_and_leaves_fields_agreed() -> None:
    tomorrow = Notcher(KEY, "people", salt="tomorrow")

    assert tomorrow.seen("left", "1", ["x"]) != NOTCHER.seen("left", "1", ["x"])
    assert field("x", notcher=tomorrow) == field("x")


@given(st.dictionaries(st.text(), plain))
def test_the_order_of_keys_means_nothing(value: dict[str, Any]) -> None:
    assert field(dict(reversed(value.items()))) == field(value)


@given(plain)
def test_a_digest_is_stable_and_of_its_size(value: Any) -> None:
    assert field(value) == field(value)
    assert len(field(value)) == FIELD
    assert len(NOTCHER.seen("left", "1", [value])) == SEEN
    assert len(NOTCHER.match(0, [value])) == MATCH


def test_a_line_differs_by_any_of_its_facts() -> None:
    lines = {NOTCHER.line(facts) for facts in ([["1"], "delete"], [["2"], "delete"], [["1"], "update"])}

    assert len(lines) == 3
