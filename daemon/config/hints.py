"""This is where a sound configuration is told what it could do without."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from daemon.config.load import Config


def hints(config: Config, now: float) -> Iterator[str]:
    """What does no harm and no good any more at *now*, in seconds since 1970."""
    for plan in config.syncs.values():
        at = datetime.fromtimestamp(now, ZoneInfo(plan.rules.zone))
        for sync in (plan.rules, *plan.rules.collections):
            place = f"collections.{sync.short}.guards.expect" if sync.short else "guards.expect"
            for announced in sync.guards.expect:
                if announced.over(at):
                    yield f"{plan.file}: {place}: what was {announced.span} is over; it may go"
