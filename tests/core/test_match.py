"""Stories of records that look for a partner."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from daemon.core.match import Ambiguous, Found, Seat, match
from daemon.core.rules import Match, Side

NUMBER, MAIL = Match(("number",)), Match(("email",))


@dataclass
class Candidate:
    number: int
    keys: Sequence[str | None]
    taken: bool


@dataclass
class Matches:
    sure: tuple[tuple[int, int], ...]
    asked: tuple[tuple[int, int], ...]
    ambiguous: dict[Side, dict[int, int]]


def one(number: int, *keys: str | None, taken: bool = False) -> Candidate:
    return Candidate(number, keys, taken)


def found(left: Sequence[Candidate], right: Sequence[Candidate], *alternatives: Match) -> Matches:
    sides: dict[Side, Sequence[Candidate]] = {"left": left, "right": right}

    def seats(index: int) -> Iterator[Seat]:
        everybody = [(side, c) for side, candidates in sides.items() for c in candidates]
        keyed = [(key, side, c) for side, c in everybody if (key := c.keys[index]) is not None]
        return iter(sorted(Seat(key.encode(), side, c.number, c.taken) for key, side, c in keyed))

    findings = list(match(alternatives or (NUMBER, MAIL), seats))
    pairs: dict[Any, list[tuple[int, int]]] = {"auto": [], "ask": []}
    for pair in findings:
        if isinstance(pair, Found):
            pairs[pair.confirm].append((pair.left, pair.right))
    torn = [torn for torn in findings if isinstance(torn, Ambiguous)]
    ambiguous: dict[Side, dict[int, int]] = {s: {t.number: t.rivals for t in torn if t.side == s} for s in sides}
    return Matches(tuple(sorted(pairs["auto"])), tuple(sorted(pairs["ask"])), ambiguous)


def test_one_and_one_belong_together() -> None:
    assert found([one(1, "7", "a"), one(2, "8", "b")], [one(9, "7", "x")]).sure == ((1, 9),)


def test_alternatives_are_asked_in_order_and_the_first_that_finds_decides() -> None:
    result = found([one(1, "7", "a")], [one(8, "9", "a"), one(9, "7", "b")])

    assert result.sure == ((1, 9),)
    assert found([one(1, "7", "a")], [one(8, "9", "a")]).sure == ((1, 8),)


def test_a_pair_of_the_first_alternative_is_not_in_the_way_of_the_second() -> None:
    result = found([one(1, "7", "a"), one(2, "8", "a")], [one(9, "7", "a"), one(10, "5", "a")])

    assert result.sure == ((1, 9), (2, 10))


def test_emptiness_matches_nobody() -> None:
    result = found([one(1, None, None)], [one(9, None, None), one(10, None, None)])

    assert result == Matches((), (), {"left": {}, "right": {}})


def test_the_first_few_who_share_a_key_are_named() -> None:
    seats = [Seat(b"7", "left", n) for n in range(9)] + [Seat(b"7", "right", 1, True), Seat(b"7", "right", 2)]

    torn = list(match([NUMBER], lambda _: seats))

    assert torn[0] == Ambiguous("left", 0, 10, (0, 1, 2, 3, 4, 5), (1, 2))
    assert torn[-1] == Ambiguous("right", 2, 10, (0, 1, 2, 3, 4, 5), (1, 2))
    assert len(torn) == 10


@pytest.mark.parametrize("flip", [False, True])
def test_two_candidates_are_ambiguous_for_all_three(flip: bool) -> None:
    few, many = [one(1, "7", None)], [one(8, "7", None), one(9, "7", None)]
    result = found(many, few) if flip else found(few, many)
    side_few, side_many = ("right", "left") if flip else ("left", "right")

    assert result.sure == ()
    assert result.ambiguous[side_few] == {1: 2}
    assert result.ambiguous[side_many] == {8: 2, 9: 2}


def test_who_is_ambiguous_by_the_first_alternative_is_not_saved_by_the_second() -> None:
    result = found([one(1, "7", "a")], [one(8, "7", "a"), one(9, "7", "b")])

    assert result.sure == ()
    assert set(result.ambiguous["right"]) == {8, 9}


def test_a_taken_partner_is_no_partner_and_is_told_about() -> None:
    result = found([one(1, "7", None)], [one(9, "7", None, taken=True)])

    assert result.sure == ()
    assert result.ambiguous["left"] == {1: 1}
    assert result.ambiguous["right"] == {}


def test_a_pair_that_shares_its_own_key_still_stands_in_the_way_of_the_next_alternative() -> None:
    left = [one(1, "8", "a"), one(2, "7", "a", taken=True)]
    right = [one(9, "7", "a", taken=True)]

    assert found(left, right).ambiguous == {"left": {1: 2}, "right": {}}


@pytest.mark.parametrize("taken", [False, True])
def test_twins_of_one_side_wait_even_where_nobody_is_across(taken: bool) -> None:
    result = found([one(1, "7", None), one(2, "7", None, taken=taken)], [])

    assert set(result.ambiguous["left"]) == ({1} if taken else {1, 2})


def test_what_a_person_has_to_confirm_is_asked_and_still_takes_both() -> None:
    ask = Match(("name",), confirm="ask")

    result = found([one(1, "7", "a"), one(2, "6", "a")], [one(9, "5", "a")], NUMBER, ask)
    assert result.asked == ()
    assert set(result.ambiguous["left"]) == {1, 2}

    result = found([one(1, "7", "a")], [one(9, "5", "a")], NUMBER, ask)
    assert (result.sure, result.asked) == ((), ((1, 9),))
    result = found([one(1, "7", "a")], [one(9, "7", "a")], NUMBER, ask)
    assert (result.sure, result.asked) == (((1, 9),), ())


def test_nobody_is_in_two_places() -> None:
    left = [one(n, str(n % 5), str(n % 3), taken=n % 7 == 0) for n in range(20)]
    right = [one(n, str(n % 9), str(n % 4), taken=n % 6 == 0) for n in range(100, 118)]

    result = found(left, right)

    pairs = result.sure + result.asked
    for side, index in (("left", 0), ("right", 1)):
        names = [pair[index] for pair in pairs] + list(result.ambiguous[side])
        assert len(names) == len(set(names))
    assert not {n for pair in pairs for n in pair} & ({0, 7, 14} | {102, 108, 114})


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("count", [2, 3])
def test_twins_of_one_side_wait_and_say_how_many_others_there_are(side: str, count: int) -> None:
    twins = [one(number, "7") for number in range(count)]
    sides: Any = {"left": [], "right": []} | {side: twins}

    result = found(sides["left"], sides["right"], NUMBER)

    assert result.ambiguous[side] == dict.fromkeys(range(count), count - 1)  # type: ignore[index]
    assert result.sure == ()
