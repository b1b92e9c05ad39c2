"""Both ends of the admin socket: what one side says the other hears, exactly, and errors keep their class."""

import http.client
import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from daemon.admin import sockets, wire
from daemon.admin.client import Client, NotAllowed, connect
from daemon.admin.operations import Operations
from daemon.admin.server import LARGEST, AdminServer
from daemon.errors import AuditError, Busy, ConfigError, GuardTripped, NoSuch, StoreError, TallystickError
from daemon.service import foreground
from tests.service.house import lay_out

NOBODY = 65534


@dataclass
class Well:
    """A daemon's health, as the test wants it."""

    alive: bool = True
    conditions: dict[str, bool] = field(default_factory=lambda: {"running": True, "audit": True})

    def live(self) -> bool:
        return self.alive

    def ready(self) -> Mapping[str, bool]:
        return self.conditions


@dataclass
class Office:
    """Real operations behind a real socket."""

    path: Path
    operations: Operations
    health: Well
    client: Client

    def get(self, path: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
        """A raw request, as curl would make it."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.path))
            head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            line.sendall(head.encode() + body)
            response = http.client.HTTPResponse(line)
            response.begin()
            with response:
                return response.status, response.read()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder, health = tmp_path_factory.mktemp("office"), Well()
    path = folder / "admin.sock"
    with foreground.open(lay_out(folder / "c"), os.environ) as operations:
        server = AdminServer(sockets.bind(path), operations, health)
        server.start()
        try:
            yield Office(path, operations, health, connect(path))
        finally:
            server.stop()


def test_the_verbs_answer_over_the_socket_as_they_do_at_home(office: Office) -> None:
    asked = office.client.plan("people", full=False, actor="")

    assert asked["counts"] == {"create": 3, "read_left": 3, "read_right": 0}
    assert office.client.held(None) == {"held": []}
    assert office.client.status()["syncs"] == office.operations.status()["syncs"]


def test_the_actor_is_who_the_kernel_says_and_not_who_the_caller_claims(office: Office) -> None:
    office.client.approve("people", kinds=[], only=None, actor="uid:4711", reason="seen", expires=60)

    (entry,) = office.client.audit_show(start=0, limit=9, match={"action": "plan.approved"}, actor="")["entries"]
    status, _ = office.get("/v1/plan", "POST", b'{"sync": "people", "full": false, "actor": "root"}')

    assert entry["actor"] == f"uid:{os.getuid()}"
    assert status == 400


def test_an_error_keeps_its_class_text_and_exit_code(office: Office) -> None:
    with pytest.raises(NoSuch, match="no sync 'nobody'; known: people") as missing:
        office.client.run("nobody", full=False, only=None, wait=True, actor="", reason="")

    assert missing.value.exit_code == 3


@pytest.mark.parametrize("kind", [Busy, NoSuch, AuditError, StoreError, GuardTripped, TallystickError])
def test_every_error_survives_the_wire(kind: type[TallystickError]) -> None:
    back = wire.to_error(wire.encode(wire.to_problem(kind("what, where: do this"))))

    assert type(back) is kind
    assert str(back) == "what, where: do this"
    assert back.exit_code == kind.exit_code


def test_a_configuration_error_arrives_with_all_its_faults() -> None:
    back = wire.to_error(wire.encode(wire.to_problem(ConfigError(["a.yaml:1:1: x", "b.yaml:2:2: y"]))))

    assert isinstance(back, ConfigError)
    assert back.problems == ("a.yaml:1:1: x", "b.yaml:2:2: y")


def test_an_answer_that_is_no_problem_is_not_a_traceback(office: Office) -> None:
    _, raw = office.get("/v1/verb_of_tomorrow", "POST")

    assert "another version" in str(wire.to_error(raw))


def test_decimals_and_large_integers_travel_exactly() -> None:
    value = {"salary": Decimal("98765432109876543210.12"), "number": 1234567890123456789012345}

    assert wire.decode(wire.encode(value)) == value


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"sync": 1, "full": false}', b'{"sync": "people"}', b'{"sync":"people","full":0,"x":1}']
)
def test_a_request_that_does_not_fit_is_refused_with_the_place(office: Office, body: bytes) -> None:
    status, raw = office.get("/v1/plan", "POST", body)

    problem = json.loads(raw)
    assert (status, problem["exit_code"]) == (400, 64)
    assert problem["detail"].startswith("plan: ")


def test_only_verbs_can_be_called_and_only_by_post(office: Office) -> None:
    assert office.get("/v1/status")[0] == 405
    assert office.get("/v1/_turns", "POST")[0] == 404
    assert office.get("/v1/__init__", "POST")[0] == 404


def test_a_giant_request_is_refused(office: Office) -> None:
    assert office.get("/v1/plan", "POST", b" " * (LARGEST + 1))[0] == 400


def test_health_is_asked_without_a_verb(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    assert office.get("/livez") == (200, b"ok\n")
    assert office.get("/readyz")[0] == 200

    monkeypatch.setattr(office.health, "alive", False)
    monkeypatch.setitem(office.health.conditions, "audit", False)

    assert office.get("/livez")[0] == 503
    status, raw = office.get("/readyz")
    assert (status, json.loads(raw)) == (503, {"running": True, "audit": False})


def test_a_call_that_waits_does_not_stop_the_others(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred calls that wait, as for a run, and status answers all the same."""
    release = threading.Event()
    server_plan, started = office.operations.plan, threading.Semaphore(0)

    def slow(sync: str, *, full: bool, actor: str) -> Any:
        started.release()
        release.wait(20)
        return server_plan(sync, full=full, actor=actor)

    monkeypatch.setattr(office.operations, "plan", slow)
    waiting = [
        threading.Thread(target=office.client.plan, args=("people",), kwargs={"full": False, "actor": ""})
        for _ in range(100)
    ]
    for thread in waiting:
        thread.start()
    for _ in waiting:
        assert started.acquire(timeout=20)

    assert office.client.status()["state"] == "foreground"

    release.set()
    for thread in waiting:
        thread.join(30)
        assert not thread.is_alive()


def test_no_daemon_is_said_with_the_path_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(NoSuch, match=r"no daemon is running at .*/admin.sock; start it") as none:
        connect(tmp_path / "admin.sock")
    assert none.value.exit_code == 3

    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "admin.sock"))
    with pytest.raises(NoSuch, match="no daemon is running"):
        connect(tmp_path / "admin.sock")


def test_a_user_who_may_not_is_told_so() -> None:
    with tempfile.TemporaryDirectory() as folder, sockets.bind(Path(folder) / "admin.sock"):
        Path(folder).chmod(0o755)
        (Path(folder) / "admin.sock").chmod(0)
        me = os.geteuid()
        os.seteuid(me or NOBODY)  # root may talk to every socket
        try:
            with pytest.raises(NotAllowed, match="join the group"):
                connect(Path(folder) / "admin.sock")
        finally:
            os.seteuid(me)


def test_a_daemon_that_dies_during_a_call_is_reported(tmp_path: Path) -> None:
    line = sockets.bind(tmp_path / "admin.sock")

    def dying() -> None:
        caller, _ = line.accept()
        caller.recv(10)
        caller.close()
        line.close()

    thread = threading.Thread(target=dying)
    thread.start()
    with pytest.raises(TallystickError, match="went away during `status`"):
        Client(tmp_path / "admin.sock").status()
    thread.join()


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("approve", {"sync": "people", "kinds": [], "only": None, "reason": "", "expires": 1e300}),
        ("approve", {"sync": "people", "kinds": [], "only": None, "reason": "", "expires": -1.0}),
        ("pairs", {"sync": "people", "states": [], "after": 0, "limit": -1}),
        ("pairs", {"sync": "people", "states": [], "after": 10**30, "limit": 1}),
        ("audit_show", {"start": None, "limit": -1, "match": {}}),
        ("runs", {"sync": None, "limit": 10**9}),
    ],
)
def test_a_number_that_makes_no_sense_is_the_callers_mistake(
    office: Office, verb: str, arguments: dict[str, Any]
) -> None:
    status, raw = office.get(f"/v1/{verb}", "POST", json.dumps(arguments).encode())

    assert status == 400
    assert json.loads(raw)["exit_code"] == 64
