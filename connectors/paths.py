"""This is where the path grammar is kept: how one place inside a nested record is named, read and written.

    name                        a key
    properties.email            a key inside an object
    "odd name".'x.y'            quoted segments take any character; \\ escapes the quote
    emails[kind=work].value     the first list member whose `kind` equals "work", never a position
    emails[primary=true].value  true, false, null and numbers compare as such; "true" in quotes is text
    @groups                     a relation that the entity declares: the list of whom the record is related to

Anything else is not a path (the mapping then reads it as a JMESPath expression).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final, TypeAlias


class Absent:
    """The type of ABSENT: the record does not say. Neither null nor empty; it never overwrites anything."""

    _one: "Absent | None" = None

    def __new__(cls) -> "Absent":
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False

    def __copy__(self) -> "Absent":
        return self

    def __deepcopy__(self, memo: object) -> "Absent":
        return self

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()

Scalar: TypeAlias = str | int | Decimal | bool | None
Reader: TypeAlias = Callable[[Mapping[str, Any]], Any]


class PathError(ValueError):
    """The text is not a path; `position` is the 0-based column of the fault."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Key:
    """A member of an object."""

    name: str


@dataclass(frozen=True, slots=True)
class Selector:
    """The first member of a list whose *name* equals *value*."""

    name: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path. Make one with `parse`."""

    text: str
    segments: tuple[Key | Selector, ...]

    @property
    def top(self) -> str:
        """The record's own key in which the path lies."""
        first = self.segments[0]
        assert isinstance(first, Key)
        return first.name

    @property
    def plain(self) -> tuple[str, ...] | None:
        """The keys, if the path goes through objects only."""
        names = tuple(s.name for s in self.segments if isinstance(s, Key))
        return names if len(names) == len(self.segments) else None

    @property
    def relation(self) -> str | None:
        """The relation's name without its @, if the path names one."""
        return self.top[1:] if len(self.segments) == 1 and _RELATION.fullmatch(self.top) else None


_SEGMENT = re.compile(r"""(?P<bare>[A-Za-z_][A-Za-z0-9_:;-]*)|"(?P<dq>(?:[^"\\]|\\.)+)"|'(?P<sq>(?:[^'\\]|\\.)+)'""")
_RELATION = re.compile(r"@[A-Za-z_][A-Za-z0-9_:;-]*")
_SELECTOR = re.compile(
    r"""\[\s*(?:(?P<bare>[A-Za-z_][\w:;-]*)|"(?P<dq>(?:[^"\\]|\\.)+)")\s*=\s*"""
    r"""(?:"(?P<text>(?:[^"\\]|\\.)*)"|'(?P<stext>(?:[^'\\]|\\.)*)'|(?P<word>[^\]\s"']+))\s*\]"""
)
_ESCAPE = re.compile(r"\\(.)")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+\Z")


def parse(text: str) -> Path:
    """The path that *text* names. Raises PathError with the column."""
    if related := _RELATION.match(text):
        if related.end() < len(text):
            raise PathError("a relation is a whole list, and nothing lies inside it", related.end())
        return Path(text, (Key(text),))
    segments: list[Key | Selector] = []
    at = 0
    while True:
        found = _SEGMENT.match(text, at)
        if not found:
            raise PathError("expected a name or a quoted segment", at)
        segments.append(Key(_name(found)))
        at = found.end()
        while at < len(text) and text[at] == "[":
            chosen = _SELECTOR.match(text, at)
            if not chosen:
                raise PathError("a list is entered by a selector such as [kind=work], never by position", at)
            segments.append(Selector(_name(chosen), _scalar(chosen)))
            at = chosen.end()
        if at == len(text):
            return Path(text, tuple(segments))
        if text[at] != ".":
            raise PathError(f"unexpected {text[at]!r}", at)
        at += 1


def quote(name: str) -> str:
    """*name* as one path segment, quoted where it must be."""
    found = _SEGMENT.fullmatch(name)
    if found and found["bare"]:
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def reader(path: Path) -> Reader:
    """A fast function from a record to the value at *path*; ABSENT where there is no such place."""
    match path.plain:
        case (a,):
            return lambda record: record.get(a, ABSENT)
        case (a, b):

            def read_two(record: Mapping[str, Any]) -> Any:
                inner = record.get(a, ABSENT)
                return inner.get(b, ABSENT) if type(inner) is dict else _member(inner, b)

            return read_two
        case (a, b, c):

            def read_three(record: Mapping[str, Any]) -> Any:
                inner = record.get(a, ABSENT)
                inner = inner.get(b, ABSENT) if type(inner) is dict else _member(inner, b)
                return inner.get(c, ABSENT) if type(inner) is dict else _member(inner, c)

            return read_three
        case _:
            return lambda record: read(record, path)


def read_many(paths: Sequence[Path]) -> Callable[[Mapping[str, Any]], list[Any]]:
    """A fast function from a record to the values at *paths*, in an order of its own that never changes.

    Neighbours are fetched together, so the objects above them are walked once.
    """
    together: dict[tuple[str, ...], list[Path]] = {}
    odd: list[Path] = []
    for path in dict.fromkeys(paths):
        if path.plain:
            together.setdefault(path.plain[:-1], []).append(path)
        else:
            odd.append(path)
    groups = [(above, _items([p.segments[-1].name for p in members])) for above, members in together.items()]
    careful = [reader(path) for members in together.values() for path in members]
    rest = [reader(path) for path in odd]

    def fetch(record: Mapping[str, Any]) -> list[Any]:
        values: list[Any] = []
        try:
            for above, items in groups:
                inner: Any = record
                for name in above:
                    inner = inner[name]
                values += items(inner)
        except (KeyError, TypeError):  # something is missing or no object: look at each place by itself
            values = [read_one(record) for read_one in careful]
        return values + [read_one(record) for read_one in rest] if rest else values

    return fetch


def _items(names: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    if len(names) == 1:
        (name,) = names
        return lambda inner: (inner[name],)
    return itemgetter(*names)


def read(record: Mapping[str, Any], path: Path) -> Any:
    """The value at *path*. A null object on the way makes the value null, a missing one makes it ABSENT."""
    value: Any = record
    for segment in path.segments:
        value = _member(value, segment.name) if isinstance(segment, Key) else _chosen(value, segment)
    return value


def patch(record: Mapping[str, Any], values: Mapping[Path, Any], *, whole: bool = False) -> dict[str, Any]:
    """The smallest partial record that puts *values* into *record*, lists coming whole with all their members.

    With *whole* the partial record holds each touched top-level key complete, for systems that replace objects.
    A selector that finds no member adds one; a member that is left with nothing but what it is found by goes. The
    record itself is not changed.
    """
    result: dict[str, Any] = {}
    for path, value in values.items():
        top = path.top
        if whole and top not in result and isinstance(record.get(top), Mapping):
            result[top] = _copy(record[top])
        _put(result, record, path.segments, value)
    return result


def chosen(members: Sequence[Any], wanted: Selector) -> int | None:
    """Where in a list the member is that *wanted* selects; the first, where several fit."""
    return next((at for at, member in enumerate(members) if _fits(member, wanted)), None)


def _put(into: dict[str, Any], seen: Any, segments: tuple[Key | Selector, ...], value: Any) -> None:
    key, *rest = segments
    assert isinstance(key, Key)
    known = seen.get(key.name, ABSENT) if isinstance(seen, Mapping) else ABSENT
    if not rest:
        into[key.name] = value
    elif isinstance(rest[0], Selector):
        if key.name not in into:
            into[key.name] = _copy(known) if isinstance(known, list | tuple) else []
        _put_member(into[key.name], rest[0], tuple(rest[1:]), value)
    else:
        if not isinstance(into.get(key.name), dict):
            into[key.name] = {}
        _put(into[key.name], known, tuple(rest), value)


def _put_member(members: list[Any], wanted: Selector, rest: tuple[Key | Selector, ...], value: Any) -> None:
    at = chosen(members, wanted)
    if at is None:
        if value is None:
            return  # nothing to clear
        members.append({wanted.name: wanted.value})
        at = len(members) - 1
    member = value
    if rest:
        member = dict(members[at])
        _put(member, member, rest, value)
    if value is None and _says_nothing(member, wanted):
        del members[at]  # a work phone without a number is no work phone
    else:
        members[at] = member


def _says_nothing(member: Any, wanted: Selector) -> bool:
    return member is None or all(value is None for name, value in member.items() if name != wanted.name)


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(v) for v in value]
    return value


def _member(value: Any, name: str) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return value.get(name, ABSENT)
    return ABSENT


def _chosen(value: Any, wanted: Selector) -> Any:
    if isinstance(value, list | tuple):
        at = chosen(value, wanted)
        return None if at is None else value[at]
    return None if value is None else ABSENT


def _fits(member: Any, wanted: Selector) -> bool:
    if not isinstance(member, Mapping) or wanted.name not in member:
        return False
    found = member[wanted.name]
    return bool(found == wanted.value) and isinstance(found, bool) == isinstance(wanted.value, bool)


def _name(found: re.Match[str]) -> str:
    groups = found.groupdict()
    quoted = groups.get("dq") or groups.get("sq")
    return _ESCAPE.sub(r"\1", quoted) if quoted else found["bare"]


def _scalar(found: re.Match[str]) -> Scalar:
    word = found["word"]
    if word is None:
        text = found["text"] if found["text"] is not None else found["stext"]
        return _ESCAPE.sub(r"\1", text)
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.match(word):
        return int(word)
    return Decimal(word) if _DECIMAL.match(word) else word
