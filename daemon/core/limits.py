"""This is where it is held how much harm a plan may do: limits on kinds, bounds of values, what is announced. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

BOUNDLESS = 2**62


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on one kind of decision: a share of the active pairs, an absolute number, or both (the lower counts).

    Up to *floor* decisions always pass, so that small syncs are not held by a percentage.
    """

    share: float | None = None
    count: int | None = None
    floor: int = 0
    per_day: int | None = None
    """So many in any 24 hours, whatever the floor; None: as *runs* says."""
    runs: int = 0
    """Without *per_day*: so many times what passes in one run. 0: a day has no limit."""

    def allows(self, pairs: int) -> int:
        """The most decisions that pass without approval when *pairs* pairs are active."""
        bounds = [self.count] if self.count is not None else []
        if self.share is not None:
            bounds.append(int(round(self.share * pairs, 6)))  # 0.29 * 100 is 28.999999999999996
        return max(self.floor, min(bounds)) if bounds else BOUNDLESS

    def allows_daily(self, pairs: int) -> int:
        """The most that pass without approval in any 24 hours."""
        if self.per_day is not None:
            return self.per_day
        return self.runs * self.allows(pairs) if self.runs else BOUNDLESS

    @property
    def daily(self) -> bool:
        """Whether anything has to be counted from run to run."""
        return self.per_day is not None or self.runs > 0


@dataclass(frozen=True, slots=True)
class Bound:
    """What one field may become. Numbers are exact; a date has an order and no share of itself."""

    least: Any = None
    most: Any = None
    change: Decimal | None = None
    """The greatest part of the value before by which it may differ."""
    filled: bool = False
    """It may not become empty."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A mass change that somebody announced: from *begins* until before *ends*, these limits hold instead.

    A moment without a zone is one of the sync's zone.
    """

    begins: datetime
    ends: datetime
    limits: Mapping[str, Limit] = field(default_factory=dict)
    """By the name of the guard."""
    shrink: float | None = None
    values: Mapping[str, Bound] = field(default_factory=dict)
    reason: str = ""

    def holds(self, at: datetime) -> bool:
        """Whether *at*, told in the sync's zone, lies in it."""
        return _told(self.begins, at) <= at < _told(self.ends, at)

    def over(self, at: datetime) -> bool:
        """Whether it has passed by *at*."""
        return _told(self.ends, at) <= at

    @property
    def names(self) -> list[str]:
        """The guards that it speaks of."""
        shrink = ["shrink"] if self.shrink is not None else []
        return [*self.limits, *shrink, *(f"values.{name}" for name in self.values)]

    def told(self) -> dict[str, Any]:
        """What the audit log keeps of it."""
        moments = {"from": self.begins.isoformat(), "until": self.ends.isoformat()}
        return {**moments, "guards": self.names, "reason": self.reason}

    @property
    def span(self) -> str:
        """Until when, and why."""
        return f"announced until {self.ends:%Y-%m-%d %H:%M}" + (f" ({self.reason})" if self.reason else "")

    def __str__(self) -> str:
        return f"{self.span}: other limits hold for {', '.join(self.names)}"


@dataclass(frozen=True, slots=True)
class Guards:
    """Limits on the harm that one plan may do. Over the limit, the decisions of that kind wait for approval."""

    deletes: Limit = Limit(share=0.05, count=25, floor=3, runs=2)
    """Deletes and deactivations: 5 % of the pairs, at most 25, and up to 3 always; twice that in any 24 hours."""
    creates: Limit = Limit(count=200, floor=3)
    updates: Limit = Limit(share=0.5, floor=10)
    blanked: Limit = Limit(share=0.02, floor=3)
    """Fields that lose their value, per field."""
    shrink: float = 0.1
    """Plan guard: a complete listing smaller by more than this share than the last one writes nothing."""
    values: Mapping[str, Bound] = field(default_factory=dict)
    """Bounds of single values, by field."""
    expect: tuple[Announced, ...] = ()

    def limit(self, kind: str) -> Limit:
        """The limit on a kind of decision: deletes, creates, updates or blanked."""
        found: Limit = getattr(self, kind)
        return found


def in_force(guards: Guards, at: datetime) -> tuple[Guards, tuple[Announced, ...]]:
    """The limits that hold at *at*, and what was announced for then. Of two announcements the first one counts."""
    found = tuple(announced for announced in guards.expect if announced.holds(at))
    for announced in reversed(found):
        shrink = guards.shrink if announced.shrink is None else announced.shrink
        named: dict[str, Any] = {**announced.limits, "values": {**guards.values, **announced.values}}
        guards = replace(guards, shrink=shrink, **named)
    return guards, found


def _told(moment: datetime, at: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=at.tzinfo)
