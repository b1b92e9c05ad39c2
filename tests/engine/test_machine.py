"""A machine that plays users, systems on bad days and restarts at random, and checks what was promised after it all.

Agreement alone is not correctness: a sync that copies the wrong value agrees too. So the machine keeps its own account
of who edited what since both sides last showed the same, and a lone edit has to survive on both sides, or be held.

TALLYSTICK_SOAK=1 plays longer, and differently every time.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from connectors.base import Capabilities, CursorRule, Write
from daemon.core.rules import SIDES, Cases, Guards, Limit, Side, other
from daemon.engine.report import Report
from daemon.errors import NoSuch
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person

SOAK = os.environ.get("TALLYSTICK_SOAK") == "1"
MEMORY = Path("/dev/shm")
FIELDS = ("name", "email", "phone", "tag")
OWNED = "name"
"""The field whose owner is left: an edit on the right is put back."""
CUT = 6
"""Characters that a rewriting system keeps of a phone or a tag."""
PATIENCE = 8
"""Runs after which a healthy world has to be quiet."""

sides = st.sampled_from(SIDES)
picks = st.integers(0, 7)


class Killed(BaseException):
    """The process dies here."""


FATES: Mapping[str, quirks.Fate] = {
    "done but lost": quirks.done_but_lost,
    "lost": quirks.lost,
    "refused": quirks.refused,
    "away": quirks.away,
}


class RandomWorld(World):
    """A world whose both sides can have bad days."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        self.quirky: dict[Side, Quirky] = {"left": Quirky(self.left), "right": Quirky(self.right)}

    @property
    def drivers(self) -> Any:
        return self.quirky


class Machine(RuleBasedStateMachine):
    """Two systems, their users, and a daemon between them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None, prefix="tallystick-"))
        self.values = count(1)
        self.numbers = count(100)
        self.edited: dict[tuple[str, str], set[Side]] = {}
        """Per number and field, the sides that users edited since both sides last showed the same."""
        self.typed: Counter[tuple[str, str]] = Counter()
        """How often users edited each."""
        self.removed: set[str] = set()
        """Numbers of which a user removed a record."""
        self.existed: dict[Side, set[str]] = {"left": set(), "right": set()}
        self.writes = 0

    # -- the world

    @initialize(
        precise=st.booleans(), batch=st.sampled_from([1, 50]), tombstones=st.booleans(), cuts=st.booleans(),
        gone_left=st.sampled_from(["delete", "delete", "hold", "retire"]),
        gone_right=st.sampled_from(["hold", "delete", "ignore"]),
    )  # fmt: skip
    def build(self, precise: bool, batch: int, tombstones: bool, cuts: bool, gone_left: Any, gone_right: Any) -> None:
        capabilities = Capabilities(
            precondition=True, find=frozenset({"number", "email"}), tombstones=tombstones, batch=batch,
            cursor=CursorRule("number") if precise else None, processing_window=0.0,
        )  # fmt: skip
        few = Limit(count=1)
        sync = people_sync(
            cases=Cases(gone_left=gone_left, gone_right=gone_right),
            guards=Guards(deletes=few, creates=Limit(count=2), updates=Limit(count=3), blanked=few, shrink=1.0),
        )
        left = {"L1": person(1), "L2": person(2), "L3": person(3)}
        right = {"R1": person(1), "R2": person(2), "R4": person(4)}
        self.world = RandomWorld(
            self.folder, left=left, right=right, sync=sync, capabilities={"left": capabilities, "right": capabilities}
        )
        self.cuts = cuts
        self.heal()
        self.world.adopted()
        self.look()

    def heal(self) -> None:
        """All systems are well again. One that rewrites goes on rewriting: that is its nature."""
        for side, quirky in self.world.quirky.items():
            quirky.fates, quirky.down, quirky.read_back, quirky.after_write = [], False, True, None
            quirky.before_write = self.witness
            quirky.always = quirks.rewriting(cut) if self.cuts and side == "right" else None

    def witness(self, write: Write) -> None:
        """I1: no request without an intent in the audit log before it."""
        self.writes += 1
        assert self.world.audit.last_intent >= self.writes

    # -- what users do

    @rule(side=sides, pick=picks, field=st.sampled_from(FIELDS), clear=st.booleans())
    def edit(self, side: Side, pick: int, field: str, clear: bool) -> None:
        if found := self.chosen(side, pick):
            self.type_in(side, *found, field, None if clear and field == "phone" else self.fresh(field))

    @rule(side=sides, pick=picks, fields=st.lists(st.sampled_from(FIELDS), unique=True, min_size=2))
    def edit_both_sides(self, side: Side, pick: int, fields: list[str]) -> None:
        """Different fields of one person on different sides: none may be lost."""
        for here, field in zip((side, other(side)), fields, strict=False):
            if found := self.chosen(here, pick):
                self.type_in(here, *found, field, self.fresh(field))

    @rule(side=sides)
    def hire(self, side: Side) -> None:
        number = next(self.numbers)
        self.driver(side).put("person", self.newcomer(number))
        self.existed[side].add(str(number))

    @rule()
    def hire_on_both_sides(self) -> None:
        number = next(self.numbers)
        for side in SIDES:
            self.driver(side).put("person", self.newcomer(number))
            self.existed[side].add(str(number))
        self.edited |= {(str(number), field): {"left", "right"} for field in FIELDS}

    @rule(side=sides, pick=picks)
    def remove(self, side: Side, pick: int) -> None:
        if found := self.chosen(side, pick):
            self.dismiss(side, *found)

    # -- what systems do

    @rule(side=sides, fate=st.sampled_from(sorted(FATES)), good=st.integers(0, 2))
    def bad_write(self, side: Side, fate: str, good: int) -> None:
        """One of the next writes comes to a bad end."""
        self.world.quirky[side].fates = [None] * good + [FATES[fate]]

    @rule(side=sides)
    def lose_read_back(self, side: Side) -> None:
        if self.cuts:
            return  # without proof of what it made of our value, its value looks like an edit: docs/sync.md says so
        self.world.quirky[side].read_back = not self.world.quirky[side].read_back

    @rule(side=sides)
    def go_down(self, side: Side) -> None:
        self.world.quirky[side].down = True

    @rule(
        side=sides, hand=sides, field=st.sampled_from(FIELDS), when=st.sampled_from(["before", "after"]),
        act=st.sampled_from(["edit", "edit", "edit", "remove", "kill"]),
    )  # fmt: skip
    def meanwhile(self, side: Side, hand: Side, field: str, when: str, act: str) -> None:
        """Something happens while the next write to *side* is on its way: to that person, or to the process."""
        if self.cuts and act == "kill":
            return  # as above
        quirky, once = self.world.quirky[side], [act]

        def happens(write: Write) -> None:
            if when == "before":
                self.witness(write)
            if not once:
                return
            once.clear()
            if act == "kill":
                raise Killed
            if found := self.person_of(side, write, hand):
                if act == "edit":
                    self.type_in(hand, *found, field, self.fresh(field))
                else:
                    self.dismiss(hand, *found)

        if when == "before":
            quirky.before_write = happens
        else:
            quirky.after_write = happens

    # -- what the daemon does

    @rule(full=st.booleans())
    def run(self, full: bool) -> None:
        self.perform(full=full)

    @rule()
    def plan(self) -> None:
        """I9: a plan writes to no system and to no pair."""
        before = {side: self.world.records(side) for side in SIDES}, self.writes, self.pairs()

        self.world.plan()

        assert ({side: self.world.records(side) for side in SIDES}, self.writes, self.pairs()) == before

    @rule()
    def approve(self) -> None:
        if not any(quirky.down for quirky in self.world.quirky.values()):
            self.world.approve()

    @rule(pick=picks, take=sides)
    def resolve(self, pick: int, take: Side) -> None:
        conflicts = [told for told in self.world.held() if told["reason"] == "conflict"]
        if conflicts and not any(quirky.down for quirky in self.world.quirky.values()):
            with suppress(NoSuch):  # the users may have agreed meanwhile
                self.settle_conflict(conflicts[pick % len(conflicts)], take)

    @rule()
    def restart(self) -> None:
        self.world.close()
        self.world.open()

    @rule(take=sides)
    @precondition(lambda self: self.writes > 3)
    def settle(self, take: Side) -> None:
        """All is well for a while: now everything has to be where it belongs."""
        self.heal()
        self.become_quiet()
        self.compare()
        waiting = [told for told in self.world.held() if told["reason"] in ("conflict", "mapping")]
        for told in waiting:
            self.settle_conflict(told, take)
        self.become_quiet()
        self.compare()
        assert {told["reason"] for told in self.world.held()} <= {"case"}, self.world.held()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                self.settle("left")
                self.every_intent_has_one_outcome()
            finally:
                self.world.close()
                shutil.rmtree(self.folder)

    # -- checks

    def nobody_is_made_twice(self) -> None:
        for side in SIDES:
            numbers = Counter(str(fields["number"]) for fields in self.world.records(side).values())
            assert set(numbers.values()) <= {1}, (side, numbers)

    def nobody_is_deleted_whom_no_user_deleted(self) -> None:
        for side in SIDES:
            missing = self.existed[side] - self.shown(side).keys() - self.removed
            assert not missing, (side, missing)

    def become_quiet(self) -> None:
        """I8: without outside edits the work ends, and stays ended."""
        for _ in range(PATIENCE):
            self.world.now += 2 * 86400  # longer than any wait before a retry
            self.world.approve()
            report = self.perform(full=True)
            if not report.counts.get("written") and not report.guards:
                break
        else:
            raise AssertionError(f"never quiet: {report}")
        for full in (False, True):
            assert not self.perform(full=full).counts.get("written")
        assert not [line for line in self.world.plan(full=True).lines if line["changes"]]

    def compare(self) -> None:
        """Every pair is equal per field, or held for a reason that a person can act on."""
        left, right, held = self.shown("left"), self.shown("right"), self.held_numbers()
        for number in left.keys() | right.keys():
            if number in left and number in right:
                for field in FIELDS:
                    self.compare_field(number, field, left[number].get(field), right[number].get(field), held)
            else:
                assert number in self.removed or number in held, f"{number} has no partner"

    def compare_field(self, number: str, field: str, left: Any, right: Any, held: Mapping[str, Any]) -> None:
        if number in held and (not held[number] or field in held[number]):
            return
        if number in self.removed:
            return  # removed and made again by a race that a person has to look at
        assert self.alike(field, left, right), f"{number}.{field}: {left!r} and {right!r}, held: {held}"
        self.edited.pop((number, field), None)

    def every_intent_has_one_outcome(self) -> None:
        """I10: what was announced is told, exactly once."""
        intents = [entry["intent"] for entry in self.world.entries("intent")]
        outcomes = [entry["outcome"] for entry in self.world.entries("outcome")]
        assert sorted(intents) == sorted(outcomes)
        assert len(set(intents)) == len(intents)

    # -- the account of edits

    def perform(self, **request: Any) -> Report:
        """One run, and what users would see afterwards."""
        before = {side: self.shown(side) for side in SIDES}
        edited = {key: set(value) for key, value in self.edited.items()}
        typed = self.typed.copy()
        try:
            report = self.world.run(**request)
        except Killed:
            self.world.close()
            self.world.open()
            report = self.world.run(kind="plan") if not self.down() else Report("people", "", "postponed")
        self.look()
        self.nobody_is_made_twice()
        self.nobody_is_deleted_whom_no_user_deleted()
        self.no_lone_edit_was_overwritten(
            before, {key: s for key, s in edited.items() if typed[key] == self.typed[key]}
        )
        self.note_agreement(report)
        return report

    def down(self) -> bool:
        return any(quirky.down for quirky in self.world.quirky.values())

    def no_lone_edit_was_overwritten(self, before: Mapping[Side, Any], edited: Mapping[Any, set[Side]]) -> None:
        """A run may carry the only edit of a field across; it may never undo it."""
        for (number, field), hands in edited.items():
            if len(hands) != 1:
                continue
            (side,) = hands
            there, here = before[side].get(number), self.shown(side).get(number)
            if there is None or here is None or (field == OWNED and side == "right"):
                continue
            assert self.alike(field, there.get(field), here.get(field)), (
                f"the lone edit of {number}.{field} on {side} was lost: {there.get(field)!r} became {here.get(field)!r}"
            )

    def note_agreement(self, report: Report) -> None:
        left, right = self.shown("left"), self.shown("right")
        for number, field in list(self.edited):
            if number not in left or number not in right:
                continue
            values = left[number].get(field), right[number].get(field)
            if self.alike(field, *values) and (None not in values or report.state == "done"):
                del self.edited[number, field]

    def type_in(self, side: Side, id: str, number: str, field: str, value: Any) -> None:
        """A user types. While an answer from this very side is lost, nobody can tell what the user saw before."""
        hands = self.edited.setdefault((number, field), set())
        hands.add(side)
        self.typed[number, field] += 1
        if self.open_write(side, number):
            hands.update(SIDES)
        self.driver(side).edit("person", id, {field: value})

    def open_write(self, side: Side, number: str) -> bool:
        flights = self.world.store.flights.open()
        ids = {id for s in SIDES for id, fields in self.world.records(s).items() if str(fields["number"]) == number}
        return any(
            item["side"] == side and ids & {item["id"], item["left"], item["right"]}
            for flight in flights
            for item in flight.items
        )

    def dismiss(self, side: Side, id: str, number: str) -> None:
        self.removed.add(number)
        self.driver(side).remove("person", id)

    def settle_conflict(self, told: Mapping[str, Any], take: Side) -> None:
        records = self.world.records("left"), self.world.records("right")
        if told["left"] not in records[0] or told["right"] not in records[1] or not told.get("fields"):
            return
        answer = self.world.resolve(f"left:{told['left']}", take)
        number = str(records[0][told["left"]]["number"])
        for field in answer["fields"]:
            self.edited.setdefault((number, field), set()).update(SIDES)

    def look(self) -> None:
        for side in SIDES:
            self.existed[side] |= self.shown(side).keys()

    # -- words

    def driver(self, side: Side) -> Any:
        return self.world.quirky[side].driver

    def shown(self, side: Side) -> dict[str, Any]:
        return self.world.shown(side)

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

    def newcomer(self, number: int) -> dict[str, Any]:
        return person(number) | {field: self.fresh(field) for field in FIELDS}

    def alike(self, field: str, one: Any, another: Any) -> bool:
        if self.cuts and field in ("phone", "tag"):
            one, another = (value[:CUT] if isinstance(value, str) else value for value in (one, another))
        return bool(one == another)

    def held_numbers(self) -> dict[str, Any]:
        """The fields that are held per number; none means the whole record."""
        found: dict[str, Any] = {}
        for told in self.world.held():
            assert told["reason"] in ("conflict", "case", "mapping"), f"a healthy world still holds {told}"
            for side in SIDES:
                if told[side] in self.world.records(side):
                    number = str(self.world.records(side)[told[side]]["number"])
                    found[number] = told.get("fields", {})
        return found

    def pairs(self) -> Mapping[str, int]:
        return self.world.store.pairs.count(self.world.store.sync(self.world.sync.name).id)


def cut(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as a system with short columns keeps them."""
    short = {name: fields[name][:CUT] for name in ("phone", "tag") if isinstance(fields.get(name), str)}
    return fields | short


def test_whatever_happens_no_edit_is_lost_and_nobody_is_doubled() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=5000 if SOAK else 200,
            stateful_step_count=50 if SOAK else 25,
            derandomize=not SOAK,
            database=None,
            deadline=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
