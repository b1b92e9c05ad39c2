"""Each function of expressions by example, and what an expression says of its inputs."""

from datetime import UTC, datetime
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


@pytest.mark.parametrize(("text", "value"), EXAMPLES, ids=[text for text, _ in EXAMPLES])
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
