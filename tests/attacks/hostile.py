"""This is where a CRM lives that means us harm: a real HTTP server that does to each request what a test says."""

import gzip
import json
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

Mood: TypeAlias = str
"""What happens to a request instead of an answer; see `_Handler._suffer`."""

PAGE = 5


class Hostile(ThreadingHTTPServer):
    """Records of people under /people, in pages of five. `mood` is asked about every request."""

    daemon_threads = True

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.mood: Callable[[str, str], Mood | None] = lambda method, path: None
        self.moods: deque[Mood | None] = deque()
        """Fates of the next requests, before `mood` is asked."""
        self.listing: Callable[[list[dict[str, Any]], str | None], tuple[list[Any], str | None]] = pages
        """Cuts the records into pages: (records, cursor) -> (page, next cursor)."""
        self.token: str | None = None
        self.asked: Counter[str] = Counter()
        self.last = 0
        self.turn = threading.RLock()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fate(self, method: str, path: str) -> Mood | None:
        """What happens to this request."""
        with self.turn:
            self.asked[method] += 1
            return self.moods.popleft() if self.moods else self.mood(method, path)

    def create(self, fields: dict[str, Any]) -> dict[str, Any]:
        """A new record; nothing is unique here, so a double shows."""
        with self.turn:
            self.last += 1
            return self.put(fields.get("id") or f"p{self.last}", fields)

    def put(self, id: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The record as it is now, with a new revision."""
        with self.turn:
            revision = int(self.people.get(id, {}).get("rev", 0)) + 1
            self.people[id] = {
                "name": None,
                "email": None,
                "phone": None,
                "unit": None,
                **fields,
                "id": id,
                "rev": revision,
            }
            return self.people[id]

    def named(self, email: str) -> dict[str, Any]:
        """The one record with this address."""
        with self.turn:
            (found,) = [person for person in self.people.values() if person["email"] == email]
            return found

    def edit(self, email: str, **fields: Any) -> None:
        """Somebody at work in the CRM."""
        with self.turn:
            person = self.named(email)
            self.put(person["id"], {**person, **fields})

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def hang_up(self) -> None:
        """Ends every connection, also those that somebody keeps alive."""
        self.server_close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is no news here."""


def pages(people: list[dict[str, Any]], cursor: str | None) -> tuple[list[Any], str | None]:
    """Honest pages."""
    at = int(cursor or 0)
    return people[at : at + PAGE], str(at + PAGE) if at + PAGE < len(people) else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Hostile

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        mood = self.server.fate(self.command, self.path)
        if self.server.token and self.headers.get("authorization") != f"Bearer {self.server.token}":
            return self._send(401, {"message": "who are you?"})
        if mood and self._suffer(mood, body):
            return None
        return self._send(*self._answer(body))

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _suffer(self, mood: Mood, body: Any) -> bool:
        """Whether the request is dealt with."""
        match mood.split():
            case ["cut", "before"]:
                self.close_connection = True
            case ["cut", "after"]:
                self._answer(body)
                self.close_connection = True
            case ["half"]:
                self._raw(200, b'{"items": [{"id": "p1", "na', length=5000)
                self.close_connection = True
            case ["html"]:
                self._raw(200, b"<html><body>Please log in</body></html>", kind="text/html")
            case ["garbage"]:
                self._raw(200, gzip.compress(b'{"items": []}')[:-9] + b"#########", coding="gzip")
            case ["bomb"]:
                self._raw(200, gzip.compress(b" " * 2**28 + b"{}"), coding="gzip")
            case ["empty", status]:
                self._answer(body)
                self._raw(int(status), b"")
            case ["wait", seconds]:
                self._send(429, {"message": "slow down"}, {"Retry-After": seconds})
            case [status] if status.isdecimal():
                self._send(int(status), {"message": f"something said {status}"})
            case _:
                raise AssertionError(f"no mood {mood}")
        return True

    def _answer(self, body: Any) -> tuple[int, Any]:
        url = urlsplit(self.path)
        id = unquote(url.path.removeprefix("/people").removeprefix("/"))
        with self.server.turn:
            people = self.server.people
            match self.command:
                case "GET" if not id:
                    query = {name: values[0] for name, values in parse_qs(url.query).items()}
                    cursor = query.pop("after", None)
                    found = [p for p in people.values() if all(p.get(k) == v for k, v in query.items())]
                    page, following = self.server.listing(found, cursor)
                    return 200, {"items": page, "next": following}
                case "POST":
                    return 201, self.server.create(body)
                case _ if id not in people:
                    return 404, {"message": f"no {id}"}
                case "GET":
                    return 200, people[id]
                case "PATCH":
                    seen = self.headers.get("if-match")
                    if seen is not None and seen != str(people[id]["rev"]):
                        return 412, {"message": "changed meanwhile"}
                    return 200, self.server.put(id, {**people[id], **body})
                case _:
                    del people[id]
                    return 204, None

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        raw = b"" if answer is None else json.dumps(answer).encode()
        self._raw(status, raw, headers=headers)

    def _raw(
        self,
        status: int,
        raw: bytes,
        *,
        kind: str = "application/json",
        coding: str = "",
        length: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in {**(headers or {}), **({"Content-Encoding": coding} if coding else {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw) if length is None else length))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@contextmanager
def hostile() -> Iterator[Hostile]:
    """The server for the length of a `with`."""
    server = Hostile()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.hang_up()


def in_crm(crm: Hostile) -> list[tuple[Any, ...]]:
    """What the CRM itself holds."""
    return sorted(((p["email"], p["name"], p["phone"]) for p in crm.people.values()), key=repr)
