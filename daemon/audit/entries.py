"""This is where an entry becomes JSON text and text becomes an entry again, decimals and big integers exact.

The text is stored as it is and never built a second time, so no canonical form is needed. An entry must never be lost
because of the value it tells of: what JSON has no word for is written as text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from daemon.audit.frames import ENCRYPTED, INTENT, OUTCOME
from daemon.errors import AuditError

MAX_ENTRY: Final = 16 * 1024 * 1024
"""Most bytes of one entry. Large fields are recorded by digest and length long before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact for the log. *intent* or *outcome* is the intent id it announces or settles; not both.

    In the text the id stands as the member `intent` or `outcome` and wins over a member of that name in *body*.
    """

    body: Mapping[str, Any]
    intent: int | None = None
    outcome: int | None = None


class Text(NamedTuple):
    """An entry as it will be encrypted, with the flags of its frames."""

    json: bytes
    flags: int
    intent: int


def encode_entry(entry: Entry) -> Text:
    """The text of an entry. Raises AuditError where it is too large to be one."""
    body: Mapping[str, Any] = entry.body
    flags = ENCRYPTED
    if entry.intent is not None:
        body = {**body, "intent": entry.intent}
        flags |= INTENT
    elif entry.outcome is not None:
        body = {**body, "outcome": entry.outcome}
        flags |= OUTCOME
    text = _encode(body)
    if len(text) > MAX_ENTRY:
        raise AuditError(f"an entry of {len(text)} bytes; at most {MAX_ENTRY}: record large fields by digest")
    return Text(text, flags, entry.intent or 0)


def decode_entry(text: bytes) -> dict[str, Any]:
    """The members of an entry; numbers with a point are Decimal. Raises ValueError where it is no JSON object."""
    body = _DECODER.decode(text)
    if not isinstance(body, dict):
        raise ValueError("an entry is a JSON object")
    return body


def _encode(body: Mapping[str, Any]) -> bytes:
    try:
        text = _ENCODER.encode(body)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError):
        return _ENCODER.encode(_plain(body, 0))
    if b"NaN" in text or b"Inf" in text:  # a Decimal may be one; JSON may not
        return _ENCODER.encode(_plain(body, 0))
    return text


def _plain(value: Any, depth: int) -> Any:
    """The same value in what JSON can say; what it cannot say becomes text."""
    if depth > 100:
        return "(nested deeper than 100)"
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case None | bool() | int() | float():
            return value
        case Decimal():
            return value if value.is_finite() else str(value)
        case Mapping():
            return {_plain(str(name), depth): _plain(member, depth + 1) for name, member in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_plain(member, depth + 1) for member in value]
        case _:
            return _text(value)


def _text(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value).encode("utf-8", "backslashreplace").decode()


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_text)
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
