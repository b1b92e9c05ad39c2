"""This is where a part of an answer becomes a Record: its id, its version, its fields and its place in time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from connectors import paths
from connectors.base import Permanent, Record
from connectors.http.client import encode_json
from connectors.http.facts import CursorFacts, Entity, Relation, VersionRule
from connectors.http.templates import as_text
from connectors.numbers import exact
from connectors.paths import ABSENT, Path

_parts = msgspec.json.Decoder(list[Any], float_hook=exact)


class Shape:
    """How the records of one entity are read. *where* arguments name system and place for errors."""

    def __init__(self, entity: Entity, id: str | tuple[str, ...] | None = None) -> None:
        self._version: VersionRule | None = entity.version
        path = entity.version.path if entity.version else None
        self._read_version = paths.reader(paths.parse(path)) if path else None
        self._omitted = entity.empty == "omitted"
        wanted = id or entity.id
        self._composite = not isinstance(wanted, str)
        self._id = tuple(paths.parse(part) for part in ((wanted,) if isinstance(wanted, str) else wanted))
        self._readers = tuple(paths.reader(part) for part in self._id)
        self._key = self._id[0].top if not self._composite and len(self._id[0].segments) == 1 else None

    def id(self, raw: Mapping[str, Any], where: str) -> str:
        """The record's id as text. Raises Permanent where it has none: such a record cannot be told from others."""
        if self._key is not None and type(plain := raw.get(self._key)) is str and plain:
            return plain  # what nearly every system has
        parts = [read(raw) for read in self._readers]
        for path, part in zip(self._id, parts, strict=True):
            if part is None or part is ABSENT or part == "" or isinstance(part, list | Mapping | bool):
                raise Permanent(f"{where}: a record without '{path.text}', which is its id")
        return encode_json(parts).decode() if self._composite else as_text(parts[0])

    def id_values(self, id: str) -> dict[str, Any]:
        """What {id} and, for a composite id, the names of its parts stand for in a request."""
        if not self._composite:
            return {"id": id}
        try:
            parts = _parts.decode(id)
        except msgspec.MsgspecError:
            parts = []
        if len(parts) != len(self._id):
            raise ValueError(f"'{id}' is not a composite id of {len(self._id)} parts")
        return {"id": id} | {path.text: part for path, part in zip(self._id, parts, strict=True)}

    def version(self, raw: Mapping[str, Any] | None, headers: Mapping[str, str]) -> str | None:
        """The version in the record or in the answer's headers; None where neither says."""
        if self._version is None:
            return None
        found = self._read_version(raw or {}) if self._read_version else None
        if found is not None and found is not ABSENT:
            return as_text(found)
        return headers.get(self._version.header.lower()) if self._version.header else None

    def record(self, raw: Any, where: str, headers: Mapping[str, str], fields: "Wanted") -> Record:
        """One record of an answer. *headers* only where the answer is about this record alone."""
        if not isinstance(raw, dict):
            raise Permanent(f"{where}: a record that is not an object but a {type(raw).__name__}")
        return Record(self.id(raw, where), fields.of(raw, self._omitted), self.version(raw, headers))


class Wanted:
    """The fields that were asked for; none: all of them. Made once a read, because `of` runs for every record."""

    def __init__(self, fields: Sequence[str], relations: Mapping[str, Relation] | None = None) -> None:
        known = {f"@{name}": relation for name, relation in (relations or {}).items()}
        asked = [paths.parse(field) for field in fields]
        tops = {path.top for path in asked}
        self.relations = {name: relation for name, relation in known.items() if not asked or name in tops}
        """Those of the entity that are asked for."""
        self.paths: tuple[Path, ...] = tuple(path for path in asked if path.top not in known)
        more = (relation.path for relation in self.relations.values() if relation.path and self.paths)
        self.places = (*self.paths, *map(paths.parse, more))
        """What the system has to show."""
        self._nothing = bool(asked) and not self.paths
        self._tops = tuple(dict.fromkeys(path.top for path in self.paths))
        plain = [path.plain for path in self.paths]
        self._pairs = [keys for keys in plain if keys is not None and len(keys) == 2]
        self._deep = [p for p, keys in zip(self.paths, plain, strict=True) if keys is None or len(keys) > 2]

    def of(self, raw: dict[str, Any], omitted: bool) -> dict[str, Any]:
        """The record's own keys in which wanted fields lie; what is *omitted* is None."""
        if not self.paths:
            return {} if self._nothing else raw
        if not omitted:
            return {top: raw[top] for top in self._tops if top in raw}
        shown = {top: raw.get(top) for top in self._tops}
        for top, name in self._pairs:
            inner = shown[top]
            if type(inner) is dict and name not in inner:
                shown[top] = {**inner, name: None}
        for path in self._deep:
            if paths.read(shown, path) is ABSENT:
                shown = _with_null(shown, path.segments)
        return shown


def _with_null(value: Any, segments: Sequence[paths.Key | paths.Selector]) -> Any:
    """A copy of *value* with None at the first missing key on the way; it belongs to the answer and is not changed."""
    segment, *rest = segments
    if isinstance(segment, paths.Selector):
        at = paths.chosen(value, segment) if isinstance(value, list) else None
        return value if at is None or not rest else [*value[:at], _with_null(value[at], rest), *value[at + 1 :]]
    if not isinstance(value, dict):
        return value
    inner = _with_null(value[segment.name], rest) if segment.name in value and rest else value.get(segment.name)
    return {**value, segment.name: inner}


def highest(rule: CursorFacts, records: Iterable[Any]) -> str | None:
    """The highest cursor value among raw records, in the system's own text; None where no record has one."""
    assert rule.field is not None
    path = paths.parse(rule.field)
    found = [paths.read(raw, path) for raw in records if isinstance(raw, dict)]
    values = [value for value in found if value is not None and value is not ABSENT]
    if not values:
        return None
    if rule.kind == "number" and all(type(value) is int for value in values):
        return str(max(values))
    if rule.kind == "time" and _alike_in_utc(values):
        return str(max(values))
    order = _as_number if rule.kind == "number" else _as_moment
    ranked = [(order(value), value) for value in values]
    if any(rank is None for rank, _ in ranked):
        return max(as_text(value) for value in values)
    return as_text(max(ranked, key=lambda pair: pair[0])[1])  # type: ignore[arg-type,return-value]  # no rank is None


def _alike_in_utc(values: list[Any]) -> bool:
    """Whether all are written with the same digits and a Z, so that text order is time order."""
    length = len(values[0]) if type(values[0]) is str else 0
    return length >= 20 and all(type(v) is str and len(v) == length and v[-1] == "Z" for v in values)


def _as_number(value: Any) -> Decimal | None:
    try:
        return Decimal(value) if isinstance(value, int | str | Decimal) else None
    except ArithmeticError:
        return None


def _as_moment(value: Any) -> datetime | Decimal | None:
    if not isinstance(value, str):
        return _as_number(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
