"""This is where the daemon feels whether it lives: once a second, on the control loop.

The watchdog is fed only while the loop turns, the scheduler wakes it and the audit log answers. A plain timer would
prove nothing.
"""

from collections.abc import Callable
from typing import Final

import structlog

from daemon.config.load import Config
from daemon.errors import AuditError, TallystickError
from daemon.service import clock
from daemon.service.notify import Notifier
from daemon.service.runtime import Runtime

log = structlog.get_logger()

TICK: Final = 1.0
STALE: Final = 15.0
"""Seconds without a turn of the loop or a heartbeat of the scheduler after which the daemon counts as stuck."""
CLOCK_STEP: Final = 60.0
"""Seconds by which the wall clock may differ from what passed before every time is computed anew."""
REMEMBER: Final = 60.0
"""Seconds between two notes in the store of how long the audit log is."""
HEAL: Final = 2.0
"""Seconds between two tries to take up an audit log that stopped."""


class Pulse:
    """The signs of life of one daemon. `live` may be called from any thread."""

    def __init__(self, runtime: Runtime, notifier: Notifier) -> None:
        self._runtime = runtime
        self._notifier = notifier
        self._turned = self._beaten = self._remembered = self._healed = clock.monotonic()
        self._offset = clock.now() - clock.monotonic()

    def live(self) -> bool:
        """The loop turns and the scheduler wakes it."""
        return clock.monotonic() - self._turned < STALE and self._scheduler_wakes()

    def beat(self) -> None:
        """The scheduler gave a sign of life."""
        self._beaten = clock.monotonic()

    @property
    def due_in(self) -> float:
        """Seconds until the next tick; 0 when it is due."""
        return max(0.0, self._turned + TICK - clock.monotonic())

    def tick(self, config: Config, *, idle: bool) -> None:
        """Does what is due once a second. *idle* says that nobody is at work."""
        self._turned = now = clock.monotonic()
        self._tick_audit()
        if self._runtime.audit.failed and idle and now - self._healed >= HEAL:
            self._healed = now
            self._take_up_audit(config)
        if now - self._remembered >= REMEMBER:
            self._remembered = now
            self._remember_audit()
        if self._notifier.watchdog and self._scheduler_wakes():
            self._notifier.alive()

    def heed_the_clock(self, start_over: Callable[[], None]) -> None:
        """Calls *start_over* after the wall clock was set: the scheduler computed its times from the old one."""
        step = clock.now() - clock.monotonic() - self._offset
        if abs(step) > CLOCK_STEP:
            log.warning("clock was set", seconds=round(step))
            self._offset += step
            start_over()

    def _scheduler_wakes(self) -> bool:
        return clock.monotonic() - self._beaten < STALE

    def _tick_audit(self) -> None:
        try:
            self._runtime.audit.tick()
        except AuditError as error:
            log.critical("audit log stopped", reason=str(error))

    def _take_up_audit(self, config: Config) -> None:
        """Does for a stopped log what a restart would do, while nobody is at work."""
        try:
            self._runtime.take_up_audit(config)
        except (TallystickError, OSError) as error:
            log.error("audit log still stopped", reason=str(error))
        else:
            log.warning("audit log taken up again")

    def _remember_audit(self) -> None:
        try:
            self._runtime.remember_audit()
        except Exception as error:  # a full disk is no reason to end; the next run fails closed and says so
            log.error("store not written", reason=str(error))
