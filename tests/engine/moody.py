"""This is where a system in memory gets a character: what it promises, how late it shows, how its pages shift."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal

from connectors.base import (
    Capabilities,
    CursorRule,
    Done,
    Fields,
    Gone,
    NotSent,
    Outcome,
    Page,
    Record,
    Temporary,
    Write,
)
from connectors.drivers.memory import MemoryDriver

LAG = 300.0
"""Seconds after which a lagging system shows a change, and longest time that a user's transaction stays open."""
PAGE = 2
NEVER = float("inf")
CUT = 6
"""Characters that a rewriting system keeps of a phone or a tag."""


@dataclass(frozen=True, slots=True)
class Character:
    """What one system is like for the length of one example."""

    cursor: Literal["", "number", "time"] = ""
    tombstones: bool = False
    batch: int = 1
    atomic: bool = False
    creates: Literal["find", "marker", "key"] = "find"
    """How a create whose answer is lost is found again, or repeated safely."""
    versions: bool = True
    """Whether it tells versions; else the old values are compared before a write."""
    lags: bool = False
    """Reads, gets and look-ups show everything LAG seconds late; only a consistent look-up does not."""
    offset: bool = False
    """Full listings are paged by position in what is there at that moment."""
    repeats: bool = False
    """A record is shown on its page and on the next one again."""
    cuts: bool = False
    """It keeps CUT characters of a phone or a tag."""
    verbs: bool = False
    """The set is written by who joins and who leaves."""

    @property
    def capabilities(self) -> Capabilities:
        """What such a system promises."""
        rules = {"": None, "number": CursorRule("number"), "time": CursorRule("time", lag=2 * LAG)}
        return Capabilities(
            precondition=True, idempotent_create=self.creates == "key",
            find=frozenset({"number", "email"} if self.creates == "find" else ()),
            marker="mark" if self.creates == "marker" else None, tombstones=self.tombstones, cursor=rules[self.cursor],
            batch=self.batch, atomic_batch=self.atomic, consistency_window=LAG if self.lags else 0.0,
            processing_window=0.0, relations=frozenset({"tags"} if self.verbs else ()),
        )  # fmt: skip

    @property
    def catches_late_commits(self) -> bool:
        """Whether an incremental read misses no edit that is committed late."""
        return self.cursor != "number"


@dataclass(frozen=True, slots=True)
class _Fact:
    """What a record was from some moment on; None: gone."""

    record: Record | None
    stamp: int
    number: int
    since: float


class Moody(MemoryDriver):
    """A MemoryDriver whose reads have a character. Users' hands and `records` always see the truth."""

    def __init__(self, side: str, records: Mapping[str, Fields], mood: Character, clock: Callable[[], float]) -> None:
        self.mood = mood
        self.clock = clock
        self.late = False
        """Whether what users do now is committed later."""
        self.past: dict[str, list[_Fact]] = {}
        self.between_pages: Callable[[], None] | None = None
        self.storm = 0
        """Requests that are still answered with 429."""
        self._ticks = count(1)
        find = {"person": ("number", "email")}
        marker = {"person": "mark"} if mood.creates == "marker" else {}
        super().__init__(
            {"person": {}}, name=side, capabilities={"person": mood.capabilities}, find=find, marker=marker
        )
        for id, fields in records.items():
            self.put("person", fields, id)
        self.past = {id: [replace(facts[-1], since=0.0)] for id, facts in self.past.items()}

    def commit(self, *ids: str) -> None:
        """Open transactions end; without *ids* all of them."""
        for id in ids or tuple(self.past):
            facts = self.past.get(id, [])
            if any(fact.since == NEVER for fact in facts):
                self.past[id] = [replace(f, since=self.clock()) if f.since == NEVER else f for f in facts]

    def remove(self, entity: str, id: str) -> None:
        super().remove(entity, id)
        self._note(id, None)

    def read(
        self, entity: str, *, cursor: str | None = None, fields: Sequence[str] = (), where: Fields | None = None
    ) -> Iterator[Page]:
        self._weather()
        pages = self._full() if cursor is None else self._since(int(cursor))
        server = _text(self.clock()) if self.mood.cursor == "time" else None
        for records, gone, marks, complete in pages:
            highest = str(max(marks)) if marks and self.mood.cursor else None
            yield Page(tuple(map(self._told, records)), gone, highest, complete, server)

    def get(self, entity: str, ids: Sequence[str], *, fields: Sequence[str] = ()) -> Iterator[Any]:
        self._weather()
        for id in ids:
            fact = self._seen(id)
            yield self._told(fact.record) if fact and fact.record else Gone(id)

    def find(self, entity: str, by: Fields, *, consistent: bool = False, fields: Sequence[str] = ()) -> list[Record]:
        self._weather()
        if consistent:
            self.commit()  # which waits for open transactions
        shown = [facts[-1] for facts in self.past.values()] if consistent else self._visible()
        records = [fact.record for fact in shown if fact.record]
        return [self._told(r) for r in records if all(r.fields.get(name) == value for name, value in by.items())]

    def write(self, entity: str, writes: Sequence[Write], *, fields: Sequence[str] = ()) -> Iterator[Outcome]:
        if self.storm:
            self.storm -= 1
            yield from (NotSent("429 too many requests", retry_after=30) for _ in writes)
            return
        self.commit(*(write.id or "" for write in writes))
        late, self.late = self.late, False
        before = {id: list(facts) for id, facts in self.past.items()}
        outcomes = list(super().write(entity, [self._kept(write) for write in writes]))
        if self.mood.atomic and not all(isinstance(outcome, Done) for outcome in outcomes):
            self.past = before
        self.late = late
        yield from map(self._answered, outcomes)

    def _keep(self, entity: str, id: str, fields: Fields) -> Record:
        record = super()._keep(entity, id, fields)
        self._note(id, record)
        return record

    def _note(self, id: str, record: Record | None) -> None:
        facts = self.past.setdefault(id, [])
        stamp = max(int(self.clock() * 1000), facts[-1].stamp if facts else 0)
        since = NEVER if self.late else self.clock() + (LAG if self.mood.lags else 0.0)
        facts.append(_Fact(record, stamp, next(self._ticks), since))

    def _seen(self, id: str) -> _Fact | None:
        """What the system shows of a record now."""
        return next((fact for fact in reversed(self.past.get(id, [])) if fact.since <= self.clock()), None)

    def _visible(self) -> list[_Fact]:
        return [fact for id in self.past if (fact := self._seen(id))]

    def _full(self) -> Iterator[tuple[list[Record], tuple[str, ...], list[int], bool]]:
        """Pages of everything; by position they shift when something comes or goes meanwhile."""
        taken, before = 0, list[Record]()
        listed = self._listing()
        while True:
            listed = self._listing() if self.mood.offset else listed
            page = listed[taken : taken + PAGE]
            taken += PAGE
            records = [fact.record for fact in page if fact.record]
            last = taken >= len(listed)
            yield before + records, (), [self._mark(fact) for fact in page], last
            if last:
                return
            before = records if self.mood.repeats else []
            act, self.between_pages = self.between_pages, None
            if act:
                act()

    def _listing(self) -> list[_Fact]:
        return sorted((f for f in self._visible() if f.record), key=lambda f: f.record.id if f.record else "")

    def _since(self, cursor: int) -> Iterator[tuple[list[Record], tuple[str, ...], list[int], bool]]:
        found = [(id, fact) for id in self.past if (fact := self._seen(id)) and self._mark(fact) >= cursor]
        records = [fact.record for _, fact in found if fact.record]
        gone = tuple(id for id, fact in found if not fact.record) if self.mood.tombstones else ()
        again = records[:1] if self.mood.repeats else []
        yield records + again, gone, [self._mark(fact) for _, fact in found], False

    def _mark(self, fact: _Fact) -> int:
        return fact.stamp if self.mood.cursor == "time" else fact.number

    def _told(self, record: Record) -> Record:
        """What is asked for is told, even where a record was born without it."""
        record = replace(record, fields={"tags": None} | dict(record.fields))
        return record if self.mood.versions else replace(record, version=None)

    def _answered(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Done):
            return outcome
        record = self._told(outcome.record) if outcome.record else None
        return replace(outcome, version=outcome.version if self.mood.versions else None, record=record)

    def _kept(self, write: Write) -> Write:
        write = self._with_list(write) if write.members else write
        return replace(write, fields=cut(dict(write.fields))) if self.mood.cuts else write

    def _with_list(self, write: Write) -> Write:
        """*write* with the list that its members make of the one that stands there, whoever changed that meanwhile."""
        known = self.records("person").get(write.id or "", {}).get("tags") or ()
        moving = write.members["tags"]
        joined = dict.fromkeys((*known, *moving.add))
        tags = [member for member in joined if member not in moving.remove]
        return replace(write, fields={**write.fields, "tags": tags}, members={})

    def _weather(self) -> None:
        if self.storm:
            self.storm -= 1
            raise Temporary(f"{self.name}: 429 too many requests", retry_after=30)


def cut(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as a system with short columns keeps them."""
    short = {name: fields[name][:CUT] for name in ("phone", "tag") if isinstance(fields.get(name), str)}
    return fields | short


def _text(moment: float) -> str:
    return str(int(moment * 1000))
