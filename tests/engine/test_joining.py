"""Stories of conflicts in which a person keeps both values, as one: lists are joined, texts line by line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Capabilities
from daemon.core.joining import joined
from daemon.core.rules import SIDES, Side
from daemon.engine import failpoints
from daemon.errors import TallystickError
from tests.engine.quirks import Quirky, away, done_but_lost, lost, refused
from tests.engine.world import World, people_sync, person, rule


class Notes(World):
    """People with notes, a list of skills and a phone that clash; both sides may misbehave."""

    quirky: dict[Side, Quirky] | None = None

    @property
    def drivers(self) -> Any:
        self.quirky = self.quirky or {"left": Quirky(self.left), "right": Quirky(self.right)}
        return self.quirky


FIELDS = {"note": "first", "skills": ["a"]}
RULES = (*people_sync().rules, rule("note", normalise=["trim"]), rule("skills"))
CLASH = {
    "left": {"note": "first\nfrom left", "skills": ["a", "l"]},
    "right": {"note": "first\nfrom right", "skills": ["a", "r"]},
}
BOTH = {"note": "first\nfrom left\nfrom right", "skills": ["a", "l", "r"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Notes]:
    made = clashing(tmp_path)
    yield made
    made.close()


def clashing(folder: Path, *, versions: bool = True) -> Notes:
    caps = {s: Capabilities(precondition=versions, find=frozenset({"number"})) for s in SIDES}
    people = [{f"{side}1": person(1, **FIELDS)} for side in "LR"]
    world = Notes(folder, *people, sync=people_sync(rules=RULES), capabilities=caps)
    world.adopted()
    for side, fields in CLASH.items():
        world.drivers[side].driver.edit("person", f"{side[0].upper()}1", fields)
    assert world.run().state == "held"
    return world


def shown(world: World) -> list[dict[str, Any]]:
    return [{name: world.records(side)[f"{side[0].upper()}1"][name] for name in FIELDS} for side in SIDES]


def test_both_values_become_one_on_both_sides(world: Notes) -> None:
    world.resolve("L1", "merge")

    assert world.run().state == "done"
    assert shown(world) == [BOTH, BOTH]
    assert world.run(full=True).counts.get("written", 0) == 0
    told = [entry for entry in world.entries("outcome") if "note" in entry["fields"]]
    assert [entry["fields"]["note"]["why"] for entry in told] == ["a person took merge"] * 2


def test_an_edit_after_the_answer_is_asked_about_again(world: Notes) -> None:
    world.resolve("L1", "merge", "note")
    world.left.edit("person", "L1", {"note": "another"})

    assert world.run().state == "held"
    assert [side["note"] for side in shown(world)] == ["another", "first\nfrom right"]


@pytest.mark.parametrize("point", failpoints.POINTS)
@pytest.mark.parametrize("passage", [1, 2])
def test_whoever_dies_between_the_two_writes_leaves_no_value_behind(tmp_path: Path, point: str, passage: int) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    world = clashing(tmp_path)
    world.resolve("L1", "merge")
    failpoints.arm(f"{point}:{passage}", die)
    try:
        world.run()
    except Killed:
        world.close()
        world.open()
    finally:
        failpoints.arm("", die)

    for _ in range(3):
        world.now += 3600
        world.run()

    assert shown(world) == [BOTH, BOTH]
    assert world.held() == []
    world.close()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("versions", [True, False])
@pytest.mark.parametrize("fate", [done_but_lost, lost, away, refused])
def test_a_write_that_comes_to_a_bad_end_is_made_good_with_both_values(
    tmp_path: Path, side: Side, versions: bool, fate: Any
) -> None:
    world = clashing(tmp_path, versions=versions)
    world.resolve("L1", "merge")
    world.drivers[side].fates = [fate]
    for _ in range(3):
        world.now += 86400
        world.run()

    assert shown(world) == [BOTH, BOTH]
    world.close()


@pytest.mark.parametrize(
    ("law", "left", "right", "why"),
    [
        ({"type": "integer"}, 1, 2, "neither two lists nor two texts to join: take left or right"),
        ({}, "text", ["list"], "neither two lists nor two texts"),
        ({"left": "upper(f)", "owner": "left"}, "A", "b", "cannot be written on left"),
    ],
)
def test_what_cannot_be_joined_says_so(law: dict[str, Any], left: Any, right: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        joined(rule("f", **law), left, right)


def test_the_question_names_the_field_and_what_to_take(tmp_path: Path) -> None:
    rules = (*people_sync().rules, rule("zip"), rule("city"), rule("age", type="integer"))
    sync = people_sync(rules=rules, groups={"address": ("zip", "city")})
    world = World(tmp_path, *[{f"{s}1": person(1, zip="1", city="x", age=1)} for s in "LR"], sync=sync)
    world.adopted()
    for n, (side, id) in enumerate((("left", "L1"), ("right", "R1")), 2):
        world.drivers[side].edit("person", id, {"zip": f"{n}", "age": n})  # type: ignore[index]
    world.run()

    with pytest.raises(TallystickError, match=r"zip changes hands with its group address, .*: take left or right"):
        world.resolve("L1", "merge", "zip")
    with pytest.raises(TallystickError, match="age has neither two lists nor two texts to join: take left or right"):
        world.resolve("L1", "merge", "age")
    world.close()
