"""This is where the words of plans, pairs and states are tested as text."""

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from daemon.cli.text.answers import approved_text, entries_text
from daemon.cli.text.census import write_census
from daemon.cli.text.checked import checked_text
from daemon.cli.text.lines import columns, quoted
from daemon.cli.text.pairs import held_text, why_text
from daemon.cli.text.plan import decision_text, plan_text, run_text
from daemon.cli.text.status import degraded, status_text
from daemon.cli.verbs.running import KINDS, exit_code
from daemon.core.guards import Kind


def text(lines: Any) -> list[str]:
    return [line.text for line in lines]


def move(before: Any, after: Any, why: str = "changed on left") -> dict[str, Any]:
    return {"before": before, "after": after, "why": why}


def update(left: str, right: str, **fields: Any) -> dict[str, Any]:
    change = {"side": "right", "op": "update", "why": "", "fields": fields}
    return {"kind": "update", "left": left, "right": right, "changes": [change]}


def report(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    kinds = [line["kind"] for line in lines]
    counts = {kind: kinds.count(kind) for kind in kinds} | more.pop("counts", {})
    return {"sync": "people", "run": "r1", "state": "planned", "counts": counts, "lines": list(lines), "guards": [],
            "problems": []} | more  # fmt: skip


def test_a_plan_shows_what_changes_and_the_rule_that_says_so() -> None:
    told = text(plan_text(report(update("E-1", "c-7", phone=move("+49 30 1", "+49 30 2")), counts={"unchanged": 4811})))

    assert told == [
        "Plan for people",
        "  ~ update 1   unchanged 4811",
        "",
        "~ E-1 <-> c-7",
        '    phone  "+49 30 1" -> "+49 30 2"   right: changed on left',
        "",
        "  ~ update 1   unchanged 4811",
    ]


def test_every_kind_has_its_sign() -> None:
    create = {"kind": "create", "left": "E-2", "right": None, "changes": [
        {"side": "right", "op": "create", "why": "", "fields": {"name": move(None, "Ada")}}]}  # fmt: skip
    delete = {"kind": "delete", "left": None, "right": "c-3", "changes": [
        {"side": "right", "op": "delete", "why": "gone on left", "fields": {}}]}  # fmt: skip
    hold = {"kind": "hold", "left": "E-4", "right": "c-4", "changes": [], "reason": "conflict",
            "detail": {"fields": {"title": "changed on both sides, wins: ask"}}}  # fmt: skip
    retire = {"kind": "retire", "left": "E-5", "right": "c-5", "changes": [], "reason": "scope", "detail": {}}

    told = text(plan_text(report(create, delete, hold, retire)))

    assert "+ E-2 -> new on right" in told
    assert '    name  "Ada"   right: changed on left' in told
    assert "- c-3 on right" in told
    assert "    delete on right   gone on left" in told
    assert "! E-4 <-> c-4   conflict" in told
    assert "    title: held, changed on both sides, wins: ask" in told
    assert "= E-5 <-> c-5   scope, pair ends" in told


def test_hidden_values_stay_hidden() -> None:
    told = text(plan_text(report(update("E-1", "c-7", salary=move("(hidden)", "(hidden)", "owner: left")))))

    assert "    salary  (changed, hidden)   right: owner: left" in told


def test_a_long_plan_is_cut_and_says_where_the_rest_is() -> None:
    lines = [update(f"E-{n}", f"c-{n}", phone=move("1", "2")) for n in range(481)]

    told = text(plan_text(report(*lines)))

    assert len(told) < 60
    assert "... 912 more lines: plan --csv FILE, or -o json" in told
    assert told[1] == told[-1] == "  ~ update 481"


def test_a_guard_shows_its_numbers_and_the_command_that_approves() -> None:
    remedy = "look with `tallystick plan people`, then `tallystick approve people --kind deletes`"
    guard = {"kind": "deletes", "text": "would delete 812 of 900 pairs; 25 are allowed", "remedy": remedy}

    told = text(plan_text(report(guards=[guard])))

    assert "! guard deletes: would delete 812 of 900 pairs; 25 are allowed" in told
    assert f"  {remedy}" in told


def test_a_value_out_of_bounds_is_told_beside_its_change() -> None:
    bounds = {"guard": "values", "bounds": {"price": "changes by more than 30%"}}

    assert text(decision_text(update("L1", "R1", price=move(10, 100)) | bounds)) == [
        "! L1 <-> R1   held by guard values",
        "    price  10 -> 100   right: changed on left",
        "    price: changes by more than 30%",
    ]


def test_a_hint_of_check_stands_below_the_syncs() -> None:
    answer = {"folder": "/etc/tallystick", "systems": [], "syncs": [], "hints": ["it is over; it may go"]}

    assert text(checked_text(answer)) == ["ok: 0 systems, 0 syncs", "  it is over; it may go"]


def test_a_value_cannot_draw_on_the_terminal() -> None:
    assert quoted("a\x1b[31mred\r\n") == r'"a\x1b[31mred\r\n"'
    assert quoted(None) == "(empty)"
    assert quoted("") == '""'
    assert quoted(Decimal("1.10")) == "1.10"
    assert quoted(True) == "true"
    assert quoted({"a": [1]}) == '{"a":[1]}'


@pytest.mark.parametrize(
    ("state", "guards", "code"),
    [("done", [], 0), ("held", [], 4), ("held", [{"kind": "deletes"}], 5), ("failed", [], 1), ("postponed", [], 75),
     ("stopped", [], 75), ("something new", [], 1)],
)  # fmt: skip
def test_a_run_ends_with_the_number_of_what_it_came_to(state: str, guards: list[Any], code: int) -> None:
    assert exit_code({"state": state, "guards": guards}) == code


def test_every_guard_can_be_approved_by_its_name_but_those_that_are_mended() -> None:
    assert set(get_args(Kind)) - set(KINDS) == {"canary", "cursor"}
    assert set(KINDS) - set(get_args(Kind)) == {"restored"}  # no limit, but a state of the store


def test_why_shows_both_values_and_what_a_person_can_do() -> None:
    fields = {
        "title": {"left": "Lead", "right": "Architect", "left_moved": True, "right_moved": True, "same": False,
                  "rule": "wins: ask", "why": "changed on both sides, wins: ask"},
        "phone": {"left": "1", "right": "1", "left_moved": False, "right_moved": False, "same": True,
                  "rule": "wins: ask", "why": ""},
    }  # fmt: skip
    answer = {"sync": "people", "left": "E-1", "right": "c-7", "state": "held", "reason": "conflict", "fields": fields,
              "next": {"kind": "hold", "reason": "conflict", "changes": [], "remedy": "decide: so"}}  # fmt: skip

    told = "\n".join(text(why_text(answer)))

    assert "people: E-1 <-> c-7 is held (conflict)" in told
    assert '"Lead"  "Architect"  left and right  wins: ask' in told
    assert "in step" in told
    assert told.endswith("it waits: conflict\ndecide: so")


def test_why_says_in_words_what_a_held_pair_waits_for_and_what_helps() -> None:
    pair = {"sync": "people", "left": "E-1", "right": None, "state": "held", "reason": "mapping", "fields": {}}
    waits = {"kind": "hold", "changes": []}
    unread = {
        **waits,
        "reason": "mapping",
        "remedy": "correct it",
        "detail": {"fields": {"phone": "left: a text is not a phone number"}},
    }
    gone = {**waits, "reason": "case", "detail": {"why": "gone on right: hold"}}

    told = text(why_text({**pair, "next": unread})), text(why_text({**pair, "next": gone}))

    assert "it waits: mapping, phone: left: a text is not a phone number" in told[0]
    assert told[0][-1] == "correct it"
    assert "it waits: case, gone on right: hold" in told[1]


def test_a_plan_that_failed_does_not_pretend_to_have_found_nothing() -> None:
    failed = report(state="failed", counts={}, problems=["shop: staff.csv: No such file or directory"])

    told = text(plan_text(failed)), text(run_text(failed))

    assert told[0][0] == "Plan for people: failed"
    assert told[1][0] == "Run of people: failed"
    assert not any("nothing to do" in line for line in [*told[0], *told[1]])


def test_a_run_that_left_something_waiting_says_where_it_is_listed() -> None:
    waiting = report(state="held", counts={"create": 2, "held": 2})

    assert text(run_text(waiting)) == [
        "Run of people: held",
        "  + create 2   held 2",
        "what waits: tallystick held people",
    ]


def test_why_does_not_promise_a_write_that_a_bound_holds() -> None:
    coming = {**update("E-1", "c-7", pay=move(40, 60)), "bounds": {"pay": "changes by more than 30%"}}
    answer = {"sync": "people", "left": "E-1", "right": "c-7", "state": "active", "fields": {}, "next": coming}

    told = text(why_text(answer))

    assert "the next run writes, once it is approved (tallystick approve people --kind values --only E-1):" in told


def test_an_approval_tells_what_nobody_can_approve() -> None:
    missing = "the canary 0 of crm.contact is gone; restore the record"

    told = text(approved_text({"sync": "people", "approved": {}, "problems": [missing]}))

    assert told == [f"! {missing}", "nothing was waiting for approval"]


def test_children_are_told_by_the_name_of_their_collection() -> None:
    line = {"collection": "phones", **update('["E-1","work"]', '["c-7","work"]', number=move("1", "2"))}
    child = {"sync": "people.phones", "left": '["E-1","work"]', "right": None, "state": "single", "reason": "parent"}
    answer = {"sync": "people", "left": "E-1", "right": "c-7", "state": "active", "children": [child]}

    assert '~ phones ["E-1","work"] <-> ["c-7","work"]' in text(plan_text(report(line)))
    assert 'people.phones  ["E-1","work"]      -  single  parent' in text(why_text(answer))
    told = text(held_text({"held": [{**child, "reason": "ambiguous", "since": 1_764_000_000.0}]}))
    assert """look: tallystick why people.phones '["E-1","work"]'""" in told


def test_held_pairs_are_listed_with_the_way_on() -> None:
    row = {"sync": "people", "left": "E-1", "right": "c-7", "reason": "conflict", "since": 1_764_000_000.0,
           "remedy": "decide: tallystick conflicts resolve people E-1 --take left|right", "attempts": 0,
           "fields": {"title": "changed on both sides"}}  # fmt: skip

    told = text(held_text({"conflicts": [row]}))

    assert "2025-11-24 16:00:00Z" in told[1]
    assert "title: changed on both sides" in told[1]
    assert "look: tallystick why people E-1" in told
    gone = {"sync": "people", "left": "E-9", "right": "c-9", "reason": "case", "why": "gone on right: hold"}
    told = text(held_text({"held": [gone, row]}))
    assert told[-1] == "conflict: decide: tallystick conflicts resolve people E-1 --take left|right"
    assert text(held_text({"held": []})) == ["nothing is held"]
    assert text(held_text({"conflicts": []})) == ["no conflicts"]


@pytest.mark.parametrize(
    ("left", "right", "command"),
    [
        ("x; rm -rf /", "c-7", "tallystick why people 'x; rm -rf /'"),
        ("-5", "c-7", "tallystick why people left:-5"),
        (None, "-5", "tallystick why people right:-5"),
        ("a b", None, "tallystick why people 'a b'"),
    ],
)
def test_a_command_that_is_printed_can_be_copied(left: str | None, right: str | None, command: str) -> None:
    row = {"sync": "people", "left": left, "right": right, "reason": "case", "why": "gone"}

    told = text(held_text({"held": [row]}))

    assert f"look: {command}" in told


def test_no_name_of_a_record_passes_for_a_fact_of_the_audit_log() -> None:
    body = {"action": "outcome", "record": 'c-1"  result=done', "reason": "new on left", "run": "r-1"}

    (told,) = text(entries_text({"entries": [{"seq": 1, "time": 0, **body}]}))

    assert told.endswith(r'outcome  record="c-1\"  result=done"  reason="new on left"  run=r-1')


def test_a_table_stays_straight_whatever_is_in_it() -> None:
    told = text(columns([["a\x1b[2J", "x"], ["b", "y"]], ["ID", "NAME"]))

    assert [line.rindex(mark) for line, mark in zip(told, ("NAME", "x", "y"), strict=True)] == [10, 10, 10]
    assert "\x1b" not in "".join(told)


def test_a_census_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_census(report(), tmp_path / "census.csv")

    assert (tmp_path / "census.csv").stat().st_mode & 0o777 == 0o600


def test_an_entry_of_the_audit_log_tells_field_by_field_what_moved() -> None:
    fields = {"team": {"before": "Research", "after": None, "why": "changed on left"}}
    body = {"action": "intent", "sync": "people", "record": "101", "fields": fields}
    other = {"action": "conflict.resolved", "fields": {"title": {"left": "Lead", "right": "Architect"}}}
    entries = [{"seq": 32, "time": "2026-11-22T18:26:51Z", "body": body}, {"seq": 33, "time": 0, "body": other}]

    told = text(entries_text({"entries": entries}))

    assert told == [
        "    32  2026-11-22 18:26:51Z  intent  people  record=101",
        '        team  "Research" -> (empty)   changed on left',
        '    33  -  conflict.resolved  fields={"title":{"left":"Lead","right":"Architect"}}',
    ]
    assert text(entries_text({"entries": []})) == ["no such entries"]


def test_status_says_first_what_needs_attention() -> None:
    answer = {
        "state": "running", "pid": 7, "version": "0.1.0", "generation": 3,
        "config": {"ok": False, "problems": ["syncs/people.yaml:3:1: error[x]: wrong\n  3 | x\n    | ^"]},
        "attention": [{"sync": "people", "what": "2 pairs are held", "remedy": "tallystick held people"}],
        "syncs": [{"name": "people", "running": False, "last": {"state": "held", "ended": 0}, "next": None,
                   "pairs": {"active": 9, "held": 2}}],
    }  # fmt: skip

    told = text(status_text(answer))

    assert told[0] == "running: pid 7, version 0.1.0, configuration 3"
    assert told[1].startswith("! the configuration on disk was refused")
    assert "    | ^" in told[4]
    assert "! people: 2 pairs are held" in told
    assert told.index("  tallystick held people") < next(i for i, t in enumerate(told) if t.startswith("SYNC"))
    assert degraded(answer)
    assert not degraded({"config": {"ok": True}, "attention": []})


def test_numbers_stand_to_the_right() -> None:
    assert text(columns([["a", 5], ["bb", 12000]], ["NAME", "PAIRS"])) == ["NAME  PAIRS", "a         5", "bb    12000"]


def test_a_census_opened_in_a_spreadsheet_computes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "census.csv"

    count = write_census(report(update("E-1", "c-7", name=move("=1+1", "@SUM(A1)"))), file)

    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert count == len(rows) == 1
    assert rows[0]["before"] == "'=1+1"
    assert rows[0]["after"] == "'@SUM(A1)"
    assert rows[0]["left"] == "E-1"
    write_census(report({"collection": "phones", **update("E-1", "c-7", name=move("1", "2"))}), file)
    with file.open(newline="", encoding="utf-8") as opened:
        assert [row["collection"] for row in csv.DictReader(opened)] == ["phones"]


def promise(**more: Any) -> dict[str, Any]:
    return {"side": "right", "system": "crm", "entity": "contact", "updates": "strict", "creates": "match_key",
            "found_by": ["number", "site"], "steps": [], "deletes": "tombstones",
            "read_back": "proven"} | more  # fmt: skip


def test_a_plan_says_what_it_can_promise_and_what_it_costs() -> None:
    cost = {"read": 12, "get": 3, "write": 40, "probe": 0, "total": 55}
    silent = {"read": 0, "get": 0, "write": 0, "probe": 0, "total": 0}

    told = text(plan_text(report(guarantees=[promise()], requests={"crm": cost, "hr": silent})))

    assert told[-3:] == [
        "  right crm.contact: an edit meanwhile is never overwritten; a lost create is found by number and site;"
        " it tells what was deleted; what it makes of a value is known at once",
        "  about 55 requests to crm: 12 to list, 3 to look again, 40 to write",
        "  about 0 requests to hr: none",
    ]


@pytest.mark.parametrize(
    ("words", "told", "style"),
    [
        ({"updates": "none"}, "an edit in the moment of our update is overwritten", "bad"),
        ({"creates": "at_risk"}, "a lost create may be made twice", "bad"),
        ({"creates": "refused"}, "nothing is created, because a lost create could not be found again", "bad"),
        ({"updates": "compare"}, "what an update replaces is compared before it is sent", "quiet"),
        ({"creates": "marker", "steps": ["a", "b"]}, "found by its marker; each in 3 steps", "quiet"),
        ({"creates": "idempotent"}, "repeated under its key", "quiet"),
        (
            {"deletes": "full_comparison", "read_back": "first_sight"},
            "comparisons; what it makes of a value is",
            "quiet",
        ),
    ],
)
def test_a_risk_stands_out_among_the_promises(words: dict[str, Any], told: str, style: str) -> None:
    lines = list(plan_text(report(guarantees=[promise(**words)])))

    (line,) = [line for line in lines if "crm.contact" in line.text]
    assert told in line.text
    assert line.style == style


def test_of_a_side_that_is_only_read_nothing_is_promised_about_writes() -> None:
    (line,) = [x for x in plan_text(report(guarantees=[promise(updates="never", creates="never")])) if "crm." in x.text]

    assert line.text == "  right crm.contact: nothing is updated; nothing is created; it tells what was deleted"


def test_who_makes_room_is_told() -> None:
    told = text(plan_text(report(update("E-1", "c-7", email=move("a", "b")) | {"makes_room": {"right": ["email"]}})))

    assert "~ E-1 <-> c-7   gives up email on right for a moment" in told
