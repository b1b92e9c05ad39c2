"""This is where strict YAML becomes plain data that still knows its places: one file in, a Document out.

Only what JSON has, read by YAML's 1.2 core schema, narrower where the wide form is a trap: true, false, null, `~`,
whole numbers and decimals as in JSON. `no`, `on`, `012`, `12:30`, `1e3`, `+49`, `0x1f` and dates stay text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from yaml.nodes import MappingNode, Node, SequenceNode

from connectors.yamlfile.nodes import Builder, compose, mark_of
from connectors.yamlfile.problems import Mark, Problem, YamlError, blacken, problem_at, split_lines

Loc: TypeAlias = Sequence[str | int]
"""The way to a place: keys and list positions from the top."""

MAX_BYTES: Final = 5_000_000

_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, repr=False)
class Document:
    """One file: its data as dict, list, str, int, Decimal, bool and None, and where each piece stands."""

    file: str
    text: str
    data: Any
    root: Node | None

    def __repr__(self) -> str:
        return f"Document({self.file!r})"

    def holds(self, loc: Loc) -> bool:
        """Whether *loc* leads to something that is written in the file."""
        return len(_follow(self.root, loc)[0]) == len(loc)

    def within(self, loc: Loc) -> "Document":
        """The part of this file at *loc*, which stands where it stood."""
        data = self.data
        for part in loc:
            data = data[part]
        return Document(self.file, self.text, data, _follow(self.root, loc)[1])

    def at(self, loc: Loc, *, key: bool = False) -> Mark:
        """Where *loc* stands, or the deepest part of it that is written; its key rather than its value on wish."""
        _, node, name = _follow(self.root, loc)
        chosen = name if key and name is not None else node
        return mark_of(chosen, self.lines()) if chosen is not None else Mark(1, 1)

    def problem(self, loc: Loc, code: str, message: str, help: str | None = None, key: bool = False) -> Problem:
        """A problem that points at *loc*."""
        mark = self.at(loc, key=key)
        return problem_at(self.file, self.text, mark, code, message, help)

    def lines(self) -> list[str]:
        """The file line by line, as YAML counts lines."""
        return split_lines(self.text)


def read(path: Path, text: str | bytes | None = None, *, shown: str | None = None) -> Document:
    """The document in *path*, or in *text* where the caller has read the file already.

    *shown* is the name that messages give the file. Raises YamlError with every fault of the YAML itself.
    """
    file = shown or str(path)
    raw = _bytes(path, file) if text is None else text
    content = raw if isinstance(raw, str) else _decoded(raw, file)
    _check_characters(file, content)
    root = compose(file, content)
    if root is None:
        return Document(file, content, None, None)
    faults: list[Problem] = []
    builder = Builder(file, content, faults)
    builder.measure(root)
    data = builder.value(root) if not faults else None
    if faults:
        raise YamlError(sorted(faults, key=lambda p: (p.line, p.column)))
    return Document(file, content, data, root)


def _bytes(path: Path, file: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise YamlError([Problem(file, 0, 0, "unreadable", f"cannot be read: {error.strerror}")]) from None


def _decoded(raw: bytes, file: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        text = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        source = raw.split(b"\n")[line - 1].decode("utf-8", "replace").rstrip("\r")
        problem = Problem(file, line, column, "not-utf8", text, "save the file as UTF-8", blacken(source))
        raise YamlError([problem]) from None


def _check_characters(file: str, text: str) -> None:
    if len(text) > MAX_BYTES:
        raise YamlError([Problem(file, 0, 0, "too-big", f"{len(text):,} characters; {MAX_BYTES:,} are allowed")])
    if text.startswith("\ufeff"):
        mark, message = Mark(1, 1), "the file begins with a byte order mark"
        raise YamlError([problem_at(file, text[1:], mark, "bom", message, "save it as UTF-8 without BOM")])
    if found := _CONTROL.search(text):
        before = split_lines(text[: found.start()])
        message = f"the control character U+{ord(found[0]):04X} does not belong in a text file"
        shown = _CONTROL.sub("?", text)
        raise YamlError([problem_at(file, shown, Mark(len(before), len(before[-1]) + 1), "control-character", message)])


def _follow(root: Node | None, loc: Loc) -> tuple[tuple[str | int, ...], Node | None, Node | None]:
    """Goes along *loc* as far as it is written: the way gone, the node there, and the node of its key."""
    gone: list[str | int] = []
    node, name = root, None
    for part in loc:
        step = _step(node, part)
        if step is None:
            break
        name, node = step
        gone.append(part)
    return tuple(gone), node, name


def _step(node: Node | None, part: str | int) -> tuple[Node | None, Node] | None:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
        return None, node.value[part]
    return None
