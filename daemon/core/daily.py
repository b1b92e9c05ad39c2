"""This is where it is told what is left of a day: what a decision draws on, and what was drawn before. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from daemon.core.model import Decision
from daemon.core.types import empty

DAY = 86_400.0
MINUTE = 60.0
"""What was written in one minute is one number. It counts until its last second is a day old."""
Counted: TypeAlias = Literal["deletes", "creates", "updates", "blanked"]
"""A guard that counts decisions."""
KINDS: Mapping[str, Counted] = {"delete": "deletes", "deactivate": "deletes", "create": "creates", "update": "updates"}
"""The guard that counts a decision, by Decision.kind."""


Budget: TypeAlias = tuple[str, str]
"""A guard, and the field of which it speaks; that is empty where it speaks of records."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was written in the last 24 hours: by budget, the beginning of a minute and how many, oldest first."""

    drawn: Mapping[Budget, Sequence[tuple[float, int]]] = field(default_factory=dict)
    zone: str = "UTC"

    def done(self, budget: Budget) -> int:
        """How many draw on *budget* still."""
        return sum(count for _, count in self.drawn.get(budget, ()))

    def told(self, budget: Budget, wanted: int, allowed: int) -> str:
        """Why *wanted* more are too many where *allowed* are allowed in a day, and from when on they are not."""
        done = self.done(budget)
        since = f"{done} were done since {self._clock(self.drawn[budget][0][0])}" if done else "none was done yet"
        frees = self._frees(budget, wanted, allowed)
        coming = f"they pass from {frees} on" if frees else "they are more than a whole day's"
        return f"{allowed} are allowed in 24 hours and {since}: {coming}"

    def _frees(self, budget: Budget, wanted: int, allowed: int) -> str:
        left = self.done(budget)
        for minute, count in self.drawn.get(budget, ()) if wanted <= allowed else ():
            left -= count
            if left + wanted <= allowed:
                return self._clock(minute + MINUTE + DAY)
        return ""

    def _clock(self, moment: float) -> str:
        return f"{datetime.fromtimestamp(moment, ZoneInfo(self.zone)):%Y-%m-%d %H:%M}"


NOTHING = Spent()


def budgets(decision: Decision) -> Iterator[tuple[Counted, str]]:
    """What *decision* draws on once it is written: its gravest change, and each field that an update empties."""
    if kind := KINDS.get(decision.kind):
        yield kind, ""
    if decision.kind == "update":
        moves = (move for change in decision.changes for move in change.moves)
        for name in dict.fromkeys(m.field for m in moves if empty(m.value) and not empty(m.before)):
            yield "blanked", name
