"""This is where the benchmark's CRM runs, in a process of its own: pages of records built once, then only sent."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

PAGE = 1000


def record(number: int) -> dict[str, Any]:
    """About 600 bytes, nested; ten of its values are mapped."""
    return {
        "id": f"c-{number:07}",
        "updatedAt": "2026-11-22T12:00:00Z",
        "properties": {
            "number": f"{number:07}",
            "first": f"First{number}",
            "last": f"Last{number}",
            "email": f"person{number}@corp.example",
            "phone": f"+4930{number:07}",
            "grade": "B",
            "salary": 4321.50,
            "active": True,
            "address": {"street": f"Long Street {number}", "zip": "10115", "city": "Berlin", "country": "DE"},
        },
        "notes": "x" * 220,
    }


def pages(count: int) -> list[bytes]:
    """The bodies of all pages."""
    starts = range(0, count, PAGE)
    return [
        msgspec.json.encode({"total": count, "results": [record(n) for n in range(at, min(at + PAGE, count))]})
        for at in starts
    ]


class Handler(BaseHTTPRequestHandler):
    """Answers GET /contacts?offset=N from the prebuilt bodies."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes] = []  # noqa: RUF012  # set once before the server starts

    def do_GET(self) -> None:
        offset = int(parse_qs(urlsplit(self.path).query).get("offset", ["0"])[0])
        at = offset // PAGE
        body = self.bodies[at] if at < len(self.bodies) else b'{"results":[]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


if __name__ == "__main__":
    Handler.bodies = pages(int(sys.argv[1]))
    Handler.wbufsize = 1 << 16
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
