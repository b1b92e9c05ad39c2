"""What a guard says when it trips, and for whom it does not wait."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.core.guards import Trip, guard
from daemon.core.model import Change, Decision, Look, Move, Pair
from daemon.core.rules import Guards, Limit
from tests.core.things import item, sync, update, writing

FREE, NO = Limit(), Limit(count=0)


def judged(decisions: list[Decision], **limits: Any) -> Any:
    free = {"deletes": FREE, "creates": FREE, "updates": FREE, "blanked": FREE}
    return guard(sync(guards=Guards(**(free | limits))), decisions, 100, ())


def hurried(decision: Decision) -> Decision:
    return replace(decision, left=Look("here", replace(item({}), urgent=True)))


@pytest.mark.parametrize(
    ("trip", "text"),
    [
        (Trip("adopt", 3, 0, 9), "the first plan of this sync: 3 decisions wait for approval"),
        (Trip("adopt", 3, 0, 9, "the mapping changed"), "the mapping changed: 3 decisions wait for approval"),
        (Trip("shrink", 3, 8, 9, "crm.person"), "crm.person lists 3 records after 9: nothing is written"),
        (Trip("tenant", 0, 0, 0, "crm is another"), "crm is another: nothing is written"),
        (Trip("canary", 0, 0, 0, "it is gone"), "it is gone: nothing is written"),
        (Trip("cursor", 0, 0, 0, "it went back"), "it went back: nothing is written"),
        (Trip("deletes", 7, 5, 90), "would delete 7 of 90 pairs; 5 are allowed"),
        (Trip("creates", 7, 5, 90), "would create 7 of 90 pairs; 5 are allowed"),
        (Trip("updates", 7, 5, 90), "would update 7 of 90 pairs; 5 are allowed"),
        (Trip("blanked", 7, 5, 90, "phone"), "would blank `phone` of 7 of 90 pairs; 5 are allowed"),
    ],
)
def test_a_trip_says_what_it_is_about(trip: Trip, text: str) -> None:
    assert str(trip) == text


def test_at_adoption_the_number_of_waiting_lines_is_told() -> None:
    law, waiting = sync(guards=Guards()), [update(1), update(2)]

    assert guard(law, waiting, 9, (), adopting=True).trips == (Trip("adopt", 2, 0, 9),)
    assert guard(law, waiting, 9, {decision.line for decision in waiting}, adopting=True).trips == ()
    assert guard(law, [], 9, (), adopting=True).trips == ()


def test_a_share_is_of_the_pairs_that_there_are() -> None:
    law = sync(guards=Guards(updates=Limit(share=0.1)))

    assert guard(law, [update(1), update(2)], 20, ()).trips == ()
    assert guard(law, [update(1), update(2)], 10, ()).trips == (Trip("updates", 2, 1, 10),)


def test_the_urgent_counts_and_does_not_wait() -> None:
    urgent, calm = hurried(update(1)), update(2)

    verdict = judged([urgent, calm], updates=Limit(count=1))

    assert list(verdict.passed) == [urgent]
    assert list(verdict.held) == [(calm, "updates")]
    assert [trip.count for trip in verdict.trips] == [2]
    assert judged([urgent, hurried(update(3))], updates=NO).trips == ()


@pytest.mark.parametrize(("op", "kind"), [("delete", "deletes"), ("create", "creates")])
def test_the_urgent_waits_like_any_other_where_it_is_no_update(op: str, kind: str) -> None:
    leaving = hurried(writing(1, op))

    assert list(judged([leaving], **{kind: NO}).held) == [(leaving, kind)]


def test_an_urgent_record_that_loses_a_value_waits_for_the_limit_of_blanks() -> None:
    leaving = hurried(update(1, value=None))

    assert list(judged([leaving], updates=NO, blanked=NO).held) == [(leaving, "blanked")]
    assert list(judged([leaving], updates=NO).held) == []


def test_what_trips_twice_is_named_by_the_gravest_and_then_by_the_field() -> None:
    blank = update(1, value=None)

    verdict = judged([blank], updates=NO, blanked=NO)

    assert [(trip.kind, trip.field) for trip in verdict.trips] == [("updates", ""), ("blanked", "f")]
    assert list(verdict.held) == [(blank, "blanked")]


def test_a_delete_blanks_nothing() -> None:
    gone = Decision(Pair(1), Look("gone"), Look("here"), (Change("right", "delete", (Move("f", None, "a", "x"),)),))

    assert judged([gone], blanked=NO).trips == ()


def test_trips_come_in_one_order_whatever_the_plan_s() -> None:
    all_of_it = [update(4, value=None, field="z"), update(3, value=None), writing(2, "create"), writing(1, "delete")]
    no = {"deletes": NO, "creates": NO, "updates": NO, "blanked": NO}

    for plan in (all_of_it, all_of_it[::-1]):
        assert [(trip.kind, trip.field) for trip in judged(plan, **no).trips] == [
            ("deletes", ""), ("creates", ""), ("updates", ""), ("blanked", "f"), ("blanked", "z"),
        ]  # fmt: skip
