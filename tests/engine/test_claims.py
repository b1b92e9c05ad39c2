"""Stories of systems that give an id twice."""

from pathlib import Path
from typing import Any

import pytest

from connectors.base import Done, Outcome, Write
from tests.engine.test_found import TwoQuirks
from tests.engine.world import person


def reusing(driver: Any, entity: str, write: Write) -> Outcome | None:
    """A system that gives the next record the id of the one that was deleted last."""
    if write.op != "create":
        return None
    driver.put(entity, write.fields, "R2")
    (record,) = driver.get(entity, ["R2"])
    return Done("R2", record.version, record)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = TwoQuirks(
        tmp_path, left={f"L{n}": person(n) for n in (1, 2)}, right={f"R{n}": person(n) for n in (1, 2)}
    )  # fmt: skip
    made.adopted()
    made.crm.always = reusing
    yield made
    made.close()


@pytest.mark.parametrize("together", [True, False])
def test_an_id_that_is_given_again_belongs_to_the_new_pair(world: TwoQuirks, together: bool) -> None:
    world.left.remove("person", "L2")
    if not together:
        world.run()
    world.left.put("person", person(3), "L3")

    assert world.run().state == "done"

    assert ("L3", "R2", "active", "") in world.pairs()
    assert ("L2", None, "retired", "gone") in world.pairs()
    world.left.edit("person", "L3", {"phone": "9"})
    assert world.run().state == "done"
    assert world.records("right")["R2"]["phone"] == "9"
    assert world.run(full=True).counts.get("written", 0) == 0


def test_a_row_of_which_nothing_is_left_goes(world: TwoQuirks) -> None:
    for number in (2, 3):
        world.left.remove("person", f"L{number}")
        world.run()
        world.left.put("person", person(number + 1), f"L{number + 1}")
        assert world.run().state == "done"

    assert sorted(world.pairs("active")) == [("L1", "R1", "active", ""), ("L4", "R2", "active", "")]


def test_who_was_gone_and_comes_back_after_its_partners_id_was_given_again_is_new(world: TwoQuirks) -> None:
    fields = world.records("left")["L2"]
    world.left.remove("person", "L2")
    world.run()
    world.left.put("person", person(3), "L3")
    world.run()
    world.crm.always = None

    world.left.put("person", fields, "L2")

    assert world.run().state == "done", world.held()
    assert set(world.shown("right")) == {"1", "2", "3"}
