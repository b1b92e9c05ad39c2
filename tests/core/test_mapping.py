"""Stories of one line of `fields:`: what it reads, what it writes, and what it may not be."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.paths import ABSENT
from daemon.core.mapping import SHAPES, Lookup, MappingError, Place, compile_rule, question
from daemon.core.rules import Rule, Side
from daemon.core.types import Form

AT = datetime(2026, 3, 28, 12, tzinfo=UTC)
UNITS = Lookup("units", {("1",): "Sales", ("2",): "Research"})
SHARED = Lookup("units", {("1",): "Sales", ("2",): "Sales"})
BY = Lookup("units", {("de", "7"): "Berlin", ("", "7"): "Nowhere"}, by=("land", "no"))
NULL = Lookup("units", {("1",): "Sales"}, otherwise="null")


def field(left: Any = "a", right: Any = "b.c", **more: Any) -> Rule:
    places = {s: Place(p) if isinstance(p, str) else p for s, p in (("left", left), ("right", right))}
    return compile_rule("f", **places, **more)


def seen(rule: Rule, side: Side, record: Any) -> Any:
    lens = rule.lens(side)
    assert lens
    return lens.read(record, AT)


def written(rule: Rule, side: Side, value: Any) -> Any:
    lens = rule.lens(side)
    assert lens
    assert lens.write
    return lens.write(value)


def test_two_paths_are_read_and_written_as_they_stand() -> None:
    rule = field()

    assert seen(rule, "left", {"a": 1}) == 1
    assert seen(rule, "right", {"b": {"c": "x"}}) == "x"
    assert seen(rule, "right", {"b": None}) is None
    assert seen(rule, "right", {"b": {}}) is ABSENT
    assert written(rule, "right", None) is None
    assert (rule.left.paths, rule.right.paths) == (("a",), ("b.c",))  # type: ignore[union-attr]


def test_an_expression_is_read_only_unless_it_names_where_it_is_written() -> None:
    rule = field(left="join_present(' ', [first, last])", owner="left")
    assert seen(rule, "left", {"first": "Ada", "last": None}) == "Ada"
    assert rule.left.paths == ("first", "last")  # type: ignore[union-attr]
    assert rule.left.path is None  # type: ignore[union-attr]

    both = field(left=Place("upper(code)", write="code"))
    assert both.left.path.text == "code"  # type: ignore[union-attr]
    assert written(both, "left", "X") == "X"


def test_values_translate_on_the_left_and_back() -> None:
    rule = field(values={"A": "junior", "B": "senior", "true": True})

    assert seen(rule, "left", {"a": "A"}) == "junior"
    assert seen(rule, "left", {"a": True}) is True
    assert written(rule, "left", "senior") == "B"
    assert seen(rule, "right", {"b": {"c": "senior"}}) == written(rule, "right", "senior") == "senior"
    assert seen(rule, "left", {"a": None}) is None
    assert written(rule, "left", None) is None
    for bad in (lambda: seen(rule, "left", {"a": "canary"}), lambda: written(rule, "left", "canary")):
        with pytest.raises(ValueError, match="no entry in") as fault:
            bad()
        assert "canary" not in str(fault.value)


def test_values_may_give_emptiness_a_word() -> None:
    rule = field(values={"": "none", "A": "junior"})

    assert seen(rule, "left", {"a": ""}) == "none"
    assert written(rule, "left", "none") == ""


def test_many_left_words_may_share_a_right_one_where_nothing_goes_back() -> None:
    words = {"A": "x", "B": "x"}

    assert seen(field(values=words, owner="left"), "left", {"a": "B"}) == "x"
    with pytest.raises(MappingError) as fault:
        field(values=words)
    assert (fault.value.part, bool(fault.value.help)) == ("values", True)


def test_a_table_translates_and_back() -> None:
    rule = field(lookup=UNITS)

    assert seen(rule, "left", {"a": 1}) == "Sales"
    assert written(rule, "left", "Research") == "2"
    assert seen(rule, "left", {"a": None}) is None
    with pytest.raises(ValueError, match=r"tables/units\.csv has no row"):
        seen(rule, "left", {"a": "9"})
    assert seen(field(lookup=NULL, owner="left"), "left", {"a": "9"}) is None
    assert rule.left.volatile == "tables"  # type: ignore[union-attr]


def test_a_table_may_be_asked_by_other_fields() -> None:
    rule = field(lookup=BY, owner="left")

    assert seen(rule, "left", {"land": "de", "no": 7}) == "Berlin"
    assert seen(rule, "left", {"land": "", "no": 7}) == "Nowhere"
    assert seen(rule, "left", {"land": None, "no": 7}) is None
    assert rule.left.paths == ("land", "no")  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="land and no"):
        seen(rule, "left", {"land": "fr", "no": 7})


def test_a_type_stands_between_both_sides() -> None:
    rule = field(type="date", left=Place("a", form=Form(format="%d.%m.%Y")))

    assert (
        seen(rule, "left", {"a": "01.02.2026"}) == seen(rule, "right", {"b": {"c": "2026-02-01"}}) == date(2026, 2, 1)
    )
    assert written(rule, "left", date(2026, 2, 1)) == "01.02.2026"


def test_decimals_never_pass_a_float() -> None:
    rule = field(type="decimal")

    assert rule.same(seen(rule, "left", {"a": "0.10"}), seen(rule, "right", {"b": {"c": Decimal("0.1")}}))
    assert (
        str(written(rule, "right", seen(rule, "left", {"a": "12345678901234567890.10"}))) == "12345678901234567890.10"
    )


@pytest.mark.parametrize(
    ("names", "one", "another"),
    [
        (["trim"], " a ", "a"), (["casefold"], "STRASSE", "straße"), (["upper"], "a", "A"), (["lower"], "A", "a"),
        (["squeeze"], "a  b\t c", "a b c"), (["nfc"], "e\u0301", "é"), (["ascii"], "Müller", "Mueller"),
        (["digits"], "+49 30", "4930"), (["alnum"], "A-1", "A1"), (["strip_zeros"], "007", "7"),
        (["trim", "casefold"], [" A", "b "], ["a", "B"]),
    ],
)  # fmt: skip
def test_shapes_decide_what_is_the_same_and_touch_nothing_that_is_written(names: Any, one: Any, another: Any) -> None:
    rule = field(normalise=names)

    assert rule.same(one, another)
    assert not field().same(one, another)
    assert written(rule, "right", one) == one
    assert rule.same(None, None)
    assert not rule.same(None, one)


def test_every_shape_is_shown_above() -> None:
    assert set(SHAPES) == {
        "trim", "casefold", "upper", "lower", "squeeze", "nfc", "ascii", "digits", "alnum", "strip_zeros",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("part", "more"),
    [
        ("type", {"type": "sting"}),
        ("values", {"values": {"A": "x", "B": "x"}}),
        ("values", {"values": {}, "lookup": UNITS}),
        ("lookup", {"lookup": SHARED}),
        ("lookup", {"lookup": BY}),
        ("lookup", {"lookup": Lookup("t", {}, by=("a[0]",)), "owner": "left"}),
        ("normalise", {"normalise": ["trimm"]}),
        ("left", {"left": "upper(a)"}),
        ("right", {"right": "upper(a)"}),
        ("left", {"left": "upper(a)", "owner": "right"}),
        ("left", {"left": "uper(a)", "owner": "left"}),
        ("left", {"left": "a b", "owner": "left"}),
        ("left", {"left": Place("upper(a)", write="b[0]")}),
        ("left", {"left": Place("a", form=Form(zone="Europe/Berlin"))}),
        ("right", {"right": None}),
        ("left", {"left": None}),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_in_step_is_refused_at_load_with_its_place(part: str, more: dict[str, Any]) -> None:
    with pytest.raises(MappingError) as fault:
        field(**more)

    missing = {"right": None} in [more] or {"left": None} in [more]
    assert fault.value.part == (part if not missing else {"left": "right", "right": "left"}[part])
    assert str(fault.value)


@pytest.mark.parametrize("more", [{"type": "sting"}, {"normalise": ["trimm"]}, {"left": "upper(a)"}, {"lookup": BY}])
def test_a_refusal_says_what_to_do(more: dict[str, Any]) -> None:
    with pytest.raises(MappingError) as fault:
        field(**more)

    assert fault.value.help


@pytest.mark.parametrize(
    ("text", "record", "answer"),
    [
        ("type == 'staff'", {"type": "staff"}, True), ("type == 'staff'", {"type": "x"}, False),
        ("ok", {"ok": None}, False),
        ("ok", {"ok": ""}, False), ("ok", {}, False), ("end < today()", {"end": "2026-03-27"}, True),
        ("ok", {"ok": []}, False),
    ],
)  # fmt: skip
def test_a_question_has_one_answer(text: str, record: Any, answer: bool) -> None:
    assert question(text).holds(record, AT) is answer


def test_a_question_knows_what_it_reads_and_whether_the_day_changes_it() -> None:
    asked = question("kind == 'x' && end < today()")

    assert set(asked.paths) == {"kind", "end"}
    assert asked.calendar
    with pytest.raises(MappingError):
        question("uper(a)")
