"""This is where a directory answers as Active Directory does: a large attribute comes in parts of 1,500 values."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from ldap3.protocol import rfc4511 as ldap
from pyasn1.codec.ber import encoder

PART = 1500
_RANGE = re.compile(r"member;range=(\d+)-\*")


class _Handler(socketserver.StreamRequestHandler):
    """One connection: anybody is let in, and one group is all there is."""

    server: Any

    def handle(self) -> None:
        while raw := _message(self.rfile):
            (_, number), (tag, operation), *_ = _parts(raw)
            match tag:
                case 0x60:
                    self._answer(number, "bindResponse", _done(ldap.BindResponse()))
                case 0x63:
                    (_, base), *_, (_, names) = _parts(operation)
                    self._search(number, base, [name.decode() for _, name in _parts(names)])
                case _:
                    return

    def _search(self, number: bytes, base: bytes, names: list[str]) -> None:
        if base:
            self._answer(number, "searchResEntry", self._group(names))
        self._answer(number, "searchResDone", _done(ldap.SearchResultDone()))

    def _group(self, names: list[str]) -> Any:
        """The group with as much of its members as goes into one answer."""
        start = next((int(found[1]) for name in names if (found := _RANGE.match(name))), 0)
        self.server.asked.append(start)
        part = self.server.members[start : start + PART] if start < self.server.cut else []
        last = start + PART >= len(self.server.members)
        shown = {"cn": ["crowd"], "objectGUID": ["crowd-crowd-0001"], "member": []}
        shown[f"member;range={start}-{'*' if last else start + len(part) - 1}"] = part
        return _entry("cn=crowd,dc=corp", shown)

    def _answer(self, number: bytes, name: str, content: Any) -> None:
        message = ldap.LDAPMessage()
        message["messageID"] = int.from_bytes(number, "big")
        message["protocolOp"] = ldap.ProtocolOp().setComponentByName(name, content)
        self.wfile.write(encoder.encode(message))


class Ranges(socketserver.ThreadingTCPServer):
    """A group `cn=crowd` with these members. Beyond *cut* the server forgets them."""

    daemon_threads = True

    def __init__(self, members: list[str], cut: int = 1_000_000) -> None:
        self.members, self.cut, self.asked = members, cut, list[int]()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(server: Ranges) -> Iterator[Ranges]:
    """The server at work."""
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def _message(stream: Any) -> bytes:
    """The content of one message: after a tag and a length, so many bytes (X.690 8.1)."""
    return next((content for _, content in _values(stream)), b"")


def _parts(content: bytes) -> list[tuple[int, bytes]]:
    return list(_values(BytesIO(content)))


def _values(stream: Any) -> Iterator[tuple[int, bytes]]:
    """Tags and contents, one after the other."""
    while len(head := stream.read(2)) == 2:
        size = head[1]
        if size & 0x80:
            size = int.from_bytes(stream.read(size & 0x7F), "big")
        yield head[0], stream.read(size)


def _done(response: Any) -> Any:
    response["resultCode"] = ldap.ResultCode("success")
    response["matchedDN"] = response["diagnosticMessage"] = ""
    return response


def _entry(dn: str, attributes: dict[str, list[str]]) -> Any:
    entry = ldap.SearchResultEntry()
    entry["object"] = ldap.LDAPDN(dn)
    entry["attributes"] = ldap.PartialAttributeList()
    for at, (name, members) in enumerate(attributes.items()):
        one = ldap.PartialAttribute()
        one["type"] = ldap.AttributeDescription(name)
        one["vals"] = ldap.Vals()
        for n, member in enumerate(members):
            one["vals"][n] = ldap.AttributeValue(member)
        entry["attributes"][at] = one
    return entry
