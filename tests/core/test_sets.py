"""The member table, complete, and what has to hold of whole sets whatever users do to them."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.paths import ABSENT
from daemon.core.caution import cautious
from daemon.core.digests import Notcher
from daemon.core.members import keyed, newborn, notch_of, same
from daemon.core.merge import Memory, Merged, merge
from daemon.core.model import Foreign, Half, Members, Pair
from daemon.core.plan import decide_pair
from daemon.core.rules import SIDES, Rule, Side
from daemon.core.sets import fate
from tests.core.things import half, here, item, rule, sync

LINE = Notcher(b"k" * 32, "s").line
LAWS = [(merge, owner) for merge in ("set", "add_only", "union") for owner in (None, "left", "right")]

# = both have it, . neither, +side: added there, -side: removed there, ~ left alone and agreed, o left alone, ? held
TABLE = """
agreed sent   on  | set: both left  right | add_only: both left  right | union: both left  right
no     -      LR  |      =    =     =     |           =    =     =     |        =    =     =
no     -      L   |      +R   +R    o     |           +R   +R    o     |        +R   +R    o
no     -      R   |      +L   o     +L    |           +L   o     +L    |        +L   o     +L
no     -      -   |      .    .     .     |           .    .     .     |        .    .     .
no     left   LR  |      =    =     =     |           =    =     =     |        =    =     =
no     left   L   |      -L   +R    -L    |           ~    +R    ~     |        +R   +R    ~
no     left   R   |      ?    ?     ?     |           ?    ?     ?     |        ?    ?     ?
no     left   -   |      .    .     .     |           .    .     .     |        .    .     .
no     right  LR  |      =    =     =     |           =    =     =     |        =    =     =
no     right  L   |      ?    ?     ?     |           ?    ?     ?     |        ?    ?     ?
no     right  R   |      -R   -R    +L    |           ~    ~     +L    |        +L   ~     +L
no     right  -   |      .    .     .     |           .    .     .     |        .    .     .
yes    -      LR  |      =    =     =     |           =    =     =     |        =    =     =
yes    -      L   |      -L   +R    -L    |           ~    +R    ~     |        +R   +R    ~
yes    -      R   |      -R   -R    +L    |           ~    ~     +L    |        +L   ~     +L
yes    -      -   |      .    .     .     |           .    .     .     |        .    .     .
yes    left   LR  |      =    =     =     |           =    =     =     |        =    =     =
yes    left   L   |      ?    ?     ?     |           ?    ?     ?     |        ?    ?     ?
yes    left   R   |      +L   o     +L    |           +L   o     +L    |        +L   o     +L
yes    left   -   |      .    .     .     |           .    .     .     |        .    .     .
yes    right  LR  |      =    =     =     |           =    =     =     |        =    =     =
yes    right  L   |      +R   +R    o     |           +R   +R    o     |        +R   +R    o
yes    right  R   |      ?    ?     ?     |           ?    ?     ?     |        ?    ?     ?
yes    right  -   |      .    .     .     |           .    .     .     |        .    .     .
"""
ROWS = [line.replace("|", "").split() for line in TABLE.strip().splitlines()[1:]]
MEANING = {
    "=": ("both", True), ".": ("neither", False), "~": ("leave", True), "o": ("leave", False),
    "+L": ("add", False), "+R": ("add", False), "-L": ("remove", True), "-R": ("remove", True),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row[:3]) for row in ROWS])
def test_the_member_table(row: list[str]) -> None:
    agreed, sent, on, *expected = row

    for (policy, owner), sign in zip(LAWS, expected, strict=True):
        standing = {"left": "L" in on, "right": "R" in on}
        side: Any = None if sent == "-" else sent
        what, after = fate(rule(merge=policy, owner=owner), standing, agreed == "yes", side)  # type: ignore[arg-type]
        if sign == "?":
            assert what == "hold"
            continue
        assert (what, after) == MEANING[sign], (policy, owner)
        if what in ("add", "remove"):  # added where it is not, removed where it is
            target = on.translate(str.maketrans("LR", "RL")) if what == "add" else on
            assert sign[1] == target


def test_the_table_has_every_row() -> None:
    asked = {tuple(row[:3]) for row in ROWS}

    assert asked == set(product(("no", "yes"), ("-", "left", "right"), ("LR", "L", "R", "-")))


class Two:
    """Two sets of one pair, merged again and again, every write done and proven."""

    def __init__(self, law: Rule, *, known: bool = True) -> None:
        self.law = law
        self.shown: dict[Side, Any] = {"left": [], "right": []}
        self.members = {"f": Members()} if known else {}
        self.halves: dict[Side, Half | None] = {side: half({"f": []} if known else {}) for side in SIDES}

    def merge(self, *remapped: str) -> Merged:
        items = {side: item({"f": self.shown[side]}) for side in SIDES}
        return merge(sync(self.law), self.halves, items, None, remapped, Memory(7, self.members, LINE))

    def run(self) -> Merged:
        merged = self.merge()
        for side, moves in (("left", merged.to_left), ("right", merged.to_right)):
            for move in moves:
                assert move.before == self.shown[side]
                self.shown[side] = move.value
        if not merged.held:
            notch = notch_of(LINE, 7, self.law)
            seen = {side: frozenset(keyed(self.shown[side], notch)) for side in merged.members["f"].changed}
            self.members = {"f": merged.members["f"].after(seen)}
            self.halves = {side: half({"f": self.shown[side]}) for side in SIDES}
        return merged

    def why(self) -> list[str]:
        merged = self.merge()
        return [move.why for move in (*merged.to_left, *merged.to_right)]


hands = st.lists(st.tuples(st.sampled_from(SIDES), st.booleans(), st.integers(0, 4)), max_size=4)


@given(st.sampled_from(LAWS), st.lists(hands, min_size=1, max_size=5))
def test_no_member_is_lost_and_none_that_was_removed_comes_back(law: Any, days: Any) -> None:
    policy, owner = law
    two = Two(rule(merge=policy, owner=owner))
    for day in days:
        base = {side: set(two.shown[side]) for side in SIDES}
        common = {m for m in range(5) if two.members and _digest(two, m) in two.members["f"].agreed}
        for side, add, member in day:
            two.shown[side] = [m for m in two.shown[side] if m != member] + [member] * add
        now = {side: set(two.shown[side]) for side in SIDES}

        merged = two.run()

        assert not merged.held
        left, right = set(two.shown["left"]), set(two.shown["right"])
        if owner:
            mine, theirs = (left, right) if owner == "left" else (right, left)
            across: Side = "right" if owner == "left" else "left"
            kept = now[across] - (common if policy == "set" else set())
            assert mine == now[owner], "nobody writes to the owner"
            assert theirs == now[owner] | kept
        elif policy == "set":
            for member in range(5):
                edited = {side for side in SIDES if (member in now[side]) != (member in base[side])}
                truth = member in now[next(iter(edited))] if edited else member in base["left"]
                if len(edited) < 2:
                    assert (member in left, member in right) == (truth, truth), member
        else:
            assert left >= now["left"], "nothing is ever removed"
            assert right >= now["right"]
        again = two.run()
        assert not again.to_left + again.to_right, "a second merge plans nothing"


def _digest(two: Two, member: int) -> bytes:
    return notch_of(LINE, 7, two.law)(member)


@pytest.mark.parametrize(
    ("law", "agreed", "left", "right", "expected"),
    [
        ({}, ["a", "b"], ["a", "b", "x"], ["a", "b", "y"], (["a", "b", "x", "y"], ["a", "b", "y", "x"])),
        ({}, ["a", "b"], ["b"], ["a"], ([], [])),
        ({}, ["a", "b"], None, ["a", "b"], (None, [])),
        ({}, ["a"], ["a", "c", "b"], [" A", "z"], (["a", "c", "b", "z"], [" A", "z", "b", "c"])),
        ({"owner": "left"}, ["a"], ["b"], ["a", "foreign"], (["b"], ["foreign", "b"])),
        ({"owner": "left"}, ["a", "b"], ["a", "b"], ["b"], (["a", "b"], ["b", "a"])),
        ({"merge": "add_only"}, ["a"], [], ["a"], ([], ["a"])),
        ({"once": True}, ["a"], ["b"], ["a"], (["b"], ["a"])),
    ],
)  # fmt: skip
def test_sets_by_example(law: dict[str, Any], agreed: Any, left: Any, right: Any, expected: Any) -> None:
    two = Two(rule(**{"merge": "set", "normalise": ["trim", "casefold"]} | law))
    two.shown = {"left": agreed, "right": agreed}
    two.run()

    two.shown = {"left": left, "right": right}
    two.run()

    assert (two.shown["left"], two.shown["right"]) == expected


def test_first_contact_joins_both_sides() -> None:
    two = Two(rule(merge="set"), known=False)
    two.shown = {"left": ["a", "b"], "right": ["b", "c"]}

    assert two.why() == ["first contact, 1 only on right", "first contact, 1 only on left"]
    two.run()

    assert set(two.shown["left"]) == set(two.shown["right"]) == {"a", "b", "c"}


def test_first_contact_with_an_owner_removes_nothing() -> None:
    two = Two(rule(merge="set", owner="left"), known=False)
    two.shown = {"left": ["a"], "right": ["c"]}

    assert two.why() == ["first contact, 1 only on left, owner: left"]
    two.run()

    assert (two.shown["left"], two.shown["right"]) == (["a"], ["c", "a"])


def test_what_is_remembered_is_not_believed_where_a_side_knows_nothing() -> None:
    two = Two(rule(merge="set"))
    two.shown = {"left": ["a"], "right": ["a"]}
    two.run()
    two.halves["right"] = half({})
    two.shown["right"] = []

    assert two.why() == ["first contact, 1 only on left"]


def test_a_set_that_lies_elsewhere_by_now_loses_no_member() -> None:
    two = Two(rule(merge="set"))
    two.shown = {"left": ["a", "b"], "right": ["a", "b"]}
    two.run()
    two.shown["right"] = ["other"]

    merged = two.merge("f.right")

    assert [move.value for move in merged.to_right] == [["other", "a", "b"]]
    assert [move.value for move in merged.to_left] == [["a", "b", "other"]]


def test_words_of_another_meaning_replace_the_old_ones() -> None:
    two = Two(rule(merge="set", owner="left"))
    two.shown = {"left": ["junior"], "right": ["junior", "foreign"]}
    two.run()
    two.shown["left"] = ["trainee"]
    two.halves["left"] = half({"f": ["trainee"]})  # the same raw words as before

    (move,) = two.merge("f").to_right

    assert move.value == ["foreign", "trainee"]


def test_every_move_says_how_many_were_added_and_removed() -> None:
    two = Two(rule(merge="set", owner="left"))
    two.shown = {"left": ["a", "b"], "right": ["a", "b"]}
    two.run()
    two.shown = {"left": ["b", "x", "y"], "right": ["a"]}

    assert two.why() == ["2 added on left, 1 put back on right, 1 removed on left, owner: left"]


def test_what_a_person_lets_differ_stays_until_an_edit() -> None:
    two = Two(rule(merge="set"))
    two.shown = {"left": ["a"], "right": ["b"]}
    two.halves = {side: half({"f": two.shown[side]}) for side in SIDES}

    assert not two.why()

    two.shown["left"] = ["a", "x"]
    assert two.why() == ["1 added on right", "2 added on left"]


def test_what_was_written_and_does_not_show_holds_the_set() -> None:
    two = Two(rule(merge="set"))
    two.shown = {"left": ["  VIP"], "right": ["VIP"]}
    two.members = {"f": Members(frozenset(), {"right": frozenset({notch_of(LINE, 7, two.law)("  VIP")})})}

    merged = two.merge()

    assert not merged.to_left + merged.to_right
    assert merged.held["f"].startswith("right shows 1 of the members that we added or removed there otherwise")
    assert "normalise" in merged.held["f"]


def test_a_side_that_lags_is_waited_for() -> None:
    two = Two(rule(merge="set"))
    two.shown = {"left": ["a"], "right": []}
    two.halves["left"] = half({"f": ["a"]})
    two.halves["right"] = half({"f": []}, {"f": ["a"]})

    assert two.merge().held == {"f": "what was written does not show yet"}

    two.shown["left"] = []  # whoever removed it meanwhile agrees with what shows
    assert not two.merge().held


@pytest.mark.parametrize("side", SIDES)
def test_an_absent_set_is_neither_written_nor_taken_for_an_empty_one(side: Side) -> None:
    two = Two(rule(merge="set"))
    two.shown = {"left": ["a"], "right": ["a"]}
    two.run()

    two.shown[side] = ABSENT
    quiet = two.merge()
    assert not quiet.to_left + quiet.to_right
    assert not quiet.held
    assert not quiet.members

    two.shown = {"left": ["a", "b"], "right": ["a", "b"]} | {side: ABSENT}
    held = two.merge()
    assert not held.to_left + held.to_right
    assert held.held["f"].startswith(f"{side} does not show this set")
    assert "`empty: omitted`" in held.held["f"]


def test_a_foreign_member_keeps_its_place_and_its_form() -> None:
    two = Two(rule(merge="set", owner="left"))
    two.shown = {"left": ["a", "b"], "right": [Foreign("?"), "a"]}

    (move,) = two.merge().to_right

    assert move.value == ["?", "a", "b"]
    assert isinstance(move.value[0], Foreign)


def test_a_record_that_waits_keeps_the_memory_of_its_sets() -> None:
    law = sync(rule("f", merge="set"), rule("g", hold="record"))
    halves: Any = {side: half({"f": [], "g": 1}) for side in SIDES}
    items = {"left": item({"f": ["a"], "g": 2}), "right": item({"f": [], "g": 3})}

    merged = merge(law, halves, items, memory=Memory(7, {"f": Members()}, LINE))  # type: ignore[arg-type]

    assert set(merged.held) == {"f", "g"}
    assert not merged.members


def test_with_an_old_memory_a_set_removes_nothing() -> None:
    two = Two(rule(merge="set"))
    two.shown = {"left": ["a", "b"], "right": ["a", "b"]}
    two.run()
    two.law = cautious(sync(two.law)).rules[0]
    two.shown = {"left": ["a"], "right": ["b"]}

    assert two.why() == ["1 only on right", "1 only on left"]


def test_an_old_memory_leaves_a_set_alone_that_only_grows() -> None:
    assert cautious(sync(rule(merge="add_only"))).rules[0].merge == "add_only"


def test_equal_members_do_not_look_equal_in_the_store() -> None:
    law = rule(merge="set")

    assert (
        len({notch_of(LINE, 7, law)("a"), notch_of(LINE, 8, law)("a"), notch_of(LINE, 7, replace(law, name="g"))("a")})
        == 3
    )
    assert len(notch_of(LINE, 7, law)("a")) == 8


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        (["a", "b"], ["b", "a", "a"], True), ([], None, True), (["a"], ["A"], False), ([1], [True], False),
        ([1], [1.0], True), ([{"k": 1}], [{"k": 1}], True), ([Foreign("x")], [], True),
    ],
)  # fmt: skip
def test_order_and_repetition_mean_nothing(left: Any, right: Any, alike: bool) -> None:
    assert same(rule(merge="set"), left, right) is alike


def test_a_new_record_is_given_each_member_once() -> None:
    assert newborn(rule(merge="set", normalise=["casefold"]), ["a", "A", Foreign("?"), "b"]) == ["a", "b"]
    assert newborn(rule(merge="set"), None) == []


def test_a_decision_knows_what_becomes_of_its_sets() -> None:
    law = sync(rule("f", merge="set"))
    pair = Pair(7, half({"f": []}), half({"f": []}), members={"f": Members()})

    decision = decide_pair(law, pair, here({"f": ["a"]}), here({"f": []}), LINE)

    assert decision.members["f"].changed == {"right": frozenset({notch_of(LINE, 7, law.rules[0])("a")})}
    assert decision.kind == "update"
