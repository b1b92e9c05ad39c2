"""This is where the HTTP driver orders writes that a system does later, and asks how they stand."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from connectors.base import Done, Lost, Outcome, Pending, Permanent, Refused, Temporary, Write
from connectors.drivers.http import HttpDriver
from tests.connectors.http.connected import CREATE, mocked, person, write

JOB: dict[str, Any] = {
    "id": "job.id",
    "poll": {"get": "/jobs/{job}"},
    "state": "status",
    "done": ["succeeded", "warned"],
    "failed": ["failed"],
    "record": "person",
    "made": "made_id",
    "error": "fault.text",
}


def ordering(answer: Mapping[str, Any] | Callable[[], httpx.Response], **job: Any) -> tuple[HttpDriver, list[str]]:
    """A driver whose writes are ordered as job 7/a, and what it asked for."""
    seen: list[str] = []

    def app(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.raw_path.decode()}")
        if "/jobs/" in request.url.path:
            return answer() if callable(answer) else httpx.Response(200, json=dict(answer))
        return httpx.Response(202, json={"job": {"id": "7/a"}})

    entity = person(
        write__create={"post": "/people", "job": {**JOB, **job}},
        write__update={"patch": "/people/{id}", "job": {**JOB, **job}},
        write__delete={"delete": "/people/{id}", "job": {**JOB, **job}},
    )
    return mocked(app, entity), seen


def poll(driver: HttpDriver, job: str) -> Outcome:
    (outcome,) = driver.poll("person", [job])
    return outcome


@pytest.mark.parametrize(
    ("wish", "job"),
    [
        (CREATE, "create 7/a"),
        (Write("update", "p1", {"name": "x"}), "update 7/a"),
        (Write("delete", "p1"), "delete 7/a"),
    ],
)
def test_an_order_is_pending_and_its_job_is_asked_for_by_its_id(wish: Write, job: str) -> None:
    driver, seen = ordering({"status": "running"})

    assert write(driver, wish) == Pending(job)
    assert poll(driver, job) == Pending(job)

    assert seen[1] == "GET /api/jobs/7%2Fa"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"status": "succeeded", "person": {"id": "p9", "rev": 3}}, Done("p9")),
        ({"status": "warned", "made_id": 9}, Done("9")),
        ({"status": "succeeded"}, Lost("crm GET /api/jobs/7: a record without 'made_id', which is its id")),
        ({"status": "failed", "fault": {"text": "email is taken"}}, Refused("crm GET /api/jobs/7: email is taken")),
        ({"status": "failed", "message": "usual place"}, Refused("crm GET /api/jobs/7: usual place")),
        ({"status": "failed"}, Refused("crm GET /api/jobs/7: failed")),
        ({"status": "queued"}, Pending("create 7")),
        ({}, Pending("create 7")),
    ],
)
def test_what_a_job_came_to(answer: Mapping[str, Any], outcome: Outcome) -> None:
    driver, _ = ordering(answer)

    assert poll(driver, "create 7") == outcome


def test_a_job_that_tells_no_id_is_done_without_one() -> None:
    driver, _ = ordering({"status": "succeeded"}, record=None, made=None)

    assert poll(driver, "update 7") == Done("")


@pytest.mark.parametrize("job", ["create ..", "deactivate 7", "nothing", "odd 7"])
def test_a_job_that_the_definition_does_not_know_is_lost(job: str) -> None:
    driver, seen = ordering({"status": "succeeded"})

    assert isinstance(poll(driver, job), Lost)
    assert seen == []


def test_a_job_that_the_system_does_not_know_any_more_is_lost() -> None:
    driver, _ = ordering(lambda: httpx.Response(404, json={"message": "no such job"}))

    assert poll(driver, "create 7") == Lost("crm GET /api/jobs/7: 404 no such job")


@pytest.mark.parametrize(("status", "error"), [(429, Temporary), (503, Temporary), (401, Permanent)])
def test_a_system_that_cannot_be_asked_says_nothing_about_its_jobs(status: int, error: type[Exception]) -> None:
    driver, _ = ordering(lambda: httpx.Response(status))

    with pytest.raises(error, match=f"crm GET /api/jobs/7: {status}"):
        poll(driver, "create 7")


def test_an_answer_without_a_job_is_done_at_once() -> None:
    entity = person(write__create={"post": "/people", "record": "@", "job": JOB})
    driver = mocked(lambda _: httpx.Response(201, json={"id": "p9", "rev": 1}), entity)

    outcome = write(driver, CREATE)

    assert isinstance(outcome, Done)
    assert outcome.id == "p9"
