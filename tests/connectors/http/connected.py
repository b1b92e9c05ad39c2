"""This is where tests get a driver for a small REST system, with a clock that does not really wait."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from connectors.base import Write
from connectors.definition import EnvRef, SecretRef
from connectors.drivers.http import Entity, HttpDriver, System, connect
from connectors.http.budget import Surroundings

TOKEN = "s3cret/token+value=="

PERSON: dict[str, Any] = {
    "id": "id",
    "version": {"path": "rev"},
    "empty": "omitted",
    "read": {
        "list": {"get": "/people", "records": "items", "page": {"cursor": "next", "param": "after"}},
        "changed": {
            "get": "/people",
            "records": "items",
            "page": {"cursor": "next", "param": "after"},
            "cursor": {"field": "rev", "kind": "number", "param": "since"},
        },
        "deleted": {"get": "/gone", "query": {"since": "{since}"}, "records": "items"},
        "get": {"get": "/people/{id}"},
        "find": {"get": "/people", "records": "items", "by": ["email"]},
    },
    "write": {
        "create": {"post": "/people", "record": "@", "idempotency": {"header": "Idempotency-Key"}},
        "update": {"patch": "/people/{id}", "record": "@", "precondition": {"header": "If-Match"}},
        "delete": {"delete": "/people/{id}", "precondition": {"header": "If-Match"}},
        "deactivate": {"patch": "/people/{id}", "body": {"active": False}},
    },
}


TEAMS: dict[str, Any] = {
    "read": {"get": "/people/{id}/teams", "records": "items"},
    "take": "to",
    "add": {"put": "/people/{id}/teams/{member}"},
    "remove": {"delete": "/people/{id}/teams/{member}"},
}
"""A relation that the server keeps beside its people."""


class Time:
    """A clock that moves when somebody sleeps on it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def around(self) -> Surroundings:
        return Surroundings(lambda: self.now, lambda: self.now, self.sleep, lambda _low, high: high)


def reveal(ref: SecretRef | EnvRef) -> str:
    return {"token": TOKEN}[ref.secret if isinstance(ref, SecretRef) else ref.env]


def driver_for(
    base_url: str,
    entity: Mapping[str, Any] = PERSON,
    *,
    time: Time | None = None,
    transport: Any = None,
    check: Mapping[str, Any] | None = None,
    **system: Any,
) -> HttpDriver:
    """A driver for one entity `person` of a system `crm`."""
    facts: dict[str, Any] = {"version": 1, "name": "crm", "connector": "rest", "base_url": base_url}
    facts |= {"auth": {"kind": "bearer", "token": {"secret": "token"}}}
    facts |= system
    return connect(
        System.model_validate(facts),
        {"person": Entity.model_validate(entity)},
        check=check,
        reveal=reveal,
        around=(time or Time()).around(),
        transport=transport,
    )


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


QUICK = {"connect": "500ms", "read": "200ms", "total": "1s"}
"""Timeouts for servers that never answer."""
CREATE = Write("create", fields={"name": "Zoë 日本", "email": "z@corp.example"}, key="k-1")
