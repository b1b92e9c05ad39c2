"""This is where the demo's CRM answers over HTTP on loopback: a small system with the habits of real ones.

    GET    /v1/contacts?limit=&after=      a page, and where the next one begins; ?email= and ?external_id= search
    GET    /v1/contacts/changed?since=     what changed at or after a revision
    GET    /v1/contacts/deleted?since=     what was deleted
    GET    /v1/contacts/ID                 one record with its ETag
    POST   /v1/contacts                    201; 422 in the CRM's own words
    PATCH  /v1/contacts/ID                 only what changes; If-Match: 412 when somebody was faster
    DELETE /v1/contacts/ID
    POST   /_faults                        see faults.py
The same for /v1/companies and /v1/invoices. Everything is kept in one file, so that a restart changes nothing.
"""

import re
import threading
from collections.abc import Mapping
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec

from daemon.cli.demo.collection import Collection, Stale, Unacceptable
from daemon.cli.demo.faults import Misbehaviour

_PATH = re.compile(r"/v1/(?P<kind>[a-z]+)(?:/(?P<rest>[^/]+))?\Z")
_PAGE = 50
_Answer: TypeAlias = tuple[int, Any]

_decoder = msgspec.json.Decoder(float_hook=Decimal)  # amounts of money leave as they came
_encoder = msgspec.json.Encoder(decimal_format="number")


class Crm(ThreadingHTTPServer):
    """The server. It speaks on loopback only, and asks for the token of *token*."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, file: Path, token: str, port: int = 0) -> None:
        self.file, self.token = file, token
        self.collections = {"contacts": Collection("c"), "companies": Collection("a"), "invoices": Collection("i")}
        self.turn = threading.RLock()
        self.faults = Misbehaviour()
        if file.exists():
            for kind, dumped in _decoder.decode(file.read_bytes()).items():
                self.collections[kind].restore(dumped)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def save(self) -> None:
        """Writes everything to the file, whole or not at all."""
        beside = self.file.with_suffix(".new")
        beside.write_bytes(_encoder.encode({kind: c.dump() for kind, c in self.collections.items()}))
        beside.replace(self.file)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed in the middle of a request is no fault of the CRM."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body of an answer leave together
    server: Crm

    def do_GET(self) -> None:
        self._serve(self._read)

    def do_POST(self) -> None:
        self._serve(self._post)

    def do_PATCH(self) -> None:
        self._serve(self._patch)

    def do_DELETE(self) -> None:
        self._serve(self._delete)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the story is told elsewhere."""

    def _serve(self, verb: Any) -> None:
        length = int(self.headers.get("content-length") or 0)
        try:
            body = _decoder.decode(self.rfile.read(length)) if length else {}
        except msgspec.DecodeError:
            return self._send(400, {"message": "this is not JSON"})
        status, answer = self._judged(verb, body)
        self.server.faults.wait()
        if status == 201 and self.server.faults.swallows():
            self.server.faults.answering.wait(30)
            self.close_connection = True
            return None
        return self._send(status, answer)

    def _judged(self, verb: Any, body: Any) -> _Answer:
        """What the verb answers, unless the CRM refuses to listen."""
        if self.path.startswith("/_faults"):
            return self._misbehave(body)
        if self.headers.get("authorization") != f"Bearer {self.server.token}":
            return 401, {"message": "who are you?"}
        if status := self.server.faults.status():
            return status, {"message": "slow down" if status == 429 else "something broke inside the CRM"}
        try:
            with self.server.turn:
                answer: _Answer = verb(body)
                if self.command != "GET":
                    self.server.save()
                return answer
        except KeyError:
            return 404, {"message": f"there is no {self.path}"}
        except Stale as error:
            return 412, {"message": str(error)}
        except Unacceptable as error:
            return 422, {"message": str(error)}

    def _misbehave(self, body: Any) -> _Answer:
        try:
            return 200, self.server.faults.set(body)
        except (ValueError, TypeError) as error:
            return 422, {"message": str(error)}

    def _read(self, _: Any) -> _Answer:
        url = urlsplit(self.path)
        if url.path == "/v1/me":
            return 200, {"tenant": "demo"}
        collection, rest = self._place(url.path)
        query = dict(parse_qsl(url.query))
        match rest:
            case None:
                after, limit = query.pop("after", None), int(query.pop("limit", _PAGE))
                page, following = collection.page(after, limit, query)
                return 200, {"results": page, "paging": {"next": {"after": following} if following else None}}
            case "changed":
                return 200, {"results": collection.changed(int(query.get("since") or 0))}
            case "deleted":
                return 200, {"results": collection.gone(int(query.get("since") or 0))}
            case _:
                return 200, collection.records[rest]

    def _post(self, body: Mapping[str, Any]) -> _Answer:
        collection, _ = self._place(self.path)
        return 201, collection.create(body)

    def _patch(self, body: Mapping[str, Any]) -> _Answer:
        collection, id = self._place(self.path)
        return 200, collection.update(id or "", body, self.headers.get("if-match"))

    def _delete(self, _: Any) -> _Answer:
        collection, id = self._place(self.path)
        collection.delete(id or "", self.headers.get("if-match"))
        return 204, None

    def _place(self, path: str) -> tuple[Collection, str | None]:
        found = _PATH.match(path)
        if not found:
            raise KeyError(path)
        return self.server.collections[found["kind"]], found["rest"]

    def _send(self, status: int, answer: Any) -> None:
        raw = b"" if answer is None else _encoder.encode(answer)
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        if isinstance(answer, dict) and "etag" in answer:
            self.send_header("ETag", answer["etag"])
        if answer is not None:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
