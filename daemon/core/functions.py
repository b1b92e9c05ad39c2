"""This is where the pure, null-safe functions live that mapping adds to JMESPath."""

import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jmespath import functions

from connectors.numbers import DIGITS, writable

_F = TypeVar("_F", bound=Callable[..., Any])
_ANY: dict[str, list[str]] = {"types": []}
_REST: dict[str, Any] = {"types": [], "variadic": True}
_UNITS = {"d": "days", "w": "weeks", "h": "hours", "m": "minutes"}


def _takes(*arguments: dict[str, Any]) -> Callable[[_F], _F]:
    signed: Callable[[_F], _F] = functions.signature(*arguments)
    return signed


class Functions(functions.Functions):  # type: ignore[misc]  # jmespath has no types
    """The added functions. Each returns null for null unless it says otherwise, and never looks outside."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self._at = at

    @classmethod
    def names(cls) -> set[str]:
        """Every function an expression may call, JMESPath's own included."""
        return set(cls.FUNCTION_TABLE)

    def _validate_arguments(self, args: list[Any], signature: list[Any], name: str) -> Any:
        if name != "today":  # it takes none, one or two, which the library cannot say
            super()._validate_arguments(args, signature, name)

    # -- text

    @_takes(_ANY)
    def _func_upper(self, value: Any) -> Any:
        return _each(value, str.upper)

    @_takes(_ANY)
    def _func_lower(self, value: Any) -> Any:
        return _each(value, str.lower)

    @_takes(_ANY)
    def _func_title(self, value: Any) -> Any:
        return _each(value, str.title)

    @_takes(_ANY)
    def _func_trim(self, value: Any) -> Any:
        return _each(value, str.strip)

    @_takes(_ANY)
    def _func_ascii(self, value: Any) -> Any:
        """Plain letters: ä becomes ae, é becomes e; what has no plain form is left out."""
        return _each(value, to_ascii)

    @_takes(_ANY)
    def _func_digits(self, value: Any) -> Any:
        return _each(value, lambda text: "".join(c for c in text if c.isdigit()))

    @_takes(_ANY, _ANY, _ANY)
    def _func_substr(self, value: Any, start: Any, length: Any) -> Any:
        return _each(value, lambda text: text[whole(start) :][: whole(length)])

    @_takes(_ANY, _ANY, _ANY)
    def _func_replace(self, value: Any, old: Any, new: Any) -> Any:
        return _each(value, lambda text: text.replace(str(old), str(new)))

    @_takes(_ANY, _ANY)
    def _func_split(self, value: Any, by: Any) -> Any:
        return None if value is None else _text(value).split(str(by))

    @_takes(_ANY, _ANY, _ANY)
    def _func_pad(self, value: Any, width: Any, fill: Any) -> Any:
        """Filled on the left to *width* characters."""
        return _each(value, lambda text: text.rjust(whole(width), str(fill)))

    @_takes(_ANY)
    def _func_strip_zeros(self, value: Any) -> Any:
        return _each(value, lambda text: text.lstrip("0") or ("0" if text else ""))

    @_takes(_ANY)
    def _func_text(self, value: Any) -> Any:
        return _each(value, str)

    @_takes(_REST)
    def _func_concat(self, *parts: Any) -> Any:
        """Null if any part is null."""
        return None if any(p is None for p in parts) else "".join(_text(p) for p in parts)

    @_takes(_ANY, _ANY)
    def _func_join_present(self, by: Any, parts: Any) -> Any:
        """The parts that are neither null nor empty, joined; null if none is left."""
        present = [_text(p) for p in parts or [] if p is not None and p != ""]
        return str(by).join(present) if present else None

    # -- choice

    @_takes(_ANY, _ANY, _ANY)
    def _func_if(self, condition: Any, then: Any, otherwise: Any) -> Any:
        return otherwise if condition in (None, False, "", [], {}) else then

    @_takes(_ANY, _ANY)
    def _func_default(self, value: Any, otherwise: Any) -> Any:
        """*otherwise* for null and for empty text."""
        return otherwise if value is None or value == "" else value

    # -- numbers, exact

    @_takes(_ANY, _ANY)
    def _func_add(self, a: Any, b: Any) -> Any:
        return None if a is None or b is None else number(a) + number(b)

    @_takes(_ANY, _ANY)
    def _func_sub(self, a: Any, b: Any) -> Any:
        return None if a is None or b is None else number(a) - number(b)

    @_takes(_ANY, _ANY)
    def _func_mul(self, a: Any, b: Any) -> Any:
        return None if a is None or b is None else number(a) * number(b)

    @_takes(_ANY, _ANY)
    def _func_div(self, a: Any, b: Any) -> Any:
        return None if a is None or b is None else number(a) / number(b)

    @_takes(_ANY, _ANY)
    def _func_round(self, value: Any, places: Any) -> Any:
        """Half to even, as in accounting."""
        return None if value is None else number(value).quantize(Decimal(1).scaleb(-whole(places)), ROUND_HALF_EVEN)

    # -- time

    @_takes(_REST)
    def _func_today(self, *given: Any) -> str:
        """today(), today(-90), today('Europe/Berlin'), today('Europe/Berlin', -90): an ISO date.

        Without a zone, of the zone in which the moment was given: the sync's.
        """
        there = next((zone(g) for g in given if isinstance(g, str)), self._at.tzinfo)
        days = next((whole(g) for g in given if not isinstance(g, str)), 0)
        return (self._at.astimezone(there).date() + timedelta(days=days)).isoformat()

    @_takes()
    def _func_now(self) -> str:
        return self._at.astimezone(UTC).isoformat()

    @_takes(_ANY, _ANY)
    def _func_date_add(self, value: Any, span: Any) -> Any:
        """date_add(start, '90d'): the same kind of ISO text, moved by days, weeks, hours or minutes."""
        if value is None or value == "":
            return None
        count, unit = str(span)[:-1], str(span)[-1:]
        if unit not in _UNITS or not count.lstrip("-").isdigit():
            raise ValueError(f"'{span}' is not a span; write 90d, 2w, 12h or 30m")
        step = timedelta(**{_UNITS[unit]: int(count)})
        return (_moment(str(value)) + step).isoformat()

    @_takes(_ANY, _ANY)
    def _func_date_format(self, value: Any, form: Any) -> Any:
        """strftime of an ISO date or time."""
        return None if value is None or value == "" else _moment(str(value)).strftime(str(form))


def number(value: Any) -> Decimal:
    """*value* as an exact number. Raises ValueError for anything else."""
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{kind(value)} is not a number") from None
    if not writable(found):
        raise ValueError(f"{kind(value)} has more than {DIGITS} digits when it is written out")
    return found


def whole(value: Any) -> int:
    """*value* as a whole number. Raises ValueError for anything else."""
    exact = number(value)
    if exact != exact.to_integral_value():
        raise ValueError(f"{kind(value)} is not a whole number")
    return int(exact)


def written_out(value: Any) -> str:
    """*value* as text; a number in digits, never as 1E+2."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) and writable(value) else str(value)


def kind(value: Any) -> str:
    """What an error may say of a value. Values are business data: the kind and the length, never the value."""
    return f"a text of {len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__} value"


def _moment(text: str) -> date:
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{kind(text)} is not an ISO date or time") from None


_TRANSLIT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ø": "o", "Ø": "O"}
)
_TRANSLIT |= str.maketrans({"æ": "ae", "Æ": "Ae", "å": "a", "Å": "A", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"})


def to_ascii(text: str) -> str:
    """*text* in plain letters."""
    spread = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_TRANSLIT))
    return spread.encode("ascii", "ignore").decode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else written_out(value)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_each(v, change) for v in value]
    return change(_text(value))


def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"'{name}' is not a time zone") from None
