"""This is where the records of the memory are compared, joined, emptied and shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.base import Fields, Record
from connectors.paths import ABSENT, Key, Path, quote
from connectors.paths import read as read_path


def shown(record: Record, wanted: Sequence[Path]) -> Record:
    """The record with the requested top-level fields only; a requested place that is missing is None."""
    if not wanted:
        return record
    fields: dict[str, Any] = {path.top: record.fields.get(path.top) for path in wanted}
    for path in wanted:
        if read_path(fields, path) is ABSENT:
            fields[path.top] = _completed(fields[path.top], path.segments[1:])
    return replace(record, fields=fields)


def _completed(value: Any, rest: Sequence[Any]) -> Any:
    if not rest or value is None or not isinstance(value, Mapping) or not isinstance(rest[0], Key):
        return value
    return {**value, rest[0].name: _completed(value.get(rest[0].name), rest[1:])}


def holds(value: Any, seen: Any) -> bool:
    """Whether *value* still shows everything in *seen*; a key that is absent counts as null."""
    if isinstance(seen, Mapping) and isinstance(value, Mapping):
        return all(holds(value.get(key), part) for key, part in seen.items())
    return equal(value, seen)


def equal(one: Any, other: Any) -> bool:
    """Whether two values are one; True is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def merged(old: Any, new: Any) -> Any:
    """*old* with *new* laid over it; the siblings in nested objects stay."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}


def emptied(value: Any, empty: str) -> Any:
    """A copy that shows emptiness as this system does."""
    if isinstance(value, Mapping):
        kept = {k: emptied(v, empty) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v is not None} if empty == "omitted" else kept
    if isinstance(value, list | tuple):
        return [emptied(member, empty) for member in value]
    return "" if value is None and empty == "" else value


def named(value: Fields, prefix: str = "") -> Iterator[str]:
    """The paths of all that a record holds."""
    for key, member in value.items():
        name = prefix + quote(key)
        yield name
        if isinstance(member, Mapping):
            yield from named(member, name + ".")
