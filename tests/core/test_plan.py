"""Every way in which a record can be missing, under every case."""

from dataclasses import replace
from typing import Any

import pytest

from connectors.paths import ABSENT
from daemon.core.mapping import Place, compile_rule
from daemon.core.model import Look, Pair
from daemon.core.plan import decide_pair, decide_single
from daemon.core.rules import Cases
from tests.core.things import half, here, item, line, rule, sync

KNOWN = Pair(1, half({"f": "a"}, id="L"), half({"f": "a"}, id="R"))
SAME, GONE, UNKNOWN = here({"f": "a"}), Look("gone"), Look("unknown")
EDITED = here({"f": "b"})
OUTSIDE = Look("outside", item({"f": "a"}))
CASES = ("hold", "ignore", "delete", "deactivate", "retire")


def decided(left: Look, right: Look, **cases: Any) -> Any:
    return decide_pair(sync(rule(), cases=Cases(**cases)), KNOWN, left, right, line)


def ops(decision: Any) -> list[tuple[str, str]]:
    return [(change.side, change.op) for change in decision.changes]


def expected(case: str, survivor: str, reason: str) -> tuple[Any, ...]:
    if case in ("delete", "deactivate"):
        return [(survivor, case)], "retired", reason
    return [], *(("retired", reason) if case in ("retire", "ignore") else ("held", "case"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_gone_on_one_side(case: Any, side: str) -> None:
    looks = (GONE, SAME) if side == "left" else (SAME, GONE)
    decision = decided(*looks, **{f"gone_{side}": case})

    assert (ops(decision), decision.state, decision.reason) == expected(case, _across(side), "gone")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_gone_here_and_changed_there_has_a_case_of_its_own(case: Any, side: str) -> None:
    looks = (GONE, EDITED) if side == "left" else (EDITED, GONE)
    decision = decided(*looks, gone_left="delete", gone_right="delete", gone_and_changed=case)

    assert (ops(decision), decision.state, decision.reason) == expected(case, _across(side), "gone")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_out_of_scope_on_one_side(case: Any, side: str) -> None:
    looks = (OUTSIDE, SAME) if side == "left" else (SAME, OUTSIDE)
    decision = decided(*looks, **{f"out_of_scope_{side}": case}, gone_left="delete", gone_right="delete")

    assert (ops(decision), decision.state, decision.reason) == expected(case, _across(side), "scope")


@pytest.mark.parametrize("survivor", [GONE, OUTSIDE, UNKNOWN])
def test_nothing_is_ever_deleted_that_is_not_seen_to_be_here(survivor: Look) -> None:
    everything = {f"{word}_{side}": "delete" for word in ("gone", "out_of_scope") for side in ("left", "right")}

    for looks in ((GONE, survivor), (survivor, GONE), (OUTSIDE, survivor), (survivor, OUTSIDE)):
        assert not decided(*looks, gone_and_changed="delete", **everything).changes


def test_gone_on_both_sides_ends_the_pair() -> None:
    decision = decided(GONE, GONE)

    assert (decision.state, decision.reason, decision.changes) == ("retired", "gone", ())


@pytest.mark.parametrize("looks", [(UNKNOWN, SAME), (SAME, UNKNOWN), (UNKNOWN, UNKNOWN)])
def test_what_could_not_be_read_is_held(looks: tuple[Look, Look]) -> None:
    decision = decided(*looks)

    assert (decision.state, decision.reason, decision.changes) == ("held", "unreachable", ())


def test_a_delete_tells_what_the_record_said() -> None:
    (change,) = decided(GONE, SAME, gone_left="delete").changes

    assert [(m.field, m.value, m.before) for m in change.moves] == [("f", None, "a")]


def test_changes_on_both_sides_go_right_first_and_have_a_line() -> None:
    law = sync(rule("f"), rule("g"))
    pair = replace(KNOWN, left=half({"f": "a", "g": "a"}), right=half({"f": "a", "g": "a"}))

    decision = decide_pair(law, pair, here({"f": "L", "g": "a"}), here({"f": "a", "g": "R"}), line)

    assert ops(decision) == [("right", "update"), ("left", "update")]
    assert decision.line
    other = decide_pair(law, pair, here({"f": "M", "g": "a"}), here({"f": "a", "g": "R"}), line)
    assert other.line != decision.line


def alone(values: Any, side: Any = "left", wanted: bool = True, faults: Any = None, **more: Any) -> Any:
    seen = item(values, faults=faults)
    law = sync(rule("f"), rule("g"), **more)
    return decide_single(law, Pair(1), side, seen, line, wanted=wanted, new=True)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_newcomer_is_created_across_with_everything_it_says(side: str) -> None:
    decision = alone({"f": "a", "g": False}, side)

    assert ops(decision) == [(_across(side), "create")]
    assert {m.field: m.value for m in decision.changes[0].moves} == {"f": "a", "g": False}
    assert decision.kind == "create"


@pytest.mark.parametrize("nothing", [None, "", ABSENT, []])
def test_emptiness_is_not_written_at_birth(nothing: Any) -> None:
    assert [m.field for m in alone({"f": nothing, "g": "x"}).changes[0].moves] == ["g"]


@pytest.mark.parametrize(
    ("case", "wanted", "state", "reason"),
    [("ignore", True, "single", "ignored"), ("hold", True, "held", "case"), ("create", False, "single", "ignored")],
)
def test_a_newcomer_that_is_not_to_be_copied(case: Any, wanted: bool, state: str, reason: str) -> None:
    decision = alone({"f": "a", "g": "b"}, wanted=wanted, cases=Cases(new_left=case, new_right="create"))

    assert (decision.state, decision.reason, decision.changes) == (state, reason, ())


def test_a_newcomer_with_a_fault_is_not_created_in_part() -> None:
    decision = alone({"f": "a", "g": ABSENT}, faults={"g": "not a number"})

    assert (decision.state, decision.reason, decision.changes) == ("held", "mapping", ())


def test_what_cannot_be_written_there_is_not_written_at_birth() -> None:
    reading = compile_rule("f", left=Place("f"), right=Place("upper(f)"), owner="right")

    decision = decide_single(sync(reading), Pair(1), "left", item({"f": "a"}), line, wanted=True, new=True)

    assert decision.changes[0].moves == ()


def _across(side: str) -> str:
    return "right" if side == "left" else "left"
