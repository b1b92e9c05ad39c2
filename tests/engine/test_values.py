"""Stories of single values on their way: translated, nested, made of several, told to the log or not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Capabilities
from daemon.core.births import compile_birth
from daemon.core.mapping import Place, compile_rule
from daemon.core.rules import Cases, Match
from daemon.core.types import Form
from tests.engine.quirks import rewriting
from tests.engine.test_bad_days import QuirkyWorld
from tests.engine.world import World, people_sync, person, rule

NUMBER = rule("number", owner="left")
BY_NUMBER = (Match(("number",)),)


def world_of(folder: Path, *rules: Any, left: Any = None, right: Any = None, **more: Any) -> QuirkyWorld:
    sync = people_sync(rules=(NUMBER, *rules), match_on=BY_NUMBER, **more)
    world = QuirkyWorld(folder, left=left or {"L1": person(1)}, right=right, sync=sync)
    world.adopted()
    return world


def test_a_word_without_a_way_back_holds_its_pair_and_names_the_remedy(tmp_path: Path) -> None:
    grade = rule("grade", wins="left", values={"A": "junior", "B": "senior"})
    world = world_of(tmp_path, grade, left={"L1": person(1, grade="A")})
    (born,) = world.records("right")
    assert world.records("right")[born]["grade"] == "junior"

    world.right.edit("person", born, {"grade": "chief"})
    world.run()

    (waiting,) = world.held()
    assert (waiting["reason"], waiting["why"]) == ("mapping", "grade: the value has no entry in values; add one")
    assert world.records("left")["L1"]["grade"] == "A"
    world.right.edit("person", born, {"grade": "senior"})
    world.run()
    assert world.records("left")["L1"]["grade"] == "B"
    world.close()


def test_a_field_that_the_log_may_only_know_by_its_digest_shows_no_value(tmp_path: Path) -> None:
    world = world_of(tmp_path, rule("email", wins="left", audit="digest"))
    (born,) = world.records("right")
    for value in ("b@corp.example", "c@corp.example", "b@corp.example"):
        world.left.edit("person", "L1", {"email": value})
        world.run()

    told = [entry["fields"]["email"] for entry in world.entries("outcome") if entry["op"] == "update"]

    assert world.records("right")[born]["email"] == "b@corp.example"
    assert told[0]["after"] == told[1]["before"] == told[2]["after"] != told[1]["after"]
    assert all("corp" not in str(entry) for entry in world.entries())
    world.close()


def _terse(ask: Any) -> Any:
    """A system that does not mention what is empty."""

    def said(record: Any) -> Any:
        address = {name: value for name, value in (record.fields.get("address") or {}).items() if value is not None}
        return replace(record, fields={**record.fields, "address": address})

    def answer(*asked: Any, **how: Any) -> Any:
        for told in ask(*asked, **how):
            yield said(told) if hasattr(told, "fields") else replace(told, records=tuple(map(said, told.records)))

    return answer


def test_only_what_stood_there_is_what_an_update_expects_to_find(tmp_path: Path) -> None:
    city = compile_rule("city", left=Place("city"), right=Place("address.city"), wins="left")
    street = compile_rule("street", left=Place("street"), right=Place("address.street"), wins="left")
    world = world_of(tmp_path, city, street, left={"L1": person(1, city="Rome", street=None)})
    (born,) = world.records("right")
    assert world.records("right")[born]["address"] == {"city": "Rome"}
    world.crm.writes.clear()
    world.crm.read, world.crm.get = _terse(world.right.read), _terse(world.right.get)  # type: ignore[method-assign]

    world.left.edit("person", "L1", {"city": "Oslo", "street": "Main 1"})
    world.run()

    (write,) = world.crm.writes
    assert write.fields == {"address": {"city": "Oslo", "street": "Main 1"}}
    assert write.before == {"address": {"city": "Rome"}}
    assert world.records("right")[born]["address"] == {"city": "Oslo", "street": "Main 1"}
    world.close()


def test_a_value_that_comes_back_through_an_expression_is_stable(tmp_path: Path) -> None:
    seen = Place("lower(concat(tag, default(suffix, '')))", write="tag")
    code = compile_rule("code", left=Place("tag"), right=seen, wins="left")
    world = world_of(tmp_path, code, left={"L1": person(1, tag="abc")})
    world.crm.read_back = False

    world.left.edit("person", "L1", {"tag": "def"})
    world.run()

    assert world.shown("right")["1"]["tag"] == "def"
    world.right.edit("person", next(iter(world.records("right"))), {"tag": "GHI"})
    world.run()
    assert world.records("left")["L1"]["tag"] == "ghi"
    assert world.run(full=True).counts.get("written", 0) == 0
    world.close()


def test_a_value_made_of_two_moves_with_either(tmp_path: Path) -> None:
    both = compile_rule("name", left=Place("join_present(' ', [first, last])"), right=Place("name"), owner="left")
    world = world_of(tmp_path, both, left={"L1": person(1, first="Ada", last="King")})
    assert world.shown("right")["1"]["name"] == "Ada King"

    for edit, name in (({"last": "Byron"}, "Ada Byron"), ({"first": None}, "Byron")):
        world.left.edit("person", "L1", edit)
        world.run()
        assert world.shown("right")["1"]["name"] == name
    world.close()


@pytest.mark.parametrize("version", ["5", "2026-05-28T10:00:00", ""])
def test_a_version_that_is_no_time_with_its_zone_decides_no_clash(tmp_path: Path, version: str) -> None:
    caps = Capabilities(precondition=False, find=frozenset({"number"}), batch=50, times_trusted=True)
    people = {"1": person(1)}
    world = World(
        tmp_path, left=people, right=people, capabilities={"left": caps, "right": caps},
        sync=people_sync(rules=(NUMBER, rule("phone", wins="newest")), match_on=BY_NUMBER),
    )  # fmt: skip
    for driver in (world.left, world.right):
        driver._version = lambda entity: version  # type: ignore[method-assign]
    world.adopted()
    world.left.edit("person", "1", {"phone": "L"})
    world.right.edit("person", "1", {"phone": "R"})

    world.run()

    clash = "changed on both sides, wins: newest, but left tells no time that can be trusted"
    assert world.held()[0]["fields"] == {"phone": clash}
    world.close()


def test_what_was_given_at_birth_is_not_given_again_with_an_edit(tmp_path: Path) -> None:
    welcome = compile_birth("welcome", known=("number",), right=Place("note"), value="concat('no. ', number)")
    world = world_of(tmp_path, rule("tag", wins="left"), births=(welcome,), cases=Cases(new_right="ignore"))
    (born,) = world.records("right")
    assert world.records("right")[born]["note"] == "no. 1"
    world.right.edit("person", born, {"note": "rewritten by its user"})

    world.left.edit("person", "L1", {"tag": "edited"})
    world.run()

    assert world.records("right")[born].items() >= {"tag": "edited", "note": "rewritten by its user"}.items()
    assert world.entries("outcome")[-1]["fields"].keys() == {"tag"}
    world.close()


def test_a_number_that_would_fill_the_memory_holds_its_record_and_no_other(tmp_path: Path) -> None:
    left = {"L1": person(1, age="1e999999999"), "L2": person(2, age="42")}

    world = world_of(tmp_path, rule("age", wins="left", type="integer"), left=left)

    assert {number: fields["age"] for number, fields in world.shown("right").items()} == {"2": 42}
    fault = "left: a text of 11 characters has more than 5000 digits when it is written out"
    assert world.held()[0]["fields"] == {"age": fault}
    world.close()


def test_a_newborn_whose_values_the_system_rewrites_is_agreed_on_as_it_stands(tmp_path: Path) -> None:
    world = world_of(tmp_path, rule("tag", wins="left"))
    world.crm.always = rewriting(lambda fields: {**fields, "tag": str(fields["tag"]).upper()})

    world.left.put("person", person(2, tag="new"), "L2")
    assert world.run().state == "done"

    assert world.shown("right")["2"]["tag"] == "NEW"
    assert world.run(full=True).counts.get("written", 0) == 0
    assert world.records("left")["L2"]["tag"] == "new"
    world.close()


@pytest.mark.parametrize("odd", [["senior"], {"rank": "senior"}])
def test_a_list_where_a_word_belongs_holds_its_record_and_no_other(tmp_path: Path, odd: Any) -> None:
    grade = rule("grade", wins="left", values={"A": "junior", "B": "senior"})
    world = world_of(tmp_path, grade, left={"L1": person(1, grade="A"), "L2": person(2, grade="A")})
    ids = {fields["number"]: id for id, fields in world.records("right").items()}
    world.right.edit("person", ids["1"], {"grade": odd})
    world.right.edit("person", ids["2"], {"grade": "senior"})

    world.run()

    (waiting,) = world.held()
    assert (waiting["left"], waiting["why"]) == ("L1", "grade: the value has no entry in values; add one")
    assert world.records("left")["L2"]["grade"] == "B"
    world.close()


def test_a_word_that_its_type_cannot_write_holds_its_record_and_no_other(tmp_path: Path) -> None:
    places = {"left": Place("day"), "right": Place("day", form=Form(format="%d.%m.%Y"))}
    words = {"someday": "no day", "2026-01-02": "no day either"}
    day = compile_rule("day", **places, type="date", values=words, owner="left")  # type: ignore[arg-type]
    world = world_of(tmp_path, day, left={"L1": person(1, day="2026-01-02"), "L2": person(2)})

    (waiting,) = world.held()

    assert (waiting["left"], waiting["reason"]) == ("L1", "mapping")
    assert waiting["why"].startswith("day: AttributeError(")
    assert set(world.shown("right")) == {"2"}
    world.close()


def test_a_set_that_waits_with_its_record_is_merged_from_what_was_agreed_before(tmp_path: Path) -> None:
    rules = (rule("phone", wins="ask", hold="record"), rule("tags", merge="set"))
    world = world_of(tmp_path, *rules, left={"L1": person(1, tags=["a", "b"])})
    (born,) = world.records("right")
    world.left.edit("person", "L1", {"phone": "L", "tags": ["a", "c"]})
    world.right.edit("person", born, {"phone": "R", "tags": ["a", "b", "d"]})

    assert world.run().state == "held"
    assert world.records("right")[born]["tags"] == ["a", "b", "d"]
    assert world.records("left")["L1"]["tags"] == ["a", "c"]
    world.resolve("L1", "left")
    world.run()

    for side, id in (("left", "L1"), ("right", born)):
        assert sorted(world.records(side)[id]["tags"]) == ["a", "c", "d"]  # type: ignore[arg-type]
    assert world.run(full=True).counts.get("written", 0) == 0
    world.close()


def test_a_set_that_somebody_always_takes_apart_again_is_left_to_a_person(tmp_path: Path) -> None:
    world = world_of(tmp_path, rule("tags", merge="set", owner="left"), left={"L1": person(1, tags=["a", "b"])})
    (born,) = world.records("right")
    for _ in range(3):
        world.right.edit("person", born, {"tags": ["a"]})
        assert world.run().state == "done"
        assert sorted(world.records("right")[born]["tags"]) == ["a", "b"]  # type: ignore[arg-type]

    world.right.edit("person", born, {"tags": ["a"]})
    assert world.run().state == "held"

    (waiting,) = world.held()
    assert waiting["reason"] == "oscillation"
    assert world.records("right")[born]["tags"] == ["a"]
    world.retry("L1")
    world.run()
    assert sorted(world.records("right")[born]["tags"]) == ["a", "b"]  # type: ignore[arg-type]
    world.close()
