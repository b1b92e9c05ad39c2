"""This is where the HTTP driver tells what happened, and never more than it knows."""

import copy
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from connectors.base import (
    Capabilities,
    CursorExpired,
    CursorRule,
    Done,
    Failed,
    Gone,
    Lost,
    NotSent,
    Permanent,
    Record,
    Refused,
    Stale,
    Temporary,
    Write,
)
from connectors.drivers.http import HttpDriver
from tests.connectors.http.connected import PERSON, TOKEN, Time, driver_for
from tests.connectors.http.servers import Crm, Reply, Seen, Wire, bomb, says, served

QUICK = {"connect": "500ms", "read": "200ms", "total": "1s"}
CREATE = Write("create", fields={"name": "Zoë 日本", "email": "z@corp.example"}, key="k-1")


@pytest.fixture
def crm() -> Crm:
    return Crm(records={f"p{n}": {"id": f"p{n}", "name": f"P {n}", "rev": n} for n in range(1, 7)}, count=6)


@pytest.fixture
def driver(crm: Crm) -> Iterator[HttpDriver]:
    with served(crm.answer) as address:
        driver = driver_for(address)
        yield driver
        driver.close()


def person(**changes: Any) -> dict[str, Any]:
    """PERSON with parts replaced: read__get={...} replaces read.get."""
    entity = copy.deepcopy(PERSON)
    for name, value in changes.items():
        at = entity
        *way, last = name.split("__")
        for part in way:
            at = at[part]
        at[last] = value
    return entity


def mocked(app: Callable[[httpx.Request], httpx.Response], entity: Any = PERSON, **system: Any) -> HttpDriver:
    return driver_for("https://crm.example/api", entity, transport=httpx.MockTransport(app), **system)


def write(driver: HttpDriver, write: Write) -> Any:
    (outcome,) = driver.write("person", [write])
    return outcome


# Reading


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


# Writing


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
        idempotent_create=True,
        find=frozenset({"email"}),
        tombstones=True,
        cursor=CursorRule("number"),
        consistency_window=30.0,
        writes=frozenset({"create", "update", "delete", "deactivate"}),
    )


# Credentials


AUTHS: dict[str, tuple[dict[str, Any], Callable[[Seen], str | None]]] = {
    "bearer": ({"kind": "bearer", "token": {"secret": "token"}}, lambda s: s.headers.get("authorization")),
    "basic": (
        {"kind": "basic", "user": "us", "password": {"secret": "token"}},
        lambda s: s.headers.get("authorization"),
    ),
    "header key": ({"kind": "api_key", "key": {"secret": "token"}}, lambda s: s.headers.get("x-api-key")),
    "query key": ({"kind": "api_key", "key": {"secret": "token"}, "query": "key"}, lambda s: s.query.get("key")),
}


@pytest.mark.parametrize("kind", AUTHS)
@pytest.mark.parametrize("status", [401, 422, 500, 302])
def test_credentials_are_sent_and_never_told(kind: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    auth, where = AUTHS[kind]
    caplog.set_level("DEBUG")
    shown: list[str] = []

    def parrot(seen: Seen) -> Reply:
        shown.append(str(where(seen)))
        return Reply(status, {"message": f"you sent {seen.headers} {seen.query}"}, {"Location": f"/{shown[-1]}"})

    with served(parrot) as address:
        driver = driver_for(address, auth=auth)
        told = [repr(write(driver, CREATE)), repr(driver.check("person")), repr(driver)]
        with pytest.raises((Permanent, Temporary)) as caught:
            list(driver.read("person"))
        driver.close()

    assert shown[0] not in ("None", "")
    text = " ".join([*told, str(caught.value), repr(caught.value), caplog.text])
    secrets = {TOKEN, shown[0].removeprefix("Bearer ").removeprefix("Basic "), TOKEN.replace("/", "%2F")}
    assert not [secret for secret in secrets if secret in text]


def test_a_dead_system_stops_no_start_and_check_never_raises() -> None:
    driver = driver_for("http://127.0.0.1:9", time=Time(), check={"get": "/health"})

    health = driver.check()

    assert not health.reachable
    assert health.message.startswith("crm GET /health: no connection")


# Batches

BATCH = {
    "post": "/people/batch/{op}",
    "size": 3,
    "ops": ["create", "update", "delete"],
    "body": {"inputs": "{items}"},
    "item": {"id": "{id}", "properties": "{fields}", "version": "{version}", "key": "{key}"},
    "results": {"at": "results", "ok": "ok", "record": "record"},
}


def _batching(app: Callable[[Any], httpx.Response], **changes: Any) -> tuple[HttpDriver, list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        seen.append((request.url.path, body))
        return app(body) if "batch" in request.url.path else httpx.Response(201, json={"id": "alone", "rev": 1})

    return mocked(answer, person(write__batch={**BATCH, **changes})), seen


def _grant(body: Any) -> httpx.Response:
    results = [
        {"ok": False, "message": "email is taken"}
        if one["properties"].get("name") == "bad"
        else {"ok": True, "record": {"id": f"n{n}", "rev": 5}}
        for n, one in enumerate(body["inputs"])
    ]
    return httpx.Response(200, json={"results": results})


def test_writes_travel_together_and_each_gets_its_own_outcome() -> None:
    driver, seen = _batching(_grant)
    creates = [Write("create", fields={"name": name}, key=name) for name in ("a", "bad", "c", "d")]

    outcomes = list(driver.write("person", [*creates, Write("update", "p1", {"name": "x"}, version="4")]))

    assert [type(o) for o in outcomes] == [Done, Refused, Done, Done, Done]
    assert outcomes[0].id == "n0"  # type: ignore[union-attr]  # it is Done
    assert "email is taken" in outcomes[1].message  # type: ignore[union-attr]  # it is Refused
    assert [path for path, _ in seen] == ["/api/people/batch/create", "/api/people", "/api/people/p1"]
    assert seen[0][1]["inputs"][0] == {"properties": {"name": "a"}, "key": "a"}
    assert driver.describe("person").batch == 3


def test_a_precondition_that_the_batch_cannot_carry_travels_alone() -> None:
    driver, seen = _batching(_grant, item={"id": "{id}", "properties": "{fields}"})

    list(driver.write("person", [Write("update", id, {"name": "x"}, version="4") for id in ("p1", "p2")]))

    assert [path for path, _ in seen] == ["/api/people/p1", "/api/people/p2"]


def test_a_batch_with_fewer_results_than_writes_is_lost_as_a_whole() -> None:
    driver, _ = _batching(lambda _: httpx.Response(200, json={"results": [{"ok": True}]}))

    outcomes = list(driver.write("person", [CREATE, CREATE]))

    assert [type(o) for o in outcomes] == [Lost, Lost]


@pytest.mark.parametrize(
    ("status", "atomic", "outcome"),
    [(500, False, Lost), (429, False, NotSent), (400, True, Refused), (400, False, Done)],
)
def test_a_batch_that_fails_as_a_whole(status: int, atomic: bool, outcome: type) -> None:
    driver, seen = _batching(lambda _: httpx.Response(status, headers={"Retry-After": "900"}), atomic=atomic)

    outcomes = list(driver.write("person", [CREATE, CREATE]))

    assert [type(o) for o in outcomes] == [outcome, outcome]
    assert len(seen) == (3 if outcome is Done else 1)


def test_a_missing_batch_address_never_means_that_the_records_are_deleted() -> None:
    driver, _ = _batching(lambda _: httpx.Response(404))

    outcomes = list(driver.write("person", [Write("delete", "p1"), Write("delete", "p2")]))

    assert [type(o) for o in outcomes] == [NotSent, NotSent]


def test_a_refused_batch_that_tells_each_result_is_not_sent_again() -> None:
    told = {"results": [{"ok": True, "record": {"id": "n0", "rev": 1}}, {"ok": False, "message": "taken"}]}
    driver, seen = _batching(lambda _: httpx.Response(400, json=told))

    outcomes = list(driver.write("person", [CREATE, CREATE]))

    assert [type(o) for o in outcomes] == [Done, Refused]
    assert len(seen) == 1


def test_a_field_that_is_no_path_stops_the_question_and_no_write_raises(driver: HttpDriver, crm: Crm) -> None:
    (outcome,) = driver.write("person", [CREATE], fields=["a || b"])

    assert isinstance(outcome, NotSent)
    with pytest.raises(Permanent, match="not a path"):
        list(driver.get("person", ["p1"], fields=["a || b"]))
    assert crm.seen == []
