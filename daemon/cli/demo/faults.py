"""This is where the demo's CRM learns to misbehave, as systems do, when it is told to."""

import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

RATE: Final = 200
"""Requests that the CRM allows within a second, like a vendor's quota."""


@dataclass(slots=True)
class Faults:
    """What goes wrong at present; each number counts down. POST /_faults sets them."""

    rate_limit: int = 0
    """So many next requests are answered 429."""
    fail: int = 0
    """So many next requests are answered 500."""
    slow: float = 0.0
    """Seconds that every answer takes longer."""
    swallow_create: int = 0
    """The create of this number from now on is carried out, and its answer never comes."""


class Misbehaviour:
    """The faults of one server, for all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults = Faults()
        self._times: deque[float] = deque()
        self.answering = threading.Event()
        """Cleared while an answer is being swallowed."""
        self.answering.set()

    def set(self, wished: dict[str, Any]) -> dict[str, Any]:
        """New faults in place of the old; an empty object heals everything. Raises ValueError for unknown ones."""
        known = {field.name for field in fields(Faults)}
        if unknown := set(wished) - known:
            raise ValueError(f"no fault {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        with self._lock:
            self._faults = Faults(**wished)
            self.answering.set()
            return asdict(self._faults)

    def status(self) -> int | None:
        """The status that stands in for the answer, if one does."""
        with self._lock:
            if self._faults.rate_limit > 0:
                self._faults.rate_limit -= 1
                return 429
            if self._faults.fail > 0:
                self._faults.fail -= 1
                return 500
            return 429 if self._too_many() else None

    def wait(self) -> None:
        """As long as every answer takes at present."""
        if self._faults.slow:
            time.sleep(self._faults.slow)

    def swallows(self) -> bool:
        """Whether the answer to this create never comes."""
        with self._lock:
            if self._faults.swallow_create == 0:
                return False
            self._faults.swallow_create -= 1
            if self._faults.swallow_create == 0:
                self.answering.clear()
                return True
            return False

    def _too_many(self) -> bool:
        now = time.monotonic()
        while self._times and self._times[0] < now - 1:
            self._times.popleft()
        if len(self._times) >= RATE:
            return True
        self._times.append(now)
        return False
