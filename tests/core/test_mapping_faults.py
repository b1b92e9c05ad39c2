"""What a person reads who wrote a field that cannot be: the key at fault, what is wrong, and what helps."""

from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.core.mapping import SHAPES, Lookup, MappingError, Place, compile_rule, question
from daemon.core.rules import Ref
from daemon.core.types import TYPES, Form

AT = datetime(2026, 3, 28, tzinfo=UTC)
ROWS = {("1",): "one", ("2",): "two"}
TABLE = Lookup("units", ROWS)
DOUBLE = {"A": "x", "B": "x"}
BY = Lookup("units", {("DE", "7"): "u"}, ("country", "dept"))


def fault(**more: Any) -> tuple[str, str, str | None]:
    with pytest.raises(MappingError) as found:
        compile_rule("f", **({"left": Place("l"), "right": Place("r")} | more))
    return found.value.part, str(found.value), found.value.help


FAULTS: list[tuple[dict[str, Any], tuple[str, str, str | None]]] = [
    ({"type": "colour"}, ("type", "unknown type 'colour'", f"known: {', '.join(TYPES)}")),
    ({"normalise": ["trim", "shout"]}, ("normalise", "unknown shape 'shout'", f"known: {', '.join(SHAPES)}")),
    ({"left": None}, ("right", "the field has no left side to agree with", "add `left: PATH`")),
    ({"right": None}, ("left", "the field has no right side to agree with", "add `right: PATH`")),
    ({"left": None, "ref": Ref("people")}, ("right", "the field has no left side to agree with", "add `left: PATH`")),
    ({"left": Place("upper(l)")}, (
        "left", "'upper(l)' can be read but not written", "add `owner: left`, or `left: {path: ..., write: PATH}`")),
    ({"right": Place("upper(r)")}, (
        "right", "'upper(r)' can be read but not written", "add `owner: right`, or `right: {path: ..., write: PATH}`")),
    ({"right": Place("upper(r)"), "owner": "left"}, (
        "right", "'upper(r)' can be read but not written", "add `owner: right`, or `right: {path: ..., write: PATH}`")),
    ({"values": DOUBLE}, (
        "values", "two left words share a right word, so the way back is unknown",
        "add `owner: left`, or give each left word its own right word")),
    ({"lookup": Lookup("units", {("1",): "x", ("2",): "x"})}, (
        "lookup", "two left words share a right word, so the way back is unknown",
        "add `owner: left`, or give each left word its own right word")),
    ({"values": {"A": "x"}, "lookup": TABLE}, ("values", "a field has `values` or `lookup`, not both", None)),
    ({"lookup": BY, "left": None}, ("lookup", "a lookup by other fields goes one way only", "add `owner: left`")),
    ({"lookup": Lookup("units", {}, ("l",), many=True), "owner": "left"}, (
        "lookup", "with `many` the value is a set", "add `merge: set`")),
    ({"lookup": Lookup("units", {}, many=True), "merge": "set"}, (
        "lookup", "a lookup of many goes one way only", "add `owner: left`")),
    ({"left": Place("upper(l)", write="l"), "merge": "set"}, (
        "left", "a set is written where it is read", "name one path, for reading and writing")),
    ({"right": Place("@groups.name")}, ("right", "a relation is a whole list, and nothing lies inside it", None)),
    ({"left": Place("l", form=Form(format="%d"))}, (
        "left", "format belongs to `type: date`, datetime or country; `format: text` writes any value as text", None)),
    ({"right": Place("r", form=Form(zone="Mars")), "type": "datetime"}, ("right", "'Mars' is not a time zone", None)),
    ({"order": ["a", "b", "a"]}, ("order", "'a' stands there twice", "each word has one rank")),
    ({"order": ["1", "x"], "type": "integer"}, (
        "order", "'x' cannot be the field's value: a text of 1 characters is not a number", None)),
]  # fmt: skip


@pytest.mark.parametrize(("field", "told"), FAULTS, ids=[f"{told[0]}-{n}" for n, (_, told) in enumerate(FAULTS)])
def test_a_fault_names_its_key_and_its_remedy(field: Any, told: Any) -> None:
    assert fault(**field) == told


def test_what_is_neither_a_path_nor_an_expression_is_told_as_both() -> None:
    part, text, help = fault(right=Place("a..b"))

    assert part == "right"
    assert text.startswith("neither a path (")
    assert ") nor an expression: " in text
    assert "None" not in text
    assert help is None


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_reference_at_no_place_is_told_by_its_side(side: str) -> None:
    assert fault(**{side: Place("a..b"), "ref": Ref("people")})[0] == side


def test_a_place_to_write_to_must_be_a_path() -> None:
    part, text, _ = fault(right=Place("upper(r)", write="a..b"))

    assert (part, text.split(":")[0]) == ("right", "write")
    assert len(text) > len("write: ")
    assert "None" not in text


def test_the_keys_of_a_lookup_must_be_paths() -> None:
    part, text, _ = fault(left=None, owner="left", lookup=Lookup("units", {}, ("a..b",)))

    assert (part, text.split(":")[0]) == ("lookup", "by")
    assert "None" not in text


def test_a_question_that_is_no_expression_is_told() -> None:
    with pytest.raises(MappingError) as found:
        question("shout(x)")

    assert (found.value.part, str(found.value)) == ("scope", "unknown function shout()")


def converted(way: str, value: Any, more: Any) -> Any:
    """*value* as the left side reads or writes it."""
    law = compile_rule("f", **({"left": Place("l"), "right": Place("r"), "wins": "left"} | more))
    assert law.left
    if way == "read":
        return law.left.read({"l": value, "country": "DE", "dept": value}, AT)
    assert law.left.write
    return law.left.write(value)


@pytest.mark.parametrize(
    ("way", "more", "text"),
    [
        ("read", {"values": {"A": "x"}}, "the value has no entry in `values`; add one"),
        ("write", {"values": {"A": "x"}}, "the value has no entry in values; add one"),
        ("read", {"lookup": TABLE}, "tables/units.csv has no row for this value; add one"),
        ("write", {"lookup": TABLE}, "the value has no entry in tables/units.csv; add one"),
        ("read", {"lookup": BY, "left": None, "owner": "left"},
         "tables/units.csv has no row for this country and dept; add one"),
    ],
)  # fmt: skip
def test_a_word_that_stands_nowhere_is_told_without_itself(way: str, more: Any, text: str) -> None:
    with pytest.raises(ValueError) as told:
        converted(way, "canary", more)

    assert str(told.value) == text
