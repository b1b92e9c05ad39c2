"""This is where JMESPath expressions are compiled, and where each tells the inputs that it reads."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError

from connectors.base import Fields
from connectors.paths import quote
from daemon.core.functions import Functions, zone

_NUMBER = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|(?P<before>[(,<>=]\s*)(?P<number>-?\d+(?:\.\d+)?)"""
)


class ExpressionError(ValueError):
    """The text is not an expression that Tallystick knows."""


class Expression:
    """A compiled expression. `paths` are the inputs it reads; `calendar` whether time alone can change its value."""

    def __init__(self, text: str) -> None:
        try:
            self._compiled = jmespath.compile(_NUMBER.sub(_literal, text))
        except JMESPathError as fault:
            raise ExpressionError(_told(fault, text)) from None
        self.text = text
        self.paths = tuple(dict.fromkeys(_inputs(self._compiled.parsed)))
        called = set(_called(self._compiled.parsed))
        if unknown := sorted(called - Functions.names()):
            raise ExpressionError(f"unknown function {unknown[0]}()")
        self.calendar = bool(called & {"today", "now"})
        self.zones = frozenset(_zones(self._compiled.parsed))
        """The zones whose midnight matters, beside the sync's own."""

    def __call__(self, record: Fields, at: datetime) -> Any:
        """The value for *record* at the moment *at*. Raises ValueError with the reason."""
        try:
            options = jmespath.Options(custom_functions=Functions(at))
            return self._compiled.search(plain(record), options)
        except JMESPathError as fault:
            raise ValueError(f"{self.text}: {_told(fault, self.text)}") from None
        except ArithmeticError as fault:
            raise ValueError(f"{self.text}: cannot be computed ({type(fault).__name__})") from None
        except TypeError as fault:
            raise ValueError(f"{self.text}: {fault}") from None


def plain(value: Any) -> Any:
    """*value* with dates and times as ISO text, so that comparing them with text works."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def _literal(found: re.Match[str]) -> str:
    """A bare number as the JSON literal that JMESPath wants: today(-90) means today(`-90`)."""
    return f"{found['before']}`{found['number']}`" if found["number"] else found[0]


def _told(fault: JMESPathError, text: str) -> str:
    if isinstance(fault, JMESPathTypeError):  # its own text would quote the record's value
        return f"{fault.function_name}() takes {' or '.join(fault.expected_types)}, not {fault.actual_type}"
    column = getattr(fault, "lex_position", None)
    first = str(fault).splitlines()[0].rstrip(":")
    return f"{first} (column {column + 1})" if isinstance(column, int) and column < len(text) else first


def _called(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _called(child)


def _zones(node: Mapping[str, Any]) -> Iterator[str]:
    named = node["type"] == "function_expression" and node["value"] == "today"
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _zones(child)
            if named and child["type"] == "literal" and isinstance(child["value"], str):
                with suppress(ValueError):  # an unknown zone is told by every record that asks for it
                    yield zone(child["value"]).key


def _inputs(node: Mapping[str, Any]) -> Iterator[str]:
    """The paths that *node* reads from the record; a prefix where it goes on into a list."""
    kind = node["type"]
    if kind in ("current", "identity"):
        yield ""
    elif keys := _chain(node):
        yield ".".join(quote(key) for key in keys)
    elif kind in ("subexpression", "index_expression", "pipe", "projection", "filter_projection", "value_projection"):
        yield from _inputs(node["children"][0])
    elif kind != "expref":
        for child in node["children"]:
            yield from _inputs(child)


def _chain(node: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a plain path, which JMESPath holds in one row; nothing for anything else."""
    steps = node["children"] if node["type"] == "subexpression" else [node]
    return tuple(step["value"] for step in steps) if all(step["type"] == "field" for step in steps) else ()
