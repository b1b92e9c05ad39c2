"""This is where columns become fields: exact values in both directions, and ids from keys.

Decimals and integers stay exact. SQLite is the exception that cannot be helped: it keeps what a NUMERIC, DECIMAL or
REAL column is given as a 64-bit float or integer. What it shows is turned into the shortest decimal that names that
float, and what would lose digits there (more than 15, or an integer beyond 64 bits) is refused, never rounded. A TEXT
column takes any of it exactly.
"""

import base64
import binascii
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

import msgspec
import sqlalchemy as sa

from connectors.base import Permanent
from connectors.numbers import exact

Kind: TypeAlias = Literal[
    "text", "integer", "decimal", "float", "boolean", "date", "datetime", "json", "binary", "other"
]

ENCODER = msgspec.json.Encoder(decimal_format="number")
DECODER = msgspec.json.Decoder(float_hook=exact)

_INTEGER = re.compile(r"-?[0-9]+\Z")
_KINDS: tuple[tuple[type[Any], Kind], ...] = (
    (sa.Boolean, "boolean"),
    (sa.Integer, "integer"),
    (sa.Float, "float"),
    (sa.Numeric, "decimal"),
    (sa.DateTime, "datetime"),
    (sa.Date, "date"),
    (sa.JSON, "json"),
    (sa.LargeBinary, "binary"),
    (sa.String, "text"),
)


_PARSED = frozenset({"decimal", "float", "date", "datetime", "json"})
"""Kinds that SQLite may hold as text."""


def kind_of(type_: Any) -> Kind:
    """What a reflected column holds."""
    return next((kind for known, kind in _KINDS if isinstance(type_, known)), "other")


@dataclass(frozen=True, slots=True)
class Codec:
    """How one column's values are shown and written. *plain* is true for SQLite, whose driver knows no types."""

    name: str
    kind: Kind
    plain: bool

    def shown(self, value: Any) -> Any:
        """The value as a field; text that does not fit its column's type is shown as it is."""
        if value.__class__ is str and not (self.plain and self.kind in _PARSED):
            return value  # most values of most tables
        match value:
            case None:
                return None
            case bytes() | memoryview():
                return base64.b64encode(value).decode()
            case float():
                return Decimal(repr(value))
            case bool() | list() | dict():
                return value
            case int():
                return bool(value) if self.kind == "boolean" else Decimal(value) if self.kind == "decimal" else value
            case str():
                return self._parsed(value) if self.plain else value
            case Decimal() | date():
                return value
            case time():
                return value.isoformat()
            case _:
                return str(value)

    def written(self, value: Any) -> Any:
        """The value for the database. Raises ValueError with words for what the column cannot hold exactly."""
        if value is None:
            return None
        try:
            return getattr(self, f"_to_{self.kind}")(value)
        except (ValueError, InvalidOperation, TypeError, binascii.Error) as error:
            text = str(error) if type(error) is ValueError and error.args else "wrong type"
            raise ValueError(f"{self.name} ({self.kind}) cannot hold {_brief(value)}: {text}") from None

    def _parsed(self, text: str) -> Any:
        try:
            match self.kind:
                case "decimal" | "float":
                    return Decimal(text)
                case "date":
                    return date.fromisoformat(text)
                case "datetime":
                    return datetime.fromisoformat(text)
                case "json":
                    return DECODER.decode(text)
        except (ValueError, InvalidOperation, msgspec.MsgspecError):
            return text
        return text

    def _to_text(self, value: Any) -> str:
        match value:
            case str():
                return value
            case bool():
                return "true" if value else "false"
            case int():
                return str(value)
            case Decimal():
                return format(value, "f")
            case date():
                return value.isoformat()
        raise ValueError("not a scalar")

    def _to_integer(self, value: Any) -> int:
        if isinstance(value, str) and _INTEGER.match(value):
            value = int(value)
        if isinstance(value, bool) or value != int(value):
            raise ValueError("not an integer")
        return self._sized(int(value))

    def _to_decimal(self, value: Any) -> Any:
        number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
        if isinstance(value, bool) or not number.is_finite():
            raise ValueError("not a number")
        if not self.plain:
            return number
        if number == number.to_integral_value():
            return self._sized(int(number))
        if len(number.normalize().as_tuple().digits) > 15:
            raise ValueError("SQLite would round it to 15 digits; a TEXT column keeps it")
        return float(number)

    def _to_float(self, value: Any) -> float:
        if isinstance(value, bool):
            raise ValueError("not a number")
        return float(value)

    def _to_boolean(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise ValueError("not true or false")

    def _to_date(self, value: Any) -> Any:
        day = date.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(day, date) or isinstance(day, datetime):
            raise ValueError("not a date")
        return day.isoformat() if self.plain else day

    def _to_datetime(self, value: Any) -> Any:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime):
            raise ValueError("not a date with a time")
        return moment.isoformat(sep=" ") if self.plain else moment

    def _to_json(self, value: Any) -> Any:
        return ENCODER.encode(value).decode() if self.plain else value

    def _to_binary(self, value: Any) -> bytes:
        return base64.b64decode(value, validate=True)

    def _to_other(self, value: Any) -> Any:
        if isinstance(value, list | dict):
            raise ValueError("not a scalar")
        if self.plain and isinstance(value, Decimal | date):
            return self._to_text(value)
        return self._sized(value) if isinstance(value, int) else value

    def _sized(self, value: int) -> int:
        if self.plain and not -(2**63) <= value < 2**63:
            raise ValueError("more than 64 bits; a TEXT column keeps it")
        return value


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of an entity's table: its columns, by name, and which of them are the key."""

    place: str
    source: Any
    """A Table, or a query's subquery."""
    codecs: Mapping[str, Codec]
    key: tuple[str, ...]

    def column(self, name: str) -> Any:
        """The column of that name. Raises Permanent naming it and close matches."""
        self.codec(name)
        return self.source.c[name]

    def codec(self, name: str) -> Codec:
        """How that column's values travel. Raises Permanent naming it and close matches."""
        if name not in self.codecs:
            close = difflib.get_close_matches(name, self.codecs, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(self.codecs)}"
            raise Permanent(f"{self.place}: no column '{name}'; {hint}")
        return self.codecs[name]

    def fields(self, row: Any, names: Iterable[str]) -> dict[str, Any]:
        """The named columns of a row, as fields."""
        return {name: self.codecs[name].shown(row[name]) for name in names}

    def written(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields as the database takes them. Raises ValueError or Permanent with words."""
        return {name: self.codec(name).written(value) for name, value in fields.items()}

    def id(self, row: Any) -> str:
        """The record's id: the key's text, or a JSON array of its parts."""
        if len(self.key) == 1 and type(row[self.key[0]]) is int and self.codecs[self.key[0]].kind == "integer":
            return str(row[self.key[0]])
        parts = [self.codecs[name].shown(row[name]) for name in self.key]
        if any(part is None for part in parts):
            raise Permanent(f"{self.place}: a row has no {' and '.join(self.key)}, so it cannot be told apart")
        if len(parts) > 1:
            return ENCODER.encode(parts).decode()
        codec = self.codecs[self.key[0]]
        return codec._to_text(parts[0]) if isinstance(parts[0], str | int | Decimal | date) else str(parts[0])

    def key_of(self, id: str) -> tuple[Any, ...]:
        """The key's values that an id stands for. Raises ValueError if it cannot be one of this table."""
        parts: Sequence[Any] = [id]
        if len(self.key) > 1:
            try:
                parts = DECODER.decode(id)
            except msgspec.MsgspecError:
                parts = []
            if not isinstance(parts, list) or len(parts) != len(self.key):
                raise ValueError(f"'{id}' is not a key of {len(self.key)} parts")
        return tuple(self.codecs[name].written(part) for name, part in zip(self.key, parts, strict=True))

    def among(self, keys: Sequence[tuple[Any, ...]]) -> Any:
        """The condition that a row has one of these keys."""
        columns = [self.source.c[name] for name in self.key]
        return columns[0].in_([k[0] for k in keys]) if len(columns) == 1 else sa.tuple_(*columns).in_(keys)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
