"""Stories in which no record is edited and yet something changes: the calendar, a table, the mapping, the case."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.mapping import Lookup, Place, compile_rule
from daemon.core.rules import Cases
from tests.engine.world import World, people_sync, person, rule

DAY = 86_400.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, left={f"L{n}": person(n) for n in range(1, 4)})
    made.adopted()
    yield made
    made.close()


def test_a_field_that_asks_for_today_moves_with_the_calendar(tmp_path: Path) -> None:
    active = compile_rule("active", left=Place("!end || end >= today()"), right=Place("active"), owner="left")
    sync = people_sync(rules=(rule("number", owner="left"), active), match_on=people_sync().match_on[:1])
    world = World(tmp_path, left={"L1": {"number": "1", "end": "2026-06-01"}}, sync=sync)
    world.now = 1_780_200_000.0  # 2026-05-31
    world.adopted()
    assert world.shown("right")["1"]["active"] is True

    world.now += 2 * DAY
    world.run()

    assert world.shown("right")["1"]["active"] is False
    assert world.run().counts.get("written", 0) == 0
    world.close()


def unit_sync(code: str) -> object:
    table = Lookup("units", {("IT",): code}, by=("department",))
    unit = compile_rule("unit", right=Place("unit"), owner="left", lookup=table)
    sync = people_sync(rules=(rule("number", owner="left"), unit), match_on=people_sync().match_on[:1])
    return replace(sync, outlook=code)


def test_another_table_moves_what_is_looked_up(tmp_path: Path) -> None:
    world = World(tmp_path, left={"L1": {"number": "1", "department": "IT"}}, sync=unit_sync("4711"))  # type: ignore[arg-type]
    world.adopted()
    assert world.shown("right")["1"]["unit"] == "4711"

    world.sync = unit_sync("4712")  # type: ignore[assignment]
    world.run()

    assert world.shown("right")["1"]["unit"] == "4712"
    world.close()


def test_a_word_that_the_table_does_not_know_holds_its_field_until_it_does(tmp_path: Path) -> None:
    world = World(tmp_path, left={"L1": {"number": "1", "department": "IT"}}, sync=unit_sync("4711"))  # type: ignore[arg-type]
    world.adopted()
    world.left.edit("person", "L1", {"department": "Research"})

    assert world.run().state == "held"
    assert "tables/units.csv has no row for this department; add one" in world.held()[0]["fields"]["unit"]

    world.left.edit("person", "L1", {"department": "IT"})
    assert world.run().state == "done"
    world.close()


def test_a_changed_mapping_is_a_plan_and_not_an_edit(world: World) -> None:
    rules = tuple(r if r.name != "phone" else rule("phone", right="mobile", wins="ask") for r in world.sync.rules)
    right = next(id for id, fields in world.records("right").items() if fields["number"] == "1")
    world.right.edit("person", right, {"mobile": "0"})
    world.run()
    world.sync = replace(world.sync, rules=rules, rev="2")
    before = world.records("left"), world.records("right")

    report = world.run()

    assert report.state == "held"
    assert report.guards[0]["kind"] == "adopt"
    assert (world.records("left"), world.records("right")) == before


def test_a_changed_mapping_that_changes_nothing_asks_nobody(world: World) -> None:
    world.sync = replace(world.sync, rev="2")

    report = world.run()

    assert report.state == "done"
    assert report.counts.get("written", 0) == 0
    world.left.edit("person", "L1", {"phone": "8"})
    assert world.run().counts["written"] == 1


def test_changed_match_keys_hold_the_next_plan(world: World) -> None:
    world.left.put("person", person(8), "L8")
    world.sync = replace(world.sync, match_on=world.sync.match_on[:1], fingerprint="2")

    assert world.run().guards[0]["text"] == "changed: 2: 1 decisions wait for approval"
    world.approve()
    world.run()
    assert "8" in world.shown("right")


def test_what_changed_is_named(world: World) -> None:
    world.sync = replace(world.sync, fingerprint="match_on=1;direction=2;the left side=3")
    assert world.run().state == "done"  # nobody has to look at a plan without lines
    world.left.put("person", person(8), "L8")
    world.sync = replace(world.sync, fingerprint="match_on=1;direction=4;the left side=5", rev="2")

    assert world.run().guards[0]["text"] == (
        "changed: direction, the left side, the mapping: 1 decisions wait for approval"
    )


def test_records_that_were_ignored_are_looked_at_when_the_case_changes(tmp_path: Path) -> None:
    world = World(tmp_path, right={"R1": person(1)}, sync=people_sync(cases=Cases(new_right="ignore"), outlook="1"))
    world.adopted()
    world.sync = replace(world.sync, cases=Cases(new_right="create"), outlook="2")

    world.run()

    assert set(world.shown("left")) == {"1"}
    world.close()


def test_somebody_who_was_deleted_and_comes_again_is_a_new_record(world: World) -> None:
    world.left.remove("person", "L1")
    world.run()
    assert "1" not in world.shown("right")

    world.left.put("person", person(1), "L77")
    report = world.run()

    assert report.state == "done", world.held()
    assert "1" in world.shown("right")


def test_a_record_out_of_scope_is_left_alone_and_comes_back(tmp_path: Path) -> None:
    sync = people_sync()
    sync = replace(sync, left=replace(sync.left, scope=lambda fields, at: fields.get("tag") != "out"))
    world = World(tmp_path, left={"L1": person(1), "L2": person(2)}, sync=sync)
    world.adopted()
    world.left.edit("person", "L1", {"tag": "out"})

    assert world.run(full=True).state == "done"
    assert set(world.shown("right")) == {"1", "2"}
    right = next(id for id, fields in world.records("right").items() if fields["number"] == "1")
    world.right.edit("person", right, {"tag": "not ours"})
    world.run()
    assert world.records("left")["L1"]["tag"] == "out"

    world.left.edit("person", "L1", {"tag": "in"})
    world.run()
    assert world.shown("left")["1"]["tag"] == world.shown("right")["1"]["tag"]
    assert len(world.records("right")) == 2
    world.close()


def test_a_record_comes_back_into_scope_by_a_place_that_no_field_shows(tmp_path: Path) -> None:
    sync = people_sync()
    staff = replace(sync.left, scope=lambda fields, _: fields.get("kind") == "staff", scope_paths=("kind",))
    world = World(tmp_path, left={"L1": person(1, kind="staff")}, sync=replace(sync, left=staff))
    world.adopted()
    world.left.edit("person", "L1", {"kind": "guest"})
    world.run()
    assert world.pairs("retired") != []

    world.left.edit("person", "L1", {"kind": "staff"})
    world.run()

    assert world.pairs("retired") == []
    world.close()


def test_an_edit_of_a_record_out_of_scope_stays_out_of_it(tmp_path: Path) -> None:
    sync = people_sync()
    staff = replace(sync, left=replace(sync.left, scope=lambda fields, at: fields["tag"] == "staff"))
    world = World(tmp_path, left={"L1": person(1, tag="staff")}, right={"R1": person(1, tag="staff")}, sync=staff)
    world.adopted()
    world.left.edit("person", "L1", {"tag": "guest"})
    world.run()

    for value in ("outside", "still outside"):
        world.left.edit("person", "L1", {"phone": value})
        assert world.run().counts.get("written", 0) == 0
    assert world.records("right")["R1"] == person(1, tag="staff")

    world.left.edit("person", "L1", {"tag": "staff"})
    world.run()
    assert world.records("right")["R1"]["phone"] == "still outside"
    world.close()


def test_a_deleted_record_that_is_restored_waits_for_a_person(world: World) -> None:
    fields = world.records("left")["L1"]
    world.left.remove("person", "L1")
    world.run()
    world.left.put("person", fields, "L1")

    for _ in range(2):
        assert world.run().state == "held"
        assert "1" not in world.shown("right")
    assert world.held()[0]["why"] == "gone on left once, and there again"

    world.retry("L1")
    assert world.run().state == "done", world.held()
    assert world.shown("left") == world.shown("right")


def test_a_restored_record_that_vanishes_again_is_no_trouble(world: World) -> None:
    fields = world.records("left")["L1"]
    world.left.remove("person", "L1")
    world.run()
    world.left.put("person", fields, "L1")
    world.run()
    world.left.remove("person", "L1")

    assert world.run().state == "done"
    assert world.held() == []


def test_a_restored_record_whose_partner_was_kept_is_merged_when_a_person_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, left={"L1": person(1)}, sync=people_sync(cases=Cases(gone_left="retire")))
    world.adopted()
    world.left.remove("person", "L1")
    world.run()
    right = next(iter(world.records("right")))
    world.right.edit("person", right, {"tag": "meanwhile"})
    world.run()
    world.left.put("person", person(1), "L1")

    for _ in range(2):
        assert world.run().state == "held"
    assert world.records("left")["L1"]["tag"] == "a"
    world.retry("L1")
    assert world.run().state == "done"
    assert world.records("left")["L1"]["tag"] == "meanwhile"
    assert len(world.records("right")) == 1
    world.close()


def test_a_record_that_changed_its_id_is_not_taken_for_a_delete(world: World) -> None:
    right = next(id for id, fields in world.records("right").items() if fields["number"] == "1")
    world.right.edit("person", right, {"notes": "what only the CRM knows"})
    fields = world.records("left")["L1"]
    world.left.remove("person", "L1")
    world.left.put("person", fields, "L77")

    for _ in range(2):
        assert world.run().state == "held"
        assert right in world.records("right")
    assert "L77 carries its match key" in next(told["why"] for told in world.held() if told["left"] == "L1")

    world.retry("L1")
    assert world.run().state == "done", world.held()
    assert world.records("right")[right]["notes"] == "what only the CRM knows"
    assert len(world.records("right")) == 3
    world.left.edit("person", "L77", {"phone": "new"})
    world.run()
    assert world.records("right")[right]["phone"] == "new"


def test_a_delete_goes_on_when_the_newcomer_turns_out_to_be_somebody_else(world: World) -> None:
    world.left.remove("person", "L1")
    world.left.put("person", person(1), "L77")
    world.run()
    world.left.edit("person", "L77", {"number": "77", "email": "p77@corp.example"})

    world.run()
    assert world.run().state == "done", world.held()
    assert set(world.shown("right")) == {"2", "3", "77"}
