"""Stories of a mapping that changes: what both sides mean differs since, and nobody edited anything."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.rules import Cases, Guards, Limit, Rule
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import HOUR, World, people_sync, person, rule

REV = "grade=1;grade.left=1;grade.right=1;phone=1;phone.left=1;phone.right=1"
GRADES = {"A": "junior", "B": "senior"}


def mapped(world: World, new: Rule, *parts: str, **cases: Any) -> None:
    """The rule of one field is another one from now on."""
    rules = tuple(new if known.name == new.name else known for known in world.sync.rules)
    rev = world.sync.rev
    for part in parts:
        rev = rev.replace(f"{part}=1", f"{part}=2")
    world.sync = replace(world.sync, rules=rules, rev=rev, cases=Cases(**cases))


def graded(names: dict[str, str], **more: Any) -> Rule:
    return rule("grade", values=names, **more)


class QuirkyWorld(World):
    """A world with bad days on both sides."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.quirky = {"left": Quirky(self.left), "right": Quirky(self.right)}

    @property
    def drivers(self) -> Mapping[Any, Any]:
        return self.quirky


@pytest.fixture
def world(tmp_path: Path) -> Iterator[QuirkyWorld]:
    rules = (rule("number", owner="left"), graded(GRADES), rule("phone"), rule("tag", wins="right"))
    sync = people_sync(rules=rules, match_on=people_sync().match_on[:1], rev=REV, guards=Guards(updates=Limit()))
    left = {f"L{n}": person(n, grade="A") for n in (1, 2)}
    right = {f"R{n}": person(n, grade="junior") for n in (1, 2)}
    made = QuirkyWorld(tmp_path, left, right, sync=sync)
    made.adopted()
    yield made
    made.close()


NEW = {"A": "entry", "B": "senior", "C": "junior"}


def grades(world: World) -> list[Any]:
    return [fields["grade"] for side in ("left", "right") for fields in world.records(side).values()]  # type: ignore[arg-type]


def test_what_now_means_two_things_is_held_until_a_person_says_whose_it_is(world: World) -> None:
    mapped(world, graded(NEW), "grade")

    for _ in range(3):
        report = world.run()
        assert (report.state, report.counts.get("written", 0)) == ("held", 0)
    told = world.held()[0]
    assert told["fields"] == {"grade": "the mapping changed, cases.mapping_changed: hold"}
    assert told["remedy"] == "decide: tallystick conflicts resolve people L1 --take left|right"

    world.resolve("L1", "left")
    world.resolve("L2", "right")
    assert world.run().state == "done", world.held()
    assert grades(world) == ["A", "C", "entry", "junior"]
    assert world.run(full=True).counts.get("written", 0) == 0


@pytest.mark.parametrize(
    ("case", "after"), [("left", ["A", "A", "entry", "entry"]), ("right", ["C", "C", "junior", "junior"])]
)
def test_the_case_decides_in_a_plan_that_is_approved(world: World, case: str, after: list[str]) -> None:
    mapped(world, graded(NEW), "grade", mapping_changed=case)

    report = world.run()
    assert report.guards[0]["text"] == "changed: the mapping of grade: 2 decisions wait for approval"
    assert grades(world) == ["A", "A", "junior", "junior"]
    (move,) = report.lines[0]["changes"][0]["fields"].values()
    assert move["why"] == f"the mapping changed, cases.mapping_changed: {case}"

    world.approve()
    assert world.run().state == "done"
    assert grades(world) == after
    assert world.run(full=True).counts.get("written", 0) == 0


def test_the_owner_decides_before_the_case(world: World) -> None:
    mapped(world, graded(NEW, owner="left"), "grade", mapping_changed="right")

    world.adopted()

    assert grades(world) == ["A", "A", "entry", "entry"]


def test_a_field_that_lies_elsewhere_shows_no_edit(world: World) -> None:
    world.right.edit("person", "R1", {"mobile": "0170"})
    mapped(world, rule("phone", right="mobile"), "phone.right")

    report = world.run()

    assert (report.state, report.counts.get("written", 0)) == ("held", 0)
    assert [told["fields"] for told in world.held()] == [
        {"phone": "the mapping changed, cases.mapping_changed: hold"}
    ] * 2
    world.run(full=True)
    assert [fields["phone"] for fields in world.records("left").values()] == ["1", "1"]

    world.sync = replace(world.sync, cases=Cases(mapping_changed="left"))
    assert world.run().state == "done"
    assert [fields["mobile"] for fields in world.records("right").values()] == ["1", "1"]
    assert [fields["phone"] for fields in world.records("right").values()] == ["1", "1"]


def test_an_edit_where_nothing_changed_place_still_is_one(world: World) -> None:
    world.right.edit("person", "R1", {"mobile": "0170"})
    world.left.edit("person", "L1", {"phone": "edited"})
    mapped(world, rule("phone", right="mobile"), "phone.right", mapping_changed="right")

    world.adopted()

    assert world.records("right")["R1"]["mobile"] == "edited"
    assert world.records("left")["L1"]["phone"] == "edited"


def test_a_field_that_both_systems_keep_differently_is_left_alone_when_another_one_changes(world: World) -> None:
    world.right.edit("person", "R1", {"phone": "rewritten"})
    world.left.edit("person", "L1", {"phone": "in our own way"})
    world.run()
    world.drop("L1")
    mapped(world, graded(NEW), "grade", mapping_changed="left")

    world.adopted()

    assert (world.records("left")["L1"]["phone"], world.records("right")["R1"]["phone"]) == (
        "in our own way", "rewritten",
    )  # fmt: skip


def test_what_was_settled_by_the_new_mapping_is_edited_like_anything_else(world: World) -> None:
    """Another line keeps the change of the mapping from coming to its end."""
    mapped(world, graded(NEW), "grade", mapping_changed="left")
    world.approve(only="L1")
    world.run()
    assert grades(world) == ["A", "A", "entry", "junior"]

    world.right.edit("person", "R1", {"grade": "junior"})
    world.approve()
    world.run()

    assert grades(world) == ["C", "A", "junior", "entry"]


def test_a_mapping_that_changes_back_has_changed_nothing(world: World) -> None:
    before = world.sync
    mapped(world, graded(NEW), "grade", mapping_changed="left")
    assert world.run().state == "held"

    world.sync = before

    assert world.run().state == "done"
    assert grades(world) == ["A", "A", "junior", "junior"]


def test_a_difference_that_is_given_up_is_not_told_again(world: World) -> None:
    mapped(world, graded(NEW), "grade")
    world.run()

    world.drop("L1")
    world.drop("L2")

    assert world.run(full=True).state == "done"
    world.right.edit("person", "R1", {"grade": "senior"})
    world.run()
    assert grades(world) == ["B", "A", "senior", "junior"]


def test_two_ways_to_be_empty_are_no_difference(world: World) -> None:
    world.left.edit("person", "L1", {"phone": None})
    world.left.edit("person", "L2", {"phone": None})
    world.run()
    world.right.edit("person", "R1", {"mobile": ""})
    world.right.edit("person", "R2", {"mobile": ""})
    mapped(world, rule("phone", right="mobile"), "phone.right")

    assert world.run().state == "done"


def ranked(world: World, rank: str, **cases: Any) -> None:
    """The grade lies elsewhere on the left from now on, where everybody has that *rank*."""
    for id in world.records("left"):
        world.left.edit("person", id, {"rank": rank})
    mapped(world, graded(GRADES, left="rank"), "grade.left", **cases)


def ranks(world: World) -> list[tuple[Any, Any]]:
    both = zip(world.records("left").values(), world.records("right").values(), strict=True)
    return [(left["rank"], right["grade"]) for left, right in both]


def runs(world: World) -> None:
    for full in (False, True, True):
        world.now += 5 * HOUR
        world.run(full=full)


@pytest.mark.parametrize("fate", [quirks.refused, quirks.lost, quirks.done_but_lost])
def test_what_is_held_for_a_changed_mapping_is_no_edit_once_another_field_was_not_written(
    world: QuirkyWorld, fate: Any
) -> None:
    ranked(world, "B")
    world.adopted()

    world.left.edit("person", "L1", {"phone": "9"})
    world.quirky["right"].fates = [fate]
    runs(world)

    assert world.shown("right")["1"]["phone"] == "9"
    assert ranks(world) == [("B", "junior")] * 2
    world.resolve("L1", "left")
    world.run()
    assert ranks(world) == [("B", "senior"), ("B", "junior")]


@pytest.mark.parametrize("fate", [quirks.refused, quirks.lost, quirks.done_but_lost])
def test_what_a_changed_mapping_writes_goes_the_same_way_after_a_bad_day(world: QuirkyWorld, fate: Any) -> None:
    ranked(world, "B", mapping_changed="right")

    world.quirky["left"].fates = [fate]
    world.adopted()
    runs(world)

    assert ranks(world) == [("A", "junior")] * 2


def test_who_comes_back_into_scope_after_a_change_of_the_mapping_has_edited_nothing(world: QuirkyWorld) -> None:
    inside = replace(world.sync.left, scope=lambda fields, _: not fields.get("out"), scope_paths=("out",))
    world.sync = replace(world.sync, left=inside)
    world.left.edit("person", "L1", {"out": True})
    world.run()
    ranked(world, "B", mapping_changed="right")
    world.adopted()
    assert ranks(world) == [("B", "junior"), ("A", "junior")]

    world.left.edit("person", "L1", {"out": False})
    runs(world)

    assert ranks(world) == [("A", "junior")] * 2


def test_a_fight_makes_no_edit_of_what_is_held_for_a_changed_mapping(world: QuirkyWorld) -> None:
    for _ in range(3):
        world.left.edit("person", "L1", {"phone": "9"})
        world.run()
        for side, id in (("left", "L1"), ("right", "R1")):
            world.drivers[side].edit("person", id, {"phone": "1"})  # type: ignore[index]
        world.run()
    ranked(world, "B")
    world.left.edit("person", "L1", {"phone": "9"})
    world.adopted()
    assert {told["reason"] for told in world.held()} == {"oscillation", "conflict"}

    runs(world)

    assert ranks(world) == [("B", "junior")] * 2
