"""This is where LDAP connections are opened safely and shared: verified TLS, no referrals, a limit on every wait.

ldap3's defaults are the opposite of all three, and it takes an empty password for an anonymous login that succeeds
(RFC 4513 5.1.2). Nothing here follows a referral, so credentials stay with the server that the configuration names.
"""

import math
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import ldap3
from ldap3.core.exceptions import (
    LDAPCertificateError,
    LDAPException,
    LDAPResponseTimeoutError,
    LDAPSessionTerminatedByServerError,
    LDAPSocketOpenError,
    LDAPSocketReceiveError,
    LDAPSocketSendError,
    LDAPStartTLSError,
)

from connectors.base import ConnectorError, Permanent, Temporary

IDLE = 5.0
"""Seconds after which a resting connection is asked something harmless before it is trusted with a write."""

LOST = (LDAPSocketReceiveError, LDAPSocketSendError, LDAPSessionTerminatedByServerError, LDAPResponseTimeoutError)
"""What ldap3 raises when a request was on its way and no answer came."""

Meaning: TypeAlias = Literal["done", "temporary", "permanent", "refused", "missing", "stale", "unclear"]

_MEANINGS: dict[int, Meaning] = {
    0: "done",
    3: "temporary",  # timeLimitExceeded
    32: "missing",  # noSuchObject
    51: "temporary",  # busy
    52: "temporary",  # unavailable
    80: "unclear",  # other: the server does not know itself
    122: "stale",  # assertionFailed, RFC 4528
    # A person has to act: strength and kind of login, rights, limits, referrals, what the server does not offer.
    **dict.fromkeys((1, 2, 4, 7, 8, 10, 11, 12, 13, 14, 48, 49, 50, 54), "permanent"),
}


def meaning(code: int) -> Meaning:
    """What a result code (RFC 4511 appendix A) means for the caller; codes about the entry itself are `refused`."""
    return _MEANINGS.get(code, "refused")


def words(result: Any) -> str:
    """A result in the server's words: the code's name and its diagnostic message."""
    more = (result.get("message") or "").strip("\x00 \n")
    return f"{result['description']}: {more}" if more else str(result["description"])


def raise_for(result: Any, place: str) -> None:
    """Raises what a read must raise unless the operation succeeded."""
    match meaning(result["result"]):
        case "done":
            return
        case "temporary" | "unclear":
            raise Temporary(f"{place}: {words(result)}")
        case _:
            raise Permanent(f"{place}: {words(result)}")


@dataclass(frozen=True, slots=True)
class Access:
    """How the server is reached. *tls* is False only for loopback, where the configuration said so."""

    name: str
    url: str
    tls: bool
    ca: Path | None
    bind_dn: str | None
    connect_timeout: float
    receive_timeout: float


class _Tls(ldap3.Tls):
    """TLS as Python's ssl does it by default: certificate required, host name checked, 1.2 or newer."""

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        context = ssl.create_default_context(cafile=self.ca_certs_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        connection.socket = context.wrap_socket(
            connection.socket, server_hostname=connection.server.host, do_handshake_on_connect=do_handshake
        )


class Sessions:
    """Connections to one server: each is used by one thread at a time and goes back when it is well."""

    def __init__(self, access: Access, password: Callable[[], str | None]) -> None:
        self.access = access
        self._password = password
        self._idle: list[tuple[float, ldap3.Connection]] = []
        self._lock = threading.Lock()
        self._root: dict[str, list[bytes]] | None = None

    @contextmanager
    def connection(self) -> Iterator[ldap3.Connection]:
        """A bound connection. Raises Temporary or Permanent; what the caller's own requests raise is theirs."""
        found = self._rested() or self.open()
        try:
            yield found
        except BaseException:
            _discard(found)  # whatever happened, an answer may still be under way on it
            raise
        with self._lock:
            self._idle.append((time.monotonic(), found))

    def open(self) -> ldap3.Connection:
        """A new connection, encrypted and bound."""
        password = self._checked_password()
        connection = ldap3.Connection(
            self.server(),
            user=self.access.bind_dn,
            password=password,
            client_strategy=ldap3.SYNC,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            auto_range=False,
            return_empty_attributes=False,  # its code for that fails on an attribute that comes in parts
            raise_exceptions=False,
            check_names=False,
            receive_timeout=max(1, math.ceil(self.access.receive_timeout)),  # ldap3 takes whole seconds only
        )
        try:
            self._greet(connection)
        except BaseException:
            _discard(connection)
            raise
        return connection

    def server(self) -> ldap3.Server:
        """The server as ldap3 sees it, every default that matters overridden."""
        access = self.access
        return ldap3.Server(
            access.url,
            tls=_Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(access.ca) if access.ca else None),
            get_info=ldap3.NONE,
            mode=ldap3.IP_V4_PREFERRED,
            allowed_referral_hosts=[],
            connect_timeout=access.connect_timeout,
        )

    def root(self, connection: ldap3.Connection) -> dict[str, list[bytes]]:
        """What the server says of itself (RFC 4512 5.1), asked once; names in lower case."""
        if self._root is None:
            self._root = self._read_root(connection)
        return self._root

    def offers(self, connection: ldap3.Connection, control: str) -> bool:
        """Whether the server knows this control."""
        return control.encode() in self.root(connection).get("supportedcontrol", [])

    def close(self) -> None:
        """Ends the resting connections."""
        with self._lock:
            resting, self._idle = self._idle, []
        for _, connection in resting:
            _discard(connection)

    def _greet(self, connection: ldap3.Connection) -> None:
        place = f"{self.access.name}: {self.access.url}"
        try:
            connection.open(read_server_info=False)
            if self.access.tls and not connection.server.ssl:
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
        except LDAPException as error:
            raise _why(error, place) from None
        except OSError as error:
            raise Temporary(f"{place}: {error}") from None
        if connection.result["result"] != 0:
            login = self.access.bind_dn or "anonymous"
            raise_for(connection.result, f"{place}: login of {login}")

    def _checked_password(self) -> str | None:
        password, name = self._password(), self.access.name
        if self.access.bind_dn is None:
            return None
        if password is None or not password.strip():
            raise Permanent(f"{name}: the password of {self.access.bind_dn} is empty; a server would let anyone in")
        if "\x00" in password or len(password.encode()) > 1024:
            raise Permanent(f"{name}: the password of {self.access.bind_dn} is no password: NUL or over 1,024 bytes")
        return password

    def _rested(self) -> ldap3.Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since, connection = self._idle.pop()
            if _silent(connection) and (time.monotonic() - since < IDLE or self._alive(connection)):
                return connection
            _discard(connection)

    def _alive(self, connection: ldap3.Connection) -> bool:
        try:
            self._read_root(connection)
        except ConnectorError:
            return False
        return True

    def _read_root(self, connection: ldap3.Connection) -> dict[str, list[bytes]]:
        found = search(connection, self.access.name, "", "(objectClass=*)", ldap3.BASE, ["*", "+"])
        entries = [entry for entry in found if entry["type"] == "searchResEntry"]
        return {name.lower(): list(values) for e in entries for name, values in e["raw_attributes"].items()}


def _why(error: LDAPException, place: str) -> ConnectorError:
    text = f"{place}: {error}"
    certificate = "certificate" in str(error).lower() or isinstance(error, LDAPCertificateError)
    if certificate:
        return Permanent(f"{text}; name the authority's file in `ca`")
    if isinstance(error, LDAPStartTLSError):
        return Permanent(f"{text}; StartTLS is refused")
    if isinstance(error, (LDAPSocketOpenError, *LOST)):
        return Temporary(text)
    return Permanent(text)


def _silent(connection: ldap3.Connection) -> bool:
    """Whether nothing waits to be read: a resting connection only ever hears that the server hung up."""
    waiting = select.poll()  # select() fails beyond 1,024 open files
    waiting.register(connection.socket, select.POLLIN)
    return not waiting.poll(0)


def _discard(connection: ldap3.Connection) -> None:
    with suppress(LDAPException, OSError):
        connection.strategy.close()  # no unbind: it would wait on a connection that may be dead
    if connection.socket is not None:
        connection.socket.close()  # ldap3 forgets it where the opening failed half-way


def search(
    connection: ldap3.Connection, place: str, base: str, rules: str, scope: str, attributes: list[str], **paging: Any
) -> list[dict[str, Any]]:
    """Entries and referrals of one search, aliases not followed. Raises on anything but plain success.

    What Active Directory sends in parts comes whole; `connection.result` is that of the search itself.
    """
    found = _search(connection, place, base, rules, scope, attributes, **paging)
    result = connection.result
    for entry in found:
        if entry["type"] == "searchResEntry":
            _complete(connection, place, entry)
    connection.result = result
    return found


def _complete(connection: ldap3.Connection, place: str, entry: dict[str, Any]) -> None:
    """Asks for the rest of each attribute that came as `member;range=0-1499` ([MS-ADTS] 3.1.1.3.1.3.3)."""
    raw = entry["raw_attributes"]
    for name in [name for name in raw if ";range=" in name.lower()]:
        plain, values = name[: name.lower().index(";range=")], list(raw[name])
        while not name.endswith("-*"):
            asked = [f"{plain};range={len(values)}-*"]
            more = _search(connection, place, entry["dn"], "(objectClass=*)", ldap3.BASE, asked)
            found = [(n, v) for e in more for n, v in e["raw_attributes"].items() if ";range=" in n.lower()]
            name, part = next(iter(found), ("", []))
            if not part:
                raise Permanent(f"{place}: {entry['dn']}: only {len(values)} values of {plain} could be had")
            values += part
        raw[plain] = values


def _search(
    connection: ldap3.Connection, place: str, base: str, rules: str, scope: str, attributes: list[str], **paging: Any
) -> list[dict[str, Any]]:
    try:
        connection.search(
            base,
            rules,
            scope,  # type: ignore[arg-type]  # one of ldap3's own names
            dereference_aliases=ldap3.DEREF_NEVER,
            attributes=attributes,
            **paging,
        )
    except LDAPException as error:
        raise (Temporary if isinstance(error, LOST) else Permanent)(f"{place}: {error}") from None
    except OSError as error:
        raise Temporary(f"{place}: {error}") from None
    raise_for(connection.result, f"{place}: {base or 'the server'}")
    return list(connection.response or [])
