"""Stories of children that are records of their own: rows of a table beside their parents', or entities of a system."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Capabilities, CursorRule
from connectors.drivers.sql import Entity, System, connect
from daemon.core.rules import Cases, Side
from tests.engine.household import Household, left, people, phone, phones, right
from tests.engine.quirks import Quirky, done_but_lost, lost

NATIVE: dict[Side, str] = {"left": "owner"}
BOTH: dict[Side, str] = {"left": "owner", "right": "person.id"}


def household(folder: Path, native: dict[Side, str], cases: Cases | None = None, **more: Any) -> Household:
    """Persons whose phones are records of their own on the *native* sides."""
    asked = {"cases": cases} if cases else {}
    return Household(folder, sync=people(phones(native=native), **asked), **more)


def rows(world: Household, side: Side) -> dict[str, dict[str, Any]]:
    """The phones of a side that are records, by id."""
    return {id: dict(fields) for id, fields in world.hands(side).records("phone").items()}


def test_records_here_are_members_of_a_list_there(tmp_path: Path) -> None:
    world = household(tmp_path, NATIVE)
    world.left.put("person", {"name": "Ada"}, "L1")
    world.left.put("phone", phone("work", "1", owner="L1"), "P1")
    world.right.put("person", right("Ada", phone("home", "2")), "R1")

    world.adopted()

    assert world.numbers("right", "Ada") == {"home": "2", "work": "1"}
    assert sorted((one["owner"], one["kind"], one["number"]) for one in rows(world, "left").values()) == [
        ("L1", "home", "2"),
        ("L1", "work", "1"),
    ]
    world.left.edit("phone", "P1", {"number": "9"})
    world.dial("right", "Ada", phone("home", "3"), phone("work", "1"))
    world.run()
    assert world.numbers("right", "Ada") == {"home": "3", "work": "9"}
    world.left.remove("phone", "P1")
    world.run()
    assert world.numbers("right", "Ada") == {"home": "3"}
    world.quiet()


def test_a_record_that_moves_to_another_parent_moves_across(tmp_path: Path) -> None:
    world = household(tmp_path, BOTH)
    for name in ("Ada", "Bob"):
        world.left.put("person", {"name": name}, f"L-{name}")
    world.left.put("phone", phone("work", "1", owner="L-Ada"), "P1")
    world.adopted()
    bob = world.id("right", "Bob")

    world.left.edit("phone", "P1", {"owner": "L-Bob"})
    report = world.run()

    assert (report.state, report.counts["update"], report.counts.get("delete", 0)) == ("done", 1, 0)
    ((id, moved),) = rows(world, "right").items()
    assert moved["person"]["id"] == bob
    world.right.edit("phone", id, {"person": {"id": world.id("right", "Ada")}})
    world.run()
    assert rows(world, "left")["P1"]["owner"] == "L-Ada"
    world.quiet()
    world.left.remove("person", "L-Ada")  # it is Ada's now: with her it goes to sleep
    world.run(full=True)
    assert world.children() == [("P1", id, "retired", "bereft")]


def test_a_member_of_a_list_does_not_follow_a_record_to_another_parent(tmp_path: Path) -> None:
    world = household(tmp_path, NATIVE)
    for name in ("Ada", "Bob"):
        world.left.put("person", {"name": name}, f"L-{name}")
    world.left.put("phone", phone("work", "1", owner="L-Ada"), "P1")
    world.adopted()

    world.left.edit("phone", "P1", {"owner": "L-Bob"})

    assert world.run().state == "held"
    ((told, *_),) = [(one["why"], one) for one in _held(world)]
    assert "cannot move to person" in told
    assert world.numbers("right", "Ada") == {"work": "1"}


def test_what_a_member_is_known_by_cannot_change_where_it_has_no_other_name(tmp_path: Path) -> None:
    world = household(tmp_path, NATIVE)
    world.left.put("person", {"name": "Ada"}, "L1")
    world.left.put("phone", phone("work", "1", owner="L1"), "P1")
    world.adopted()

    world.left.edit("phone", "P1", {"kind": "home"})

    assert world.run().state == "held"
    assert "is known by `kind`, which cannot change" in _held(world)[0]["why"]


def _held(world: Household) -> list[dict[str, Any]]:
    with world.asked_about(world.child):
        return world.held()


@pytest.mark.parametrize("full", [False, True])
def test_rows_that_go_with_their_parent_are_not_taken_for_deleted(tmp_path: Path, full: bool) -> None:
    world = household(tmp_path, NATIVE, cases=Cases(gone_left="hold"))
    world.left.put("person", {"name": "Ada"}, "L1")
    world.left.put("phone", phone("work", "1", owner="L1"), "P1")
    world.adopted()
    world.left.remove("phone", "P1")
    world.left.remove("person", "L1")

    world.run(full=full)

    assert world.numbers("right", "Ada") == {"work": "1"}
    assert [one["reason"] for one in world.held()] == ["case"]
    assert world.children("held") == []


def test_rows_whose_parent_went_unnoticed_sleep_until_it_is_noticed(tmp_path: Path) -> None:
    mute = Capabilities(find=frozenset({"name"}), cursor=CursorRule("number"), processing_window=0.0)
    listed = Capabilities(find=frozenset({"kind", "owner"}), processing_window=0.0)
    hr = {"capabilities": {"person": mute, "phone": listed}}
    world = household(tmp_path, NATIVE, hr=hr, cases=Cases(gone_left="hold"))
    world.left.put("person", {"name": "Ada"}, "L1")
    world.left.put("person", {"name": "Bob"}, "L2")
    world.left.put("phone", phone("work", "1", owner="L1"), "P1")
    world.adopted()
    world.left.remove("phone", "P1")
    world.left.remove("person", "L1")

    for _ in range(2):  # it is read by a cursor that does not tell who is gone
        report = world.run()
        assert (report.state, report.counts.get("delete", 0)) == ("done", 0)
        assert world.children()[0][2:] == ("retired", "bereft")

    world.run(full=True)
    assert [one["reason"] for one in world.held()] == ["case"]
    assert world.numbers("right", "Ada") == {"work": "1"}


SCRIPT = """
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, title TEXT);
CREATE TABLE phone (
    id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    kind TEXT, number TEXT, note TEXT, UNIQUE (owner, kind)
);
INSERT INTO person VALUES (1, 'Ada', NULL), (2, 'Bob', NULL);
INSERT INTO phone VALUES (10, 1, 'work', '1', NULL), (11, 1, 'home', '2', NULL), (12, 2, 'work', '3', NULL);
"""


@pytest.fixture
def office(tmp_path: Path) -> tuple[Household, Callable[..., list[Any]]]:
    """Persons and phones in tables of a database on the left, in lists on the right."""
    file = tmp_path / "hr.db"
    with closing(sqlite3.connect(file)) as db:
        db.executescript(SCRIPT)
    world = household(tmp_path, NATIVE, cases=Cases(gone_left="delete"))
    world.put("right", "Ada", phone("work", "1"), phone("car", "5"))
    tables = {name: Entity(table=name, key=("id",)) for name in ("person", "phone")}
    system = System(version=1, name="hr", connector="sql", path=str(file))  # type: ignore[call-arg]
    world.systems["left"] = connect(system, tables, check=None, reveal=lambda _: "")

    def sql(text: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(file)) as db, db:
            db.execute("PRAGMA foreign_keys=ON")
            return db.execute(text, values).fetchall()

    return world, sql


def test_rows_of_a_real_table_are_children(office: tuple[Household, Callable[..., list[Any]]]) -> None:
    world, sql = office

    world.adopted()

    assert world.numbers("right", "Ada") == {"work": "1", "car": "5", "home": "2"}
    assert world.numbers("right", "Bob") == {"work": "3"}
    assert sql("SELECT kind, number FROM phone WHERE owner = 1 ORDER BY kind") == [
        ("car", "5"),
        ("home", "2"),
        ("work", "1"),
    ]
    sql("UPDATE phone SET number = '9' WHERE id = 10")
    sql("DELETE FROM phone WHERE id = 11")
    sql("INSERT INTO person VALUES (3, 'Eve', 'Dr')")
    sql("INSERT INTO phone VALUES (20, 3, 'work', '8', NULL)")
    world.put("right", "Kim", phone("boat", "7"))
    report = world.run()

    assert report.state == "done", report
    assert world.numbers("right", "Ada") == {"work": "9", "car": "5"}
    assert world.numbers("right", "Eve") == {"work": "8"}
    assert sql("SELECT number FROM phone JOIN person ON person.id = owner WHERE name = 'Kim'") == [("7",)]
    world.quiet()


def test_a_cascade_of_a_database_is_no_mass_removal(office: tuple[Household, Callable[..., list[Any]]]) -> None:
    world, sql = office
    world.adopted()

    sql("DELETE FROM person WHERE id = 1")
    report = world.run(full=True)

    assert (report.state, report.counts["delete"]) == ("done", 1)
    assert [one["name"] for one in world.right.records("person").values()] == ["Bob"]
    world.quiet()


def test_a_row_of_nobody_waits_without_a_word(office: tuple[Household, Callable[..., list[Any]]]) -> None:
    world, sql = office
    world.adopted()
    world.right.put("person", left("nobody"), "R-odd")

    with closing(sqlite3.connect(world.folder / "hr.db")) as db, db:
        db.execute("INSERT INTO phone VALUES (30, 99, 'work', '0', NULL)")
    report = world.run()

    assert report.state == "done"
    assert ("30", None, "single", "parent") in world.children()
    assert sql("SELECT count(*) FROM phone WHERE owner = 99") == [(1,)]


def test_another_row_takes_the_place_of_a_member_that_was_taken_out(tmp_path: Path) -> None:
    world = household(tmp_path, NATIVE)
    world.left.put("person", {"name": "Ada"}, "L1")
    world.left.put("phone", phone("work", "1", owner="L1"), "P1")
    world.adopted()
    world.left.remove("phone", "P1")
    world.run()
    assert world.numbers("right", "Ada") == {}

    world.left.put("phone", phone("work", "2", owner="L1"), "P2")
    report = world.run()

    assert report.state == "done"
    assert world.numbers("right", "Ada") == {"work": "2"}
    assert world.children("active") == [("P2", f'["{world.id("right", "Ada")}","work"]', "active", "")]
    world.quiet()


@pytest.mark.parametrize("fate", [done_but_lost, lost])
def test_a_lost_create_in_the_place_of_a_member_that_was_taken_out_is_found(tmp_path: Path, fate: Any) -> None:
    world = household(tmp_path, NATIVE)
    world.left.put("person", {"name": "Ada"}, "L1")
    world.left.put("phone", phone("work", "1", owner="L1"), "P1")
    world.adopted()
    world.left.remove("phone", "P1")
    world.run()
    world.systems["right"] = system = Quirky(world.right)
    world.left.put("phone", phone("work", "2", owner="L1"), "P2")

    system.fates = [fate]
    assert world.run().state == "held"
    for _ in range(2):
        report = world.run()

    assert report.state == "done"
    assert world.numbers("right", "Ada") == {"work": "2"}
    world.quiet()


def test_a_row_that_was_kept_gives_up_the_place_of_its_member(tmp_path: Path) -> None:
    kept = phones(native=NATIVE, cases=Cases(gone_left="delete", gone_right="retire"))
    world = Household(tmp_path, sync=people(kept))
    world.left.put("person", {"name": "Ada"}, "L1")
    world.left.put("phone", phone("work", "1", owner="L1"), "P1")
    world.adopted()
    world.dial("right", "Ada")
    world.run()
    world.left.edit("phone", "P1", {"kind": "old"})
    world.run()

    world.left.put("phone", phone("work", "2", owner="L1"), "P2")
    report = world.run()

    assert report.state == "done"
    assert world.numbers("right", "Ada") == {"work": "2"}
    assert ("P1", None, "retired", "gone") in world.children()
    world.quiet()
