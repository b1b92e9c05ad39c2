"""This is where a raw value becomes a typed one and back: exact, or an error that says what stands there."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import phonenumbers
import pycountry

from connectors.paths import ABSENT
from daemon.core.functions import kind, number, written_out

Parse: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Type:
    """A type of shared fields. Both functions pass null, absent and empty text through, and raise ValueError."""

    parse: Parse
    """From what a system shows to the shared value."""
    same: Parse = lambda value: value
    """What comparing sees of a shared value."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one side writes a typed value, where its own way differs: `format` and `zone` beside a path."""

    format: str | None = None
    """strftime for dates and times, `text` for numbers as text, alpha3 | name | numeric for countries."""
    zone: str | None = None
    """Time zone of times that carry none, and of those that are written by a `format`."""


PLAIN = Form()


def typed(name: str, form: Form = PLAIN, *, region: str | None = None) -> Type:
    """The type called *name* as a side of that *form* shows it. *region* is the country of phones without a prefix."""
    makers: Mapping[str, Callable[[], Type]] = {
        "string": lambda: Type(_guarded(_string)),
        "integer": lambda: Type(_guarded(_integer)),
        "decimal": lambda: Type(_guarded(_decimal)),
        "boolean": lambda: Type(_guarded(_boolean)),
        "date": lambda: Type(_guarded(lambda value: _date(value, form.format))),
        "datetime": lambda: Type(_guarded(lambda value: _datetime(value, form))),
        "phone": lambda: Type(_guarded(lambda value: _phone(value, region))),
        "country": lambda: Type(_guarded(_country)),
        "email": lambda: Type(_guarded(_email), _guarded(str.casefold)),
    }
    return makers[name]()


TYPES = ("string", "integer", "decimal", "boolean", "date", "datetime", "phone", "country", "email")


def writer(name: str | None, form: Form) -> Callable[[Any], Any]:
    """From a shared value of type *name* to what a side of that *form* stores."""
    if form.format is None:
        return lambda value: value
    shown = form.format
    if shown == "text":
        return _guarded(written_out)
    if name == "country":
        return _guarded(lambda value: _country_as(value, shown))
    there = ZoneInfo(form.zone) if form.zone else None
    return _guarded(lambda value: (value.astimezone(there) if there else value).strftime(shown))


def form_fault(name: str | None, form: Form) -> str | None:
    """What is wrong with *form* for type *name*, or None."""
    if form.zone is not None:
        if name != "datetime":
            return "zone belongs to `type: datetime`"
        try:
            ZoneInfo(form.zone)
        except (KeyError, ValueError, OSError):
            return f"'{form.zone}' is not a time zone"
    if form.format in (None, "text"):
        return None
    if name == "country":
        return None if form.format in _COUNTRY_FORMS else f"format of a country is one of {', '.join(_COUNTRY_FORMS)}"
    if name not in ("date", "datetime"):
        return "format belongs to `type: date`, datetime or country; `format: text` writes any value as text"
    return None if "%" in str(form.format) else f"'{form.format}' is no strftime format such as %d.%m.%Y"


def empty(value: Any) -> bool:
    """Whether nothing is there to match or to fill with: null, absent, empty text, empty list."""
    return value is None or value is ABSENT or value == "" or value == []


def _guarded(convert: Parse) -> Parse:
    def convert_present(value: Any) -> Any:
        if isinstance(value, list | tuple | dict):
            raise ValueError(f"{kind(value)} is not a single value")  # str() would make a text of its brackets
        return value if value is None or value is ABSENT or value == "" else convert(value)

    return convert_present


def _string(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else written_out(value)


def _integer(value: Any) -> int:
    exact = _decimal(value)
    if exact != exact.to_integral_value():
        raise ValueError(f"{kind(value)} is not a whole number")
    return int(exact)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError(f"{kind(value)} is not a number")
    exact = number(value)
    if not exact.is_finite():
        raise ValueError(f"{kind(value)} is not a finite number")
    return exact


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(str(value).strip().casefold())
    if known is None:
        raise ValueError(f"{kind(value)} is neither true nor false")
    return known


def _date(value: Any, form: str | None) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = str(value)
    try:
        if form and form != "text":
            return datetime.strptime(text, form).date()
        if _ISO_DATE.match(text):
            return date.fromisoformat(text[:10])
    except ValueError:
        pass  # said below, like any other text that is no date
    raise ValueError(f"{kind(value)} is not a date like {form or '2026-11-22'}")


_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?\Z")


def _datetime(value: Any, form: Form) -> datetime:
    moment = value if isinstance(value, datetime) else _moment(str(value), form.format)
    if moment.tzinfo is None:
        if form.zone is None:
            raise ValueError(f"{kind(value)} has no time zone; say `zone: Europe/Berlin` beside the path")
        moment = moment.replace(tzinfo=ZoneInfo(form.zone))
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # 9999-12-31 west of Greenwich
        raise ValueError(f"{kind(value)} is a time beyond the calendar, once it is told in UTC") from None


def _moment(text: str, form: str | None) -> datetime:
    try:
        return datetime.fromisoformat(text) if form in (None, "text") else datetime.strptime(text, str(form))
    except ValueError:
        raise ValueError(f"{kind(text)} is not a time like 2026-11-22T14:00:00Z") from None


def _phone(value: Any, region: str | None) -> str:
    try:
        parsed = phonenumbers.parse(str(value), region)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_possible_number(parsed):
        raise ValueError(f"{kind(value)} is not a phone number" + ("" if region else " with its country, such as +49"))
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


_COUNTRY_FORMS = ("alpha2", "alpha3", "numeric", "name")


def _country(value: Any) -> str:
    code = _country_code(str(value).strip())
    if code is None:
        raise ValueError(f"{kind(value)} is not a country that ISO 3166 knows")
    return code


@cache
def _country_code(text: str) -> str | None:
    try:
        return str(pycountry.countries.lookup(text).alpha_2)
    except LookupError:
        return None


def _country_as(value: str, form: str) -> str:
    found = pycountry.countries.get(alpha_2=value)
    if found is None:
        raise ValueError(f"{kind(value)} is not a country that ISO 3166 knows")
    return str(getattr(found, {"alpha2": "alpha_2", "alpha3": "alpha_3"}.get(form, form)))


_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\Z")


def _email(value: Any) -> str:
    text = str(value).strip()
    if not _EMAIL.match(text):
        raise ValueError(f"{kind(value)} is not an e-mail address")
    return text
