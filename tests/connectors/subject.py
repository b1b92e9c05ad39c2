"""This is where a driver under test is described, and the questions that its tests keep asking are put in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.base import Capabilities, Done, Driver, Failed, Fields, Gone, Page, Record, Write

BIG = 1234567890123456789012345
"""25 digits: more than a float or a 64-bit integer holds."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A driver with an empty entity, whose pages MUST be small: at most three records."""

    driver: Driver
    entity: str
    make: Callable[[int], Fields]
    """The fields of a legal create, different for each number."""
    text: str
    """A field that takes any text, and is set by `make`."""
    lookup: str
    """A field that find can look up, unique per number."""
    optional: str
    """A text field that may be empty, and is not set by `make`."""
    big: str | None = None
    """A field that keeps 25-digit integers: as a number, or as the text of it."""
    decimal: str | None = None
    """A field that keeps 12.10 exactly: as a Decimal, or as the text of it."""
    refused: Fields | None = None
    """A create that the system refuses for its content."""
    absent_id: str = "no-such-id"
    unwell: Mapping[str, Driver] = field(default_factory=dict)
    """Drivers that cannot work, by what their `check` must say (part of the message)."""

    relation: str | None = None
    """A relation of the entity, whose records start without members."""
    members: tuple[str, ...] = ()
    """Three that can be members."""
    refused_member: str | None = None
    """One that the system refuses."""
    holding: Callable[[], Mapping[str, int]] = dict
    """How many records each member is related to, as its system's own users see it."""

    @property
    def says(self) -> Capabilities:
        return self.driver.describe(self.entity)


def write(subject: Subject, *writes: Write, fields: Sequence[str] = ()) -> list[Any]:
    return list(subject.driver.write(subject.entity, writes, fields=fields))


def fill(subject: Subject, count: int) -> list[str]:
    outcomes = write(subject, *(Write("create", fields=subject.make(n), key=f"fill-{n}") for n in range(count)))
    assert all(isinstance(o, Done) for o in outcomes), outcomes
    return [o.id for o in outcomes]


def pages(subject: Subject, **how: Any) -> list[Page]:
    return list(subject.driver.read(subject.entity, **how))


def listing(subject: Subject, **how: Any) -> dict[str, Record]:
    return {record.id: record for page in pages(subject, **how) for record in page.records}


def get(subject: Subject, id: str, *fields: str) -> Record | Gone | Failed:
    (answer,) = subject.driver.get(subject.entity, [id], fields=fields)
    return answer


def value(subject: Subject, id: str, name: str) -> Any:
    record = get(subject, id, name)
    assert isinstance(record, Record), record
    return record.fields[name]
