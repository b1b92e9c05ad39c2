"""This is where cursors are compared and moved, each in its own system's way of writing: text in, text out.

A cursor is kept as the system wrote it. What is computed here is only asked for, or decides between two of them.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

_GENERALIZED = re.compile(r"(\d{14})(?:\.(\d+))?Z\Z")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)(?:([.,])(\d+))?(Z|[+-]\d\d(?::?\d\d)?)?\Z")
_EPOCH = re.compile(r"\d{9,17}\Z")


def later(a: str, b: str) -> bool:
    """Whether cursor *a* lies after *b*. Compared as moments or numbers where both are, else as text."""
    left, right = _exact(a), _exact(b)
    return left > right if left is not None and right is not None else a > b


def moved(cursor: str, seconds: float) -> str:
    """*cursor* shifted by *seconds*, in its own way of writing; unchanged where it is no moment we know."""
    if found := _GENERALIZED.match(cursor):
        return (_generalized(found[1]) + timedelta(seconds=seconds)).strftime("%Y%m%d%H%M%SZ")
    if _EPOCH.match(cursor):
        unit = 10 ** max(0, len(cursor) - 10)  # seconds have ten digits until 2286, milliseconds thirteen
        return str(int(cursor) + round(seconds * unit))
    found = _ISO.match(cursor)
    if found is None:
        return cursor
    day, between, time, point, digits, zone = found.groups()
    try:
        shifted = datetime.fromisoformat(f"{day} {time}") + _seconds(digits) + timedelta(seconds=seconds)
    except ValueError:
        return cursor
    length = max(len(digits or ""), 3 if seconds % 1 else 0)
    fraction = f"{shifted.microsecond:06}".ljust(length, "0")[:length]
    return f"{shifted:%Y-%m-%d}{between}{shifted:%H:%M:%S}{(point or '.') if length else ''}{fraction}{zone or ''}"


def after(cursor: str, step: float) -> str:
    """The next cursor that a system could show after *cursor*: a number's successor, or a moment *step* seconds on."""
    return str(int(cursor) + 1) if not step and cursor.isdecimal() else moved(cursor, step)


def _exact(cursor: str) -> Decimal | None:
    """Seconds since 1970, or the number itself; floats would take two neighbours for one."""
    if found := _GENERALIZED.match(cursor):
        return _since(_generalized(found[1]), found[2])
    if found := _ISO.match(cursor):
        day, _, time, _, digits, zone = found.groups()
        try:
            return _since(datetime.fromisoformat(f"{day} {time}{'+00:00' if zone in (None, 'Z') else zone}"), digits)
        except ValueError:
            return None
    try:
        number = Decimal(cursor)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _since(moment: datetime, digits: str | None) -> Decimal:
    return int(moment.timestamp()) + Decimal(f"0.{digits or 0}")


def _seconds(digits: str | None) -> timedelta:
    return timedelta(microseconds=int((digits or "0")[:6].ljust(6, "0")))


def _generalized(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
