"""This is where signals become words for the control loop: SIGHUP reloads, SIGTERM and SIGINT stop."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Literal, TypeAlias

Word: TypeAlias = Literal["reload", "stop"]


class Signals:
    """The handlers of a daemon. Before `deliver` a stop ends the start, and a reload waits."""

    def __init__(self) -> None:
        self._deliver: Callable[[Word], None] | None = None
        self._reload_waits = False

    def install(self) -> None:
        """Sets the handlers, and only then lets SIGHUP in: the unit starts us with it blocked, for without a handler
        it would kill the process."""
        signal.signal(signal.SIGHUP, self._on_hangup)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def deliver(self, to: Callable[[Word], None]) -> None:
        """Hands every word to *to* from now on. It is called inside a signal handler, so it MUST NOT take a lock."""
        self._deliver = to
        if self._reload_waits:
            to("reload")

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._deliver:
            self._deliver("reload")
        else:
            self._reload_waits = True

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._deliver is None:
            raise SystemExit(0)
        self._deliver("stop")
