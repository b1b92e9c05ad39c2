"""Stories of a daemon that dies at a numbered point of a write, and of what the next one makes of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from daemon.core.rules import Cases
from daemon.engine import failpoints
from tests.engine.test_bad_days import QuirkyWorld
from tests.engine.world import World, people_sync, person


class Died(BaseException):
    """The daemon is dead."""


def die() -> NoReturn:
    raise Died


@pytest.fixture
def world(tmp_path: Path) -> Iterator[QuirkyWorld]:
    left = {f"L{n}": person(n) for n in (1, 2)}
    made = QuirkyWorld(tmp_path, left=left, right={"R1": person(1), "R2": person(2)})
    made.adopted()
    yield made
    failpoints.arm("", die)
    made.close()


def die_at(world: World, point: str) -> None:
    """Run until *point* is reached, and start the daemon's memory again."""
    failpoints.arm(point, die)
    with pytest.raises(Died):
        world.run()
    failpoints.arm("", die)
    world.close()
    world.open()


def told(world: World) -> dict[int, list[str]]:
    """The outcomes of each intent that the audit log knows."""
    found: dict[int, list[str]] = {e.intent: [] for e in world.shown_entries() if e.intent is not None}
    for entry in world.shown_entries():
        if entry.outcome is not None:
            found[entry.outcome].append(entry.body["result"])
    return found


NOTHING: list[str] = []
ENDS = {
    "planned": [["done"]],
    "testified": [["cancelled"], ["done"]],
    "sent": [["not_done"], ["done"]],
    "written": [["done"]],
    "settled": [["done"]],
    "outcome": [["done"]],
    "saved": [["done"]],
}
"""What the audit log tells of every intent, one after the other, by the point at which the daemon died."""


@pytest.mark.parametrize("point", failpoints.POINTS)
@pytest.mark.parametrize("op", ["create", "update", "delete"])
def test_wherever_the_daemon_dies_the_write_is_made_once_and_every_intent_is_told_once(
    world: QuirkyWorld, point: str, op: str
) -> None:
    match op:
        case "create":
            world.left.put("person", person(7), "L7")
        case "update":
            world.left.edit("person", "L1", {"email": "new@corp.example"})
        case "delete":
            world.left.remove("person", "L1")

    die_at(world, point)
    world.run()

    assert world.shown("right") == world.shown("left")
    assert list(told(world).values()) == ENDS[point]
    writes = len(world.crm.writes)
    assert world.run(full=True).state == "done"
    assert len(world.crm.writes) == writes == 1


SLOW = {"processing_window": 300.0}


def test_a_newcomer_whose_create_was_on_its_way_is_seen_to_wait(world: QuirkyWorld) -> None:
    world.crm._capabilities = SLOW
    world.left.put("person", person(7), "L7")

    die_at(world, "sent")
    report = world.run()

    (waiting,) = world.held()
    assert report.state == "held"
    assert (waiting["left"], waiting["right"], waiting["reason"]) == ("L7", None, "unknown")
    assert waiting["why"] == "the answer to its create was lost; it is looked for once right cannot be at work on it"
    world.now += 300
    assert world.run().state == "done"
    assert set(world.shown("right")) == {"1", "2", "7"}


def test_a_pair_whose_update_was_on_its_way_is_seen_to_wait(world: QuirkyWorld) -> None:
    world.crm._capabilities = SLOW
    world.left.edit("person", "L1", {"email": "new@corp.example"})

    die_at(world, "sent")
    since = world.now + 60
    for _ in range(3):
        world.run()

    (waiting,) = world.held()
    assert (waiting["left"], waiting["reason"], waiting["since"]) == ("L1", "unknown", since)
    assert waiting["why"] == "the answer to its update was lost; it is looked for once right cannot be at work on it"
    world.now += 300
    assert world.run().state == "done"
    assert world.records("right")["R1"]["email"] == "new@corp.example"


ABANDONED = {
    "planned": [],
    "testified": [["cancelled"]],
    "sent": [["unknown"]],
    "settled": [["done"]],
}


@pytest.mark.parametrize("point", ABANDONED)
def test_a_write_that_was_open_when_another_system_was_accepted_ends_without_asking(
    world: QuirkyWorld, point: str
) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    die_at(world, point)
    world.right.name = "sandbox"

    world.approve("tenant")

    assert list(told(world).values()) == ABANDONED[point]
    assert [entry.get("message") for entry in world.entries("outcome")] == {
        "testified": ["the daemon stopped before it was sent"],
        "sent": ["another system was taken over before its answer came"],
    }.get(point, [None] * len(ABANDONED[point]))


def test_what_dies_twice_is_told_once(tmp_path: Path) -> None:
    world = QuirkyWorld(tmp_path, left={"L1": person(1)}, sync=people_sync(cases=Cases(gone_left="delete")))
    world.approve()
    die_at(world, "settled")
    die_at_telling(world)

    world.run()

    assert list(told(world).values()) == [["done"]]
    failpoints.arm("", die)
    world.close()


def die_at_telling(world: Any) -> None:
    """The next daemon dies when it has told the outcome, and before it has noted so."""
    finish = world.store.flights.finish
    world.store.flights.finish = lambda flights: die() if list(flights) else finish(flights)
    with pytest.raises(Died):
        world.run()
    world.close()
    world.open()
