"""This is where drivers outlive reloads: one driver a system as long as its file stays the same.

What belongs to a system (budget, breaker, tokens, connections) lives in its driver. A reload that does not touch the
system keeps the driver; one that does makes a second beside it, and the old one is closed when its last run ends.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from connectors.base import Driver
from daemon.config.load import Config
from daemon.config.secrets import Secrets
from daemon.config.systems import SystemConfig, connect_system

log = structlog.get_logger()

Key: TypeAlias = tuple[str, ...]
Connect: TypeAlias = Callable[[SystemConfig, Secrets], Driver]


@dataclass(slots=True)
class _Shared:
    driver: Driver
    users: int = 0


class Registry:
    """All drivers of a process, counted. May be called from several threads."""

    def __init__(self, connect: Connect = connect_system) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._drivers: dict[Key, _Shared] = {}

    def __len__(self) -> int:
        return len(self._drivers)

    def take(self, config: Config, secrets: Secrets) -> dict[str, Key]:
        """A driver for each system of *config*, old where nothing changed. All or none: see `give_back`."""
        taken: dict[str, Key] = {}
        try:
            for name, system in config.systems.items():
                taken[name] = self._take(system, secrets, str(config.daemon.secrets.folder))
        except BaseException:
            self.give_back(taken)
            raise
        return taken

    def driver(self, key: Key) -> Driver:
        """The driver behind a key that is still held."""
        return self._drivers[key].driver

    def give_back(self, taken: Mapping[str, Key]) -> None:
        """Closes every driver that nobody uses any more. A driver that fails to close is told and forgotten."""
        for name, key in taken.items():
            with self._lock:
                shared = self._drivers[key]
                shared.users -= 1
                if shared.users:
                    continue
                del self._drivers[key]
            try:
                shared.driver.close()
            except Exception:
                log.warning("not closed", system=name, exc_info=True)

    def _take(self, system: SystemConfig, secrets: Secrets, place: str) -> Key:
        key = (system.name, system.fingerprint, place)
        with self._lock:
            if key not in self._drivers:
                self._drivers[key] = _Shared(self._connect(system, secrets))
            self._drivers[key].users += 1
        return key
