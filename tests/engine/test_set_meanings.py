"""Stories of sets whose members mean something else across: names of records, and rows of a table."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.mapping import Lookup
from daemon.core.rules import Ref
from tests.engine.test_references import TEAMS, Office, staff
from tests.engine.test_sets import Tagged
from tests.engine.world import rule

ROLES = {
    ("Clerk", "Berlin"): ("mail", "vpn"),
    ("Boss", "Berlin"): ("mail", "vpn", "board"),
    ("Guest", "Berlin"): (),
}


def roles(**more: Any) -> Lookup:
    return Lookup("role_groups", ROLES, ("title", "site"), many=True, **more)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Tagged]:
    made = Tagged(tmp_path, rule("tags", None, "tags", merge="set", owner="left", lookup=roles()), right=("hand-made",))
    made.left.edit("person", "L1", {"title": "Clerk", "site": "Berlin"})
    made.adopted()
    yield made
    made.close()


def test_a_table_gives_all_that_a_role_brings(world: Tagged) -> None:
    assert world.tags[1] == ["hand-made", "mail", "vpn"]

    world.left.edit("person", "L1", {"title": "Boss"})
    world.run()
    assert world.tags[1] == ["hand-made", "mail", "vpn", "board"]

    world.left.edit("person", "L1", {"title": "Guest"})
    world.run()
    assert world.tags[1] == ["hand-made"]
    world.quiet()


def test_another_table_travels_without_an_edit(world: Tagged) -> None:
    richer = replace(roles(), rows=ROLES | {("Clerk", "Berlin"): ("mail", "wiki")})
    law = rule("tags", None, "tags", merge="set", owner="left", lookup=richer)
    world.sync = replace(world.sync, outlook="2", rules=(world.sync.rules[0], law))

    world.run()

    assert world.tags[1] == ["hand-made", "mail", "wiki"]
    world.quiet()


def test_a_role_that_no_row_knows_holds_the_set(world: Tagged) -> None:
    world.left.edit("person", "L1", {"title": "Pope"})

    world.run()

    assert world.tags[1] == ["hand-made", "mail", "vpn"]
    told = world.held()[0]["fields"]["tags"]
    assert told == "left: tables/role_groups.csv has no row for this title and site; add one"


def test_a_role_that_no_row_knows_may_bring_nothing(world: Tagged) -> None:
    law = rule("tags", None, "tags", merge="set", owner="left", lookup=roles(otherwise="null"))
    world.sync = replace(world.sync, outlook="2", rules=(world.sync.rules[0], law))
    world.left.edit("person", "L1", {"title": "Pope"})

    world.run()

    assert world.tags[1] == ["hand-made"]


def test_a_table_may_give_one_member(tmp_path: Path) -> None:
    one = Lookup("sites", {("Berlin",): "berlin"}, ("site",), "null")
    world = Tagged(tmp_path, rule("tags", None, "tags", merge="set", owner="left", lookup=one))
    world.left.edit("person", "L1", {"site": "Berlin"})
    world.adopted()
    assert world.tags[1] == ["a", "berlin"]

    world.left.edit("person", "L1", {"site": "Rome"})
    world.run()

    assert world.tags[1] == ["a"]
    world.close()


def test_each_member_may_bring_several(tmp_path: Path) -> None:
    many = Lookup("bundles", {("sales",): ("crm", "mail"), ("it",): ("ssh", "mail")}, many=True)
    world = Tagged(tmp_path, rule("tags", merge="set", owner="left", lookup=many), left=("sales", "it"), right=None)
    world.adopted()
    assert set(world.tags[1]) == {"crm", "mail", "ssh"}

    world.left.edit("person", "L1", {"tags": "it"})  # one word is as good as a list of one
    world.run()

    assert set(world.tags[1]) == {"mail", "ssh"}
    world.quiet()
    world.close()


# -- members that name records


def office(tmp_path: Path, *rules: Any) -> Office:
    """Teams A and B are paired, and Ada is in team A."""
    world = Office(tmp_path, {}, {}, TEAMS)
    for name in "AB":
        world.left.put("team", {"name": name}, f"l{name}")
    world.first(TEAMS)
    world.left.put("person", {"name": "Ada", "teams": ["lA"]}, "L1")
    world.first(staff(*rules))
    return world


def teams(world: Office, side: Any) -> Any:
    (ada,) = (fields for fields in world.records(side).values() if fields["name"] == "Ada")
    return ada.get("teams")


def right_of(world: Office, team: str) -> str:
    return next(id for id, fields in world.right.records("team").items() if fields["name"] == team)


@pytest.fixture
def law() -> Any:
    return rule("teams", merge="set", ref=Ref("teams"))


def test_each_side_names_the_members_in_its_own_way(tmp_path: Path, law: Any) -> None:
    world = office(tmp_path, law)
    assert teams(world, "right") == [right_of(world, "A")]

    world.right.edit("person", next(iter(world.records("right"))), {"teams": [right_of(world, "B")]})
    world.run()

    assert teams(world, "left") == ["lB"]
    world.quiet()
    world.close()


def test_a_member_without_a_partner_holds_the_set_and_heals(tmp_path: Path, law: Any) -> None:
    world = office(tmp_path, law)
    world.left.put("team", {"name": "C"}, "lC")
    world.left.edit("person", "L1", {"teams": ["lA", "lC"]})
    world.run()
    assert teams(world, "right") == [right_of(world, "A")]
    assert world.held()[0]["reason"] == "reference"

    world.run_of(TEAMS)
    world.run_of(staff(law))

    assert teams(world, "right") == [right_of(world, "A"), right_of(world, "C")]
    world.quiet()
    world.close()


def test_a_member_without_a_partner_may_be_left_out(tmp_path: Path) -> None:
    law = rule("teams", merge="set", ref=Ref("teams", missing="skip"))
    world = office(tmp_path, law)
    world.right.put("team", {"name": "loner"}, "r-loner")
    person = next(iter(world.records("right")))
    world.right.edit("person", person, {"teams": [right_of(world, "A"), "r-loner"]})
    world.left.edit("person", "L1", {"teams": ["lA", "lB"]})

    world.run()

    assert teams(world, "right") == [right_of(world, "A"), "r-loner", right_of(world, "B")]
    assert teams(world, "left") == ["lA", "lB"]
    world.close()


@pytest.mark.parametrize(("missing", "after"), [("skip", ["A", "B"]), ("null", ["A"])])
def test_a_member_that_lost_its_partner_is_gone_across_unless_it_is_skipped(
    tmp_path: Path, missing: Any, after: list[str]
) -> None:
    law = rule("teams", merge="set", ref=Ref("teams", missing=missing), owner="left")
    world = office(tmp_path, law)
    ids = {name: right_of(world, name) for name in "AB"}
    world.left.edit("person", "L1", {"teams": ["lA", "lB"]})
    world.run()
    world.sync = TEAMS
    world.unlink("left:lB")
    world.sync = staff(law)
    world.left.edit("person", "L1", {"teams": ["lB", "lA"]})

    world.run(full=True)

    assert teams(world, "right") == [ids[name] for name in after]
    world.close()


@pytest.mark.parametrize("owner", ["left", "right"])
def test_a_stranger_across_stays_where_an_owner_decides(tmp_path: Path, owner: Any) -> None:
    law = rule("teams", merge="set", ref=Ref("teams"), owner=owner)
    world = office(tmp_path, law)
    person = next(iter(world.records("right")))
    if owner == "left":
        world.right.edit("person", person, {"teams": [right_of(world, "A"), "stranger"]})
        world.left.edit("person", "L1", {"teams": ["lB"]})
        expected: Any = "right", ["stranger", right_of(world, "B")]
    else:
        world.left.edit("person", "L1", {"teams": ["stranger", "", "lA"]})
        world.right.edit("person", person, {"teams": [right_of(world, "B")]})
        expected = "left", ["stranger", "", "lB"]

    world.run()

    assert teams(world, expected[0]) == expected[1]
    world.quiet()
    world.close()


def test_members_that_the_same_run_creates_are_named_by_their_new_ids(tmp_path: Path) -> None:
    friends = rule("friends", merge="set", ref=Ref("people"))
    world = Office(tmp_path, {}, {}, staff(friends))
    world.left.put("person", {"name": "Ada", "friends": ["L2", "L3"]}, "L1")
    world.left.put("person", {"name": "Bob", "friends": ["L1"]}, "L2")
    world.left.put("person", {"name": "Cyd", "friends": []}, "L3")

    world.first()

    ids = {fields["name"]: id for id, fields in world.records("right").items()}
    shown = {fields["name"]: fields.get("friends") for fields in world.records("right").values()}
    assert set(shown["Ada"]) == {ids["Bob"], ids["Cyd"]}
    assert shown["Bob"] == [ids["Ada"]]
    world.quiet()
    world.close()
