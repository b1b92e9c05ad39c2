"""Stories of what a plan promises and costs: exactly what the systems promise, and nothing more."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.births import compile_birth
from daemon.core.mapping import Place
from daemon.core.rules import Cases
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person, rule, swapping_sync


class Promising(World):
    """A right side whose promises the test chooses."""

    def __init__(self, folder: Path, **more: Any) -> None:
        people = {f"{n}": person(n) for n in (1, 2, 3)}
        super().__init__(folder, left=dict(people), right=dict(people), **more)
        self.crm = Quirky(self.right)

    @property
    def drivers(self) -> Any:
        return {"left": self.left, "right": self.crm}

    def promised(self, side: int = 1, **capabilities: Any) -> dict[str, Any]:
        self.crm._capabilities = capabilities
        return dict(self.plan().guarantees[side])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Promising]:
    made = Promising(tmp_path)
    made.adopted()
    yield made
    made.close()


def test_a_plan_tells_each_sides_guarantees(world: Promising) -> None:
    left, right = world.plan().guarantees

    assert left == {
        "side": "left", "system": "hr", "entity": "person", "updates": "strict", "creates": "match_key",
        "found_by": ["number"], "steps": [], "deletes": "tombstones", "read_back": "proven",
    }  # fmt: skip
    assert right == left | {"side": "right", "system": "crm"}


@pytest.mark.parametrize(
    ("capabilities", "told"),
    [
        ({"precondition": False}, {"updates": "none"}),
        ({"compares": True}, {"updates": "compare"}),
        ({"precondition": False, "compares": True}, {"updates": "compare"}),
        ({"idempotent_create": True}, {"creates": "idempotent", "found_by": []}),
        ({"marker": "mark"}, {"creates": "marker", "found_by": []}),
        ({"find": frozenset({"email"})}, {"creates": "match_key", "found_by": ["email"]}),
        ({"find": frozenset()}, {"creates": "refused"}),
        ({"tombstones": False}, {"deletes": "full_comparison"}),
        ({"read_back": False}, {"read_back": "first_sight"}),
        ({"consistency_window": 60.0}, {"read_back": "first_sight"}),
        ({"steps": ("badge",)}, {"steps": ["badge"]}),
    ],
)
def test_nothing_is_claimed_that_a_system_does_not_promise(
    world: Promising, capabilities: dict[str, Any], told: dict[str, Any]
) -> None:
    assert world.promised(**capabilities).items() >= told.items()


def test_duplicates_that_were_allowed_are_called_a_risk(world: Promising) -> None:
    world.sync = replace(world.sync, allow_duplicate_creates=True)

    assert world.promised(find=frozenset())["creates"] == "at_risk"


def test_a_side_that_is_never_written_needs_no_promise(tmp_path: Path) -> None:
    rules = (rule("number", owner="left"), rule("name", owner="left"))
    sync = people_sync(rules=rules, match_on=people_sync().match_on[:1], cases=Cases(new_right="hold"))
    world = Promising(tmp_path, sync=sync)

    assert (world.promised(0)["updates"], world.promised(0)["creates"]) == ("never", "never")
    assert (world.promised(1)["updates"], world.promised(1)["creates"]) == ("strict", "match_key")
    world.close()


def test_the_cost_is_what_this_plan_read_and_what_the_run_will_write(world: Promising) -> None:
    world.left.page = 2
    world.left.edit("person", "1", {"email": "new@corp.example"})
    for n in (7, 8, 9):
        world.left.put("person", person(n))
    world.crm._capabilities = {"batch": 2, "gets": 1}

    cost = world.plan(full=True).requests

    assert cost["hr"] == {"read": 3, "get": 0, "write": 0, "probe": 0, "total": 3}
    assert cost["crm"] == {"read": 1, "get": 1, "write": 1 + 2, "probe": 0, "total": 5}


def test_writes_of_several_requests_names_and_open_answers_are_counted(world: Promising) -> None:
    birth = compile_birth("login", known=["number"], right=Place("login"), tries=["number"], also=["email"])
    world.sync = replace(world.sync, births=(birth,))
    world.left.edit("person", "1", {"email": "new@corp.example"})
    world.crm.fates = [quirks.lost]
    world.run()
    world.left.edit("person", "2", {"email": "newer@corp.example"})
    world.left.put("person", person(7))
    world.crm._capabilities = {"requests": {"update": 2, "create": 4}, "processing_window": 900.0}

    cost = world.plan().requests["crm"]

    assert (cost["write"], cost["probe"]) == (2 + 4, 1 + 2)


def test_what_a_guard_holds_costs_nothing_yet(tmp_path: Path) -> None:
    world = Promising(tmp_path)
    world.left.put("person", person(7))

    assert world.plan().requests["crm"]["write"] == 0  # it waits to be adopted
    world.close()


def test_who_makes_room_is_shown_and_counted(tmp_path: Path) -> None:
    world = Promising(tmp_path, sync=swapping_sync())
    world.adopted()
    world.left.edit("person", "1", {"email": "p2@corp.example"})
    world.left.edit("person", "2", {"email": "p1@corp.example"})
    world.crm._capabilities = {"batch": 1}

    report = world.plan()

    assert [line.get("makes_room") for line in report.lines] == [{"right": ["email"]}, None]
    assert report.requests["crm"]["write"] == 3
    world.close()


def test_two_sides_of_one_system_are_one_bill(world: Promising) -> None:
    world.sync = replace(world.sync, right=replace(world.sync.right, system="hr"))

    assert set(world.plan().requests) == {"hr"}
    assert world.plan(full=True).requests["hr"]["read"] == 2


def test_a_run_makes_no_promises(world: Promising) -> None:
    report = world.run()

    assert (report.guarantees, report.requests) == ((), {})
