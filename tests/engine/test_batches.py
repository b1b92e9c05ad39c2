"""Stories of all-or-nothing batches: one bad record fails them all, and is found without the others waiting."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Capabilities, Lost, NotSent, Outcome, Refused, Stale, Write
from daemon.engine.report import Request
from daemon.engine.run import run_sync
from tests.engine.world import World, person

CAPABILITIES = Capabilities(
    precondition=True, find=frozenset({"number"}), batch=8, atomic_batch=True, processing_window=0.0
)  # fmt: skip


class Picky:
    """A system that takes a batch whole or not at all. `bad` says what is wrong with a record of this number."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.bad: dict[str, Outcome] = {}
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)

    def write(self, entity: str, writes: list[Write], **how: Any) -> Iterator[Outcome]:
        self.sizes.append(len(writes))
        shown = self.driver.records(entity)
        numbers = [str(w.fields.get("number") or shown[w.id or ""]["number"]) for w in writes]
        fault = next((self.bad[number] for number in numbers if number in self.bad), None)
        return iter([fault] * len(writes)) if fault else self.driver.write(entity, writes, **how)


class BatchWorld(World):
    """A world whose right side takes batches whole or not at all."""

    def __init__(self, folder: Path, people: int) -> None:
        left = {f"L{n}": person(n) for n in range(people)}
        super().__init__(folder, left=left, right={}, capabilities={"right": CAPABILITIES})
        self.crm = Picky(self.right)

    @property
    def drivers(self) -> Any:
        return {"left": self.left, "right": self.crm}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BatchWorld]:
    made = BatchWorld(tmp_path, 8)
    yield made
    made.close()


def numbers(world: World) -> set[str]:
    return set(world.shown("right"))


def test_a_failed_batch_is_halved_until_the_bad_record_is_alone(world: BatchWorld) -> None:
    world.crm.bad = {"5": Refused("422 phone")}

    report = world.adopted()

    assert numbers(world) == {"0", "1", "2", "3", "4", "6", "7"}
    assert world.crm.sizes == [8, 4, 4, 2, 1, 1, 2]
    (held,) = world.held()
    assert (held["left"], held["reason"], held["why"]) == ("L5", "refused", "422 phone")
    assert (report.counts["written"], report.counts["refused"]) == (7, 1)


def test_every_half_has_intents_of_its_own_and_every_intent_one_outcome(world: BatchWorld) -> None:
    world.crm.bad = {"5": Refused("422 phone")}

    world.adopted()

    told = [entry["result"] for entry in world.entries("outcome")]
    assert len(world.entries("intent")) == len(told) == sum(world.crm.sizes) == 22
    assert (told.count("done"), told.count("refused"), told.count("not_done")) == (7, 1, 14)
    apart = next(entry for entry in world.entries("outcome") if entry["result"] == "not_done")
    assert apart["message"] == "its batch was refused as a whole, it may not be at fault: 422 phone"


def test_two_bad_records_are_both_found(world: BatchWorld) -> None:
    world.crm.bad = {"0": Refused("no"), "7": Refused("never")}

    world.adopted()

    assert numbers(world) == {str(n) for n in range(1, 7)}
    assert {held["left"]: held["why"] for held in world.held()} == {"L0": "no", "L7": "never"}


def test_a_batch_whose_answer_is_lost_is_not_sent_in_halves(world: BatchWorld) -> None:
    world.crm.bad = {"5": Lost("the answer never came")}

    report = world.adopted()

    assert world.crm.sizes == [8]
    assert report.counts["unknown"] == 8


def test_a_batch_that_was_not_sent_is_not_sent_in_halves(world: BatchWorld) -> None:
    world.crm.bad = {"5": NotSent("crm is away")}

    report = world.adopted()

    assert world.crm.sizes == [8]
    assert report.state == "postponed"
    assert report.problems == ("crm is away",)


def test_one_stale_record_does_not_make_its_batch_stale(world: BatchWorld) -> None:
    world.adopted()
    world.crm.sizes.clear()
    for n in range(4):
        world.left.edit("person", f"L{n}", {"email": f"new{n}@corp.example"})
    world.crm.bad = {"2": Stale("somebody edits it all day")}

    world.run()

    assert world.crm.sizes[:5] == [4, 2, 2, 1, 1]
    mails = {number: fields["email"] for number, fields in world.shown("right").items()}
    assert [mails[str(n)] for n in range(4)] == [
        "new0@corp.example",
        "new1@corp.example",
        "p2@corp.example",
        "new3@corp.example",
    ]
    assert [held["left"] for held in world.held()] == ["L2"]


def test_asked_to_stop_the_second_half_is_left_for_the_next_run(world: BatchWorld) -> None:
    world.crm.bad = {"5": Refused("422 phone")}
    world.approve()

    report = run_sync(
        world.sync, world.drivers, world.store, world.audit, clock=lambda: world.now, run_id="s", request=Request(),
        stop=lambda: len(world.crm.sizes) >= 2,
    )  # fmt: skip

    assert report.state == "stopped"
    assert world.crm.sizes == [8, 4]
    world.crm.bad = {}
    world.run()
    assert len(numbers(world)) == 8
    assert len(world.records("right")) == 8


def test_a_batch_that_answers_each_by_itself_is_believed(world: BatchWorld) -> None:
    world.crm.driver._capabilities = {"person": replace(CAPABILITIES, atomic_batch=False)}
    world.crm.bad = {"5": Refused("422 phone")}

    report = world.adopted()

    assert world.crm.sizes == [8]
    assert report.counts["refused"] == 8
