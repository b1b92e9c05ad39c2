"""Stories of a system that shows everything late: what we made is not gone, what we wrote is not undone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from daemon.core.rules import Cases
from tests.engine.moody import LAG, Character
from tests.engine.played import MoodyWorld
from tests.engine.world import people_sync, person

LATE = Character(lags=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MoodyWorld]:
    """The right shows everything five minutes late; who is gone on either side goes on the other."""
    sync = people_sync(cases=Cases(gone_left="delete", gone_right="delete", gone_and_changed="hold"))
    left = {"L1": person(1), "L2": person(2)}
    made = MoodyWorld(tmp_path, left, {"R1": person(1)}, {"left": Character(), "right": LATE}, sync=sync)
    made.adopted()
    yield made
    made.close()


def test_a_record_we_made_that_does_not_show_yet_is_not_taken_for_deleted(world: MoodyWorld) -> None:
    for _ in range(2):
        report = world.run(full=True)
        assert report.state == "held"
        assert [told["why"] for told in world.held()] == ["the record could not be read"]
        assert set(world.shown("left")) == set(world.shown("right")) == {"1", "2"}

    world.now += LAG
    assert world.run(full=True).state == "done"
    assert world.held() == []
    assert world.run(full=True).counts.get("written", 0) == 0


def test_a_record_we_made_that_never_shows_is_gone_once_it_should_have_shown(world: MoodyWorld) -> None:
    world.right.remove("person", "person-1")
    world.run(full=True)
    assert "2" in world.shown("left")

    world.now += LAG
    world.run(full=True)

    assert set(world.shown("left")) == {"1"}


def test_a_record_that_showed_once_is_believed_when_it_is_gone(world: MoodyWorld) -> None:
    world.now += LAG
    world.run(full=True)
    world.right.remove("person", "R1")
    world.now += LAG

    world.run(full=True)

    assert set(world.shown("left")) == {"2"}


def test_the_old_value_that_still_shows_after_our_write_is_no_edit(world: MoodyWorld) -> None:
    world.now += LAG
    world.run(full=True)
    world.left.edit("person", "L1", {"phone": "new"})
    assert world.run(full=True).counts["written"] == 1

    report = world.run(full=True)

    assert report.counts.get("written", 0) == 0
    assert world.held()[0]["fields"] == {"phone": "what was written does not show yet"}
    assert world.records("left")["L1"]["phone"] == "new"
    world.now += LAG
    assert world.run(full=True).state == "done"
    assert world.records("left")["L1"]["phone"] == world.records("right")["R1"]["phone"] == "new"


def test_an_edit_that_shows_late_over_our_write_is_still_an_edit(world: MoodyWorld) -> None:
    world.now += LAG
    world.run(full=True)
    world.left.edit("person", "L1", {"phone": "new"})
    world.run(full=True)
    world.right.edit("person", "R1", {"phone": "newer"})
    world.now += LAG

    world.run(full=True)

    assert world.records("left")["L1"]["phone"] == world.records("right")["R1"]["phone"] == "newer"


@pytest.mark.parametrize("case", ["hold", "ignore"])
def test_whose_partner_moved_house_before_it_shows_is_not_made_twice(
    tmp_path: Path, case: Literal["hold", "ignore"]
) -> None:
    """The left was given a record that does not show yet, when the one that it came from gets another id."""
    sync = people_sync(cases=Cases(gone_left="hold", gone_right=case, recreated="relink"))
    world = MoodyWorld(tmp_path, {}, {"R1": person(1)}, {"left": LATE, "right": Character()}, sync=sync)
    world.adopted()
    world.right.remove("person", "R1")
    world.right.put("person", person(1), "R77")

    for _ in range(3):
        world.run()
    world.now += LAG
    for _ in range(2):
        world.run()

    assert world.pairs() == [("person-1", "R77", "active", "")]
    assert len(world.records("left")) == len(world.records("right")) == 1
    world.close()
