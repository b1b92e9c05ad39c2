"""This is where real little servers stand for the systems of this world: a small CRM, and sockets that misbehave."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass
class Seen:
    """One request as the server got it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """What a server answers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Crm:
    """People behind a REST API: pages of two by cursor, ETags, lower-case e-mail lookup, deletions remembered."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: list[tuple[int, str]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    faults: list[Callable[[Seen], Reply | None]] = field(default_factory=list)
    teams: dict[str, set[str]] = field(default_factory=dict)
    """Who is in which team: 409 for who is in it already, 404 for who is not, 422 for a team that there is not."""
    count: int = 0
    page: int = 2

    def answer(self, request: Seen) -> Reply:
        self.seen.append(request)
        for fault in self.faults:
            reply = fault(request)
            if reply is not None:
                return reply
        match request.method, [unquote(part) for part in request.path.strip("/").split("/")]:
            case "GET", ["health"]:
                return Reply(body={})
            case "GET", ["people"]:
                return self._list(request.query)
            case "GET", ["gone"]:
                since = int(request.query["since"])
                return Reply(body={"items": [{"id": id} for at, id in self.deleted if at >= since]})
            case "POST", ["people"]:
                return self._create(request)
            case method, ["people", id, "teams", *rest]:
                return self._team(method, id, *rest) if id in self.records else Reply(404, {"message": "no such"})
            case method, ["people", id]:
                return self._single(method, id, request) if id in self.records else Reply(404, {"message": "no such"})
        return Reply(404, {"message": f"no route {request.path}"})

    def _list(self, query: dict[str, str]) -> Reply:
        found = sorted(self.records.values(), key=lambda r: r["rev"])
        if "since" in query:
            found = [r for r in found if r["rev"] >= int(query["since"])]
        if "email" in query:
            found = [r for r in found if r.get("email") == query["email"]]
        start = int(query.get("after", 0))
        following = start + self.page
        return Reply(body={"items": found[start:following], "next": following if following < len(found) else None})

    def _create(self, request: Seen) -> Reply:
        if "@" not in request.body.get("email", "@"):
            return Reply(422, {"message": "email is invalid"})
        id = f"p{len(self.records) + len(self.deleted) + 1}"
        return self._store(id, {**request.body, "id": id}, 201)

    def _single(self, method: str, id: str, request: Seen) -> Reply:
        record = self.records[id]
        wanted = request.headers.get("if-match")
        if wanted is not None and wanted != str(record["rev"]):
            return Reply(412, {"message": "changed meanwhile"})
        match method:
            case "GET":
                return Reply(body=record, headers={"ETag": str(record["rev"])})
            case "PATCH":
                return self._store(id, {**record, **request.body}, 200)
            case "PUT":
                return self._store(id, {**request.body, "id": id}, 200)
            case "DELETE":
                self.count += 1
                self.deleted.append((self.count, id))
                for people in self.teams.values():
                    people.discard(id)
                del self.records[id]
                return Reply(204)
        return Reply(405, {"message": "no"})

    def _team(self, method: str, id: str, team: str = "") -> Reply:
        if method == "GET":
            return Reply(body={"items": [{"to": name} for name, people in self.teams.items() if id in people]})
        if team not in self.teams:
            return Reply(422, {"message": "there is no such team"}) if method == "PUT" else Reply(404)
        if (id in self.teams[team]) == (method == "PUT"):
            return Reply(409 if method == "PUT" else 404, {"message": "it is so already"})
        self.teams[team] ^= {id}
        return Reply(204)

    def _store(self, id: str, fields: dict[str, Any], status: int) -> Reply:
        self.count += 1
        self.records[id] = {k: v for k, v in fields.items() if v is not None} | {"rev": self.count}
        return Reply(status, self.records[id], {"ETag": str(self.count)})


@contextmanager
def served(answer: Callable[[Seen], Reply]) -> Iterator[str]:
    """The address of a real server that answers with *answer*."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = answer(Seen(self.command, url.path, query, headers, _decoder.decode(body) if body else None))
            raw = reply.body if isinstance(reply.body, bytes) else _encoder.encode(reply.body)
            raw = b"" if reply.status == 204 else raw
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def log_message(self, *args: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None: ...  # clients that hang up are no news

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Wire:
    """A server that does with each connection what it is told, and counts the requests it read whole."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._behave = behave
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Wire":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            self.requests.append(read_request(connection))
            try:
                self._behave(connection)
            except OSError:
                continue  # the client had enough, which is what some tests are about


def read_request(connection: socket.socket) -> bytes:
    """One whole request from the wire."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def says(status: str, body: bytes = b"", **headers: str) -> Callable[[socket.socket], None]:
    """A behaviour: one raw answer, then the connection is closed."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    lines += [] if "Content_Length" in headers else [f"Content-Length: {len(body)}"]

    def behave(connection: socket.socket) -> None:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        connection.close()

    return behave


def bomb(megabytes: int) -> bytes:
    """A JSON text of so many megabytes, packed small."""
    return gzip.compress(json.dumps("x" * megabytes * 2**20).encode())
