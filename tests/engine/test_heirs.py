"""Stories of records that go on under another id: re-created, or merged into another one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Failed
from daemon.core.rules import Cases, Guards, Limit, Match
from daemon.errors import NoSuch
from tests.engine.world import World, people_sync, person


def world_with(folder: Path, *numbers: int, **cases: Any) -> World:
    guards = Guards(deletes=Limit(), shrink=1.0)
    sync = people_sync(cases=Cases(**({"gone_left": "delete"} | cases)), guards=guards)
    left = {f"L{n}": person(n) for n in numbers}
    right = {f"R{n}": person(n, notes="what only the CRM knows") for n in numbers}
    world = World(folder, left, right, sync=sync)
    world.adopted()
    return world


def recreate(world: World, who: int, id: str, **changed: Any) -> None:
    fields = dict(world.records("left")[f"L{who}"])
    world.left.remove("person", f"L{who}")
    world.left.put("person", fields | changed, id)


@pytest.fixture
def relinking(tmp_path: Path) -> Iterator[World]:
    made = world_with(tmp_path, 1, 2, recreated="relink")
    yield made
    made.close()


@pytest.mark.parametrize("full", [False, True])
def test_a_record_under_another_id_goes_on_with_its_pair(relinking: World, full: bool) -> None:
    recreate(relinking, 1, "L77")

    report = relinking.run(full=full)

    assert report.state == "done"
    assert report.counts.get("relink") == 1
    assert report.counts.get("written", 0) == 0
    assert relinking.records("right")["R1"]["notes"] == "what only the CRM knows"
    assert sorted(relinking.pairs()) == [("L2", "R2", "active", ""), ("L77", "R1", "active", "")]
    assert relinking.run(full=True).counts.get("relink", 0) == 0


def test_what_the_successor_shows_as_before_is_no_edit_and_what_it_shows_otherwise_is_one(relinking: World) -> None:
    relinking.right.edit("person", "R1", {"phone": "edited on right", "tag": "edited on right"})
    recreate(relinking, 1, "L77", phone="1", tag="edited on left", email="new@corp.example")

    report = relinking.run()

    assert report.state == "done", relinking.held()
    assert relinking.records("left")["L77"]["phone"] == "edited on right"
    assert relinking.records("right")["R1"]["email"] == "new@corp.example"
    assert relinking.records("left")["L77"]["tag"] == relinking.records("right")["R1"]["tag"] == "edited on right"
    assert [line["relinks"] for line in report.lines] == [True]
    assert relinking.run(full=True).counts.get("written", 0) == 0


def test_an_edit_on_both_sides_is_a_clash_after_a_change_of_the_id_too(relinking: World) -> None:
    relinking.right.edit("person", "R1", {"phone": "R"})
    recreate(relinking, 1, "L77", phone="L")

    assert relinking.run().state == "held"
    (told,) = relinking.held()
    assert (told["left"], told["reason"]) == ("L77", "conflict")
    relinking.resolve("L77", "left")
    assert relinking.run().state == "done"
    assert relinking.records("right")["R1"]["phone"] == "L"


def test_a_record_that_was_held_as_somebodys_heir_goes_on_once_the_case_says_so(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1)
    recreate(world, 1, "L77")
    assert world.run().state == "held"
    assert len(world.held()) == 2
    world.sync = replace(world.sync, cases=Cases(gone_left="delete", recreated="relink"))

    assert world.run().state == "done"

    assert world.pairs() == [("L77", "R1", "active", "")]
    world.close()


def test_why_does_not_announce_the_delete_that_a_newcomer_holds(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, 2)
    recreate(world, 1, "L77")
    world.run()
    world.left.put("person", person(2), "L78")
    recreate(world, 2, "L79")
    world.run()

    one, several = world.why("R1")["next"], world.why("R2")["next"]
    world.retry("R1")

    assert "changes" not in one
    assert "L77 carries its match key; `held retry` makes L77 its successor" in one["what"]
    assert "changes" not in several
    assert "L78, L79 carry its match key" in several["what"]
    assert world.why("R1")["next"]["what"] == "L77 goes on for its record that is gone"
    world.close()


def test_of_two_newcomers_with_its_key_none_is_taken_for_the_successor(relinking: World) -> None:
    fields = dict(relinking.records("left")["L1"])
    recreate(relinking, 1, "L77")
    relinking.left.put("person", fields, "L78")

    for _ in range(2):
        assert relinking.run().state == "held"

    told = next(told for told in relinking.held() if told["left"] == "L1")
    assert told["why"] == "gone on left, and L77, L78 carry its match key; make the keys differ"
    assert told["remedy"].startswith("bring the records in order")
    assert "R1" in relinking.records("right")


def test_a_match_key_that_a_person_has_to_confirm_makes_no_successor(tmp_path: Path) -> None:
    asking = (Match(("number",)), Match(("email",), "ask"))
    sync = people_sync(cases=Cases(recreated="relink"), match_on=asking)
    world = World(tmp_path, {"L1": person(1)}, {"R1": person(1)}, sync=sync)
    world.adopted()
    recreate(world, 1, "L77", number="77")

    assert world.run().state == "held"

    assert "L77 carries its match key" in next(told["why"] for told in world.held() if told["left"] == "L1")
    world.close()


def test_a_newcomer_that_is_somebody_else_is_treated_for_itself(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, recreated="new")
    recreate(world, 1, "L77")

    assert world.run().state == "done", world.held()

    ((id, fields),) = world.records("right").items()
    assert id != "R1"
    assert "notes" not in fields
    assert ("L77", id, "active", "") in world.pairs()
    world.close()


def test_a_newcomer_that_is_somebody_else_may_stand_beside_a_pair_that_waits(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, recreated="new", gone_left="hold")
    recreate(world, 1, "L77")

    for _ in range(2):
        assert world.run().state == "held"

    assert [(told["left"], told["reason"]) for told in world.held()] == [("L1", "case")]
    assert len(world.records("right")) == 2
    world.close()


def test_a_pair_whose_record_was_merged_goes_on_with_the_survivor(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, 2, new_left="ignore")
    world.left.put("person", person(9, phone="survivor's"), "L9")
    world.run()
    assert ("L9", None, "single", "ignored") in world.pairs()
    world.left.merge("person", "L1", "L9")

    report = world.run()

    assert report.state == "done", world.held()
    assert sorted(world.pairs()) == [("L2", "R2", "active", ""), ("L9", "R1", "active", "")]
    assert world.records("right")["R1"]["phone"] == "survivor's"
    assert world.records("right")["R1"]["notes"] == "what only the CRM knows"
    assert world.run(full=True).counts.get("written", 0) == 0
    world.close()


@pytest.mark.parametrize("full", [False, True])
def test_a_survivor_that_nobody_knew_takes_the_pair_over_instead_of_becoming_new(tmp_path: Path, full: bool) -> None:
    world = world_with(tmp_path, 1)
    world.left.put("person", person(9), "L8")
    world.left.merge("person", "L1", "L8")
    world.left.put("person", person(9), "L9")
    world.left.merge("person", "L8", "L9")

    assert world.run(full=full).state == "done", world.held()

    assert world.pairs() == [("L9", "R1", "active", "")]
    assert set(world.records("right")) == {"R1"}
    world.close()


@pytest.mark.parametrize("case", ["follow", "hold"])
def test_two_pairs_of_merged_records_wait_and_nothing_is_deleted(tmp_path: Path, case: str) -> None:
    world = world_with(tmp_path, 1, 2, merged=case)
    world.left.merge("person", "L1", "L2")

    for full in (False, True):
        assert world.run(full=full).state == "held"
        assert set(world.records("right")) == {"R1", "R2"}

    (told,) = world.held()
    assert told["why"] == "L1 was merged into L2 on left, and L2 <-> R2 and L1 <-> R1 are two pairs"
    assert told["remedy"].endswith("or: tallystick held drop people L1")

    world.right.merge("person", "R1", "R2")
    assert world.run().state == "done"
    assert ("L1", "R1", "retired", "merged") in world.pairs()
    world.close()


def test_a_merge_of_two_pairs_that_is_given_up_leaves_the_record_across(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, 2)
    world.left.merge("person", "L1", "L2")
    world.run()

    assert world.drop("L1")["means"] == "the pair ends; what is there stays"

    assert world.run(full=True).state == "done"
    assert ("L1", "R1", "retired", "merged") in world.pairs()
    assert set(world.records("right")) == {"R1", "R2"}
    assert "joined its record with another one" in world.why("L1")["next"]["what"]
    world.close()


def test_a_merge_that_waits_is_followed_when_a_person_says_so(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, merged="hold")
    world.left.put("person", person(9), "L9")
    world.left.merge("person", "L1", "L9")

    for _ in range(2):
        assert world.run().state == "held"
        assert set(world.records("right")) == {"R1"}
    waits = {told["left"]: told for told in world.held()}
    assert waits["L1"]["why"] == "L1 was merged into L9 on left; `held retry` lets L9 go on for it"
    assert waits["L9"]["why"] == "L1 was merged into it, and waits for a person"

    world.retry("L1")
    assert world.run().state == "done", world.held()
    assert world.pairs() == [("L9", "R1", "active", "")]
    world.close()


def test_a_record_merged_into_one_that_is_gone_too_is_gone(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, 2)
    world.left.merge("person", "L1", "L2")
    world.left.remove("person", "L2")

    assert world.run().state == "done"

    assert world.records("right") == {}
    world.close()


def test_a_survivor_out_of_scope_takes_nothing_over(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, 2)
    scope = replace(world.sync.left, scope=lambda fields, at: fields["tag"] == "a", scope_paths=("tag",))
    world.sync = replace(world.sync, left=scope)
    world.left.put("person", person(9, tag="guest"), "L9")
    world.left.merge("person", "L1", "L9")

    assert world.run().state == "held"

    assert world.held()[0]["why"] == "L1 was merged into L9 on left, which is out of scope"
    assert set(world.records("right")) == {"R1", "R2"}
    world.close()


def test_a_survivor_that_cannot_be_read_takes_nothing_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_with(tmp_path, 1, 2)
    world.left.merge("person", "L1", "L9")
    get = world.left.get

    def broken(entity: str, ids: Any, **how: Any) -> Any:
        yield from ([Failed("L9", "500")] if list(ids) == ["L9"] else get(entity, ids, **how))

    monkeypatch.setattr(world.left, "get", broken)

    assert world.run().state == "held"

    (told,) = world.held()
    assert (told["why"], told["reason"]) == ("L1 was merged into L9 on left, which cannot be read", "unreachable")
    assert set(world.records("right")) == {"R1", "R2"}
    world.close()


def test_an_unmerged_record_waits_for_a_person(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, 2)
    fields = world.records("left")["L1"]
    world.left.merge("person", "L1", "L2")
    world.right.merge("person", "R1", "R2")
    world.run()

    world.left.put("person", fields, "L1")

    assert world.run().state == "held"
    assert world.held()[0]["why"] == "gone on left once, and there again"
    world.close()


def test_a_successor_that_a_person_chose_is_merged_from_what_was_agreed(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1)
    world.right.edit("person", "R1", {"phone": "edited on right"})
    recreate(world, 1, "L77", tag="edited on left")
    assert world.run().state == "held"

    world.retry("L1")
    assert world.run().state == "done", world.held()

    assert world.pairs() == [("L77", "R1", "active", "")]
    assert world.records("left")["L77"]["phone"] == "edited on right"
    assert world.records("right")["R1"]["tag"] == "edited on left"
    world.close()


def test_a_successor_that_was_chosen_and_is_gone_meanwhile_is_none(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, gone_left="hold")
    recreate(world, 1, "L77")
    world.run()
    world.retry("L1")
    world.left.remove("person", "L77")

    assert world.run().state == "held"

    assert [(told["left"], told["why"]) for told in world.held()] == [("L1", "gone on left: hold")]
    world.close()


def test_a_successor_that_found_a_partner_meanwhile_cannot_be_chosen(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, gone_left="hold")
    recreate(world, 1, "L77")
    world.run()
    world.right.put("person", person(9), "R9")
    world.import_pairs(("L77", "R9"))

    with pytest.raises(NoSuch, match="record 'L77' on left does not look for a partner any more"):
        world.retry("L1")
    world.close()


@pytest.mark.parametrize(("merges", "waits"), [(5, False), (6, True)])
def test_a_chain_of_merges_too_long_to_follow_waits_and_deletes_nothing(
    tmp_path: Path, merges: int, waits: bool
) -> None:
    world = world_with(tmp_path, 1)
    world.left.put("person", person(9), f"M{merges}")
    for step in range(1, merges):
        world.left.put("person", person(100 + step), f"M{step}")
    for one, into in [("L1", "M1"), *((f"M{step}", f"M{step + 1}") for step in range(1, merges))]:
        world.left.merge("person", one, into)

    world.run()

    assert set(world.records("right")) == {"R1"} | ({"person-1"} if waits else set())
    assert [told["why"] for told in world.held()] == (
        ["L1 was merged into M1 on left, which cannot be read"] if waits else []
    )
    world.close()


def test_a_survivor_that_nobody_looks_for_waits_with_the_pair_all_the_same(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1, merged="hold", new_left="ignore")
    world.left.put("person", person(9), "L9")
    world.run()
    assert ("L9", None, "single", "ignored") in world.pairs()

    world.left.merge("person", "L1", "L9")
    world.run()

    (told,) = world.held()
    assert told["why"] == "L1 was merged into L9 on left; `held retry` lets L9 go on for it"
    world.retry("L1")
    assert world.run().state == "done"
    assert world.pairs() == [("L9", "R1", "active", "")]
    world.close()


def test_who_moved_house_while_the_partner_was_deleted_is_decided_in_one_run(relinking: World) -> None:
    relinking.left.remove("person", "L1")
    fields = dict(relinking.records("right")["R1"])
    relinking.right.remove("person", "R1")
    relinking.right.put("person", fields, "R77")

    relinking.run(full=True)

    assert relinking.run(full=True).counts.get("written", 0) == 0
    assert relinking.held() == []
