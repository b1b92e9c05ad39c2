"""This is where the demo's CRM keeps one kind of record: numbered, versioned, with a list of what was deleted."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Stored: TypeAlias = dict[str, Any]

UNIQUE: Final = ("external_id", "email")


class Unacceptable(ValueError):
    """The CRM will not have this record; the text says why, as a CRM would."""


class Stale(ValueError):
    """The record is not any more what the caller has seen."""


class Collection:
    """Records of one kind. A revision rises with every change, so that callers can read on from where they were."""

    def __init__(self, prefix: str, records: Sequence[Mapping[str, Any]] = ()) -> None:
        self.prefix = prefix
        self.records: dict[str, Stored] = {}
        self.deleted: list[Stored] = []
        self.revision = 0
        self._last = 0
        for record in records:
            self.create(record)

    def page(self, after: str | None, limit: int, wanted: Mapping[str, str]) -> tuple[list[Stored], str | None]:
        """Records in the order of their birth behind *after*, and the name of the next page."""
        since = int(after or 0)
        found = [r for r in self.records.values() if _number(r) > since and _agrees(r, wanted)]
        page = found[:limit]
        return page, str(_number(page[-1])) if len(found) > limit else None

    def changed(self, since: int) -> list[Stored]:
        """Records whose revision is at least *since*, oldest change first."""
        return sorted((r for r in self.records.values() if r["revision"] >= since), key=lambda r: int(r["revision"]))

    def gone(self, since: int) -> list[Stored]:
        """What was deleted at or after revision *since*."""
        return [tomb for tomb in self.deleted if tomb["revision"] >= since]

    def create(self, given: Mapping[str, Any]) -> Stored:
        """A new record with an id of ours. Raises Unacceptable."""
        self._accept(given, None)
        self._last += 1
        id = f"{self.prefix}-{self._last}"
        record = {"id": id, "external_id": given.get("external_id"), "properties": dict(given.get("properties") or {})}
        self.records[id] = self._stamped(record)
        return self.records[id]

    def update(self, id: str, given: Mapping[str, Any], seen: str | None) -> Stored:
        """The record with what is given laid over it. Raises KeyError, Stale, Unacceptable."""
        record = self._seen(id, seen)
        self._accept(given, id)
        properties = {**record["properties"], **(given.get("properties") or {})}
        top = {"external_id": given.get("external_id", record["external_id"])}
        self.records[id] = self._stamped({**record, **top, "properties": properties})
        return self.records[id]

    def delete(self, id: str, seen: str | None) -> None:
        """The end of a record. Raises KeyError, Stale."""
        self._seen(id, seen)
        del self.records[id]
        self.revision += 1
        self.deleted.append({"id": id, "revision": self.revision})

    def dump(self) -> dict[str, Any]:
        """Everything, for the file that survives the process."""
        return {
            "revision": self.revision,
            "last": self._last,
            "deleted": self.deleted,
            "records": [*self.records.values()],
        }

    def restore(self, dumped: Mapping[str, Any]) -> None:
        """The opposite of `dump`."""
        self.revision, self._last = dumped["revision"], dumped["last"]
        self.deleted = list(dumped["deleted"])
        self.records = {record["id"]: dict(record) for record in dumped["records"]}

    def _seen(self, id: str, seen: str | None) -> Stored:
        record = self.records[id]
        if seen is not None and seen != record["etag"]:
            raise Stale(f"{id} is at {record['etag']}, not at {seen}")
        return record

    def _stamped(self, record: Mapping[str, Any]) -> Stored:
        self.revision += 1
        return {**record, "revision": self.revision, "etag": f'"{self.revision}"'}

    def _accept(self, given: Mapping[str, Any], id: str | None) -> None:
        properties = given.get("properties") or {}
        email = properties.get("email")
        if email is not None and "@" not in str(email):
            raise Unacceptable(f"email '{email}' is not an address")
        for name in UNIQUE:
            value = given.get(name) or properties.get(name)
            if value and any(r["id"] != id and _value(r, name) == value for r in self.records.values()):
                raise Unacceptable(f"{name} '{value}' is taken")


def _number(record: Stored) -> int:
    return int(record["id"].rpartition("-")[2])


def _value(record: Stored, name: str) -> Any:
    return record.get(name) or record["properties"].get(name)


def _agrees(record: Stored, wanted: Mapping[str, str]) -> bool:
    return all(str(_value(record, name)) == value for name, value in wanted.items())
