"""Stories of two sides that never agree: after three rounds somebody has to look."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Write
from daemon.core.rules import Match
from daemon.errors import NoSuch
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import HOUR, World, people_sync, person, rule


class Fighting(World):
    """Two systems, each with a will of its own."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, left={"L1": person(1)}, right={"R1": person(1)}, **more)
        self.hr, self.crm = Quirky(self.left), Quirky(self.right)

    @property
    def drivers(self) -> Any:
        return {"left": self.hr, "right": self.crm}

    def writes(self, field: str) -> list[Any]:
        return [w.fields[field] for quirky in (self.hr, self.crm) for w in quirky.writes if field in w.fields]

    def runs(self, times: int) -> None:
        for _ in range(times):
            self.run(full=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Fighting]:
    made = Fighting(tmp_path)
    made.adopted()
    yield made
    made.close()


def automation(driver: Any, id: str, field: str, change: Any) -> Any:
    """What a workflow of the system does as soon as somebody has written the field."""

    def act(write: Write) -> None:
        if field in write.fields:
            driver.edit("person", id, {field: change(write.fields[field])})

    return act


def test_two_workflows_that_undo_each_other_are_stopped_after_three_rounds(world: Fighting) -> None:
    world.hr.after_write = automation(world.left, "L1", "phone", str.lower)
    world.crm.after_write = automation(world.right, "R1", "phone", str.upper)
    world.left.edit("person", "L1", {"phone": "ext abc"})

    world.runs(12)

    assert world.writes("phone").count("EXT ABC") == 3
    assert world.writes("phone").count("ext abc") == 4  # once from another value, then three rounds
    (told,) = world.held()
    assert told["reason"] == "oscillation"
    assert "`phone` on left and `phone` on right" in told["fields"]["phone"]
    assert told["remedy"].startswith("make the mapping or the system agree with itself")


@pytest.mark.parametrize(
    ("left", "right"), [(None, str.upper), (str.lower, str.upper), (str.lower, None), (str.strip, str.upper)]
)
def test_systems_that_rewrite_values_unproven_come_to_rest(world: Fighting, left: Any, right: Any) -> None:
    for quirky, change in ((world.hr, left), (world.crm, right)):
        quirky.read_back = False
        quirky.always = quirks.rewriting(lambda f, c=change: f | {"phone": c(f["phone"])}) if change else None
    world.left.edit("person", "L1", {"phone": "ext abc "})

    world.runs(12)
    before = len(world.hr.writes) + len(world.crm.writes)
    world.runs(2)

    assert before <= 6
    assert len(world.hr.writes) + len(world.crm.writes) == before


def test_an_automation_that_puts_a_field_back_each_time_is_not_fought_for_ever(world: Fighting) -> None:
    world.crm.after_write = automation(world.right, "R1", "name", lambda _: "set by a workflow")
    world.left.edit("person", "L1", {"name": "Ada"})

    world.runs(12)

    assert world.writes("name").count("Ada") == 4  # once from another value, then three rounds
    assert world.held()[0]["reason"] == "oscillation"
    assert world.records("left")["L1"]["name"] == "Ada"


@pytest.fixture
def stuck(world: Fighting) -> Fighting:
    """The workflow sets the name whatever we write; the pair is held."""
    test_an_automation_that_puts_a_field_back_each_time_is_not_fought_for_ever(world)
    return world


def test_other_fields_of_a_held_pair_go_on(stuck: Fighting) -> None:
    stuck.left.edit("person", "L1", {"email": "new@corp.example"})

    stuck.run()

    assert stuck.records("right")["R1"]["email"] == "new@corp.example"
    assert stuck.held()[0]["reason"] == "oscillation"


def test_it_waits_as_long_as_nobody_does_anything(stuck: Fighting) -> None:
    stuck.now += 30 * 24 * HOUR

    stuck.runs(2)

    assert stuck.writes("name").count("Ada") == 4
    assert stuck.held()[0]["reason"] == "oscillation"


def test_a_person_lets_it_go_once_more(stuck: Fighting) -> None:
    stuck.crm.after_write = None
    stuck.retry("L1")

    assert stuck.run().state == "done"

    assert stuck.records("right")["R1"]["name"] == "Ada"
    assert stuck.held() == []


def test_it_heals_by_itself_when_both_sides_agree(stuck: Fighting) -> None:
    stuck.left.edit("person", "L1", {"name": "set by a workflow"})

    assert stuck.run().state == "done"

    assert stuck.held() == []


def test_another_value_is_tried(stuck: Fighting) -> None:
    stuck.crm.after_write = None
    stuck.left.edit("person", "L1", {"name": "Grace"})

    assert stuck.run().state == "done"
    assert stuck.records("right")["R1"]["name"] == "Grace"


def test_a_person_who_gives_it_up_leaves_both_as_they_are(stuck: Fighting) -> None:
    stuck.drop("L1")

    stuck.runs(2)

    assert stuck.held() == []
    assert stuck.records("right")["R1"]["name"] == "set by a workflow"


def test_it_is_no_conflict_that_a_person_could_answer(stuck: Fighting) -> None:
    with pytest.raises(NoSuch, match=r"back and forth 3 times.*then: tallystick held retry people L1"):
        stuck.resolve("L1", "left")


def test_a_restart_does_not_begin_the_count_anew(world: Fighting) -> None:
    world.crm.after_write = lambda write: world.right.edit("person", "R1", {"name": "set by a workflow"})
    world.left.edit("person", "L1", {"name": "Ada"})

    for _ in range(8):
        world.run(full=True)
        world.close()
        world.open()

    assert world.writes("name").count("Ada") == 4


def test_who_switches_a_field_on_and_off_all_day_is_served(world: Fighting) -> None:
    for n in range(12):
        world.left.edit("person", "L1", {"tag": "unused", "name": "on" if n % 2 else "off"})
        assert world.run().state == "done"

    assert world.records("right")["R1"]["name"] == "on"


def test_two_expressions_that_disagree_are_both_named(tmp_path: Path) -> None:
    phone = rule("phone", left="upper(phone)", right="phone", owner="left")
    sync = people_sync(rules=(rule("number", owner="left"), phone), match_on=(Match(("number",)),))
    world = Fighting(tmp_path, sync=sync)
    world.adopted()
    world.crm.after_write = lambda write: world.right.edit(
        "person", "R1", {"phone": str(write.fields["phone"]).lower()}
    )
    world.left.edit("person", "L1", {"phone": "abc"})

    world.runs(8)

    (told,) = world.held()
    assert "`upper(phone)` on left and `phone` on right" in told["fields"]["phone"]
    world.close()


def test_what_was_written_lately_is_forgotten_in_time(world: Fighting) -> None:
    world.left.edit("person", "L1", {"name": "Ada"})
    world.run()
    pair = world.why("L1")["pair"]
    assert set(world.store.turns.of([pair])[pair]) == {"name"}

    world.now += 3 * 24 * HOUR
    world.run()

    assert world.store.turns.of([pair]) == {}
