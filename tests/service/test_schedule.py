"""When a sync runs next: anchored intervals, cron in its own time zone, and a scheduler that only wakes."""

import itertools
import threading
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from daemon.config.schedule import Schedule
from daemon.service import clock
from daemon.service.schedule import Scheduler, next_reconcile, next_run, upcoming

BERLIN = ZoneInfo("Europe/Berlin")


def every(seconds: float) -> Schedule:
    return Schedule("every", seconds, None, "UTC", "0 3 * * *")


def cron(text: str, zone: str = "Europe/Berlin") -> Schedule:
    return Schedule("cron", None, text, zone, "0 3 * * *")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def local(moment: float | None) -> str:
    assert moment is not None
    return datetime.fromtimestamp(moment, BERLIN).strftime("%Y-%m-%d %H:%M")


def test_an_interval_counts_from_1970_and_not_from_the_start_of_the_process() -> None:
    first = next_run(every(900), "people", 1_000_000.0)
    later = next_run(every(900), "people", 1_000_450.0)

    assert first is not None
    assert later is not None
    assert (later - first) % 900 == 0
    assert next_run(every(900), "people", first) == first + 900


def test_syncs_of_one_interval_begin_apart_and_each_always_at_the_same_moment() -> None:
    names = [f"sync-{n}" for n in range(50)]

    moments = [next_run(every(900), name, 0.0) for name in names]

    assert moments == [next_run(every(900), name, 0.0) for name in names]
    assert len(set(moments)) == 50
    assert all(m is not None and (m % 900) <= 60 for m in moments)


@pytest.mark.parametrize(("interval", "most"), [(10.0, 1.0), (900.0, 60.0), (86_400.0, 60.0)])
def test_the_shift_is_at_most_a_tenth_and_at_most_a_minute(interval: float, most: float) -> None:
    shifts = {(next_run(every(interval), f"s{n}", 1e9) or 0) % interval for n in range(200)}

    assert max(shifts) <= most + 1e-6
    assert max(shifts) > most * 0.9


@pytest.mark.parametrize(
    ("text", "after", "runs"),
    [
        ("0 9 * * 1", "2026-11-21 12:00", "2026-11-23 09:00"),  # weekday 1 is Monday
        ("30 2 * * *", "2026-03-28 12:00", "2026-03-29 03:00"),  # the hour that does not exist: once, after it
        ("30 2 * * *", "2026-10-24 12:00", "2026-10-25 02:30"),  # the hour that comes twice: the first time
        ("0 0 29 2 *", "2026-11-22 00:00", "2028-02-29 00:00"),
    ],
)
def test_cron_means_what_cron_means(text: str, after: str, runs: str) -> None:
    assert local(next_run(cron(text), "people", at(after))) == runs


def test_the_hour_that_comes_twice_runs_a_daily_sync_once() -> None:
    first = next_run(cron("30 2 * * *"), "people", at("2026-10-24 12:00"))
    assert first is not None

    assert local(next_run(cron("30 2 * * *"), "people", first)) == "2026-10-26 02:30"


def test_a_manual_sync_never_runs_by_itself() -> None:
    manual = Schedule("manual", None, None, "UTC", "0 3 * * *")

    assert next_run(manual, "people", 0.0) is None
    assert next_reconcile(manual, 0.0) is None
    assert list(upcoming(manual, "people", 0.0)) == []


def test_what_comes_next_counts_full_comparisons_too() -> None:
    told = [local(m) for m in itertools.islice(upcoming(cron("0 12 * * *"), "people", at("2026-11-22 13:00")), 3)]

    assert told == ["2026-11-23 03:00", "2026-11-23 12:00", "2026-11-24 03:00"]


def test_the_scheduler_wakes_at_the_time_and_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.service.schedule.BEAT", 0.2)
    woken, beaten = threading.Event(), threading.Event()
    scheduler = Scheduler(wake=lambda sync, full: woken.set() if (sync, full) == ("people", False) else None,
                          beat=beaten.set)  # fmt: skip
    try:
        scheduler.follow({"people": every(0.5)})

        assert woken.wait(5)
        assert beaten.wait(5)
    finally:
        scheduler.stop()


def test_a_schedule_that_stays_keeps_its_time_when_others_change() -> None:
    woken: list[tuple[str, float]] = []
    scheduler = Scheduler(wake=lambda sync, full: woken.append((sync, clock.now())), beat=lambda: None)
    seen = threading.Event()
    try:
        scheduler.follow({"people": every(0.5), "gone": every(0.5)})
        for n in range(24):  # a storm of reloads must not push the time of an unchanged sync away
            scheduler.follow({"people": every(0.5), f"other-{n}": every(3600)})
            seen.wait(0.05)
    finally:
        scheduler.stop()

    times = [moment for sync, moment in woken if sync == "people"]
    assert len(times) >= 1
    assert not [sync for sync, moment in woken if sync == "gone" and moment > times[0] + 0.7]


def test_after_the_clock_was_set_every_time_is_computed_anew() -> None:
    woken = threading.Event()
    scheduler = Scheduler(wake=lambda sync, full: woken.set(), beat=lambda: None)
    try:
        scheduler.follow({"people": every(0.5)})
        scheduler.start_over()
        woken.clear()

        assert woken.wait(5)
    finally:
        scheduler.stop()
