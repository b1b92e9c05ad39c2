"""This is where the memory keeps whom a record is related to: beside the record, which a change here does not touch."""

from collections.abc import Collection, Mapping
from typing import Any

from connectors.base import Fields, Members


class Related:
    """The relations of one entity, each a list per record."""

    def __init__(self, names: Collection[str] = ()) -> None:
        self.names = frozenset(f"@{name}" for name in names)
        self._lists: dict[tuple[str, str], dict[Any, None]] = {}

    def of(self, id: str) -> dict[str, list[Any]]:
        """Every relation of one record, in a stable order."""
        return {name: sorted(self._lists.get((name, id), ()), key=str) for name in sorted(self.names)}

    def change(self, id: str, members: Mapping[str, Members]) -> None:
        """Adds and removes; what is so already stays so."""
        for name, moving in members.items():
            known = self._lists.setdefault((name, id), {})
            known.update(dict.fromkeys(moving.add))
            for member in moving.remove:
                known.pop(member, None)

    def take(self, id: str, fields: Fields) -> dict[str, Any]:
        """*fields* without the relations, whose lists are now exactly as they stood there."""
        for name in self.names & fields.keys():
            self._lists[name, id] = dict.fromkeys(fields[name] or ())
        return {name: value for name, value in fields.items() if name not in self.names}

    def drop(self, id: str) -> None:
        """The record is gone, and so are its relations."""
        for name in self.names:
            self._lists.pop((name, id), None)
