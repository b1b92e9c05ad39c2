"""This is where strict YAML becomes plain data that still knows its places: one file in, a Document out.

Only what JSON has, read by YAML's 1.2 core schema, narrower where the wide form is a trap: true, false, null, `~`,
whole numbers and decimals as in JSON. `no`, `on`, `012`, `12:30`, `1e3`, `+49`, `0x1f` and dates stay text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from connectors.yamlfile.problems import Problem, YamlError, blacken

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml: the same nodes, six times slower
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]  # same interface

Loc: TypeAlias = Sequence[str | int]
"""The way to a place: keys and list positions from the top."""

MAX_BYTES: Final = 5_000_000
MAX_ALIASES: Final = 1_000
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 64

_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"
_PLAIN, _QUOTED, _COLLECTION = "plain", "quoted", "collection"
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,3999})\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+\Z")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to point at, counted from 1."""

    line: int
    column: int
    width: int = 1


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

    def at(self, loc: Loc, *, key: bool = False) -> Mark:
        """Where *loc* stands, or the deepest part of it that is written; its key rather than its value on wish."""
        _, node, name = _follow(self.root, loc)
        chosen = name if key and name is not None else node
        return _mark(chosen, self.lines()) if chosen is not None else Mark(1, 1)

    def problem(self, loc: Loc, code: str, message: str, help: str | None = None, key: bool = False) -> Problem:
        """A problem that points at *loc*."""
        mark = self.at(loc, key=key)
        return _problem(self.file, self.text, mark, code, message, help)

    def lines(self) -> list[str]:
        """The file line by line, as YAML counts lines."""
        return _BREAK.split(self.text)


def read(path: Path, text: str | bytes | None = None, *, shown: str | None = None) -> Document:
    """The document in *path*, or in *text* where the caller has read the file already.

    *shown* is the name that messages give the file. Raises YamlError with every fault of the YAML itself.
    """
    file = shown or str(path)
    raw = _bytes(path, file) if text is None else text
    content = raw if isinstance(raw, str) else _decoded(raw, file)
    _check_characters(file, content)
    root = _compose(file, content)
    if root is None:
        return Document(file, content, None, None)
    faults: list[Problem] = []
    builder = _Builder(file, content, faults)
    builder.measure(root)
    data = builder.value(root) if not faults else None
    if faults:
        raise YamlError(sorted(faults, key=lambda p: (p.line, p.column)))
    return Document(file, content, data, root)


class _Reader(_Loader):
    """Composes nodes whose tag only says whether a scalar was plain; a tag written in the file stays visible."""

    depth = 0

    def descend_resolver(self, current_node: Node | None, current_index: Any) -> None:  # noqa: ARG002 PyYAML's name
        # called before each node, so that a deep file never becomes a deep stack
        self.depth += 1
        if self.depth > MAX_DEPTH:
            assert current_node is not None
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=current_node.start_mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:  # noqa: ARG002
        if kind is not ScalarNode:
            return _COLLECTION
        return _PLAIN if implicit[0] else _QUOTED


class _Builder:
    """Turns nodes into data and gathers every fault on the way."""

    def __init__(self, file: str, text: str, faults: list[Problem]) -> None:
        self.file, self.text, self.faults = file, text, faults
        self.lines = _BREAK.split(text)
        self.sizes: dict[int, tuple[int, int]] = {}
        self.open: set[int] = set()
        self.aliases = 0

    def measure(self, root: Node) -> None:
        """Refuses what would explode, before anything is unfolded: each node is looked at once."""
        nodes, depth = self._size(root)
        if self.faults:
            return
        if self.aliases > MAX_ALIASES:
            self.fault(root, "too-many-aliases", f"{self.aliases} aliases; {MAX_ALIASES} are allowed in one file")
        elif nodes > MAX_NODES:
            text = f"{nodes:,} values once every alias is unfolded; {MAX_NODES:,} are allowed in one file"
            self.fault(root, "too-big", text)
        elif depth > MAX_DEPTH:
            self.fault(root, "too-deep", _TOO_DEEP)

    def _size(self, node: Node) -> tuple[int, int]:
        """How many values *node* unfolds to, and how deep it nests."""
        if id(node) in self.open:
            self.fault(node, "recursive-alias", "this value contains itself through an alias")
            return 0, 0
        if id(node) in self.sizes:
            self.aliases += 1
            return self.sizes[id(node)]
        if isinstance(node, ScalarNode):
            size = (1, 1)
        else:
            self.open.add(id(node))
            sizes = [self._size(child) for child in _children(node)]
            self.open.discard(id(node))
            size = (1 + sum(s for s, _ in sizes), 1 + max((d for _, d in sizes), default=0))
        self.sizes[id(node)] = size
        return size

    def value(self, node: Node) -> Any:
        """The data of *node*."""
        tag = node.tag
        if tag == _PLAIN:
            return scalar(node.value)
        if tag == _QUOTED:
            return node.value
        if tag != _COLLECTION:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self.fault(node, "custom-tag", f"the tag '{shown}' is not understood here", "write the value without a tag")
        if isinstance(node, MappingNode):
            return self.mapping(node)
        return [self.value(child) for child in node.value] if isinstance(node, SequenceNode) else node.value

    def mapping(self, node: MappingNode) -> dict[str, Any]:
        """The data of a mapping, each key once and text."""
        result: dict[str, Any] = {}
        seen: dict[str, int] = {}
        for key, child in node.value:
            name = self.key(key)
            value = self.value(child)
            if name is None:
                continue
            if name in seen:
                self.fault(key, "duplicate-key", f"'{name}' is already set at line {seen[name]}")
                continue
            seen[name] = key.start_mark.line + 1
            result[name] = value
        return result

    def key(self, node: Node) -> str | None:
        """The text of a key, or None after a fault."""
        if not isinstance(node, ScalarNode):
            self.fault(node, "key-not-text", "a key is text, not a list or a mapping")
            return None
        name: str = node.value
        if node.tag == _PLAIN:
            if name == "<<":
                self.fault(node, "merge-key", "the merge key '<<' is not understood", "write the keys out")
                return None
            if not isinstance(scalar(name), str):
                kind = "nothing" if scalar(name) is None else "a boolean" if name in _WORDS else "a number"
                self.fault(node, "key-not-text", f"the key '{name}' is read as {kind}", f'quote it: "{name}"')
                return None
        elif node.tag != _QUOTED:
            self.fault(node, "custom-tag", "a key has no tag")
        return name

    def fault(self, node: Node, code: str, message: str, help: str | None = None) -> None:
        """Remembers one fault at *node*."""
        self.faults.append(_problem(self.file, self.text, _mark(node, self.lines), code, message, help))


def scalar(text: str) -> str | int | Decimal | bool | None:
    """What unquoted *text* means: a word of JSON, a number of JSON, else itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-0123456789":
        return text
    if _INTEGER.match(text):
        return int(text)
    return Decimal(text) if _DECIMAL.match(text) else text


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
        raise YamlError([_problem(file, text[1:], mark, "bom", message, "save it as UTF-8 without BOM")])
    if found := _CONTROL.search(text):
        before = _BREAK.split(text[: found.start()])
        message = f"the control character U+{ord(found[0]):04X} does not belong in a text file"
        shown = _CONTROL.sub("?", text)
        raise YamlError([_problem(file, shown, Mark(len(before), len(before[-1]) + 1), "control-character", message)])


def _compose(file: str, text: str) -> Node | None:
    reader = _Reader(text)
    try:
        node: Node | None = reader.get_single_node()
        return node
    except yaml.MarkedYAMLError as error:
        raise YamlError([_syntax_problem(file, text, error)]) from None
    finally:
        reader.dispose()


def _syntax_problem(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    place = error.problem_mark or error.context_mark
    mark = Mark(place.line + 1, place.column + 1) if place else Mark(1, 1)
    lines = _BREAK.split(text)
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    character = line[mark.column - 1 : mark.column]
    what = error.problem or "this is not YAML"
    code, message, help = "syntax", what, None
    match what:
        case "found character that cannot start any token" if character == "\t":
            code, message, help = "tab", "a tab cannot indent", "use spaces"
        case "found character that cannot start any token":
            message, help = f"text cannot begin with '{character}' unless it is quoted", "quote it"
        case "mapping values are not allowed in this context" | "mapping values are not allowed here":
            message, help = "a ':' does not belong here", "quote the text, or check the indentation of this line"
        case "but found another document":
            code, message, help = "several-documents", "a second document begins here", "one file holds one document"
        case "found undefined alias":
            message, help = "this alias was never defined", "quote text that begins with '*'"
        case "found unexpected end of stream" if error.context_mark is not None:
            mark = Mark(error.context_mark.line + 1, error.context_mark.column + 1)
            message = "this quote is never closed"
        case _ if what == _TOO_DEEP:
            code = "too-deep"
        case _ if error.context and error.context_mark is not None:
            opened = error.context_mark.line + 1
            message = f"{what} {error.context}" + (f" that began at line {opened}" if opened != mark.line else "")
    return _problem(file, text, mark, code, message, help)


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


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value)


def _mark(node: Node, lines: list[str]) -> Mark:
    start, end = node.start_mark, node.end_mark
    line = lines[start.line] if start.line < len(lines) else ""
    if isinstance(node, MappingNode) and not line.startswith("{", start.column) and node.value:
        return _mark(node.value[0][0], lines)  # a block mapping is pointed at by its first key
    stop = end.column if end.line == start.line else len(line.rstrip())
    return Mark(start.line + 1, start.column + 1, max(1, stop - start.column))


def _problem(file: str, text: str, mark: Mark, code: str, message: str, help: str | None = None) -> Problem:
    lines = _BREAK.split(text)
    source = lines[mark.line - 1] if mark.line <= len(lines) else ""
    shown = blacken(source.replace("\t", " ").rstrip())
    return Problem(file, mark.line, mark.column, code, message, help, shown, mark.width)
