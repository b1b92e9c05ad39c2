"""Stories of records whose time is over by the calendar: pairs end, open again, and the urgent goes first."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.drivers.memory import MemoryDriver
from daemon.core.mapping import question
from daemon.core.rules import Asked, Cases, Ending, Guards, Limit, Match
from tests.engine.quirks import Quirky, done_but_lost, lost
from tests.engine.world import HOUR, World, people_sync, person, rule

DAY = 24 * HOUR
TODAY = "2026-05-28"
"""Of the world's first runs."""


def asked(text: str, side: Any = "left") -> Asked:
    found = question(text)
    return Asked(side, found.holds, found.paths)


def world_of(
    folder: Path, *, do: Any = "deactivate", when: str = "end && end < today()", count: int = 3, **more: Any
) -> World:
    rules = (rule("number", owner="left"), rule("name", owner="left"), rule("active", owner="left"))
    settings: dict[str, Any] = {"cases": Cases(), "ending": Ending(asked(when), do), "calendar": True}
    settings["match_on"] = (Match(("number",)),)
    left = {f"L{n}": person(n, active=True) for n in range(1, count + 1)}
    world = World(folder, left=left, sync=people_sync(rules=rules, **(settings | more)))
    world.right = MemoryDriver({"person": {}}, name="crm", find={"person": ["number"]}, deactivate={"person": OFF})
    return world


OFF = {"active": False, "off": True}


def of(world: World, number: int) -> Any:
    return world.shown("right").get(str(number))


def test_a_record_ends_on_its_day_without_an_edit(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.left.edit("person", "L1", {"end": TODAY})
    world.adopted()
    assert world.run().counts.get("written", 0) == 0

    world.now += DAY
    report = world.run()

    assert report.counts["deactivate"] == 1
    assert report.lines[0]["changes"] == [
        {"side": "right", "op": "deactivate", "why": "ended on left: deactivate", "fields": {}}
    ]
    assert of(world, 1)["off"] is True
    assert "off" not in of(world, 2)
    for _ in range(2):
        world.now += DAY
        assert world.run().counts.get("written", 0) == 0
    assert world.why("L1")["reason"] == "ended"
    world.close()


def test_a_pair_that_ended_asks_its_other_side_nothing_more(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.left.edit("person", "L1", {"end": "2026-01-01"})
    world.left.edit("person", "L2", {"end": "2026-06-01"})
    world.adopted()
    assert set(world.shown("right")) == {"2", "3"}
    world.now += 10 * DAY
    world.run()
    world.now += DAY
    world.run()
    asked_for: list[Any] = []
    quirky = Quirky(world.right)
    quirky.get = lambda entity, ids, **how: asked_for.append(ids) or quirky.driver.get(entity, ids, **how)  # type: ignore[method-assign]
    world.right = quirky  # type: ignore[assignment]

    world.now += DAY
    world.run()

    assert asked_for == []
    world.close()


def test_a_record_that_lives_again_opens_its_pair_and_its_fields_flow(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.left.edit("person", "L1", {"end": TODAY})
    world.adopted()
    world.now += DAY
    world.run()

    world.left.edit("person", "L1", {"end": None, "name": "Back"})
    report = world.run()

    assert (report.lines[0]["kind"], report.lines[0]["reopens"]) == ("update", True)
    assert (of(world, 1)["name"], of(world, 1)["active"]) == ("Back", True)
    assert world.why("L1")["state"] == "active"
    assert world.run(full=True).counts.get("written", 0) == 0
    world.left.edit("person", "L1", {"end": TODAY})
    assert world.run().counts["deactivate"] == 1
    world.close()


def test_a_pair_that_only_retired_opens_again_without_a_write(tmp_path: Path) -> None:
    world = world_of(tmp_path, do="retire")
    world.left.edit("person", "L1", {"end": TODAY})
    world.adopted()
    world.now += DAY
    assert world.run().counts["retire"] == 1
    assert of(world, 1)["active"] is True

    world.left.edit("person", "L1", {"end": None})
    report = world.run()

    assert report.counts["reopen"] == 1
    assert report.counts.get("written", 0) == 0
    assert [told["kind"] for told in report.lines] == ["reopen"]
    assert world.why("L1")["state"] == "active"
    world.close()


def test_a_record_that_was_deleted_for_its_end_is_made_anew_when_it_lives_again(tmp_path: Path) -> None:
    world = world_of(tmp_path, do="delete")
    world.left.edit("person", "L1", {"end": TODAY})
    world.adopted()
    world.now += DAY
    assert world.run().counts["delete"] == 1
    assert of(world, 1) is None
    world.now += DAY
    assert world.run().counts.get("written", 0) == 0

    world.left.edit("person", "L1", {"end": None})
    report = world.run()

    assert report.counts["create"] == 1
    assert of(world, 1)["name"] == "Person 1"
    world.left.edit("person", "L1", {"name": "Again"})
    world.run()
    assert of(world, 1)["name"] == "Again"
    assert world.run(full=True).counts.get("written", 0) == 0
    world.close()


def test_a_partner_that_somebody_deleted_meanwhile_is_a_case_when_the_record_lives_again(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.left.edit("person", "L1", {"end": TODAY})
    world.adopted()
    world.now += DAY
    world.run()
    id = next(id for id, fields in world.records("right").items() if fields.get("off"))
    world.right.remove("person", id)

    world.left.edit("person", "L1", {"end": None})
    report = world.run()

    assert report.state == "held"
    assert world.held()[0]["why"] == "gone on right: hold"
    assert of(world, 1) is None
    world.close()


def test_a_partner_that_was_seen_to_be_gone_is_made_anew_when_the_record_lives_again(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.left.edit("person", "L1", {"end": TODAY})
    world.adopted()
    world.now += DAY
    world.run()
    world.right.remove("person", next(id for id, fields in world.records("right").items() if fields.get("off")))
    world.run()

    world.left.edit("person", "L1", {"end": None})

    assert world.run().counts["create"] == 1
    world.close()


def test_an_ended_record_whose_partner_is_gone_retires_quietly(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.adopted()
    world.left.edit("person", "L1", {"end": "2026-01-01"})
    world.right.remove("person", next(id for id, f in world.records("right").items() if f["number"] == "1"))

    report = world.run()

    assert (report.state, report.counts["retire"]) == ("done", 1)
    world.close()


def test_a_record_whose_time_is_over_is_not_born(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.left.edit("person", "L1", {"end": "2026-01-01"})
    world.adopted()
    assert of(world, 1) is None

    world.left.edit("person", "L1", {"end": None})
    world.run()

    assert of(world, 1)["number"] == "1"
    world.close()


def test_ending_many_at_once_is_a_delete_that_waits(tmp_path: Path) -> None:
    world = world_of(tmp_path, count=10, guards=Guards(deletes=Limit(count=2)))
    for n in range(1, 5):
        world.left.edit("person", f"L{n}", {"end": TODAY})
    world.adopted()
    world.now += DAY

    report = world.run()

    assert report.guards[0]["text"] == "would delete 4 of 10 pairs; 2 are allowed"
    assert not any(fields.get("off") for fields in world.records("right").values())
    world.approve("deletes")
    world.run()
    assert sum(bool(fields.get("off")) for fields in world.records("right").values()) == 4
    world.close()


def test_an_end_that_cannot_be_told_holds_the_pair(tmp_path: Path) -> None:
    world = world_of(tmp_path, when="date_add(end, '1d') < today()")
    world.adopted()

    world.left.edit("person", "L1", {"end": "next year"})
    world.left.put("person", person(9, end="never"), "L9")
    report = world.run()

    assert report.state == "held"
    told = {line["left"]: line for line in report.lines}
    assert told["L1"]["reason"] == told["L9"]["reason"] == "mapping"
    assert told["L1"]["detail"]["fields"]["end.when"].startswith("left: ")
    assert of(world, 1)["active"] is True
    assert of(world, 9) is None
    world.left.edit("person", "L1", {"end": None})
    world.left.remove("person", "L9")
    assert world.run().state == "done"
    world.close()


def test_the_right_side_may_be_the_one_whose_time_is_over(tmp_path: Path) -> None:
    world = world_of(tmp_path, ending=Ending(asked("end", "right"), "delete"))
    world.adopted()
    id = next(id for id, fields in world.records("right").items() if fields["number"] == "1")

    world.right.edit("person", id, {"end": True})
    world.run()

    assert "L1" not in world.records("left")
    assert id in world.records("right")
    world.close()


def test_what_leaves_the_scope_is_retired_before_its_end_is_asked(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    scope = question("!away")
    world.sync = replace(world.sync, right=replace(world.sync.right, scope=scope.holds, scope_paths=scope.paths))
    world.adopted()
    id = next(id for id, fields in world.records("right").items() if fields["number"] == "1")
    world.right.edit("person", id, {"away": True})
    world.left.edit("person", "L1", {"end": "2026-01-01"})

    world.run()

    assert world.why("L1")["reason"] == "scope"
    assert "off" not in of(world, 1)
    world.close()


def test_the_urgent_goes_first_and_through_the_guard_of_updates(tmp_path: Path) -> None:
    urgent = asked("leaves && leaves <= today()")
    world = world_of(tmp_path, count=8, urgent=urgent, guards=Guards(updates=Limit(count=2)))
    world.adopted()
    for n in range(1, 6):
        world.left.edit("person", f"L{n}", {"name": f"New {n}"})
    world.left.edit("person", "L5", {"leaves": TODAY, "active": False})

    report = world.run()

    assert report.guards[0]["text"] == "would update 5 of 8 pairs; 2 are allowed"
    assert [told.get("urgent", False) for told in report.lines if told["left"] == "L5"] == [True]
    assert (of(world, 5)["active"], of(world, 5)["name"]) == (False, "New 5")
    assert of(world, 1)["name"] == "Person 1"

    world.approve("updates")
    world.left.edit("person", "L6", {"leaves": TODAY, "name": "First"})
    world.run()
    assert [entry["left"] for entry in world.entries("intent")][9] == "L6"
    world.close()


def test_only_urgent_updates_trip_no_guard_of_updates(tmp_path: Path) -> None:
    world = world_of(tmp_path, urgent=asked("leaves"), guards=Guards(updates=Limit(count=0), deletes=Limit(count=0)))
    world.adopted()
    world.left.edit("person", "L1", {"leaves": True, "name": "Now"})

    assert world.run().state == "done"
    assert of(world, 1)["name"] == "Now"
    world.left.edit("person", "L1", {"end": "2026-01-01"})
    assert world.run().guards[0]["kind"] == "deletes"
    world.close()


def test_what_cannot_be_told_is_not_urgent(tmp_path: Path) -> None:
    world = world_of(tmp_path, urgent=asked("date_add(leaves, '1d') < today()"), guards=Guards(updates=Limit(count=0)))
    world.adopted()
    world.left.edit("person", "L1", {"leaves": "soon", "name": "Now"})

    assert world.run().guards[0]["kind"] == "updates"
    world.close()


def test_a_record_may_be_born_later_for_a_reason_that_is_no_field(tmp_path: Path) -> None:
    may = question("approved")
    world = World(tmp_path, left={"L1": person(1)}, sync=people_sync(create_when=may.holds, create_paths=may.paths))
    world.adopted()
    assert world.records("right") == {}

    world.left.edit("person", "L1", {"approved": True})
    world.run()

    assert len(world.records("right")) == 1
    world.close()


@pytest.mark.parametrize("failing", [True, False])
def test_a_killed_ending_ends_once(tmp_path: Path, failing: bool) -> None:
    world = world_of(tmp_path, do="delete")
    world.adopted()
    quirky = Quirky(world.right)
    quirky.fates = [done_but_lost if failing else lost]
    world.right = quirky  # type: ignore[assignment]
    world.left.edit("person", "L1", {"end": "2026-01-01"})

    world.run()
    world.run()
    world.run()

    assert of(world, 1) is None
    assert world.why("L1")["state"] == "retired"
    assert world.run(full=True).counts.get("written", 0) == 0
    world.close()
