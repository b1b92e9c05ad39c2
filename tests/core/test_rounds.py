"""Every way in which one field can be written again, and what of it is a fight."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from daemon.core.model import Change, Move
from daemon.core.rounds import WINDOW, Turn, steadied, turned
from daemon.core.rules import Side, Sync
from tests.core.things import rule, sync, update

PLAIN = sync(rule(), rule("g"))
Step = tuple[Any, ...]
DAY = 86400.0


def line(facts: Any) -> bytes:
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).digest()


def change(side: Side, before: Any, value: Any, field: str = "f") -> Change:
    return Change(side, "update", (Move(field, value, before, ""),))


def after(steps: Sequence[Step], *, apart: float = 60.0, of: Sync = PLAIN) -> dict[str, Turn]:
    known: dict[str, Turn] = {}
    for n, step in enumerate(steps):
        known |= dict(turned(of, known, change(*step), line, n * apart))
    return known


A_TO_B: Step = ("right", "a", "b")
BACK: Step = ("left", "b", "a")


@pytest.mark.parametrize(
    ("steps", "count"),
    [
        ([A_TO_B], 1),
        ([A_TO_B, A_TO_B, A_TO_B], 3),  # a foreign hand puts it back each time
        ([A_TO_B, BACK, A_TO_B, BACK, A_TO_B], 3),  # two hands
        ([A_TO_B, ("right", "b", "a"), A_TO_B], 1),  # somebody switches it on and off
        ([A_TO_B, ("left", "b", "c"), A_TO_B], 1),
        ([A_TO_B, ("right", "b", "c"), ("right", "c", "a"), A_TO_B], 1),
        ([A_TO_B, BACK, ("right", "a", "c")], 1),
        ([BACK, A_TO_B, BACK, A_TO_B], 2),
    ],
)
def test_what_counts_as_a_round(steps: list[Step], count: int) -> None:
    assert after(steps)["f"].count == count


def test_what_was_long_ago_is_another_story() -> None:
    assert after([A_TO_B] * 3, apart=DAY)["f"].count == 3
    assert after([A_TO_B] * 3, apart=WINDOW + 1)["f"].count == 1


def test_values_are_the_same_as_comparing_sees_them() -> None:
    loose = sync(rule(normalise=["casefold"]))

    assert after([("right", "A", "B"), A_TO_B], of=loose)["f"].count == 2


@pytest.mark.parametrize("written", [Change("right", "create", (Move("f", "b", "a", ""),)), replace(
    change("right", "a", None), parks=True)])  # fmt: skip
def test_a_birth_and_a_stand_in_are_no_rounds(written: Change) -> None:
    assert dict(turned(PLAIN, {}, written, line, 0)) == {}


def worn(*steps: Step) -> dict[str, Turn]:
    return after([*steps] * 3)


def test_what_was_written_three_times_in_vain_waits_and_the_rest_flows() -> None:
    wanted = update(1, "b", "a")
    both = replace(wanted, changes=(*wanted.changes, change("left", 1, 2, "g")), held={"x": "changed on both sides"})

    held = steadied(PLAIN, both, worn(A_TO_B), line)

    assert (held.state, held.reason) == ("held", "oscillation")
    assert [(c.side, m.field) for c in held.changes for m in c.moves] == [("left", "g")]
    assert held.held["f"] == "written back and forth 3 times: `f` on left and `f` on right never come to one value"
    assert held.detail == {"fields": held.held}
    assert held.held["x"] == "changed on both sides"


@pytest.mark.parametrize(
    "wanted", [update(1, "c", "a"), update(1, "b", "c"), update(1, "b", "a", side="left"), update(1, "b", "a", "g")]
)
def test_another_write_is_no_round_of_it(wanted: Any) -> None:
    assert steadied(PLAIN, wanted, worn(A_TO_B), line) is wanted


def test_a_group_and_a_whole_record_wait_together() -> None:
    moves = (Move("f", "b", "a", ""), Move("g", 2, 1, ""))
    wanted = replace(update(1), changes=(Change("right", "update", moves),))

    for of in (sync(rule(), rule("g"), groups={"both": ("f", "g")}), sync(rule(hold="record"), rule("g"))):
        held = steadied(of, wanted, worn(A_TO_B), line)
        assert held.changes == ()
        assert set(held.held) == {"f", "g"}


def test_a_delete_is_never_held_for_it() -> None:
    gone = replace(update(1), changes=(Change("right", "delete", (Move("f", "b", "a", ""),)),))

    assert steadied(PLAIN, gone, worn(A_TO_B), line) is gone


def test_a_round_is_the_same_story_for_exactly_two_days() -> None:
    assert after([A_TO_B] * 2, apart=WINDOW)["f"].count == 2


def test_an_answer_on_the_other_side_keeps_the_story_fresh() -> None:
    known = after([A_TO_B, BACK], apart=WINDOW)

    assert known["f"] == Turn("right", known["f"].move, 1, WINDOW)
    assert len(known["f"].move) == 8
    again = dict(turned(PLAIN, known, change(*A_TO_B), line, 2 * WINDOW))
    assert again["f"].count == 2


def test_another_write_on_the_other_side_begins_a_story_of_its_own() -> None:
    other = ("left", "b", "c")

    assert after([A_TO_B, other])["f"] == replace(after([other])["f"], at=60.0)
    assert after([A_TO_B, other])["f"].side == "left"


def test_each_field_says_its_own_two_places() -> None:
    left_only = replace(PLAIN.rules[0], right=None)
    law = sync(rule("f"), rule("g"), groups={"both": ("f", "g")})
    worn = after([A_TO_B])
    moves = (Move("f", "b", "a", ""), Move("g", "n", "o", ""))
    decision = replace(update(1, "b", "a"), changes=(Change("right", "update", moves),))

    both = steadied(law, decision, worn, line).held
    alone = steadied(replace(law, rules=(left_only, law.rules[1]), groups={}), decision, worn, line).held

    told = "written back and forth 3 times: `f` on left and `{}` on right never come to one value"
    assert both == {"f": told.format("f"), "g": told.format("f")}
    assert alone == {"f": told.format("")}


def test_two_worn_fields_are_told_each_by_its_own_name_and_a_group_of_others_goes_on() -> None:
    law = sync(rule("f"), rule("g"), rule("h"), rule("i"), groups={"others": ("h", "i")})
    worn = after([A_TO_B]) | after([("right", "a", "b", "g")])
    moves = tuple(Move(name, "b", "a", "") for name in "fgh")
    decision = replace(update(1, "b", "a"), changes=(Change("right", "update", moves),))

    found = steadied(law, decision, worn, line)

    assert {name: why.split("`")[1] for name, why in found.held.items()} == {"f": "f", "g": "g"}
    assert [move.field for change in found.changes for move in change.moves] == ["h"]


def test_a_story_is_known_by_a_digest_that_never_changes() -> None:
    assert after([A_TO_B])["f"].move == line(["turn", "f", "a", "b"])[:8]
