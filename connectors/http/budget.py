"""This is where requests to one system are rationed: rate, concurrency, retries and breaker, for all threads.

No retry library knows whether a request was sent, and that decides everything here: what certainly did not happen is
tried again, a read is tried again, and a write whose answer is lost never is. Clock, sleep and chance come in as
arguments; nothing waits longer than `Retry.within` in one call.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from threading import BoundedSemaphore, Lock
from typing import Literal, TypeAlias

from pydantic import Field

from connectors.base import Temporary
from connectors.definition import Duration, Facts
from connectors.http.client import AnswerLost, NotReached, Response

_LONGEST_RETRY_AFTER = 3600.0
"""A system that asks for more than an hour is asked again after an hour."""

Ruling: TypeAlias = Literal["done", "later", "failing"]
"""done: an answer to work with. later: not looked at, by the system's own word. failing: a fault of the system."""


class Limits(Facts):
    """What the system allows."""

    requests: int | None = Field(default=None, ge=1)
    """Most requests within `per`. None: no limit of ours, only the system's own 429."""
    per: Duration = 1.0
    """The window of `requests`. It moves, so a vendor's fixed window is kept as well."""
    concurrent: int = Field(default=8, ge=1)
    """Most requests at once. Eight keeps a small server responsive for its people."""


class BreakerRule(Facts):
    """When a failing system is left alone."""

    failures: int = Field(default=5, ge=1)
    """Failures in a row that open the breaker."""
    recovery: Duration = 60.0
    """Time until one request may try again."""
    successes: int = Field(default=3, ge=1)
    """Successes in a row, one at a time, that close it. One lucky answer does not end an outage."""


class Retry(Facts):
    """How long one call may wait for better times."""

    within: Duration = 60.0
    """Most time that one call spends waiting. The run is postponed after it and comes back by its schedule."""
    first: Duration = 0.5
    """Longest first wait; it doubles with each attempt, and chance picks from zero to it (full jitter)."""
    longest: Duration = 20.0
    """Longest single wait that we choose ourselves."""


class BeingTried(NotReached):
    """Another thread is finding out whether the system works again; its turn first."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is not ours: time that only rises, the date, sleep and chance."""

    clock: Callable[[], float] = time.monotonic
    date: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[float, float], float] = Random().uniform  # noqa: S311  # spreads retries, protects nothing


class Budget:
    """Everything that threads share about one system's patience."""

    def __init__(
        self,
        system: str,
        *,
        limits: Limits | None = None,
        breaker: BreakerRule | None = None,
        retry: Retry | None = None,
        around: Surroundings | None = None,
    ) -> None:
        self.system = system
        self._around = around or Surroundings()
        self._retry = retry or Retry()
        self._rate = _Rate(limits or Limits(), self._around.clock)
        self._slots = BoundedSemaphore((limits or Limits()).concurrent)
        self._breaker = Breaker(system, breaker or BreakerRule(), self._around.clock)

    def call(self, send: Callable[[], Response], *, repeatable: bool, rule: Callable[[Response], Ruling]) -> Response:
        """The answer of *send*, tried again where that is safe, or the last answer when patience is used up.

        *repeatable*: sending it twice does no harm. Raises what *send* raises, and NotReached (nothing was sent by this
        call) where the rate limit, the slots or the breaker forbid to send within the time.
        """
        ends = self._around.clock() + self._retry.within
        attempt = 0
        while True:
            answer, fault = self._attempt(send, rule, ends)
            ruling = rule(answer) if answer else "failing"
            again = repeatable or ruling == "later" or isinstance(fault, NotReached)
            pause = self._pause(answer, attempt)
            hopeless = self._around.clock() + pause > ends
            if ruling == "done" or not again or hopeless or self._breaker.is_open:
                if fault is not None:
                    raise fault
                assert answer is not None
                return answer
            self._around.sleep(pause)
            attempt += 1

    def retry_after(self, response: Response) -> float | None:
        """Seconds for which the system asked us to wait, within reason."""
        return retry_after(response.headers, self._around.date())

    def _attempt(
        self, send: Callable[[], Response], rule: Callable[[Response], Ruling], ends: float
    ) -> tuple[Response | None, Temporary | None]:
        try:
            with self._admitted(ends), self._breaker.attempt() as report:
                try:
                    answer = send()
                except (NotReached, AnswerLost) as e:
                    report("failing", str(e))
                    return None, e
                report(rule(answer), f"it answered {answer.status}")
                return answer, None
        except BeingTried as e:
            return None, e

    @contextmanager
    def _admitted(self, ends: float) -> Iterator[None]:
        self._breaker.check()
        left = max(0.0, ends - self._around.clock())
        if not self._slots.acquire(timeout=left):
            raise NotReached(f"{self.system}: all its places for requests stayed taken for {left:.0f} s")
        try:
            self._wait_for_rate(ends)
            yield
        finally:
            self._slots.release()

    def _wait_for_rate(self, ends: float) -> None:
        while (wait := self._rate.take()) > 0:
            if self._around.clock() + wait > ends:
                raise NotReached(f"{self.system}: its limit of requests is used up for {wait:.0f} s", retry_after=wait)
            self._around.sleep(wait)

    def _pause(self, answer: Response | None, attempt: int) -> float:
        asked = self.retry_after(answer) if answer else None
        longest = min(self._retry.longest, self._retry.first * 2.0 ** min(attempt, 30))
        chosen = self._around.random(0.0, longest)
        return chosen if asked is None else asked + chosen / 10  # a little apart, or all waiters return at once


def retry_after(headers: Mapping[str, str], date: float) -> float | None:
    """Seconds in a Retry-After header, RFC 9110 10.2.3: a number, or a date measured against the answer's own Date."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        wanted = float(text) if text[0].isdigit() or text[0] == "-" else _moment(text) - _now(headers, date)
    except ValueError:
        return None
    return min(max(0.0, wanted), _LONGEST_RETRY_AFTER) if wanted == wanted else None


def _now(headers: Mapping[str, str], date: float) -> float:
    try:
        return _moment(headers.get("date", ""))
    except ValueError:
        return date


def _moment(text: str) -> float:
    found = parsedate_to_datetime(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def server_time(headers: Mapping[str, str]) -> str | None:
    """The Date header as 2026-05-01T12:00:00Z; None where there is none."""
    try:
        moment = _moment(headers.get("date", ""))
    except ValueError:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Breaker:
    """closed: all may pass. open: nobody, until `recovery`. half-open: one at a time, until `successes` in a row."""

    def __init__(self, system: str, rule: BreakerRule, clock: Callable[[], float]) -> None:
        self._system, self._rule, self._clock = system, rule, clock
        self._lock = Lock()
        self._failures = 0
        self._last = ""
        self._successes = 0
        self._opened: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether requests are refused now."""
        with self._lock:
            return self._wait() > 0

    def check(self) -> None:
        """Raises NotReached while the breaker is open."""
        with self._lock:
            wait = self._wait()
            if wait > 0:
                times = f"failed {self._failures} times in a row, so it is left alone for {wait:.0f} s"
                raise NotReached(f"{self._system}: {times}; the last time: {self._last}", retry_after=wait)

    @contextmanager
    def attempt(self) -> Iterator[Callable[[Ruling, str], None]]:
        """One request; what it is given takes the ruling and its reason.

        Raises NotReached while open or another one is probing.
        """
        self.check()
        probe = self._begin_probe()
        try:
            yield self._report
        finally:
            if probe:
                with self._lock:
                    self._probing = False

    def _begin_probe(self) -> bool:
        with self._lock:
            if self._opened is None:
                return False
            if self._probing:
                raise BeingTried(f"{self._system}: is being tried after its failures", retry_after=1.0)
            self._probing = True
            return True

    def _report(self, ruling: Ruling, why: str) -> None:
        with self._lock:
            if ruling == "failing":
                self._failures += 1
                self._last = why
                self._successes = 0
                if self._opened is not None or self._failures >= self._rule.failures:
                    self._opened = self._clock()
            elif ruling == "done":
                self._successes += 1
                if self._opened is None or self._successes >= self._rule.successes:
                    self._opened, self._failures, self._successes = None, 0, 0

    def _wait(self) -> float:
        if self._opened is None or self._successes > 0:
            return 0.0  # half-open already proved itself once: the next probe need not wait
        return max(0.0, self._opened + self._rule.recovery - self._clock())


class _Rate:
    """At most so many requests in any window of that length."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limit, self._window, self._clock = limits.requests, limits.per, clock
        self._taken: deque[float] = deque()
        self._lock = Lock()

    def take(self) -> float:
        """0.0 and a request is counted, or the seconds until one may be."""
        if self._limit is None:
            return 0.0
        with self._lock:
            now = self._clock()
            while self._taken and self._taken[0] <= now - self._window:
                self._taken.popleft()
            if len(self._taken) >= self._limit:
                return self._taken[0] + self._window - now
            self._taken.append(now)
            return 0.0
