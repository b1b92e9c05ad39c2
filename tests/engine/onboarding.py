"""This is where a real little server stands whose people are born in four requests, and the definition that says so."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.connectors.http.servers import Reply, Seen

ENTITY: Mapping[str, Any] = {
    "id": "id",
    "version": {"path": "rev"},
    "read": {
        "list": {"get": "/people", "records": "items"},
        "get": {"get": "/people/{id}"},
        "find": {"get": "/people", "records": "items", "by": ["number"]},
    },
    "write": {
        "create": {
            "post": "/people",
            "body": {"person": "{fields}", "version": "{ver.id}"},
            "record": "@",
            "steps": [
                {
                    "name": "ver", "before": True, "post": "/versions", "body": {"for": "{key}"},
                    "find": {"get": "/versions", "query": {"for": "{key}"}, "at": "items[0]"},
                },
                {
                    "name": "badge", "post": "/people/{id}/badges", "body": {"number": "{fields.number}"},
                    "find": {"get": "/people/{id}/badges", "at": "items[0]"}, "take": "badge",
                },
                {
                    "name": "release", "put": "/versions/{ver.id}/release", "body": {"badge": "{badge.code}"},
                    "find": {"get": "/versions/{ver.id}", "at": "released"},
                },
            ],
        },
        "update": {"patch": "/people/{id}", "record": "@", "precondition": {"header": "If-Match"}},
        "delete": {"delete": "/people/{id}"},
    },
    "capabilities": {"processing_window": "0s"},
}  # fmt: skip
MAKING = (("POST", "/versions"), ("POST", "/people"), ("POST", "/badges"), ("PUT", "/release"))
"""The four requests of one birth, each by its verb and a part of its path."""


@dataclass
class Office:
    """People with versions and badges. `faults` answer instead; `late` answer after the work is done."""

    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    badges: list[dict[str, Any]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    faults: list[Callable[[Seen], Reply | None]] = field(default_factory=list)
    late: list[Callable[[Seen], Reply | None]] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    """Who was born under which idempotency key."""
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Seen) -> Reply:
        with self.lock:
            self.seen.append(request)
            early = next((reply for fault in self.faults if (reply := fault(request))), None)
            if early:
                return early
            reply = self._work(request)
            return next((late for fault in self.late if (late := fault(request))), reply)

    def _work(self, request: Seen) -> Reply:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["people"]:
                number = request.query.get("number")
                return Reply(body={"items": [p for p in self.people.values() if number in (None, p["number"])]})
            case "GET", ["versions"]:
                return Reply(body={"items": [v for v in self.versions.values() if v["for"] == request.query["for"]]})
            case "POST", ["versions"]:
                id = f"v{len(self.versions) + 1}"
                self.versions[id] = {"id": id, "released": False, **request.body}
                return Reply(201, self.versions[id])
            case "GET", ["versions", id]:
                return Reply(body=self.versions[id])
            case "PUT", ["versions", id, "release"]:
                assert request.body["badge"] in [badge["code"] for badge in self.badges]
                self.versions[id]["released"] = True
                return Reply(204)
            case "POST", ["people"]:
                key = request.headers.get("idempotency-key", "")
                id = self.keys.get(key) or f"p{len(self.people) + 1}"
                self.keys |= {key: id} if key else {}
                return self._keep(id, request.body["person"] | {"in": request.body["version"]})
            case "GET", ["people", id, "badges"]:
                return Reply(body={"items": [badge for badge in self.badges if badge["of"] == id]})
            case "POST", ["people", id, "badges"]:
                self.badges.append({"of": id, "code": f"b{len(self.badges) + 1}"} | request.body)
                return Reply(201, {"badge": self.badges[-1]})
            case "GET", ["people", id]:
                return Reply(body=self.people[id]) if id in self.people else Reply(404)
            case "DELETE", ["people", id]:
                del self.people[id]
                return Reply(204)
            case "PATCH", ["people", id]:
                return self._keep(id, self.people[id] | request.body)
        return Reply(404, {"message": f"no route {request.method} {request.path}"})

    def _keep(self, id: str, fields: Mapping[str, Any]) -> Reply:
        self.count += 1
        self.people[id] = {**fields, "id": id, "rev": self.count}
        return Reply(200, self.people[id])

    def made(self) -> tuple[int, int, int, list[bool]]:
        """How many people, versions and badges there are, and which versions are released."""
        released = [version["released"] for version in self.versions.values()]
        return len(self.people), len(self.versions), len(self.badges), released

    def asked(self, *methods: str) -> list[str]:
        """Paths of the requests of these verbs, in order."""
        return [seen.path for seen in self.seen if seen.method in methods]


def is_step(seen: Seen, step: int) -> bool:
    """Whether a request is the one of that number in a birth."""
    verb, part = MAKING[step]
    return seen.method == verb and part in seen.path and (part != "/people" or "badges" not in seen.path)
