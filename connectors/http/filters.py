"""This is where equality is written in a system's filter language, so that no value can end its quotes."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from connectors.http.client import encode_json

Language: TypeAlias = Literal["scim", "odata"]


def filter_text(language: Language, by: Mapping[str, Any]) -> str:
    """`a eq 1 and b eq 2` for paths and values. Raises ValueError for a value the language has no word for."""
    literal = _LITERALS[language]
    return " and ".join(f"{path} eq {literal(value)}" for path, value in by.items())


def _scim(value: Any) -> str:
    # RFC 7644 3.4.2.2: a compValue is a JSON value
    if isinstance(value, dict | list):
        raise ValueError("a filter compares single values")
    return encode_json(value).decode()


def _odata(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return format(value, "f") if isinstance(value, Decimal) else str(value)
        case datetime() | date():
            return value.isoformat()
        case str():
            return "'" + value.replace("'", "''") + "'"  # OData V4 URL conventions 5.1.1.6.1
    raise ValueError("a filter compares single values")


_LITERALS: dict[Language, Callable[[Any], str]] = {"scim": _scim, "odata": _odata}
