"""Stories of people who say who is who: pairs imported from a table, shown, taken apart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.rules import Cases, End
from daemon.engine.pairing import list_pairs, show_pair
from daemon.errors import Busy, NoSuch
from tests.engine import quirks
from tests.engine.test_found import TwoQuirks
from tests.engine.world import World, people_sync, person


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[World]:
    """Two systems that share no match key."""
    left = {f"L{n}": person(n) for n in (1, 2)}
    right = {f"R{n}": person(n + 50, email=f"old{n}@corp.example", tag="b") for n in (1, 2)}
    made = World(tmp_path, left=left, right=right, sync=people_sync(cases=Cases(new_left="hold", new_right="hold")))
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoQuirks]:
    people = {n: person(n) for n in (1, 2)}
    made = TwoQuirks(
        tmp_path, left={f"L{n}": who for n, who in people.items()}, right={f"R{n}": who for n, who in people.items()}
    )
    made.adopted()
    yield made
    made.close()


def test_an_imported_pair_meets_for_the_first_time_in_the_next_run(strangers: World) -> None:
    answer = strangers.import_pairs(("L1", "R1"), ("L2", "R2"))

    assert answer == {"sync": "people", "imported": 2, "known": 0, "dry_run": False, "faults": []}
    assert strangers.held()[0]["why"] == "imported; the next run compares the two records"
    strangers.adopted()
    assert strangers.records("right")["R1"] == person(1, tag="b")
    assert strangers.records("left")["L1"]["tag"] == "b"
    assert strangers.pairs() == [("L1", "R1", "active", ""), ("L2", "R2", "active", "")]
    assert strangers.run().counts.get("written", 0) == 0
    assert show_pair(strangers.sync, strangers.store, "L1")["born"] == "imported"
    assert strangers.import_pairs(("L1", "R1"))["known"] == 1


def test_an_import_is_testified_with_its_pairs(strangers: World) -> None:
    strangers.import_pairs(("L1", "R1"), ("L2", "R2"))

    (entry,) = strangers.entries("pairs.imported")
    assert entry["pairs"] == [["L1", "R1"], ["L2", "R2"]]
    assert (entry["actor"], entry["reason"], entry["sync"]) == ("uid:1000", "move", "people")


def test_an_import_into_a_running_sync_is_compared_without_a_full_look(strangers: World) -> None:
    strangers.adopted()
    assert [one["reason"] for one in strangers.held()] == ["case"] * 4

    strangers.import_pairs(("L1", "R1"))
    strangers.run()

    assert strangers.records("right")["R1"] == person(1, tag="b")
    assert strangers.pairs("active") == [("L1", "R1", "active", "")]


def test_a_table_with_one_fault_imports_nothing_and_names_every_line(world: World) -> None:
    world.left.put("person", person(7), "L7")
    world.right.put("person", person(8), "R8")

    answer = world.import_pairs(("L1", "R8"), ("L7", "R9"), ("L7", "R8"), ("L2", "R2"))

    assert [(fault["line"], fault["text"]) for fault in answer["faults"]] == [
        (2, "'L1' on left is paired with 'R1'; if that is wrong: tallystick pairs unlink people left:L1"),
        (3, "crm.person has no record 'R9'"),
        (4, "'L7' on left stands in line 3 already"),
        (4, "'R8' on right stands in line 2 already"),
    ]
    assert (answer["imported"], answer["known"]) == (0, 1)
    assert world.pairs() == [("L1", "R1", "active", ""), ("L2", "R2", "active", "")]
    assert world.entries("pairs.imported") == []


def test_a_dry_run_checks_and_imports_nothing(strangers: World) -> None:
    answer = strangers.import_pairs(("L1", "R1"), dry_run=True)

    assert (answer["imported"], answer["dry_run"], answer["faults"]) == (1, True, [])
    assert strangers.pairs() == []
    assert strangers.entries("pairs.imported") == []


def test_who_is_out_of_scope_is_not_imported(tmp_path: Path) -> None:
    scoped = End("hr", "person", scope=lambda fields, at: fields["tag"] == "staff", scope_paths=("tag",))
    world = World(tmp_path, left={"L1": person(1)}, right={"R1": person(1)}, sync=people_sync(left=scoped))

    answer = world.import_pairs(("L1", "R1"))

    assert answer["faults"] == [{"line": 2, "text": "hr.person 'L1' is out of scope"}]
    world.close()


def test_a_record_that_cannot_be_read_is_not_imported(strangers: World) -> None:
    answer = strangers.import_pairs(("gone", "R1"))

    assert answer["faults"] == [{"line": 2, "text": "hr.person has no record 'gone'"}]


def test_records_with_a_write_under_way_are_not_imported(world: TwoQuirks) -> None:
    world.left.put("person", person(7), "L7")
    world.right.put("person", person(8), "R8")
    world.crm.always = quirks.lost
    world.run(only="L7")

    faults = world.import_pairs(("L7", "R8"))["faults"]

    assert faults == [{"line": 2, "text": "a write for 'L7' on left is under way; run the sync and try again"}]


def test_an_ended_pair_gives_its_record_up_and_keeps_the_other_from_being_new(world: World) -> None:
    world.left.remove("person", "L1")
    world.sync = people_sync(cases=Cases(gone_left="retire"))
    world.run()
    assert ("L1", "R1", "retired", "gone") in world.pairs()
    world.left.put("person", person(9), "L9")

    assert world.import_pairs(("L9", "R1"))["imported"] == 1
    world.run()

    assert world.shown("right")["9"] == person(9)
    assert sorted(world.records("right")) == ["R1", "R2"]
    assert world.pairs("active") == [("L2", "R2", "active", ""), ("L9", "R1", "active", "")]
    assert world.pairs("retired", "single") == [("L1", None, "retired", "gone")]


def test_two_ended_pairs_can_be_crossed(world: World) -> None:
    world.sync = people_sync(left=End("hr", "person", scope=lambda fields, at: False, scope_paths=("tag",)))
    for side, id in (("left", "L1"), ("left", "L2")):
        world.left.edit("person", id, {"tag": f"moved {side}"})
    world.run()
    assert {pair[2] for pair in world.pairs()} == {"retired"}
    world.sync = people_sync()

    answer = world.import_pairs(("L1", "R2"), ("L2", "R1"))

    assert answer["faults"] == []
    assert sorted(pair[:3] for pair in world.pairs()) == [("L1", "R2", "held"), ("L2", "R1", "held")]


def test_an_unlinked_pair_is_neither_linked_again_nor_doubled(world: World) -> None:
    answer = world.unlink("L1")

    assert (answer["left"], answer["right"], answer["unlinked"]) == ("L1", "R1", True)
    world.left.edit("person", "L1", {"tag": "edited"})
    world.right.edit("person", "R1", {"tag": "edited too", "email": "p1@corp.example"})
    for _ in range(2):
        assert world.run(full=True).counts.get("written", 0) == 0
    assert world.pairs() == [
        ("L1", None, "single", "unlinked"), ("L2", "R2", "active", ""), (None, "R1", "single", "unlinked"),
    ]  # fmt: skip
    assert world.records("left")["L1"]["tag"] == "edited"
    (entry,) = world.entries("pair.unlinked")
    assert (entry["left"], entry["right"], entry["reason"], entry["born"]) == ("L1", "R1", "two people", "matched")


def test_an_unlinked_record_is_matched_with_somebody_else(world: World) -> None:
    world.unlink("R1")
    world.right.edit("person", "R1", {"number": "51", "email": "other@corp.example"})
    world.right.put("person", person(1, name="The right one"), "R7")

    world.run()

    assert ("L1", "R7", "active", "") in world.pairs()
    assert (None, "R1", "single", "unlinked") in world.pairs()
    assert world.records("right")["R7"]["name"] == "Person 1"


def test_an_unlinked_record_whose_key_a_third_one_carries_waits_for_a_person(world: World) -> None:
    world.unlink("L1")
    world.right.put("person", person(1), "R7")

    assert world.run().state == "held"

    assert {one["reason"] for one in world.held()} == {"ambiguous"}
    assert len(world.records("left")) == 2
    world.drop("right:R7")
    world.run()
    assert world.run().counts.get("written", 0) == 0
    assert ("L1", "R1", "active", "") not in world.pairs()


def test_an_unlinked_record_that_is_retried_is_found_again(world: World) -> None:
    world.unlink("L1")
    assert "a person took it out of its pair" in world.why("L1")["next"]["what"]

    world.retry("L1")
    world.run()

    assert ("L1", "R1", "active", "") in world.pairs()


def test_what_cannot_be_unlinked_is_said(world: TwoQuirks) -> None:
    world.unlink("L1")
    with pytest.raises(NoSuch, match="record 'L1' of people has no partner"):
        world.unlink("L1")
    world.crm.always = quirks.lost
    world.left.edit("person", "L2", {"tag": "x"})
    world.run()
    with pytest.raises(Busy, match="under way"):
        world.unlink("L2")


def test_an_ended_pair_is_not_unlinked(world: World) -> None:
    world.sync = people_sync(cases=Cases(gone_left="retire"))
    world.left.remove("person", "L1")
    world.run()

    with pytest.raises(NoSuch, match=r"has ended already \(gone\)"):
        world.unlink("R1")


def test_pairs_are_listed_in_pages_and_shown_without_values(world: World) -> None:
    first = list_pairs(world.sync, world.store, states=(), after=0, limit=1)
    second = list_pairs(world.sync, world.store, states=("active",), after=first["next"], limit=5)
    shown = show_pair(world.sync, world.store, "R2")

    assert [one["left"] for one in first["pairs"] + second["pairs"]] == ["L1", "L2"]
    assert second["next"] is None
    assert shown["left_half"]["agreed"] == ["email", "name", "number", "phone", "tag"]
    assert shown["right_half"] == shown["left_half"] | {"id": "R2", "version": shown["right_half"]["version"]}
    assert shown["left_half"]["match_keys"] == [1, 2]
    assert (shown["state"], shown["born"], shown["detail"]) == ("active", "matched", {})
    assert "corp.example" not in repr(shown)
    world.unlink("L2")
    assert show_pair(world.sync, world.store, "L2")["right_half"] is None
