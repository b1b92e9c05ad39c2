"""Digests that stores out there hold: another value here would make every pair look edited, or lose every match key."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connectors.paths import ABSENT
from daemon.core.digests import Notcher, name_digest

KEY = b"k" * 32


def notcher() -> Notcher:
    return Notcher(KEY, "people", salt="day")


FIELDS: list[tuple[Any, str]] = [
    (None, "fe103153f7993026"),
    (ABSENT, "38f964b53338c845"),
    ("ä", "0f5c5bcd1bacf349"),
    (7, "3c9455ba897a5619"),
    (7.5, "ddf37123f0a567f1"),
    (Decimal("7.50"), "7fa9bf867f77c172"),
    (True, "3c33e59555ab03d1"),
    (date(2026, 1, 2), "5728044267f8e805"),
    (["a", {"b": 1}], "1140b26ef2a8b3e3"),
    (b"x", "3d51ea023d10fee8"),
    (1j, "7ff872d4fee6d63b"),
]


@pytest.mark.parametrize(("value", "digest"), FIELDS, ids=[type(value).__name__ for value, _ in FIELDS])
def test_the_digest_of_a_field_never_changes(value: Any, digest: str) -> None:
    assert notcher().field("left", "L1", "f", value).hex() == digest


def test_no_other_digest_changes_either() -> None:
    assert notcher().field("right", "L1", "f", "a").hex() == "b0e64c34a3267bd5"
    assert notcher().seen("left", "L1", ["a", None]).hex() == "8b0f918bffb9604364eb93910cef8382"
    assert notcher().seen("right", "L1", ["a", None]).hex() == "fc866d7ce6d16df287fc277573ca76a8"
    assert notcher().match(0, ["a", 7.0, Decimal("0.50"), [1.0]]).hex() == "6c3f12c241e2a4fabb5de79d3ce20fa7"
    assert notcher().line(["L1", []]).hex() == "2821d34e9a00070c1da3bfe79b30fa1e"
    assert name_digest(KEY, ("crm", "person", "uid"), "ada").hex() == "fe85449c210112b73fd43b2ff078830a"


ODD: list[Any] = ["\ud800", "\ud801", {1: "x"}, {2: "x"}, {1: "\ud800"}, object, {("a", 1): "ä"}]


@pytest.mark.parametrize("odd", ODD, ids=[str(n) for n in range(len(ODD))])
def test_what_json_cannot_say_has_a_digest_too(odd: Any) -> None:
    digest = notcher().field("left", "L1", "f", odd)

    assert len(digest) == 8
    assert digest == notcher().field("left", "L1", "f", odd)
    others = [notcher().field("left", "L1", "f", other) for other in ODD if other is not odd]
    assert digest not in others
    assert digest != notcher().field("left", "L1", "g", odd)


def test_a_sync_without_calendar_and_tables_has_no_salt() -> None:
    assert Notcher(KEY, "people").seen("left", "1", ["x"]) == Notcher(KEY, "people", salt="").seen("left", "1", ["x"])


def test_a_field_of_many_is_the_field_alone() -> None:
    many = notcher().fields("left", "L1", [("f", "a"), ("g", None)])

    assert many == {"f": notcher().field("left", "L1", "f", "a"), "g": notcher().field("left", "L1", "g", None)}
    assert notcher().fields("left", "L1", []) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([7, 7.0], [Decimal("7.000"), Decimal("7E0")]),
        ([Decimal("1.50"), 1.5], [1.5, Decimal("1.5000")]),
        ([[1.0, 2]], [(1, 2.0)]),
        ([Decimal("100")], [Decimal("1E2")]),
        ([0.1], [Decimal("0.10")]),
        ([1e20], [10**20]),
        ([Decimal("-0.0")], [0]),
    ],
)
def test_numbers_match_by_value_wherever_they_stand(one: list[Any], other: list[Any]) -> None:
    assert notcher().match(0, one) == notcher().match(0, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [([7], [70]), ([0.7], [7]), ([Decimal("1.05")], [Decimal("1.5")]), ([True], [1]), (["7"], [7]), ([[7]], [7]),
     ([Decimal("NaN")], [None]), ([Decimal("Infinity")], [Decimal("-Infinity")])],
)  # fmt: skip
def test_and_never_by_anything_else(one: list[Any], other: list[Any]) -> None:
    assert notcher().match(0, one) != notcher().match(0, other)


def test_names_are_alike_for_every_sync_that_gives_them_in_one_place() -> None:
    place = ("crm", "person", "uid")

    assert name_digest(KEY, place, "ada") != name_digest(KEY, ("crm", "person", "mail"), "ada")
    assert name_digest(KEY, place, "ada") != name_digest(KEY, place, "bob")
    assert name_digest(KEY, place, "ada") != name_digest(b"j" * 32, place, "ada")


def test_a_number_that_would_fill_the_memory_has_its_digest_at_once() -> None:
    huge, tiny = Decimal("1e999999999"), Decimal("1e-999999999")

    assert notcher().match(0, [huge]) != notcher().match(0, [tiny])
    assert notcher().match(0, [huge]) == notcher().match(0, [Decimal("1e999999999")])
