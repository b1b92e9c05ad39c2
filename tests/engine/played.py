"""This is where the machine's world is moved and measured: users' hands, runs and their checks, the way to quiet."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from connectors.base import Outcome, Write
from daemon.core.rules import SIDES, Side
from daemon.engine.report import Report
from tests.engine import quirks
from tests.engine.account import FIELDS, SET, Account
from tests.engine.moody import LAG, Character, Moody
from tests.engine.quirks import Quirky
from tests.engine.world import World, person

MEMORY = Path("/dev/shm")
PATIENCE = 8
"""Runs after which a healthy world has to be quiet."""
DAYS = 2 * 86400
"""Longer than any lag, and than any wait before a retry."""
WAITING = ("conflict", "case", "mapping", "ambiguous")
"""The reasons for which a healthy world may hold something."""


class Killed(BaseException):
    """The process dies here."""


FATES: Mapping[str, quirks.Fate] = {
    "done but lost": quirks.done_but_lost,
    "lost": quirks.lost,
    "refused": quirks.refused,
    "away": quirks.away,
    "half refused": quirks.half_refused,
    "half lost": quirks.half_lost,
    "born without": quirks.born_without,
}


class Fateful(Quirky):
    """Quirks in front of a system that takes a batch as one: its first bad end is the end of all."""

    def write(self, entity: str, writes: Sequence[Write], **how: Any) -> Iterator[Outcome]:
        if not self.driver.mood.atomic or len(writes) == 1:
            yield from super().write(entity, writes, **how)
            return
        fates = [self.fates.pop(0) if self.fates else None for _ in writes]
        for write in writes:
            if self.before_write:
                self.before_write(write)
        fate = next(filter(None, fates), None)
        ends = [fate(self.driver, entity, write) for write in writes] if fate else [None] * len(writes)
        told = self.driver.write(entity, writes, **how) if None in ends else ends
        for write, outcome in zip(writes, list(told), strict=True):
            if self.after_write:
                self.after_write(write)
            yield outcome if self.read_back else quirks.blind(outcome)


class MoodyWorld(World):
    """A world of two systems with characters."""

    def __init__(self, folder: Path, left: Any, right: Any, moods: Mapping[Side, Character], **more: Any) -> None:
        super().__init__(folder, **more)
        self.left = Moody("hr", left, moods["left"], lambda: self.now)
        self.right = Moody("crm", right, moods["right"], lambda: self.now)
        self.quirky: dict[Side, Fateful] = {"left": Fateful(self.left), "right": Fateful(self.right)}

    @property
    def drivers(self) -> Any:
        return self.quirky


class Played:
    """What the machine knows of its example, and every move that is no rule of its own."""

    world: MoodyWorld
    account: Account
    cuts: bool
    swaps: bool

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None, prefix="tallystick-"))
        self.values = count(1)
        self.numbers = count(100)
        self.writes = 0
        self.opened = 0.0
        """When the oldest open transaction of a user began; 0: none is open."""
        self.late = False
        """Whether anything was committed late since the last quiet."""
        self.graves: dict[Side, list[tuple[str, dict[str, Any]]]] = {"left": [], "right": []}

    # -- users' hands

    def hand(self, side: Side, *, late: bool) -> None:
        """What users do on *side* from now on is committed later, or at once."""
        self.driver(side).late = late
        if late:
            self.late = True
            self.opened = self.opened or self.world.now

    def commit(self) -> None:
        for side in SIDES:
            self.driver(side).commit()
        self.opened = 0.0

    def newcomer(self, side: Side, number: str) -> None:
        fields = person(int(number)) | {field: self.fresh(field) for field in FIELDS} | {SET: [self.fresh(SET)]}
        self.driver(side).put("person", fields)
        self.account.existed[side].add(number)

    def type_in(self, side: Side, id: str, number: str, field: str, value: Any) -> None:
        """A user types. While an answer from this very side is lost, nobody can tell what the user saw before."""
        self.account.type(side, number, field, unsure=self.open_write(side, number))
        self.driver(side).edit("person", id, {field: value})

    def give_or_take(self, side: Side, id: str, number: str, give: bool, pick: int = 0) -> None:
        """A user gives somebody a new member of the set, or takes one."""
        members = list(self.world.records(side)[id].get(SET) or ())
        if not give and not members:
            return
        member = self.fresh(SET) if give else members[pick % len(members)]
        after = [*members, member] if give else [one for one in members if one != member]
        self.account.give_or_take(side, number, member, unsure=self.open_write(side, number))
        self.driver(side).edit("person", id, {SET: after})

    def agree_by_hand(self, left: str, right: str) -> None:
        """People give both records all members that either has."""
        records = [self.world.records("left")[left], self.world.records("right")[right]]
        members = dict.fromkeys(member for fields in records for member in fields.get(SET) or ())
        for side, id in (("left", left), ("right", right)):
            self.driver(side).edit("person", id, {SET: list(members)})  # type: ignore[arg-type]
        for key in [(str(records[0]["number"]), member) for member in members]:
            self.account.members.pop(key, None)

    def dismiss(self, side: Side, id: str, number: str) -> None:
        self.account.remove(number)
        self.graves[side].append((id, dict(self.world.records(side)[id])))
        self.driver(side).remove("person", id)

    def settle_conflict(self, told: Mapping[str, Any], take: Side) -> None:
        records = self.world.records("left"), self.world.records("right")
        if told["left"] not in records[0] or told["right"] not in records[1] or not told.get("fields"):
            return
        if SET in told["fields"]:
            self.agree_by_hand(told["left"], told["right"])
        if not told["fields"].keys() - {SET}:
            return
        answer = self.world.resolve(f"left:{told['left']}", take)
        number = str(records[0][told["left"]]["number"])
        for field in answer["fields"]:
            self.account.edited.setdefault((number, field), set()).update(SIDES)

    # -- runs

    def perform(self, **request: Any) -> Report:
        """One run, and what users would see afterwards."""
        if self.opened and self.world.now - self.opened > LAG / 2:
            self.commit()
        before, typed = self.shown, self.account.typed.copy()
        edited = {key: set(hands) for key, hands in self.account.edited.items()}
        moved, members = self.account.moved.copy(), {key: set(hands) for key, hands in self.account.members.items()}
        try:
            report = self.world.run(**request)
        except Killed:
            self.world.close()
            self.world.open()
            report = Report("people", "", "postponed")
        after = self.shown
        self.account.look(after)
        self.nobody_is_made_twice()
        self.account.nobody_is_deleted_whom_no_user_deleted(after)
        self.account.no_lone_edit_was_overwritten(before, after, typed, edited)
        self.account.no_lone_member_was_given_or_taken_back(before, after, moved, members)
        self.account.note_agreement(after, done=report.state == "done")
        return report

    def become_quiet(self, *, full: bool) -> None:
        """I8: without outside edits the work ends, and stays ended."""
        for _ in range(PATIENCE):
            self.world.now += DAYS
            self.world.approve()
            report = self.perform(full=full)
            if not report.counts.get("written") and not report.guards:
                break
        else:
            raise AssertionError(f"never quiet: {report}")
        assert not self.perform(full=full).counts.get("written")
        self.account.housed.clear()
        assert not [line for line in self.world.plan(full=full).lines if line["changes"]]

    # -- checks

    def nobody_is_made_twice(self) -> None:
        for side in SIDES:
            numbers = Counter(str(fields["number"]) for fields in self.world.records(side).values())
            assert set(numbers.values()) <= {1}, (side, numbers)

    def every_intent_has_one_outcome(self) -> None:
        """I10: what was announced is told, exactly once."""
        intents = [entry["intent"] for entry in self.world.entries("intent")]
        outcomes = [entry["outcome"] for entry in self.world.entries("outcome")]
        assert sorted(intents) == sorted(outcomes)
        assert len(set(intents)) == len(intents)

    def held_numbers(self) -> dict[str, Any]:
        """The fields that are held per number; none means the whole record."""
        found: dict[str, Any] = {}
        for told in self.world.held():
            assert told["reason"] in WAITING, f"a healthy world still holds {told}"
            for side in SIDES:
                if told[side] in self.world.records(side):
                    number = str(self.world.records(side)[told[side]]["number"])
                    found[number] = told.get("fields", {})
        return found

    # -- words

    @property
    def shown(self) -> dict[Side, dict[str, Any]]:
        return {side: self.world.shown(side) for side in SIDES}

    def driver(self, side: Side) -> Moody:
        driver: Moody = self.world.quirky[side].driver
        return driver

    def reachable(self) -> bool:
        return not any(quirky.down or quirky.driver.storm for quirky in self.world.quirky.values())

    def pairs(self) -> Mapping[str, int]:
        return self.world.store.pairs.count(self.world.store.sync(self.world.sync.name).id)

    def open_write(self, side: Side, number: str) -> bool:
        flights = self.world.store.flights.open()
        ids = {id for s in SIDES for id, fields in self.world.records(s).items() if str(fields["number"]) == number}
        return any(
            item["side"] == side and ids & {item["id"], item["left"], item["right"]}
            for flight in flights
            for item in flight.items
        )

    def chosen(self, side: Side, pick: int) -> tuple[str, str] | None:
        """Some record and its number."""
        records = sorted((str(fields["number"]), id) for id, fields in self.world.records(side).items())
        return (records[pick % len(records)][1], records[pick % len(records)][0]) if records else None

    def person_of(self, side: Side, write: Write, hand: Side) -> tuple[str, str] | None:
        """The record on *hand* of the person whom *write* to *side* is about."""
        known = self.world.records(side).get(write.id or "") or write.fields
        number = str(known.get("number"))
        found = [id for id, fields in self.world.records(hand).items() if str(fields["number"]) == number]
        return (found[0], number) if found else None

    def fresh(self, field: str) -> str:
        """A value that nobody typed before, so that two equal values are one that travelled."""
        return f"{next(self.values)}{'@corp.example' if field == 'email' else '-and more than fits'}"
