"""This is where the time is read, and nowhere else: everybody below gets the clock as an argument."""

import secrets
import time
from datetime import UTC, datetime


def now() -> float:
    """Seconds since 1970, as the wall shows them."""
    return time.time()


def monotonic() -> float:
    """Seconds that only rise, for deadlines."""
    return time.monotonic()


def as_text(moment: float | None) -> str | None:
    """*moment* in seconds since 1970 as ISO 8601 in UTC, to the second."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_run_id() -> str:
    """A name for a run: when it was asked for, and six random digits. Sorts by time."""
    return f"{datetime.fromtimestamp(now(), UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
