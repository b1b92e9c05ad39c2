"""This is where `guards:` of a sync file is shown to mean what it says, or to be refused at its place."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.config.hints import hints
from daemon.config.load import load
from daemon.core.limits import Announced, Bound, Guards, Limit
from tests.config.folders import problems
from tests.config.test_compile import compiled, folder_with

FIELDS = (
    "amount: {left: a, right: a, type: decimal}",
    "n: {left: n, right: n, type: integer}",
    "day: {left: d, right: d, type: date}",
    "login: {right: login, once: true, value: 'no'}",
    "boss: {left: boss, right: boss, ref: people}",
)


def guards(tmp_path: Path, line: str) -> Guards:
    return compiled(tmp_path, *FIELDS, more=f"guards: {line}\n").guards


def refused(tmp_path: Path, line: str) -> str:
    (told,) = problems(folder_with(tmp_path, *FIELDS, more=f"guards: {line}\n"))
    return told


def test_bounds_are_exact_and_read_as_the_field_reads(tmp_path: Path) -> None:
    line = "{values: {amount: {min: 0.01, max: '99.90', change: 12.5%}, n: {empty: refuse}, day: {min: 2020-01-01}}}"

    assert guards(tmp_path, line).values == {
        "amount": Bound(Decimal("0.01"), Decimal("99.90"), Decimal("0.125")),
        "n": Bound(filled=True),
        "day": Bound(date(2020, 1, 1)),
    }


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ("{amount: {min: 3, max: 2}}", "min 3 is above max 2"),
        ("{n: {min: 0.5}}", "this is no integer"),
        ("{day: {max: soon}}", "this is no date"),
        ("{day: {change: 30%}}", "a date has no part by which it could change"),
        ("{login: {empty: refuse}}", "'login' is made when its record is born"),
        ("{boss: {min: 1}}", "'boss' has `ref`: its values have no order"),
        ("{amount: {change: all}}", "this is no percentage"),
    ],
)
def test_a_bound_without_sense_is_refused(tmp_path: Path, bounds: str, told: str) -> None:
    assert told in refused(tmp_path, f"{{values: {bounds}}}")


def test_a_day_has_a_limit_of_its_own(tmp_path: Path) -> None:
    found = guards(tmp_path, "{deletes: {share: 5%, per_day: 50}, creates: {count: 9, per_day: 20}, updates: 5%}")

    assert found.deletes == Limit(share=0.05, floor=3, per_day=50, runs=2)
    assert found.deletes.allows_daily(1000) == 50
    assert found.creates == Limit(count=9, per_day=20)
    assert not found.updates.daily
    assert guards(tmp_path / "b", "{deletes: 30}").deletes.allows_daily(1000) == 60
    assert guards(tmp_path / "c", "{shrink: 20%}").deletes.allows_daily(200) == 20


def test_an_announcement_ends_with_its_last_day(tmp_path: Path) -> None:
    line = "{expect: [{from: 2027-01-01, to: 2027-01-02, updates: 100%, deletes: 9, reason: CHG00901}]}"

    assert guards(tmp_path, line).expect == (
        Announced(
            datetime(2027, 1, 1), datetime(2027, 1, 3),
            {"deletes": Limit(count=9, runs=2), "updates": Limit(share=1.0, floor=3)}, reason="CHG00901",
        ),
    )  # fmt: skip


def test_an_announcement_may_be_of_hours_and_of_bounds(tmp_path: Path) -> None:
    line = "{expect: [{from: 2027-01-01T06:00, to: 2027-01-01T12:30, shrink: 50%, values: {amount: {change: 90%}}}]}"

    (found,) = guards(tmp_path, line).expect

    assert (found.begins, found.ends) == (datetime(2027, 1, 1, 6), datetime(2027, 1, 1, 12, 30))
    assert (found.shrink, found.values) == (0.5, {"amount": Bound(change=Decimal("0.9"))})


def test_an_announcement_that_is_over_is_a_hint_and_no_fault(tmp_path: Path) -> None:
    line = "{expect: [{from: 2027-01-01, to: 2027-01-02, updates: 100%, reason: CHG1}]}"
    config = load(folder_with(tmp_path, *FIELDS, more=f"guards: {line}\n"), env={})

    during, after = (datetime.fromisoformat(f"2027-01-0{n}T12:00Z").timestamp() for n in (2, 4))

    assert list(hints(config, during)) == []
    assert list(hints(config, after)) == [
        "syncs/people.yaml: guards.expect: what was announced until 2027-01-03 00:00 (CHG1) is over; it may go"
    ]
