"""Stories of the wrong system behind the right address: nothing is read, nothing is written, and a person is told."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Capabilities, Failed, Health
from daemon.core.rules import Canary, Cases
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, left={f"L{n}": person(n) for n in range(1, 4)})
    made.adopted()
    yield made
    made.close()


class Wired(World):
    """A world whose CRM has bad days."""

    crm: Quirky | None = None

    @property
    def drivers(self) -> Any:
        self.crm = self.crm or Quirky(self.right)
        return {"left": self.left, "right": self.crm}


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wired]:
    made = Wired(tmp_path, left={f"L{n}": person(n) for n in range(1, 4)})
    made.adopted()
    yield made
    made.close()


def with_canary(world: World, **fields: Any) -> None:
    world.sync = replace(world.sync, right=replace(world.sync.right, canary=Canary("canary", fields)), outlook="canary")


def test_another_tenant_behind_the_address_stops_the_run_before_it_reads(world: World) -> None:
    world.right.name = "sandbox"
    world.left.edit("person", "L1", {"phone": "8"})

    report = world.run()

    assert report.state == "held"
    assert report.guards[0] == {
        "kind": "tenant", "count": 0, "allowed": 0, "pairs": 0,
        "field": "crm is not the system that it was: tenant 'crm' is now 'sandbox'",
        "text": "crm is not the system that it was: tenant 'crm' is now 'sandbox': nothing is written",
        "remedy": "correct the system's address; or, if this is right, `tallystick approve people --kind tenant`: then"
        " everything is compared anew",
    }  # fmt: skip
    assert "read_left" not in report.counts
    assert world.plan().guards == report.guards
    assert world.entries("guard.tripped")[-1]["guard"] == "tenant"
    assert "8" not in {fields["phone"] for fields in world.records("right").values()}

    world.right.name = "crm"
    assert world.run().counts["written"] == 1


def test_an_edit_on_the_way_is_not_looked_for_in_a_stranger(wired: Wired) -> None:
    wired.left.put("person", person(7), "L7")
    assert wired.crm
    wired.crm.fates = [quirks.done_but_lost]
    wired.run()
    wired.right.name = "sandbox"

    assert wired.run().guards[0]["kind"] == "tenant"
    assert len(wired.store.flights.open()) == 1
    wired.right.name = "crm"

    assert wired.run().state == "done"
    assert [fields["number"] for fields in wired.records("right").values()].count("7") == 1


def test_an_accepted_tenant_is_met_like_a_new_one(wired: Wired) -> None:
    wired.left.put("person", person(7), "L7")
    assert wired.crm
    wired.crm.fates = [quirks.lost]
    wired.run()
    wired.right.name = "sandbox"
    for id in list(wired.records("right")):
        wired.right.remove("person", id)
    wired.right.put("person", person(2, phone="other"), "R2")

    assert wired.approve("deletes")["approved"] == {}
    answer = wired.approve("tenant")
    report = wired.run()

    assert answer["approved"] == {"tenant": 1}
    assert answer["problems"] == []
    assert wired.entries("tenant.taken_over")[-1]["names"] == {
        "right": {"before": ["crm", None], "after": ["sandbox", None]}
    }
    assert wired.entries("outcome")[-1]["message"] == "another system was taken over before its answer came"
    assert [guard["kind"] for guard in report.guards] == ["adopt"]
    assert report.counts == {"hold": 1, "create": 3, "read_left": 4, "read_right": 1}
    assert len(wired.records("right")) == 1
    wired.approve()
    wired.run()
    assert set(wired.shown("right")) == {"1", "2", "3", "7"}
    assert set(wired.shown("left")) == {"1", "2", "3", "7"}
    assert wired.held()[0]["reason"] == "conflict"


def test_a_database_restored_from_an_old_copy_reverts_nothing_and_deletes_nothing(tmp_path: Path) -> None:
    sync = people_sync(cases=Cases(gone_left="delete", gone_right="hold"))
    world = World(tmp_path, left={f"L{n}": person(n) for n in range(1, 4)}, sync=sync)
    world.right.epoch = "first life"
    world.adopted()
    old = dict(world.records("right"))
    world.left.edit("person", "L1", {"email": "new@corp.example", "phone": "8"})
    world.run()
    for id, fields in old.items():
        world.right.put("person", fields, id)
    world.right.epoch = "second life"

    assert "epoch 'first life' is now 'second life'" in world.run().guards[0]["text"]
    world.approve("tenant")
    report = world.run()

    assert report.state == "held"
    assert "`tallystick approve people --kind restored`" in report.problems[0]
    assert world.held()[0]["fields"].keys() == {"email", "phone"}
    assert world.records("left")["L1"] == person(1, email="new@corp.example", phone="8")

    assert world.approve("restored")["approved"] == {"restored": 1}
    world.run()

    assert world.shown("right")["1"]["email"] == "new@corp.example"  # left wins, as ever
    assert world.held()[0]["fields"].keys() == {"phone"}
    assert world.records("left")["L1"]["phone"] == "8"
    assert len(world.records("right")) == 3
    world.close()


def test_a_name_that_is_told_no_more_is_an_alarm_and_one_that_was_never_told_is_none(tmp_path: Path) -> None:
    world = World(tmp_path, left={"L1": person(1)})
    world.adopted()
    world.right.epoch = "now it tells"
    assert world.run().state == "done"
    world.right.epoch = None

    assert "epoch 'now it tells' is now not told" in world.run().guards[0]["text"]

    world.approve()
    assert world.run().state == "done"
    world.close()


def test_a_system_that_tells_nothing_is_not_asked(tmp_path: Path) -> None:
    caps = Capabilities(precondition=True, find=frozenset({"number"}), batch=50)
    world = World(tmp_path, left={"L1": person(1)}, capabilities={"left": caps, "right": caps})
    world.adopted()
    world.right.name = "sandbox"

    assert world.run().state == "done"
    world.close()


def test_a_system_that_cannot_be_asked_for_its_name_postpones_the_run(wired: Wired) -> None:
    assert wired.crm
    wired.crm.check = lambda: Health(False, "503 try later")
    wired.left.edit("person", "L1", {"phone": "8"})

    report = wired.run()
    wired.crm.down = True
    away = wired.run()

    assert (report.state, away.state) == ("postponed", "postponed")
    assert "crm: 503 try later; it cannot be told whose system answers" in report.problems[0]
    assert "connection refused" in away.problems[0]
    assert "8" not in {fields["phone"] for fields in wired.records("right").values()}


def test_without_its_canary_a_sync_writes_nothing(world: World) -> None:
    with_canary(world, tag="alive")
    world.right.put("person", {"number": "0", "tag": "alive"}, "canary")
    assert world.run().state == "done"
    world.right.remove("person", "canary")
    world.left.edit("person", "L1", {"phone": "8"})

    report = world.run()

    assert report.state == "held"
    assert report.guards[0]["kind"] == "canary"
    assert report.guards[0]["text"] == "the canary canary of crm.person is not there: nothing is written"
    assert "restore the record" in report.guards[0]["remedy"]
    answer = world.approve()
    assert answer["approved"] == {}
    assert answer["problems"][0].startswith("the canary canary of crm.person is not there: nothing is written; look")
    world.right.put("person", {"number": "0", "tag": "other"}, "canary")
    assert "shows another tag" in world.run().guards[0]["text"]
    world.right.put("person", {"number": "0", "tag": "alive"}, "canary")
    assert world.run().counts["written"] == 1


def test_a_canary_that_cannot_be_read_proves_nothing(wired: Wired) -> None:
    with_canary(wired)
    assert wired.crm
    wired.crm.get = lambda entity, ids, **how: iter([Failed(ids[0], "500 broken")])

    assert "cannot be read: 500 broken" in wired.run().guards[0]["text"]


@pytest.mark.parametrize(("shown", "wanted"), [(1, True), ("1", 1), (None, 0), (0, False)])
def test_a_canary_shows_exactly_its_value(world: World, shown: Any, wanted: Any) -> None:
    with_canary(world, tag=wanted)
    world.right.put("person", {"tag": shown}, "canary")

    assert world.run().guards[0]["kind"] == "canary"


def test_a_canary_never_takes_part_whichever_side_it_is_on(world: World) -> None:
    with_canary(world, tag="alive")
    world.right.put("person", person(0, tag="alive"), "canary")

    report = world.run()
    world.right.edit("person", "canary", {"phone": "new"})
    world.run()

    assert report.counts.get("written", 0) == 0
    assert set(world.shown("left")) == {"1", "2", "3"}


def test_a_record_that_becomes_the_canary_ends_its_pair(world: World) -> None:
    world.right.put("person", person(9, tag="alive"), "canary")
    world.run()
    assert "9" in world.shown("left")
    with_canary(world, tag="alive")
    world.run()
    left = next(id for id, fields in world.records("left").items() if fields["number"] == "9")

    world.left.edit("person", left, {"phone": "8"})
    world.run()

    assert world.records("right")["canary"]["phone"] == "1"
