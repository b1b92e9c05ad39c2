"""This is where tables/*.csv become lookups: read once, never changed, every cell a text."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from connectors.yamlfile import Problem, YamlError


class TableError(Exception):
    """A lookup asks for what the table has not; *help* says what it has."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


@dataclass(frozen=True, slots=True)
class Table:
    """One file of tables/: a header line and rows of texts."""

    name: str
    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = field(repr=False)
    lines: tuple[int, ...] = field(repr=False)
    """The line on which each row ends."""
    digest: str = ""

    def index(self, keys: tuple[str, ...], value: str) -> Mapping[tuple[str, ...], str]:
        """From key columns to one value column. Raises TableError for an unknown column and a key that comes twice."""
        found: dict[tuple[str, ...], str] = {}
        for key, cell, line in self._cells(keys, value):
            if found.setdefault(key, cell) != cell:
                text = f"{self.file}:{line} gives '{', '.join(key)}' a second value"
                raise TableError(text, "keep one of the rows; or, for a set, say `many: true`")
        return found

    def index_many(self, keys: tuple[str, ...], value: str) -> Mapping[tuple[str, ...], tuple[str, ...]]:
        """From key columns to all values of a key, in the table's order; an empty cell is none. Raises TableError."""
        found: dict[tuple[str, ...], tuple[str, ...]] = {}
        for key, cell, _ in self._cells(keys, value):
            known = found.get(key, ())
            found[key] = known if cell == "" or cell in known else (*known, cell)
        return found

    def _cells(self, keys: tuple[str, ...], value: str) -> Iterator[tuple[tuple[str, ...], str, int]]:
        """Key, value and line of every row."""
        for column in (*keys, value):
            if column not in self.columns:
                raise TableError(f"{self.file} has no column '{column}'", f"it has {', '.join(self.columns)}")
        places = [self.columns.index(key) for key in keys]
        wanted = self.columns.index(value)
        for row, line in zip(self.rows, self.lines, strict=True):
            yield tuple(row[place] for place in places), row[wanted], line


def read_table(name: str, raw: bytes, *, file: str, digest: str) -> Table:
    """The table in *raw*, UTF-8 with commas. Raises YamlError with every row that has another width."""
    text = _text(raw, file)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    try:
        header = next(reader, [])
        problems += _header_problems(file, header)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                message = f"{len(row)} cells; the header has {len(header)}"
                problems.append(_problem(file, text, reader.line_num, "table-width", message))
            rows.append(tuple(row))
            lines.append(reader.line_num)
    except csv.Error as error:
        problems.append(_problem(file, text, reader.line_num or 1, "table-syntax", f"this is not CSV: {error}"))
    if text and not problems and not text.endswith(("\n", "\r")):
        message = "the last line has no end: the file is cut, or still being written"
        problems.append(_problem(file, text, len(text.splitlines()), "table-cut", message, "end it with a line break"))
    if problems:
        raise YamlError(problems)
    return Table(name, file, tuple(header), tuple(rows), tuple(lines), digest)


def _problem(file: str, text: str, line: int, code: str, message: str, help: str | None = None) -> Problem:
    lines = text.splitlines()
    source = lines[line - 1] if line <= len(lines) else ""
    return Problem(file, line, 1, code, message, help, source, len(source))


def _text(raw: bytes, file: str) -> str:
    try:
        return raw.decode("utf-8-sig")  # spreadsheets write the mark
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        help = "save the file as UTF-8"
        raise YamlError([Problem(file, line, 1, "not-utf8", "this line is not UTF-8", help)]) from None


def _header_problems(file: str, header: list[str]) -> list[Problem]:
    if not header:
        return [Problem(file, 0, 0, "empty", "the table is empty", "begin it with a line of column names")]
    if len(set(header)) < len(header) or "" in header:
        return [Problem(file, 1, 1, "table-header", "each column needs a name of its own", None, ",".join(header))]
    return []
