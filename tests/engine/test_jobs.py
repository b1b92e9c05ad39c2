"""Stories of a system that takes orders and works on them later: asked in every run, never ordered twice."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Done, Lost, Outcome, Pending, Refused, Stale, Temporary, Write
from daemon.core.rules import Cases
from tests.engine.world import World, person


class Slow:
    """Takes orders and does them when `work` is called; `ends` says how instead. A driver around a driver."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.orders: dict[str, Write] = {}
        self.ends: dict[str, Outcome] = {}
        self.down = False
        self.capabilities: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)

    def describe(self, entity: str) -> Any:
        return replace(self.driver.describe(entity), **self.capabilities)

    def write(self, entity: str, writes: Sequence[Write], **how: Any) -> Iterator[Outcome]:
        for write in writes:
            job = f"j{len(self.orders) + 1}"
            self.orders[job] = write
            yield Pending(job)

    def work(self) -> None:
        for job, write in self.orders.items():
            if job not in self.ends:
                (self.ends[job],) = self.driver.write("person", [write])

    def poll(self, entity: str, jobs: Sequence[str]) -> Iterator[Outcome]:
        if self.down:
            raise Temporary("crm: connection refused")
        return iter([self.ends.get(job, Pending(job)) for job in jobs])


class SlowWorld(World):
    """A world whose right side works on orders."""

    def __init__(self, folder: Path) -> None:
        people = {f"{n}": person(n) for n in (1, 2)}
        super().__init__(folder, left=dict(people), right=dict(people))
        self.crm = Slow(self.right)

    @property
    def drivers(self) -> Any:
        return {"left": self.left, "right": self.crm}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SlowWorld]:
    made = SlowWorld(tmp_path)
    made.adopted()
    yield made
    made.close()


def outcomes(world: World) -> list[tuple[str, str]]:
    return [(entry["result"], entry.get("message", "")) for entry in world.entries("outcome")]


def quiet(world: SlowWorld) -> None:
    orders = len(world.crm.orders)
    assert world.run(full=True).state == "done"
    assert len(world.crm.orders) == orders


def test_an_ordered_update_waits_as_what_it_is_and_is_ordered_once(world: SlowWorld) -> None:
    world.left.edit("person", "1", {"email": "new@corp.example"})

    report = world.run()
    for _ in range(3):
        assert world.run(full=True).state == "held"

    assert report.counts["pending"] == 1
    assert "unknown" not in report.counts
    (told,) = world.held()
    assert told["reason"] == "pending"
    assert told["why"] == "the system took the order and works on it (job j1); every run asks how it stands"
    assert list(world.crm.orders) == ["j1"]
    assert outcomes(world) == []


def test_a_job_that_is_done_ends_its_update(world: SlowWorld) -> None:
    world.left.edit("person", "1", {"email": "new@corp.example"})
    world.run()
    world.crm.work()

    assert world.run().state == "done"

    assert outcomes(world) == [("done", "its job is done")]
    assert world.records("right")["1"]["email"] == "new@corp.example"
    quiet(world)


def test_a_job_that_is_done_ends_its_create_with_one_record(world: SlowWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.run()
    world.run()
    world.crm.work()
    world.right.edit("person", "person-1", {"phone": "typed since"})

    world.run()

    assert world.why("L7")["right"] == "person-1"
    assert world.records("left")["L7"]["phone"] == "typed since"
    assert outcomes(world)[0] == ("done", "its job is done")
    quiet(world)
    assert len(world.records("right")) == 3


def test_a_job_that_tells_no_id_is_found_by_probing(world: SlowWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.run()
    world.crm.work()
    world.crm.ends["j1"] = Done("")

    world.run()

    assert world.why("L7")["right"] == "person-1"
    assert outcomes(world) == [("done", "found by probing")]
    quiet(world)


def test_a_record_that_was_removed_before_we_looked_is_not_made_again(world: SlowWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.run()
    world.crm.work()
    world.right.remove("person", "person-1")

    world.run()

    (told,) = world.held()
    assert (told["left"], told["right"], told["reason"], told["why"]) == (
        "L7",
        "person-1",
        "case",
        "gone on right: hold",
    )
    assert list(world.crm.orders) == ["j1"]


def test_a_job_that_is_done_ends_its_delete(world: SlowWorld) -> None:
    world.left.remove("person", "1")
    world.run()
    world.crm.work()

    world.run()

    assert "1" not in world.records("right")
    assert outcomes(world) == [("done", "its job is done")]
    quiet(world)


def test_a_deactivate_by_job_is_ordered_once(world: SlowWorld) -> None:
    world.right._deactivate["person"] = {"active": False}
    world.sync = replace(world.sync, cases=Cases(gone_left="deactivate"))
    world.left.remove("person", "1")
    world.run()
    world.crm.work()

    world.run()

    assert world.records("right")["1"]["active"] is False
    quiet(world)


def test_a_job_that_failed_is_held_with_the_systems_words_and_not_ordered_again(world: SlowWorld) -> None:
    world.left.edit("person", "1", {"email": "new@corp.example"})
    world.run()
    world.crm.ends["j1"] = Refused("email is taken")

    world.run()
    world.run(full=True)

    (told,) = world.held()
    assert (told["reason"], told["why"], told["attempts"]) == ("refused", "email is taken", 1)
    assert list(world.crm.orders) == ["j1"]
    assert outcomes(world) == [("refused", "email is taken")]
    world.left.edit("person", "1", {"email": "better@corp.example"})
    world.run()
    assert list(world.crm.orders) == ["j1", "j2"]


def test_a_create_whose_job_failed_is_held(world: SlowWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.run()
    world.crm.ends["j1"] = Refused("email is taken")

    world.run()
    world.run(full=True)

    (told,) = world.held()
    assert (told["left"], told["reason"], told["why"]) == ("L7", "refused", "email is taken")
    assert list(world.crm.orders) == ["j1"]


def test_a_job_that_met_an_edit_is_merged_again(world: SlowWorld) -> None:
    world.left.edit("person", "1", {"email": "new@corp.example"})
    world.run()
    world.crm.ends["j1"] = Stale("changed since it was read")

    world.run()

    assert list(world.crm.orders) == ["j1", "j2"]
    assert outcomes(world) == [("stale", "changed since it was read")]


def test_a_job_that_the_system_forgot_is_looked_for_once_nobody_can_work_on_it(world: SlowWorld) -> None:
    world.crm.capabilities = {"processing_window": 300.0}
    world.left.put("person", person(7), "L7")
    world.run()
    world.crm.ends["j1"] = Lost("there is no job j1")

    world.run()
    assert world.held()[0]["reason"] == "pending"
    assert list(world.crm.orders) == ["j1"]
    world.now += 300
    world.run()

    assert outcomes(world) == [("not_done", "probing shows that it did not happen")]
    assert list(world.crm.orders) == ["j1", "j2"]


def test_while_the_system_cannot_be_asked_the_order_waits(world: SlowWorld) -> None:
    world.left.edit("person", "1", {"email": "new@corp.example"})
    world.run()
    world.crm.down = True

    report = world.run()

    assert report.problems == ("a write whose answer was lost cannot be checked yet: crm: connection refused",)
    assert world.held()[0]["reason"] == "pending"
    world.crm.down = False
    world.crm.work()
    assert world.run().state == "done"


def test_an_order_survives_a_restart(world: SlowWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.run()
    world.close()
    world.open()
    world.crm.work()

    world.run()

    assert world.why("L7")["right"] == "person-1"
    quiet(world)
