"""This is where the HTTP driver reads: pages, cursors, single records, lookups, and never a silently short listing."""

from typing import Any

import httpx
import msgspec
import pytest

from connectors.base import (
    CursorExpired,
    CursorRule,
    Failed,
    Gone,
    Permanent,
    Record,
    Refused,
    Temporary,
    Write,
)
from connectors.drivers.http import HttpDriver
from tests.connectors.http.connected import mocked, person, write
from tests.connectors.http.servers import Crm, Reply


def test_a_500_in_the_middle_of_the_pages_raises_and_nothing_is_complete(crm: Crm, driver: HttpDriver) -> None:
    crm.faults.append(lambda seen: Reply(500, {"message": "boom"}) if seen.query.get("after") == "4" else None)
    pages = []

    with pytest.raises(Temporary, match="crm GET /people: 500 boom"):
        pages.extend(driver.read("person"))

    assert all(not page.complete for page in pages)


def test_one_500_is_asked_again_and_the_listing_is_whole(crm: Crm, driver: HttpDriver) -> None:
    failures = iter([Reply(500), Reply(502), Reply(429, headers={"Retry-After": "2"})])
    crm.faults.append(lambda seen: next(failures, None) if "after" in seen.query else None)

    pages = list(driver.read("person"))

    assert [r.id for page in pages for r in page.records] == ["p1", "p2", "p3", "p4", "p5", "p6"]
    assert pages[-1].complete


def test_a_listing_that_leads_in_circles_is_an_error(crm: Crm, driver: HttpDriver) -> None:
    crm.faults.append(lambda seen: Reply(body={"items": list(crm.records.values())[:2], "next": 2}))

    with pytest.raises(Permanent, match="crm GET /people: the same page came twice"):
        list(driver.read("person"))


@pytest.mark.parametrize("body", [{}, {"items": {"a": 1}}, [1], {"items": [{"name": "no id"}]}, {"items": ["p1"]}])
def test_an_answer_in_another_shape_is_no_empty_listing(crm: Crm, driver: HttpDriver, body: Any) -> None:
    crm.faults.append(lambda seen: Reply(body=body))

    with pytest.raises(Permanent, match="crm GET /people"):
        list(driver.read("person"))


@pytest.mark.parametrize(
    ("status", "error"), [(401, Permanent), (403, Permanent), (404, Permanent), (400, Permanent), (304, Permanent)]
)
def test_what_a_person_must_solve_is_permanent(crm: Crm, driver: HttpDriver, status: int, error: Any) -> None:
    crm.faults.append(lambda seen: Reply(status, {"message": "no"}))

    with pytest.raises(error):
        list(driver.read("person"))


def test_the_definition_may_know_better_what_a_status_means() -> None:
    rules = [
        {"status": 403, "body": "message == 'quota'", "class": "rate"},
        {"status": 400, "body": "code == 'BAD_CURSOR'", "class": "cursor_expired"},
    ]
    answers = iter(
        [
            httpx.Response(403, json={"message": "quota"}),
            httpx.Response(200, json={"items": []}),
            httpx.Response(400, json={"code": "BAD_CURSOR"}),
        ]
    )
    driver = mocked(lambda _: next(answers), person(errors=rules, read__deleted=None))

    assert list(driver.read("person"))[-1].complete
    with pytest.raises(CursorExpired):
        list(driver.read("person", cursor="5"))


def test_time_cursors_are_compared_as_moments_and_kept_as_text() -> None:
    stamps = ["2026-05-01T12:00:00.5Z", "2026-05-01T12:00:00Z", "2026-05-01T13:30:00+02:00"]
    body = {"items": [{"id": n, "at": stamp} for n, stamp in enumerate(stamps)]}
    changed = {"get": "/people", "records": "items", "cursor": {"field": "at", "param": "since", "lag": "60s"}}
    asked: list[str] = []

    def app(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json=body, headers={"Date": "Fri, 01 May 2026 12:00:03 GMT"})

    driver = mocked(
        app, person(read__changed=changed, read__deleted=None, read__list={"get": "/p", "records": "items"})
    )

    (full,) = driver.read("person")
    (page,) = driver.read("person", cursor="2026-05-01T00:00:00+02:00")

    assert full.cursor == page.cursor == "2026-05-01T12:00:00.5Z"
    assert full.complete
    assert not page.complete
    assert page.server_time == "2026-05-01T12:00:03Z"
    assert asked[1].endswith("/api/people?since=2026-05-01T00%3A00%3A00%2B02%3A00")
    assert driver.describe("person").cursor == CursorRule("time", lag=60.0)


def test_a_search_by_post_takes_typed_placeholders_and_its_cursor_in_the_body() -> None:
    changed = {
        "post": "/search",
        "body": {"filter": {"op": "gte", "value": "{since}"}, "note": "since {since}", "size": 2},
        "records": "items",
        "page": {"cursor": "next", "param": "after", "place": "body"},
        "cursor": {"field": "rev", "kind": "number"},
    }
    bodies: list[Any] = []

    def app(request: httpx.Request) -> httpx.Response:
        bodies.append(msgspec.json.decode(request.content))
        return httpx.Response(
            200, json={"items": [{"id": len(bodies), "rev": 9}], "next": "x" if len(bodies) < 2 else None}
        )

    list(mocked(app, person(read__changed=changed, read__deleted=None)).read("person", cursor="8"))

    assert bodies[0] == {"filter": {"op": "gte", "value": 8}, "note": "since 8", "size": 2}
    assert bodies[1] == bodies[0] | {"after": "x"}


def test_a_nested_field_that_is_left_out_becomes_null_and_siblings_stay() -> None:
    record = {"id": 1, "rev": 1, "name": {"family": "Lovelace"}}
    driver = mocked(lambda _: httpx.Response(200, json=record))

    (shown,) = driver.get(
        "person", ["1"], fields=["name.given", "name.family", "home.street", "mails[kind=work].value"]
    )

    assert isinstance(shown, Record)
    assert shown.fields == {"name": {"family": "Lovelace", "given": None}, "home": None, "mails": None}


def test_fields_are_asked_for_where_the_system_wants_that() -> None:
    urls: list[str] = []

    def app(request: httpx.Request) -> httpx.Response:
        urls.append(request.url.query.decode())
        return httpx.Response(200, json={"items": []})

    listing = {"get": "/p", "records": "items", "select": {"param": "properties", "under": "properties"}}
    list(mocked(app, person(read__list=listing)).read("person", fields=["id", "properties.email", "properties.name"]))

    assert urls == ["properties=email%2Cname"]


def test_where_is_pushed_down_if_declared_and_compared_here_in_any_case() -> None:
    people = [{"id": 1, "kind": "staff", "vip": True}, {"id": 2, "kind": "guest", "vip": True}, {"id": 3, "vip": 1}]
    urls: list[str] = []

    def app(request: httpx.Request) -> httpx.Response:
        urls.append(request.url.query.decode())
        return httpx.Response(200, json={"items": people})

    driver = mocked(app, person(read__list={"get": "/p", "records": "items", "where": {"kind": "type"}}))

    (pushed,) = driver.read("person", where={"kind": "staff"})
    (here,) = driver.read("person", where={"vip": True})

    assert urls == ["type=staff", ""]
    assert [r.id for r in pushed.records] == ["1"]
    assert [r.id for r in here.records] == ["1", "2"]


# Getting and finding


@pytest.mark.parametrize("id", ["../admin", "a/b", "a?x=1", "a#b", "a%2fb", "ä b", "a\r\nb", "{id}"])
def test_an_id_never_leaves_its_segment(crm: Crm, driver: HttpDriver, id: str) -> None:
    crm.records[id] = {"id": id, "rev": 99}

    (answer,) = driver.get("person", [id])

    assert isinstance(answer, Record), answer
    assert crm.seen[-1].path.count("/") == 2
    assert crm.seen[-1].query == {}


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_that_names_another_place_is_never_sent(crm: Crm, driver: HttpDriver, id: str) -> None:
    (answer,) = driver.get("person", [id])
    refused = write(driver, Write("delete", id))

    assert isinstance(answer, Failed)
    assert isinstance(refused, Refused)
    assert crm.seen == []


def test_one_broken_record_is_failed_and_the_others_come(crm: Crm, driver: HttpDriver) -> None:
    crm.faults.append(lambda seen: Reply(400, {"message": "corrupt"}) if seen.path == "/people/p2" else None)

    answers = list(driver.get("person", ["p1", "p2", "nobody", "p3"]))

    assert [type(a) for a in answers] == [Record, Failed, Gone, Record]
    assert "corrupt" in answers[1].message  # type: ignore[union-attr]  # it is Failed


def test_another_record_than_the_one_asked_for_is_not_believed() -> None:
    driver = mocked(lambda _: httpx.Response(200, json={"id": "p9", "rev": 1}))

    (answer,) = driver.get("person", ["p1"])

    assert isinstance(answer, Failed)


@pytest.mark.parametrize(
    ("getting", "status", "body", "answer"),
    [
        ({"into": "merged_into"}, 404, {"merged_into": "p9"}, Gone("p1", "p9")),
        ({"into": "merged_into"}, 404, {"merged_into": 9}, Gone("p1", "9")),
        ({"into": "merged_into"}, 410, {}, Gone("p1")),
        ({"into": "merged_into"}, 404, {"merged_into": "p1"}, Gone("p1")),
        ({"into": "merged_into"}, 404, {"merged_into": True}, Gone("p1")),
        (
            {"into": "master", "gone_when": "deleted"},
            200,
            {"id": "p1", "deleted": True, "master": "p9"},
            Gone("p1", "p9"),
        ),
        ({"into": "master", "gone_when": "off"}, 200, {"id": "p1", "off": True, "master": None}, Gone("p1")),
        ({"into": "id"}, 200, {"id": "p9"}, Gone("p1", "p9")),
        ({}, 404, {"merged_into": "p9"}, Gone("p1")),
    ],
)
def test_a_system_tells_into_which_record_one_was_merged(
    getting: dict[str, Any], status: int, body: Any, answer: Gone
) -> None:
    entity = person(read__get={"get": "/people/{id}"} | getting)
    driver = mocked(lambda _: httpx.Response(status, json=body), entity)

    assert list(driver.get("person", ["p1"])) == [answer]
    assert driver.describe("person").merges is ("into" in getting)


def test_a_record_that_stands_where_it_stood_was_not_merged() -> None:
    entity = person(read__get={"get": "/people/{id}", "into": "id"})
    driver = mocked(lambda _: httpx.Response(200, json={"id": "p1", "rev": 1}), entity)

    assert isinstance(next(iter(driver.get("person", ["p1"]))), Record)


def test_a_merge_that_is_told_in_text_or_of_several_is_no_use() -> None:
    told = mocked(lambda _: httpx.Response(404, text="gone"), person(read__get={"get": "/people/{id}", "into": "into"}))

    assert list(told.get("person", ["p1"])) == [Gone("p1")]
    with pytest.raises(ValueError, match="leave out batch"):
        mocked(lambda _: httpx.Response(200), person(read__get={"get": "/people", "into": "id", "batch": 2}))


def test_several_records_come_in_one_request_where_the_system_can() -> None:
    urls: list[str] = []

    def app(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(200, json={"items": [{"id": 3}, {"id": 1}]})

    getting = {"get": "/people", "query": {"ids": "{ids}"}, "batch": 2, "records": "items"}
    answers = list(mocked(app, person(read__get=getting)).get("person", ["1", "2", "3"]))

    assert [type(a) for a in answers] == [Record, Gone, Record]
    assert urls[0].endswith("?ids=1%2C2")


def test_a_composite_id_is_a_json_array_and_its_parts_fill_the_path() -> None:
    paths: list[str] = []

    def app(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(200, json={"Partner": "A/1", "Address": 7})

    driver = mocked(app, person(id=["Partner", "Address"], read__get={"get": "/p(P='{Partner}',A={Address})"}))

    (answer, wrong) = driver.get("person", ['["A/1",7]', "nonsense"])

    assert isinstance(answer, Record)
    assert answer.id == '["A/1",7]'
    assert paths == ["/api/p(P='A%2F1',A=7)"]
    assert isinstance(wrong, Failed)


def test_a_system_that_ignores_the_filter_finds_nobody_instead_of_everybody() -> None:
    everybody = {"items": [{"id": 1, "email": "Ada@Corp.example"}, {"id": 2, "email": "bob@corp.example"}]}
    driver = mocked(lambda _: httpx.Response(200, json=everybody))

    found = driver.find("person", {"email": "ada@corp.example"})

    assert [r.id for r in found] == ["1"]


def test_find_refuses_what_it_cannot_answer() -> None:
    driver = mocked(lambda _: httpx.Response(200, json={"items": []}), person(read__find__lag="60s"))

    with pytest.raises(Permanent, match="find by phone"):
        driver.find("person", {"phone": "1"})
    with pytest.raises(Permanent, match="may trail"):
        driver.find("person", {"email": "a"}, consistent=True)
    assert driver.find("person", {"email": "a"}) == []
