"""Stories of a store that comes back from a backup, or not at all, beside an audit log that went on."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.rules import Cases, Guards, Limit, Side
from daemon.engine.rollback import take_up
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person

FIELDS = ("email", "phone", "tag")
DELETING = Cases(gone_left="delete", gone_right="delete", gone_and_changed="delete")


def back_up(world: World) -> Path:
    world.close()
    copy = world.folder / "backup.db"
    shutil.copy(world.folder / "store.db", copy)
    world.open()
    return copy


def restore(world: World, copy: Path | None) -> bool:
    """The backup in place of the store, or nothing at all; whether it was noticed."""
    world.close()
    for file in world.folder.glob("store.db*"):
        file.unlink()
    if copy:
        shutil.copy(copy, world.folder / "store.db")
    world.open()
    return take_up(world.store, world.audit)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, left={f"L{n}": person(n) for n in range(1, 6)}, sync=people_sync(cases=DELETING))
    made.adopted()
    yield made
    made.close()


def test_a_store_that_knows_all_that_the_log_knows_is_believed(world: World) -> None:
    copy = back_up(world)
    world.run()

    assert restore(world, copy) is False
    assert world.entries("store.rolled_back") == []
    assert world.run().guards == ()


def test_intents_go_on_above_what_the_log_has_heard(world: World) -> None:
    copy = back_up(world)
    world.left.edit("person", "L1", {"phone": "7"})
    world.run()
    highest = world.audit.last_intent

    assert restore(world, copy) is True
    assert take_up(world.store, world.audit) is False

    (entry,) = world.entries("store.rolled_back")
    assert (entry["known"], entry["testified"]) == (highest - 1, highest)
    assert world.store.flights.last_intent == highest
    world.left.edit("person", "L2", {"phone": "8"})
    world.run()
    world.approve()
    world.run()
    assert world.audit.last_intent == highest + 1


def test_an_old_approval_is_worth_nothing_any_more(world: World) -> None:
    world.left.remove("person", "L1")
    world.sync = replace(world.sync, guards=Guards(deletes=Limit(count=0)))
    assert world.run().guards[0]["kind"] == "deletes"
    world.approve()
    copy = back_up(world)
    world.left.put("person", person(1), "L1")
    world.left.edit("person", "L2", {"phone": "7"})
    world.run()
    world.left.remove("person", "L1")
    restore(world, copy)

    for _ in range(2):
        world.run()
        assert "1" in world.shown("right")
    assert [told["why"] for told in world.held()] == ["gone on left: hold"]


def test_what_was_deleted_meanwhile_waits_and_goes_when_a_person_trusts_again(world: World) -> None:
    copy = back_up(world)
    world.left.edit("person", "L2", {"phone": "7"})
    world.run()
    restore(world, copy)
    world.left.remove("person", "L1")

    assert world.run().state == "held"
    assert "1" in world.shown("right")
    assert world.approve("restored")["approved"] == {"restored": 1}
    assert world.entries("plan.approved")[-1]["approved"] == {"restored": 1}
    assert world.run().state == "done"

    assert "1" not in world.shown("right")
    assert world.run().problems == ()


def test_caution_ends_by_itself_once_nothing_is_held(world: World) -> None:
    copy = back_up(world)
    world.left.edit("person", "L2", {"email": "new@corp.example"})
    world.run()
    restore(world, copy)
    world.left.edit("person", "L2", {"email": "left@corp.example"})

    assert world.run().state == "held"
    assert world.held()[0]["fields"] == {"email": "changed on both sides, wins: ask"}
    assert world.store.sync("people").restored
    world.resolve("L2", "left")
    assert world.run().state == "done"

    assert not world.store.sync("people").restored
    assert world.shown("right")["2"]["email"] == "left@corp.example"


class Wired(World):
    crm: Quirky | None = None

    @property
    def drivers(self) -> dict[Side, object]:
        self.crm = self.crm or Quirky(self.right)
        return {"left": self.left, "right": self.crm}


@pytest.mark.parametrize("fate", [quirks.done_but_lost, quirks.lost])
def test_a_write_that_was_on_its_way_at_the_backup_has_its_end_told_once(tmp_path: Path, fate: quirks.Fate) -> None:
    world = Wired(tmp_path, left={f"L{n}": person(n) for n in range(1, 4)}, sync=people_sync(cases=DELETING))
    world.adopted()
    world.left.put("person", person(7), "L7")
    assert world.crm
    world.crm.fates = [fate]
    world.run()
    copy = back_up(world)
    assert world.run().state == "done"
    world.left.edit("person", "L1", {"phone": "9"})
    world.run()

    restore(world, copy)
    world.run()
    world.approve()
    world.run()

    assert world.run().state == "done", world.held()
    outcomes = Counter(entry.outcome for entry in world.shown_entries() if entry.outcome)
    assert set(outcomes.values()) == {1}
    assert world.store.flights.open() == []
    assert [fields["number"] for fields in world.records("right").values()].count("7") == 1
    world.close()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kept", [True, False], ids=["an old copy", "nothing"])
def test_nothing_is_doubled_deleted_or_lost_by_a_store_from_the_past(tmp_path: Path, seed: int, kept: bool) -> None:
    chance = random.Random(seed)
    world = World(tmp_path, left={f"L{n}": person(n) for n in range(1, 9)}, sync=people_sync(cases=DELETING))
    world.adopted()
    numbers = iter(range(100, 200))

    def live(days: int) -> None:
        for _ in range(days):
            for _ in range(chance.randrange(1, 4)):
                an_event(world, chance, numbers)
            world.run()

    live(4)
    copy = back_up(world)
    live(8)
    unseen = [edit for _ in range(5) if (edit := an_edit(world, chance, f"unseen {chance.random()}"))]
    last = {(side, id, name): value for side, id, name, value in unseen}
    before: dict[Side, set[str]] = {"left": set(world.records("left")), "right": set(world.records("right"))}

    assert restore(world, copy if kept else None)
    untouched = world.records("left"), world.records("right")
    world.run()
    assert (world.records("left"), world.records("right")) == untouched
    for _ in range(3):
        world.approve()
        world.run()

    for side in before:
        shown = Counter(fields["number"] for fields in world.records(side).values())
        assert before[side] <= set(world.records(side)), "somebody was deleted"
        assert set(shown.values()) <= {1}, "somebody was doubled"
    if kept:
        for (side, id, name), value in last.items():
            assert world.records(side)[id][name] == value, "an edit was lost"
    world.close()


def an_event(world: World, chance: random.Random, numbers: Iterator[int]) -> None:
    match chance.choice(["edit", "edit", "edit", "birth", "death"]):
        case "birth":
            side: Side = chance.choice(["left", "right"])
            number = next(numbers)
            world.drivers[side].put("person", person(number))
        case "death":
            side = chance.choice(["left", "right"])
            world.drivers[side].remove("person", chance.choice(sorted(world.records(side))))
        case _:
            an_edit(world, chance, f"{chance.random()}")


def an_edit(world: World, chance: random.Random, value: str) -> tuple[Side, str, str, str]:
    side: Side = chance.choice(["left", "right"])
    id, name = chance.choice(sorted(world.records(side))), chance.choice(FIELDS)
    world.drivers[side].edit("person", id, {name: value})
    return side, id, name, value
