"""This is where systems are written to that replace nested objects whole: siblings that nobody maps survive."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Done, Failed, Lost, NotSent, Stale, Write
from connectors.drivers.http import Entity, HttpDriver
from tests.connectors.http.connected import PERSON, driver_for, person, write
from tests.connectors.http.servers import Crm, Reply, Seen, served

HOME = {"street": "A", "city": "B", "floor": 3}
UPDATE = Write("update", "p1", {"home": {"city": "C"}}, before={"home": {"city": "B"}}, version="1")


@pytest.fixture
def crm() -> Crm:
    return Crm(records={"p1": {"id": "p1", "name": "P", "home": HOME, "rev": 1}}, count=1)


@pytest.fixture
def replacing(crm: Crm) -> Iterator[HttpDriver]:
    with served(crm.answer) as address:
        driver = driver_for(address, person(nested="replace"))
        yield driver
        driver.close()


def test_the_object_is_sent_whole_and_nothing_else_of_the_record(crm: Crm, replacing: HttpDriver) -> None:
    outcome = write(replacing, UPDATE)

    assert isinstance(outcome, Done)
    assert crm.records["p1"]["home"] == {**HOME, "city": "C"}
    assert [seen.method for seen in crm.seen] == ["GET", "PATCH"]
    assert crm.seen[1].body == {"home": {**HOME, "city": "C"}}
    assert crm.seen[1].headers["if-match"] == "1"


def test_the_engine_has_no_siblings_to_send(replacing: HttpDriver) -> None:
    assert replacing.describe("person").nested == "merge"


def test_a_sibling_that_somebody_edited_before_we_looked_is_stale_by_its_version(
    crm: Crm, replacing: HttpDriver
) -> None:
    write(replacing, Write("update", "p1", {"home": {"floor": 4}}))

    assert isinstance(write(replacing, UPDATE), Stale)
    assert crm.records["p1"]["home"] == {**HOME, "floor": 4}


def test_an_edit_between_our_look_and_our_write_is_stale(crm: Crm, replacing: HttpDriver) -> None:
    def meanwhile(seen: Seen) -> Reply | None:
        if seen.method == "PATCH" and len(crm.seen) == 2:
            crm._store("p1", {**crm.records["p1"], "home": {**HOME, "street": "Z"}}, 200)
        return None

    crm.faults.append(meanwhile)

    assert isinstance(write(replacing, UPDATE), Stale)
    assert crm.records["p1"]["home"] == {**HOME, "street": "Z"}


@pytest.mark.parametrize(("before", "outcome"), [("B", Done), ("X", Stale)])
def test_where_the_listing_told_no_version_the_values_are_compared(
    crm: Crm, replacing: HttpDriver, before: str, outcome: type
) -> None:
    told = write(replacing, Write("update", "p1", {"home": {"city": "C"}}, before={"home": {"city": before}}))

    assert isinstance(told, outcome), told
    assert crm.records["p1"]["home"]["city"] == ("C" if outcome is Done else "B")


@pytest.mark.parametrize(("home", "before"), [(None, None), ("x", {"city": None})])
def test_what_was_empty_becomes_an_object(crm: Crm, replacing: HttpDriver, home: Any, before: Any) -> None:
    crm.records["p1"]["home"] = home

    told = write(replacing, Write("update", "p1", {"home": {"city": "C"}}, before={"home": before}))

    assert isinstance(told, Done)
    assert crm.records["p1"]["home"] == {"city": "C"}


@pytest.mark.parametrize(
    ("reply", "outcome"), [(Reply(404), Stale), (Reply(403), NotSent), (Reply(500), NotSent), (Reply(429), NotSent)]
)
def test_a_record_that_cannot_be_read_is_not_written(
    crm: Crm, replacing: HttpDriver, reply: Reply, outcome: type
) -> None:
    crm.faults.append(lambda seen: reply if seen.method == "GET" else None)

    told = write(replacing, UPDATE)

    assert isinstance(told, outcome), told
    assert not isinstance(told, Lost | Failed)
    assert {seen.method for seen in crm.seen} == {"GET"}


def test_a_batch_that_has_no_place_for_a_look_is_not_used(crm: Crm) -> None:
    batch = {"post": "/batch", "ops": ["update"], "size": 10, "item": {"id": "{id}", "version": "{version}"},
             "results": {"ok": "`true`"}}  # fmt: skip
    with served(crm.answer) as address:
        driver = driver_for(address, person(nested="replace", write__batch=batch))
        first, second = driver.write("person", [UPDATE, UPDATE])
        driver.close()

    assert isinstance(first, Done)
    assert isinstance(second, Stale)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"write__update": {"patch": "/people/{id}"}}, "would undo what somebody else does"),
        ({"version": None}, "would undo what somebody else does"),
        ({"read__get": None}, "add read.get"),
    ],
)
def test_replacing_without_a_precondition_is_a_fault_of_the_definition(changes: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Entity.model_validate(person(nested="replace", **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"write__update": None},
        {"write__update": {"put": "/people/{id}", "send": "whole"}},
        {"write__update": {"patch": "/people/{id}"}, "capabilities": {"precondition": True}},
    ],
)
def test_what_replaces_nothing_or_guards_in_its_own_way_is_none(changes: Any) -> None:
    assert Entity.model_validate(person(nested="replace", **changes)).nested == "replace"
    assert PERSON["write"]["update"]["precondition"] == {"header": "If-Match"}
