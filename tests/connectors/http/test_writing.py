"""This is where the HTTP driver tells what a write came to, and never more than it knows."""

from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from connectors.base import (
    Capabilities,
    CursorRule,
    Done,
    Lost,
    NotSent,
    Permanent,
    Refused,
    Stale,
    Write,
)
from connectors.drivers.http import HttpDriver
from tests.connectors.http.connected import CREATE, PERSON, QUICK, driver_for, mocked, person, write
from tests.connectors.http.servers import Crm, Reply, Wire, bomb, says, served


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (400, {}, Refused),
        (404, {}, Refused),
        (409, {}, Refused),
        (422, {}, Refused),
        (412, {}, Stale),
        (401, {}, NotSent),
        (403, {}, NotSent),
        (429, {}, NotSent),
        (503, {"Retry-After": "5"}, NotSent),
        (503, {}, Lost),
        (500, {}, Lost),
        (502, {}, Lost),
        (504, {}, Lost),
        (302, {"Location": "https://login.example.org/"}, Lost),
        (304, {}, Lost),
    ],
)
def test_what_an_update_came_to(status: int, headers: dict[str, str], outcome: type) -> None:
    driver = mocked(lambda _: httpx.Response(status, json={"message": "because"}, headers=headers))

    told = write(driver, Write("update", "p1", {"name": "x"}, version="1"))

    assert isinstance(told, outcome), told
    assert f"crm PATCH /api/people/p1: {status}" in told.message
    if outcome is NotSent:
        assert told.permanent == (status in (401, 403))
        assert told.retry_after == (5 if headers else None)
    if status < 500 and status > 400:
        assert "because" in told.message


@pytest.mark.parametrize("behave", [lambda c: c.close(), lambda _: None, says("200 OK", b"{", Content_Length="9")])
def test_a_create_whose_answer_is_lost_is_never_sent_again(behave: Any) -> None:
    with Wire(behave) as wire:
        driver = driver_for(wire.address, timeout=QUICK)

        outcome = write(driver, CREATE)
        driver.close()

    assert isinstance(outcome, Lost), outcome
    assert len(wire.requests) == 1


def test_a_read_whose_answer_is_lost_is_asked_again() -> None:
    turns = iter([lambda c: c.close(), says("200 OK", b'{"items": []}')])
    with Wire(lambda connection: next(turns)(connection)) as wire:
        driver = driver_for(wire.address, timeout=QUICK)

        (page,) = driver.read("person")
        driver.close()

    assert page.complete
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    "behave",
    [
        says("201 Created", b"<html>hello</html>", Content_Type="text/html"),
        says("201 Created", bomb(1), Content_Encoding="br"),
        says("202 Accepted", b"{}"),
    ],
)
def test_a_create_that_does_not_tell_its_id_is_lost(behave: Any) -> None:
    with Wire(behave) as wire:
        driver = driver_for(wire.address)

        outcome = write(driver, CREATE)
        driver.close()

    assert isinstance(outcome, Lost), outcome


def test_too_many_requests_are_waited_for_and_the_write_arrives_once(crm: Crm, driver: HttpDriver) -> None:
    answers = iter([Reply(429, headers={"Retry-After": "3"}), Reply(503, headers={"Retry-After": "1"})])
    crm.faults.append(lambda seen: next(answers, None))

    outcome = write(driver, CREATE)

    assert isinstance(outcome, Done)
    assert [seen.headers["idempotency-key"] for seen in crm.seen] == ["k-1"] * 3
    assert crm.records[outcome.id]["name"] == "Zoë 日本"


def test_a_system_that_says_later_for_too_long_postpones_the_write() -> None:
    outcome = write(mocked(lambda _: httpx.Response(429, headers={"Retry-After": "900"})), CREATE)

    assert outcome == NotSent("crm POST /api/people: 429", retry_after=900.0)


def test_only_the_change_is_sent_under_the_version_that_was_seen(crm: Crm, driver: HttpDriver) -> None:
    done = write(driver, Write("update", "p1", {"name": "Ours", "phone": None}, version="1"))
    stale = write(driver, Write("update", "p1", {"name": "Again"}, version="1"))

    assert done.version == done.record.version == "7"
    assert crm.seen[0].body == {"name": "Ours", "phone": None}
    assert crm.seen[0].headers["if-match"] == "1"
    assert isinstance(stale, Stale)
    assert crm.records["p1"]["name"] == "Ours"


def test_a_version_cannot_smuggle_a_header(crm: Crm, driver: HttpDriver) -> None:
    outcome = write(driver, Write("update", "p1", {"name": "x"}, version='"1"\r\nX-Admin: 1'))

    assert isinstance(outcome, Refused)
    assert crm.seen == []


def test_a_whole_record_is_sent_where_the_system_knows_no_less(crm: Crm) -> None:
    crm.records["p1"] |= {"home": {"street": "A", "city": "B"}}
    whole = {"put": "/people/{id}", "send": "whole", "precondition": {"header": "If-Match"}}
    with served(crm.answer) as address:
        driver = driver_for(address, person(write__update=whole))

        done = write(driver, Write("update", "p1", {"home": {"city": "C"}}, version="1"))
        stale = write(driver, Write("update", "p1", {"name": "x"}, version="1"))
        missing = write(driver, Write("update", "nobody", {"name": "x"}))
        driver.close()

    assert isinstance(done, Done)
    assert done.record is None  # the definition does not say that the answer shows it
    assert crm.records["p1"]["home"] == {"street": "A", "city": "C"}
    assert crm.records["p1"]["name"] == "P 1"
    assert isinstance(stale, Stale)
    assert isinstance(missing, Stale)


def test_the_new_id_may_come_by_the_location_header_and_the_marker_travels() -> None:
    bodies: list[Any] = []

    def app(request: httpx.Request) -> httpx.Response:
        bodies.append(msgspec.json.decode(request.content))
        return httpx.Response(201, headers={"Location": "/api/people/a%2F7/"})

    create = {"post": "/people", "body": {"props": "{fields}"}, "marker": {"field": "meta.ours"}}
    outcome = write(mocked(app, person(write__create=create)), Write("create", fields={"meta": {"a": 1}}, marker="m"))

    assert outcome == Done("a/7")
    assert bodies == [{"props": {"meta": {"a": 1, "ours": "m"}}}]


def test_a_create_into_a_place_that_does_not_exist_is_nobodys_record() -> None:
    outcome = write(mocked(lambda _: httpx.Response(404, json={"message": "no route"})), CREATE)

    assert isinstance(outcome, NotSent)
    assert outcome.permanent


def test_what_json_cannot_say_is_refused_before_it_is_sent(crm: Crm, driver: HttpDriver) -> None:
    for value in (Decimal("NaN"), float("inf"), "\ud800", object()):
        assert isinstance(write(driver, Write("create", fields={"name": value})), Refused)
    assert crm.seen == []


def test_a_verb_that_is_not_defined_is_not_sent() -> None:
    outcome = write(mocked(lambda _: httpx.Response(200), person(write__delete=None)), Write("delete", "p1"))

    assert outcome == NotSent("crm person: the definition has no write.delete", permanent=True)


def test_what_the_definition_says_is_what_the_driver_promises() -> None:
    told = mocked(lambda _: httpx.Response(200), person(capabilities={"consistency_window": "30s"})).describe("person")

    assert told == Capabilities(
        precondition=False,  # deactivate has none
        read_back=True,
        idempotent_create=True,
        find=frozenset({"email"}),
        tombstones=True,
        cursor=CursorRule("number"),
        consistency_window=30.0,
        deactivated={"active": False},
        writes=frozenset({"create", "update", "delete", "deactivate"}),
    )


@pytest.mark.parametrize(("findable", "promised"), [(["ours", "email"], "ours"), (["email"], None)])
def test_a_marker_is_promised_only_where_it_can_be_looked_up(findable: list[str], promised: str | None) -> None:
    create = PERSON["write"]["create"] | {"marker": {"field": "ours"}}
    find = PERSON["read"]["find"] | {"by": findable}

    told = mocked(lambda _: httpx.Response(200), person(write__create=create, read__find=find)).describe("person")

    assert told.marker == promised


def test_a_field_that_is_no_path_stops_the_question_and_no_write_raises(driver: HttpDriver, crm: Crm) -> None:
    (outcome,) = driver.write("person", [CREATE], fields=["a || b"])

    assert isinstance(outcome, NotSent)
    with pytest.raises(Permanent, match="not a path"):
        list(driver.get("person", ["p1"], fields=["a || b"]))
    assert crm.seen == []


WHOLE = {"put": "/people/{id}", "send": "whole", "record": "@"}
STEPS = [{"name": "badge", "post": "/badges", "find": {"get": "/badges"}}]


@pytest.mark.parametrize(
    ("changes", "promised"),
    [
        ({"write__update": WHOLE}, {"compares": True, "requests": {"update": 2}}),
        ({"write__update": WHOLE, "capabilities": {"precondition": True}}, {"compares": False, "precondition": True}),
        ({"nested": "replace", "write__deactivate": None}, {"compares": False, "requests": {"update": 2}}),
        ({"write__create": {"post": "/people", "record": "@", "steps": STEPS}}, {"requests": {"create": 2}}),
        ({"write__create": {"post": "/people"}}, {"read_back": False}),
        ({"version": None}, {"read_back": False}),
        ({"write__create": None, "write__update": None, "version": None}, {"read_back": False}),
        ({"read__get": {"get": "/people", "query": {"ids": "{ids}"}, "batch": 40}}, {"gets": 40}),
        ({"read__get": None}, {"gets": 1}),
    ],
)
def test_what_a_plan_is_told_of_promises_and_costs(changes: dict[str, Any], promised: dict[str, Any]) -> None:
    told = mocked(lambda _: httpx.Response(200), person(**changes)).describe("person")

    assert {name: getattr(told, name) for name in promised} == promised
