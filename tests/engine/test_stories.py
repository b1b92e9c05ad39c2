"""Stories of one sync between two systems, told from outside: what people do, what both sides show afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.rules import Cases, Guards, Limit
from daemon.errors import NoSuch
from tests.engine.world import World, people_sync, person


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, left={f"L{n}": person(n) for n in range(1, 4)}, right={"R1": person(1), "R9": person(9)})
    yield made
    made.close()


def settle(world: World) -> None:
    """After some runs nothing is left to do."""
    report = world.run()
    assert report.counts.get("written", 0) == 0, report.lines


def test_the_first_run_writes_nothing_until_its_plan_is_approved(world: World) -> None:
    before = world.records("left"), world.records("right")

    report = world.run()

    assert report.state == "held"
    assert report.guards[0]["kind"] == "adopt"
    assert "tallystick approve people --kind adopt" in report.guards[0]["remedy"]
    assert (world.records("left"), world.records("right")) == before


def test_an_approved_adoption_matches_and_creates_on_both_sides(world: World) -> None:
    report = world.adopted()

    assert report.state == "done"
    assert report.counts["create"] == 3
    assert report.counts["link"] == 1
    assert world.shown("left") == world.shown("right")
    assert set(world.shown("left")) == {"1", "2", "3", "9"}
    settle(world)


def test_an_edit_on_either_side_travels_to_the_other(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.right.edit("person", "R9", {"phone": "99"})

    report = world.run()

    assert report.counts["written"] == 2
    assert world.records("right")["R1"]["email"] == "new@corp.example"
    assert world.shown("left")["9"]["phone"] == "99"
    settle(world)


def test_edits_of_different_fields_on_both_sides_merge(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"phone": "42"})
    world.right.edit("person", "R1", {"tag": "z"})

    world.run()

    assert world.records("left")["L1"] == world.records("right")["R1"] == person(1, phone="42", tag="z")
    settle(world)


def test_the_same_edit_on_both_sides_is_only_remembered(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"phone": "42"})
    world.right.edit("person", "R1", {"phone": "42"})

    assert world.run().counts.get("written", 0) == 0
    world.right.edit("person", "R1", {"phone": "43"})
    world.run()

    assert world.records("left")["L1"]["phone"] == "43"


def test_a_clash_is_held_explained_and_resolved_while_other_fields_flow(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"phone": "L", "email": "both@corp.example"})
    world.right.edit("person", "R1", {"phone": "R"})

    report = world.run()

    assert report.state == "held"
    assert world.records("right")["R1"]["email"] == "both@corp.example"
    assert world.records("left")["L1"]["phone"] == "L"
    assert world.records("right")["R1"]["phone"] == "R"
    why = world.why("R1")
    assert why["reason"] == "conflict"
    assert why["fields"]["phone"] | {"rule": ""} == why["fields"]["phone"] | {"rule": ""}
    assert (why["fields"]["phone"]["left"], why["fields"]["phone"]["right"]) == ("L", "R")
    assert why["fields"]["phone"]["why"] == "changed on both sides, wins: ask"

    world.resolve("L1", "right")
    assert world.run().state == "done"

    assert world.records("left")["L1"]["phone"] == "R"
    assert world.held() == []
    settle(world)


def test_a_resolution_holds_only_for_the_values_that_were_seen(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"phone": "L"})
    world.right.edit("person", "R1", {"phone": "R"})
    world.run()
    world.resolve("L1", "right")

    world.left.edit("person", "L1", {"phone": "L2"})

    assert world.run().state == "held"
    assert world.records("left")["L1"]["phone"] == "L2"


def test_an_answer_is_used_once(world: World) -> None:
    world.adopted()
    for _ in range(2):
        world.left.edit("person", "L1", {"phone": "1"})
        world.run()
        world.left.edit("person", "L1", {"phone": "L"})
        world.right.edit("person", "R1", {"phone": "R"})
        assert world.run().state == "held"
        world.resolve("L1", "right")
        assert world.run().state == "done"


def test_who_wins_decides_a_clash_only(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"email": "l@corp.example", "tag": "l"})
    world.right.edit("person", "R1", {"email": "r@corp.example", "tag": "r"})

    world.run()

    merged = person(1, email="l@corp.example", tag="r")
    assert world.records("left")["L1"] == world.records("right")["R1"] == merged


def test_an_owned_field_is_put_back(world: World) -> None:
    world.adopted()
    world.right.edit("person", "R1", {"name": "Foreign Hand"})

    world.run()

    assert world.records("right")["R1"]["name"] == "Person 1"
    assert "owner: left" in world.entries("outcome")[-1]["fields"]["name"]["why"]


def test_a_value_that_is_cleared_travels_as_emptiness(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"phone": None})

    world.run()

    assert world.records("right")["R1"]["phone"] is None
    settle(world)


def test_a_record_deleted_on_the_left_goes_on_the_right_and_stays_gone(world: World) -> None:
    world.adopted()
    world.left.remove("person", "L1")

    world.run()

    assert "R1" not in world.records("right")
    settle(world)
    assert "1" not in world.shown("left")


def test_a_record_deleted_on_the_right_is_held_by_its_case(world: World) -> None:
    world.adopted()
    world.right.remove("person", "R1")

    report = world.run()

    assert report.state == "held"
    assert "L1" in world.records("left")
    assert world.held()[0]["why"] == "gone on right: hold"


def test_gone_here_and_changed_there_is_held(world: World) -> None:
    world.adopted()
    world.left.remove("person", "L1")
    world.right.edit("person", "R1", {"phone": "still needed"})

    assert world.run().state == "held"
    assert world.records("right")["R1"]["phone"] == "still needed"


def test_a_mass_delete_is_caught_and_the_rest_flows(tmp_path: Path) -> None:
    many = {f"L{n}": person(n) for n in range(1, 21)}
    sync = people_sync(guards=Guards(deletes=Limit(share=0.05, count=25, floor=3), shrink=1.0))
    world = World(tmp_path, left=many, sync=sync)
    world.adopted()
    for n in range(1, 11):
        world.left.remove("person", f"L{n}")
    world.left.edit("person", "L20", {"phone": "7"})

    report = world.run()

    assert report.state == "held"
    assert report.guards[0]["text"] == "would delete 10 of 20 pairs; 3 are allowed"
    assert len(world.records("right")) == 20
    assert world.shown("right")["20"]["phone"] == "7"

    world.approve("deletes")
    world.run()
    assert len(world.records("right")) == 10
    settle(world)
    world.close()


def test_an_approval_lapses_when_its_line_changes(tmp_path: Path) -> None:
    world = World(
        tmp_path, left={f"L{n}": person(n) for n in range(1, 11)}, sync=people_sync(guards=Guards(shrink=1.0))
    )
    world.adopted()
    for n in range(1, 6):
        world.left.remove("person", f"L{n}")
    world.run()
    world.approve("deletes")
    right = next(id for id, fields in world.records("right").items() if fields["number"] == "1")
    world.right.edit("person", right, {"tag": "somebody works here"})

    world.run()

    assert right in world.records("right")
    assert len(world.records("right")) == 6
    world.close()


def test_a_listing_that_shrank_writes_nothing_at_all(tmp_path: Path) -> None:
    world = World(tmp_path, left={f"L{n}": person(n) for n in range(1, 41)})
    world.adopted()
    for n in range(1, 31):
        world.left.remove("person", f"L{n}")
    world.left.edit("person", "L40", {"phone": "7"})

    report = world.run(full=True)

    assert report.state == "held"
    assert report.guards[0]["text"] == "hr.person lists 10 records after 40: nothing is written"
    assert "tallystick approve people --kind shrink" in report.guards[0]["remedy"]
    assert world.shown("right")["40"]["phone"] == "1"

    world.approve("shrink")
    assert world.run(full=True).guards[0]["kind"] == "deletes"
    world.approve("deletes")
    world.run(full=True)
    assert len(world.records("right")) == 10
    world.close()


def test_two_records_with_one_match_key_are_held_and_nothing_is_created_for_them(tmp_path: Path) -> None:
    left = {"L1": person(1), "L2": person(1), "L3": person(3)}
    world = World(tmp_path, left=left)

    world.adopted()

    assert set(world.shown("right")) == {"3"}
    assert {told["reason"] for told in world.held()} == {"ambiguous"}
    told = {one["left"]: one for one in world.held()}
    assert told["L1"]["why"] == (
        "its match key belongs to 1 more (L2 on left); make the keys differ, or remove the double"
    )
    assert told["L1"]["candidates"] == {"left": ["L2"], "right": []}
    assert told["L2"]["candidates"] == {"left": ["L1"], "right": []}

    world.left.edit("person", "L2", {"number": "2", "email": "p2@corp.example"})
    world.run()
    world.run()
    assert set(world.shown("right")) == {"1", "2", "3"}
    assert world.held() == []
    world.close()


def test_a_newcomer_whose_key_is_taken_is_held(world: World) -> None:
    world.adopted()
    world.left.put("person", person(1, name="Double"), "L77")

    assert world.run().state == "held"
    assert len(world.records("right")) == 4
    (told,) = world.held()
    taken = next(id for id, fields in world.records("right").items() if fields["number"] == "1")
    assert told["candidates"] == {"left": ["L1"], "right": [taken]}
    assert f"(L1 on left, {taken} on right)" in told["why"]
    (line,) = world.plan().lines
    assert line["detail"]["candidates"] == told["candidates"] == world.why("L77")["candidates"]


def test_a_newcomer_finds_the_record_that_was_left_alone_before(tmp_path: Path) -> None:
    world = World(tmp_path, right={"R1": person(1)}, sync=people_sync(cases=Cases(new_right="ignore")))
    world.adopted()
    assert world.records("left") == {}

    world.left.put("person", person(1), "L1")
    world.run()

    assert len(world.records("right")) == 1
    world.right.edit("person", "R1", {"tag": "q"})
    world.run()
    assert world.records("left")["L1"]["tag"] == "q"
    world.close()


def test_a_plan_writes_nowhere(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    runs = world.store.journal.runs()

    report = world.plan()

    assert report.state == "planned"
    assert report.lines[0]["changes"][0]["fields"]["email"]["after"] == "new@corp.example"
    assert world.records("right")["R1"]["email"] == "p1@corp.example"
    assert world.store.journal.runs() == runs


def test_every_write_has_one_intent_and_one_outcome_with_both_values(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.run()

    intents, outcomes = world.entries("intent"), world.entries("outcome")
    assert [e["intent"] for e in intents] == [e["outcome"] for e in outcomes] == list(range(1, 5))
    last = outcomes[-1]
    assert last["fields"]["email"] == {
        "before": "p1@corp.example", "after": "new@corp.example", "why": "changed on left",
    }  # fmt: skip
    assert (last["result"], last["record"], last["op"], last["system"]) == ("done", "R1", "update", "crm")


def test_the_store_holds_no_value_after_a_run(world: World) -> None:
    world.left.edit("person", "L1", {"email": "planted-canary@corp.example", "phone": "planted-canary"})
    world.right.edit("person", "R1", {"phone": "other-canary"})
    world.adopted()
    world.close()

    held = b"".join(path.read_bytes() for path in world.folder.glob("store.db*"))

    assert b"canary" not in held
    world.open()


def test_a_full_comparison_after_a_restart_finds_nothing_to_do(world: World) -> None:
    world.adopted()
    world.close()
    world.open()

    report = world.run(full=True)

    assert report.counts.get("written", 0) == 0
    assert report.state == "done"


def test_approving_one_record_of_a_first_plan_lets_only_that_one_through(world: World) -> None:
    told = world.approve(only="L2")

    report = world.run()

    assert told["approved"] == {"adopt": 1}
    assert report.state == "held"
    assert set(world.shown("right")) == {"1", "2", "9"}
    world.approve()
    assert world.run().state == "done"
    assert world.shown("left") == world.shown("right")


def test_emptiness_on_both_sides_is_agreement_at_first_contact(tmp_path: Path) -> None:
    world = World(tmp_path, left={"L1": person(1, phone=None)}, right={"R1": person(1, phone="")})

    assert world.adopted().state == "done"

    assert world.records("right")["R1"]["phone"] == ""
    world.close()


def test_asking_for_a_record_that_nobody_knows_is_an_error(world: World) -> None:
    world.adopted()

    with pytest.raises(NoSuch, match="people knows no record 'L9'"):
        world.run(only="L9")
    world.left.put("person", person(5), "L5")
    assert world.run(only="left:L5").counts["create"] == 1


def test_asking_for_a_record_that_needs_nothing_says_so(world: World) -> None:
    world.adopted()
    world.left.edit("person", "L1", {"phone": "7"})

    report = world.run(only="L2")

    assert report.problems == ("nothing is to be done for a record 'L2' of people",)
    assert report.lines == ()
    assert world.records("right")["R1"]["phone"] == "1"
