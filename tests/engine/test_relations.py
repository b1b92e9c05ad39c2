"""Stories of people and their groups: lists beside the record, which no version speaks of, written member by member."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Done, Lost, Members, Refused, Write
from connectors.drivers.memory import MemoryDriver
from connectors.paths import ABSENT, parse
from daemon.core.mapping import question
from daemon.core.rules import Cases, End, Match
from daemon.engine.relating import moving
from tests.connectors.test_contract_sql import sqlite_driver
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person, rule

TEAMS = rule("teams", "teams", "@groups", owner="left", merge="set")
TWO_WAYS = rule("teams", "teams", "@groups", merge="set")


class GroupWorld(World):
    """HR says who is in which team; the directory on the right keeps groups beside its people."""

    def __init__(self, folder: Path, *, teams: Any = TEAMS, **more: Any) -> None:
        rules = (rule("number", owner="left"), rule("name", owner="left"), teams)
        sync = people_sync(rules=rules, match_on=(Match(("number",)),), **more)
        left = {"L1": person(1, teams=["a", "b"]), "L2": person(2, teams=[])}
        super().__init__(folder, left=left, sync=sync)
        self.right = MemoryDriver(
            {"person": {}}, name="crm", find={"person": ("number", "email")}, relations={"person": ["groups"]}
        )
        self.crm = Quirky(self.right)

    @property
    def drivers(self) -> Any:
        return {"left": self.left, "right": self.crm}

    def groups(self) -> dict[str, Any]:
        return {number: fields["@groups"] for number, fields in self.shown("right").items()}

    def id(self, number: int) -> str:
        return next(id for id, fields in self.records("right").items() if fields["number"] == str(number))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GroupWorld]:
    made = GroupWorld(tmp_path)
    made.adopted()
    yield made
    made.close()


def nothing_to_do(world: World) -> bool:
    return [world.run(full=True).counts.get("written", 0) for _ in range(2)] == [0, 0]


def test_newcomers_are_born_with_their_groups(world: GroupWorld) -> None:
    assert world.groups() == {"1": ["a", "b"], "2": []}
    first, second = sorted(world.crm.writes, key=lambda write: str(write.fields["number"]))
    assert first.members == {"@groups": Members(add=("a", "b"))}
    assert second.members == {}
    assert "@groups" not in first.fields
    assert nothing_to_do(world)


def test_only_who_joins_and_who_leaves_is_written(world: GroupWorld) -> None:
    world.left.edit("person", "L1", {"teams": ["b", "c"]})

    world.run()

    write = world.crm.writes[-1]
    assert write.members == {"@groups": Members(add=("c",), remove=("a",))}
    assert (dict(write.fields), write.before) == ({}, {})
    assert world.groups()["1"] == ["b", "c"]
    assert nothing_to_do(world)
    assert world.entries("outcome")[-1]["fields"]["teams"]["after"] == ["b", "c"]


def test_fields_and_members_travel_in_one_write(world: GroupWorld) -> None:
    world.left.edit("person", "L1", {"name": "Ada", "teams": []})

    world.run()

    assert world.crm.writes[-1].members == {"@groups": Members(remove=("a", "b"))}
    assert world.shown("right")["1"] | {"@groups": []} == world.shown("right")["1"]
    assert world.shown("right")["1"]["name"] == "Ada"
    assert nothing_to_do(world)


def test_a_change_of_groups_is_seen_by_the_next_full_comparison(world: GroupWorld) -> None:
    world.run(full=True)
    world.right.relate("person", world.id(1), add={"@groups": ["by hand"]}, remove={"@groups": ["a"]})

    assert world.run().counts.get("written", 0) == 0
    assert world.run(full=True).counts["written"] == 1

    assert world.groups()["1"] == ["a", "b", "by hand"]  # HR owns what it gave, and nothing else
    assert nothing_to_do(world)


def test_a_hand_between_our_write_and_our_reading_is_still_an_edit(tmp_path: Path) -> None:
    world = GroupWorld(tmp_path, teams=TWO_WAYS)
    world.adopted()
    world.run(full=True)
    id = world.id(1)
    world.left.edit("person", "L1", {"teams": ["a", "b", "c"]})
    world.crm.after_write = lambda write: world.right.relate("person", id, add={"@groups": ["d"]})

    world.run()
    world.crm.after_write = None
    world.run(full=True)

    assert world.groups()["1"] == ["a", "b", "c", "d"]
    assert world.records("left")["L1"]["teams"] == ["a", "b", "c", "d"]
    world.close()


def test_who_is_born_without_a_group_gets_it_from_the_next_run(tmp_path: Path) -> None:
    world = GroupWorld(tmp_path, teams=TWO_WAYS)
    world.approve()
    world.crm.fates = [quirks.born_without] * 2

    report = world.run()

    assert report.counts["written"] == 2
    assert any("was made without @groups, for the next run: no" in told for told in report.problems)
    assert [entry.get("without") for entry in world.entries("outcome")].count({"@groups": "no"}) == 1
    assert world.groups() == {"1": [], "2": []}

    world.run()

    assert world.groups() == {"1": ["a", "b"], "2": []}  # nobody took the empty list for an edit
    assert world.records("left")["L1"]["teams"] == ["a", "b"]
    assert nothing_to_do(world)
    world.close()


def test_a_group_that_says_no_holds_its_person_with_its_words(world: GroupWorld) -> None:
    world.crm.fates = [lambda driver, entity, write: Refused("crm @groups: there is no 'c'")]
    world.left.edit("person", "L1", {"teams": ["a", "b", "c"]})

    assert world.run().state == "held"

    assert "there is no 'c'" in str(world.held())
    assert world.entries("outcome")[-1]["result"] == "refused"
    world.retry("L1")
    assert world.run().state == "done"
    assert world.groups()["1"] == ["a", "b", "c"]


def halfway(driver: Any, entity: str, write: Write) -> Any:
    """One of the groups took the person in; then the line went dead."""
    (members,) = write.members.values()
    list(driver.write(entity, [replace(write, members={"@groups": Members(members.add[:1])})]))
    return Lost("the answer never came")


@pytest.mark.parametrize("owner", ["left", None])
def test_a_create_that_got_lost_halfway_through_its_groups_is_made_whole(tmp_path: Path, owner: Any) -> None:
    teams = rule("teams", "teams", "@groups", owner=owner, merge="set")
    world = GroupWorld(tmp_path, teams=teams, cases=Cases(new_right="ignore"))
    world.approve()
    world.crm.fates = [halfway]
    world.left.remove("person", "L2")

    assert world.run().counts["unknown"] == 1
    assert world.groups() == {"1": ["a"]}
    world.run()
    world.run(full=True)

    assert world.groups() == {"1": ["a", "b"]}  # nobody took what is missing for a removal
    assert world.records("left")["L1"]["teams"] == ["a", "b"]
    assert len(world.records("right")) == 1
    world.close()


def test_a_create_that_got_lost_after_all_its_groups_is_whole(tmp_path: Path) -> None:
    world = GroupWorld(tmp_path)
    world.approve()
    world.crm.fates = [quirks.done_but_lost, quirks.done_but_lost]

    world.run()
    world.run()

    assert world.groups() == {"1": ["a", "b"], "2": []}
    assert nothing_to_do(world)
    world.close()


def test_an_update_that_got_lost_halfway_is_finished(world: GroupWorld) -> None:
    world.left.edit("person", "L1", {"name": "Ada", "teams": ["a", "b", "c", "d"]})
    world.crm.fates = [quirks.half_lost]

    assert world.run().counts["unknown"] == 1
    assert world.groups()["1"] == ["a", "b", "c"]
    world.run()

    assert world.groups()["1"] == ["a", "b", "c", "d"]
    assert world.shown("right")["1"]["name"] == "Ada"
    assert nothing_to_do(world)


@pytest.mark.parametrize("owner", ["left", None])
def test_what_was_done_before_a_refusal_is_nobodys_edit(tmp_path: Path, owner: Any) -> None:
    world = GroupWorld(tmp_path, teams=rule("teams", "teams", "@groups", owner=owner, merge="set"))
    world.adopted()
    world.run(full=True)
    world.left.edit("person", "L1", {"teams": ["c", "d"]})
    world.crm.fates = [quirks.half_refused]

    assert world.run().state == "held"
    assert world.groups()["1"] == ["b", "c"]
    world.retry("L1")
    assert world.run().state == "done"

    assert world.groups()["1"] == ["c", "d"]
    assert world.records("left")["L1"]["teams"] == ["c", "d"]
    assert nothing_to_do(world)
    world.close()


def test_removals_that_got_lost_halfway_wait_for_a_person(world: GroupWorld) -> None:
    world.run(full=True)
    world.left.edit("person", "L1", {"teams": []})
    world.crm.fates = [quirks.half_lost]

    world.run()
    report = world.run()

    assert report.state == "held"  # whoever is still there may have been given it again since
    assert "right shows 1 of the members that we added or removed" in str(world.held())
    world.right.relate("person", world.id(1), remove={"@groups": ["b"]})
    assert world.run().state == "done"
    assert nothing_to_do(world)


def test_a_newcomer_gets_the_groups_that_everybody_is_born_with(tmp_path: Path) -> None:
    world = GroupWorld(tmp_path, birth={"right": {"@groups": ["everybody", "a"], "tag": "new"}})
    world.adopted()

    assert {number: fields["tag"] for number, fields in world.shown("right").items()} == {"1": "new", "2": "new"}
    assert world.crm.writes[0].members == {"@groups": Members(add=("everybody", "a", "b"))}
    world.close()


def test_who_is_in_scope_may_depend_on_a_relation(tmp_path: Path) -> None:
    asked = question('contains("@groups", `"staff"`)')
    world = GroupWorld(tmp_path, right=End("crm", "person", scope=asked.holds, scope_paths=asked.paths))
    world.right.put("person", person(1, **{"@groups": ["staff", "x"]}), "R1")
    world.right.put("person", person(9, **{"@groups": ["x"]}), "R9")

    report = world.adopted()

    assert report.counts["read_right"] == 2
    assert world.records("right")["R1"]["@groups"] == ["a", "b", "staff", "x"]
    assert [left for left, right, *_ in world.pairs("active") if right == "R9"] == []
    world.close()


@pytest.mark.parametrize(
    ("seen", "wanted", "expected"),
    [
        (["a", "b"], ["b", "c"], Members(("c",), ("a",))), (None, ["a"], Members(("a",))), (ABSENT, None, Members()),
        ("a", ["a"], Members()), (["a"], "", Members((), ("a",))), ([1, True], ["1", 1], Members(("1",), (True,))),
        (["a", "a"], ("a",), Members()), ([{"x": 1}], [{"x": 2}], Members(({"x": 2},), ({"x": 1},))),
    ],
)  # fmt: skip
def test_who_moves_is_told_by_what_was_seen_and_what_is_wanted(seen: Any, wanted: Any, expected: Members) -> None:
    fields = {} if seen is ABSENT else {"@groups": seen}

    assert moving({"@groups": (parse("@groups"), wanted)}, fields) == {"@groups": expected}


class ListWorld(GroupWorld):
    """Here the list is one of the record's own, which its system changes member by member all the same."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, teams=rule("teams", "teams", "tags", merge="set"))
        self.right = MemoryDriver(
            {"person": {"R1": person(1, tags=["y", True])}}, name="crm", find={"person": ("number",)}
        )
        self.crm = Quirky(self.right, relations=frozenset({"tags"}))
        self.crm.always = one_by_one


def one_by_one(driver: Any, entity: str, write: Write) -> Any:
    assert "tags" not in write.fields
    if write.op == "update":
        members = write.members["tags"]
        kept = [m for m in driver.records(entity)[write.id]["tags"] if m not in members.remove or m is True]
        driver.edit(entity, write.id, {"tags": [*kept, *members.add]})
        return Done(write.id or "")
    return None


def test_a_list_of_the_record_itself_goes_by_members_where_its_system_wants_that(tmp_path: Path) -> None:
    world = ListWorld(tmp_path)
    world.left.edit("person", "L1", {"teams": [True, 1, "x"]})

    world.adopted()

    assert world.crm.writes[0].members == {"tags": Members(add=(1, "x"))}  # True is not 1
    assert world.records("right")["R1"]["tags"] == ["y", True, 1, "x"]
    assert nothing_to_do(world)
    world.left.edit("person", "L1", {"teams": [1]})
    world.run()
    assert world.crm.writes[-1].members == {"tags": Members(remove=("y", True, "x"))}
    world.close()


# The same with a table of a database, where a read-back is of the write's own transaction


class TableWorld(GroupWorld):
    """The directory is a database with a table of roles and one of who has which."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, teams=rule("teams", "teams", "@roles", merge="set"))
        script = """CREATE TABLE person (id INTEGER PRIMARY KEY, number TEXT UNIQUE, name TEXT);
            CREATE TABLE role (name TEXT PRIMARY KEY); INSERT INTO role VALUES ('a'), ('b'), ('c'), ('d');
            CREATE TABLE has (person INTEGER, role TEXT REFERENCES role, PRIMARY KEY (person, role));"""
        relation = {"table": "has", "own": "person", "other": "role"}
        entities = {"person": {"table": "person", "key": "id", "relations": {"roles": relation}}}
        self.crm = Quirky(sqlite_driver(folder, script, entities=entities))

    def roles(self) -> dict[str, Any]:
        found = [record.fields for page in self.crm.read("person") for record in page.records]
        return {fields["number"]: fields["@roles"] for fields in found}


def test_rows_of_a_link_table_follow_both_ways_and_settle_at_once(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    world.adopted()
    assert world.roles() == {"1": ["a", "b"], "2": []}
    assert world.store.pairs.count(1) == {"active": 2}
    assert nothing_to_do(world)

    with closing(sqlite3.connect(tmp_path / "test.db")) as db, db:
        db.execute("DELETE FROM has WHERE role = 'a'")
        db.execute("INSERT INTO has SELECT id, 'c' FROM person WHERE number = '2'")
    world.left.edit("person", "L2", {"teams": ["d"]})
    world.run(full=True)

    assert world.roles() == {"1": ["b"], "2": ["c", "d"]}
    assert [fields["teams"] for fields in world.records("left").values()] == [["b"], ["d", "c"]]
    assert nothing_to_do(world)
    world.close()


def test_a_role_that_there_is_not_undoes_the_name_too(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    world.adopted()
    world.left.edit("person", "L1", {"name": "Ada", "teams": ["a", "none"]})

    assert world.run().state == "held"

    assert world.roles()["1"] == ["a", "b"]
    assert "@roles 'none': FOREIGN KEY constraint failed" in str(world.held())
    world.left.edit("person", "L1", {"teams": ["a", "d"]})
    assert world.run().state == "done"
    assert world.roles()["1"] == ["a", "d"]
    assert nothing_to_do(world)
    world.close()
