"""Stories of mass changes that somebody announced."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from daemon.core.limits import Announced, Bound, Guards, Limit, in_force

BERLIN = ZoneInfo("Europe/Berlin")
ALL = Limit(share=1.0)
NEW_YEAR = Announced(datetime(2027, 1, 1), datetime(2027, 1, 3), {"updates": ALL}, reason="CHG00901")


@pytest.mark.parametrize(
    ("at", "holds", "over"),
    [
        (datetime(2026, 12, 31, 22, 59, tzinfo=UTC), False, False),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), True, False),  # midnight in Berlin
        (datetime(2027, 1, 2, 22, 59, tzinfo=UTC), True, False),
        (datetime(2027, 1, 2, 23, 0, tzinfo=UTC), False, True),
    ],
)
def test_it_holds_for_the_days_of_the_zone_of_the_sync(at: datetime, holds: bool, over: bool) -> None:
    there = at.astimezone(BERLIN)

    assert (NEW_YEAR.holds(there), NEW_YEAR.over(there)) == (holds, over)
    guards, found = in_force(Guards(expect=(NEW_YEAR,)), there)
    assert guards.updates == (ALL if holds else Guards().updates)
    assert found == ((NEW_YEAR,) if holds else ())
    assert guards.deletes == Guards().deletes


def test_a_time_with_an_offset_is_the_same_everywhere() -> None:
    six = Announced(datetime(2027, 1, 1, 6, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC), shrink=0.9)

    assert six.holds(datetime(2027, 1, 1, 7, tzinfo=BERLIN))
    assert not six.holds(datetime(2027, 1, 1, 6, 59, tzinfo=BERLIN))
    assert in_force(Guards(expect=(six,)), datetime(2027, 1, 1, 8, tzinfo=BERLIN))[0].shrink == 0.9


def test_of_two_the_first_that_names_a_limit_counts() -> None:
    wider = Announced(
        datetime(2027, 1, 1), datetime(2028, 1, 1), {"updates": Limit(count=7), "creates": ALL},
        values={"amount": Bound(least=1)},
    )  # fmt: skip
    usual = Guards(values={"amount": Bound(most=9), "other": Bound(most=8)}, expect=(NEW_YEAR, wider))

    guards, found = in_force(usual, datetime(2027, 1, 1, tzinfo=BERLIN))

    assert (guards.updates, guards.creates) == (ALL, ALL)
    assert guards.values == {"amount": Bound(least=1), "other": Bound(most=8)}
    assert [str(one) for one in found] == [
        "announced until 2027-01-03 00:00 (CHG00901): other limits hold for updates",
        "announced until 2028-01-01 00:00: other limits hold for updates, creates, values.amount",
    ]


def test_what_an_announcement_does_not_name_stays_and_the_log_keeps_the_rest() -> None:
    begins, ends = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)
    updates = Limit(share=1.0)
    announced = Announced(begins, ends, {"updates": updates}, reason="new year")
    wider = replace(announced, shrink=0.9, values={"price": Bound(most=5)})

    now, found = in_force(Guards(shrink=0.2, expect=(announced,)), begins)
    widened, _ = in_force(Guards(shrink=0.2, expect=(wider,)), begins)

    assert (now.shrink, now.updates, found) == (0.2, updates, (announced,))
    assert widened.shrink == 0.9
    assert wider.told() == {
        "from": "2027-01-01T00:00:00+00:00", "until": "2027-01-02T00:00:00+00:00",
        "guards": ["updates", "shrink", "values.price"], "reason": "new year",
    }  # fmt: skip
