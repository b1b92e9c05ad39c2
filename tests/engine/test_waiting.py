"""Stories of what waits: listed with its remedy, tried again, given up."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Temporary
from daemon.core.model import Pair
from daemon.core.rules import Cases, End, Guards, Match
from daemon.engine.waiting import REMEDIES, remedy
from daemon.errors import Busy, NoSuch, TallystickError
from tests.engine import quirks
from tests.engine.test_found import TwoQuirks
from tests.engine.world import World, people_sync, person, rule


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoQuirks]:
    people = {n: person(n) for n in (1, 2)}
    made = TwoQuirks(
        tmp_path, left={f"L{n}": who for n, who in people.items()}, right={f"R{n}": who for n, who in people.items()}
    )
    made.adopted()
    yield made
    made.close()


def clash(world: World) -> None:
    world.left.edit("person", "L1", {"phone": "L"})
    world.right.edit("person", "R1", {"phone": "R"})
    assert world.run().state == "held"


def test_what_waits_says_what_helps(world: World) -> None:
    clash(world)

    (told,) = world.held()

    assert told["remedy"] == "decide: tallystick conflicts resolve people L1 --take left|right"
    assert world.why("L1")["next"]["remedy"] == told["remedy"]
    assert all("{" not in text.format(sync="s", key="k", file="f") for text in REMEDIES.values())


@pytest.mark.parametrize(
    ("id", "key"), [("it's", "'it'\"'\"'s'"), ("$(reboot)", "'$(reboot)'"), ("-1", "left:-1"), ("a b", "'a b'")]
)
def test_what_helps_can_be_copied_into_a_shell(tmp_path: Path, id: str, key: str) -> None:
    world = TwoQuirks(tmp_path, left={id: person(1)}, right={"R1": person(1)})
    world.adopted()
    world.left.edit("person", id, {"phone": "L"})
    world.right.edit("person", "R1", {"phone": "R"})
    world.run()

    (told,) = world.held()

    world.close()
    assert told["remedy"] == f"decide: tallystick conflicts resolve people {key} --take left|right"


def test_a_conflict_given_up_stays_different_until_somebody_edits_it(world: World) -> None:
    clash(world)

    answer = world.drop("L1")

    assert answer["means"] == "both sides keep what they show until one of them changes"
    assert (answer["was"], answer["fields"]) == ("conflict", ["phone"])
    for _ in range(2):
        report = world.run(full=True)
        assert (report.state, report.counts.get("written", 0)) == ("done", 0)
    assert (world.records("left")["L1"]["phone"], world.records("right")["R1"]["phone"]) == ("L", "R")
    (entry,) = world.entries("held.dropped")
    assert entry["fields"] == {"phone": {"left": "L", "right": "R"}}
    assert (entry["was"], entry["left"], entry["right"], entry["reason"]) == ("conflict", "L1", "R1", "known")

    world.right.edit("person", "R1", {"phone": "R2"})
    world.run()

    assert world.records("left")["L1"]["phone"] == "R2"


def test_the_other_edits_of_a_conflict_given_up_still_travel(tmp_path: Path) -> None:
    rules = (rule("number", owner="left"), rule("phone", wins="ask", hold="record"), rule("tag", wins="right"))
    sync = people_sync(rules=rules, match_on=(Match(("number",)),))
    world = World(tmp_path, left={"L1": person(1)}, right={"R1": person(1)}, sync=sync)
    world.adopted()
    world.left.edit("person", "L1", {"phone": "L", "tag": "edited"})
    world.right.edit("person", "R1", {"phone": "R"})
    world.run()

    world.drop("L1")
    assert world.pairs() == [("L1", "R1", "held", "stale")]
    world.run()

    assert world.records("right")["R1"]["tag"] == "edited"
    assert world.records("right")["R1"]["phone"] == "R"
    assert world.pairs() == [("L1", "R1", "active", "")]
    world.close()


def test_a_value_that_cannot_be_read_is_given_up_until_the_record_changes(tmp_path: Path) -> None:
    rules = (rule("number", owner="left"), rule("age", type="integer", wins="left"))
    sync = people_sync(rules=rules, match_on=(Match(("number",)),))
    people = {"number": "1", "age": 4}
    world = World(tmp_path, left={"L1": people}, right={"R1": people}, sync=sync)
    world.adopted()
    world.left.edit("person", "L1", {"age": "old"})
    assert world.run().state == "held"
    assert world.held()[0]["reason"] == "mapping"

    world.drop("L1")

    assert world.run(full=True).state == "done"
    world.left.edit("person", "L1", {"age": "older"})
    assert world.run().state == "held"
    world.left.edit("person", "L1", {"age": 5})
    assert world.run().state == "done"
    assert world.records("right")["R1"]["age"] == 5
    world.close()


def test_a_refused_change_given_up_is_not_sent_again(world: TwoQuirks) -> None:
    world.crm.fates = [quirks.refused]
    world.left.edit("person", "L1", {"tag": "bad"})
    world.run()
    assert world.held()[0]["remedy"].startswith("correct the value where it is kept")

    assert world.drop("L1")["fields"] == ["tag"]
    world.now += 2 * 86_400
    assert world.run(full=True).counts.get("written", 0) == 0

    assert (world.records("left")["L1"]["tag"], world.records("right")["R1"]["tag"]) == ("bad", "a")
    world.left.edit("person", "L1", {"tag": "good"})
    world.run()
    assert world.records("right")["R1"]["tag"] == "good"


def test_a_lost_record_given_up_ends_its_pair_and_what_is_there_stays(world: World) -> None:
    world.left.remove("person", "L1")
    assert world.run().counts["delete"] == 1  # gone_left: delete
    world.right.remove("person", "R2")
    assert world.run().state == "held"  # gone_right: hold

    answer = world.drop("L2")

    assert answer["means"] == "the pair ends; what is there stays"
    assert world.run(full=True).counts.get("written", 0) == 0
    assert ("L2", "R2", "retired", "gone") in world.pairs()
    world.left.edit("person", "L2", {"tag": "still here"})
    world.run()
    assert sorted(world.records("right")) == []


def test_who_left_the_scope_and_is_given_up_comes_back_with_it(tmp_path: Path) -> None:
    scoped = End("hr", "person", scope=lambda fields, at: fields["tag"] == "a", scope_paths=("tag",))
    sync = people_sync(left=scoped, cases=Cases(out_of_scope_left="hold"))
    world = World(tmp_path, left={"L1": person(1)}, right={"R1": person(1)}, sync=sync)
    world.adopted()
    world.left.edit("person", "L1", {"tag": "b"})
    assert world.run().state == "held"

    world.drop("L1")

    assert world.pairs() == [("L1", "R1", "retired", "scope")]
    world.left.edit("person", "L1", {"tag": "a"})
    world.run()
    assert world.pairs() == [("L1", "R1", "active", "")]
    world.close()


def test_a_record_that_came_back_and_is_given_up_stays_out(world: World) -> None:
    gone = world.records("left")["L1"]
    world.left.remove("person", "L1")
    world.run()
    world.left.put("person", gone, "L1")
    world.run()
    assert world.held()[0]["remedy"] == (
        "the same one: tallystick held retry people L1; another: tallystick held drop people L1"
    )

    world.drop("L1")

    assert world.run(full=True).state == "done"
    assert ("L1", "R1", "retired", "gone") in world.pairs()
    assert sorted(world.records("right")) == ["R2"]


def test_a_successor_given_up_is_a_new_record(tmp_path: Path) -> None:
    sync = people_sync(cases=Cases(gone_left="hold"))
    world = World(tmp_path, left={"L1": person(1)}, right={"R1": person(1)}, sync=sync)
    world.adopted()
    world.left.remove("person", "L1")
    world.left.put("person", person(1), "L9")
    world.run()

    world.drop("R1")
    world.run()

    assert sorted(fields["number"] for fields in world.records("right").values()) == ["1", "1"]
    assert ("L1", "R1", "retired", "gone") in world.pairs()
    world.close()


def test_a_double_given_up_stands_in_nobodys_way(tmp_path: Path) -> None:
    world = World(tmp_path, left={"L1": person(1), "L2": person(1)}, right={"R1": person(1)})
    world.adopted()
    assert {one["reason"] for one in world.held()} == {"ambiguous"}

    assert world.drop("L2")["means"].startswith("it gets no partner until it changes")
    world.run()

    assert world.pairs() == [("L1", "R1", "active", ""), ("L2", None, "single", "dropped")]
    assert world.run(full=True).counts.get("written", 0) == 0
    assert "a person gave it up" in world.why("L2")["next"]["what"]
    assert world.why("L2")["fields"]["number"] == {"left": "1", "left_path": "number"}
    world.left.edit("person", "L2", {"number": "2", "email": "p2@corp.example"})
    world.run()
    assert sorted(world.shown("right")) == ["1", "2"]
    world.close()


def test_a_newcomer_given_up_is_created_when_it_changes_or_paired_with_its_like(tmp_path: Path) -> None:
    sync = people_sync(cases=Cases(new_left="hold"))
    world = World(tmp_path, left={"L1": person(1), "L2": person(2)}, sync=sync)
    world.adopted()
    world.drop("L1")
    world.drop("L2")

    assert world.run(full=True).state == "done"
    world.right.put("person", person(1), "R1")
    world.run()
    assert ("L1", "R1", "active", "") in world.pairs()

    world.left.edit("person", "L2", {"tag": "b"})
    assert world.run().state == "held"
    assert world.held()[0]["why"] == "cases.new_left: hold"
    world.close()


def test_a_proposed_partner_given_up_is_not_proposed_again(tmp_path: Path) -> None:
    sync = people_sync(match_on=(Match(("number",), "ask"),))
    world = World(tmp_path, left={"L1": person(1)}, right={"R1": person(1)}, sync=sync)
    world.run()
    assert world.held()[0]["remedy"] == (
        "right: tallystick approve people --only L1; wrong: tallystick held drop people L1"
    )

    assert world.drop("R1")["means"] == "the two are not the same, and are not matched again"

    world.left.edit("person", "L1", {"tag": "edited"})
    assert world.run(full=True).state == "done"
    assert world.pairs() == [("L1", None, "single", "unlinked"), (None, "R1", "single", "unlinked")]
    assert len(world.records("left")) == len(world.records("right")) == 1
    world.close()


def test_what_cannot_be_given_up_is_said(world: TwoQuirks, tmp_path: Path) -> None:
    with pytest.raises(NoSuch, match="is not held: it is active"):
        world.drop("L1")
    with pytest.raises(NoSuch, match="does not wait: it is active"):
        world.retry("L1")
    clash(world)
    world.right.edit("person", "R1", {"phone": "L"})
    with pytest.raises(NoSuch, match="the next run settles it"):
        world.drop("L1")
    world.left.put("person", person(9), "L9")
    world.crm.always = quirks.lost
    world.run()
    with pytest.raises(Busy, match="its answer was lost"):
        world.drop("L9")


def test_a_record_that_cannot_be_read_now_is_not_given_up(world: TwoQuirks, monkeypatch: pytest.MonkeyPatch) -> None:
    world.left.put("person", person(8), "L8")
    world.left.put("person", person(8), "L9")
    clash(world)
    world.left.remove("person", "L9")
    with pytest.raises(TallystickError, match="'L9' on left is gone; run people and look again"):
        world.drop("L9")
    assert world.why("L9")["unread"] == "'L9' on left is gone; run people and look again"
    world.hr.down = True

    for key in ("L8", "L1"):
        with pytest.raises((TallystickError, Temporary), match="connection refused"):
            world.drop(key)


def test_why_tells_ended_and_lonely_pairs_too(world: World) -> None:
    world.left.put("person", person(1), "L7")
    world.sync = replace(people_sync(), cases=Cases(new_left="ignore", gone_left="retire"), guards=Guards())
    world.left.remove("person", "L2")
    world.run()

    waits, ended = world.why("L7"), world.why("L2")

    assert (waits["state"], waits["reason"], waits["presence"]) == ("held", "ambiguous", {"left": "here"})
    assert "pairs import people" in waits["next"]["remedy"]
    assert (ended["state"], ended["next"]["reason"], ended["presence"]["left"]) == ("retired", "gone", "gone")
    assert ended["next"]["what"].startswith("its record is gone; the pair has ended")


def test_a_listing_shows_every_reason_of_every_sync(world: Any) -> None:
    clash(world)

    assert [one["reason"] for one in world.held()] == ["conflict"]
    assert world.held()[0]["next_try"] == world.held()[0]["attempts"] == 0


def test_a_pair_without_records_is_named_by_its_number() -> None:
    told = remedy("people", Pair(7, None, None, state="held", reason="conflict"))

    assert told == "decide: tallystick conflicts resolve people 7 --take left|right"


def test_who_competes_is_named_on_both_sides_and_only_the_first_few_of_many(tmp_path: Path) -> None:
    left = {f"L{n:02}": person(1) for n in range(12)}
    world = World(tmp_path, left=left, right={"R1": person(1)})
    world.adopted()

    told = {one["left"] or one["right"]: one for one in world.held()}

    assert told["R1"]["candidates"] == {"left": ["L00", "L01", "L02", "L03", "L04"], "right": []}
    assert told["L00"]["candidates"] == {"left": ["L01", "L02", "L03", "L04", "L05"], "right": ["R1"]}
    assert told["L11"]["why"].startswith("its match key belongs to 12 more (L00 L01 L02 L03 L04 on left, R1 on right)")
    world.close()
