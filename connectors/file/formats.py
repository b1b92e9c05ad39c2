"""This is where CSV and JSON lines are taken apart and put together again, every line kept as it was found.

A file that is cut, malformed or ambiguous is an error that names file and line, never a shorter listing. Values are
data: a cell that starts with = + - or @ is written as it is, so a spreadsheet may take it for a formula.
"""

import csv
import difflib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from connectors.base import Permanent
from connectors.numbers import exact

ENCODER = msgspec.json.Encoder(decimal_format="number")
DECODER = msgspec.json.Decoder(float_hook=exact)
BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Line:
    """One record, or nothing (a blank line), with the text it was read from, line end included."""

    text: str
    number: int
    fields: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written down."""

    format: Literal["csv", "jsonl"]
    key: tuple[str, ...]
    delimiter: str = ","
    encoding: str = "utf-8"


@dataclass(slots=True)
class Table:
    """A whole file: what comes before the records, and the records by id, in the file's order."""

    layout: Layout
    head: str = ""
    columns: tuple[str, ...] = ()
    newline: str = "\n"
    lines: list[Line] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """The file's text; untouched lines exactly as they were."""
        return self.head + "".join(line.text for line in self.lines)

    def get(self, id: str) -> Mapping[str, Any] | None:
        """The fields of a record, None if there is none of that id."""
        at = self.ids.get(id)
        return None if at is None else self.lines[at].fields

    def put(self, id: str, fields: Mapping[str, Any]) -> None:
        """Replaces a record, or appends a new one. Raises ValueError for what the format cannot hold."""
        text = self._rendered(fields)
        text.encode(self.layout.encoding)  # a UnicodeEncodeError is a ValueError: this record's own fault
        line = Line(text, 0, fields)
        if id in self.ids:
            self.lines[self.ids[id]] = line
        else:
            self.ids[id] = len(self.lines)
            self.lines.append(line)

    def drop(self, id: str) -> None:
        """Removes a record; the ids of the others stay."""
        self.lines[self.ids.pop(id)] = Line("", 0, None)

    def records(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every record with its id."""
        for id, at in self.ids.items():
            fields = self.lines[at].fields
            assert fields is not None
            yield id, fields

    def _rendered(self, fields: Mapping[str, Any]) -> str:
        if self.layout.format == "jsonl":
            try:
                return ENCODER.encode(fields).decode() + self.newline
            except (TypeError, ValueError, msgspec.MsgspecError) as error:
                raise ValueError(f"cannot be written as JSON: {error}") from None
        delimiter = self.layout.delimiter
        cells = [_quoted(cell_of(name, fields.get(name)), delimiter) for name in self.columns]
        return (delimiter.join(cells) if any(cells) or len(cells) > 1 else '""') + self.newline


def parse(text: str, layout: Layout, place: str) -> Table:
    """The file's table. Raises Permanent with place and line for anything that is not whole."""
    head, text = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    if text and not text.endswith(("\n", "\r")):
        last = text.count("\n") + 1
        raise Permanent(f"{place}:{last}: the last line has no end: the file is cut, or still being written")
    table = _csv(text, layout, place) if layout.format == "csv" else _jsonl(text, layout, place)
    table.head = head + table.head
    for at, line in enumerate(table.lines):
        if line.fields is None:
            continue
        id = id_of(line.fields, layout.key, f"{place}:{line.number}")
        if id in table.ids:
            first = table.lines[table.ids[id]].number
            raise Permanent(f"{place}:{line.number}: the key {id} stands in line {first} already")
        table.ids[id] = at
    return table


def id_of(fields: Mapping[str, Any], key: Sequence[str], place: str) -> str:
    """The record's id: the key's text, or a JSON array of its parts."""
    parts = [fields.get(name) for name in key]
    for name, part in zip(key, parts, strict=True):
        if part is None or part == "" or isinstance(part, Mapping | list):
            raise Permanent(f"{place}: the key {name} is {'missing' if part in (None, '') else 'no single value'}")
    return ENCODER.encode(parts).decode() if len(parts) > 1 else cell_of(key[0], parts[0])


def digest(fields: Mapping[str, Any]) -> str:
    """The record's version: a digest of everything it holds."""
    return blake2b(ENCODER.encode(fields), digest_size=12).hexdigest()


def cell_of(name: str, value: Any) -> str:
    """A value as the text of one cell. Raises ValueError for lists and objects."""
    match value:
        case None:
            return ""
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
    raise ValueError(f"{name}: a cell cannot hold a {type(value).__name__}")


def missing(names: Sequence[str], known: Sequence[str]) -> str | None:
    """What to say about the names that are not known; None if all are."""
    unknown = [name for name in names if name not in known]
    if not unknown:
        return None
    close = difflib.get_close_matches(unknown[0], known, n=3)
    return f"no column '{unknown[0]}'; " + (
        f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
    )


def _csv(text: str, layout: Layout, place: str) -> Table:
    rows = _rows(text, layout.delimiter, place)
    _, head, columns = next(rows, (1, "", []))
    if not columns:
        raise Permanent(f"{place}:1: has no header line")
    if len(set(columns)) < len(columns) or "" in columns:
        raise Permanent(f"{place}:1: a column has no name, or two have the same")
    newline = "\r\n" if head.endswith("\r\n") else head[-1]
    table = Table(layout, head, tuple(columns), newline)
    wrong = missing(layout.key, columns)
    if wrong:
        raise Permanent(f"{place}:1: {wrong}")
    for number, raw, cells in rows:
        if cells and len(cells) != len(columns):
            raise Permanent(f"{place}:{number}: has {len(cells)} cells where the header has {len(columns)}")
        table.lines.append(Line(raw, number, dict(zip(columns, cells, strict=True)) if cells else None))
    return table


def _rows(text: str, delimiter: str, place: str) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, raw text and cells of each row; a quoted cell may go over several lines."""
    raw: list[str] = []

    def tapped() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            raw.append(line)
            yield line

    number = 1
    try:
        for cells in csv.reader(tapped(), delimiter=delimiter, strict=True):
            yield number, "".join(raw), cells
            number += len(raw)
            raw.clear()
    except csv.Error as error:
        raise Permanent(f"{place}:{number}: {error}: a quote is not closed, or the file is cut") from None


def _jsonl(text: str, layout: Layout, place: str) -> Table:
    table = Table(layout, newline="\r\n" if "\r\n" in text[:10_000] else "\n")
    for number, raw in enumerate(io.StringIO(text, newline="\n"), 1):
        table.lines.append(Line(raw, number, _object(raw, f"{place}:{number}") if raw.strip() else None))
    return table


def _object(raw: str, place: str) -> Mapping[str, Any]:
    try:
        value = DECODER.decode(raw)
    except msgspec.DecodeError as error:
        raise Permanent(f"{place}: is not JSON: {error}") from None
    if not isinstance(value, Mapping):
        raise Permanent(f"{place}: is not a JSON object")
    return value


def _quoted(cell: str, delimiter: str) -> str:
    plain = not any(c in cell for c in (delimiter, '"', "\r", "\n")) and cell == cell.strip() and cell[:1] != BOM
    return cell if plain else '"' + cell.replace('"', '""') + '"'
