"""Stories of creates whose answer is lost: found again by what they were given, or never sent at all."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.rules import End, Match, Side
from tests.engine import quirks
from tests.engine.test_bad_days import QuirkyWorld
from tests.engine.world import World, people_sync, person

NAMELESS = (
    "a record without email cannot be created safely, because crm.person could not find it again: give it one, give"
    " the entity a `marker` or an idempotency key, or allow_duplicate_creates: true in the sync"
)
BLIND: dict[str, Any] = {"idempotent_create": False}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[QuirkyWorld]:
    made = QuirkyWorld(tmp_path, left={"L1": person(1)}, right={"R1": person(1)})
    made.crm._capabilities = BLIND
    made.adopted()
    yield made
    made.close()


def born(world: World, **shown: Any) -> int:
    return sum(fields.items() >= shown.items() for fields in world.records("right").values())


def outcomes(world: World) -> list[tuple[str, str]]:
    return [(entry["result"], entry.get("message", "")) for entry in world.entries("outcome")]


def why_held(world: World) -> list[tuple[str, str, str]]:
    return [(one["left"], one["reason"], one["why"]) for one in world.held()]


def test_a_record_without_anything_to_find_it_by_is_not_created_until_it_has_it(world: QuirkyWorld) -> None:
    world.sync = replace(world.sync, match_on=(Match(("email",)),))
    world.left.put("person", person(7, email=None), "L7")

    report = world.run()

    assert world.crm.writes == []
    assert report.problems == (NAMELESS,)
    assert why_held(world) == [("L7", "mapping", NAMELESS)]
    world.left.edit("person", "L7", {"email": "p7@corp.example"})
    assert world.run().state == "done"
    assert born(world, number="7") == 1


def test_every_alternative_that_the_record_lacks_is_named(world: QuirkyWorld) -> None:
    world.sync = replace(world.sync, match_on=(Match(("number", "name")), Match(("email", "number"))))
    world.crm._capabilities = {**BLIND, "find": frozenset({"number", "email", "name"})}
    world.left.put("person", person(7, email=None, name=None), "L7")

    (problem,) = world.run().problems

    assert problem.startswith("a record without number or name or email cannot be created safely")


def test_a_lost_create_is_found_by_the_alternative_that_the_record_has(world: QuirkyWorld) -> None:
    world.left.put("person", person(7) | {"number": None}, "L7")
    world.crm.fates = [quirks.done_but_lost]

    world.run()
    world.run()

    assert born(world, email="p7@corp.example") == 1
    assert outcomes(world) == [("done", "found by probing")]
    assert world.pairs() == [("L1", "R1", "active", ""), ("L7", "person-1", "active", "")]


def staff(side: Side) -> End:
    return End({"left": "hr", "right": "crm"}[side], "person", where={"kind": "staff"})


@pytest.fixture
def guests(tmp_path: Path) -> Iterator[QuirkyWorld]:
    """A world whose CRM knows people beside those that take part."""
    sync = people_sync(right=staff("right"), birth={"right": {"kind": "staff"}})
    guests = {"R8": person(7, kind="guest"), "R9": person(7, kind="guest")}
    made = QuirkyWorld(tmp_path, left={"L1": person(1)}, right={"R1": person(1, kind="staff"), **guests}, sync=sync)
    made.crm._capabilities = BLIND
    made.adopted()
    yield made
    made.close()


def test_a_lost_create_that_finds_several_waits_for_a_person(guests: QuirkyWorld) -> None:
    guests.left.put("person", person(7), "L7")
    guests.crm.fates = [quirks.lost]

    guests.run()
    for _ in range(3):
        assert guests.run(full=True).state == "held"

    assert len(guests.crm.writes) == 1
    assert outcomes(guests) == [("unknown", "2 records match")]
    assert why_held(guests) == [("L7", "unknown", "several records match")]
    assert guests.held()[0]["remedy"].endswith("create it all the same: tallystick held retry people L7")
    guests.retry("L7")
    assert guests.run().state == "done"
    assert born(guests, number="7", kind="staff") == 1


def test_a_lost_create_that_finds_only_another_pairs_record_is_made_once_more(world: QuirkyWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.crm.fates = [quirks.lost]
    world.run()
    world.right.edit("person", "R1", {"number": "7"})

    assert world.run().state == "done"

    assert outcomes(world)[0] == ("unknown", "the match is another pair's record")
    assert set(world.shown("right")) == {"1", "7"}
    assert world.run(full=True).counts.get("written", 0) == 0


def test_where_duplicates_are_allowed_a_create_that_nobody_can_find_is_made_again(world: QuirkyWorld) -> None:
    world.sync = replace(world.sync, allow_duplicate_creates=True)
    world.crm._capabilities = {**BLIND, "find": frozenset()}
    world.left.put("person", person(7), "L7")
    world.crm.fates = [quirks.lost]

    world.run()
    world.run()

    blind = "nothing can look the record up; it is created again if allow_duplicate_creates says so"
    assert outcomes(world)[0] == ("unknown", blind)
    assert len(world.crm.writes) == 2
    assert born(world, number="7") == 1
    assert world.run(full=True).counts.get("written", 0) == 0
