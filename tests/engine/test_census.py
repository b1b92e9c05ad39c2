"""Stories of the look before the first run: who is on both sides, who on one, and who could be several."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.rules import Match
from daemon.engine import people
from tests.engine.world import World, people_sync, person


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    left = {"L1": person(1), "L2": person(2), "L3": person(3), "L4": person(3)}
    right = {"R1": person(1), "R7": person(7), "R8": person(8, email="p2@corp.example")}
    asking = (Match(("number",)), Match(("email",), confirm="ask"))
    made = World(tmp_path, left=left, right=right, sync=people_sync(match_on=asking))
    yield made
    made.close()


def census(world: World) -> dict[str, Any]:
    return people.adopt(
        world.sync, world.drivers, world.store, world.audit, clock=lambda: world.now, run_id="c", actor="uid:1000"
    )


def test_everybody_is_counted_once_and_nothing_is_written(world: World) -> None:
    before = world.records("left"), world.records("right")

    told = census(world)

    assert (told["matched"], told["unmatched_left"], told["unmatched_right"], told["ambiguous"]) == (1, 0, 1, 4)
    assert {(line["left"], line["right"]): line["census"] for line in told["lines"]} == {
        ("L1", "R1"): "matched",
        ("L2", None): "ambiguous",
        ("L3", None): "ambiguous",
        ("L4", None): "ambiguous",
        (None, "R7"): "unmatched_right",
        (None, "R8"): "ambiguous",
    }
    assert (world.records("left"), world.records("right")) == before
    assert world.entries("intent") == []


def test_the_census_says_whether_somebody_has_approved_it(world: World) -> None:
    world.right.remove("person", "R1")
    assert census(world)["adopted"] is False
    assert census(world)["unmatched_left"] == 1

    world.adopted()

    told = census(world)
    assert told["adopted"] is True
    assert {(line["left"], line["census"]) for line in told["lines"]} == {("L3", "ambiguous"), ("L4", "ambiguous")}


def test_a_path_that_matches_nothing_is_told_before_anything_is_approved(world: World) -> None:
    for id in ("R1", "R7", "R8"):
        world.right.edit("person", id, {"phone": None})

    (problem,) = census(world)["problems"]

    assert problem == "phone: `phone` is empty in all 3 records of crm.person; is the path right?"
