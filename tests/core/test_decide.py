"""The one rule, case by case, in the words that plans and the audit log repeat."""

from typing import Any

import pytest

from connectors.paths import ABSENT
from daemon.core.merge import Motion, Ruling, decide, merge, moved
from daemon.core.rules import Cases
from tests.core.things import digest, half, item, rule, sync


def motion(moved: str = "", **more: Any) -> Motion:
    settings: dict[str, Any] = {"left_moved": "L" in moved, "right_moved": "R" in moved, "equal": False, "known": True}
    return Motion(**(settings | more))


STRANGERS: dict[str, Any] = {"known": False}
EMPTY = {"left_empty": True, "right_empty": True}

ENOUGH = ("remember", "fill: written into emptiness only")

CASES: list[tuple[dict[str, Any], Motion, tuple[str, str]]] = [
    ({}, motion(equal=True), ("nothing", "")),
    ({}, motion("L", equal=True), ("remember", "both sides say the same")),
    ({}, motion("R", equal=True), ("remember", "both sides say the same")),
    ({}, motion(equal=True, known=False), ("remember", "both sides say the same")),
    ({}, motion("L", waiting=True), ("hold", "what was written does not show yet")),
    ({}, motion("L", waiting=True, equal=True), ("remember", "both sides say the same")),
    ({}, motion(**STRANGERS, **EMPTY), ("remember", "both sides are empty, each in its own way")),
    ({}, motion(**EMPTY, remapped="hold"), ("remember", "both sides are empty, each in its own way")),
    ({}, motion("L", **EMPTY), ("left", "changed on left")),
    ({"once": True}, motion("LR"), ("remember", "once: written at birth only")),
    ({"once": True, "first": "left"}, motion(**STRANGERS), ("left", "first contact, first: left")),
    ({"fill": True}, motion(left_empty=True), ("nothing", "")),
    ({"fill": True}, motion("L", left_empty=True), ("right", "left is empty, fill")),
    ({"fill": True}, motion("R", right_empty=True), ("left", "right is empty, fill")),
    ({"fill": True}, motion("L"), ENOUGH),
    (
        {"fill": True},
        motion("L", right_empty=True, left_absent=True),
        ENOUGH,
    ),
    (
        {"fill": True},
        motion("R", left_empty=True, right_absent=True),
        ENOUGH,
    ),
    ({"fill": True, "owner": "left"}, motion("L", left_empty=True), ENOUGH),
    ({"fill": True, "owner": "left"}, motion("L", right_empty=True), ("left", "right is empty, fill")),
    ({"fill": True}, motion(remapped="left"), ("nothing", "")),
    ({}, motion(remapped="hold"), ("hold", "the mapping changed, cases.mapping_changed: hold")),
    ({}, motion(remapped="right"), ("right", "the mapping changed, cases.mapping_changed: right")),
    ({"owner": "left"}, motion(remapped="right"), ("left", "the mapping changed, owner: left")),
    ({}, motion("L", remapped="hold"), ("left", "changed on left")),
    ({"owner": "left"}, motion(), ("nothing", "")),
    ({"owner": "left"}, motion("L"), ("left", "changed on left, owner: left")),
    ({"owner": "left"}, motion("LR"), ("left", "changed on left, owner: left")),
    ({"owner": "left"}, motion("R"), ("left", "right was edited and is put back, owner: left")),
    ({"owner": "left"}, motion(**STRANGERS), ("left", "first contact, owner: left")),
    ({"owner": "right"}, motion("R"), ("right", "changed on right, owner: right")),
    ({"owner": "right"}, motion("L"), ("right", "left was edited and is put back, owner: right")),
    ({"first": "left"}, motion(**STRANGERS, left_empty=True), ("left", "first contact, first: left")),
    ({"first": "right", "wins": "left"}, motion(**STRANGERS), ("right", "first contact, first: right")),
    ({}, motion(**STRANGERS, left_empty=True), ("right", "first contact, an empty side is filled")),
    ({"first": "min"}, motion(**STRANGERS, right_empty=True), ("left", "first contact, an empty side is filled")),
    ({"first": "max"}, motion(**STRANGERS, left_empty=True), ("right", "first contact, an empty side is filled")),
    ({"first": "min"}, motion(**STRANGERS), ("min", "first contact, first: min")),
    ({"first": "ask"}, motion(**STRANGERS, left_empty=True), ("hold", "first contact, first: ask")),
    ({"first": "newest"}, motion(**STRANGERS, left_empty=True), ("newest", "first contact, first: newest")),
    ({}, motion(**STRANGERS), ("hold", "first contact, wins: ask")),
    ({"wins": "right"}, motion(**STRANGERS), ("right", "first contact, wins: right")),
    ({}, motion(), ("nothing", "")),
    ({}, motion("L"), ("left", "changed on left")),
    ({}, motion("R"), ("right", "changed on right")),
    ({}, motion("LR"), ("hold", "changed on both sides, wins: ask")),
    ({"wins": "left"}, motion("LR"), ("left", "changed on both sides, wins: left")),
    ({"wins": "max"}, motion("LR"), ("max", "changed on both sides, wins: max")),
]


@pytest.mark.parametrize(("law", "stand", "told"), CASES)
def test_each_case_has_its_words(law: dict[str, Any], stand: Motion, told: tuple[str, str]) -> None:
    assert decide(rule(**law), stand) == told


KNOWN: Any = {"left": half({"f": "o", "g": "o"}), "right": half({"f": "o", "g": "o"})}


def shown(left: Any, right: Any) -> Any:
    return {"left": item(left), "right": item(right)}


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        ({"f"}, "held"), ({"f.left"}, "held"), ({"f.right"}, "moved"), ({"g.left"}, "moved"), ({"ff"}, "moved"),
        (set(), "moved"),
    ],
)  # fmt: skip
def test_only_where_its_own_mapping_changed_a_fields_new_value_is_no_edit(parts: set[str], outcome: str) -> None:
    law = sync(rule("f"), rule("g"))
    if parts == {"f"}:  # what it means changed, and what it shows did not
        known: Any = KNOWN | {"left": half({"f": "n", "g": "o"})}
    else:
        known = KNOWN

    found = merge(law, known, shown({"f": "n", "g": "o"}, {"f": "o", "g": "o"}), None, parts)

    assert ("held" if "f" in found.held else "moved") == outcome
    assert "g" not in found.held


@pytest.mark.parametrize("case", ["left", "right"])
def test_a_changed_mapping_is_decided_as_its_case_says_and_a_group_moves_as_one(case: Any) -> None:
    law = sync(rule("f"), rule("g"), groups={"both": ("f", "g")}, cases=Cases(mapping_changed=case))

    found = merge(law, KNOWN, shown({"f": "n", "g": "o"}, {"f": "o", "g": "o"}), None, {"f.left"})

    moves = found.to_right if case == "left" else found.to_left
    assert [(m.field, m.value) for m in moves] == [("f", "n" if case == "left" else "o")]
    assert found.settled == {"f", "g"}


def test_what_differs_as_it_always_did_has_nothing_to_do_with_another_fields_mapping() -> None:
    known: Any = {"left": half({"f": "o", "g": "as left writes it"}), "right": half({"f": "o", "g": "as right does"})}
    items = shown({"f": "o", "g": "as left writes it"}, {"f": "o", "g": "as right does"})

    found = merge(sync(rule("f"), rule("g")), known, items, None, {"f.left"})

    assert (found.held, found.to_left, found.to_right) == ({}, (), ())


def test_a_field_that_a_record_does_not_tell_stops_no_other() -> None:
    items = shown({"f": ABSENT, "g": "n"}, {"f": "o", "g": "o"})

    found = merge(sync(rule("f"), rule("g")), KNOWN | {"left": half({"g": "o"})}, items)

    assert [(m.field, m.value) for m in found.to_right] == [("g", "n")]
    assert found.settled == {"g"}


def test_a_field_that_nobody_shows_has_not_moved() -> None:
    assert not moved(half({"f": "o"}), "gone from the mapping", item({"f": "n"}))
    assert not moved(None, "f", item({"f": "n"}))
    assert moved(half({"f": "o"}), "f", item({"f": "n"}))


def test_an_answer_counts_only_while_both_values_stand_there() -> None:
    law, items = sync(rule("f")), shown({"f": "L"}, {"f": "R"})
    answers = {
        "right": Ruling("right", digest("L"), digest("R")),
        "held by its left": Ruling("right", digest("x"), digest("R")),
        "held by its right": Ruling("right", digest("L"), digest("x")),
    }

    told = {name: merge(law, KNOWN, items, {"f": answer}).held for name, answer in answers.items()}

    clash = {"f": "changed on both sides, wins: ask"}
    assert told == {"right": {}, "held by its left": clash, "held by its right": clash}


def test_a_fault_of_either_side_holds_its_field_and_its_group() -> None:
    law = sync(rule("f"), rule("g"), rule("h"), groups={"both": ("f", "g")})
    known: Any = {side: half(dict.fromkeys("fgh", "o")) for side in ("left", "right")}
    right = item({"f": "o", "g": "o", "h": "o"}, faults={"g": "no number"})

    found = merge(law, known, {"left": item({"f": "n", "g": "n", "h": "n"}), "right": right})

    assert found.held == {"f": "right: no number", "g": "right: no number"}
    assert [move.field for move in found.to_right] == ["h"]
    assert found.settled == {"h"}
