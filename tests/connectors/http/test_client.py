"""This is where the client is shown what real networks do, and must know whether anything was sent."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from connectors.base import Permanent
from connectors.http.auth import Credentials
from connectors.http.client import AnswerLost, BadAnswer, HttpClient, NotReached, Patience, Untrusted
from connectors.http.tls import tls_context
from tests.connectors.http.servers import Wire, bomb, says

QUICK = Patience(connect=0.5, read=0.3, total=0.6, wire=100_000, decoded=200_000)


_opened: list[HttpClient] = []


@pytest.fixture(autouse=True)
def _close_what_was_opened() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def client(address: str, **how: Any) -> HttpClient:
    _opened.append(HttpClient("crm", address, patience=QUICK, **how))
    return _opened[-1]


def test_nobody_listens_is_certainly_not_sent() -> None:
    with pytest.raises(NotReached, match=r"crm POST /people: no connection"):
        client("http://127.0.0.1:9").send("POST", "/people", body=b"{}")


def test_an_unknown_host_is_certainly_not_sent() -> None:
    with pytest.raises(NotReached):
        client("http://nobody.invalid").send("POST", "/people", body=b"{}")


def test_a_connection_closed_after_the_request_is_a_lost_answer() -> None:
    with Wire(lambda connection: connection.close()) as wire, pytest.raises(AnswerLost, match="crm POST /people: sent"):
        client(wire.address).send("POST", "/people", body=b"{}")

    assert len(wire.requests) == 1


def test_a_server_that_never_answers_is_a_lost_answer() -> None:
    with Wire(lambda _: None) as wire, pytest.raises(AnswerLost):
        client(wire.address).send("POST", "/people", body=b"{}")


def test_an_answer_cut_in_the_middle_is_lost() -> None:
    with Wire(says("200 OK", b'{"id": 1', Content_Length="500")) as wire, pytest.raises(AnswerLost):
        client(wire.address).send("POST", "/people", body=b"{}")


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"])
def test_bytes_that_drip_for_ever_end_at_the_deadline(start: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)

    began = time.monotonic()
    with Wire(drip) as wire, pytest.raises(AnswerLost, match="deadline"):
        client(wire.address).send("GET", "/people")

    assert time.monotonic() - began < 2


def test_a_gzip_bomb_stops_at_the_limit() -> None:
    packed = bomb(80)
    assert len(packed) < QUICK.wire

    with (
        Wire(says("200 OK", packed, Content_Encoding="gzip")) as wire,
        pytest.raises(BadAnswer, match="too large: more than 200000 bytes when unpacked"),
    ):
        client(wire.address).send("GET", "/people")


def test_gzip_inside_gzip_is_refused_unopened() -> None:
    with (
        Wire(says("200 OK", gzip.compress(bomb(80)), Content_Encoding="gzip, gzip")) as wire,
        pytest.raises(BadAnswer, match="not asked for"),
    ):
        client(wire.address).send("GET", "/people")


@pytest.mark.parametrize(("cut", "fault"), [(-5, "cut short"), (2, "cut short")])
def test_a_gzip_cut_short_is_no_answer(cut: int, fault: str) -> None:
    packed = gzip.compress(b'{"id": 1}')

    with Wire(says("200 OK", packed[:cut], Content_Encoding="gzip")) as wire, pytest.raises(BadAnswer, match=fault):
        client(wire.address).send("GET", "/people")


def test_a_packed_answer_is_unpacked() -> None:
    with Wire(says("200 OK", gzip.compress(b'{"id": 1}'), Content_Encoding="gzip")) as wire:
        assert client(wire.address).send("GET", "/people").json() == {"id": 1}


def test_an_endless_answer_stops_at_the_limit() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    with Wire(endless) as wire, pytest.raises(BadAnswer, match="too large"):
        client(wire.address).send("GET", "/people")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_never_followed_and_names_only_where_it_leads(status: str) -> None:
    elsewhere = "https://login.example.org/in?next=%2Fsecret"
    with Wire(says(status, Location=elsewhere)) as wire, pytest.raises(BadAnswer) as caught:
        client(wire.address).send("GET", "/people")

    assert "redirects to https://login.example.org:443," in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b'{"id": ', "application/json", AnswerLost),
        (b'{"id": NaN}', "application/json", BadAnswer),
        (b'{"id": 1}', "text/html; charset=utf-8", BadAnswer),
        (b"<html>maintenance</html>", "text/html", BadAnswer),
        ("{}".encode("utf-16"), "application/json", BadAnswer),
        (b"[" * 90_000, "application/json", BadAnswer),
        (b"", "application/json", AnswerLost),
    ],
)
def test_what_is_not_json_is_named_with_its_place(body: bytes, kind: str, error: type[Exception]) -> None:
    with Wire(says("200 OK", body, Content_Type=kind)) as wire:
        response = client(wire.address).send("GET", "/v1/people", params=[("page", "2")])

    with pytest.raises(error, match=r"crm GET /v1/people: "):
        response.json()


def test_numbers_are_exact() -> None:
    with Wire(says("200 OK", b'[12345678901234567890123456789, 0.10, -1.5e-7, "\xc5\xa1"]')) as wire:
        found = client(wire.address).send("GET", "/").json()

    assert [str(part) for part in found] == ["12345678901234567890123456789", "0.10", "-1.5E-7", "š"]


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\0b", "é"])
def test_a_header_cannot_begin_another(value: str) -> None:
    with pytest.raises(ValueError, match="If-Match"):
        client("http://127.0.0.1:9").send("GET", "/", headers={"If-Match": value})


def test_a_connection_is_kept_and_a_closed_one_is_replaced() -> None:
    ports: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            ports.append(self.client_address[1])
            self.close_connection = len(ports) == 2
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    speaking = client(f"http://127.0.0.1:{server.server_address[1]}")
    for _ in range(3):
        speaking.send("GET", "/")
        time.sleep(0.05)  # the server's goodbye must have arrived
    speaking.close()
    server.shutdown()
    server.server_close()
    thread.join()

    assert ports[0] == ports[1] != ports[2]


def _https(context: ssl.SSLContext) -> tuple[str, Callable[[], None]]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: Any) -> None: ...

    class Quiet(HTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None: ...  # refused handshakes are the point

        def get_request(self) -> tuple[Any, Any]:
            connection, address = super().get_request()
            return context.wrap_socket(connection, server_side=True), address

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return f"https://localhost:{server.server_address[1]}", stop


@pytest.mark.parametrize(
    ("host", "trusted", "reason"),
    [("localhost", True, None), ("localhost", False, "issuer"), ("other.example", True, "localhost")],
)
def test_a_certificate_is_always_verified(host: str, trusted: bool, reason: str | None, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    address, stop = _https(context)
    speaking = client(address, context=lambda: tls_context(tmp_path / "ca.pem" if trusted else None, None))

    try:
        if reason is None:
            assert speaking.send("GET", "/").status == 200
        else:
            with pytest.raises(Untrusted, match=reason):
                speaking.send("POST", "/", body=b"{}")
    finally:
        speaking.close()
        stop()


def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine = authority.issue_cert("us@corp.example").private_key_and_cert_chain_pem.bytes().decode()
    address, stop = _https(context)
    speaking = client(address, context=lambda: tls_context(tmp_path / "ca.pem", mine))

    try:
        assert speaking.send("GET", "/").status == 200
    finally:
        speaking.close()
        stop()


def test_a_missing_ca_file_is_a_clear_error() -> None:
    speaking = client("https://127.0.0.1:9", context=lambda: tls_context(Path("/no/such/ca.pem"), None))

    with pytest.raises(Permanent, match="tls:"):
        speaking.send("GET", "/")


@pytest.mark.parametrize(
    "address", ["ftp://x", "crm.example", "https://user:pw@crm.example", "https://crm.example/?key=1", "file:///etc"]
)
def test_an_address_that_is_none_or_hides_a_password_is_refused(address: str) -> None:
    with pytest.raises(ValueError) as caught:
        client(address)

    assert "pw" not in str(caught.value)


def test_a_link_never_leads_to_another_origin() -> None:
    speaking = client("https://crm.example/api", transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    response = speaking.send("GET", "/people")

    assert speaking.resolve(response, "?page=2") == "https://crm.example/api/people?page=2"
    for link in (
        "http://crm.example/api",
        "https://crm.example.evil.org/",
        "//evil.org/x",
        "https://crm.example:8443/",
    ):
        with pytest.raises(BadAnswer, match="leads to"):
            speaking.resolve(response, link)
        with pytest.raises(ValueError, match="not this system's address"):
            speaking.send("GET", link if "://" in link else f"https:{link}")


def test_neither_repr_nor_error_shows_a_key() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(f"reset while sending {request.headers['X-Key']} to {request.url}")

    credentials = Credentials({"X-Key": "topsecret"}, {"k": "topsecret"}, ("topsecret",))
    speaking = client("https://crm.example", credentials=credentials, transport=httpx.MockTransport(fail))

    with pytest.raises(AnswerLost) as caught:
        speaking.send("GET", "/")

    assert "topsecret" not in f"{caught.value} {caught.value!r} {credentials!r}"
    assert caught.value.__suppress_context__  # a traceback shows neither httpx's error nor its request
