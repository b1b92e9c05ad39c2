"""Stories of guards across runs: values that go too far, days that bleed, mass changes that were announced."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from daemon.core.limits import Announced, Bound, Guards, Limit
from daemon.core.rules import Cases, Match, Ref
from tests.engine import quirks
from tests.engine.test_found import TwoQuirks
from tests.engine.world import HOUR, World, people_sync, person, rule, swapping_sync

DAY = 24 * HOUR


def prices(folder: Path, guards: Guards, prices: dict[int, Any], **more: Any) -> World:
    rules = (rule("number", owner="left"), rule("price", type="decimal", owner="left", **more))
    sync = people_sync(rules=rules, match_on=people_sync().match_on[:1], guards=guards)
    goods = {n: {"number": str(n), "price": price} for n, price in prices.items()}
    world = World(
        folder, {f"L{n}": one for n, one in goods.items()}, {f"R{n}": one for n, one in goods.items()}, sync=sync
    )
    world.adopted()
    return world


def price(world: World, number: int) -> Any:
    return world.shown("right")[str(number)]["price"]


def test_a_price_that_leaps_waits_and_the_others_flow(tmp_path: Path) -> None:
    world = prices(tmp_path, Guards(values={"price": Bound(least=1, change=Decimal("0.3"))}), {1: 10, 2: 10, 3: 10})
    world.left.edit("person", "L1", {"price": 12})
    world.left.edit("person", "L2", {"price": 100})
    world.left.edit("person", "L3", {"price": 0})

    report = world.run()

    assert (price(world, 1), price(world, 2), price(world, 3)) == (12, 10, 10)
    assert report.state == "held"
    (guard,) = report.guards
    assert guard["text"] == "would bring `price` of 2 records out of its bounds"
    assert guard["remedy"] == (
        "correct the values where they are kept; or look with `tallystick plan people`, then"
        " `tallystick approve people --kind values` or change guards.values.price"
    )
    told = {line["left"]: line for line in report.lines}
    assert told["L2"]["guard"] == "values"
    assert told["L2"]["bounds"] == {"price": "changes by more than 30%"}
    assert told["L2"]["changes"][0]["fields"]["price"]["after"] == 100
    assert told["L3"]["bounds"] == {"price": "is below min 1"}

    assert world.approve("updates")["approved"] == {}
    assert world.approve("values", only="L2")["approved"] == {"values": 1}
    world.run()
    assert (price(world, 2), price(world, 3)) == (100, 10)
    world.left.edit("person", "L3", {"price": 9})
    assert world.run().state == "done"
    assert price(world, 3) == 9
    world.close()


def test_what_is_out_of_bounds_is_told_without_a_value_that_is_hidden(tmp_path: Path) -> None:
    guards = Guards(values={"price": Bound(most=5000)})
    world = prices(tmp_path, guards, {1: 10}, audit="digest")
    world.left.edit("person", "L1", {"price": 77777})

    (line,) = world.plan().lines

    assert line["bounds"] == {"price": "is above max 5000"}
    assert "77777" not in repr(line)
    world.close()


def test_a_newborn_out_of_bounds_is_not_adopted_with_the_rest(tmp_path: Path) -> None:
    guards = Guards(values={"price": Bound(least=1)})
    world = prices(tmp_path, guards, {})
    world.left.put("person", {"number": "1", "price": 5}, "L1")
    world.left.put("person", {"number": "2", "price": 0}, "L2")
    world.sync = replace(world.sync, rev="2")  # everything waits for approval
    report = world.run()
    assert [guard["kind"] for guard in report.guards] == ["adopt", "values"]

    assert world.approve("adopt")["approved"] == {"adopt": 1}
    report = world.run()

    assert set(world.shown("right")) == {"1"}
    assert [guard["kind"] for guard in report.guards] == ["values"]
    world.left.edit("person", "L1", {"price": 6})
    world.run()
    assert price(world, 1) == 6, "it was adopted, and only what is out of bounds waits"
    assert world.approve()["approved"] == {"values": 1}
    world.run()
    assert set(world.shown("right")) == {"1", "2"}
    world.close()


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[TwoQuirks]:
    """Thirty people, of whom three may go in a day."""
    people = {n: person(n) for n in range(1, 31)}
    guards = Guards(deletes=Limit(count=10, per_day=3), shrink=1.0)
    made = TwoQuirks(
        tmp_path, left={f"L{n}": who for n, who in people.items()}, right={f"R{n}": who for n, who in people.items()},
        sync=people_sync(guards=guards),
    )  # fmt: skip
    made.adopted()
    yield made
    made.close()


def leave(world: World, *numbers: int) -> Any:
    for number in numbers:
        world.left.remove("person", f"L{number}")
    return world.run()


def test_a_slow_bleed_stops_at_the_days_limit_across_runs_and_restarts(staff: TwoQuirks) -> None:
    begun = staff.now
    assert leave(staff, 1).state == leave(staff, 2).state == "done"
    staff.now += HOUR
    staff.close()
    staff.open()

    report = leave(staff, 3, 4)

    assert len(staff.records("right")) == 28
    (guard,) = report.guards
    assert (guard["kind"], guard["count"], guard["allowed"]) == ("deletes", 2, 3)
    assert "3 are allowed in 24 hours and 2 were done since 2026-05-28 20:" in guard["text"]
    assert guard["remedy"].endswith("or raise guards.deletes.per_day")

    staff.now = begun + DAY + 180
    assert staff.run().state == "done"
    assert len(staff.records("right")) == 26


def test_an_approved_delete_draws_on_no_budget(staff: TwoQuirks) -> None:
    leave(staff, 1, 2, 3)
    assert leave(staff, 4).state == "held"
    staff.approve("deletes")
    assert staff.run().state == "done"

    staff.now += DAY
    assert leave(staff, 5, 6, 7).state == "done"


@pytest.mark.parametrize("kind", ["updates", "creates"])
def test_what_was_approved_draws_on_no_budget_though_it_is_decided_anew_on_its_way(tmp_path: Path, kind: str) -> None:
    people = [{f"{side}{n}": person(n) for n in (1, 2)} for side in "LR"]
    rules = (*swapping_sync().rules, rule("boss", wins="left", ref=Ref("people")))
    sync = people_sync(rules=rules, match_on=(Match(("number",)),), guards=Guards(**{kind: Limit(count=0, per_day=2)}))
    world = World(tmp_path, *people, sync=sync)
    world.adopted()
    if kind == "updates":  # one makes room for the other first
        world.left.edit("person", "L1", {"email": person(2)["email"]})
        world.left.edit("person", "L2", {"email": person(1)["email"]})
    else:  # one is told the id of the other first
        world.left.put("person", person(3, boss="L4"), "L3")
        world.left.put("person", person(4), "L4")
    assert world.run().state == "held"

    world.approve(kind)

    assert world.run().state == "done"
    assert world.store.spending.since(world.store.sync("people").id, world.now) == {}
    world.close()


def test_only_what_was_really_written_is_counted(staff: TwoQuirks) -> None:
    staff.crm.fates = [quirks.refused, quirks.done_but_lost]
    leave(staff, 1, 2)
    staff.run()  # the probe finds the second one done
    assert len(staff.records("right")) == 29

    assert staff.store.spending.since(staff.store.sync("people").id, staff.now).keys() == {("deletes", "")}
    assert sum(n for _, n in staff.store.spending.since(staff.store.sync("people").id, staff.now)[("deletes", "")]) == 1


def test_without_a_limit_for_the_day_nothing_is_counted(tmp_path: Path) -> None:
    world = World(tmp_path, {"L1": person(1)}, {"R1": person(1)}, sync=people_sync(cases=Cases()))
    world.adopted()
    world.left.edit("person", "L1", {"tag": "b", "phone": None})
    world.run()

    assert world.store.spending.since(world.store.sync("people").id, world.now) == {}
    world.close()


def test_an_announced_mass_change_passes_is_told_and_draws_on_no_budget(staff: TwoQuirks) -> None:
    now = datetime.fromtimestamp(staff.now).astimezone()
    closing = Announced(
        now, now + timedelta(hours=2), {"deletes": Limit(share=1.0)}, reason="CHG00901: site is closed"
    )  # fmt: skip
    staff.sync = replace(staff.sync, guards=replace(staff.sync.guards, expect=(closing,)))

    report = leave(staff, *range(1, 13))

    assert report.state == "done"
    assert len(staff.records("right")) == 18
    assert "(CHG00901: site is closed): other limits hold for deletes" in report.problems[0]
    told = [entry["announced"] for entry in staff.entries("run.started") if "announced" in entry]
    assert told == [[closing.told()]]
    assert (told[0][0]["reason"], told[0][0]["guards"]) == ("CHG00901: site is closed", ["deletes"])

    staff.now += 3 * HOUR
    assert leave(staff, 13).state == "done", "what was announced left the day's budget alone"
    report = leave(staff, *range(14, 17))
    assert (report.state, report.problems) == ("held", ())


def test_who_comes_after_the_approval_faces_the_guard_again(tmp_path: Path) -> None:
    people = {n: person(n) for n in range(1, 21)}
    sync = people_sync(guards=Guards(deletes=Limit(count=3), shrink=1.0))
    world = World(tmp_path, left={f"L{n}": who for n, who in people.items()}, sync=sync)
    world.adopted()
    assert leave(world, 1, 2, 3, 4).state == "held"
    assert world.approve("deletes")["approved"] == {"deletes": 4}

    report = leave(world, 5, 6, 7, 8)

    assert sorted(set(people) - {int(number) for number in world.shown("right")}) == [1, 2, 3, 4]
    assert [guard["count"] for guard in report.guards] == [4]
    assert {line["left"] for line in report.lines if line.get("guard")} == {"L5", "L6", "L7", "L8"}
    world.close()
