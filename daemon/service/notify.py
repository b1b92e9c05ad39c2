"""This is where systemd is told how the daemon is: the sd_notify protocol, man sd_notify(3)."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from daemon.service import clock


class Notifier:
    """Speaks to the socket in $NOTIFY_SOCKET; without one every word is dropped. A dead listener never hurts."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._address = env.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        self.watchdog = _watchdog_seconds(env)
        """Seconds within which systemd wants to hear from us; None if it does not."""

    def ready(self, status: str) -> None:
        """Start or reload is over."""
        self.tell(READY="1", STATUS=status)

    def reloading(self) -> None:
        """A reload begins. systemd wants the moment of its own clock with it."""
        self.tell(RELOADING="1", MONOTONIC_USEC=str(int(clock.monotonic() * 1_000_000)), STATUS="reloading")

    def stopping(self, status: str) -> None:
        """No new runs from here on."""
        self.tell(STOPPING="1", STATUS=status)

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self.tell(STATUS=text)

    def alive(self) -> None:
        """Feeds the watchdog."""
        self.tell(WATCHDOG="1")

    def extend(self, seconds: float, status: str) -> None:
        """Asks for more time to start or stop: *seconds* from now."""
        self.tell(EXTEND_TIMEOUT_USEC=str(int(seconds * 1_000_000)), STATUS=status)

    def tell(self, **words: str) -> None:
        """Sends assignments in one datagram. A value holds no line break: it would begin another assignment."""
        if not self._address:
            return
        text = "\n".join(f"{name}={' '.join(value.split())}" for name, value in words.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.sendto(text.encode(), self._address)


def _watchdog_seconds(env: Mapping[str, str]) -> float | None:
    usec, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not usec.isdigit() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1_000_000
