"""This is where a record is born in several requests, and each attempt tells exactly how far it came."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.base import RECORD, Done, Lost, NotSent, Partial, Refused, Stale, Write
from connectors.drivers.http import Entity, HttpDriver
from tests.connectors.http.connected import PERSON, mocked, person, write

VER = {"name": "ver", "before": True, "post": "/versions", "body": {"for": "{key}"},
       "find": {"get": "/versions/{key}", "at": "found"}}  # fmt: skip
BADGE = {"name": "badge", "post": "/people/{id}/badges", "body": {"of": "{ver.id}"}, "take": "badge",
         "find": {"get": "/people/{id}/badges", "at": "items"}}  # fmt: skip
CREATE = Write("create", fields={"name": "Ada"}, key="k-1")
Answer = httpx.Response | Callable[[], httpx.Response]


def stepwise(answers: Mapping[str, Answer], steps: Any = (VER, BADGE), **more: Any) -> tuple[HttpDriver, list[str]]:
    """A driver of an entity whose create has *steps*, and the requests that it makes; *answers* are by those."""
    seen: list[str] = []
    usual: dict[str, Answer] = {
        "POST /versions": httpx.Response(201, json={"id": "v1"}),
        "POST /people": httpx.Response(201, json={"id": "p1", "rev": 1}),
        "POST /people/p1/badges": httpx.Response(201, json={"badge": {"code": 7}}),
    }

    def app(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.path.removeprefix('/api')}")
        answer = (usual | dict(answers)).get(seen[-1], httpx.Response(404, json={"message": "nothing"}))
        return answer() if callable(answer) else answer

    create = {
        "post": "/people",
        "record": "@",
        "body": {"name": "{fields.name}", "in": "{ver.id}"},
        "steps": list(steps),
    }
    return mocked(app, person(write__create=create), **more), seen


def test_the_steps_are_made_around_the_record_in_their_order() -> None:
    driver, seen = stepwise({})

    assert write(driver, CREATE) == Done("p1", steps=("ver", RECORD, "badge"))
    assert seen == ["POST /versions", "POST /people", "POST /people/p1/badges"]
    assert driver.describe("person").steps == ("ver", "badge")


def test_where_nothing_follows_the_record_its_answer_is_the_proof() -> None:
    driver, _ = stepwise({}, steps=(VER,))

    outcome = write(driver, CREATE)

    assert outcome.version == outcome.record.version == "1"


@pytest.mark.parametrize(
    ("answer", "rest"),
    [
        (httpx.Response(422, json={"message": "no"}), Refused("step 'badge': crm POST /api/people/p1/badges: 422 no")),
        (httpx.Response(412), Stale("step 'badge': crm POST /api/people/p1/badges: 412")),
        (httpx.Response(404), Refused("step 'badge': crm POST /api/people/p1/badges: 404")),
    ],
)
def test_a_step_that_is_not_made_tells_what_was(answer: httpx.Response, rest: Any) -> None:
    driver, _ = stepwise({"POST /people/p1/badges": answer})

    assert write(driver, CREATE) == Partial({"ver": {"id": "v1"}, RECORD: "p1"}, rest)


@pytest.mark.parametrize(("status", "permanent"), [(403, True), (429, False)])
def test_a_step_that_was_not_sent_tells_what_was_made(status: int, permanent: bool) -> None:
    headers = {"Retry-After": "900"}
    driver, _ = stepwise({"POST /people": httpx.Response(status, headers=headers)})

    outcome = write(driver, CREATE)

    assert isinstance(outcome, Partial)
    assert outcome.done == {"ver": {"id": "v1"}}
    assert isinstance(outcome.rest, NotSent)
    assert outcome.rest.permanent == permanent


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(500), httpx.Response(200, text="<html>login</html>", headers={"content-type": "text/html"})],
)
def test_a_step_whose_answer_settles_nothing_is_lost_and_the_rest_is_not_made(answer: httpx.Response) -> None:
    driver, seen = stepwise({"POST /versions": answer})

    outcome = write(driver, CREATE)

    assert isinstance(outcome, Lost)
    assert "step 'ver'" in outcome.message
    assert seen == ["POST /versions"]


def test_a_first_step_that_is_refused_made_nothing() -> None:
    driver, _ = stepwise({"POST /versions": httpx.Response(422)})

    assert write(driver, CREATE) == Refused("step 'ver': crm POST /api/versions: 422")


def test_what_was_made_before_is_not_made_again_and_is_used() -> None:
    driver, seen = stepwise({})

    outcome = write(driver, replace(CREATE, done={"ver": {"id": "v9"}, RECORD: "p1"}))

    assert outcome == Done("p1", steps=("ver", RECORD, "badge"))
    assert seen == ["POST /people/p1/badges"]


@pytest.mark.parametrize("nothing", [httpx.Response(404), *(httpx.Response(200, json=j) for j in (
    {"found": None}, {"found": False}, {"found": []}, {}))])  # fmt: skip
def test_in_doubt_each_step_is_looked_for_up_to_the_first_that_is_not_there(nothing: httpx.Response) -> None:
    driver, seen = stepwise({"GET /versions/k-1": nothing})

    assert write(driver, replace(CREATE, doubt=True)) == Done("p1", steps=("ver", RECORD, "badge"))
    assert seen == ["GET /versions/k-1", "POST /versions", "POST /people", "POST /people/p1/badges"]


def test_a_record_that_came_back_by_its_key_leaves_the_later_steps_in_doubt() -> None:
    entity = {"post": "/people", "record": "@", "idempotency": {"header": "Idempotency-Key"}, "steps": [VER, BADGE]}
    seen: list[str] = []

    def app(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.path.removeprefix('/api')}")
        return httpx.Response(200, json={"id": "p1", "rev": 1, "found": {"id": "v1"}, "items": [{"code": 7}]})

    outcome = write(mocked(app, person(write__create=entity)), replace(CREATE, doubt=True))

    assert isinstance(outcome, Done)
    assert seen == ["GET /versions/k-1", "POST /people", "GET /people/p1/badges"]


def test_in_doubt_what_is_found_is_used() -> None:
    found = {"GET /versions/k-1": httpx.Response(200, json={"found": {"id": "v3"}})}
    badges = {"GET /people/p1/badges": httpx.Response(200, json={"items": [{"code": 1}]})}
    driver, seen = stepwise(found | badges)

    assert isinstance(write(driver, replace(CREATE, done={RECORD: "p1"}, doubt=True)), Done)
    assert seen == ["GET /versions/k-1", "GET /people/p1/badges"]


@pytest.mark.parametrize("status", [401, 422])
def test_a_step_that_cannot_be_looked_for_leaves_all_in_doubt(status: int) -> None:
    driver, seen = stepwise({"GET /people/p1/badges": httpx.Response(status)})

    outcome = write(driver, replace(CREATE, done={"ver": {}, RECORD: "p1"}, doubt=True))

    assert isinstance(outcome, Lost)
    assert f"step 'badge': crm GET /api/people/p1/badges: {status}" in outcome.message
    assert seen == ["GET /people/p1/badges"]


def test_a_system_that_is_away_while_it_is_looked_at_leaves_all_in_doubt() -> None:
    driver, _ = stepwise({"GET /versions/k-1": httpx.Response(503)})

    assert isinstance(write(driver, replace(CREATE, doubt=True)), Lost)


def test_an_answer_that_cannot_stand_in_the_next_request_is_refused() -> None:
    odd = {**BADGE, "post": "/versions/{ver.id}/badges"}
    driver, _ = stepwise({"POST /versions": httpx.Response(201, json={})}, steps=(VER, odd))

    outcome = write(driver, CREATE)

    assert isinstance(outcome, Partial)
    assert outcome.rest == Refused("step 'badge': {ver.id} in /versions/{ver.id}/badges needs a single value")


def test_a_create_in_steps_travels_alone() -> None:
    driver, seen = stepwise({})
    entity = person(
        write__create={"post": "/people", "record": "@", "steps": [BADGE | {"body": None}]},
        write__batch={"post": "/batch", "size": 10, "results": {"ok": "`true`"}},
    )
    driver = mocked(
        lambda request: httpx.Response(201, json={"id": "p1", "path": seen.append(request.url.path)}), entity
    )

    assert [type(o) for o in driver.write("person", [CREATE, CREATE])] == [Done, Done]
    assert "/api/batch" not in seen


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            [{**VER, "body": "{badge.code}"}, BADGE],
            r"step 'ver' asks for \{badge.code\}, which nothing before it gives",
        ),
        ([{**VER, "body": "{id}"}], r"step 'ver' asks for \{id\}"),
        ([{**BADGE, "find": {"get": "/x/{no}"}}], r"step 'badge' asks for \{no\}.*it has \{fields\}, \{id\}, \{key\}"),
        ([VER, VER], "two steps are called 'ver'"),
        ([{**VER, "name": "fields"}], "cannot be called 'fields'"),
        ([{**VER, "name": "record"}], "cannot be called 'record'"),
        ([{**VER, "name": "Ver 1"}], "should match pattern"),
        ([{key: value for key, value in VER.items() if key != "find"}], "find"),
    ],
)
def test_steps_that_do_not_fit_together_are_a_fault_of_the_definition(steps: list[Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Entity.model_validate(person(write__create={"post": "/people", "steps": steps}))


def test_steps_of_an_order_are_a_fault_of_the_definition() -> None:
    job = {"id": "job", "poll": {"get": "/jobs/{job}"}, "state": "state", "done": ["ok"]}

    with pytest.raises(ValidationError, match="leave out `job`, or the steps"):
        Entity.model_validate(person(write__create={"post": "/people", "steps": [VER], "job": job}))
    assert "steps" not in PERSON["write"]["create"]
