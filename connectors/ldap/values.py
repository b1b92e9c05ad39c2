"""This is where LDAP's bytes become values and values become bytes: attributes, ids, filters and names.

LDAP knows text and octets only, and every attribute may hold several values. The entity says which attributes are
lists, which are octets and which are true or false; a scalar that turns out to hold two values is shown as a list, so
that nothing is silently lost.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import ldap3
from ldap3.core.exceptions import LDAPInvalidFilterError
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.protocol.rfc4511 import AttributeSelection
from ldap3.utils.conv import escape_bytes, escape_filter_chars
from ldap3.utils.dn import escape_rdn
from pyasn1.codec.ber import encoder

from connectors.base import Fields

Change: TypeAlias = list[tuple[str, list[bytes]]]
"""What happens to one attribute, in order: ldap3's word for it, and the values."""

DN = "dn"
"""The pseudo field that shows the entry's distinguished name; read-only."""

_GUIDS = frozenset({"objectguid"})
"""Attributes that hold a UUID in Microsoft's byte order ([MS-DTYP] 2.3.4)."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """How the attributes of an entity look, names in lower case."""

    many: frozenset[str]
    binary: frozenset[str]
    booleans: frozenset[str]

    @classmethod
    def of(cls, many: Sequence[str], binary: Sequence[str], booleans: Sequence[str]) -> "Shapes":
        """From the names as the configuration spells them."""
        return cls(*(frozenset(name.lower() for name in names) for names in (many, binary, booleans)))

    def shown(self, entry: Any, wanted: Sequence[str]) -> dict[str, Any]:
        """The fields of an entry, under the spelling asked for; all of them where none was."""
        found = entry["raw_attributes"].items()
        raw = {name.lower(): (name, values) for name, values in found if ";range=" not in name.lower()}
        if not wanted:
            return {name: self.value(name, values) for name, values in raw.values()} | {DN: entry["dn"]}
        return {
            name: entry["dn"] if name == DN else self.value(name, raw.get(name.lower(), (name, []))[1])
            for name in wanted
            if not name.startswith("@")  # a relation: other entries show it
        }

    def value(self, name: str, values: Sequence[bytes]) -> Any:
        """One attribute: None where it is missing, a list where it is one or holds several, in a stable order."""
        if not values:
            return None
        shown = [self._one(name.lower(), value) for value in values]
        return sorted(shown, key=str) if name.lower() in self.many or len(shown) > 1 else shown[0]

    def octets(self, name: str, value: Any) -> list[bytes]:
        """The values to write; empty removes the attribute. Raises ValueError with words."""
        if value is None or value == "":
            return []
        members = value if isinstance(value, list | tuple) else [value]
        return [self._written(name, member) for member in members if member is not None and member != ""]

    def _one(self, name: str, value: bytes) -> Any:
        if name in _GUIDS and len(value) == 16:
            return str(uuid.UUID(bytes_le=value))
        if name in self.binary:
            return base64.b64encode(value).decode()
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
        return {"TRUE": True, "FALSE": False}.get(text, text) if name in self.booleans else text

    def _written(self, name: str, value: Any) -> bytes:
        if name.lower() in self.binary and isinstance(value, str):
            try:
                return base64.b64decode(value, validate=True)
            except binascii.Error as error:
                raise ValueError(f"{name} is binary and wants base64: {error}") from None
        return text_of(name, value).encode()


def raw(entry: Mapping[str, Any], name: str) -> list[bytes]:
    """The values of one attribute of an entry as they came."""
    return next((list(v) for n, v in entry["raw_attributes"].items() if n.lower() == name.lower()), [])


def moved(known: Sequence[bytes], *, add: Sequence[bytes], remove: Sequence[bytes]) -> Change:
    """What has to be said so that a list gets and loses these values; what is so already is not said."""
    there, wanted = set(known), set(add)
    gone = [value for value in dict.fromkeys(remove) if value in there and value not in wanted]
    new = [value for value in dict.fromkeys(add) if value not in there]
    both = ((ldap3.MODIFY_DELETE, gone), (ldap3.MODIFY_ADD, new))  # in this order a value can change its spelling
    return [(how, part) for how, part in both if part]


def in_parts(changes: Mapping[str, Change], size: int) -> Iterator[dict[str, Change]]:
    """*changes* as requests of at most *size* values; what fits into one stays one."""
    part: dict[str, Change] = {}
    room = size
    for name, change in changes.items():
        for some in _rounds(change, size):
            count = sum(len(members) for _, members in some)
            if part and (count > room or name in part):
                yield part
                part, room = {}, size
            part[name] = some
            room -= count
    if part:
        yield part


def _rounds(change: Change, size: int) -> Iterator[Change]:
    """Some leave and some join in every round, so that a list which must not be empty never is."""
    each = max(1, size // len(change))
    for at in range(0, max(1, *(len(members) for _, members in change)), each):
        parts = ((how, members[at : at + each]) for how, members in change)
        yield [(ldap3.MODIFY_ADD if how == ldap3.MODIFY_REPLACE and at else how, m) for how, m in parts if m or not at]


def text_of(name: str, value: Any) -> str:
    """A scalar in LDAP's own spelling (RFC 4517). Raises ValueError for what has none."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return value
        case int():
            return str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            moment = value if value.tzinfo is None else value.astimezone(UTC)
            return moment.strftime("%Y%m%d%H%M%S") + (f".{moment:%f}" if moment.microsecond else "") + "Z"
        case date():
            return value.isoformat()
        case _:
            raise ValueError(f"{name} cannot hold a {type(value).__name__}")


def equals(name: str, value: Any) -> str:
    """The filter `(name=value)`, the value escaped so that it is data and nothing else (RFC 4515)."""
    if not name or not all(c.isascii() and (c.isalnum() or c in "-;.") for c in name):
        raise ValueError(f"'{name}' is not an attribute name")
    if value is None:
        return f"(!({name}=*))"
    if name.lower() in _GUIDS:
        return f"({name}={escape_bytes(_guid(value))})"
    return f"({name}={escape_filter_chars(text_of(name, value))})"


def everything(rules: Fields) -> str:
    """A filter that asks for all of *rules*; empty where there are none."""
    return "".join(equals(name, value) for name, value in rules.items())


def rdn(name: str, value: Any) -> str:
    """The relative name `name=value`, escaped (RFC 4514). Raises ValueError where the value names nothing."""
    text = text_of(name, value)
    if not text.strip():
        raise ValueError(f"{name} names the entry and must not be empty")
    return f"{name}={escape_rdn(text)}".replace("\\\x00", "\\00")


def dn_key(dn: str) -> str:
    """The same text for every spelling of one distinguished name: case, blanks and escapes (RFC 4514)."""
    return "\0".join(_folded(part) for part in _PARTS.findall(dn))


_PARTS = re.compile(r"(?:\\.|[^,+\\])+", re.DOTALL)
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


def _folded(part: str) -> str:
    name, _, value = part.partition("=")
    plain = _ESCAPED.sub(_unescaped, value) if "\\" in value else value
    return f"{name.strip()}={' '.join(plain.split())}".lower()


def _unescaped(found: re.Match[str]) -> str:
    return bytes.fromhex(found[1].replace("\\", "")).decode("utf-8", "replace") if found[1] else found[2]


def checked_filter(text: str) -> str:
    """*text* if it is a filter. Raises ValueError saying why not."""
    try:
        _compiled(text)
    except LDAPInvalidFilterError as error:
        raise ValueError(f"'{text}' is not an LDAP filter: {error}") from None
    return text


def assertion(text: str) -> bytes:
    """A filter as the value of the assertion control (RFC 4528)."""
    return bytes(encoder.encode(_compiled(text)))


def selection(names: Sequence[str]) -> bytes:
    """Attribute names as the value of the post-read control (RFC 4527)."""
    chosen = AttributeSelection()
    for at, name in enumerate(names):
        chosen[at] = name
    return bytes(encoder.encode(chosen))


def post_read(result: Mapping[str, Any]) -> dict[str, str]:
    """The first value of each attribute that the post-read control brought; names in lower case."""
    control = (result.get("controls") or {}).get("1.3.6.1.1.13.2")
    found = control["value"]["result"] if control else {}
    return {name.lower(): str(values[0]) for name, values in found.items() if values}


def _compiled(text: str) -> Any:
    parse: Any = parse_filter
    compile: Any = compile_filter
    try:
        return compile(parse(text, None, True, False, None, False).elements[0])
    except (IndexError, AttributeError, TypeError):
        raise LDAPInvalidFilterError("malformed filter") from None


def _guid(value: Any) -> bytes:
    try:
        return uuid.UUID(str(value)).bytes_le
    except ValueError:
        raise ValueError(f"'{value}' is not a GUID") from None
