"""This is where it is decided from where to read on: overlap, lag, and never past what the system has shown.

A moment is only ever moved in a copy; what is stored is the system's own text.
"""

import re
from datetime import UTC, datetime, timedelta

from connectors.base import CursorRule

_GENERALIZED = re.compile(r"\d{14}(?:\.\d+)?Z\Z")
_EPOCH = re.compile(r"\d{9,17}\Z")


def read_from(rule: CursorRule, cursor: str) -> str:
    """The cursor to ask the system for: the stored one, earlier by the overlap."""
    return moved(cursor, -rule.overlap) if rule.kind == "time" and rule.overlap else cursor


def next_cursor(rule: CursorRule, stored: str | None, highest: str | None, server_time: str | None) -> str | None:
    """Where the next run reads on. Never behind what was stored; never within the lag of the server's own clock."""
    if rule.kind != "time" or highest is None:
        return highest or stored
    limit = moved(server_time, -rule.lag) if server_time and rule.lag else None
    candidate = highest if limit is None or not later(highest, limit) else limit
    return candidate if stored is None or later(candidate, stored) else stored


def later(a: str, b: str) -> bool:
    """Whether cursor *a* lies after *b*. Compared as moments or numbers where both are, else as text."""
    left, right = _moment(a), _moment(b)
    return left > right if left is not None and right is not None else a > b


def moved(cursor: str, seconds: float) -> str:
    """*cursor* shifted by *seconds*, in its own way of writing; unchanged where it is no moment we know."""
    if _GENERALIZED.match(cursor):
        shifted = datetime.strptime(cursor[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC) + timedelta(seconds=seconds)
        return shifted.strftime("%Y%m%d%H%M%SZ")
    if _EPOCH.match(cursor):
        unit = 10 ** max(0, len(cursor) - 10)  # seconds have ten digits until 2286, milliseconds thirteen
        return str(int(cursor) + round(seconds * unit))
    try:
        shifted = datetime.fromisoformat(cursor) + timedelta(seconds=seconds)
    except ValueError:
        return cursor
    text = shifted.isoformat()
    return text.replace("+00:00", "Z") if cursor.endswith("Z") else text


def _moment(cursor: str) -> float | None:
    if _GENERALIZED.match(cursor):
        return datetime.strptime(cursor[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
    try:
        return float(cursor)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(cursor)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
