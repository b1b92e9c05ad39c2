"""This is where the words of a system in memory are fixed: what its file and its entities may say."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from connectors.definition import Facts, SystemFacts


class System(SystemFacts):
    """A system without an address."""

    page: int = Field(default=100, ge=1)
    """Records per page. Small enough that even examples have several."""


class Entity(Facts):
    """One kind of record, with the records that it starts with."""

    records: Mapping[str, Mapping[str, Any]] = {}
    """The first records, by id."""
    find: tuple[str, ...] = ()
    """Paths that can be looked up even before a record holds them."""
    marker: str | None = None
    """The field that takes our marker at birth."""
    deactivate: Mapping[str, Any] | None = None
    """What a deactivated record looks like: {active: false}. Without it, deactivate is not offered."""
    relations: tuple[str, ...] = ()
    """Names of relations, such as groups: a field `"@groups"` then lists whom a record is related to."""
    times_trusted: bool = False
    """Versions are the times of the changes instead of numbers, so that `wins: newest` may go by them."""
