"""Each function of expressions by example, and what an expression says of its inputs."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.expressions import Expression, ExpressionError
from daemon.core.functions import Functions

AT = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
RECORD = {
    "t": " Größe ",
    "n": 5,
    "d": Decimal("2.50"),
    "nil": None,
    "e": "",
    "l": ["a", None, "", "b"],
    "when": "2026-01-31",
}

EXAMPLES = [
    ("upper(t)", " GRÖSSE "), ("lower(t)", " größe "), ("title('ada lovelace')", "Ada Lovelace"), ("trim(t)", "Größe"),
    ("ascii(t)", " Groesse "), ("ascii('Łódź Ærø é')", "Lodz Aero e"), ("digits('+49 (30) 1')", "49301"),
    ("substr('abcdef', 1, 3)", "bcd"), ("substr('ab', 5, 3)", ""), ("replace('a-b-c', '-', '.')", "a.b.c"),
    ("split('a;b', ';')", ["a", "b"]), ("pad('7', 3, '0')", "007"), ("pad('1234', 3, '0')", "1234"),
    ("strip_zeros('007')", "7"), ("strip_zeros('000')", "0"), ("strip_zeros('')", ""), ("text(n)", "5"),
    ("concat('a', n, `true`)", "a5true"), ("concat('a', nil)", None),
    ("join_present(' ', l)", "a b"), ("join_present(' ', [nil, e])", None),
    ("join_present(', ', [t, n])", " Größe , 5"),
    ("if(n, 'yes', 'no')", "yes"), ("if(nil, 'yes', 'no')", "no"), ("if(e, 'yes', 'no')", "no"),
    ("if(`[]`, 'y', 'n')", "n"),
    ("default(nil, 'x')", "x"), ("default(e, 'x')", "x"), ("default(`false`, 'x')", False), ("default(n, 'x')", 5),
    ("add(n, 1)", Decimal(6)), ("sub(d, 0.5)", Decimal("2.00")), ("mul(d, 3)", Decimal("7.50")),
    ("div(d, 2)", Decimal("1.25")), ("round(2.675, 2)", Decimal("2.68")), ("round(2.5, 0)", Decimal(2)),
    ("round(-0.125, 2)", Decimal("-0.12")), ("add('0.1', '0.2')", Decimal("0.3")),
    ("today()", "2026-03-28"), ("today(-90)", "2025-12-28"), ("today('Europe/Berlin')", "2026-03-29"),
    ("today('Europe/Berlin', 1)", "2026-03-30"), ("today('America/New_York')", "2026-03-28"),
    ("now()", "2026-03-28T23:30:00+00:00"), ("date_add(when, '1d')", "2026-02-01"),
    ("date_add(when, '-1w')", "2026-01-24"),
    ("date_add('2026-01-31T10:00:00', '12h')", "2026-01-31T22:00:00"), ("date_add(e, '1d')", None),
    ("date_format(when, '%d.%m.%Y')", "31.01.2026"), ("date_format(e, '%Y')", None),
    ("when < today()", True), ("when > today(-90)", True), ("!nil || when >= today()", True),
    ("length(l)", 4), ("contains(t, 'ö')", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"), EXAMPLES, ids=[text.encode("ascii", "replace").decode() for text, _ in EXAMPLES]
)
def test_by_example(text: str, value: Any) -> None:
    found = Expression(text)(RECORD, AT)

    assert found == value
    assert type(found) is type(value)


NULL_FOR_NULL = [
    "upper(nil)", "lower(nil)", "title(nil)", "trim(nil)", "ascii(nil)", "digits(nil)", "substr(nil, 1, 2)",
    "replace(nil, 'a', 'b')", "split(nil, ',')", "pad(nil, 3, '0')", "strip_zeros(nil)", "text(nil)",
    "concat(nil, 'a')",
    "join_present(',', nil)", "add(nil, 1)", "add(1, nil)", "sub(nil, 1)", "mul(nil, 1)", "div(nil, 1)",
    "round(nil, 1)",
    "date_add(nil, '1d')", "date_format(nil, '%Y')", "default(nil, nil)", "if(nil, 1, nil)",
]  # fmt: skip


@pytest.mark.parametrize("text", NULL_FOR_NULL)
def test_null_gives_null(text: str) -> None:
    assert Expression(text)(RECORD, AT) is None


def test_every_function_of_ours_is_shown_here() -> None:
    ours = {name for name in Functions.names() if hasattr(Functions, f"_func_{name}") and _is_ours(name)}

    shown = " ".join(text for text, _ in EXAMPLES)
    assert {name for name in ours if f"{name}(" not in shown} == set()
    assert len(ours) >= 20


def _is_ours(name: str) -> bool:
    return getattr(Functions, f"_func_{name}").__module__ == Functions.__module__


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("a", ("a",)), ("a.b", ("a.b",)), ('"odd name".x', ('"odd name".x',)),
        ("join_present(' ', [a, b.c])", ("a", "b.c")),
        ("items[0].name", ("items",)), ("items[?kind=='x'].v | [0]", ("items",)), ("items[*].v", ("items",)),
        ("a || b", ("a", "b")), ("!a && b > c", ("a", "b", "c")), ("if(a, a, 'x')", ("a",)), ("'text'", ()),
        ("today()", ()), ("@", ("",)), ("{x: a, y: b}", ("a", "b")), ("length(a.b)", ("a.b",)),
    ],
)  # fmt: skip
def test_an_expression_knows_what_it_reads(text: str, paths: tuple[str, ...]) -> None:
    assert Expression(text).paths == paths


@pytest.mark.parametrize(
    ("text", "calendar"), [("today()", True), ("now()", True), ("if(a, today(-1), b)", True), ("a < '2026'", False)]
)
def test_an_expression_knows_whether_time_changes_it(text: str, calendar: bool) -> None:
    assert Expression(text).calendar is calendar


@pytest.mark.parametrize("text", ["a[", "a b", "upper(", "", "a.", "uper(a)"])
def test_what_is_no_expression_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text)


def test_an_unknown_function_is_named() -> None:
    with pytest.raises(ExpressionError, match=r"unknown function uper\(\)"):
        Expression("a && uper(b)")


@pytest.mark.parametrize(
    "text",
    [
        "add(t, 1)", "div(n, 0)", "round(t, 2)", "today('Mars/Base')", "date_add(when, '3 moons')", "date_add(t, '1d')",
        "date_format(t, '%Y')", "substr(t, 'x', 1)", "upper()", "length(n)", "date_add('2026-01-31', 'd')",
        "join(n, l)",
    ],
)  # fmt: skip
def test_what_fails_on_a_record_is_a_value_error_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError) as fault:
        Expression(text)(RECORD, AT)

    assert "Größe" not in str(fault.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n > 3", True),
        ("n == 5", True),
        ("add(-1, 2)", Decimal(1)),
        ("'n > 3'", "n > 3"),
        ("round(1.005, 2)", Decimal("1.00")),
    ],
)
def test_numbers_may_stand_bare(text: str, value: Any) -> None:
    assert Expression(text)(RECORD, AT) == value


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("l[0:2]", ("l",)), ("reverse(l[::2])", ("l",)), ("upper(t) && l[:1]", ("t", "l")), ("sort_by(l, &x)", ("l",)),
        ("a.b.c.d", ("a.b.c.d",)), ("a.*.b", ("a",)), ("a.b[].c", ("a.b",)), ("(a | b)", ("a",)),
        ("[*].v", ("",)), ("[0].a", ("",)), ("(a.b).c", ("a.b.c",)), ("a.b[0].c.d", ("a",)),
        ("a.upper(b)", ("a",)), ("`1`", ()), ("concat(a, a, b, a)", ("a", "b")),
    ],
)  # fmt: skip
def test_a_part_of_a_list_is_read_from_the_whole_list(text: str, paths: tuple[str, ...]) -> None:
    assert Expression(text).paths == paths


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        ("today()", set()), ("today('Asia/Tokyo')", {"Asia/Tokyo"}), ("today(-1)", set()),
        ("a > today('Asia/Tokyo', `1`) || b[0:1] == today('Europe/Berlin')", {"Asia/Tokyo", "Europe/Berlin"}),
        ("concat('Asia/Tokyo', today())", set()), ("today('Mars/Base')", set()), ("upper('Asia/Tokyo')", set()),
    ],
)  # fmt: skip
def test_an_expression_knows_whose_midnight_matters(text: str, zones: set[str]) -> None:
    assert Expression(text).zones == zones


def test_dates_of_an_exact_system_are_compared_as_their_text() -> None:
    record = {"day": date(2026, 3, 1), "at": [datetime(2026, 3, 1, 10, tzinfo=UTC)], "in": {"x": (date(2026, 3, 2),)}}

    assert Expression("day < today()")(record, AT) is True
    assert Expression("day")(record, AT) == "2026-03-01"
    assert Expression("at[0]")(record, AT) == "2026-03-01T10:00:00+00:00"
    assert Expression("in.x")(record, AT) == ["2026-03-02"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("upper(l)", ["A", None, "", "B"]), ("text(mixed)", ["1", "true", "x"]), ("digits(nested)", [["1"], None]),
        ("ascii(letters)", ["e", ["ue"]]),
    ],
)  # fmt: skip
def test_a_function_of_texts_is_applied_to_every_member_of_a_list(text: str, value: Any) -> None:
    record = RECORD | {"mixed": [1, True, "x"], "nested": [["a1"], None], "letters": ["é", ["ü"]]}

    assert Expression(text)(record, AT) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("uper(a)", "unknown function uper()"),
        ("zap(a) || uper(a)", "unknown function uper()"),
        ("a b", 'Unexpected token: b: Parse error at column 2, token "b" (UNQUOTED_IDENTIFIER), for expression'
         " (column 3)"),
        ("upper(", "Invalid jmespath expression: Incomplete expression"),
        ("", "Invalid JMESPath expression: cannot be empty."),
        ("a ~ b", "Bad jmespath expression: Unknown token ~ (column 3)"),
    ],
)  # fmt: skip
def test_a_fault_in_an_expression_is_told_in_one_line_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ExpressionError) as fault:
        Expression(text)

    assert str(fault.value) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("length(n)", "length(n): length() takes string or array or object, not number"),
        ("div(n, 0)", "div(n, 0): cannot be computed (DivisionByZero)"),
        ("add(t, 1)", "a text of 7 characters is not a number"),
        ("date_add(when, '3 moons')", "'3 moons' is not a span; write 90d, 2w, 12h or 30m"),
        ("date_add(when, '9999999d')", "date_add(when, '9999999d'): cannot be computed (OverflowError)"),
        ("join_present(' ', n)", "join_present(' ', n): 'int' object is not iterable"),
        ("substr('abc', l, 1)", "a list value is not a number"),
        ("join(n, l)", "join(n, l): join() takes string, not number"),
        ("substr('abc', t, 1)", "a text of 7 characters is not a number"),
        ("pad('7', t, '0')", "a text of 7 characters is not a number"),
        ("round(d, t)", "a text of 7 characters is not a number"),
        ("upper()", "upper(): Expected 1 argument for function upper(), received 0"),
        ("date_add(n, '1d')", "a text of 1 characters is not an ISO date or time"),
        ("substr('abc', `2.5`, 1)", "a float value is not a whole number"),
        ("substr('abc', `1.5`, 1)", "a float value is not a whole number"),
        ("date_add(when, 'xd')", "'xd' is not a span; write 90d, 2w, 12h or 30m"),
        ("today('Mars/Base')", "'Mars/Base' is not a time zone"),
        ("date_format(t, '%Y')", "a text of 7 characters is not an ISO date or time"),
        ("add(l, 1)", "a list value is not a number"),
    ],
)  # fmt: skip
def test_a_fault_of_a_record_names_the_expression_or_the_kind_of_value(text: str, told: str) -> None:
    with pytest.raises(ValueError) as fault:
        Expression(text)(RECORD, AT)

    assert str(fault.value) == told


@pytest.mark.parametrize(
    ("text", "value"),
    [("contains(t, '5 > 3')", False), ('"odd 1".x', 1), ("`[1, 2]`", [1, 2]), ("add(n,-1)", Decimal(4)),
     ("n>=5", True), ("n <= -5", False), ("concat('(1', '<2')", "(1<2"), ("add(1.5, 2)", Decimal("3.5"))],
)  # fmt: skip
def test_bare_numbers_are_found_and_nothing_else_is_touched(text: str, value: Any) -> None:
    assert Expression(text)(RECORD | {"odd 1": {"x": 1}}, AT) == value
