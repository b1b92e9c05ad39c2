"""This is where one record's list is read and changed: its members named by their keys, one change after the other.

A member is known by the id of its record and its key, `["17","work"]`; a second one of the same key has a number behind
it. Nothing here talks to a system.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from connectors.base import PARENT, UNNAMED, Done, Fields, Outcome, Permanent, Record, Refused, Stale, Write
from connectors.memory.looks import holds, merged, shown
from connectors.paths import ABSENT, Path, patch, read


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists at *path* in records of *entity*, whose members are known by *key*."""

    entity: str
    path: Path
    key: tuple[Path, ...]

    def members(self, parent: Record) -> list[Fields] | None:
        """The members as they are; None where the record does not say. Raises Permanent for what is no such list."""
        value = read(parent.fields, self.path)
        if value is ABSENT:
            return None
        if value is None or value == "":
            return []
        if not isinstance(value, list | tuple):
            raise Permanent(f"{self.place(parent.id)}: `{self.path.text}` is no list; correct the collection's path")
        if not all(isinstance(member, Mapping) for member in value):
            text = f"{self.place(parent.id)}: the members of `{self.path.text}` are no objects"
            raise Permanent(f"{text}, so they cannot be records of a collection")
        return list(value)

    def records(self, parent: Record, members: Sequence[Fields], wanted: Sequence[Path]) -> Iterator[Record]:
        """The members as records that show whose they are, and what they lack to be told from the others."""
        for name, member in zip(self.names(parent.id, members), members, strict=True):
            record = shown(Record(name, {**member, PARENT: parent.id}, parent.version), wanted)
            if lack := self.lack(parent.id, member):
                record = replace(record, fields={**record.fields, UNNAMED: lack})
            yield record

    def names(self, owner: str, members: Sequence[Fields]) -> list[str]:
        """The id of each member."""
        times: Counter[str] = Counter()
        found = []
        for member in members:
            parts = [owner, *(_as_text(read(member, path)) for path in self.key)]
            name = _id(parts)
            times[name] += 1
            found.append(name if times[name] == 1 else _id([*parts, times[name]]))
        return found

    def lack(self, owner: str, member: Fields) -> str:
        """Why a member cannot be told from the others; empty where it can."""
        missing = next((path.text for path in self.key if read(member, path) in (None, "", ABSENT)), None)
        what = f"a member of `{self.path.text}` of {self.place(owner)}"
        return "" if missing is None else f"{what} has no `{missing}`, by which it is known"

    def unsaid(self, owner: str) -> str:
        """What to say of a record that does not say what its list is."""
        return f"{self.place(owner)} does not say what its `{self.path.text}` are"

    def place(self, owner: str | None) -> str:
        """A record in words."""
        return f"{self.entity} {owner}"


@dataclass(slots=True)
class Draft:
    """One record's list on its way: as it was read, as it shall be, and the writes that make the difference."""

    lists: Lists
    parent: Record
    before: list[Fields]
    after: dict[str, Fields]
    """By id, so that none takes the name of another that is taken out."""
    done: dict[int, str] = field(default_factory=dict)
    """Which writes are in *after*, with the id of their member."""

    @classmethod
    def of(cls, lists: Lists, parent: Record, members: list[Fields]) -> "Draft":
        """The list of *parent*, unchanged."""
        return cls(lists, parent, members, dict(zip(lists.names(parent.id, members), members, strict=True)))

    def change(self, at: int, write: Write) -> Outcome | None:
        """Puts *write*, the caller's number *at*, into the list. Its outcome, unless a request has to tell it."""
        fields = {name: value for name, value in write.fields.items() if name != PARENT}
        if write.op == "create":
            return self._add(at, fields)
        id = write.id or ""
        place, member = f"{self.lists.place(self.parent.id)}: the member {id}", self.after.get(id)
        if member is None and write.op == "delete":
            return Done(id)
        if member is None or not _unmoved(member, write):
            return Stale(f"{place} changed since it was read")
        if write.op == "delete":
            del self.after[id]
        elif write.op == "update":
            changed = merged(member, fields)
            if fault := self._another(write, id, changed):
                return Refused(f"{place} {fault}")
            self.after[id] = changed
        else:
            return Refused(f"{place}: {write.op} is not offered")
        self.done[at] = id
        return None

    def write(self, *, whole: bool) -> Write:
        """The change of the record; with *whole* the object around the list goes with it."""
        fields = patch(self.parent.fields, {self.lists.path: list(self.after.values())}, whole=whole)
        before = patch(self.parent.fields, {self.lists.path: self.before}, whole=whole)
        return Write("update", self.parent.id, fields, before, self.parent.version)

    def _add(self, at: int, member: Fields) -> Outcome | None:
        if lack := self.lists.lack(self.parent.id, member):
            return Refused(lack)
        (name,) = self.lists.names(self.parent.id, [member])
        if name in self.after:
            return Stale(f"{self.lists.place(self.parent.id)}: the member {name} exists already")
        self.after[name] = member
        self.done[at] = name
        return None

    def _another(self, write: Write, id: str, changed: Fields) -> str:
        """Why a change would make another member of this one; empty where it does not."""
        if str(write.fields.get(PARENT, self.parent.id)) != self.parent.id:
            return f"cannot move to {self.lists.place(write.fields[PARENT])}: take it out here and add it there"
        (now,) = self.lists.names(self.parent.id, [changed])
        if now != _id(_parts(id)[: 1 + len(self.lists.key)]):
            keys = ", ".join(f"`{path.text}`" for path in self.lists.key)
            return f"is known by {keys}, which cannot change: add another one and take this one out"
        return ""


def parent_of(id: str) -> str | None:
    """Whose member *id* names; None where it names none."""
    parts = _parts(id)
    return parts[0] if len(parts) > 1 and isinstance(parts[0], str) else None


def owner_of(write: Write) -> str | None:
    """The record into whose list *write* goes."""
    if write.id is not None:
        return parent_of(write.id)
    owner = write.fields.get(PARENT)
    return None if owner is None else str(owner)


def _unmoved(member: Fields, write: Write) -> bool:
    """Whether a member still shows what the write rests on."""
    before = {name: value for name, value in (write.before or {}).items() if name not in (PARENT, UNNAMED)}
    return holds(member, before)


def _id(parts: Sequence[Any]) -> str:
    return msgspec.json.encode(parts).decode()


def _parts(id: str) -> list[Any]:
    try:
        parts = msgspec.json.decode(id)
    except msgspec.DecodeError:
        return []
    return parts if isinstance(parts, list) else []


def _as_text(value: Any) -> str | None:
    if value is None or value is ABSENT:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
