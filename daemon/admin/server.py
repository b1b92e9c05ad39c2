"""This is where the admin socket is answered: every verb of Operations by POST /v1/<verb>, and how the daemon is.

    POST /v1/run {"sync": "people", "full": false, "only": null, "wait": true, "reason": ""}
    GET  /livez  /readyz

Runs in a thread of its own. Who calls is asked of the kernel, never of the caller.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import anyio.to_thread
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from daemon.admin import wire
from daemon.admin.operations import Operations
from daemon.admin.sockets import peer
from daemon.errors import NoSuch, TallystickError

log = structlog.get_logger()

QUICK: Final = frozenset({"status", "runs", "held", "conflicts", "pairs", "pair"})
"""Verbs that only look: they never queue behind those that wait for a run."""
CALLS: Final = 200
"""Calls that may wait for a run at the same time; each has a thread."""
LARGEST: Final = 16_000_000
"""Bytes of a request."""
GRACE: Final = 2
"""Seconds that open answers get when the daemon ends."""


class Health(Protocol):
    """What the daemon says of itself to whoever watches it."""

    def live(self) -> bool:
        """It turns. False asks for a restart."""

    def ready(self) -> Mapping[str, bool]:
        """Each condition under which it can do its work."""


class AdminServer:
    """The socket's server, in its own thread."""

    def __init__(self, line: socket.socket, operations: Operations, health: Health) -> None:
        config = uvicorn.Config(
            _app(operations, health),
            http=_PeerProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        self._line = line
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="admin", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after open answers, or after two seconds."""
        self._server.should_exit = True
        self._thread.join(GRACE + 3)

    def _serve(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._line]))
        except Exception:
            log.exception("admin socket broke")


class _PeerProtocol(H11Protocol):
    """HTTP on a unix socket: the client is who the kernel says, not an address."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in its own base
        super().connection_made(transport)
        pid, uid = peer(transport.get_extra_info("socket"))
        self.client = (f"uid:{uid}", pid)


def _app(operations: Operations, health: Health) -> Starlette:
    waiting = anyio.CapacityLimiter(CALLS)
    looking = anyio.CapacityLimiter(CALLS)
    routes = [
        Route(f"/v1/{verb}", _endpoint(verb, operations, looking if verb in QUICK else waiting), methods=["POST"])
        for verb in wire.VERBS
    ]
    return Starlette(routes=[*routes, Route("/livez", _livez(health)), Route("/readyz", _readyz(health))])


def _endpoint(verb: str, operations: Operations, limiter: anyio.CapacityLimiter) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            given = wire.arguments(verb, await _body(request))
            if verb in wire.ACTED:
                given["actor"] = _actor(request)
            answer = await anyio.to_thread.run_sync(
                lambda: wire.encode(getattr(operations, verb)(**given)), limiter=limiter, abandon_on_cancel=True
            )
        except TallystickError as error:
            return _problem(wire.to_problem(error))
        except Exception as error:
            log.exception("verb broke", verb=verb)
            text = f"{verb} broke ({type(error).__name__}); the daemon's log has the details"
            return _problem(wire.Problem("tallystick:bug", "Bug", 500, text, 70))
        return Response(answer, media_type="application/json")

    return endpoint


async def _body(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST:
            raise wire.Usage(f"a request has at most {LARGEST} bytes")
    return bytes(raw)


def _actor(request: Request) -> str:
    if request.client is None:
        raise NoSuch("the kernel does not say who calls")
    return request.client.host


def _problem(problem: wire.Problem) -> Response:
    return Response(wire.encode(problem), problem.status, media_type="application/problem+json")


def _livez(health: Health) -> Callable[[Request], Any]:
    async def livez(request: Request) -> Response:
        del request
        live = health.live()
        return Response("ok\n" if live else "stuck\n", 200 if live else 503)

    return livez


def _readyz(health: Health) -> Callable[[Request], Any]:
    async def readyz(request: Request) -> Response:
        del request
        ready = await anyio.to_thread.run_sync(health.ready, abandon_on_cancel=True)
        return Response(wire.encode(ready), 200 if all(ready.values()) else 503, media_type="application/json")

    return readyz
