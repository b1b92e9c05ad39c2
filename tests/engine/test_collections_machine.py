"""A machine that plays users of persons and their phones, bad days and restarts, and checks that no phone is lost.

It knows what every phone should show: who edited it last, and whether both sides did. In the end both sides are equal,
or what differs is held, and without edits a second run writes nothing.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from daemon.core.rules import SIDES, Cases, Side
from daemon.engine import failpoints
from tests.engine.household import Household, people, phone, phones
from tests.engine.quirks import Quirky, away, done_but_lost, lost

SOAK = os.environ.get("TALLYSTICK_SOAK") == "1"
EXAMPLES = 2000 if SOAK else 50 if os.environ.get("CI") == "true" else 25

names = st.sampled_from(["Ada", "Bob", "Eve"])
kinds = st.sampled_from(["work", "home", "car"])
sides = st.sampled_from(SIDES)


class Killed(BaseException):
    """The daemon dies here."""


class Machine(RuleBasedStateMachine):
    """Persons on both sides with phones, their users, and a daemon between them."""

    native: Mapping[Side, str] = {}

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="household"))
        child = phones(native=self.native)
        self.world = Household(self.folder, sync=people(child, cases=Cases(gone_left="delete", gone_right="delete")))
        self.systems = {side: Quirky(self.world.hands(side)) for side in SIDES}
        self.world.systems = dict(self.systems)
        for name, side in (("Ada", "left"), ("Bob", "right")):
            self.world.hands(side).put("person", {"name": name})  # type: ignore[arg-type]
        self.world.adopted()
        self.edited: dict[tuple[str, str], set[Side]] = {}
        """Phones that users touched since both sides last showed the same."""
        self.removed: set[tuple[str, str]] = set()
        self.count = 0

    # -- users

    @rule(side=sides, name=names)
    def enter(self, side: Side, name: str) -> None:
        if not any(self.person(each, name) for each in SIDES):  # the same person on both sides at once is no story here
            self.world.hands(side).put("person", {"name": name})

    @rule(side=sides, name=names)
    def leave(self, side: Side, name: str) -> None:
        if id := self.person(side, name):
            touched = [key for key in self.edited if key[0] == name]
            if not touched and not self.unsettled():
                self.drop_phones(side, id)
                self.world.hands(side).remove("person", id)
                self.removed |= {(name, kind) for kind in ("work", "home", "car")}

    @rule(side=sides, name=names, kind=kinds)
    def dial(self, side: Side, name: str, kind: str) -> None:
        if self.person(side, name):
            self.count += 1
            self.set(side, name, kind, str(self.count))
            self.edited.setdefault((name, kind), set()).add(side)

    @rule(side=sides, name=names, kind=kinds)
    def hang_up(self, side: Side, name: str, kind: str) -> None:
        if kind in self.shown(side, name) and (name, kind) not in self.edited:
            self.set(side, name, kind, None)
            self.removed.add((name, kind))
            self.edited.setdefault((name, kind), set()).add(side)

    # -- the daemon

    @rule(full=st.booleans())
    def run(self, full: bool) -> None:
        before = {side: self.all(side) for side in SIDES}
        self.world.run(full=full)
        self.nothing_is_undone(before)

    @rule(side=sides, fate=st.sampled_from([away, lost, done_but_lost]), at=st.integers(0, 2))
    def run_on_a_bad_day(self, side: Side, fate: Any, at: int) -> None:
        self.systems[side].fates = [*[None] * at, fate]
        self.run(False)
        self.systems[side].fates = []

    @rule(point=st.sampled_from(failpoints.POINTS), passage=st.integers(1, 4))
    def die(self, point: str, passage: int) -> None:
        def killed() -> None:
            raise Killed

        failpoints.arm(f"{point}:{passage}", killed)
        with suppress(Killed):
            self.run(False)
        failpoints.arm("", killed)
        self.world.close()
        self.world.open()

    @precondition(lambda self: self.edited)
    @rule()
    def come_to_rest(self) -> None:
        self.rest()

    def rest(self) -> None:
        """Without edits everything ends: equal on both sides, or held."""
        for full in (False, True, False, True):
            report = self.world.run(full=full)
        left, right = self.all("left"), self.all("right")
        held = self.held()
        for key in left.keys() | right.keys():
            if key in held:
                continue
            assert left.get(key) == right.get(key), (key, left, right, report)
        for key, hands in self.edited.items():
            if len(hands) == 1 and key not in held and key not in self.removed:
                assert key in left, f"the edit of {key} was lost"
        assert report.counts.get("written", 0) == 0, report
        self.edited = {key: hands for key, hands in self.edited.items() if key in held}
        self.removed = {key for key in self.removed if key in held}

    def teardown(self) -> None:
        failpoints.arm("", lambda: None)
        self.rest()
        self.world.close()
        shutil.rmtree(self.folder)

    # -- what is true

    def nothing_is_undone(self, before: Mapping[Side, Mapping[tuple[str, str], str]]) -> None:
        """A phone that one side alone edited keeps what was edited, whatever the run did."""
        for key, hands in self.edited.items():
            if len(hands) != 1 or key in self.removed:
                continue
            (side,) = hands
            assert self.all(side).get(key) == before[side].get(key), f"the edit of {key} on {side} was undone"

    def unsettled(self) -> bool:
        return bool(self.edited) or self.all("left") != self.all("right")

    def held(self) -> set[tuple[str, str]]:
        """The phones that wait for a person, on either side."""
        found = set()
        with self.world.asked_about(self.world.child):
            for told in self.world.held():
                assert "again" not in told, "whoever is put into a list again is no ghost"
                for side in SIDES:
                    found |= {key for key, id in self.ids(side).items() if id == told[side]}
        return found

    # -- hands

    def person(self, side: Side, name: str) -> str | None:
        shown = self.world.hands(side).records("person")
        return next((id for id, fields in shown.items() if fields["name"] == name), None)

    def all(self, side: Side) -> dict[tuple[str, str], str]:
        people = self.world.hands(side).records("person").values()
        return {(one["name"], kind): n for one in people for kind, n in self.shown(side, one["name"]).items()}

    def shown(self, side: Side, name: str) -> dict[str, str]:
        return {member["kind"]: member["number"] for _, member in self.members(side, name)}

    def ids(self, side: Side) -> dict[tuple[str, str], str]:
        people = self.world.hands(side).records("person").values()
        return {(one["name"], m["kind"]): id for one in people for id, m in self.members(side, one["name"])}

    def members(self, side: Side, name: str) -> list[tuple[str, Any]]:
        id = self.person(side, name)
        if id is None:
            return []
        if side in self.native:
            rows = self.world.hands(side).records("phone").items()
            return [(key, row) for key, row in rows if row["owner"] == id]
        fields = self.world.hands(side).records("person")[id]
        found = fields.get("phones") if side == "left" else (fields.get("calls") or {}).get("numbers")
        return [(f'["{id}","{member["kind"]}"]', member) for member in found or ()]

    def set(self, side: Side, name: str, kind: str, number: str | None) -> None:
        """A user gives a person a phone, another number, or takes it away."""
        hands, id = self.world.hands(side), self.person(side, name)
        assert id
        old = self.members(side, name)
        if side in self.native:
            row = next((key for key, member in old if member["kind"] == kind), None)
            if number is None and row:
                hands.remove("phone", row)
            elif row:
                hands.edit("phone", row, {"number": number})
            else:
                hands.put("phone", phone(kind, str(number), owner=id))
            return
        kept = [dict(member) for _, member in old]
        same = next((member for member in kept if member["kind"] == kind), None)
        if same and number:
            same["number"] = number
        elif same:
            kept.remove(same)
        else:
            kept.append(phone(kind, str(number)))
        hands.edit("person", id, {"phones": kept} if side == "left" else {"calls": {"numbers": kept}})

    def drop_phones(self, side: Side, id: str) -> None:
        """A system deletes the rows of a person with it."""
        if side in self.native:
            rows = self.world.hands(side).records("phone").items()
            for key in [key for key, row in rows if row["owner"] == id]:
                self.world.hands(side).remove("phone", key)


class NativeMachine(Machine):
    """The left keeps phones as records of their own."""

    native = {"left": "owner"}  # noqa: RUF012  # one for all


@pytest.mark.parametrize("machine", [Machine, NativeMachine])
def test_no_phone_is_lost_whatever_happens(machine: type[Machine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=20, deadline=None, database=None, derandomize=not SOAK,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
