"""What a decision says of itself, word by word: people read it in plans, in `held` and in the audit log."""

from dataclasses import replace
from typing import Any

import pytest

from connectors.paths import ABSENT
from daemon.core.merge import WHOLE, Ruling
from daemon.core.model import UNANSWERED, Change, Decision, Look, Move, Pair, Target
from daemon.core.plan import decide_pair, decide_single
from daemon.core.rules import SIDES, Asked, Cases, Ending, Side, other
from tests.core.things import digest, half, here, item, line, rule, sync

GONE, UNKNOWN = Look("gone"), Look("unknown")
NOBODY = Target("people", "left", "L9")


def pair(left: Any, right: Any, **more: Any) -> Pair:
    """Two halves that agreed on different raw values, so that nobody mistakes one for the other."""
    return Pair(7, half(left, id="L"), half(right, id="R"), **more)


AGREED = pair({"f": "left a"}, {"f": "right a"})


def seen(side: Side, value: str = "a", **more: Any) -> Look:
    """A record that shows *value*, in its side's own way of writing."""
    look = here({"f": value}, **more)
    assert look.item
    shown = replace(look.item, digests={"f": digest(f"{side} {value}")})
    return replace(look, item=replace(shown, record=replace(shown.record, id=side[0].upper())))


def pairwise(lost: Side, mine: Look, theirs: Look) -> tuple[Look, Look]:
    return (mine, theirs) if lost == "left" else (theirs, mine)


def decided(left: Look, right: Look, **more: Any) -> Decision:
    new = more.pop("new", False)
    return decide_pair(sync(rule(), **more), AGREED, left, right, line, new=new)


@pytest.mark.parametrize("side", SIDES)
def test_the_survivor_of_a_lost_record_is_measured_by_its_own_half(side: Side) -> None:
    cases = Cases(**{f"gone_{side}": "retire"}, gone_and_changed="delete")

    quiet = decided(*pairwise(side, GONE, seen(other(side))), cases=cases)
    edited = decided(*pairwise(side, GONE, seen(other(side), "b")), cases=cases)

    assert quiet.state == "retired" and quiet.changes == ()  # noqa: PT018
    assert [(c.side, c.op, c.why) for c in edited.changes] == [(other(side), "delete", f"gone on {side}: delete")]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("lost", "word"), [(GONE, "gone"), (Look("outside", item({"f": "a"})), "out of scope")])
def test_what_is_held_for_its_case_says_which_and_where(side: Side, lost: Look, word: str) -> None:
    cases = Cases(out_of_scope_left="hold", out_of_scope_right="hold")

    decision = decided(*pairwise(side, lost, seen(other(side))), cases=cases)

    assert (decision.reason, decision.detail) == ("case", {"why": f"{word} on {side}: hold"})


def test_what_could_not_be_read_says_so() -> None:
    assert decided(UNKNOWN, seen("right")).detail == {"why": "the record could not be read"}


def test_only_a_delete_repeats_what_the_record_said() -> None:
    law = sync(rule("f"), rule("g"), rule("h"), cases=Cases(gone_and_changed="delete"))
    survivor = here({"f": "a", "g": ABSENT, "h": ""})

    (deleted,) = decide_pair(law, AGREED, GONE, survivor, line).changes
    off = replace(law, cases=Cases(gone_and_changed="deactivate"))
    (switched_off,) = decide_pair(off, AGREED, GONE, survivor, line).changes

    assert deleted.moves == (Move("f", None, "a", "deleted"),)
    assert switched_off == Change("right", "deactivate", (), "gone on left: deactivate")


def ends(do: Any = "delete", side: Side = "left") -> Ending:
    return Ending(Asked(side, lambda fields, at: True), do)


def over(side: Side, **more: Any) -> Look:
    look = seen(side, **more)
    return replace(look, item=replace(look.item, ended=True))  # type: ignore[type-var]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("do", ["delete", "deactivate"])
def test_when_its_time_is_over_the_partner_goes(side: Side, do: Any) -> None:
    decision = decided(*pairwise(side, over(side), seen(other(side))), ending=ends(do, side))

    assert [(c.side, c.op, c.why) for c in decision.changes] == [(other(side), do, f"ended on {side}: {do}")]
    assert (decision.state, decision.reason) == ("retired", "ended")
    assert decision.line == line([["L", "R"], [[c.side, c.op, [[m.field, m.before, m.value] for m in c.moves]]
                                              for c in decision.changes]])  # fmt: skip


@pytest.mark.parametrize("side", SIDES)
def test_an_end_may_only_retire_and_is_quiet_where_the_partner_is_gone(side: Side) -> None:
    retired = decided(*pairwise(side, over(side), seen(other(side))), ending=ends("retire", side))
    alone = decided(*pairwise(side, over(side), GONE), ending=ends("delete", side))

    for decision in (retired, alone):
        assert (decision.state, decision.reason, decision.changes) == ("retired", "ended", ())


@pytest.mark.parametrize("side", SIDES)
def test_an_end_is_only_asked_where_both_can_be_told(side: Side) -> None:
    cases = Cases(out_of_scope_left="retire", out_of_scope_right="retire")
    outside = Look("outside", over(side).item)

    lives = decided(*pairwise(side, seen(side), seen(other(side))), ending=ends(side=side))
    unread = decided(*pairwise(side, over(side), UNKNOWN), ending=ends(side=side))
    left_scope = decided(*pairwise(side, outside, seen(other(side))), ending=ends(side=side), cases=cases)
    theirs = decided(*pairwise(side, seen(side), over(other(side))), ending=ends(side=side))
    gone = decided(*pairwise(side, GONE, seen(other(side))), ending=ends(side=side))

    assert (lives.state, unread.reason, left_scope.reason, theirs.state) == ("active", "unreachable", "scope", "active")
    assert gone.detail == {"why": f"gone on {side}: hold"}


@pytest.mark.parametrize("side", SIDES)
def test_an_end_that_cannot_be_told_holds_the_pair_with_its_fault(side: Side) -> None:
    fault = {UNANSWERED: "no date"}

    decision = decided(*pairwise(side, over(side, faults=fault), seen(other(side))), ending=ends(side=side))

    assert (decision.state, decision.reason, decision.changes) == ("held", "mapping", ())
    assert decision.detail == {"fields": {UNANSWERED: f"{side}: no date"}}


def fields(left: Any, right: Any, *rules: Any, **more: Any) -> Decision:
    base = pair(dict.fromkeys(left, "o"), dict.fromkeys(right, "o"))
    law = sync(*(rules or map(rule, left)))
    return decide_pair(law, base, here(left, **more), here(right), line)


CLASH = "changed on both sides, wins: ask"


def test_a_clash_is_a_conflict_and_the_other_fields_flow() -> None:
    decision = fields({"f": "L", "g": "n"}, {"f": "R", "g": "o"})

    assert (decision.state, decision.reason, decision.held) == ("held", "conflict", {"f": CLASH})
    assert decision.detail == {"fields": {"f": CLASH}}
    assert [(c.side, m.field, m.value, m.why) for c in decision.changes for m in c.moves] == [
        ("right", "g", "n", "changed on left")
    ]


def test_a_clash_at_first_contact_is_a_conflict_too() -> None:
    decision = decide_pair(sync(rule()), Pair(1), here({"f": "L"}), here({"f": "R"}), line, new=True)

    assert (decision.reason, decision.held) == ("conflict", {"f": "first contact, wins: ask"})
    assert decision.new


def test_what_waits_with_its_record_is_no_cause_of_its_own() -> None:
    decision = fields({"f": "L", "g": "n"}, {"f": "R", "g": "o"}, rule("f", hold="record"), rule("g"))

    assert decision.reason == "conflict"
    assert decision.held == {"f": CLASH, "g": f"waits for f, {WHOLE}"}
    assert decision.changes == ()


@pytest.mark.parametrize(
    ("left", "awaited", "reason"),
    [
        ({"f": ABSENT, "g": "o"}, {"f": (NOBODY,)}, "reference"),
        ({"f": ABSENT, "g": "o"}, {}, "mapping"),
        ({"f": ABSENT, "g": ABSENT}, {"f": (NOBODY,)}, "mapping"),
        ({"f": ABSENT, "g": "L"}, {"f": (NOBODY,)}, "mapping"),
    ],
)
def test_a_reference_heals_by_itself_and_any_other_fault_does_not(left: Any, awaited: Any, reason: str) -> None:
    faults = {name: "told" for name, value in left.items() if value is ABSENT}
    look = here(left, faults=faults)
    assert look.item
    look = replace(look, item=replace(look.item, awaits=awaited))
    law = sync(rule("f"), rule("g"))

    decision = decide_pair(law, pair(dict.fromkeys("fg", "o"), dict.fromkeys("fg", "o")), look,
                           here({"f": "o", "g": "R" if left["g"] == "L" else "o"}), line)  # fmt: skip

    assert (decision.state, decision.reason) == ("held", reason)
    assert decision.held["f"] == "left: told"


def test_a_persons_answer_decides_the_clash_it_was_given_for() -> None:
    base, left, right = pair({"f": "o"}, {"f": "o"}), here({"f": "L"}), here({"f": "R"})
    answer = {"f": Ruling("right", digest("L"), digest("R"))}

    decision = decide_pair(sync(rule()), base, left, right, line, rulings=answer)

    assert [(c.side, m.value, m.why) for c in decision.changes for m in c.moves] == [
        ("left", "R", "a person took right")
    ]


def newcomer(values: Any, side: Side = "left", *, faults: Any = None, awaits: Any = None, **more: Any) -> Decision:
    shown = replace(item(values, faults=faults), awaits=awaits or {})
    law = sync(*(more.pop("rules", None) or [rule(name) for name in values]), **more)
    return decide_single(law, Pair(3), side, shown, line, wanted=True, new=True)


@pytest.mark.parametrize("side", SIDES)
def test_a_birth_says_why_and_what_is_known_of_both_sides(side: Side) -> None:
    decision = newcomer({"f": "a"}, side)

    why = f"new on {side}"
    birth = Change(other(side), "create", (Move("f", "a", None, why),), f"{why}, cases.new_{side}: create")
    assert decision.changes == (birth,)
    assert (decision.pair, decision.new, decision.state) == (Pair(3), True, "active")
    assert decision.look(side) == Look("here", item({"f": "a"}))
    assert decision.look(other(side)) == GONE
    ids = ["1", None] if side == "left" else [None, "1"]
    assert decision.line == line([ids, [[other(side), "create", [["f", None, "a"]]]]])


@pytest.mark.parametrize("side", SIDES)
def test_each_side_has_a_case_for_its_newcomers(side: Side) -> None:
    held = newcomer({"f": "a"}, side, cases=Cases(**{f"new_{side}": "hold"}))

    assert (held.state, held.detail) == ("held", {"why": f"cases.new_{side}: hold"})
    assert newcomer({"f": "a"}, other(side), cases=Cases(**{f"new_{side}": "hold"})).changes


def test_a_newcomer_is_born_without_what_refers_to_nobody_yet() -> None:
    decision = newcomer({"f": "a", "g": ABSENT}, faults={"g": "nobody"}, awaits={"g": (NOBODY,)})

    assert [move.field for move in decision.changes[0].moves] == ["f"]
    assert (decision.state, decision.reason) == ("held", "reference")
    assert decision.held == {"g": "left: nobody"}
    assert decision.detail == {"fields": {"g": "left: nobody"}}


@pytest.mark.parametrize(
    ("faults", "awaited", "hold", "reason"),
    [
        ({"g": "told"}, {}, "field", "mapping"),
        ({"g": "told"}, {"g": (NOBODY,)}, "record", "reference"),
        ({"f": "told", "g": "told"}, {"g": (NOBODY,)}, "field", "mapping"),
        ({"g": "told"}, {"f": (NOBODY,), "g": (NOBODY,)}, "record", "reference"),
    ],
)
def test_a_newcomer_with_any_other_fault_is_not_born(faults: Any, awaited: Any, hold: Any, reason: str) -> None:
    rules = [rule("f"), rule("g", hold=hold)]

    decision = newcomer({"f": "a", "g": ABSENT}, faults=faults, awaits=awaited, rules=rules)

    assert (decision.state, decision.reason, decision.changes) == ("held", reason, ())
    assert decision.detail == {"fields": {name: f"left: {fault}" for name, fault in faults.items()}}


def test_a_line_is_given_to_what_changes_or_is_new_and_to_nothing_else() -> None:
    quiet = decided(seen("left"), seen("right"))
    link = decided(seen("left"), seen("right"), new=True)
    changed = decided(seen("left", "b"), seen("right"))

    assert (quiet.line, quiet.new) == (b"", False)
    assert link.line == line([["L", "R"], []])
    assert changed.line == line([["L", "R"], [["right", "update", [["f", "a", "b"]]]]])
    assert decided(GONE, GONE).line == b""


def test_each_side_is_measured_by_its_own_half() -> None:
    decision = decide_pair(sync(rule()), AGREED, seen("left"), seen("right", "b"), line)

    assert [(c.side, m.value, m.why) for c in decision.changes for m in c.moves] == [("left", "b", "changed on right")]
    assert not decision.new


def remapping(held: Any = (), *, settled: bool = False, **looks: Any) -> Decision:
    """A pair whose fields lie elsewhere on the left than they did when it was settled."""
    law = sync(rule("f"), rule("g"), rev="f=2;g=1", remapped=frozenset({"f", "f.left", "g.left"}))
    detail = {"remapped": list(held)} if held else {}
    known = pair({"f": "old place", "g": "o"}, {"f": "o", "g": "o"}, rev=law.mark if settled else b"old", detail=detail)
    return decide_pair(law, known, here(looks.get("left", {"f": "n", "g": "o"})), here({"f": "o", "g": "o"}), line)


MOVED = "the mapping changed, cases.mapping_changed: hold"


def test_what_lies_elsewhere_since_the_pair_was_settled_is_no_edit() -> None:
    decision = remapping()

    assert (decision.state, decision.reason, decision.changes) == ("held", "conflict", ())
    assert decision.held == {"f": MOVED}
    assert decision.detail == {"fields": {"f": MOVED}, "remapped": ["f", "f.left"]}


def test_a_pair_that_was_settled_since_has_edits_again() -> None:
    decision = remapping(settled=True)

    assert [(c.side, m.field, m.value) for c in decision.changes for m in c.moves] == [("right", "f", "n")]


def test_what_is_held_for_its_mapping_stays_so_whatever_was_settled_meanwhile() -> None:
    decision = remapping(["f.left"], settled=True)

    assert decision.held == {"f": MOVED}
    assert decision.detail["remapped"] == ["f.left"]
