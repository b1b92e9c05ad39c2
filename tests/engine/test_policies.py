"""Stories of the policies that decide a clash, and of fields that are only filled."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from daemon.core.rules import Match
from tests.engine.quirks import Quirky, rewriting
from tests.engine.world import World, people_sync, rule


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Any]:
    made: list[World] = []

    def world(*rules: Any, left: Any = None, right: Any = None, **more: Any) -> World:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        sync = people_sync(rules=(rule("number", owner="left"), *rules), match_on=(Match(("number",)),))
        records = {"left": {"L1": {"number": "1"} | (left or {})}, "right": {"R1": {"number": "1"} | (right or {})}}
        made.append(World(folder, sync=sync, **records, **more))
        return made[-1]

    yield world
    for one in made:
        one.close()


def edit(world: World, side: str, **fields: Any) -> None:
    world.now += 1
    getattr(world, side).edit("person", "L1" if side == "left" else "R1", fields)


def value(world: World, name: str) -> tuple[Any, Any]:
    return world.records("left")["L1"].get(name), world.records("right")["R1"].get(name)


def quiet(world: World) -> bool:
    return not world.run(full=True).counts.get("written")


def test_the_newest_edit_wins_whichever_side_it_is_on(worlds: Any) -> None:
    world = worlds(rule("mail", wins="newest"), left={"mail": "a"}, right={"mail": "a"}, timed=["left", "right"])
    world.adopted()
    for first, second in (("left", "right"), ("right", "left")):
        edit(world, first, mail=f"{first} first")
        edit(world, second, mail=f"{second} second")

        assert world.run().state == "done"

        assert value(world, "mail") == (f"{second} second", f"{second} second")
        assert quiet(world)


def test_newest_without_times_is_told_at_the_first_plan_and_asks(worlds: Any) -> None:
    world = worlds(rule("mail", wins="newest"), left={"mail": "a"}, right={"mail": "a"}, timed=["left"])

    (told,) = world.run().problems
    world.adopted()
    edit(world, "left", mail="L")
    edit(world, "right", mail="R")
    world.run()

    assert told == "mail: crm.person tells no trustworthy times, so `newest` holds every clash"
    assert world.held()[0]["reason"] == "conflict"
    assert world.held()[0]["fields"] == {
        "mail": "changed on both sides, wins: newest, but right tells no time that can be trusted"
    }
    assert value(world, "mail") == ("L", "R")


def test_a_clash_that_waits_with_its_record_is_still_decided_by_the_edits_times(worlds: Any) -> None:
    rules = rule("mail", wins="newest"), rule("phone", wins="ask", hold="record")
    world = worlds(*rules, left={"mail": "a", "phone": "1"}, right={"mail": "a", "phone": "1"}, timed=["left", "right"])
    world.adopted()
    edit(world, "left", mail="L", phone="2")
    edit(world, "right", mail="R", phone="3")
    world.run()
    world.run()
    assert value(world, "mail") == ("L", "R")

    world.resolve("L1", "left")
    world.run()

    assert (value(world, "mail"), value(world, "phone")) == (("R", "R"), ("2", "2"))
    assert quiet(world)


def test_a_held_clash_is_not_decided_by_the_time_of_a_field_that_we_wrote_beside_it(worlds: Any) -> None:
    rules = rule("mail", wins="newest"), rule("tag")
    world = worlds(*rules, left={"mail": "a"}, right={"mail": "a"}, timed=["left", "right"])
    world.adopted()
    world.left.edit("person", "L1", {"mail": "L", "tag": "t"})
    world.right.edit("person", "R1", {"mail": "R"})

    world.run()
    assert world.held()[0]["fields"]["mail"].endswith("but both sides were changed at the same time")
    world.run()

    assert value(world, "tag") == ("t", "t")
    assert value(world, "mail") == ("L", "R")
    assert world.held()[0]["fields"]["mail"].endswith("but the time on right is that of our own write")


@pytest.mark.parametrize(("wins", "expected"), [("max", "customer"), ("min", "lead")])
def test_ranked_words_decide_a_clash_and_the_first_contact(worlds: Any, wins: str, expected: str) -> None:
    stage = rule("stage", wins=wins, order=("lead", "opportunity", "customer"))
    world = worlds(stage, left={"stage": "lead"}, right={"stage": "customer"})
    world.adopted()
    assert value(world, "stage") == (expected, expected)
    edit(world, "left", stage="opportunity")
    world.run()
    assert value(world, "stage") == ("opportunity", "opportunity")  # no clash: an edit back or forth just travels

    edit(world, "left", stage="customer")
    edit(world, "right", stage="lead")
    world.run()

    assert value(world, "stage") == (expected, expected)
    assert quiet(world)


def test_a_word_outside_the_order_is_held_until_it_is_a_known_one(worlds: Any) -> None:
    stage = rule("stage", wins="max", order=("lead", "customer"))
    world = worlds(stage, left={"stage": "lead"}, right={"stage": "lead"})
    world.adopted()
    edit(world, "left", stage="customer")
    edit(world, "right", stage="churned")

    world.run()
    assert world.held()[0]["fields"]["stage"].endswith("but a value is not in `order`; add it")
    edit(world, "right", stage="lead")
    world.run()

    assert value(world, "stage") == ("customer", "customer")
    assert world.held() == []


def test_first_may_be_ranked_where_wins_asks(worlds: Any) -> None:
    points = rule("points", first="max", type="decimal")
    world = worlds(points, left={"points": "9.5"}, right={"points": "10"})
    world.adopted()

    assert value(world, "points") == (Decimal("10"), "10")


def test_a_field_that_is_only_filled_never_overwrites(worlds: Any) -> None:
    world = worlds(rule("note", fill=True), left={"note": "L", "number": "1"}, right={"note": None})
    world.adopted()
    assert value(world, "note") == ("L", "L")

    edit(world, "left", note="L2")
    edit(world, "right", note="R2")
    assert world.run().state == "done"
    assert value(world, "note") == ("L2", "R2")
    assert quiet(world)

    edit(world, "left", note="")
    world.run()
    assert value(world, "note") == ("R2", "R2")
    assert quiet(world)


def test_an_owned_field_that_is_only_filled_is_filled_on_the_other_side_alone(worlds: Any) -> None:
    world = worlds(rule("note", fill=True, owner="left"), left={"note": None}, right={"note": "R"})
    world.adopted()
    assert value(world, "note") == (None, "R")
    assert quiet(world)

    edit(world, "left", note="L")
    edit(world, "right", note=None)
    world.run()

    assert value(world, "note") == ("L", "L")
    assert quiet(world)


def test_a_system_that_keeps_nothing_is_filled_once_and_not_again(worlds: Any) -> None:
    world = worlds(rule("note", fill=True), left={"note": "L"}, right={"note": None})
    quirky = world.right = Quirky(world.right)
    quirky.always = rewriting(lambda fields: fields | {"note": None})
    world.adopted()

    assert value(world, "note") == ("L", None)
    assert quiet(world)
    assert quiet(world)
