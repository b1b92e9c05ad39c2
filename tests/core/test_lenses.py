"""What a compiled field is made of: what it reads, what its digest is over, when its meaning may change by itself."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.paths import ABSENT
from daemon.core.mapping import Lookup, Place, compile_rule, question
from daemon.core.rules import Lens, Ref, Rule
from daemon.core.types import Form

AT = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def field(left: Any = "l", right: Any = "r", **more: Any) -> Rule:
    places = {side: Place(text) if isinstance(text, str) else text for side, text in (("left", left), ("right", right))}
    return compile_rule("f", **(places | {"wins": "left"} | more))  # type: ignore[arg-type]


def left(law: Rule) -> Lens:
    assert law.left
    return law.left


def right(law: Rule) -> Lens:
    assert law.right
    return law.right


def raw(lens: Lens, record: Any) -> list[Any]:
    return [read(record) for read in lens.inputs]


def test_a_path_is_read_where_it_stands_and_written_there() -> None:
    lens = left(field("a.b"))

    assert (lens.text, lens.paths, lens.volatile, lens.zones) == ("a.b", ("a.b",), "", frozenset())
    assert lens.path is not None and lens.path.text == "a.b"  # noqa: PT018
    assert raw(lens, {"a": {"b": 7}}) == [7]
    assert lens.read({"a": {"b": 7}}, AT) == 7


def test_an_expression_is_read_from_its_inputs_and_written_to_its_path() -> None:
    lens = left(field(Place("join_present(' ', [a, x.y])", write="name")))

    assert (lens.text, lens.paths) == ("join_present(' ', [a, x.y])", ("a", "x.y"))
    assert raw(lens, {"a": 1, "x": {"y": 2}}) == [1, 2]
    assert lens.path is not None and lens.path.text == "name"  # noqa: PT018
    assert lens.write is not None and lens.write("v") == "v"  # noqa: PT018
    assert (lens.volatile, lens.zones) == ("", frozenset())


def test_an_expression_over_the_whole_record_depends_on_all_of_it() -> None:
    lens = left(field("length(@)", owner="left"))

    assert lens.paths == ("",)
    assert raw(lens, {"a": 1}) == [{"a": 1}]
    assert (lens.path, lens.write) == (None, None)


def test_an_expression_that_cannot_be_undone_is_not_written_though_it_names_a_path() -> None:
    lens = left(field(Place("upper(l)", write="l"), values={"A": "x", "B": "x"}, owner="left"))

    assert (lens.path, lens.write) == (None, None)


def test_a_path_whose_words_have_no_way_back_is_not_written() -> None:
    assert left(field(values={"A": "x", "B": "x"}, owner="left")).path is None


def test_a_day_makes_a_field_move_by_itself_and_its_zone_is_known() -> None:
    lens = left(field("end > today('Asia/Tokyo')", owner="left"))

    assert (lens.volatile, lens.zones) == ("calendar", frozenset({"Asia/Tokyo"}))
    assert lens.read({"end": "2026-03-30"}, AT) is True
    assert lens.read({"end": "2026-03-30"}, LATER) is False


def test_tables_make_a_field_move_by_itself() -> None:
    own = left(field(lookup=Lookup("units", {("7",): "seven"})))
    by = left(field(left=None, owner="left", lookup=Lookup("units", {("DE", "7"): "u"}, ("land", "no"))))

    assert (own.volatile, own.text, own.read({"l": 7}, AT)) == ("tables", "l", "seven")
    assert (by.volatile, by.text, by.paths) == ("tables", "units[land, no]", ("land", "no"))
    assert raw(by, {"land": "DE", "no": 7}) == ["DE", 7]
    assert by.read({"land": "DE", "no": 7}, AT) == "u"
    assert right(field(lookup=Lookup("units", {("7",): "seven"}))).volatile == ""


def test_emptiness_is_looked_up_only_where_the_table_has_a_row_for_it() -> None:
    plain, told = Lookup("t", {("7",): "x"}), Lookup("t", {("",): "nothing"})

    for nothing in (None, ABSENT, ""):
        assert left(field(lookup=plain)).read({"l": nothing}, AT) == nothing
    assert left(field(lookup=told)).read({"l": ""}, AT) == ""
    by = Lookup("t", {("", "7"): "rest"}, ("a", "b"))
    assert left(field(left=None, owner="left", lookup=by)).read({"a": "", "b": "7"}, AT) == "rest"
    assert left(field(left=None, owner="left", lookup=by)).read({"a": None, "b": "8"}, AT) is None


@pytest.mark.parametrize(("value", "word"), [(True, "yes"), (False, "no"), (7, "seven"), ("7", "seven")])
def test_words_are_found_by_the_text_of_what_a_side_shows(value: Any, word: str) -> None:
    law = field(values={"true": "yes", "false": "no", "7": "seven"})

    assert left(law).read({"l": value}, AT) == word
    assert right(law).read({"r": value}, AT) == value


def test_what_a_table_gives_is_text_on_the_right_too() -> None:
    law = field(lookup=Lookup("t", {("a",): "7"}), order=["7"])

    assert right(law).read({"r": 7}, AT) == "7"
    assert right(law).read({"r": False}, AT) == "false"
    assert right(law).read({"r": None}, AT) is None
    assert right(law).read({}, AT) is ABSENT
    assert law.order == ("7",)


def test_ranked_words_of_a_values_table_are_its_right_ones() -> None:
    assert field(values={"1": 10, "2": 20}, order=[10, 20], type="integer").order == (10, 20)
    assert field(values={"1": "junior", "2": "chief"}, order=["junior", "chief"], type="integer").order[1] == "chief"
    assert field(type="decimal", order=["1.50"]).order == (Decimal("1.50"),)
    assert field(order=["B", "a"], normalise=["casefold"]).order == ("b", "a")


def test_types_are_written_as_each_side_wants_them() -> None:
    german = Place("r", form=Form(format="%d.%m.%Y"))
    law = field("l", german, type="date")

    assert right(law).read({"r": "31.12.2026"}, AT) == date(2026, 12, 31) == left(law).read({"l": "2026-12-31"}, AT)
    assert right(law).write(date(2026, 12, 31)) == "31.12.2026"  # type: ignore[misc]
    country = field("l", Place("r", form=Form(format="alpha3")), type="country")
    assert right(country).write("DE") == "DEU"  # type: ignore[misc]


def test_words_and_types_go_back_together() -> None:
    law = field(Place("l", form=Form(format="text")), "r", type="integer", values={"1": 10, "2": 20})

    assert left(law).read({"l": "2"}, AT) == 20
    assert left(law).write(20) == "2"  # type: ignore[misc]


def test_a_phone_is_read_in_its_region_on_both_sides() -> None:
    law = field(type="phone", region="DE")

    assert left(law).read({"l": "030 123456"}, AT) == right(law).read({"r": "030 123456"}, AT) == "+4930123456"


def test_an_email_is_compared_without_case_with_or_without_a_shape() -> None:
    assert field(type="email").shape("A@b.example") == "a@b.example"
    assert field(type="email", normalise=["trim"]).shape("A@b.example") == "a@b.example"
    assert field(normalise=["trim", "casefold"]).shape([" A ", 1]) == ["a", 1]


def test_the_settings_of_a_field_arrive() -> None:
    ref = Ref("people")
    law = field(owner="left", first="right", hold="record", fill=True, audit="digest", ref=ref, once=True)
    plain = field()

    assert (law.owner, law.first, law.hold, law.fill) == ("left", "right", "record", True)
    assert (law.audit, law.ref, law.once, law.secret) == ("digest", ref, True, False)
    assert (plain.hold, plain.audit, plain.secret, plain.once, plain.ref) == ("field", "value", False, False, None)
    assert field(secret=True).secret
    assert (field(unique=True).unique, plain.unique) == (True, False)


def test_a_reference_is_a_text_whatever_a_side_shows() -> None:
    law = field(ref=Ref("people"))

    for lens, name in ((left(law), "l"), (right(law), "r")):
        assert lens.volatile == "refs"
        assert lens.read({name: 7}, AT) == "7"
        assert lens.read({name: [7, None, "8"]}, AT) == ["7", None, "8"]
        assert lens.read({name: None}, AT) is None
        with pytest.raises(ValueError, match=r"^an object is no reference; name the place of the id in it$"):
            lens.read({name: {"id": 7}}, AT)
        assert lens.write is not None and lens.write("7") == "7"  # noqa: PT018


def test_a_reference_by_number_is_written_as_one() -> None:
    write = right(field(ref=Ref("people"), type="integer")).write

    assert write is not None
    assert write("7") == 7 and type(write("7")) is int  # noqa: PT018
    assert write(["7", None, ""]) == [7, None, ""]
    with pytest.raises(ValueError, match="is not a number"):
        write("x")


def test_a_question_tells_what_it_reads_and_whether_the_day_decides() -> None:
    plain, daily = question("a.b && c"), question("end < today('Asia/Tokyo')")

    assert (plain.paths, plain.calendar, plain.zones) == (("a.b", "c"), False, frozenset())
    assert (daily.paths, daily.calendar, daily.zones) == (("end",), True, frozenset({"Asia/Tokyo"}))
    assert daily.holds({"end": "2026-12-31"}, LATER)
    assert not daily.holds({"end": "2026-12-31"}, AT)


ANSWERS: list[tuple[Any, bool]] = [
    (None, False), (False, False), ("", False), ([], False), ({}, False), (0, False), (Decimal(0), False),
    (True, True), (1, True), ("no", True), ("0", True), ([None], True),
]  # fmt: skip


@pytest.mark.parametrize(("value", "yes"), ANSWERS)
def test_emptiness_and_zero_mean_no(value: Any, yes: bool) -> None:
    assert question("x").holds({"x": value}, AT) is yes
    assert left(field("if(x, 'y', 'n')", owner="left")).read({"x": value}, AT) == ("y" if yes else "n")
