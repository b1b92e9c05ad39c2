"""This is where values become notches: keyed digests by which a change is seen without keeping the value.

BLAKE2b with a key that is not in the store, mixed with sync, side, field and record id, so that equal values
do not look equal. Match keys alone leave the id and the side out, to be found.
"""

import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from connectors.numbers import writable
from connectors.paths import Absent
from daemon.core.rules import Side

SEEN = 16
FIELD = 8
MATCH = 16


def _told(value: Any) -> Any:
    if isinstance(value, Absent):
        return {"\x00absent": 0}
    return {"\x00" + type(value).__name__: repr(value)}


_exactly = msgspec.json.Encoder(enc_hook=_told, order="deterministic", decimal_format="number").encode
"""A decimal is a number here, never its text; a date or time is its ISO text, bytes are their base64."""


def one_number(value: Any) -> Any:
    """The same for every way to write a number: 7, 7.0 and 7.00 are one match key, as they are one value."""
    if isinstance(value, list | tuple):
        return [one_number(member) for member in value]
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    if not isinstance(exact, Decimal) or not exact.is_finite() or not writable(exact):
        return value
    return int(exact) if exact == exact.to_integral_value() else Decimal(f"{exact:f}".rstrip("0"))


def encoded(value: Any) -> bytes:
    """*value* as bytes that are equal for equal values alone."""
    try:
        return _exactly(value)
    except (ValueError, TypeError, OverflowError):  # half a character, a key that is no text
        return repr(value).encode()


def name_digest(key: bytes, place: Sequence[str], value: Any) -> bytes:
    """Over a name given out at *place*: the same for every sync that gives names there."""
    return hashlib.blake2b(encoded(["name", *place, value]), key=key, digest_size=MATCH).digest()


class Notcher:
    """Makes the digests of one sync. *salt* changes when time or tables may change what the same inputs mean."""

    def __init__(self, key: bytes, sync: str, *, salt: str = "") -> None:
        self._seen = {s: self._start(key, SEEN, "seen", sync, s, salt) for s in ("left", "right")}
        self._field = {s: self._start(key, FIELD, "field", sync, s) for s in ("left", "right")}
        self._match = self._start(key, MATCH, "match", sync)
        self._line = self._start(key, SEEN, "line", sync)

    @staticmethod
    def _start(key: bytes, size: int, *parts: str) -> Any:
        return hashlib.blake2b(encoded(parts), key=key, digest_size=size)

    def seen(self, side: Side, id: str, raws: Sequence[Any]) -> bytes:
        """Over the raw inputs of all fields of one record."""
        state = self._seen[side].copy()
        state.update(encoded((id, raws)))
        return bytes(state.digest())

    def field(self, side: Side, id: str, name: str, raw: Any) -> bytes:
        """Over the raw inputs of one field of one record."""
        return self.fields(side, id, ((name, raw),))[name]

    def fields(self, side: Side, id: str, raws: Iterable[tuple[str, Any]]) -> dict[str, bytes]:
        """`field` for many fields of one record."""
        record = self._field[side].copy()
        record.update(encoded(id))
        digests = {}
        for name, raw in raws:
            state = record.copy()
            state.update(encoded((name, raw)))
            digests[name] = state.digest()
        return digests

    def match(self, alternative: int, values: Sequence[Any]) -> bytes:
        """Over the values of one alternative of match_on, the same on both sides."""
        state = self._match.copy()
        state.update(encoded((alternative, one_number(values))))
        return bytes(state.digest())

    def line(self, facts: Any) -> bytes:
        """Over one line of a plan."""
        state = self._line.copy()
        state.update(encoded(facts))
        return bytes(state.digest())
