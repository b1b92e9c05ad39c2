"""What decisions, pairs and limits say when they are asked."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.core.bits import Bits
from daemon.core.model import Change, Decision, Half, Look, Pair
from daemon.core.rules import Limit
from tests.core.things import item

HERE = Look("here")
LEFT, RIGHT = Half("L"), Half("R")


def decision(*ops: Any, **more: Any) -> Decision:
    changes = tuple(Change("right", op) for op in ops)
    return Decision(more.pop("pair", Pair(1)), HERE, HERE, changes, **more)


def test_the_sides_of_a_pair_and_of_a_decision_are_never_mistaken() -> None:
    pair, both = Pair(1, LEFT, RIGHT), Decision(Pair(1), Look("gone"), Look("outside"))

    assert (pair.half("left"), pair.half("right")) == (LEFT, RIGHT)
    assert (both.look("left").presence, both.look("right").presence) == ("gone", "outside")


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (decision("delete", "update"), "delete"),
        (decision("update", "deactivate"), "deactivate"),
        (decision("update", "create"), "create"),
        (decision("update"), "update"),
        (decision("update", state="held"), "update"),
        (decision(state="held"), "hold"),
        (decision(state="retired"), "retire"),
        (decision(state="retired", pair=Pair(1, state="retired")), "remember"),
        (decision(reopens=True), "reopen"),
        (decision(new=True), "link"),
        (decision(new=True, state="single"), "remember"),
        (decision(), "remember"),
    ],
)
def test_every_decision_is_counted_under_its_gravest_word(told: Decision, kind: str) -> None:
    assert told.kind == kind


@pytest.mark.parametrize(("left", "right", "urgent"), [(False, False, False), (True, False, True), (False, True, True)])
def test_a_decision_is_urgent_if_either_record_is(left: bool, right: bool, urgent: bool) -> None:
    looks = [Look("here", replace(item({"f": 1}), urgent=hurry)) for hurry in (left, right)]

    assert Decision(Pair(1), *looks).urgent is urgent
    assert Decision(Pair(1), Look("gone"), looks[1]).urgent is right


def test_an_appearance_is_all_fields_in_one_and_in_no_order() -> None:
    one = replace(item({}), digests={"a": b"1", "b": b"2"})

    assert one.appearance == b"12" == replace(one, digests={"b": b"2", "a": b"1"}).appearance
    assert one.appearance != replace(one, digests={"a": b"1", "b": b"3"}).appearance


def test_a_share_is_counted_in_whole_pairs_whatever_the_float_says() -> None:
    assert Limit(share=0.29).allows(100) == 29
    assert Limit(share=1 / 3).allows(3) == 1
    assert Limit(share=0.999_999_4).allows(1) == 0
    assert Limit(share=0.000_000_5).allows(1_999_999) == 0
    assert Limit(share=0.999_999_6).allows(1) == 1


def test_bits_hold_what_was_put_in_and_nothing_else() -> None:
    numbers = {0, 7, 8, 9, 4095 * 8, 4096 * 8, 1_000_003}
    bits = Bits()
    for number in sorted(numbers, reverse=True):
        bits.add(number)
        bits.add(number)

    near = {n + step for n in numbers for step in (-1, 0, 1) if n + step >= 0}
    assert {number for number in near | {10**7} if number in bits} == numbers
    assert 0 not in Bits()
    few = Bits()
    few.add(4096 * 8)
    assert [n for n in range(4095 * 8, 4098 * 8) if n in few] == [4096 * 8]
    assert len(few._bytes) == 4097
    few.add(4097 * 8)
    assert len(few._bytes) == 4097 + 4096


def test_a_few_numbers_cost_one_page() -> None:
    bits = Bits()
    bits.add(3)

    assert len(bits._bytes) == 4096
