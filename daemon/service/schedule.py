"""This is where it is computed when a sync runs next, and where APScheduler is made to wake us then.

Times are ours: cron by cronsim, in the sync's time zone; `every` counts from 1970, not from the start of the process,
and each sync is moved a little by its name, so that a hundred syncs of `every: 15m` do not all begin at once.
APScheduler only wakes: it can neither lose, double nor move a run.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim

from daemon.config.schedule import Schedule

BEAT: Final = 2.0
"""Seconds between two heartbeats of the scheduler."""
MOST_JITTER: Final = 60.0
JITTER_SHARE: Final = 0.1

Wake: TypeAlias = Callable[[str, bool], None]
"""Told the name of a sync whose time has come, and whether everything is to be compared."""


def next_run(schedule: Schedule, name: str, after: float) -> float | None:
    """The first moment later than *after* at which the sync runs; None where only people start it."""
    match schedule.kind:
        case "every":
            assert schedule.every is not None
            return _anchored(schedule.every, _jitter(schedule.every, name), after)
        case "cron":
            assert schedule.cron is not None
            return _cron(schedule.cron, schedule.timezone, after)
    return None


def next_reconcile(schedule: Schedule, after: float) -> float | None:
    """The first moment later than *after* of a full comparison; None where only people start the sync."""
    return None if schedule.kind == "manual" else _cron(schedule.reconcile, schedule.timezone, after)


def upcoming(schedule: Schedule, name: str, after: float) -> Iterator[float]:
    """Every moment later than *after* at which the sync runs or is compared in full, soonest first."""
    while True:
        moments = [m for m in (next_run(schedule, name, after), next_reconcile(schedule, after)) if m is not None]
        if not moments:
            return
        after = min(moments)
        yield after


class Scheduler:
    """Wakes the control loop: for every sync at its times, and for itself every two seconds as a sign of life."""

    def __init__(self, wake: Wake, beat: Callable[[], None]) -> None:
        self._wake = wake
        self._beat = beat
        self._schedules: dict[str, Schedule] = {}
        self._scheduler = self._fresh()

    def follow(self, schedules: Mapping[str, Schedule]) -> None:
        """Obeys these schedules from now on. A schedule that stays keeps its next time."""
        for name, old in self._schedules.items():
            if schedules.get(name) != old:
                for job in (f"run {name}", f"reconcile {name}"):
                    if self._scheduler.get_job(job):
                        self._scheduler.remove_job(job)
        for name, schedule in schedules.items():
            if self._schedules.get(name) != schedule:
                self._add(name, schedule)
        self._schedules = dict(schedules)

    def start_over(self) -> None:
        """Computes every next time anew, after the clock was set."""
        self._scheduler.shutdown(wait=False)
        self._scheduler = self._fresh()
        schedules, self._schedules = self._schedules, {}
        self.follow(schedules)

    def stop(self) -> None:
        """Wakes nobody any more."""
        self._scheduler.shutdown(wait=False)

    def _fresh(self) -> Any:
        scheduler = BackgroundScheduler(timezone=UTC)
        scheduler.start()
        scheduler.add_job(self._beat, _Moments(lambda after: _anchored(BEAT, 0.0, after)), **_NEVER_LATE)
        return scheduler

    def _add(self, name: str, schedule: Schedule) -> None:
        if schedule.kind == "manual":
            return
        run = _Moments(lambda after: next_run(schedule, name, after))
        reconcile = _Moments(lambda after: next_reconcile(schedule, after))
        self._scheduler.add_job(self._wake, run, args=(name, False), id=f"run {name}", **_NEVER_LATE)
        self._scheduler.add_job(self._wake, reconcile, args=(name, True), id=f"reconcile {name}", **_NEVER_LATE)


_NEVER_LATE: Final[Mapping[str, Any]] = {"misfire_grace_time": None, "coalesce": True}


class _Moments(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """A trigger that asks a function of ours for the next moment."""

    def __init__(self, following: Callable[[float], float | None]) -> None:
        self._following = following

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The first moment later than the former one and not before *now*."""
        after = now.timestamp() if previous is None else max(previous.timestamp(), now.timestamp())
        moment = self._following(after)
        return None if moment is None else datetime.fromtimestamp(moment, UTC)


def _anchored(every: float, offset: float, after: float) -> float:
    return ((after - offset) // every + 1) * every + offset


def _jitter(every: float, name: str) -> float:
    """The same share of the interval for the same name, on every host and after every start."""
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32
    return share * min(every * JITTER_SHARE, MOST_JITTER)


def _cron(text: str, timezone: str, after: float) -> float | None:
    start = datetime.fromtimestamp(after, ZoneInfo(timezone))
    found = next(CronSim(text, start), None)
    return found.timestamp() if isinstance(found, datetime) else None
