"""This is where writes travel together and keep an outcome each."""

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from connectors.base import (
    Done,
    Lost,
    NotSent,
    Refused,
    Write,
)
from connectors.drivers.http import HttpDriver
from tests.connectors.http.connected import CREATE, mocked, person

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
