"""This is where a real SCIM 2.0 server is started for a test: scim2-server over loopback, with a wire that counts."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx

from tests.systems.slapd import free_port

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Scim:
    """A server whose users stay when it goes offline. Who writes is known by the token: `clerk` or `token`."""

    token = "tallysticks-token"
    clerk = "clerks-token"

    def __init__(self) -> None:
        self._app = _application([self.token, self.clerk])
        self._port = free_port()
        self._server: WSGIServer | None = None
        self.written: Counter[str] = Counter()
        """Writes that the server took from the holder of `token`, by method."""
        self.start()
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.clerk}"}, timeout=10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v2"

    def start(self) -> None:
        """Goes online, on the same port as before."""
        self._server = make_server(
            "127.0.0.1", self._port, self._counting, server_class=_Threading, handler_class=_Quiet
        )
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()

    def stop(self) -> None:
        """Goes offline: nobody listens on the port any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> "Scim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self.stop()

    def hire(self, user: dict[str, Any]) -> str:
        """What HR's own program does when somebody begins: the new user's id."""
        return str(self._asked(self.http.post("/Users", json=user))["id"])

    def edit(self, id: str, **attributes: Any) -> None:
        """What a person in HR types into a user. None empties an attribute."""
        operations = [
            {"op": "remove", "path": name} if value is None else {"op": "replace", "path": name, "value": value}
            for name, value in attributes.items()
        ]
        self._asked(self.http.patch(f"/Users/{id}", json={"schemas": [PATCH], "Operations": operations}))

    def dismiss(self, id: str) -> None:
        """A user is deleted."""
        self._asked(self.http.delete(f"/Users/{id}"))

    def user(self, id: str) -> dict[str, Any]:
        """One user, as the server shows it."""
        return self._asked(self.http.get(f"/Users/{id}"))

    def users(self) -> dict[str, dict[str, Any]]:
        """Everybody, by id."""
        return {user["id"]: user for user in self._all()}

    def _all(self) -> Iterator[dict[str, Any]]:
        at = 1
        while True:
            page = self._asked(self.http.get("/Users", params={"startIndex": at, "count": 200}))
            yield from page.get("Resources", [])
            at += len(page.get("Resources", []))
            if at > page["totalResults"]:
                return

    def _asked(self, response: httpx.Response) -> dict[str, Any]:
        assert response.is_success, response.text
        return dict(response.json()) if response.content else {}

    def _counting(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        ours = environ.get("HTTP_AUTHORIZATION") == f"Bearer {self.token}"

        def count(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if ours and environ["REQUEST_METHOD"] != "GET" and status.startswith("2"):
                self.written[environ["REQUEST_METHOD"]] += 1
            return start_response(status, headers, *more)

        answer: Iterable[bytes] = self._app(environ, count)
        return answer


class _Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None: ...


def _application(tokens: list[str]) -> Any:
    from scim2_models import ScimProvider
    from scim2_server.memory import InMemoryStorage
    from scim2_server.testserver.application import BearerTokenApplication
    from scim2_server.utils import (
        load_default_resource_types,
        load_default_schemas,
        load_default_service_provider_config,
    )

    provider = ScimProvider.from_discovery(
        load_default_schemas().values(),
        load_default_resource_types().values(),
        config=load_default_service_provider_config(),
    )
    return BearerTokenApplication(InMemoryStorage(), provider, bearer_tokens=tokens)
