"""This is where a part of an answer becomes a Record: its id, its version, its fields and its place in time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from connectors import paths
from connectors.base import Permanent, Record
from connectors.http.client import encode_json
from connectors.http.facts import CursorFacts, Entity, VersionRule
from connectors.http.templates import as_text
from connectors.paths import ABSENT, Path

_parts = msgspec.json.Decoder(list[Any], float_hook=Decimal)


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

    def id(self, raw: Mapping[str, Any], where: str) -> str:
        """The record's id as text. Raises Permanent where it has none: such a record cannot be told from others."""
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
    """The fields that were asked for; none: all of them."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.paths: tuple[Path, ...] = tuple(paths.parse(field) for field in fields)
        self._tops = frozenset(path.top for path in self.paths)
        self._plain = all(len(path.segments) == 1 for path in self.paths)

    def of(self, raw: dict[str, Any], omitted: bool) -> dict[str, Any]:
        """The record's own keys in which wanted fields lie; what is *omitted* is None."""
        if not self.paths:
            return raw
        if self._plain and omitted:
            return {top: raw.get(top) for top in self._tops}
        shown = {top: raw[top] for top in self._tops if top in raw}
        if omitted:
            for path in self.paths:
                if paths.read(shown, path) is ABSENT:
                    _put_null(shown, path)
        return shown


def _put_null(into: dict[str, Any], path: Path) -> None:
    """None at the first missing key on the way; the objects on the way are copied, for they belong to the answer."""
    for segment in path.segments:
        if not isinstance(segment, paths.Key) or segment.name not in into:
            into.setdefault(segment.name, None)
            return
        if not isinstance(into[segment.name], dict):
            return
        into[segment.name] = dict(into[segment.name])
        into = into[segment.name]


def highest(rule: CursorFacts, records: Iterable[Any]) -> str | None:
    """The highest cursor value among raw records, in the system's own text; None where no record has one."""
    assert rule.field is not None
    path = paths.parse(rule.field)
    found = [paths.read(raw, path) for raw in records if isinstance(raw, dict)]
    values = [value for value in found if value is not None and value is not ABSENT]
    if not values:
        return None
    order = _as_number if rule.kind == "number" else _as_moment
    ranked = [(order(value), value) for value in values]
    if any(rank is None for rank, _ in ranked):
        return max(as_text(value) for value in values)
    return as_text(max(ranked, key=lambda pair: pair[0])[1])  # type: ignore[arg-type,return-value]  # no rank is None


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
