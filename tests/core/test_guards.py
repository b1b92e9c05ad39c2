"""Stories of plans that would do too much."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.core.guards import Verdict, guard
from daemon.core.model import Decision, Look, Pair
from daemon.core.rules import Guards, Limit
from tests.core.things import sync, update, writing

NO = Limit(count=0)
FREE = Limit()
OPEN = {"deletes": FREE, "creates": FREE, "updates": FREE, "blanked": FREE}


def judged(
    decisions: list[Decision], pairs: int = 100, approved: Any = (), adopting: bool = False, **limits: Limit
) -> Verdict:
    return guard(sync(guards=Guards(**(OPEN | limits))), decisions, pairs, approved, adopting=adopting)


@pytest.mark.parametrize(
    ("limit", "pairs", "allowed"),
    [
        (Limit(), 10, 2**62),
        (Limit(count=5), 10, 5),
        (Limit(share=0.05), 100, 5),
        (Limit(share=0.05), 119, 5),
        (Limit(share=0.05), 10, 0),
        (Limit(share=0.05, floor=3), 10, 3),
        (Limit(share=0.05, count=25, floor=3), 100_000, 25),
        (Limit(share=0.05, count=25, floor=3), 100, 5),
        (Limit(count=0), 100, 0),
        (Limit(count=2, floor=3), 100, 3),
        (Limit(floor=3), 100, 2**62),
        (Limit(share=0.29), 100, 29),
        (Limit(share=1.0), 7, 7),
    ],
)
def test_a_limit_allows(limit: Limit, pairs: int, allowed: int) -> None:
    assert limit.allows(pairs) == allowed


@pytest.mark.parametrize(
    ("op", "kind"), [("delete", "deletes"), ("deactivate", "deletes"), ("create", "creates"), ("update", "updates")]
)
def test_up_to_the_limit_all_pass_and_over_it_the_whole_kind_waits(op: str, kind: str) -> None:
    mine = [writing(n, op) for n in range(3)]
    others = [
        writing(n + 10, o) for n, o in enumerate(("delete", "create", "update")) if o != op and op != "deactivate"
    ]

    assert list(judged(mine + others, **{kind: Limit(count=3)}).held) == []
    verdict = judged(mine + others, **{kind: Limit(count=2)})

    assert [(d.pair.key, k) for d, k in verdict.held] == [(n, kind) for n in range(3)]
    assert list(verdict.passed) == others
    assert [(t.kind, t.count, t.allowed, t.pairs) for t in verdict.trips] == [(kind, 3, 2, 100)]


def test_approved_lines_pass_and_do_not_count() -> None:
    mine = [writing(n, "delete") for n in range(4)]
    approved = {mine[0].line, mine[1].line}

    assert list(judged(mine, approved=approved, deletes=Limit(count=2)).held) == []
    verdict = judged(mine, approved=approved, deletes=Limit(count=1))

    assert list(verdict.passed) == mine[:2]
    assert [d for d, _ in verdict.held] == mine[2:]
    assert verdict.trips[0].count == 2


def test_blanking_is_counted_per_field_and_only_where_something_was() -> None:
    blanked = [update(n, value=None) for n in range(3)]
    others = [update(10, value=""), update(11, value=None, before=None), update(12, value=None, field="g"), update(13)]

    verdict = judged([*blanked, *others], blanked=Limit(count=3))

    assert [(t.kind, t.field, t.count) for t in verdict.trips] == [("blanked", "f", 4)]
    assert [d.pair.key for d, _ in verdict.held] == [0, 1, 2, 10]
    assert list(judged([*blanked, *others], blanked=Limit(count=4)).held) == []


def test_what_writes_nothing_is_never_held() -> None:
    quiet = [
        Decision(Pair(n), Look("here"), Look("here"), state=s) for n, s in enumerate(("active", "held", "retired"))
    ]

    assert list(judged(quiet, deletes=NO, creates=NO, updates=NO, blanked=NO).held) == []  # type: ignore[arg-type]


def test_at_adoption_everything_that_writes_or_links_waits_for_approval() -> None:
    link = replace(Decision(Pair(1), Look("here"), Look("here"), new=True), line=b"link")
    quiet = Decision(Pair(2), Look("here"), Look("here"), new=False)
    both = [link, quiet, update(3), writing(4, "create")]

    verdict = judged(both, adopting=True)

    assert [(d.pair.key, k) for d, k in verdict.held] == [(1, "adopt"), (3, "adopt"), (4, "adopt")]
    assert verdict.trips[0].count == 3
    assert list(judged(both, adopting=True, approved={b"link", b"line 3", b"line 4"}, creates=NO).held) == []
    assert list(judged([link], deletes=NO).held) == []


def test_a_trip_names_its_numbers() -> None:
    verdict = judged([update(n, value=None) for n in range(4)], pairs=90, updates=NO, blanked=Limit(count=1))

    assert [str(trip) for trip in verdict.trips] == [
        "would update 4 of 90 pairs; 0 are allowed", "would blank `f` of 4 of 90 pairs; 1 are allowed",
    ]  # fmt: skip
