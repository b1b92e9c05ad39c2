"""This is where systems get their bad days: a driver around a driver that loses answers, refuses and rewrites."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from connectors.base import (
    Capabilities,
    Done,
    Driver,
    Lost,
    Members,
    NotSent,
    Outcome,
    Record,
    Refused,
    Temporary,
    Write,
)

Fate = Callable[[Any, str, Write], Outcome | None]
"""What happens to one write instead; None lets it through."""


def done_but_lost(driver: Any, entity: str, write: Write) -> Outcome:
    """The system does it; the answer never comes."""
    list(driver.write(entity, [write]))
    return Lost("the answer never came")


def lost(driver: Any, entity: str, write: Write) -> Outcome:
    """The request never arrived, and we cannot know."""
    return Lost("the answer never came")


def refused(driver: Any, entity: str, write: Write) -> Outcome:
    return Refused("422 phone is not a number we like")


def away(driver: Any, entity: str, write: Write) -> Outcome:
    return NotSent("connection refused")


def forbidden(driver: Any, entity: str, write: Write) -> Outcome:
    return NotSent("403 may not write contacts: give the user the role Editor", permanent=True)


def half_refused(driver: Any, entity: str, write: Write) -> Outcome | None:
    """The first who joins joins and the first who leaves leaves; the next one is refused."""
    if not write.members or write.op == "create" or driver.describe(entity).atomic_batch:
        return None
    half = {name: Members(moving.add[:1], moving.remove[:1]) for name, moving in write.members.items()}
    (outcome,) = driver.write(entity, [replace(write, members=half)])
    return Refused("422 the group is full") if isinstance(outcome, Done) else outcome


def half_lost(driver: Any, entity: str, write: Write) -> Outcome | None:
    """As far as that, and then the line went dead."""
    outcome = half_refused(driver, entity, write)
    return Lost("the answer never came") if isinstance(outcome, Refused) else outcome


def born_without(driver: Any, entity: str, write: Write) -> Outcome | None:
    """The record is made; its groups say no."""
    if not write.members or write.op != "create":
        return None
    (done,) = driver.write(entity, [replace(write, members={})])
    return replace(done, record=None, without=dict.fromkeys(write.members, "no")) if isinstance(done, Done) else done


class Quirky:
    """Forwards to *driver*. `fates` are used up one per write; `capabilities` change what is promised."""

    def __init__(self, driver: Any, **capabilities: Any) -> None:
        self.driver = driver
        self.fates: list[Fate | None] = []
        self.always: Fate | None = None
        self.before_write: Callable[[Write], None] | None = None
        self.after_write: Callable[[Write], None] | None = None
        self.down = False
        self.read_back = True
        self.writes: list[Write] = []
        self._capabilities = capabilities

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)

    def describe(self, entity: str) -> Capabilities:
        return replace(self.driver.describe(entity), **self._capabilities)

    def read(self, entity: str, **how: Any) -> Iterator[Any]:
        if self.down:
            raise Temporary("hr: connection refused")
        return self.driver.read(entity, **how)  # type: ignore[no-any-return]

    def get(self, entity: str, ids: Sequence[str], **how: Any) -> Iterator[Any]:
        if self.down:
            raise Temporary("hr: connection refused")
        return self.driver.get(entity, ids, **how)  # type: ignore[no-any-return]

    def write(self, entity: str, writes: Sequence[Write], **how: Any) -> Iterator[Outcome]:
        for write in writes:
            self.writes.append(write)
            if self.before_write:
                self.before_write(write)
            fate = self.fates.pop(0) if self.fates else self.always
            outcome = fate(self.driver, entity, write) if fate else None
            if outcome is None:
                (outcome,) = self.driver.write(entity, [write], **how)
            if self.after_write:
                self.after_write(write)
            yield outcome if self.read_back else blind(outcome)


def blind(outcome: Outcome) -> Outcome:
    """The answer of a system that tells nothing of the record."""
    return replace(outcome, record=None) if isinstance(outcome, Done) else outcome


def rewriting(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Fate:
    """A system that stores another value than it was given."""

    def fate(driver: Any, entity: str, write: Write) -> Outcome | None:
        if write.op not in ("create", "update"):
            return None
        (outcome,) = driver.write(entity, [replace(write, fields=change(dict(write.fields)))])
        return outcome  # type: ignore[no-any-return]

    return fate


def show(driver: Driver, entity: str, id: str) -> Record:
    (record,) = driver.get(entity, [id])
    assert isinstance(record, Record)
    return record


def unique(field: str, *, empty: bool = True) -> Fate:
    """A system in which no two records have the same *field*; *empty* says whether a record may be without it."""

    def fate(driver: Any, entity: str, write: Write) -> Outcome | None:
        if write.op not in ("create", "update") or field not in write.fields:
            return None
        value = write.fields[field]
        if value is None and not empty:
            return Refused(f"422 {field} is missing")
        others = [fields.get(field) for id, fields in driver.records(entity).items() if id != write.id]
        return Refused(f"409 {field} is taken") if value is not None and value in others else None

    return fate
