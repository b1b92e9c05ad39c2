"""Stories of children on bad days: the daemon dies, answers are lost, somebody edits the same list meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Capabilities, Write
from daemon.core.rules import SIDES, Cases, Side
from daemon.engine import failpoints
from tests.engine.household import Household, left, people, phone, right
from tests.engine.quirks import Quirky, away, done_but_lost, lost, refused

WORK, HOME = phone("work", "1"), phone("home", "2")
KINDS = {"work": "1", "home": "2"}


class Killed(BaseException):
    """The daemon dies here."""


@contextmanager
def dying(point: str) -> Iterator[None]:
    def die() -> None:
        raise Killed

    failpoints.arm(point, die)
    try:
        with suppress(Killed):
            yield
    finally:
        failpoints.arm("", die)


def quirky(world: Household, side: Side, **capabilities: Any) -> Quirky:
    """A side of bad days."""
    world.systems[side] = found = Quirky(world.hands(side), **capabilities)
    return found


def married(folder: Path, **more: Any) -> Household:
    world = Household(folder, {"L1": left("Ada", WORK, HOME)}, {"R1": right("Ada", WORK, HOME)}, **more)
    world.adopted()
    return world


@pytest.mark.parametrize("passage", [1, 2, 3, 4])
@pytest.mark.parametrize("point", failpoints.POINTS)
def test_whatever_point_it_dies_at_the_end_is_the_same(tmp_path: Path, point: str, passage: int) -> None:
    world = married(tmp_path)
    world.put("left", "Eve", WORK, HOME)
    world.dial("left", "Ada", phone("work", "9"), phone("car", "3"))
    world.dial("right", "Ada", WORK, HOME, phone("boat", "4"))

    with dying(f"{point}:{passage}"):
        world.run()
    world.close()
    world.open()
    for full in (False, True):
        world.run(full=full)

    assert world.both("Ada") == ({"work": "9", "car": "3", "boat": "4"},) * 2
    assert world.both("Eve") == (KINDS, KINDS)
    assert len(world.right.records("person")) == 2
    intents = [told["seq"] if "seq" in told else told["record"] for told in world.entries("intent")]
    assert len(world.entries("outcome")) == len(intents)
    world.quiet()


@pytest.mark.parametrize("fate", [done_but_lost, lost])
def test_a_lost_answer_is_looked_for_and_no_phone_is_written_twice(tmp_path: Path, fate: Any) -> None:
    world = married(tmp_path)
    system = quirky(world, "right")
    world.dial("left", "Ada", phone("work", "9"), phone("car", "3"))

    system.fates = [fate]
    assert world.run().state == "held"
    for full in (False, True):
        report = world.run(full=full)

    assert report.state == "done"
    assert world.both("Ada") == ({"work": "9", "car": "3"},) * 2
    members = world.right.records("person")["R1"]["calls"]["numbers"]
    assert len(members) == 2
    world.quiet()


def test_the_phones_of_one_person_are_written_in_one_request(tmp_path: Path) -> None:
    world = married(tmp_path)
    system = quirky(world, "right", batch=1)

    world.dial("left", "Ada", phone("work", "5"), phone("home", "6"), *(phone(f"k{n}", str(n)) for n in range(9)))
    world.run()

    assert len(system.writes) == 1
    assert all(write.op == "update" and write.id == "R1" for write in system.writes)
    assert world.both("Ada")[0] == world.both("Ada")[1]
    assert len(world.numbers("right", "Ada")) == 11
    world.quiet()


def test_an_edit_of_another_phone_between_reading_and_writing_is_not_lost(tmp_path: Path) -> None:
    world = married(tmp_path)
    system = quirky(world, "right")
    meanwhile = [lambda: world.dial("right", "Ada", WORK, phone("home", "20"), phone("car", "3"))]

    def edit(write: Write) -> None:
        if meanwhile:
            meanwhile.pop()()

    system.before_write = edit
    world.dial("left", "Ada", phone("work", "9"), HOME)
    world.run()

    assert world.numbers("right", "Ada") == {"work": "9", "home": "20", "car": "3"}
    world.run()
    assert world.both("Ada") == ({"work": "9", "home": "20", "car": "3"},) * 2
    world.quiet()


def test_an_edit_of_the_same_phone_between_reading_and_writing_is_a_clash(tmp_path: Path) -> None:
    world = married(tmp_path)
    system = quirky(world, "right")
    meanwhile = [lambda: world.dial("right", "Ada", phone("work", "8"), HOME)]

    def edit(write: Write) -> None:
        if meanwhile:
            meanwhile.pop()()

    system.before_write = edit
    world.dial("left", "Ada", phone("work", "9"), HOME)

    assert world.run().state == "held"
    assert world.both("Ada") == ({"work": "9", "home": "2"}, {"work": "8", "home": "2"})


def test_a_list_that_is_edited_all_the_time_waits(tmp_path: Path) -> None:
    world = married(tmp_path)
    system = quirky(world, "right")
    system.before_write = lambda _: world.right.edit("person", "R1", {"calls": {"plan": str(len(system.writes))}})
    world.dial("left", "Ada", phone("work", "9"), HOME)

    assert world.run().state == "held"
    ((*_, reason),) = world.children("held")
    assert reason == "stale"
    system.before_write = None
    assert world.run().state == "done"
    assert world.both("Ada")[1] == {"work": "9", "home": "2"}


def test_one_phone_that_the_system_will_not_have_holds_no_other(tmp_path: Path) -> None:
    world = married(tmp_path)
    system = quirky(world, "right")

    def picky(driver: Any, entity: str, write: Write) -> Any:
        numbers = [member["number"] for member in write.fields.get("calls", {}).get("numbers", ())]
        return refused(driver, entity, write) if "bad" in numbers else None

    system.always = picky
    world.dial("left", "Ada", phone("work", "9"), phone("home", "6"), phone("car", "bad"), phone("boat", "7"))

    assert world.run().state == "held"
    assert world.numbers("right", "Ada") == {"work": "9", "home": "6", "boat": "7"}
    assert [told[3] for told in world.children("held")] == ["refused"]
    world.dial("left", "Ada", phone("work", "9"), phone("home", "6"), phone("car", "5"), phone("boat", "7"))
    assert world.run().state == "done"
    world.quiet()


def test_a_system_that_goes_away_between_parents_and_children_postpones_the_run(tmp_path: Path) -> None:
    world = married(tmp_path)
    system = quirky(world, "right")
    world.dial("left", "Ada", phone("work", "9"), HOME)
    system.always = away

    assert world.run().state == "postponed"
    system.always = None
    assert world.run().state == "done"
    assert world.numbers("right", "Ada")["work"] == "9"


def test_a_parent_that_goes_between_the_two_looks_takes_no_children_along(tmp_path: Path) -> None:
    world = married(tmp_path, sync=people(cases=Cases(gone_left="hold")))
    system = quirky(world, "left")
    reads: list[str] = []
    read = system.read

    def reading(entity: str, **how: Any) -> Any:
        reads.append(entity)
        if len(reads) == 2:  # the parents were looked at, now it is the children's turn
            world.left.remove("person", "L1")
        return read(entity, **how)

    system.read = reading  # type: ignore[method-assign]
    report = world.run(full=True)

    assert report.counts.get("delete", 0) == 0
    assert world.numbers("right", "Ada") == KINDS
    assert world.children("held") == []
    world.run(full=True)
    assert (len(world.held()), world.numbers("right", "Ada")) == (1, KINDS)


@pytest.mark.parametrize("side", SIDES)
def test_a_system_whose_records_cannot_be_written_refuses_its_lists_too(tmp_path: Path, side: Side) -> None:
    told: dict[str, Any] = {"hr" if side == "left" else "crm": {"capabilities": {"person": READ_ONLY}}}
    world = Household(tmp_path, {"L1": left("Ada", WORK)}, {"R1": right("Ada", WORK)}, **told)
    world.adopted()
    world.dial("right" if side == "left" else "left", "Ada", phone("work", "9"))

    assert world.run().state == "held"
    assert world.numbers(side, "Ada") == {"work": "1"}


READ_ONLY = Capabilities(find=frozenset({"name"}), writes=frozenset(), processing_window=0.0)


@pytest.mark.parametrize("broken", ["7", [1, 2]])
def test_a_list_that_is_none_fails_the_run_with_its_place(tmp_path: Path, broken: Any) -> None:
    world = married(tmp_path)
    world.left.edit("person", "L1", {"phones": broken})

    report = world.run()

    assert report.state == "failed"
    assert "phones: person L1" in report.problems[0]
    assert world.numbers("right", "Ada") == KINDS
