"""This is where it is decided from where to read on: overlap, lag, and never past what the system has shown."""

from connectors.base import CursorRule
from connectors.moments import later, moved


def read_from(rule: CursorRule, cursor: str) -> str:
    """The cursor to ask the system for: the stored one, earlier by the overlap."""
    return moved(cursor, -rule.overlap) if rule.kind == "time" and rule.overlap else cursor


def next_cursor(rule: CursorRule, stored: str | None, highest: str | None, server_time: str | None) -> str | None:
    """Where the next run reads on. Never behind what was stored; never within the lag of the server's own clock."""
    if rule.kind == "token" or highest is None:
        return highest or stored
    limit = moved(server_time, -rule.lag) if rule.kind == "time" and server_time and rule.lag else None
    candidate = highest if limit is None or not later(highest, limit) else limit
    return candidate if stored is None or later(candidate, stored) else stored


def went_back(rule: CursorRule | None, stored: str | None, highest: str | None) -> bool:
    """Whether a system that was read whole shows less than it has shown before. Tokens have no order."""
    if rule is None or rule.kind == "token" or stored is None or highest is None:
        return False
    return later(stored, highest)
