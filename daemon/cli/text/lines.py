"""This is where answers become text: lines with a style, which a terminal may colour and a pipe gets plain."""

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeAlias

import click

Style: TypeAlias = Literal["", "head", "good", "change", "bad", "quiet"]
"""What a line is, not how it looks."""

_LOOKS: dict[str, str] = {"head": "bold", "good": "green", "change": "yellow", "bad": "bold red", "quiet": "dim"}


class Line(NamedTuple):
    """One line of text."""

    text: str
    style: Style = ""


def print_lines(lines: Iterable[Line], *, color: bool | None = None) -> None:
    """To standard output; colours on a terminal, unless *color* or NO_COLOR says otherwise."""
    if color is False or "NO_COLOR" in os.environ or not (color or sys.stdout.isatty()):
        for line in lines:
            click.echo(harmless(line.text))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text(harmless(line.text), style=_LOOKS.get(line.style, "")))


def harmless(text: str) -> str:
    """*text* without control characters: an id or an address must not draw on somebody's terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def columns(rows: Sequence[Sequence[Any]], heads: Sequence[str]) -> Iterable[Line]:
    """A table: every column as wide as its widest cell, numbers to the right."""
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(heads, *cells, strict=True)]
    right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(heads))]

    def laid(row: Sequence[str]) -> str:
        padded = [t.rjust(w) if r else t.ljust(w) for t, w, r in zip(row, widths, right, strict=True)]
        return "  ".join(padded).rstrip()

    yield Line(laid(list(heads)), "head")
    for row in cells:
        yield Line(laid(row))


def shown(value: Any) -> str:
    """A cell: nothing for None, text in one line."""
    if value is None:
        return "-"
    return harmless(" ".join(value.split()) if isinstance(value, str) else str(value))


def quoted(value: Any) -> str:
    """A business value as plans print it: text in quotes, emptiness by its name, control characters visible."""
    match value:
        case None:
            return "(empty)"
        case "(hidden)" | "(absent)":
            return str(value)
        case str():
            return f'"{harmless(value)}"'
        case bool():
            return "true" if value else "false"
        case dict() | list():
            import msgspec

            return msgspec.json.Encoder(decimal_format="number").encode(value).decode()
        case _:
            return str(value)


def moment(at: Any) -> str:
    """A moment in UTC, from seconds since 1970 or ISO text."""
    if at is None or at == 0:
        return "-"
    if isinstance(at, str):
        return at.replace("T", " ", 1)
    return datetime.fromtimestamp(float(at), UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def plural(count: int, word: str, words: str | None = None) -> str:
    """`1 sync`, `2 syncs`."""
    return f"{count} {word if count == 1 else words or word + 's'}"


def _is_number(cell: Any) -> bool:
    return cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool))
