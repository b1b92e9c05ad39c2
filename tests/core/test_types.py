"""Every type: what it takes, what it refuses, what it never changes."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.paths import ABSENT
from daemon.core.expressions import Expression
from daemon.core.mapping import Place, compile_rule
from daemon.core.types import PLAIN, TYPES, Form, empty, form_fault, typed, writer

AT = datetime(2026, 3, 28, tzinfo=UTC)
BERLIN = Form(zone="Europe/Berlin")


def parse(name: str, value: Any, form: Form = PLAIN, region: str | None = None) -> Any:
    return typed(name, form, region=region).parse(value)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("nothing", [None, ABSENT, ""], ids=repr)
@pytest.mark.parametrize("form", [PLAIN, Form(format="text"), Form(format="alpha3")], ids=str)
def test_emptiness_passes_through_every_type_and_stays_what_it_is(name: str, nothing: Any, form: Form) -> None:
    assert parse(name, nothing, PLAIN if form.format == "alpha3" else form) is nothing
    assert writer(name, form)(nothing) is nothing


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("string", 5, "5"), ("string", True, "true"), ("string", Decimal("1.10"), "1.10"), ("string", " x ", " x "),
        ("string", date(2026, 1, 2), "2026-01-02"),
        ("integer", "1234567890123456789012345", 1234567890123456789012345),
        ("integer", 1234567890123456789012345, 1234567890123456789012345),
        ("integer", Decimal("7.00"), 7), ("integer", " 7 ", 7), ("integer", "-3", -3), ("integer", 7.0, 7),
        ("decimal", "0.10", Decimal("0.10")), ("decimal", 0.1, Decimal("0.1")), ("decimal", 3, Decimal(3)),
        ("decimal", "1234567890123456789.123456789", Decimal("1234567890123456789.123456789")),
        ("boolean", "Yes", True), ("boolean", 1, True), ("boolean", "0", False), ("boolean", False, False),
        ("date", "2026-02-28", date(2026, 2, 28)), ("date", "2026-02-28T10:00:00Z", date(2026, 2, 28)),
        ("date", date(2026, 2, 28), date(2026, 2, 28)), ("date", datetime(2026, 2, 28, 9), date(2026, 2, 28)),
        ("datetime", "2026-06-01T10:00:00Z", datetime(2026, 6, 1, 10, tzinfo=UTC)),
        ("datetime", "2026-06-01T10:00:00+02:00", datetime(2026, 6, 1, 8, tzinfo=UTC)),
        ("phone", "+49 30 123456", "+4930123456"),
        ("country", "de", "DE"), ("country", "DEU", "DE"), ("country", "Germany", "DE"), ("country", "276", "DE"),
        ("email", " A.B@Corp.example ", "A.B@Corp.example"),
    ],
)  # fmt: skip
def test_a_type_takes(name: str, raw: Any, value: Any) -> None:
    found = parse(name, raw)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("string", ["canary"]), ("string", {"canary": 1}), ("integer", "7.5"), ("integer", "canary"), ("integer", True),
        ("decimal", "canary"), ("decimal", "1,50"), ("decimal", [1]), ("decimal", "NaN"), ("decimal", float("inf")),
        ("boolean", "canary"), ("boolean", 2), ("date", "31.12.2026"), ("date", "2026-02-30"), ("date", "canary"),
        ("date", "20260101"), ("datetime", "canary"), ("datetime", "2026-06-01T10:00:00"), ("phone", "030 123456"),
        ("phone", "canary"), ("phone", "+49 3"), ("country", "canary"), ("country", "XX"), ("email", "canary"),
        ("email", "a b@canary"), ("email", "@canary"),
    ],
)  # fmt: skip
def test_a_type_refuses_with_a_reason_that_tells_no_value(name: str, raw: Any) -> None:
    with pytest.raises(ValueError) as refusal:
        parse(name, raw)

    assert str(refusal.value)
    assert "canary" not in str(refusal.value)
    assert not isinstance(raw, str) or raw not in str(refusal.value)


def test_local_times_are_read_in_their_zone_on_both_sides_of_the_clock_change() -> None:
    assert parse("datetime", "2026-03-29T01:30:00", BERLIN) == datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert parse("datetime", "2026-03-29T03:30:00", BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert parse("datetime", "2026-07-01T12:00:00", BERLIN) == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert parse("datetime", "2026-07-01T12:00:00Z", BERLIN) == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_date_in_the_systems_own_way_of_writing() -> None:
    german = Form(format="%d.%m.%Y")

    assert parse("date", "31.12.2026", german) == date(2026, 12, 31)
    assert writer("date", german)(date(2026, 12, 31)) == "31.12.2026"
    with pytest.raises(ValueError):
        parse("date", "2026-12-31", german)


@pytest.mark.parametrize(("region", "number"), [("DE", "030 123456"), ("AT", "01 2345678"), ("US", "(212) 555-2368")])
def test_a_phone_without_prefix_is_read_in_its_region(region: str, number: str) -> None:
    assert parse("phone", number, region=region).startswith("+")


@pytest.mark.parametrize(
    ("form", "shown"), [("alpha2", "DE"), ("alpha3", "DEU"), ("numeric", "276"), ("name", "Germany")]
)
def test_a_country_in_every_form(form: str, shown: str) -> None:
    assert writer("country", Form(format=form))("DE") == shown
    assert parse("country", shown, Form(format=form)) == "DE"


def test_email_is_compared_without_case_and_kept_with_it() -> None:
    kind = typed("email")

    assert kind.same(kind.parse("A@b.example")) == kind.same("a@B.EXAMPLE")
    assert kind.parse("A@b.example") == "A@b.example"


TEXT = Form(format="text")
ROUND: list[tuple[str, Form, st.SearchStrategy[Any]]] = [
    ("integer", TEXT, st.integers()),
    ("decimal", TEXT, st.decimals(allow_nan=False, allow_infinity=False)),
    ("boolean", TEXT, st.booleans()),
    ("string", PLAIN, st.text(min_size=1)),
    ("date", PLAIN, st.dates()),
    ("date", Form(format="%d/%m/%Y"), st.dates(date(1000, 1, 1))),
    ("datetime", PLAIN, st.datetimes(timezones=st.just(UTC))),
    ("datetime", TEXT, st.datetimes(timezones=st.just(UTC))),
    ("datetime", Form(format="%Y-%m-%dT%H:%M:%S.%f%z"), st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC))),
    ("country", Form(format="alpha3"), st.sampled_from(["DE", "FR", "US", "BR", "CH"])),
]


@pytest.mark.parametrize(("name", "form", "values"), ROUND, ids=[f"{n}-{f.format}" for n, f, _ in ROUND])
def test_what_is_written_is_read_as_the_same_value(name: str, form: Form, values: st.SearchStrategy[Any]) -> None:
    write: Callable[[Any], Any] = writer(name, form)

    @given(values)
    def holds(value: Any) -> None:
        assert parse(name, write(value), form) == value

    holds()


def test_a_moment_is_one_value_in_any_zone() -> None:
    there = datetime(2026, 6, 1, 10, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    assert parse("datetime", there) == there
    assert parse("datetime", there).tzinfo is UTC


@pytest.mark.parametrize(
    ("name", "form", "told"),
    [
        ("date", BERLIN, "zone belongs"), ("datetime", Form(zone="Mars/Base"), "is not a time zone"),
        ("country", Form(format="alpha4"), "alpha2"), ("integer", Form(format="%d"), "format belongs"),
        (None, Form(format="%d"), "format belongs"), ("date", Form(format="dd.mm"), "no strftime"),
    ],
)  # fmt: skip
def test_a_form_that_does_not_fit_its_type_is_named(name: str | None, form: Form, told: str) -> None:
    assert told in str(form_fault(name, form))


@pytest.mark.parametrize("form", [PLAIN, BERLIN, TEXT, Form(format="%d.%m.%Y %H:%M")])
def test_a_form_that_fits_is_not(form: Form) -> None:
    assert form_fault("datetime", form) is None


def test_what_counts_as_empty() -> None:
    assert all(empty(value) for value in (None, ABSENT, "", []))
    assert not any(empty(value) for value in (0, False, " ", {}, [None]))


@pytest.mark.parametrize("name", ["integer", "decimal"])
@pytest.mark.parametrize("raw", ["1e999999999", Decimal("1e999999999"), "-1e-999999999", "1e5001"])
def test_a_number_that_would_fill_the_memory_is_refused(name: str, raw: Any) -> None:
    with pytest.raises(ValueError, match="has more than 5000 digits when it is written out"):
        parse(name, raw)


def test_a_big_number_is_none_of_them() -> None:
    assert parse("integer", "1e5000") == 10**5000
    assert parse("decimal", "1e-5000") == Decimal("1e-5000")


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 6, 1, 10, tzinfo=UTC), "01.06.2026 12:00"),
        (datetime(2026, 1, 1, 23, 30, tzinfo=UTC), "02.01.2026 00:30"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29.03.2026 03:00"),
    ],
)
def test_a_time_is_written_in_the_zone_in_which_it_is_read(moment: datetime, shown: str) -> None:
    berlin = Form(format="%d.%m.%Y %H:%M", zone="Europe/Berlin")

    assert writer("datetime", berlin)(moment) == shown
    assert parse("datetime", shown, berlin) == moment


def test_a_time_beyond_the_calendar_is_told() -> None:
    with pytest.raises(ValueError, match="is a time beyond the calendar, once it is told in UTC"):
        parse("datetime", "9999-12-31T23:59:59-05:00")


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("1E+2"), "100"), (Decimal("1E-7"), "0.0000001"), (Decimal("1.10"), "1.10"), (7, "7"), (True, "true"),
     (False, "false"), ("x", "x")],
)  # fmt: skip
def test_a_number_is_written_out_as_text(value: Any, text: str) -> None:
    assert writer("decimal", TEXT)(value) == text
    assert parse("string", value) == text
    assert compile_rule("f", left=Place("f"), right=Place("f"), values={text: "found"}).left.read({"f": value}, AT) == (  # type: ignore[union-attr]
        "found"
    )
    assert Expression("concat(f, '')")({"f": value}, AT) == text


REFUSALS: list[tuple[str, Any, Form, str | None, str]] = [
    ("boolean", "canary", PLAIN, None, "a text of 6 characters is neither true nor false"),
    ("date", "canary", PLAIN, None, "a text of 6 characters is not a date like 2026-11-22"),
    ("date", "canary", Form(format="%d.%m.%Y"), None, "a text of 6 characters is not a date like %d.%m.%Y"),
    ("datetime", "canary", PLAIN, None, "a text of 6 characters is not a time like 2026-11-22T14:00:00Z"),
    ("phone", "canary", PLAIN, None, "a text of 6 characters is not a phone number with its country, such as +49"),
    ("phone", "canary", PLAIN, "DE", "a text of 6 characters is not a phone number"),
    ("country", "canary", PLAIN, None, "a text of 6 characters is not a country that ISO 3166 knows"),
    ("email", "canary", PLAIN, None, "a text of 6 characters is not an e-mail address"),
    (
        "datetime",
        "2026-06-01T10:00:00",
        PLAIN,
        None,
        "a text of 19 characters has no time zone; say `zone: Europe/Berlin` beside the path",
    ),
    (
        "datetime",
        "9999-12-31T23:59:59-05:00",
        PLAIN,
        None,
        "a text of 25 characters is a time beyond the calendar, once it is told in UTC",
    ),
    ("integer", "1e9999", PLAIN, None, "a text of 6 characters has more than 5000 digits when it is written out"),
    ("integer", 7.5, PLAIN, None, "a float value is not a whole number"),
    ("integer", True, PLAIN, None, "a bool value is not a number"),
    ("decimal", "NaN", PLAIN, None, "a text of 3 characters is not a finite number"),
    ("string", ["x"], PLAIN, None, "a list value is not a single value"),
]


@pytest.mark.parametrize(("name", "raw", "form", "region", "told"), REFUSALS)
def test_a_refusal_says_what_stands_there_and_what_should(
    name: str, raw: Any, form: Form, region: str | None, told: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        parse(name, raw, form, region)

    assert str(refusal.value) == told


def test_what_an_exact_system_shows_is_taken_as_it_is_whatever_the_format() -> None:
    german, moment = Form(format="%d.%m.%Y %H:%M"), datetime(2026, 1, 2, 3, 4, tzinfo=UTC)

    assert parse("datetime", moment, german) == moment
    assert parse("date", moment, Form(format="%d.%m.%Y")) == date(2026, 1, 2)
    assert parse("string", moment) == "2026-01-02T03:04:00+00:00"


def test_a_date_as_text_is_an_iso_date() -> None:
    assert parse("date", "2026-02-28", TEXT) == date(2026, 2, 28)


@pytest.mark.parametrize(
    ("name", "form", "told"),
    [
        ("date", BERLIN, "zone belongs to `type: datetime`"),
        ("datetime", Form(zone="Mars/Base"), "'Mars/Base' is not a time zone"),
        ("country", Form(format="alpha4"), "format of a country is one of alpha2, alpha3, numeric, name"),
        ("integer", Form(format="%d"),
         "format belongs to `type: date`, datetime or country; `format: text` writes any value as text"),
        ("date", Form(format="dd.mm"), "'dd.mm' is no strftime format such as %d.%m.%Y"),
    ],
)  # fmt: skip
def test_a_form_that_does_not_fit_is_told_with_what_would(name: str, form: Form, told: str) -> None:
    assert form_fault(name, form) == told


def test_a_word_that_is_no_country_is_not_written_as_one() -> None:
    with pytest.raises(ValueError, match="a text of 7 characters is not a country that ISO 3166 knows"):
        writer("country", Form(format="alpha3"))("Nowhere")
