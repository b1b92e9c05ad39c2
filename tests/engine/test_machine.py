"""A machine that plays users, systems of all characters on bad days and restarts, and checks what was promised.

It checks I1 to I10 of the engine's design, and intent: the account of what users did decides, not mere agreement.
`make soak` (TALLYSTICK_SOAK=1) plays longer and differently every time; it prints the seed. TALLYSTICK_SEED=n plays one
seed again. How a system behaves is in moody.py, what users did in account.py.
"""

import os
import random
import shutil
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from connectors.base import Write
from daemon.core.rules import SIDES, Cases, Guards, Limit, Side, other
from daemon.engine import failpoints
from daemon.errors import NoSuch
from tests.engine.account import FIELDS, Account
from tests.engine.moody import Character
from tests.engine.played import FATES, Killed, MoodyWorld, Played
from tests.engine.world import people_sync, person, swapping_sync
from tests.engine.world import rule as field_rule

SOAK = os.environ.get("TALLYSTICK_SOAK") == "1"
SEED = os.environ.get("TALLYSTICK_SEED", "")
SHARDS = (1, 2, 3, 4)
EXAMPLES = 5000 if SOAK else 500 if os.environ.get("CI") == "true" else 60
"""Per shard: two thousand where every change is tested, few where a person waits."""

sides = st.sampled_from(SIDES)
picks = st.integers(0, 7)
characters = st.builds(
    Character, cursor=st.sampled_from(["", "number", "time"]), tombstones=st.booleans(),
    batch=st.sampled_from([1, 3]), atomic=st.booleans(), creates=st.sampled_from(["find", "marker", "key"]),
    versions=st.booleans(), lags=st.booleans(), offset=st.booleans(), repeats=st.booleans(),
)  # fmt: skip


class Machine(Played, RuleBasedStateMachine):
    """Two systems, their users, and a daemon between them."""

    verbs = False
    """Whether the system on the right changes sets member by member."""

    # -- the world

    @initialize(
        left=characters, right=characters, cuts=st.sampled_from([False, False, True]),
        gone_left=st.sampled_from(["delete", "delete", "hold", "retire"]),
        gone_right=st.sampled_from(["hold", "delete", "ignore"]), recreated=st.sampled_from(["hold", "relink"]),
        swaps=st.booleans(),
    )  # fmt: skip
    def build(
        self, left: Character, right: Character, cuts: bool, gone_left: Any, gone_right: Any, recreated: Any,
        swaps: bool,
    ) -> None:  # fmt: skip
        few = Limit(count=1)
        law = (swapping_sync if swaps else people_sync)(
            cases=Cases(gone_left=gone_left, gone_right=gone_right, recreated=recreated),
            guards=Guards(deletes=few, creates=Limit(count=2), updates=Limit(count=3), blanked=few, shrink=1.0),
        )
        sync = replace(law, rules=(*law.rules, field_rule("tags", merge="set")))
        if cuts:  # without proof of what it made of our value, its value looks like an edit: docs/sync.md says so
            right = Character(right.cursor, right.tombstones, right.batch, right.atomic, cuts=True)
        right = replace(right, verbs=self.verbs)
        self.world = MoodyWorld(
            self.folder, {f"L{n}": person(n, tags=[f"first of {n}", f"second of {n}"]) for n in (1, 2, 3)},
            {f"R{n}": person(n, tags=[f"second of {n}", f"first of {n}"]) for n in (1, 2, 4)},
            {"left": left, "right": right}, sync=sync,
        )  # fmt: skip
        self.cuts, self.swaps = cuts, swaps
        self.account = Account(cuts)
        self.heal()
        self.world.adopted()
        self.account.look(self.shown)

    def heal(self) -> None:
        """All systems are well again and every transaction is over. What is their nature stays."""
        failpoints.arm("", self.die)
        self.commit()
        for quirky in self.world.quirky.values():
            quirky.fates, quirky.down, quirky.read_back, quirky.after_write = [], False, True, None
            quirky.before_write = self.witness
            quirky.driver.storm, quirky.driver.between_pages = 0, None

    def witness(self, write: Write) -> None:
        """I1: no request without an intent in the audit log before it."""
        self.writes += 1
        assert self.world.audit.last_intent >= self.writes

    def die(self) -> None:
        raise Killed

    # -- what users do

    @rule(side=sides, pick=picks, field=st.sampled_from(FIELDS), clear=st.booleans(), late=st.booleans())
    def edit(self, side: Side, pick: int, field: str, clear: bool, late: bool) -> None:
        if found := self.chosen(side, pick):
            self.hand(side, late=late and pick < 3)
            self.type_in(side, *found, field, None if clear and field == "phone" else self.fresh(field))
            self.hand(side, late=False)

    @rule(side=sides, pick=picks, fields=st.lists(st.sampled_from(FIELDS), unique=True, min_size=2))
    def edit_both_sides(self, side: Side, pick: int, fields: list[str]) -> None:
        """Different fields of one person on different sides: none may be lost."""
        for here, field in zip((side, other(side)), fields, strict=False):
            if found := self.chosen(here, pick):
                self.type_in(here, *found, field, self.fresh(field))

    @rule(side=sides, pick=picks, third=st.booleans())
    def swap(self, side: Side, pick: int, third: bool) -> None:
        """Two or three people exchange their addresses, which no two may have."""
        found = [person for n in range(2 + third) if (person := self.chosen(side, pick + n))]
        if not self.swaps or len(set(found)) < 2 + third:
            return
        if any(quirky.driver.mood.lags for quirky in self.world.quirky.values()):
            return  # to swap back what did not show yet is no edit that anybody could see: docs/sync.md says so
        mails = [self.world.records(side)[id]["email"] for id, _ in found]
        for (id, number), mail in zip(found, [*mails[1:], mails[0]], strict=True):
            self.type_in(side, id, number, "email", mail)

    @rule(side=sides, pick=picks, give=st.sampled_from([True, True, False]), which=picks, late=st.booleans())
    def tag(self, side: Side, pick: int, give: bool, which: int, late: bool) -> None:
        """Somebody gets or loses a member of the set."""
        if found := self.chosen(side, pick):
            self.hand(side, late=late and pick < 3)
            self.give_or_take(side, *found, give, which)
            self.hand(side, late=False)

    @rule(pick=picks, hands=st.lists(st.tuples(sides, st.booleans(), picks), min_size=2, max_size=4))
    def tag_both_sides(self, pick: int, hands: list[tuple[Side, bool, int]]) -> None:
        """Different members of one person's set on different sides: none may be lost, none may come back."""
        for side, give, which in hands:
            if found := self.chosen(side, pick):
                self.give_or_take(side, *found, give, which)

    @rule(pick=picks)
    def renumber(self, pick: int) -> None:
        """A match key is edited, where it is owned."""
        if found := self.chosen("left", pick):
            number = str(next(self.numbers))
            self.account.rename(found[1], number)
            self.world.left.edit("person", found[0], {"number": number})

    @rule(side=sides, late=st.booleans())
    def hire(self, side: Side, late: bool) -> None:
        self.hand(side, late=late)
        self.newcomer(side, str(next(self.numbers)))
        self.hand(side, late=False)

    @rule()
    def hire_on_both_sides(self) -> None:
        if any(quirky.driver.mood.lags for quirky in self.world.quirky.values()):
            return  # who does not show yet is not found, and is made once more: docs/sync.md says so
        number = str(next(self.numbers))
        for side in SIDES:
            self.newcomer(side, number)
        self.account.edited |= {(number, field): {"left", "right"} for field in FIELDS}

    @rule(side=sides, pick=picks)
    def remove(self, side: Side, pick: int) -> None:
        if found := self.chosen(side, pick):
            self.dismiss(side, *found)

    @rule(side=sides, pick=picks)
    def move_house(self, side: Side, pick: int) -> None:
        """A record gets another id, and keeps what it says."""
        lags = any(quirky.driver.mood.lags for quirky in self.world.quirky.values())
        if self.world.sync.cases.recreated == "hold" or lags or self.opened:
            return  # who is gone before the other one shows is gone
        if found := self.chosen(side, pick):
            fields = dict(self.world.records(side)[found[0]])
            self.driver(side).remove("person", found[0])
            self.driver(side).put("person", fields)
            self.account.move_house(side, found[1])

    @rule(side=sides, same=st.booleans())
    def raise_the_dead(self, side: Side, same: bool) -> None:
        """An id that was deleted is there again: with its old record, or with another person's."""
        if not self.graves[side]:
            return
        id, fields = self.graves[side].pop()
        if id in self.world.records(side):
            return
        number = str(fields["number"]) if same else str(next(self.numbers))
        self.account.removed.add(number)  # who stands where is a person's business from here on
        if not any(str(there["number"]) == number for there in self.world.records(side).values()):
            self.driver(side).put("person", fields if same else person(int(number)), id)

    # -- what systems do

    @rule(side=sides, fate=st.sampled_from(sorted(FATES)), good=st.integers(0, 2))
    def bad_write(self, side: Side, fate: str, good: int) -> None:
        """One of the next writes comes to a bad end."""
        if self.cuts and fate == "done but lost":
            return  # the proof of what it made of our value is lost too
        self.world.quirky[side].fates = [None] * good + [FATES[fate]]

    @rule(side=sides)
    def lose_read_back(self, side: Side) -> None:
        if not self.cuts:
            self.world.quirky[side].read_back = not self.world.quirky[side].read_back

    @rule(side=sides)
    def go_down(self, side: Side) -> None:
        self.world.quirky[side].down = True

    @rule(side=sides, requests=st.integers(1, 4))
    def storm(self, side: Side, requests: int) -> None:
        """The next requests are answered with 429."""
        self.driver(side).storm = requests

    @rule(side=sides, arrival=st.booleans(), pick=picks)
    def shift_pages(self, side: Side, arrival: bool, pick: int) -> None:
        """Somebody comes or goes between two pages of the next listing. Of one side at a time, to be told again."""
        for quirky in self.world.quirky.values():
            quirky.driver.between_pages = None

        def happens() -> None:
            if arrival:
                self.newcomer(side, str(next(self.numbers)))
            elif found := self.chosen(side, pick):
                self.dismiss(side, *found)

        self.driver(side).between_pages = happens

    @rule(
        side=sides, hand=sides, field=st.sampled_from(FIELDS), when=st.sampled_from(["before", "after"]),
        act=st.sampled_from(["edit", "edit", "edit", "give", "take", "remove", "kill"]),
    )  # fmt: skip
    def meanwhile(self, side: Side, hand: Side, field: str, when: str, act: str) -> None:
        """Something happens while the next write to *side* is on its way: to that person, or to the process."""
        if self.cuts and act == "kill":
            return  # its answer dies with us, and so does the proof
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
                elif act in ("give", "take"):
                    self.give_or_take(hand, *found, act == "give")
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

    @rule(point=st.sampled_from(failpoints.POINTS), passage=st.integers(1, 2))
    def be_killed(self, point: str, passage: int) -> None:
        """I7: the process dies at a numbered point of some later run."""
        if not (self.cuts and point in ("sent", "written")):
            failpoints.arm(f"{point}:{passage}", self.die)

    @rule()
    def plan(self) -> None:
        """I9: a plan writes to no system and to no pair."""
        for quirky in self.world.quirky.values():
            quirky.driver.between_pages = None
        before = {side: self.world.records(side) for side in SIDES}, self.writes, self.pairs()

        self.world.plan()

        assert ({side: self.world.records(side) for side in SIDES}, self.writes, self.pairs()) == before

    @rule()
    def approve(self) -> None:
        if self.reachable():
            self.world.approve()

    @rule(pick=picks, take=sides)
    def resolve(self, pick: int, take: Side) -> None:
        conflicts = [told for told in self.world.held() if told["reason"] == "conflict"]
        if conflicts and self.reachable():
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
        if not self.late or all(quirky.driver.mood.catches_late_commits for quirky in self.world.quirky.values()):
            self.become_quiet(full=False)
            self.account.compare(self.shown, self.held_numbers(), absence=False)
        self.become_quiet(full=True)
        self.account.compare(self.shown, self.held_numbers())
        waiting = [told for told in self.world.held() if told["reason"] in ("conflict", "mapping")]
        for told in waiting:
            self.settle_conflict(told, take)
        if waiting:
            self.become_quiet(full=True)
            self.account.compare(self.shown, self.held_numbers())
        assert {told["reason"] for told in self.world.held()} <= {"case"}, self.world.held()
        self.late = False

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                self.settle("left")
                self.every_intent_has_one_outcome()
            finally:
                failpoints.arm("", self.die)
                self.world.close()
                shutil.rmtree(self.folder)


class Tags(Machine):
    """The same world, in which hardly anybody does anything but give and take members of a set."""

    verbs = True

    edit = edit_both_sides = swap = renumber = hire_on_both_sides = raise_the_dead = shift_pages = plan = None  # type: ignore[assignment]


@pytest.mark.parametrize("shard", SHARDS)
def test_whatever_happens_no_edit_is_lost_and_nobody_is_doubled(shard: int) -> None:
    play(Machine, shard)


@pytest.mark.parametrize("shard", SHARDS[:2])
def test_whatever_happens_no_member_is_lost_and_none_comes_back(shard: int) -> None:
    play(Tags, shard)


def play(machine: type[Machine], shard: int) -> None:
    number = int(SEED) if SEED else random.randrange(2**32) if SOAK else shard
    print(f"TALLYSTICK_SEED={number}")  # pytest shows it where the test fails
    run_state_machine_as_test(
        seed(number)(type(machine.__name__, (machine,), {})),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50 if SOAK else 20,
            database=None,
            deadline=None,
            print_blob=False,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],  # to explain takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
