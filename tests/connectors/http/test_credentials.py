"""This is where credentials are sent and never shown."""

from collections.abc import Callable
from typing import Any

import pytest

from connectors.base import (
    Permanent,
    Temporary,
)
from tests.connectors.http.connected import CREATE, TOKEN, Time, driver_for, write
from tests.connectors.http.servers import Reply, Seen, served

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
