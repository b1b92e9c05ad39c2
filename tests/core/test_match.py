"""Stories of records that look for a partner."""

from collections.abc import Sequence

import pytest

from daemon.core.match import Candidate, Matches, match
from daemon.core.rules import Match

NUMBER, MAIL = Match(("number",)), Match(("email",))


def one(name: int, *keys: str | None, taken: bool = False) -> Candidate:
    return Candidate(name, [None if key is None else key.encode() for key in keys], taken)


def found(left: Sequence[Candidate], right: Sequence[Candidate], *alternatives: Match) -> Matches:
    return match(alternatives or (NUMBER, MAIL), left, right)


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


@pytest.mark.parametrize("flip", [False, True])
def test_two_candidates_are_ambiguous_for_all_three(flip: bool) -> None:
    few, many = [one(1, "7", None)], [one(8, "7", None), one(9, "7", None)]
    result = found(many, few) if flip else found(few, many)
    side_few, side_many = ("right", "left") if flip else ("left", "right")

    assert result.sure == ()
    assert result.ambiguous[side_few] == {1: 2}  # type: ignore[index]
    assert result.ambiguous[side_many] == {8: 1, 9: 1}  # type: ignore[index]


def test_who_is_ambiguous_by_the_first_alternative_is_not_saved_by_the_second() -> None:
    result = found([one(1, "7", "a")], [one(8, "7", "a"), one(9, "7", "b")])

    assert result.sure == ()
    assert set(result.ambiguous["right"]) == {8, 9}


def test_a_taken_partner_is_no_partner_and_is_told_about() -> None:
    result = found([one(1, "7", None)], [one(9, "7", None, taken=True)])

    assert result.sure == ()
    assert result.ambiguous["left"] == {1: 1}
    assert result.ambiguous["right"] == {}


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
        names = [pair[index] for pair in pairs] + list(result.ambiguous[side])  # type: ignore[index]
        assert len(names) == len(set(names))
    assert not {n for pair in pairs for n in pair} & ({0, 7, 14} | {102, 108, 114})
