"""This is where YAML text becomes nodes, and nodes become plain data: nothing but what JSON has."""

import re
from decimal import Decimal
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from connectors.yamlfile.problems import Mark, Problem, YamlError, problem_at, split_lines

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml: the same nodes, six times slower
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]  # same interface

MAX_ALIASES: Final = 1_000
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 64

_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"
_FAR_TOO_DEEP: Final = "exceeded maximum nesting depth"
"""What libyaml 0.2.6 says of 1,000 levels by itself, before a node is made of them."""
_PLAIN, _QUOTED, _COLLECTION = "plain", "quoted", "collection"
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,3999})\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+\Z")


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


class Builder:
    """Turns nodes into data and gathers every fault on the way."""

    def __init__(self, file: str, text: str, faults: list[Problem]) -> None:
        self.file, self.text, self.faults = file, text, faults
        self.lines = split_lines(text)
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
        self.faults.append(problem_at(self.file, self.text, mark_of(node, self.lines), code, message, help))


def scalar(text: str) -> str | int | Decimal | bool | None:
    """What unquoted *text* means: a word of JSON, a number of JSON, else itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-0123456789":
        return text
    if _INTEGER.match(text):
        return int(text)
    return Decimal(text) if _DECIMAL.match(text) else text


def compose(file: str, text: str) -> Node | None:
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
    lines = split_lines(text)
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
        case _ if what in (_TOO_DEEP, _FAR_TOO_DEEP):
            code, message = "too-deep", _TOO_DEEP
        case _ if error.context and error.context_mark is not None:
            opened = error.context_mark.line + 1
            message = f"{what} {error.context}" + (f" that began at line {opened}" if opened != mark.line else "")
            help = "check the indentation of this line" if "block" in error.context else None
    return problem_at(file, text, mark, code, message, help)


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value)


def mark_of(node: Node, lines: list[str]) -> Mark:
    start, end = node.start_mark, node.end_mark
    line = lines[start.line] if start.line < len(lines) else ""
    if isinstance(node, MappingNode) and not line.startswith("{", start.column) and node.value:
        return mark_of(node.value[0][0], lines)  # a block mapping is pointed at by its first key
    stop = end.column if end.line == start.line else len(line.rstrip())
    return Mark(start.line + 1, start.column + 1, max(1, stop - start.column))
