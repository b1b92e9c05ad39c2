"""Stories of systems that give an id twice."""

import sqlite3
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Done, Outcome, Write
from daemon.core.rules import Cases
from tests.engine.test_found import TwoQuirks
from tests.engine.world import person


def giving(id: str, driver: Any, entity: str, write: Write) -> Outcome | None:
    """A system that gives a new record the *id* of an old one."""
    if write.op != "create":
        return None
    driver.put(entity, write.fields, id)
    (record,) = driver.get(entity, [id])
    return Done(id, record.version, record)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = TwoQuirks(
        tmp_path, left={f"L{n}": person(n) for n in (1, 2)}, right={f"R{n}": person(n) for n in (1, 2)}
    )  # fmt: skip
    made.adopted()
    made.crm.always = partial(giving, "R2")
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
    world.left.remove("person", "L2")
    world.run()
    world.sync = replace(world.sync, cases=Cases(new_right="ignore"), outlook="2")
    world.right.put("person", person(9), "R9")
    world.run()
    world.right.remove("person", "R9")
    world.run()
    assert (None, "R9", "retired", "gone") in world.pairs()
    world.crm.always = partial(giving, "R9")

    world.left.put("person", person(3), "L3")

    assert world.run().state == "done"
    assert ("L3", "R9", "active", "") in world.pairs()
    assert [pair for pair in world.pairs() if pair[1] == "R9"] == [("L3", "R9", "active", "")]


def test_a_second_claim_on_a_record_whose_pair_goes_on_is_an_error(world: TwoQuirks) -> None:
    world.crm.always = partial(giving, "R1")
    world.left.put("person", person(3), "L3")

    with pytest.raises(sqlite3.IntegrityError):
        world.run()

    world.crm.always = None
    assert world.run().state == "done"  # the probe finds what was made, and that it is somebody else's
    assert set(world.shown("right")) == {"1", "2", "3"}


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
