"""This is where `check` tells when a sync runs next, as the daemon computes it."""

import itertools
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from daemon.config.schedule import Schedule
from daemon.service.schedule import upcoming

SHOWN: Final = 3


def coming(sync: str, schedule: Schedule, now: float) -> list[str]:
    """The next times as text in the sync's own time zone; none for a sync that runs when asked."""
    zone = ZoneInfo(schedule.timezone)
    times = itertools.islice(upcoming(schedule, sync, now), SHOWN)
    return [datetime.fromtimestamp(at, UTC).astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z") for at in times]
