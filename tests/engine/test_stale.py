"""Stories of records that change between our reading and our writing: read, merged and written again, then held."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Stale, Write
from daemon.core.rules import Cases
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person


class BusyWorld(World):
    """Users of the right side work while we write there."""

    def __init__(self, folder: Path, **more: Any) -> None:
        people = {"left": {"L1": person(1), "L2": person(2)}, "right": {"R1": person(1), "R2": person(2)}}
        super().__init__(folder, **people, **more)
        self.crm = Quirky(self.right)
        self.typed = count(1)

    @property
    def drivers(self) -> Any:
        return {"left": self.left, "right": self.crm}

    def somebody_types(self, field: str, *, times: int) -> None:
        """Just before each of the next writes to R1."""
        left = iter(range(times))

        def act(write: Write) -> None:
            if write.id == "R1" and "R1" in self.records("right") and next(left, None) is not None:
                self.right.edit("person", "R1", {field: f"typed {next(self.typed)}"})

        self.crm.before_write = act

    def results(self) -> list[str]:
        return [entry["result"] for entry in self.entries("outcome")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BusyWorld]:
    made = BusyWorld(tmp_path)
    made.adopted()
    yield made
    made.close()


def test_a_record_that_is_edited_three_times_is_written_at_the_fourth(world: BusyWorld) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.somebody_types("tag", times=3)

    assert world.run().state == "done"

    assert world.results()[:4] == ["stale", "stale", "stale", "done"]
    assert world.records("right")["R1"] == world.records("left")["L1"]
    assert world.records("left")["L1"]["tag"] == "typed 3"


def test_a_record_that_is_edited_all_the_time_waits_and_stops_nobody(world: BusyWorld) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.left.edit("person", "L2", {"email": "other@corp.example"})
    world.somebody_types("tag", times=1000)

    assert world.run().state == "held"

    assert world.results().count("stale") == 4
    assert world.records("right")["R2"]["email"] == "other@corp.example"
    (told,) = world.held()
    assert (told["reason"], told["why"]) == ("stale", "somebody keeps editing it while it is written")
    world.crm.before_write = None
    assert world.run().state == "done"
    assert world.records("right")["R1"]["email"] == "new@corp.example"


def test_an_edit_of_the_very_field_meanwhile_is_a_clash_and_not_overwritten(world: BusyWorld) -> None:
    world.left.edit("person", "L1", {"phone": "ours"})
    world.somebody_types("phone", times=1)

    assert world.run().state == "held"

    assert world.records("right")["R1"]["phone"] == "typed 1"
    assert world.records("left")["L1"]["phone"] == "ours"
    assert world.held()[0]["reason"] == "conflict"


def test_a_record_that_is_edited_while_it_is_to_be_deleted_stays(world: BusyWorld) -> None:
    world.left.remove("person", "L1")
    world.somebody_types("phone", times=1)

    assert world.run().state == "held"

    assert world.records("right")["R1"]["phone"] == "typed 1"
    assert world.results() == ["stale"]
    (told,) = world.held()
    assert (told["reason"], told["why"]) == ("case", "gone on left: hold")


def test_a_record_that_is_touched_where_no_field_lies_is_deleted_at_the_second_try(world: BusyWorld) -> None:
    world.left.remove("person", "L1")
    world.somebody_types("last_seen", times=1)

    assert world.run().state == "done"

    assert "R1" not in world.records("right")
    assert world.results() == ["stale", "done"]


def test_a_delete_whose_edited_record_shall_go_all_the_same_is_made_again_under_the_new_version(tmp_path: Path) -> None:
    cases = Cases(gone_left="delete", gone_and_changed="delete")
    world = BusyWorld(tmp_path, sync=people_sync(cases=cases))
    world.adopted()
    world.left.remove("person", "L1")
    world.somebody_types("phone", times=2)

    assert world.run().state == "done"

    assert len({write.version for write in world.crm.writes if write.op == "delete"}) == 3
    assert "R1" not in world.records("right")
    world.close()


def test_a_create_that_meets_a_newcomer_is_looked_at_again_by_the_next_run(world: BusyWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.crm.fates = [lambda *_: Stale("412 somebody was faster")]

    assert world.run().state == "held"
    assert world.held()[0]["reason"] == "stale"
    world.right.put("person", person(7), "theirs")
    assert world.run().state == "done"

    assert world.why("L7")["right"] == "theirs"
    assert [write.op for write in world.crm.writes] == ["create"]


def test_a_create_that_was_only_too_early_is_made_by_the_next_run(world: BusyWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.crm.fates = [lambda *_: Stale("412 not now")]

    world.run()
    assert world.run().state == "done"

    assert [fields["number"] for fields in world.records("right").values()].count("7") == 1
    assert len({write.key for write in world.crm.writes}) == 1
