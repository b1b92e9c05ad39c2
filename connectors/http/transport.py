"""This is where bytes leave and arrive: httpcore's pool with one deadline an exchange, and a note of what was sent.

httpx's own timeouts are per read, so a server that sends one byte a second holds a thread for days; and its errors do
not tell whether a byte left. Both facts live here, at the socket. (httpcore is the engine that httpx itself brings.)
"""

import logging
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

# At DEBUG httpcore writes the headers of every answer into the log: session cookies, links that carry keys, names.
logging.getLogger("httpcore").setLevel(logging.INFO)


@dataclass(slots=True)
class Exchange:
    """One request on its way: when it must be over (of time.monotonic), and whether a byte of it may have left."""

    deadline: float
    sent: bool = False

    def remaining(self, timeout: float | None) -> float:
        """Seconds that the next step may take; 0 or less when the time is up."""
        left = self.deadline - time.monotonic()
        return left if timeout is None else min(left, timeout)


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextmanager
def exchange(seconds: float) -> Iterator[Exchange]:
    """The exchange that everything this thread sends belongs to."""
    mine = Exchange(time.monotonic() + seconds)
    token = _current.set(mine)
    try:
        yield mine
    finally:
        _current.reset(token)


class Transport(httpx.BaseTransport):
    """Connections of one system, kept alive between requests. Certificates are always verified."""

    def __init__(self, context: ssl.SSLContext, *, connections: int = 64, backend: Any = None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=30.0,
            network_backend=_Backend(backend or httpcore.SyncBackend()),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer with its body still on the wire."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        sent = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        with _as_httpx():
            answer = self._pool.handle_request(sent)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._stream

    def close(self) -> None:
        self._stream.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        limit = _time_left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, limit, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _time_left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        limit = _time_left(timeout, httpcore.WriteTimeout)
        current = _current.get()
        if current is not None and buffer:
            current.sent = True  # before the call: what a failing write got rid of is unknown
        self._inner.write(buffer, limit)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        limit = _time_left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, limit))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _time_left(timeout: float | None, error: type[Exception]) -> float | None:
    current = _current.get()
    if current is None:
        return timeout
    left = current.remaining(timeout)
    if left <= 0:
        raise error("the deadline of the whole request has passed")
    return left


@contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except (
        httpcore.NetworkError,
        httpcore.TimeoutException,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as e:
        named: type[httpx.TransportError] = getattr(httpx, type(e).__name__)  # httpx names its errors after these
        raise named(str(e)) from e
