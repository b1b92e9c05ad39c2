"""Stories of sets: tags that both sides edit, roles that one side decides, and what no bad day may do to a member."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.rules import SIDES, Guards, Limit, Match, Rule, other
from daemon.engine import failpoints
from daemon.engine.rollback import take_up
from daemon.errors import TallystickError
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, rule

NUMBER = rule("number", owner="left")


class Tagged(World):
    """Person 1 on both sides with a set of tags, and quirks on both."""

    def __init__(self, folder: Path, *rules: Rule, left: Any = ("a",), right: Any = ("a",), **more: Any) -> None:
        law = people_sync(rules=(NUMBER, *(rules or (rule("tags", merge="set"),))), match_on=(Match(("number",)),))
        people = [{"L1": {"number": "1", "tags": _listed(left)}}, {"R1": {"number": "1", "tags": _listed(right)}}]
        super().__init__(folder, *people, sync=law, **more)
        self.quirky = {"left": Quirky(self.left), "right": Quirky(self.right)}

    @property
    def drivers(self) -> Mapping[Any, Any]:
        return self.quirky

    def tag(self, side: Any, *tags: Any) -> None:
        """A user gives the person exactly these tags."""
        {"left": self.left, "right": self.right}[side].edit("person", f"{side[0].upper()}1", {"tags": list(tags)})

    @property
    def tags(self) -> tuple[Any, Any]:
        left, right = self.left.records("person")["L1"], self.right.records("person")["R1"]
        return left["tags"], right["tags"]

    def quiet(self) -> None:
        """Nothing is left to do, however hard one looks."""
        for _ in range(2):
            report = self.run(full=True)
            assert not report.counts.get("written"), report.lines
        assert not [line for line in self.plan(full=True).lines if line["changes"]]


def _listed(tags: Any) -> Any:
    return list(tags) if isinstance(tags, tuple) else tags


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Tagged]:
    made = Tagged(tmp_path)
    made.adopted()
    yield made
    failpoints.arm("", lambda: None)
    made.close()


def test_members_that_are_added_on_both_sides_at_once_all_stay(world: Tagged) -> None:
    world.tag("left", "a", "x")
    world.tag("right", "y", "a")

    report = world.run()

    assert world.tags == (["a", "x", "y"], ["y", "a", "x"])
    (line,) = report.lines
    assert [c["fields"]["tags"]["why"] for c in line["changes"]] == ["1 added on left", "1 added on right"]
    world.quiet()


def test_a_member_that_one_side_removes_goes_from_the_other(world: Tagged) -> None:
    world.tag("left", "a", "b", "c")
    world.run()
    world.tag("left", "b", "c")
    world.tag("right", "a", "b", "d")

    world.run()

    assert world.tags == (["b", "d"], ["b", "d"])
    world.quiet()


def test_another_order_writes_nothing(world: Tagged) -> None:
    world.tag("left", "a", "b")
    world.run()
    world.tag("right", "b", "a", "b")

    assert not world.run().counts.get("written")
    world.quiet()


def test_first_contact_joins_both_sides(tmp_path: Path) -> None:
    world = Tagged(tmp_path, left=("a", "b"), right=("c", "a"))

    world.adopted()

    assert world.tags == (["a", "b", "c"], ["c", "a", "b"])
    world.quiet()
    world.close()


def test_an_owner_leaves_members_alone_that_it_never_had(tmp_path: Path) -> None:
    world = Tagged(tmp_path, rule("tags", merge="set", owner="left"), left=("a", "b"), right=("vip",))
    world.adopted()
    assert world.tags == (["a", "b"], ["vip", "a", "b"])

    world.tag("left", "b", "c")
    world.tag("right", "vip", "a", "hand-made")
    world.run()

    assert world.tags == (["b", "c"], ["vip", "hand-made", "b", "c"])
    world.quiet()
    world.close()


def test_a_set_that_only_grows_gives_nothing_up(tmp_path: Path) -> None:
    world = Tagged(tmp_path, rule("tags", merge="add_only"))
    world.adopted()
    world.tag("left", "b")

    world.run()

    assert world.tags == (["b"], ["a", "b"])
    world.quiet()
    world.close()


def test_a_new_record_is_born_with_its_set_and_may_lose_a_member_at_once(world: Tagged) -> None:
    world.left.put("person", {"number": "2", "tags": ["x", "y", "x"]}, "L2")
    world.run()
    (born,) = (id for id, fields in world.right.records("person").items() if fields["number"] == "2")
    assert world.right.records("person")[born]["tags"] == ["x", "y"]

    world.right.edit("person", born, {"tags": ["y"]})
    world.run()

    assert world.left.records("person")["L2"]["tags"] == ["y"]
    world.quiet()


@pytest.mark.parametrize("nothing", [None, []])
def test_clearing_a_set_travels_and_counts_as_blanked(world: Tagged, nothing: Any) -> None:
    world.sync = replace(world.sync, guards=Guards(blanked=Limit(count=0)))
    world.left.edit("person", "L1", {"tags": nothing})

    held = world.run()
    assert held.guards[0]["kind"] == "blanked"
    assert world.tags[1] == ["a"]

    world.approve("blanked")
    world.run()
    assert world.tags[1] == []
    world.quiet()


def test_values_translate_member_by_member_and_back(tmp_path: Path) -> None:
    words = {"A": "gold", "B": "silver"}
    world = Tagged(tmp_path, rule("tags", merge="set", values=words), left=("A",), right=("gold",))
    world.adopted()
    world.tag("left", "A", "B")
    world.run()
    assert world.tags == (["A", "B"], ["gold", "silver"])

    world.tag("right", "silver")
    world.run()

    assert world.tags == (["B"], ["silver"])
    world.quiet()
    world.close()


@pytest.mark.parametrize(("side", "word"), [("left", "Z"), ("right", "platinum")])
def test_a_member_without_a_word_across_holds_the_set_and_says_which(tmp_path: Path, side: Any, word: str) -> None:
    world = Tagged(tmp_path, rule("tags", merge="set", values={"A": "gold"}), left=("A",), right=("gold",))
    world.adopted()
    world.tag(side, word, *world.tags[side == "right"])

    assert not world.run().counts.get("written")

    (told,) = world.held()
    assert told["fields"]["tags"].replace("`", "") == f"{side}: member 1: the value has no entry in values; add one"
    world.close()


def test_a_member_that_no_table_knows_stays_where_nobody_asks_for_it(tmp_path: Path) -> None:
    law = rule("tags", merge="set", owner="right", values={"A": "gold", "B": "silver"})
    world = Tagged(tmp_path, law, left=("Z", None, "A"), right=("gold",))
    world.adopted()
    world.tag("right", "silver")

    world.run()

    assert world.tags[0] == ["Z", None, "B"]
    world.quiet()
    world.close()


def test_who_stands_in_a_set_keeps_its_own_spelling(tmp_path: Path) -> None:
    phones = rule("tags", merge="set", type="phone", region="DE")
    world = Tagged(tmp_path, phones, left=("030 1234567",), right=("+49 30 1234567",))
    world.adopted()
    world.tag("right", "+49 30 1234567", "030-7654321")

    world.run()

    assert world.tags == (["030 1234567", "+49307654321"], ["+49 30 1234567", "030-7654321"])
    world.quiet()
    world.close()


def test_a_text_is_no_set(world: Tagged) -> None:
    world.left.edit("person", "L1", {"tags": "a;b"})

    world.run()

    (told,) = world.held()
    assert "a text of 3 characters is not a list, so it has no members; `split(...)`" in told["fields"]["tags"]


def trim(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | ({"tags": [tag.strip() for tag in fields["tags"]]} if "tags" in fields else {})


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("proven", [True, False])
def test_a_system_that_rewrites_members_neither_grows_nor_shrinks_sets(world: Tagged, side: Any, proven: bool) -> None:
    world.quirky[side].always = quirks.rewriting(trim)
    world.quirky[side].read_back = proven
    world.tag(other(side), "a", " VIP ")

    for _ in range(4):
        world.run(full=True)

    stands = {side: ["a", "VIP"], other(side): ["a", " VIP "]}
    assert dict(zip(SIDES, world.tags, strict=True)) == stands
    (told,) = world.held()
    assert f"{side} shows 1 of the members" in told["fields"]["tags"]
    assert "`normalise`" in told["fields"]["tags"]

    world.sync = replace(world.sync, rev="2", rules=(NUMBER, rule("tags", merge="set", normalise=["trim"])))
    world.adopted()
    assert not world.held()
    assert dict(zip(SIDES, world.tags, strict=True)) == stands
    world.quiet()


def test_what_a_person_gives_up_stays_different_until_an_edit(world: Tagged) -> None:
    world.quirky["right"].always = quirks.rewriting(trim)
    world.tag("left", "a", " VIP ")
    world.run()
    world.run()

    world.drop("L1")

    world.quiet()
    assert not world.held()
    world.quirky["right"].always = None
    world.tag("left", "a")
    world.run()
    assert world.tags == (["a", "VIP"], ["a", "VIP"])
    world.quiet()


def test_a_set_that_cannot_be_read_may_be_given_up_until_it_can(tmp_path: Path) -> None:
    world = Tagged(tmp_path, rule("tags", merge="set", values={"A": "gold"}), left=("A",), right=("gold",))
    world.adopted()
    world.tag("left", "A", "Z")
    world.run()

    world.drop("L1")

    assert world.tags == (["A", "Z"], ["gold"])
    world.tag("left")
    world.run()
    assert world.tags == ([], [])
    world.quiet()
    world.close()


def test_a_set_is_resolved_by_no_side(world: Tagged) -> None:
    world.quirky["right"].always = quirks.rewriting(trim)
    world.tag("left", "a", " VIP ")
    world.run()
    world.run()

    with pytest.raises(TallystickError, match=r"`tags` is a set, of which no side is taken whole.*held drop people L1"):
        world.resolve("L1", "left")


def test_an_edit_between_our_write_and_our_reading_stays_an_edit(world: Tagged) -> None:
    world.quirky["right"].after_write = lambda _: _once(world, "right", "a", "x", "mine")
    world.tag("left", "a", "x")
    world.quirky["right"].read_back = False

    world.run()
    world.run()

    assert world.tags == (["a", "x", "mine"], ["a", "x", "mine"])
    world.quiet()


def test_an_edit_just_before_our_write_is_merged_with_it(world: Tagged) -> None:
    world.quirky["right"].before_write = lambda _: _once(world, "right", "mine")
    world.tag("left", "a", "x")

    world.run()

    assert [set(tags) for tags in world.tags] == [{"x", "mine"}, {"x", "mine"}]
    world.quiet()


def _once(world: Tagged, side: Any, *tags: str) -> None:
    quirky = world.quirky[side]
    quirky.before_write = quirky.after_write = None
    world.tag(side, *tags)


def test_what_is_removed_before_it_was_seen_waits_for_a_person(world: Tagged) -> None:
    world.quirky["right"].read_back = False
    world.tag("left", "a", "x")
    world.run()
    world.tag("right", "a", "other")

    world.run()

    (told,) = world.held()
    assert "right shows 1 of the members" in told["fields"]["tags"]
    world.tag("left", "a")  # and so both say the same of x
    world.run()
    assert [set(tags) for tags in world.tags] == [{"a", "other"}, {"a", "other"}]
    world.quiet()


def test_blind_writes_are_confirmed_by_the_first_sight(world: Tagged) -> None:
    world.quirky["right"].read_back = False
    world.tag("left", "b")
    world.run()
    world.run()
    world.tag("right")

    world.run()

    assert world.tags == ([], [])
    world.quiet()


@pytest.mark.parametrize("fate", [quirks.done_but_lost, quirks.lost])
@pytest.mark.parametrize("edited", [False, True])
def test_a_lost_answer_neither_loses_nor_doubles_a_member(world: Tagged, fate: Any, edited: bool) -> None:
    world.tag("left", "a", "b")
    world.run()
    world.quirky["right"].fates = [fate]
    world.tag("left", "a", "b", "x")
    world.run()
    if edited:
        world.tag("right", *world.tags[1], "mine")

    world.run()
    world.run()

    expected = {"a", "b", "x"} | ({"mine"} if edited else set())
    assert [set(tags) for tags in world.tags] == [expected, expected]
    assert [len(tags) for tags in world.tags] == [len(expected)] * 2
    world.quiet()


@pytest.mark.parametrize("fate", [quirks.done_but_lost, quirks.lost])
def test_a_lost_removal_is_made_good_unless_somebody_edited_there(world: Tagged, fate: Any) -> None:
    world.quirky["right"].fates = [fate]
    world.tag("left")

    world.run()
    world.run()

    assert world.tags == ([], [])
    world.quiet()


def test_a_removal_that_may_have_been_undone_waits_for_a_person(world: Tagged) -> None:
    world.quirky["right"].fates = [quirks.done_but_lost]
    world.tag("left")
    world.run()
    world.tag("right", "a", "mine")

    world.run()

    assert world.tags[1] == ["a", "mine"]
    assert "right shows 1 of the members" in world.held()[0]["fields"]["tags"]
    world.tag("left", "a")
    world.run()
    assert world.tags == (["a", "mine"], ["a", "mine"])
    world.quiet()


def test_a_lost_birth_is_adopted_with_its_set(world: Tagged) -> None:
    world.quirky["right"].fates = [quirks.done_but_lost]
    world.left.put("person", {"number": "2", "tags": ["x", "y"]}, "L2")
    world.run()
    world.run()
    (born,) = (id for id, fields in world.right.records("person").items() if fields["number"] == "2")
    world.right.edit("person", born, {"tags": ["y", "z"]})

    world.run()

    assert world.left.records("person")["L2"]["tags"] == ["y", "z"]
    world.quiet()


def test_what_was_removed_from_a_newborn_before_it_was_found_waits_for_a_person(world: Tagged) -> None:
    world.quirky["right"].fates = [quirks.done_but_lost]
    world.left.put("person", {"number": "2", "tags": ["x", "y"]}, "L2")
    world.run()
    (born,) = (id for id, fields in world.right.records("person").items() if fields["number"] == "2")
    world.right.edit("person", born, {"tags": ["y"]})

    world.run()

    assert world.right.records("person")[born]["tags"] == ["y"]
    assert "right shows 1 of the members" in world.held()[0]["fields"]["tags"]


def test_a_successor_is_merged_from_what_was_agreed(world: Tagged) -> None:
    world.left.remove("person", "L1")
    world.left.put("person", {"number": "1", "tags": ["b"]}, "L9")
    world.tag("right", "a", "c")
    world.run()

    world.retry("R1")
    world.run()

    assert world.right.records("person")["R1"]["tags"] == ["c", "b"]
    assert world.left.records("person")["L9"]["tags"] == ["b", "c"]


def test_what_a_set_once_agreed_on_is_not_believed_after_it_was_one_value(world: Tagged) -> None:
    as_set = world.sync
    world.sync = replace(world.sync, rev="2", rules=(NUMBER, rule("tags", wins="left")))
    world.tag("left")
    world.adopted()
    assert world.tags == ([], [])

    world.sync = replace(as_set, rev="3")
    world.tag("left", "a")
    world.adopted()

    assert world.tags == (["a"], ["a"])
    world.quiet()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("point", failpoints.POINTS)
@pytest.mark.parametrize("passage", [1, 2])
def test_a_kill_at_any_point_loses_no_member(world: Tagged, point: str, passage: int) -> None:
    world.tag("left", "a", "b")
    world.run()
    world.tag("left", "b", "x")
    world.tag("right", "a", "b", "y")

    def die() -> None:
        raise Killed

    failpoints.arm(f"{point}:{passage}", die)
    try:
        world.run()
    except Killed:
        world.close()
        world.open()
    failpoints.arm("", die)
    world.run()
    world.run()

    assert [set(tags) for tags in world.tags] == [{"b", "x", "y"}, {"b", "x", "y"}]
    world.quiet()


def test_a_write_that_reaches_one_side_alone_loses_nothing_of_the_other(world: Tagged) -> None:
    world.tag("left", "a", "x")
    world.tag("right", "a", "y")
    world.quirky["left"].fates = [quirks.refused]
    world.run()
    assert world.tags == (["a", "x"], ["a", "y", "x"])

    world.retry("L1")
    world.run()

    assert world.tags == (["a", "x", "y"], ["a", "y", "x"])
    world.quiet()


def test_an_older_store_removes_no_member(world: Tagged) -> None:
    world.tag("left", "a", "b")
    world.run()
    world.close()
    files = [world.folder / name for name in ("store.db", "backup.db")]
    with closing(sqlite3.connect(files[0])) as old, closing(sqlite3.connect(files[1])) as copy:
        old.backup(copy)
    world.open()
    world.tag("left", "a")  # b was removed on both sides, then somebody gave it to the right again
    world.run()
    world.tag("right", "a", "b")
    world.close()
    (world.folder / "backup.db").replace(world.folder / "store.db")
    world.open()
    assert take_up(world.store, world.audit)

    world.approve()
    world.run()

    assert [set(tags) for tags in world.tags] == [{"a", "b"}, {"a", "b"}]
    world.quiet()


def test_a_set_that_was_one_value_before_meets_for_the_first_time(tmp_path: Path) -> None:
    world = Tagged(tmp_path, rule("tags", wins="left"))
    world.adopted()
    world.sync = replace(world.sync, rev="2", rules=(NUMBER, rule("tags", merge="set")))
    world.tag("left", "x")

    world.adopted()

    assert world.tags == (["x", "a"], ["a", "x"])
    world.quiet()
    world.close()


def test_why_shows_a_set_as_a_set(world: Tagged) -> None:
    world.tag("left", "a", "x")
    world.tag("right", "y", "a")

    told = world.why("L1")["fields"]["tags"]

    assert told["rule"] == "merge: set"
    assert not told["same"]
    assert told["why"] == "right will be written: 1 added on left; left will be written: 1 added on right"


def test_the_audit_log_tells_the_whole_set_before_and_after(world: Tagged) -> None:
    world.tag("left", "a", "x")

    world.run()

    entry = world.entries("outcome")[-1]
    assert entry["fields"]["tags"] == {"before": ["a"], "after": ["a", "x"], "why": "1 added on left"}


def test_no_member_stands_in_the_store(world: Tagged) -> None:
    world.tag("left", "a", "confidential")
    world.run()
    world.close()

    assert b"confidential" not in (world.folder / "store.db").read_bytes()
    world.open()


def test_what_nobody_edited_is_not_even_asked_for(world: Tagged) -> None:
    gets: list[Any] = []
    for quirky in world.quirky.values():
        real = quirky.driver.get
        quirky.driver.get = lambda *a, real=real, **k: (gets.append(a), real(*a, **k))[1]  # type: ignore[method-assign]
    world.quirky["right"].read_back = False
    world.tag("left", "a", "x")
    world.run()
    gets.clear()

    world.run()

    assert not gets, "the sight of what was sent confirms it alone"


def test_a_member_that_is_removed_between_the_two_writes_of_a_first_contact_stays_removed(tmp_path: Path) -> None:
    world = Tagged(tmp_path, left=("a",), right=("b",))
    world.approve()
    world.quirky["left"].fates = [quirks.away]
    world.run()
    assert world.tags == (["a"], ["b", "a"])
    world.tag("left")

    world.run()
    world.run()

    assert world.tags == (["b"], ["b"])
