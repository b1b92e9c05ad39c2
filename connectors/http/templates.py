"""This is where {placeholders} are filled in: typed in bodies, quoted in paths, never more than one segment."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from connectors.paths import ABSENT

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


class Unfit(ValueError):
    """A value cannot stand where the definition puts it; the text says which and why."""


def names_in(template: Any) -> frozenset[str]:
    """Every placeholder of a path, query or body, `fields.email` as such."""
    match template:
        case str():
            return frozenset(_PLACEHOLDER.findall(template))
        case Mapping():
            return frozenset[str]().union(*(names_in(part) for part in template.values()))
        case list() | tuple():
            return frozenset[str]().union(*(names_in(part) for part in template))
        case _:
            return frozenset()


def fill_path(template: str, values: Mapping[str, Any]) -> str:
    """*template* with each value percent-encoded. Raises Unfit for a value that would change the path's segments."""

    def encoded(found: re.Match[str]) -> str:
        value = _lookup(found[1], values)
        if value is ABSENT or value is None or isinstance(value, Mapping | list | tuple):
            raise Unfit(f"{{{found[1]}}} in {template} needs a single value")
        return quote(as_text(value), safe="")

    path = _PLACEHOLDER.sub(encoded, template)
    for written, segment in zip(template.split("/"), path.split("/"), strict=True):
        if _PLACEHOLDER.search(written) and segment in ("", ".", ".."):  # these name another place, quoted or not
            raise Unfit(f"'{segment}' cannot stand for {written} in {template}")
    return path


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """*template* with a copy of each value; a text that is one placeholder becomes the value itself.

    What is ABSENT is left out of objects and lists. Raises Unfit for a number that JSON cannot write.
    """
    match template:
        case str():
            return _fill_text(template, values)
        case Mapping():
            filled = {key: fill(part, values) for key, part in template.items()}
            return {key: part for key, part in filled.items() if part is not ABSENT}
        case list() | tuple():
            return [part for part in (fill(part, values) for part in template) if part is not ABSENT]
        case _:
            return template


def as_text(value: Any) -> str:
    """A single value as a query, path or header shows it."""
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)


def as_params(query: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Query parameters; a list becomes values joined by commas, null is left out."""
    return [(name, _joined(value)) for name, value in query.items() if value is not None and value is not ABSENT]


def _joined(value: Any) -> str:
    return ",".join(as_text(part) for part in value) if isinstance(value, list | tuple) else as_text(value)


def _fill_text(template: str, values: Mapping[str, Any]) -> Any:
    whole = _PLACEHOLDER.fullmatch(template)
    if whole:
        return _writable(_lookup(whole[1], values))

    def shown(found: re.Match[str]) -> str:
        value = _lookup(found[1], values)
        if value is ABSENT or value is None:
            raise Unfit(f"{{{found[1]}}} in '{template}' has no value")
        return _joined(value)

    return _PLACEHOLDER.sub(shown, template)


def _lookup(name: str, values: Mapping[str, Any]) -> Any:
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return ABSENT
        found = found[part]
    return found


def _writable(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _writable(part) for key, part in value.items() if part is not ABSENT}
        case list() | tuple():
            return [_writable(part) for part in value]
        case Decimal() if not value.is_finite():
            raise Unfit(f"{value} is not a number that JSON can write")
        case float() if value != value or value in (float("inf"), float("-inf")):
            raise Unfit(f"{value} is not a number that JSON can write")
        case _:
            return value
