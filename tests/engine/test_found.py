"""Stories that the state machine and its readers found: each once lost an edit, made a double or crashed a run."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Capabilities, CursorRule, Done, Write
from daemon.core.rules import Guards, Limit, Match, Side
from daemon.engine.finding import find
from daemon.engine.report import Request
from daemon.engine.run import run_sync
from daemon.errors import NoSuch
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.test_bad_days import QuirkyWorld
from tests.engine.world import World, people_sync, person, rule


class TwoQuirks(QuirkyWorld):
    """A world whose both sides can have bad days."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        self.hr = Quirky(self.left)

    @property
    def drivers(self) -> Any:
        return {"left": self.hr, "right": self.crm}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoQuirks]:
    made = TwoQuirks(tmp_path, left={"L1": person(1), "L2": person(2)}, right={"R1": person(1), "R2": person(2)})
    made.adopted()
    yield made
    made.close()


def numbers(world: World, side: Side) -> list[str]:
    return sorted(str(fields["number"]) for fields in world.records(side).values())


def test_an_edit_survives_when_the_other_half_of_the_last_decision_failed(world: TwoQuirks) -> None:
    world.left.edit("person", "L1", {"tag": "first"})
    world.right.edit("person", "R1", {"phone": "9"})
    world.hr.fates = [quirks.away]
    assert world.run().state == "postponed"  # the tag arrived on the right, the phone did not arrive on the left

    world.left.edit("person", "L1", {"tag": "second"})
    world.run()
    world.run()

    assert world.records("left")["L1"] == world.records("right")["R1"] == person(1, tag="second", phone="9")


def test_an_edit_after_a_write_whose_answer_was_lost_is_not_a_clash(world: TwoQuirks) -> None:
    world.left.edit("person", "L1", {"tag": "first"})
    world.crm.fates = [quirks.done_but_lost]
    world.run()

    world.left.edit("person", "L1", {"tag": "second"})
    world.run()
    world.run()

    assert world.records("left")["L1"]["tag"] == world.records("right")["R1"]["tag"] == "second"


def test_an_edit_after_a_create_whose_answer_was_lost_is_not_a_clash(world: TwoQuirks) -> None:
    world.left.put("person", person(7), "L7")
    world.crm.fates = [quirks.done_but_lost]
    world.run()

    world.left.edit("person", "L7", {"tag": "second"})
    world.run()
    world.run()

    assert world.shown("left")["7"]["tag"] == world.shown("right")["7"]["tag"] == "second"


def test_an_edit_of_the_created_record_before_its_probe_is_an_edit(world: TwoQuirks) -> None:
    world.left.put("person", person(7), "L7")
    world.crm.fates = [quirks.done_but_lost]
    world.run()

    (born,) = (id for id, fields in world.records("right").items() if fields["number"] == "7")
    world.right.edit("person", born, {"email": "typed@corp.example"})
    world.run()
    world.run()

    assert world.shown("left")["7"]["email"] == world.shown("right")["7"]["email"] == "typed@corp.example"


def test_newcomers_edited_while_they_are_linked_stay_one_pair(world: TwoQuirks) -> None:
    world.left.put("person", person(7, name="Seven"), "L7")
    world.left.edit("person", "L1", {"email": "moves.the.cursor@corp.example"})
    world.right.put("person", person(7), "R7")
    edits = [{"phone": "2"}]

    def somebody(write: Write) -> None:
        while write.id == "R7" and edits:
            world.right.edit("person", "R7", edits.pop())

    world.crm.before_write = somebody

    world.run()
    world.crm.before_write = None
    world.right.edit("person", "R7", {"tag": "once more"})
    world.run()

    assert numbers(world, "left") == numbers(world, "right") == ["1", "2", "7"]
    assert world.records("right")["R7"]["name"] == "Seven"
    assert world.held()[0]["fields"] == {"phone": "first contact, wins: ask"}


def test_a_record_that_waited_alone_and_is_edited_while_it_is_linked_does_not_crash(tmp_path: Path) -> None:
    world = TwoQuirks(tmp_path, left={"L1": person(1), "L2": person(1)})
    world.adopted()  # two of one number: both are held
    world.left.remove("person", "L2")
    world.right.put("person", person(1, name="Other"), "R1")
    edits = iter([{"tag": "meanwhile"}])
    world.crm.before_write = lambda write: [world.right.edit("person", "R1", edit) for edit in edits]

    world.run()
    world.run()

    assert numbers(world, "left") == numbers(world, "right") == ["1"]
    assert world.records("right")["R1"]["name"] == "Person 1"
    world.close()


def test_a_clash_that_holds_the_whole_record_keeps_its_other_edits(tmp_path: Path) -> None:
    rules = (rule("number", owner="left"), rule("phone", wins="ask", hold="record"), rule("tag", wins="right"))
    sync = people_sync(rules=rules, match_on=(Match(("number",)),))
    world = World(tmp_path, left={"L1": person(1)}, right={"R1": person(1)}, sync=sync)
    world.adopted()
    world.left.edit("person", "L1", {"phone": "L", "tag": "edited"})
    world.right.edit("person", "R1", {"phone": "R"})
    assert world.run().state == "held"
    assert world.records("right")["R1"]["tag"] == "a"
    assert world.held()[0]["reason"] == "conflict"

    world.resolve("L1", "right")
    world.run()

    assert world.records("left")["L1"]["tag"] == world.records("right")["R1"]["tag"] == "edited"
    assert world.records("left")["L1"]["phone"] == world.records("right")["R1"]["phone"] == "R"
    world.close()


def test_two_syncs_at_once_never_write_over_each_others_pairs(tmp_path: Path) -> None:
    world = World(tmp_path, left={"L1": person(1), "L2": person(2)})
    world.adopted()
    (tmp_path / "second").mkdir()
    second = World(tmp_path / "second", left={f"X{n}": person(n) for n in range(5)}, sync=people_sync(name="second"))
    second.close()
    second.store, second.audit, second._runs = world.store, world.audit, count(1000)
    second.approve()
    world.left.put("person", person(3), "L3")
    crm = Quirky(world.right)
    once = iter([second])
    crm.before_write = lambda write: [sync.run() for sync in once]

    drivers = {"left": world.left, "right": crm}
    report = run_sync(
        world.sync, drivers, world.store, world.audit, clock=lambda: world.now, run_id="both", request=Request()
    )  # fmt: skip

    pairs = world.store.pairs
    assert report.problems == ()
    assert pairs.count(world.store.sync("people").id) == {"active": 3}
    assert pairs.count(world.store.sync("second").id) == {"active": 5}
    world.close()


def test_a_pair_key_in_flight_is_not_given_again_after_a_restart(world: TwoQuirks) -> None:
    flight = world.store.flights.plan(world.store.sync("people").id, "r", [{"pair": 900, "side": "right"}])
    world.close()
    world.open()

    assert world.store.pairs.new_keys(1)[0] > 900
    world.store.flights.finish([flight])


def test_a_lost_update_that_never_arrived_is_not_waited_for(world: TwoQuirks) -> None:
    world.left.edit("person", "L1", {"tag": "first"})
    world.crm.fates = [quirks.lost]
    world.run()

    world.left.edit("person", "L1", {"tag": "second"})
    world.run()

    assert world.run().state == "done"
    assert world.records("right")["R1"]["tag"] == "second"


def test_an_id_that_both_systems_use_names_no_pair_by_itself(tmp_path: Path) -> None:
    left, right = {"1": person(1), "2": person(2)}, {"2": person(1), "1": person(2)}
    world = World(tmp_path, left=left, right=right)
    world.adopted()
    for side in ("left", "right"):
        world.drivers[side].edit("person", "1", {"phone": side})
        world.drivers[side].edit("person", "2", {"phone": side})
    world.run()

    with pytest.raises(NoSuch, match="say left:1 or right:1"):
        world.resolve("1", "left")
    told = world.resolve("right:1", "left")
    world.run()

    assert told["pair"] == world.why("left:2")["pair"]
    assert world.records("right")["1"]["phone"] == "left"
    assert world.records("right")["2"]["phone"] == "right"
    world.close()


def test_a_number_of_another_syncs_pair_is_not_found(world: TwoQuirks) -> None:
    with pytest.raises(NoSuch):
        find(people_sync(name="second"), world.store, "1")


def test_deletes_that_only_a_full_comparison_sees_can_be_approved(tmp_path: Path) -> None:
    poor = Capabilities(precondition=True, find=frozenset({"number"}), cursor=CursorRule("number"))
    sync = people_sync(guards=Guards(deletes=Limit(count=1), shrink=1.0))
    left = {f"L{n}": person(n) for n in range(4)}
    world = World(tmp_path, left=left, sync=sync, capabilities={"left": poor, "right": poor})
    world.adopted()
    for id in ("L1", "L2"):
        world.left.remove("person", id)
    assert world.run(full=True).guards[0]["kind"] == "deletes"

    assert world.approve("deletes")["approved"] == {"deletes": 2}
    world.run()

    assert numbers(world, "right") == ["0", "3"]
    world.close()


def test_a_listing_that_rightly_shrank_can_be_approved(tmp_path: Path) -> None:
    world = World(tmp_path, left={f"L{n}": person(n) for n in range(40)})
    world.adopted()
    for n in range(30):
        world.left.remove("person", f"L{n}")
    assert world.run(full=True).guards[0]["kind"] == "shrink"

    world.approve()
    world.run()

    assert len(numbers(world, "right")) == 10
    world.close()


def test_an_answer_to_our_half_done_decision_is_an_edit_not_a_clash(world: TwoQuirks) -> None:
    world.left.edit("person", "L1", {"email": "first@corp.example"})
    world.right.edit("person", "R1", {"phone": "9"})
    world.hr.fates = [quirks.away]
    world.run()

    world.right.edit("person", "R1", {"email": "second@corp.example"})
    world.run()

    assert world.records("left")["L1"]["email"] == world.records("right")["R1"]["email"] == "second@corp.example"


def test_a_loser_that_still_shows_after_an_unproven_write_is_no_new_edit(world: TwoQuirks) -> None:
    world.left.edit("person", "L1", {"email": "winner@corp.example"})
    world.right.edit("person", "R1", {"email": "loser@corp.example"})
    world.crm.read_back = False
    world.run()
    world.right.edit("person", "R1", {"email": "loser@corp.example"})  # what a lagging replica would show

    report = world.run()

    assert report.state == "held"
    assert world.records("left")["L1"]["email"] == "winner@corp.example"


def test_a_value_that_was_not_told_for_a_while_is_no_edit_when_it_returns(tmp_path: Path) -> None:
    rules = (rule("number", owner="left"), rule("phone", left="contact.phone"), rule("tag"))
    sync = people_sync(rules=rules, match_on=(Match(("number",)),))
    left = person(1) | {"contact": {"phone": "1"}}
    world = World(tmp_path, left={"L1": left}, right={"R1": person(1)}, sync=sync)
    world.adopted()
    world.left.put("person", left | {"contact": "see the file", "tag": "x"}, "L1")
    world.run()

    world.left.put("person", left | {"tag": "x"}, "L1")
    world.right.edit("person", "R1", {"phone": "2"})
    report = world.run()

    assert report.state == "done"
    assert world.records("left")["L1"]["contact"] == {"phone": "2"}
    world.close()


def test_an_edit_beside_our_unguarded_write_is_seen_by_the_next_run(tmp_path: Path) -> None:
    poor = Capabilities(find=frozenset({"number"}), cursor=CursorRule("number"))
    world = TwoQuirks(tmp_path, left={"L1": person(1)}, right={"R1": person(1)}, capabilities={"right": poor})
    world.adopted()
    world.left.edit("person", "L1", {"email": "ours@corp.example"})
    edits = iter([{"phone": "theirs"}])
    world.crm.before_write = lambda write: [world.right.edit("person", "R1", edit) for edit in edits]

    world.run()
    world.run(full=True)

    assert world.records("left")["L1"] == person(1, email="ours@corp.example", phone="theirs")
    world.close()


def test_where_the_first_side_refuses_the_second_is_not_written(world: TwoQuirks) -> None:
    world.left.edit("person", "L1", {"email": "bad@corp.example"})
    world.right.edit("person", "R1", {"phone": "9"})
    world.crm.fates = [quirks.refused]

    world.run()

    assert world.hr.writes == []
    assert world.records("left")["L1"]["phone"] == "1"


def test_a_read_back_of_a_later_version_proves_nothing(world: TwoQuirks) -> None:
    def read_back_late(driver: Any, entity: str, write: Write) -> Done:
        (done,) = driver.write(entity, [write])
        driver.edit(entity, write.id, {"phone": "typed meanwhile"})
        return Done(done.id, done.version, quirks.show(driver, entity, done.id))

    world.left.edit("person", "L1", {"phone": "ours"})
    world.crm.fates = [read_back_late]

    world.run()
    world.run()

    assert world.records("left")["L1"]["phone"] == world.records("right")["R1"]["phone"] == "typed meanwhile"


def test_who_comes_under_another_number_with_a_known_address_is_not_created_a_second_time(tmp_path: Path) -> None:
    """The pair that has the address holds its number, too; the first alternative must not take it out of the way."""
    world = World(tmp_path, {"L1": person(1)}, sync=people_sync())
    world.adopted()
    world.left.edit("person", "L1", {"number": "101"})
    world.left.put("person", person(102, email="p1@corp.example"), "L2")

    report = world.run()

    assert report.counts.get("create", 0) == 0
    assert [one["reason"] for one in world.held()] == ["ambiguous"]
    assert len(world.records("right")) == 1
    world.close()
