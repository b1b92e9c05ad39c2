"""This is where the members of a list inside records become records of their own: a Driver around a Driver.

    person 17: {phones: [{kind: work, number: 1}]}    is seen as    ["17","work"]: {kind: work, number: 1, (parent): 17}

A member is written by reading the whole list, changing it, and writing it back under the record's own precondition, all
members of one record in one request, so that none undoes another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

from connectors.base import (
    PARENT,
    Capabilities,
    Done,
    Driver,
    EntityShape,
    Failed,
    Fields,
    Gone,
    Health,
    Lost,
    NotSent,
    Outcome,
    Page,
    Permanent,
    Record,
    Refused,
    Stale,
    Temporary,
    Write,
)
from connectors.lists import Draft, Lists, owner_of, parent_of
from connectors.memory.looks import equal
from connectors.paths import Path, parse, quote, read

TOGETHER: Final = 50
"""Members that are written at once where the system takes its records one by one."""
ROUNDS: Final = 3
"""Times that a list is read and changed again because its record changes between our reading and writing."""


class Members:
    """A Driver over the lists at *path* of the records of *entity*.

    *key* are the paths in a member by which it is known, *found* those by which it can be looked up.
    """

    def __init__(self, driver: Driver, entity: str, path: str, key: Sequence[str], found: Sequence[str] = ()) -> None:
        self._driver = driver
        self._entity = entity
        self._lists = Lists(entity, parse(path), tuple(parse(text) for text in key))
        self._found = frozenset({quote(PARENT), *found})

    def describe(self, entity: str) -> Capabilities:
        """What the parents' entity guarantees, as far as it holds for parts of a record."""
        above = self._driver.describe(self._entity)
        return replace(
            above,
            idempotent_create=False,
            marker=None,
            find=self._found,
            tombstones=False,
            batch=max(above.batch, TOGETHER),
            atomic_batch=True,  # what refuses a record refuses it for all of its members
            nested="merge",
            times_trusted=False,  # the record's time is not the member's
            writes=frozenset({"create", "update", "delete"}) if "update" in above.writes else frozenset(),
            deactivated=None,
        )

    def check(self, entity: str | None = None) -> Health:
        """Whether the system answers, and knows the parents' entity."""
        return self._driver.check(self._entity if entity else None)

    def read(
        self, entity: str, *, cursor: str | None = None, fields: Sequence[str] = (), where: Fields | None = None
    ) -> Iterator[Page]:
        """The members of every record that is shown. A record that does not say what its list is leaves something out.

        *where* is about the parents.
        """
        wanted, silent = _paths(fields), False
        for page in self._driver.read(self._entity, cursor=cursor, fields=self._asked(), where=where):
            lists = [(parent, self._lists.members(parent)) for parent in page.records]
            told = [(parent, members) for parent, members in lists if members is not None]
            silent = silent or len(told) < len(lists)
            yield Page(
                records=tuple(
                    record for parent, members in told for record in self._lists.records(parent, members, wanted)
                ),
                cursor=page.cursor,
                complete=page.complete and not silent,
                server_time=page.server_time,
                whole=tuple(parent.id for parent, _ in told),
            )

    def get(self, entity: str, ids: Sequence[str], *, fields: Sequence[str] = ()) -> Iterator[Record | Gone | Failed]:
        """One answer per id, in order. A member whose record is gone is gone with it."""
        wanted, owners = _paths(fields), [parent_of(id) for id in ids]
        parents = self._parents(owner for owner in owners if owner is not None)
        shown = {owner: self._shown(parent, wanted) for owner, parent in parents.items()}
        for id, owner in zip(ids, owners, strict=True):
            members = shown[owner] if owner is not None else {}
            yield Failed(id, members) if isinstance(members, str) else members.get(id, Gone(id))

    def find(
        self, entity: str, by: Fields, *, consistent: bool = False, fields: Sequence[str] = ()
    ) -> Sequence[Record]:
        """Members whose paths equal all of *by*: of one record where its id is among them, else of all."""
        rules = [(parse(text), value) for text, value in by.items()]
        if consistent and (window := self.describe(entity).consistency_window):
            raise Permanent(f"{self._entity}: what is written shows only after {window:g} s")
        owner = by.get(quote(PARENT))
        asked = list(dict.fromkeys([*fields, *by])) if fields else ()
        found: Iterable[Record] = (
            (record for page in self.read(entity, fields=asked) for record in page.records)
            if owner is None
            else self._of(str(owner), _paths(asked))
        )
        return [record for record in found if all(equal(read(record.fields, path), value) for path, value in rules)]

    def write(self, entity: str, writes: Sequence[Write], *, fields: Sequence[str] = ()) -> Iterator[Outcome]:
        """One outcome per write, in order."""
        outcomes: dict[int, Outcome] = {}
        for _ in range(ROUNDS):
            waiting = {at: write for at, write in enumerate(writes) if at not in outcomes}
            if waiting:
                outcomes |= self._round(waiting, _paths(fields))
        for at, write in enumerate(writes):
            owner = self._lists.place(owner_of(write))
            yield outcomes.get(at, Stale(f"{owner}: somebody keeps editing it while it is written"))

    def poll(self, entity: str, jobs: Sequence[str]) -> Iterator[Outcome]:
        """How the writes of the records stand; what became of a member is looked up."""
        for outcome in self._driver.poll(self._entity, jobs):
            yield Done("") if isinstance(outcome, Done) else outcome

    def discover(self) -> Sequence[EntityShape]:
        """The entities of the system."""
        return self._driver.discover()

    def close(self) -> None:
        """Nothing: the driver inside belongs to whoever made it."""

    # Reading

    def _asked(self) -> tuple[str, ...]:
        """What a record is asked for: the list, or the object around it where that is written whole."""
        whole = self._driver.describe(self._entity).nested == "replace"
        return (quote(self._lists.path.top) if whole else self._lists.path.text,)

    def _parents(self, ids: Iterable[str]) -> dict[str, Record | Gone | Failed]:
        wanted = list(dict.fromkeys(ids))
        return dict(zip(wanted, self._driver.get(self._entity, wanted, fields=self._asked()), strict=True))

    def _shown(self, parent: Record | Gone | Failed, wanted: Sequence[Path]) -> Mapping[str, Record] | str:
        """The members of a record by id, or why they cannot be had."""
        match parent:
            case Gone():
                return {}
            case Failed(_, message):
                return message
        members = self._lists.members(parent)
        if members is None:
            return self._lists.unsaid(parent.id)
        return {record.id: record for record in self._lists.records(parent, members, wanted)}

    def _of(self, owner: str, wanted: Sequence[Path]) -> Iterable[Record]:
        members = self._shown(self._parents([owner])[owner], wanted)
        if isinstance(members, str):
            raise Permanent(f"{self._lists.place(owner)}: {members}")
        return members.values()

    # Writing

    def _round(self, writes: Mapping[int, Write], wanted: Sequence[Path]) -> dict[int, Outcome]:
        """What came of *writes*, without those whose record changed meanwhile."""
        try:
            parents = self._parents(owner for write in writes.values() if (owner := owner_of(write)) is not None)
        except Temporary as fault:
            return dict.fromkeys(writes, NotSent(str(fault), fault.retry_after))
        except Permanent as fault:
            return dict.fromkeys(writes, NotSent(str(fault), permanent=True))
        outcomes: dict[int, Outcome] = {}
        drafts: dict[str, Draft] = {}
        for at, write in writes.items():
            found = self._draft(write, parents, drafts)
            answer = found.change(at, write) if isinstance(found, Draft) else found
            outcomes |= {at: answer} if answer else {}
        return outcomes | self._send([draft for draft in drafts.values() if draft.done], wanted)

    def _draft(
        self, write: Write, parents: Mapping[str, Record | Gone | Failed], drafts: dict[str, Draft]
    ) -> Draft | Outcome:
        """The list that a write is about, or why there is none."""
        owner = owner_of(write)
        parent = parents.get(owner) if owner is not None else None
        if owner is None or isinstance(parent, Gone) or parent is None:
            return Done(write.id or "") if write.op == "delete" else Stale(f"{self._lists.place(owner)}: is gone")
        if isinstance(parent, Failed):
            return Stale(f"{self._lists.place(owner)}: {parent.message}")
        if owner not in drafts:
            try:
                members = self._lists.members(parent)
            except Permanent as fault:
                return Refused(str(fault))
            if members is None:
                return Refused(self._lists.unsaid(owner))
            drafts[owner] = Draft.of(self._lists, parent, members)
        return drafts[owner]

    def _send(self, drafts: Sequence[Draft], wanted: Sequence[Path]) -> dict[int, Outcome]:
        whole = self._driver.describe(self._entity).nested == "replace"
        answers = self._driver.write(self._entity, [draft.write(whole=whole) for draft in drafts], fields=self._asked())
        outcomes: dict[int, Outcome] = {}
        for draft, answer in zip_longest(drafts, answers):
            match answer or Lost("the driver gave no answer"):
                case Stale():
                    continue
                case Done() as done:
                    outcomes |= self._done(draft, done, wanted)
                case outcome:
                    outcomes |= dict.fromkeys(draft.done, outcome)
        return outcomes

    def _done(self, draft: Draft, answer: Done, wanted: Sequence[Path]) -> dict[int, Outcome]:
        """Each member as the record shows it now, if the system told."""
        shown: dict[str, Record] = {}
        if answer.record:
            members = self._lists.members(answer.record) or []
            shown = {record.id: record for record in self._lists.records(answer.record, members, wanted)}
        return {at: Done(id, answer.version, shown.get(id), answer.exact) for at, id in draft.done.items()}


def _paths(fields: Sequence[str]) -> list[Path]:
    return [parse(name) for name in fields]
