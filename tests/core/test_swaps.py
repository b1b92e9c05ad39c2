"""Every order in which unique values can change hands."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.core.model import Change, Decision, Look, Move, Pair
from daemon.core.swaps import given_up, in_order, stand_in, taken
from tests.core.things import item, line, rule, sync, update

MAIL = sync(rule("f", unique=True), rule("g", unique=True, normalise=["casefold"]), rule("free"))


def order(*decisions: Decision) -> list[tuple[int, str, Any]]:
    """Pair, what it writes there, and the value; in the order in which they are written."""
    found = sorted(in_waves(*decisions), key=lambda d: (d.rank, d.wave))
    return [(d.pair.key, c.side, m.value) for d in found for c in d.changes for m in c.moves]


def in_waves(*decisions: Decision) -> list[Decision]:
    return list(in_order(MAIL, decisions, line) or decisions)


def swap(key: int, value: str, before: str, **more: Any) -> Decision:
    return update(key, value, before, **more)


def gone(key: int, value: str, op: Any = "delete") -> Decision:
    look = Look("here", item({"f": value, "g": None}))
    return Decision(Pair(key), Look("gone"), look, (Change("right", op),))


def test_nothing_is_ordered_that_nobody_has_to_wait_for() -> None:
    assert order(swap(1, "a", "b"), swap(2, "c", "d")) == [(1, "right", "a"), (2, "right", "c")]
    assert order(update(1, "a", "b", "free"), update(2, "b", "a", "free")) == [(1, "right", "a"), (2, "right", "b")]
    assert in_order(sync(rule()), [swap(1, "a", "b"), swap(2, "b", "a")], line) is None
    assert in_order(MAIL, [swap(1, "a", "b")], line) is None


def test_who_gives_a_value_up_comes_before_who_takes_it() -> None:
    assert order(swap(1, "b", "a"), swap(2, "c", "b")) == [(2, "right", "c"), (1, "right", "b")]


@pytest.mark.parametrize("op", ["delete", "deactivate"])
def test_who_goes_comes_before_who_takes_its_value(op: Any) -> None:
    born = Decision(Pair(1), Look("here"), Look("gone"), (Change("right", "create", (Move("f", "a", None, ""),)),))

    found = in_waves(born, gone(2, "a", op))

    assert [(d.pair.key, d.wave) for d in found] == [(1, 1), (2, 0)]


def test_values_are_the_same_as_comparing_sees_them_and_only_on_their_own_side_and_field() -> None:
    assert order(swap(1, "B@X", "a", field="g"), swap(2, "c", "b@x", field="g"))[0][0] == 2
    assert order(swap(1, "b", "a"), swap(2, "c", "b", side="left"))[0][0] == 1
    assert order(swap(1, "b", "a"), swap(2, "c", "b", field="g"))[0][0] == 1


def test_emptiness_is_nobodys() -> None:
    assert order(swap(1, "", "a"), swap(2, "b", ""))[0][0] == 1


def test_in_a_circle_one_makes_room_first() -> None:
    assert order(swap(1, "b", "a"), swap(2, "a", "b")) == [(1, "right", None), (2, "right", "a"), (1, "right", "b")]


def test_each_circle_has_one_that_makes_room_and_who_waits_for_a_circle_does_not() -> None:
    two = [swap(1, "b", "a"), swap(2, "a", "b"), swap(3, "d", "c"), swap(4, "c", "d")]
    tail = swap(5, "x", "y")
    follower = replace(update(6, "y", "z"), pair=Pair(6))

    found = order(follower, *two, tail)

    assert [key for key, _, value in found if value is None] == [1, 3]
    assert found.index((5, "right", "x")) < found.index((6, "right", "y"))


def test_only_what_others_ask_for_is_given_up_for_a_while() -> None:
    moves = (Move("f", "b", "a", ""), Move("free", "n", "o", ""))
    first = Decision(Pair(1), Look("here"), Look("here"), (Change("right", "update", moves),))

    room = order(first, swap(2, "a", "b"))[0]

    assert room == (1, "right", None)
    assert len(order(first, swap(2, "a", "b"))) == 4


def test_a_circle_over_both_sides_is_a_circle() -> None:
    def both(key: int, right: tuple[str, str], left: tuple[str, str]) -> Decision:
        changes = (
            Change("right", "update", (Move("f", *right, ""),)),
            Change("left", "update", (Move("g", *left, ""),)),
        )
        return Decision(Pair(key), Look("here"), Look("here"), changes)

    found = order(both(1, ("b", "a"), ("n", "m")), both(2, ("x", "b"), ("m", "k")))

    assert found[0] == (1, "left", None)
    assert found.index((2, "right", "x")) < found.index((1, "right", "b"))


def test_who_takes_a_value_from_a_later_rank_comes_later_still() -> None:
    late = replace(swap(2, "c", "b"), rank=2)

    (first, second) = in_waves(swap(1, "b", "a"), late)

    assert (first.rank, first.wave) == (2, 1)
    assert (second.rank, second.wave) == (2, 0)


def test_a_chain_as_long_as_a_firm_is_ordered_without_recursion() -> None:
    chain = [swap(n, f"v{n + 1}", f"v{n}") for n in range(3000)]

    waves = [d.wave for d in in_waves(*chain)]

    assert waves == list(range(2999, -1, -1))


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("ada@corp.example", "0123456789abcdef@tallystick.invalid"),
        ("ada", "tallystick-0123456789abcdef"),
        (4711, 0x0123456),
        (True, "tallystick-0123456789abcdef"),
    ],
)
def test_a_stand_in_looks_like_what_it_stands_for(before: Any, text: Any) -> None:
    room = in_waves(swap(1, "b", before), swap(2, before, "b"))[0]

    (change,) = stand_in(room, "0123456789abcdef").changes

    assert [(move.value, move.before) for move in change.moves] == [(text, before)]


def test_a_create_gives_nothing_up_and_a_delete_takes_nothing() -> None:
    born = Change("right", "create", (Move("f", "a", None, ""),))

    assert list(given_up(MAIL, replace(gone(1, "a"), changes=(born,)), born, line)) == []
    assert list(taken(MAIL, Change("right", "delete", (Move("f", None, "a", ""),)), line)) == []


def test_who_makes_room_is_emptied_where_others_ask_for_its_values_and_says_why() -> None:
    why = "makes room: its value goes to another record first"
    first = replace(swap(1, "b", "a"), changes=(
        Change("right", "update", (Move("f", "b", "a", ""), Move("free", "n", "o", ""))),
        Change("left", "update", (Move("g", "x", "y", ""),)),
    ), rank=2)  # fmt: skip

    room, own, other = in_waves(first, swap(2, "a", "b"))

    assert room.changes == (Change("right", "update", (Move("f", None, "a", why),), why, parks=True),)
    assert (room.rank, room.pair.key, own.pair.key, other.pair.key) == (0, 1, 1, 2)
    assert own.changes == first.changes
    assert room.wave < other.wave < own.wave


def test_who_is_asked_for_values_on_both_sides_makes_room_on_both() -> None:
    one = Decision(Pair(1), Look("here"), Look("here"), (
        Change("right", "update", (Move("f", "b", "a", ""),)), Change("left", "update", (Move("g", "q", "p", ""),)),
    ))  # fmt: skip
    two = replace(one, pair=Pair(2), changes=(
        Change("right", "update", (Move("f", "a", "b", ""),)), Change("left", "update", (Move("g", "p", "q", ""),)),
    ))  # fmt: skip

    room = in_waves(one, two)[0]

    assert [(c.side, c.op, c.parks, [m.field for m in c.moves]) for c in room.changes] == [
        ("right", "update", True, ["f"]), ("left", "update", True, ["g"]),
    ]  # fmt: skip
