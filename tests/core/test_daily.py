"""Stories of a day's limits: what was written before counts, until it is a day old."""

from daemon.core.daily import Budget, Spent, budgets
from daemon.core.guards import Verdict, guard
from daemon.core.limits import Guards, Limit
from daemon.core.model import Decision, Look, Pair
from tests.core.things import sync, update, writing

MORNING = 1_780_000_020.0
"""2026-05-28 20:27 UTC, the beginning of a minute."""


def judged(wanted: int, spent: Spent, **limit: int) -> Verdict:
    agreed = sync(guards=Guards(deletes=Limit(**limit)))
    return guard(agreed, [writing(n, "delete") for n in range(wanted)], 900, (), spent=spent)


def spent(*drawn: tuple[float, int], budget: Budget = ("deletes", ""), zone: str = "UTC") -> Spent:
    return Spent({budget: drawn}, zone)


def test_what_is_left_of_the_day_passes_and_more_waits_as_a_whole() -> None:
    before = spent((MORNING, 40), (MORNING + 600, 8))

    assert [*judged(2, before, per_day=50).held] == []
    verdict = judged(6, before, per_day=50)

    assert len([*verdict.held]) == 6
    (trip,) = verdict.trips
    assert (trip.kind, trip.count, trip.allowed) == ("deletes", 6, 50)
    assert str(trip) == (
        "would delete 6 of 900 pairs; 50 are allowed in 24 hours and 48 were done since 2026-05-28 20:27:"
        " they pass from 2026-05-29 20:28 on"
    )


def test_it_frees_when_enough_is_a_day_old() -> None:
    before = spent((MORNING, 2), (MORNING + 3600, 46), (MORNING + 7200, 2), zone="Europe/Berlin")

    assert "they pass from 2026-05-29 22:28 on" in judged(2, before, per_day=50).trips[0].day
    assert "they pass from 2026-05-29 23:28 on" in judged(3, before, per_day=50).trips[0].day


def test_more_than_a_whole_day_never_frees_by_itself() -> None:
    assert judged(51, Spent(), per_day=50).trips[0].day == (
        "50 are allowed in 24 hours and none was done yet: they are more than a whole day's"
    )
    assert "more than a whole day's" in judged(51, spent((MORNING, 1)), per_day=50).trips[0].day


def test_a_run_too_many_is_told_before_the_day() -> None:
    trip = judged(6, spent((MORNING, 48)), per_day=50, count=5).trips[0]

    assert (trip.day, trip.allowed) == ("", 5)


def test_without_a_number_for_the_day_it_is_some_runs_worth() -> None:
    assert judged(3, spent((MORNING, 3)), count=3, runs=2).trips == ()
    assert len([*judged(3, spent((MORNING, 4)), count=3, runs=2).held]) == 3
    assert judged(3, spent((MORNING, 400)), count=3).trips == ()
    assert judged(0, spent((MORNING, 400)), per_day=1).trips == ()


def test_blanking_has_a_budget_per_field() -> None:
    blanking = update(1, value=None)

    assert list(budgets(blanking)) == [("updates", ""), ("blanked", "f")]
    assert [list(budgets(writing(1, op))) for op in ("delete", "deactivate", "create", "update")] == [
        [("deletes", "")], [("deletes", "")], [("creates", "")], [("updates", "")],
    ]  # fmt: skip
    agreed = sync(guards=Guards(blanked=Limit(per_day=3)))
    assert guard(agreed, [blanking], 9, (), spent=spent((MORNING, 2), budget=("blanked", "f"))).trips == ()
    verdict = guard(agreed, [blanking], 9, (), spent=spent((MORNING, 3), budget=("blanked", "f")))
    assert str(verdict.trips[0]).startswith("would blank `f` of 1 of 9 pairs; 3 are allowed in 24 hours and 3 were")


def test_what_writes_nothing_draws_on_nothing() -> None:
    link = Decision(Pair(1), Look("here"), Look("here"), new=True)

    assert list(budgets(link)) == []
    assert list(budgets(update(1))) == [("updates", "")]
    assert list(budgets(writing(1, "deactivate"))) == [("deletes", "")]


def test_a_whole_days_worth_passes_when_all_of_it_is_free_again() -> None:
    before = spent((MORNING, 1))

    assert "they pass from 2026-05-29 20:28 on" in judged(3, before, per_day=3).trips[0].day
    assert "they are more than a whole day's" in judged(4, before, per_day=3).trips[0].day
