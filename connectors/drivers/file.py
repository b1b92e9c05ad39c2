"""This is where files of records are read and rewritten: CSV and JSON lines in one folder.

Every call reads the whole file. All writes of one call are one rewrite: a temporary file beside the old one, synced,
renamed over it, and the folder synced, so that a crash leaves the old file or the new one. A lock file keeps other
Tallysticks out; an edit by anybody else between our reading and our renaming is noticed, and the rewrite begins anew.
"""

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from connectors.base import (
    EVERY,
    Capabilities,
    Done,
    EntityShape,
    Failed,
    Fields,
    FieldShape,
    Gone,
    Health,
    Lost,
    NotSent,
    Op,
    Outcome,
    Page,
    Permanent,
    Record,
    Refused,
    Stale,
    Temporary,
    Write,
)
from connectors.definition import Reveal, unknown_entity
from connectors.file.facts import Entity, System
from connectors.file.formats import Layout, Table, cell_of, digest, id_of, missing, parse
from connectors.paths import ABSENT, PathError, patch, quote
from connectors.paths import parse as parse_path
from connectors.paths import read as read_path

__all__ = ["Entity", "FileDriver", "System", "connect"]

ATTEMPTS = 3
"""How often a rewrite begins anew because somebody else changed the file meanwhile."""


def connect(
    system: System, entities: Mapping[str, Entity], *, check: Mapping[str, Any] | None, reveal: Reveal
) -> "FileDriver":
    """A driver for one folder; nothing is opened until the first request."""
    del check, reveal  # there is no login
    return FileDriver(system, entities)


class FileDriver:
    """A Driver over files."""

    def __init__(self, system: System, entities: Mapping[str, Entity]) -> None:
        self.name = system.name
        self._system = system
        self._entities = dict(entities)

    def describe(self, entity: str) -> Capabilities:
        """What this entity can guarantee."""
        facts = self._facts(entity)
        more: set[Op] = {"deactivate"} if facts.deactivate else set()
        return Capabilities(
            precondition=True,
            read_back=True,
            gets=1000,
            find=frozenset({EVERY}) if facts.format == "jsonl" else self._known_paths(facts),
            batch=1000,
            empty="" if facts.format == "csv" else "null",
            processing_window=0.0,
            writes=Capabilities().writes | more,
            deactivated=facts.deactivate,
        )

    def check(self, entity: str | None = None) -> Health:
        """Whether the folder is there, and every line of the entity's file can be understood."""
        try:
            if not self._system.folder.is_dir():
                raise Permanent(f"{self.name}: {self._system.folder} is no folder")
            records = len(self._load(self._facts(entity)).ids) if entity is not None else None
        except (Permanent, Temporary) as error:
            return Health(False, str(error))
        writable = os.access(self._system.folder, os.W_OK)
        text = f"{self._system.folder}" + (f", {records} records" if records is not None else "")
        return Health(True, text, permissions={"read": True, "write": writable})

    def read(
        self, entity: str, *, cursor: str | None = None, fields: Sequence[str] = (), where: Fields | None = None
    ) -> Iterator[Page]:
        """Pages of the file as it is now; nothing is yielded unless all of it could be understood."""
        if cursor is not None:
            raise Permanent(f"{self.name} {entity}: a file has no cursor; only full reads")
        found = self._matching(entity, where or {}, fields)
        size = self._system.page
        for at in range(0, max(1, len(found)), size):
            yield Page(records=tuple(found[at : at + size]), complete=at + size >= len(found))

    def get(self, entity: str, ids: Sequence[str], *, fields: Sequence[str] = ()) -> Iterator[Record | Gone | Failed]:
        """One answer per id, in order."""
        facts = self._facts(entity)
        table = self._load(facts)
        self._known(facts, table, fields)
        for id in ids:
            known = table.get(id)
            yield Gone(id) if known is None else _record(id, known, fields)

    def find(self, entity: str, by: Fields, *, consistent: bool = False, fields: Sequence[str] = ()) -> list[Record]:
        """Records whose paths equal all of *by*; in CSV, as text."""
        del consistent  # a file shows what was written
        return self._matching(entity, by, fields)

    def write(self, entity: str, writes: Sequence[Write], *, fields: Sequence[str] = ()) -> Iterator[Outcome]:
        """One outcome per write, in order; the file is rewritten once."""
        try:
            facts = self._facts(entity)
            path = (self._system.folder / facts.path).resolve()  # a link stays a link
            with FileLock(f"{path}.lock", timeout=self._system.timeout):
                outcomes = self._rewrite(entity, facts, path, writes, fields)
        except Permanent as error:
            outcomes = [NotSent(str(error), permanent=True)] * len(writes)
        except Timeout:
            outcomes = [NotSent(f"{self.name} {entity}: another process is writing")] * len(writes)
        except (Temporary, OSError) as error:
            outcomes = [NotSent(f"{self.name} {entity}: {error}")] * len(writes)
        yield from outcomes

    def poll(self, entity: str, jobs: Sequence[str]) -> Iterator[Outcome]:
        """Every write is done when it is answered; there are no jobs."""
        return iter([Lost(f"{self.name} {entity}: there are no jobs") for _ in jobs])

    def discover(self) -> Sequence[EntityShape]:
        """The configured files with the columns of their headers."""
        shapes = []
        for name, facts in self._entities.items():
            columns = self._columns(facts)
            shapes.append(EntityShape(name, tuple(FieldShape(c, "text", required=c in facts.key) for c in columns)))
        return shapes

    def close(self) -> None:
        """Nothing stays open."""

    # Reading

    def _matching(self, entity: str, rules: Fields, fields: Sequence[str]) -> list[Record]:
        facts = self._facts(entity)
        table = self._load(facts)
        self._known(facts, table, [*fields, *rules])
        try:
            asked = [(parse_path(path), value) for path, value in rules.items()]
            return [
                _record(id, known, fields)
                for id, known in table.records()
                if all(_equal(read_path(known, path), value, facts) for path, value in asked)
            ]
        except (PathError, ValueError) as error:
            raise Permanent(f"{self.name} {entity}: cannot look that up: {error}") from None

    def _load(self, facts: Entity, data: bytes | None = None) -> Table:
        place = f"{self.name}: {facts.path}"
        if data is None:
            data = _bytes(self._system.folder / facts.path, place)
        try:
            text = data.decode(facts.encoding)
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise Permanent(f"{place}:{line}: is not {facts.encoding}: {error.reason}") from None
        table = parse(text, Layout(facts.format, facts.key, facts.delimiter, facts.encoding), place)
        wrong = missing(facts.columns, table.columns) if facts.format == "csv" else None
        if wrong:
            raise Permanent(f"{place}:1: {wrong}")
        return table

    def _known_paths(self, facts: Entity) -> frozenset[str]:
        """Those of a CSV file, as far as it can be read."""
        known = [*facts.key, *facts.columns, *([facts.marker] if facts.marker else [])]
        with suppress(Permanent, Temporary):
            known += self._columns(facts)
        return frozenset(map(quote, known))

    def _columns(self, facts: Entity) -> list[str]:
        table = self._load(facts)
        return list(table.columns or dict.fromkeys(name for _, known in table.records() for name in known))

    def _known(self, facts: Entity, table: Table, paths: Sequence[str]) -> None:
        wrong = missing([parse_path(p).top for p in paths], table.columns) if facts.format == "csv" else None
        if wrong:
            raise Permanent(f"{self.name}: {facts.path}: {wrong}")

    def _facts(self, entity: str) -> Entity:
        if entity in self._entities:
            return self._entities[entity]
        raise Permanent(unknown_entity(self.name, entity, self._entities))

    # Writing

    def _rewrite(
        self, entity: str, facts: Entity, path: Path, writes: Sequence[Write], fields: Sequence[str]
    ) -> list[Outcome]:
        place = f"{self.name} {entity}"
        for _ in range(ATTEMPTS):
            before = _stamp(path)
            table = self._load(facts, _bytes(path, place))
            self._known(facts, table, fields)
            old = table.text()
            outcomes = [self._one(place, facts, table, write, fields) for write in writes]
            new = table.text()
            if new == old:
                return outcomes
            written = _replace(path, new.encode(facts.encoding), before)
            if written == "done":
                return outcomes
            if written == "unsure":
                return [Lost(f"{place}: renamed, but the folder could not be synced")] * len(writes)
        return [NotSent(f"{place}: somebody keeps changing {path.name}")] * len(writes)

    def _one(self, place: str, facts: Entity, table: Table, write: Write, fields: Sequence[str]) -> Outcome:
        here = f"{place} {write.id or 'new'}"
        try:
            match write.op:
                case "create":
                    return self._create(place, facts, table, write, fields)
                case "deactivate" if not facts.deactivate:
                    return Refused(f"{here}: deactivate is not offered")
            id = write.id or ""
            known = table.get(id)
            if known is None:
                return Done(id) if write.op == "delete" else Stale(f"{here}: is gone")
            if not _unmoved(known, write, facts):
                return Stale(f"{here}: changed since it was read")
            if write.op == "delete":
                table.drop(id)
                return Done(id)
            return self._change(facts, table, id, write, fields)
        except (ValueError, Permanent) as error:
            return Refused(f"{here}: {error}")

    def _create(self, place: str, facts: Entity, table: Table, write: Write, fields: Sequence[str]) -> Outcome:
        born: Fields = dict(write.fields)
        if facts.marker and write.marker is not None:
            born = {**born, facts.marker: write.marker}
        born = _cells(facts, table, {**dict.fromkeys(table.columns), **born})
        id = id_of(born, facts.key, place)
        if table.get(id) is not None:
            return Refused(f"{place} {id}: exists already")
        return _put(table, id, born, fields)

    def _change(self, facts: Entity, table: Table, id: str, write: Write, fields: Sequence[str]) -> Outcome:
        known = table.get(id) or {}
        change = (facts.deactivate or {}) if write.op == "deactivate" else write.fields
        merged = _cells(facts, table, _merged(known, change))
        if id_of(merged, facts.key, id) != id:
            raise ValueError(f"{' and '.join(facts.key)} is the key and does not change")
        return _put(table, id, merged, fields)


def _cells(facts: Entity, table: Table, fields: Fields) -> Fields:
    """The fields as the format holds them: a CSV file knows its columns, and text only. Raises ValueError."""
    if facts.format != "csv":
        return fields
    wrong = missing(list(fields), table.columns)
    if wrong:
        raise ValueError(wrong)
    return {name: cell_of(name, value) for name, value in fields.items()}


def _put(table: Table, id: str, fields: Fields, wanted: Sequence[str]) -> Outcome:
    table.put(id, fields)
    return Done(id, digest(fields), _record(id, fields, wanted) if wanted else None)


def _bytes(path: Path, place: str) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):  # a pipe would keep the run waiting forever
                raise Permanent(f"{place}: {path}: is no plain file")
            with open(handle, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(handle)
    except (FileNotFoundError, PermissionError) as error:
        raise Permanent(f"{place}: {path}: {error.strerror}") from None
    except OSError as error:
        raise Temporary(f"{place}: {path}: {error.strerror}") from None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None  # reading it says why
    return found.st_mtime_ns, found.st_size, found.st_ino


def _replace(path: Path, data: bytes, before: tuple[int, int, int] | None) -> Literal["done", "changed", "unsure"]:
    """Puts *data* in the file's place, unless somebody changed it since *before*."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
            owner = path.stat()
            os.fchmod(out.fileno(), owner.st_mode & 0o7777)
            with suppress(PermissionError):
                os.fchown(out.fileno(), owner.st_uid, owner.st_gid)
        if _stamp(path) != before:
            return "changed"
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return "done" if _sync_folder(path.parent) else "unsure"


def _sync_folder(folder: Path) -> bool:
    """Syncs the folder too, or a crash can lose the rename."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        os.fsync(handle)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _record(id: str, known: Mapping[str, Any], wanted: Sequence[str]) -> Record:
    if not wanted:
        return Record(id, known, digest(known))
    paths = [parse_path(path) for path in wanted]
    shown: Mapping[str, Any] = {path.top: known.get(path.top) for path in paths}
    for path in paths:
        if read_path(shown, path) is ABSENT:
            shown = _merged(shown, patch(shown, {path: None}))
    return Record(id, shown, digest(known))


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}


def _unmoved(known: Mapping[str, Any], write: Write, facts: Entity) -> bool:
    if write.version is not None:
        return digest(known) == write.version
    return all(_holds(known.get(name), value, facts) for name, value in (write.before or {}).items())


def _holds(value: Any, seen: Any, facts: Entity) -> bool:
    if isinstance(value, Mapping) and isinstance(seen, Mapping):
        return all(_holds(value.get(name), part, facts) for name, part in seen.items())
    return _equal(value, seen, facts)


def _equal(value: Any, other: Any, facts: Entity) -> bool:
    if facts.format == "csv":
        return bool(value == cell_of("value", other))
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)
