"""The merge table, complete: every standing of two sides under every rule, against an oracle that shares no code."""

import os
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import pytest

from connectors.paths import ABSENT
from daemon.core.merge import Merged, Ruling, merge
from daemon.core.model import Half, Item, Pair
from daemon.core.plan import decide_pair
from daemon.core.rules import SIDES, Side, Sync
from tests.core.things import digest, half, here, item, line, rule, sync

NEVER = object()
"""Nothing was ever agreed about the field."""
OLD = 2
PAIR = Pair(1)


class Stand(NamedTuple):
    """What one side shows, agreed to once, and was sent."""

    now: Any
    agreed: Any = OLD
    sent: Any = NEVER

    @property
    def known(self) -> bool:
        return self.agreed is not NEVER or self.sent is not NEVER

    @property
    def moved(self) -> bool:
        return self.now is not ABSENT and self.now not in (self.agreed, self.sent)

    @property
    def waiting(self) -> bool:
        return self.sent is not NEVER and self.now != self.sent and self.now == self.agreed

    @property
    def half(self) -> Half:
        agreed = {} if self.agreed is NEVER else dict.fromkeys("fg", self.agreed)
        return half(agreed, {} if self.sent is NEVER else dict.fromkeys("fg", self.sent))


STANDS = {
    "same": Stand(OLD),
    "moved": Stand(3),
    "moved otherwise": Stand(1),
    "cleared": Stand(None),
    "emptied": Stand(""),
    "absent": Stand(ABSENT),
    "first contact": Stand(3, NEVER),
    "first contact, another value": Stand(1, NEVER),
    "first contact, empty": Stand(None, NEVER),
    "first contact, absent": Stand(ABSENT, NEVER),
    "sent and confirmed": Stand(3, OLD, 3),
    "sent and not shown yet": Stand(OLD, OLD, 3),
    "sent, then edited": Stand(1, OLD, 3),
    "sent to a field nobody knew": Stand(3, NEVER, 3),
    "agreed on another value": Stand(5, 5),
}
RANKED = (1, 3, 2)
"""Another order than that of numbers; 5 has no rank."""
TIMES = {"left is newer": (9.0, 8.0), "right is newer": (8.0, 9.0), "at once": (9.0, 9.0), "no time": (9.0, None)}
WINS = ("left", "right", "ask", "min", "max", "ranked", *TIMES)
FIRST = (None, "left", "right", "ask", "max", "right is newer", "no time")


class Law(NamedTuple):
    """Who decides."""

    owner: Any
    wins: str
    first: str | None
    once: bool
    fill: bool
    group: bool

    def sync(self) -> Sync:
        """A field of this law, or two in a group."""
        more = {key: POLICIES.get(said, said) for key, said in (("wins", self.wins), ("first", self.first))}
        order = RANKED if self.wins == "ranked" else ()
        rules = [rule(name, owner=self.owner, once=self.once, fill=self.fill, order=order, **more) for name in "fg"]
        return sync(*rules, groups={"both": ("f", "g")}) if self.group else sync(rules[0])


POLICIES = dict.fromkeys(TIMES, "newest") | {"ranked": "max"}
LAWS = [
    law
    for law in map(
        Law._make, product((None, "left", "right"), WINS, FIRST, (False, True), (False, True), (False, True))
    )
    # one pair of times for both, and the order is for both
    if not (law.wins in TIMES and law.first in TIMES and law.wins != law.first)
]
if "MUTANT_UNDER_TEST" in os.environ:
    LAWS = LAWS[::7]  # as sharp where one thing is wrong, and `make mutants` asks a thousand times
SYNCS = {law: law.sync() for law in LAWS}


def oracle(left: Stand, right: Stand, law: Law) -> str:
    """The page sync.md, read aloud: nothing, left, right (whose value is taken), or hold."""
    owner, wins, first, once, fill, _ = law
    if any(stand.now is ABSENT and not stand.known for stand in (left, right)):
        return "nothing"
    if left.now == right.now:
        return "nothing"
    if left.waiting or right.waiting:
        return "hold"
    known = left.known and right.known
    blank_left, blank_right = (stand.now in (None, "", ABSENT) for stand in (left, right))
    if not known and blank_left and blank_right:
        return "nothing"
    if once and known:
        return "nothing"
    if fill:
        if known and not left.moved and not right.moved:
            return "nothing"
        empty_side = {(True, False): "left", (False, True): "right"}.get((blank_left, blank_right))
        if empty_side is None or empty_side == owner or ABSENT in (left.now, right.now):
            return "nothing"
        return "right" if empty_side == "left" else "left"
    if owner:
        return owner if left.moved or right.moved or not known else "nothing"
    if known:
        standing = {(False, False): "nothing", (True, False): "left", (False, True): "right"}
        return standing.get((left.moved, right.moved)) or clash(wins, left.now, right.now, ())
    if first in ("left", "right"):
        return str(first)
    if first in (None, "max") and blank_left != blank_right:
        return "right" if blank_left else "left"
    return clash(first or wins, left.now, right.now, RANKED if wins == "ranked" else ())


def clash(wins: str, left: Any, right: Any, order: tuple[int, ...]) -> str:
    if wins in ("left", "right"):
        return wins
    if wins in ("left is newer", "right is newer"):
        return wins.split()[0]
    if wins in ("ask", "at once", "no time") or not (isinstance(left, int) and isinstance(right, int)):
        return "hold"
    if order := RANKED if wins == "ranked" else order:
        if not {left, right} <= set(order):
            return "hold"
        left, right = order.index(left), order.index(right)
    return "left" if (left > right) == (wins != "min") else "right"


def outcome(merged: Merged) -> tuple[str, Any]:
    """Whose value is taken, and which value is written across."""
    if merged.held:
        assert not merged.to_left + merged.to_right
        return "hold", None
    if merged.to_left:
        assert not merged.to_right
        return "right", merged.to_left[0].value
    return ("left", merged.to_right[0].value) if merged.to_right else ("nothing", None)


@pytest.mark.parametrize("left", STANDS)
@pytest.mark.parametrize("right", STANDS)
def test_the_table(left: str, right: str) -> None:
    one, two = STANDS[left], STANDS[right]
    halves: dict[Side, Half | None] = {"left": one.half, "right": two.half}
    items: dict[Side, Item] = {side: item({"f": at.now, "g": at.now}) for side, at in (("left", one), ("right", two))}
    for law in LAWS:
        times = TIMES.get(law.wins) or TIMES.get(str(law.first), (None, None))
        timed: dict[Side, Item] = {s: replace(items[s], time=t) for s, t in zip(SIDES, times, strict=True)}

        found = merge(SYNCS[law], halves, timed)

        expected = oracle(one, two, law)
        taken = {"left": one.now, "right": two.now}.get(expected)
        if expected in ("left", "right") and taken is ABSENT:
            expected, taken = "nothing", None  # absent never overwrites
        assert outcome(found) == (expected, taken), law
        assert len(found.to_left + found.to_right) == (expected in ("left", "right")) * (1 + law.group), law


def both(values_left: dict[str, Any], values_right: dict[str, Any]) -> Any:
    return {"left": item(values_left), "right": item(values_right)}


AGREED = {"left": half({"f": OLD, "g": OLD}), "right": half({"f": OLD, "g": OLD})}


def test_fields_are_decided_one_by_one() -> None:
    found = merge(sync(rule("f"), rule("g")), AGREED, both({"f": "L", "g": OLD}, {"f": OLD, "g": "R"}))

    assert [(m.field, m.value, m.before) for m in found.to_right] == [("f", "L", OLD)]
    assert [(m.field, m.value, m.before) for m in found.to_left] == [("g", "R", OLD)]
    assert found.settled == {"f", "g"}


def test_a_group_changes_hands_together() -> None:
    law = sync(rule("f"), rule("g"), groups={"address": ("f", "g")})

    found = merge(law, AGREED, both({"f": "L", "g": OLD}, {"f": OLD, "g": OLD}))
    assert [(m.field, m.value) for m in found.to_right] == [("f", "L")]

    found = merge(law, AGREED, both({"f": "L", "g": OLD}, {"f": OLD, "g": "R"}))
    assert not found.to_left + found.to_right
    assert set(found.held) == {"f", "g"}

    winner = sync(rule("f", wins="left"), rule("g", wins="left"), groups={"address": ("f", "g")})
    found = merge(winner, AGREED, both({"f": "L", "g": OLD}, {"f": OLD, "g": "R"}))
    assert {m.field: m.value for m in found.to_right} == {"f": "L", "g": OLD}
    assert not found.to_left


def test_a_fault_holds_its_whole_group_and_nothing_else() -> None:
    law = sync(rule("f"), rule("g"), rule("h"), groups={"address": ("f", "g")})
    halves = {side: half({"f": OLD, "g": OLD, "h": OLD}) for side in ("left", "right")}
    left = replace(item({"f": ABSENT, "g": "L", "h": "L"}), faults={"f": "not a number"})

    found = merge(law, halves, {"left": left, "right": item({"f": OLD, "g": OLD, "h": OLD})})  # type: ignore[arg-type]

    assert found.held == {"f": "left: not a number", "g": "left: not a number"}
    assert [m.field for m in found.to_right] == ["h"]


def test_a_clash_may_hold_the_record_and_settles_none_of_what_would_flow() -> None:
    law = sync(rule("f", hold="record"), rule("g"), rule("h"))
    halves = {side: half({"f": OLD, "g": OLD, "h": OLD}) for side in ("left", "right")}

    found = merge(law, halves, both({"f": "L", "g": "L", "h": OLD}, {"f": "R", "g": OLD, "h": OLD}))  # type: ignore[arg-type]

    assert not found.to_left + found.to_right
    assert set(found.held) == {"f", "g"}
    assert found.settled == {"h"}
    decision = decide_pair(
        law, replace(PAIR, left=halves["left"], right=halves["right"]),
        here({"f": "L", "g": "L", "h": OLD}), here({"f": "R", "g": OLD, "h": OLD}), line,
    )  # fmt: skip
    assert (decision.state, decision.reason, decision.changes) == ("held", "conflict", ())


def ruling(take: Any, left: Any = "L", right: Any = "R") -> Ruling:
    return Ruling(take, digest(left), digest(right))


@pytest.mark.parametrize("take", ["left", "right"])
def test_a_ruling_decides_the_clash_it_saw(take: Any) -> None:
    found = merge(sync(rule()), AGREED, both({"f": "L"}, {"f": "R"}), {"f": ruling(take)})

    assert outcome(found) == (take, "L" if take == "left" else "R")


@pytest.mark.parametrize("seen", [ruling("left", left="L2"), ruling("left", right="R2")])
def test_a_ruling_about_other_values_decides_nothing(seen: Ruling) -> None:
    assert outcome(merge(sync(rule()), AGREED, both({"f": "L"}, {"f": "R"}), {"f": seen})) == ("hold", None)


def test_a_ruling_never_overrules_what_a_rule_decides() -> None:
    found = merge(sync(rule(wins="left")), AGREED, both({"f": "L"}, {"f": "R"}), {"f": ruling("right")})

    assert outcome(found) == ("left", "L")


@pytest.mark.parametrize(("left", "right"), [(True, 1), (False, 0), ("1", 1), (None, ""), (None, False), ([], None)])
def test_values_that_python_or_people_mix_up_differ(left: Any, right: Any) -> None:
    assert not rule().same(left, right)


def test_normalise_decides_what_differs_and_never_what_is_written() -> None:
    law = sync(rule(normalise=["trim", "casefold"]))

    agreed: Any = {side: half({"f": "old"}) for side in SIDES}

    assert outcome(merge(law, agreed, both({"f": " Old "}, {"f": "old"}))) == ("nothing", None)
    assert outcome(merge(law, agreed, both({"f": " New "}, {"f": "old"}))) == ("left", " New ")


@pytest.mark.parametrize(
    ("law", "left", "right", "why"),
    [
        ({}, "L", OLD, "changed on left"),
        ({}, OLD, "R", "changed on right"),
        ({"wins": "right"}, "L", "R", "changed on both sides, wins: right"),
        ({"owner": "left"}, OLD, "R", "right was edited and is put back, owner: left"),
        ({"owner": "right"}, "L", OLD, "left was edited and is put back, owner: right"),
        ({"owner": "left"}, "L", "R", "changed on left, owner: left"),
        ({"wins": "max"}, 3, 4, "changed on both sides, wins: max"),
        ({"fill": True}, "L", None, "right is empty, fill"),
        ({"fill": True}, "", "R", "left is empty, fill"),
    ],
)
def test_every_move_says_why(law: dict[str, Any], left: Any, right: Any, why: str) -> None:
    found = merge(sync(rule(**law)), AGREED, both({"f": left}, {"f": right}))

    assert [m.why for m in found.to_left + found.to_right] == [why]


def test_at_first_contact_nobody_is_said_to_have_edited_anything() -> None:
    found = merge(sync(rule(owner="left")), {"left": None, "right": None}, both({"f": "L"}, {"f": "R"}))

    assert [m.why for m in found.to_right] == ["first contact, owner: left"]
