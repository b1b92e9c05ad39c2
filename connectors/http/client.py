"""This is where every HTTP request of the product is made, and where it is known whether a byte of it may have left.

Terminology
    place    METHOD and path, as errors name it; never the query, which may carry a key
    origin   scheme, host and port; nothing is ever sent to another one than the client's own

What can go wrong, by what the caller must believe:
    NotReached    nothing was sent: no address, no connection, connection pool exhausted
    Untrusted     nothing was sent: the server's certificate is not to be trusted
    AnswerLost    sent, or partly sent, and no whole answer came back
    BadAnswer     an answer came, and cannot be used: a redirect, too large, packed in a way nobody asked for
Every other answer is a Response, whatever its status.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urljoin

import httpx
import msgspec

from connectors.base import Permanent, Temporary
from connectors.http.auth import Credentials
from connectors.http.inflate import BadCoding, TooLarge, read_body
from connectors.http.transport import Exchange, Transport, exchange
from connectors.numbers import exact

_decoder = msgspec.json.Decoder(float_hook=exact)
_encoder = msgspec.json.Encoder(decimal_format="number")
_HANDSHAKE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_USUAL_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "tallystick"}
_TEXT_THAT_MAY_BE_JSON = ("text/plain", "application/octet-stream", "text/javascript")


class NotReached(Temporary):
    """Certainly not sent."""


class Untrusted(Permanent):
    """Certainly not sent: the server could not prove who it is."""


class AnswerLost(Temporary):
    """Sent, at least in part, and the whole answer never came."""


class BadAnswer(Permanent):
    """The system answered with something that cannot be used."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how much: seconds and bytes."""

    connect: float = 5.0
    read: float = 30.0
    total: float = 60.0
    wire: int = 64 * 2**20
    decoded: int = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Its URL, headers and body are kept out of repr: they may hold keys and people's data."""

    system: str
    method: str
    place: str
    status: int
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def where(self) -> str:
        """The system and the place, as every error begins."""
        return f"{self.system} {self.method} {self.place}"

    def json(self) -> Any:
        """The body with integers and decimals exact. Raises Temporary for a cut body, BadAnswer for another format."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind and "json" not in kind and kind not in _TEXT_THAT_MAY_BE_JSON:
            raise BadAnswer(f"{self.where}: {self.status} with {kind}, expected JSON")
        try:
            return _decoder.decode(self.body.removeprefix(b"\xef\xbb\xbf"))
        except RecursionError:
            raise BadAnswer(f"{self.where}: JSON nested too deeply") from None
        except msgspec.DecodeError as e:
            error = AnswerLost if "truncated" in str(e) else BadAnswer
            raise error(f"{self.where}: {self.status} with malformed JSON: {e}") from None


def encode_json(value: Any) -> bytes:
    """*value* as JSON; Decimal becomes a number with all its digits. Raises ValueError for what JSON cannot say."""
    try:
        return _encoder.encode(value)
    except (TypeError, msgspec.EncodeError, UnicodeEncodeError, RecursionError) as e:
        raise ValueError(f"cannot be written as JSON: {e}") from None


class HttpClient:
    """Requests to one origin. May be used by several threads; opens nothing until the first request."""

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        credentials: Credentials | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.system = system
        self.credentials = credentials or Credentials()
        self._base = base_of(base_url)
        self._headers = {**(headers or {}), **self.credentials.headers}
        self._params = {**(params or {}), **self.credentials.params}
        self._patience = patience or Patience()
        self._transport = transport or _Lazy(context)

    def send(
        self,
        method: str,
        target: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """The answer to one request; nothing is repeated and no redirect is followed.

        *target* is a path below the base URL, already quoted, or an absolute URL of the same origin.
        Raises NotReached, Untrusted, AnswerLost or BadAnswer, and ValueError for an address or header that HTTP has no
        way to write.
        """
        try:
            url = self._url(target)
            request = self._request(method, url, params, headers or {}, body)
        except httpx.InvalidURL as e:
            raise ValueError(f"{self.system}: the request's address cannot be written: {e}") from None
        place = url.raw_path.partition(b"?")[0].decode("ascii")
        with exchange(self._patience.total) as current:
            return self._exchange(request, place, current)

    def resolve(self, response: Response, link: str) -> str:
        """*link* of an answer as an absolute URL. Raises BadAnswer if it leads to another origin."""
        try:
            url = httpx.URL(urljoin(response.url, link))
        except httpx.InvalidURL:
            raise BadAnswer(f"{response.where}: the link to the next page is not a URL") from None
        if _origin(url) != _origin(self._base):
            raise BadAnswer(f"{response.where}: the link to the next page leads to {_origin(url)}")
        return str(url)

    def close(self) -> None:
        """Closes the connections; a later request opens them again."""
        self._transport.close()

    def _url(self, target: str) -> httpx.URL:
        if target.startswith(("http://", "https://")):
            url = httpx.URL(target)
            if _origin(url) != _origin(self._base):
                raise ValueError(f"{self.system}: {_origin(url)} is not this system's address")
            return url
        return httpx.URL(str(self._base).rstrip("/") + "/" + target.lstrip("/")) if target else self._base

    def _request(
        self,
        method: str,
        url: httpx.URL,
        params: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> httpx.Request:
        for name, value in params:
            url = url.copy_add_param(name, value)
        for name, value in self._params.items():
            url = url.copy_set_param(name, value)
        for name, value in headers.items():
            check_header(name, value)
        times = {"connect": self._patience.connect, "read": self._patience.read}
        times |= {"write": self._patience.read, "pool": self._patience.connect}
        merged = httpx.Headers(_USUAL_HEADERS)
        if body is not None:
            merged["Content-Type"] = "application/json"
        merged.update(self._headers)
        merged.update(headers)
        return httpx.Request(method, url, headers=merged, content=body, extensions={"timeout": times})

    def _exchange(self, request: httpx.Request, place: str, current: Exchange) -> Response:
        where = f"{self.system} {request.method} {place}"
        try:
            answer = self._transport.handle_request(request)
            try:
                self._refuse_redirect(request, answer, where)
                body = self._body(request, answer, where)
            finally:
                answer.close()
        except httpx.TransportError as e:
            raise self._fault(e, where, current) from None
        headers = dict(answer.headers.items())
        return Response(self.system, request.method, place, answer.status_code, str(request.url), headers, body)

    def _body(self, request: httpx.Request, answer: httpx.Response, where: str) -> bytes:
        if request.method == "HEAD":
            return b""
        coding = answer.headers.get("content-encoding", "")
        stream = answer.stream
        assert isinstance(stream, httpx.SyncByteStream)
        try:
            return read_body(stream, coding, wire=self._patience.wire, decoded=self._patience.decoded)
        except TooLarge as e:
            raise BadAnswer(f"{where}: the answer is too large: {e}") from None
        except BadCoding as e:
            raise BadAnswer(f"{where}: {e}") from None

    def _refuse_redirect(self, request: httpx.Request, answer: httpx.Response, where: str) -> None:
        location = answer.headers.get("location")
        if not 300 <= answer.status_code < 400 or location is None:
            return
        try:
            target = _origin(httpx.URL(urljoin(str(request.url), location)))
        except (httpx.InvalidURL, ValueError):
            target = "nowhere"
        raise BadAnswer(
            f"{where}: {answer.status_code} redirects to {self.credentials.hide(target)}, and redirects are never "
            "followed; if that is the right address, write it as base_url"
        )

    def _fault(self, error: httpx.TransportError, where: str, current: Exchange) -> Exception:
        # httpx's own text is used for network errors alone; a protocol error of ours could quote a header
        reason = _certificate_fault(error)
        if reason:
            return Untrusted(f"{where}: certificate refused: {reason}")
        if isinstance(error, httpx.LocalProtocolError) and not current.sent:
            return Permanent(f"{where}: the request cannot be sent as HTTP")
        told = self.credentials.hide(str(error)) or type(error).__name__
        if current.remaining(None) <= 0:
            told = f"the deadline of {self._patience.total:g} s for the whole request passed"
        if isinstance(error, _HANDSHAKE) and not current.sent:
            return NotReached(f"{where}: no connection: {told}")
        return AnswerLost(f"{where}: sent, and no whole answer came back: {told}")


def check_header(name: str, value: str) -> None:
    """Raises ValueError for a value that could end its header and begin another, or that HTTP cannot carry."""
    if not value.isascii() or not value.replace("\t", " ").isprintable():
        raise ValueError(
            f"header {name} cannot carry this value: line breaks and letters outside ASCII are not allowed"
        )


class _Lazy(httpx.BaseTransport):
    """A transport that reads certificates when it is first needed, so that a bad file never stops a start."""

    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        self._context = context
        self._inner: Transport | None = None
        self._opening = Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._open().handle_request(request)

    def _open(self) -> Transport:
        with self._opening:
            if self._inner is None:
                try:
                    self._inner = Transport(self._context())
                except (OSError, ssl.SSLError) as e:
                    raise Untrusted(f"the files under tls: cannot be used: {e}") from None
            return self._inner

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()
            self._inner = None


def base_of(text: str) -> httpx.URL:
    """*text* as the address below which everything lies. Raises ValueError for what is none; the text is not in it."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ValueError("base_url is not an address") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url is not an http or https address")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("a base URL holds no password, query or fragment; use auth: and query:")
    return url


def _origin(url: httpx.URL) -> str:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    return f"{url.scheme}://{url.host}:{port}"


def _certificate_fault(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return None
