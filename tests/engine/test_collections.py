"""Stories of children: phones of persons, in lists on both sides, each a record of its own in its parents' pair."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Capabilities, CursorRule, Permanent
from daemon.core.limits import Announced
from daemon.core.rules import SIDES, Cases, Guards, Limit, Side, other
from daemon.engine.finding import whose
from daemon.engine.people import adopt
from daemon.engine.waiting import held
from daemon.errors import NoSuch
from tests.engine.household import DELETE, OPEN, Household, guarded, left, people, phone, phones, right
from tests.engine.quirks import Quirky, done_but_lost
from tests.engine.world import rule

WORK, HOME = phone("work", "1"), phone("home", "2")


def married(folder: Path, *members: Any, **more: Any) -> Household:
    """Ada on both sides with the same phones, adopted."""
    world = Household(folder, {"L1": left("Ada", *members)}, {"R1": right("Ada", *members)}, **more)
    world.adopted()
    return world


def test_a_plan_shows_the_children_with_their_parents_and_one_approval_lets_both_through(tmp_path: Path) -> None:
    world = Household(tmp_path, {"L1": left("Ada", WORK, HOME)}, {"R2": right("Bob", phone("work", "7"))})

    plan = world.plan()
    assert (plan.state, plan.counts["create"]) == ("planned", 5)
    mine = [told for told in plan.lines if told.get("collection") == "phones"]
    assert {told["left"] for told in mine} == {'["L1","work"]', '["L1","home"]', None}
    assert mine[0]["changes"][0]["fields"]["(parent)"]["after"] == "L1 (created by this run)"
    assert world.run().state == "held"  # nobody approved it, so nothing is born, and no child before its parent
    assert len(world.right.records("person")) == 1

    assert world.approve()["approved"] == {"adopt": 5}
    report = world.run()

    assert (report.state, report.counts["written"]) == ("done", 5), report
    assert world.both("Ada") == ({"work": "1", "home": "2"}, {"work": "1", "home": "2"})
    assert world.both("Bob") == ({"work": "7"}, {"work": "7"})
    world.quiet()


def test_a_child_without_its_key_is_corrected_in_the_file_of_its_parents(tmp_path: Path) -> None:
    world = Household(tmp_path, {"L1": left("Ada", {"number": "1"})}, {})
    world.adopted()

    (told,) = held(world.store, ["people.phones"])

    assert (told["reason"], "syncs/people.yaml" in told["remedy"]) == ("mapping", True), told


def test_nothing_is_approved_where_the_children_cannot_be_read(tmp_path: Path) -> None:
    world = Household(tmp_path, {"L1": left("Ada"), "L2": {"name": "Bob", "phones": "none"}}, {})

    with pytest.raises(Permanent, match="is no list"):
        world.approve()

    assert world.run().state == "held"
    assert world.entries("plan.approved") == []
    assert world.records("right") == {}


def test_children_are_born_in_the_run_that_bears_their_parent(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)

    world.put("left", "Eve", WORK, HOME)
    world.put("right", "Kim", HOME)
    report = world.run()

    assert (report.state, report.counts["create"]) == ("done", 5)
    assert world.both("Eve") == ({"work": "1", "home": "2"}, {"work": "1", "home": "2"})
    assert world.both("Kim") == ({"home": "2"}, {"home": "2"})
    assert world.right.records("person")[world.id("right", "Ada")]["calls"]["plan"] == "flat"
    world.quiet()


def test_what_is_added_and_edited_on_either_side_meets_in_both(tmp_path: Path) -> None:
    world = married(tmp_path, WORK, HOME)

    world.dial("left", "Ada", phone("work", "10"), HOME)
    world.dial("right", "Ada", WORK, phone("home", "20"), phone("car", "30"))
    report = world.run()

    assert report.state == "done"
    assert world.both("Ada") == ({"work": "10", "home": "20", "car": "30"},) * 2
    world.quiet()


def test_a_clash_of_one_phone_waits_and_the_others_flow(tmp_path: Path) -> None:
    world = married(tmp_path, WORK, HOME)
    world.dial("left", "Ada", phone("work", "10"), phone("home", "3"))
    world.dial("right", "Ada", phone("work", "11"), HOME)

    assert world.run().state == "held"
    assert world.both("Ada") == ({"work": "10", "home": "3"}, {"work": "11", "home": "3"})
    (told,) = held(world.store, ["people", "people.phones"])
    assert told["remedy"] == """decide: tallystick conflicts resolve people.phones '["L1","work"]' --take left|right"""

    with world.asked_about(world.child):
        world.resolve('["L1","work"]', "right")
    assert world.run().state == "done"
    assert world.both("Ada") == ({"work": "11", "home": "3"},) * 2
    world.quiet()


@pytest.mark.parametrize("full", [False, True])
def test_a_phone_that_is_taken_out_is_taken_out_across(tmp_path: Path, full: bool) -> None:
    world = married(tmp_path, WORK, HOME)

    world.dial("left", "Ada", HOME)
    report = world.run(full=full)

    assert (report.state, report.counts["delete"]) == ("done", 1), report
    assert world.both("Ada") == ({"home": "2"}, {"home": "2"})
    world.dial("right", "Ada")
    world.run(full=full)
    assert world.both("Ada") == ({}, {})
    world.quiet()


def test_a_phone_taken_out_here_and_edited_there_waits(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)
    world.dial("left", "Ada")
    world.dial("right", "Ada", phone("work", "99"))

    assert world.run().state == "held"
    assert world.both("Ada") == ({}, {"work": "99"})


def test_the_guard_of_the_children_holds_a_mass_removal_and_not_the_parents(tmp_path: Path) -> None:
    many = [phone(f"k{n}", str(n)) for n in range(8)]
    sync = guarded(people(), replace(OPEN, deletes=Limit(share=0.05, count=25, floor=3)))
    world = married(tmp_path, *many, sync=sync)

    world.dial("left", "Ada")
    world.left.edit("person", "L1", {"title": "Dr"})
    report = world.run()

    assert report.state == "held"
    assert [told["kind"] for told in report.guards] == ["deletes"]
    assert report.guards[0]["text"] == "phones: would delete 8 of 8 pairs; 3 are allowed"
    assert "approve people.phones --kind deletes" in report.guards[0]["remedy"]
    assert len(world.numbers("right", "Ada")) == 8
    assert world.right.records("person")["R1"]["title"] == "Dr"
    assert world.approve()["approved"] == {"deletes": 8}
    assert world.run().state == "done"
    assert world.both("Ada") == ({}, {})


@pytest.mark.parametrize("full", [False, True])
def test_the_children_of_a_deleted_parent_go_with_it_and_are_no_deletes_of_their_own(
    tmp_path: Path, full: bool
) -> None:
    world = married(tmp_path, WORK, HOME)

    world.left.remove("person", "L1")
    plan = world.plan(full=full)
    report = world.run(full=full)

    assert plan.counts.get("delete") == 1
    assert (report.state, report.counts["delete"]) == ("done", 1)
    assert world.right.records("person") == {}
    world.run()
    assert {state for *_, state, _ in world.children()} == {"retired"}
    world.quiet()


def test_children_of_a_parent_that_waits_for_a_person_are_left_alone(tmp_path: Path) -> None:
    world = married(tmp_path, WORK, HOME, sync=people(cases=Cases(gone_left="hold")))

    world.left.remove("person", "L1")
    for full in (False, True):
        report = world.run(full=full)

    assert report.state == "held"
    assert len(world.held()) == 1
    assert world.numbers("right", "Ada") == {"work": "1", "home": "2"}
    assert {told[2:] for told in world.children()} == {("retired", "bereft")}
    world.dial("right", "Ada", phone("work", "5"), HOME)
    world.run()
    world.left.put("person", left("Ada", WORK, HOME), "L1")  # it comes back as it was
    world.retry("L1")
    world.run()
    assert world.both("Ada") == ({"work": "5", "home": "2"},) * 2  # what was edited while it was away
    world.quiet()


def test_a_parent_out_of_scope_takes_its_children_along_and_brings_them_back(tmp_path: Path) -> None:
    sync = people()
    scoped = replace(sync.left, scope=lambda fields, _: not fields.get("left"), scope_paths=("left",))
    world = married(tmp_path, WORK, HOME, sync=replace(sync, left=scoped))

    world.left.edit("person", "L1", {"left": True, "phones": [phone("work", "3")]})
    report = world.run()

    assert report.state == "done"
    assert world.numbers("right", "Ada") == {"work": "1", "home": "2"}
    assert {told[2:] for told in world.children()} == {("retired", "parent")}
    world.quiet()
    world.left.edit("person", "L1", {"left": False})
    world.run()
    assert world.both("Ada") == ({"work": "3"}, {"work": "3"})
    world.quiet()


def test_a_mapping_that_changed_while_children_slept_makes_no_edit_of_them(tmp_path: Path) -> None:
    by_rev = phones(rev="number=1;number.left=1;number.right=1")
    sync = people(by_rev)
    scoped = replace(sync.left, scope=lambda fields, _: not fields.get("left"), scope_paths=("left",))
    world = married(tmp_path, WORK, sync=replace(sync, left=scoped))
    world.left.edit("person", "L1", {"left": True, "phones": [{**WORK, "digits": "0"}]})
    world.run()

    rules = tuple(rule("number", left="digits") if one.name == "number" else one for one in by_rev.rules)
    digits = replace(by_rev, rules=rules, rev=by_rev.rev.replace("number.left=1", "number.left=2"))
    world.sync = replace(world.sync, collections=(digits,))
    world.adopted()
    world.run(full=True)
    world.left.edit("person", "L1", {"left": False})

    for full in (False, True, False):
        assert world.run(full=full).state == "held"
    assert world.numbers("right", "Ada") == {"work": "1"}
    assert "the mapping changed" in str(held(world.store, ["people.phones"]))


def test_children_of_whoever_takes_no_part_wait_without_a_word(tmp_path: Path) -> None:
    sync = people(cases=Cases(new_left="ignore"))
    world = Household(tmp_path, {"L1": left("Ada", WORK)}, {"R2": right("Bob")}, sync=sync)

    report = world.adopted()

    assert report.state == "done"
    assert world.held() == []
    assert world.children() == [('["L1","work"]', None, "single", "parent")]
    world.put("right", "Ada", HOME)  # now it gets a partner, and nothing of it was edited
    world.run()
    assert world.both("Ada") == ({"work": "1", "home": "2"},) * 2
    world.quiet()


def test_two_phones_of_one_kind_are_held_as_ambiguous_until_one_is_taken_out(tmp_path: Path) -> None:
    world = married(tmp_path, HOME)
    world.dial("left", "Ada", HOME, WORK, phone("work", "9"))

    assert world.run().state == "held"
    assert world.numbers("right", "Ada") == {"home": "2"}
    assert {told[3] for told in world.children("held")} == {"ambiguous"}
    remedies = [told["remedy"] for told in held(world.store, ["people", "people.phones"])]
    assert all("pairs import people.phones" in remedy for remedy in remedies)

    world.dial("left", "Ada", HOME, WORK)
    assert world.run().state == "done"
    assert world.both("Ada") == ({"home": "2", "work": "1"},) * 2
    world.quiet()


def test_a_phone_without_what_it_is_known_by_waits_and_is_kept(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)
    world.dial("left", "Ada", {"kind": None, "number": "5"}, phone("work", "6"))

    assert world.run().state == "held"
    ((_, _, _, reason),) = world.children("held")
    assert reason == "mapping"
    assert world.numbers("right", "Ada") == {"work": "6"}
    world.dial("right", "Ada", phone("work", "7"))
    world.run()
    assert world.numbers("left", "Ada") == {None: "5", "work": "7"}


def test_unlinked_parents_take_their_children_apart_and_new_partners_join_them(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)
    world.unlink("L1")

    world.run()
    assert {told[2:] for told in world.children()} == {("single", "parent")}
    assert world.both("Ada") == ({"work": "1"}, {"work": "1"})
    world.right.put("person", right("Ada B", phone("work", "4")), "R9")
    world.import_pairs(("L1", "R9"))
    world.run()
    assert world.run(full=True).state == "held"  # name and number clash at first contact
    assert world.right.records("person")["R1"]["calls"]["numbers"] == [WORK]


def test_a_parent_under_a_new_id_keeps_its_children(tmp_path: Path) -> None:
    world = married(tmp_path, WORK, HOME, sync=people(cases=Cases(gone_left="hold")))
    world.left.remove("person", "L1")
    world.left.put("person", left("Ada", phone("work", "5"), HOME), "L9")
    assert world.run(full=True).state == "held"

    world.retry("R1")
    report = world.run()

    assert report.counts.get("delete", 0) == 0
    assert [told for told in world.children() if told[2] == "held"] != []  # at first contact two numbers differ
    assert world.both("Ada") == ({"work": "5", "home": "2"}, {"work": "1", "home": "2"})
    assert world.pairs() == [("L9", "R1", "active", "")]


def test_only_one_parent_is_run_with_its_children_and_only_a_collection_by_its_name(tmp_path: Path) -> None:
    world = Household(
        tmp_path,
        {"L1": left("Ada", WORK), "L2": left("Bob", WORK)},
        {"R1": right("Ada", WORK), "R2": right("Bob", WORK)},
    )
    world.adopted()
    world.dial("left", "Ada", phone("work", "5"))
    world.dial("left", "Bob", phone("work", "6"))

    world.run(only="L1")
    assert (world.numbers("right", "Ada"), world.numbers("right", "Bob")) == ({"work": "5"}, {"work": "1"})
    plan = world.plan(collection="people.phones")
    assert (plan.sync, plan.counts["update"]) == ("people.phones", 1)
    world.run(collection="people.phones")
    assert world.numbers("right", "Bob") == {"work": "6"}


def test_an_announced_mass_change_of_children_is_told_and_testified(tmp_path: Path) -> None:
    world = married(tmp_path, WORK, HOME, sync=guarded(people(), Guards(deletes=Limit(count=0), shrink=1.0)))
    now = datetime.fromtimestamp(world.now).astimezone()
    moving = Announced(now, now + timedelta(hours=2), {"deletes": Limit()}, reason="CHG1: no more desks")
    world.sync = guarded(world.sync, replace(world.child.guards, expect=(moving,)))

    world.dial("left", "Ada")
    report = world.run()

    assert report.state == "done"
    assert "CHG1" in report.problems[0]
    (*_, started) = world.entries("run.started")
    assert started["announced"] == [{"collection": "phones", **moving.told()}]


@pytest.mark.parametrize("key", ["L1", "R1", "left:L1"])
def test_whichever_record_of_a_parent_is_named_its_children_of_both_sides_are_meant(tmp_path: Path, key: str) -> None:
    world = married(tmp_path, WORK, sync=guarded(people(), Guards(creates=Limit(count=0))))
    world.dial("left", "Ada", WORK, phone("car", "3"))
    world.dial("right", "Ada", WORK, HOME)

    assert world.approve(only=key)["approved"] == {"creates": 2}
    report = world.run(only=key)

    assert report.problems == ()
    assert world.both("Ada") == ({"work": "1", "home": "2", "car": "3"},) * 2
    with pytest.raises(NoSuch):
        world.run(only="left:R1")


def test_one_way_children_are_put_right_and_never_taken_out_of_their_source(tmp_path: Path) -> None:
    one_way = phones(cases=Cases(new_right="ignore", gone_left="delete", gone_right="hold"))
    owned = tuple(replace(each, owner="left", wins="ask") for each in one_way.rules)
    world = married(tmp_path, WORK, HOME, sync=people(replace(one_way, rules=owned)))

    world.dial("right", "Ada", phone("work", "77"), phone("car", "5"))
    assert world.run().state == "held"

    assert world.both("Ada") == ({"work": "1", "home": "2"}, {"work": "1", "car": "5"})
    assert DELETE.gone_left == "delete"


def test_the_census_counts_children_with_their_parents(tmp_path: Path) -> None:
    world = Household(tmp_path, {"L1": left("Ada", WORK, HOME)}, {"R1": right("Ada", WORK)})

    census = adopt(
        world.sync, world.drivers, world.store, world.audit, clock=lambda: world.now, run_id="c", actor="local"
    )

    assert (census["matched"], census["unmatched_left"], census["unmatched_right"]) == (2, 1, 0)
    assert [told.get("collection") for told in census["lines"]] == [None, "phones", "phones"]


def test_a_collection_that_is_added_later_waits_by_itself(tmp_path: Path) -> None:
    world = Household(tmp_path, {"L1": left("Ada", WORK)}, {"R1": right("Ada")}, sync=replace(people(), collections=()))
    world.adopted()
    world.sync = people()
    world.left.edit("person", "L1", {"title": "Dr"})

    report = world.run()

    assert report.state == "held"
    assert report.guards[0]["text"] == "phones: the first plan of this sync: 1 decisions wait for approval"
    assert world.right.records("person")["R1"]["title"] == "Dr"
    assert world.numbers("right", "Ada") == {}
    assert world.approve()["approved"] == {"adopt": 1}
    assert world.run().state == "done"
    assert world.numbers("right", "Ada") == {"work": "1"}


def test_another_system_takes_its_children_along(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)
    world.right.name = "copy of crm"
    world.dial("left", "Ada", phone("work", "9"))

    report = world.run()
    assert (report.state, [told["kind"] for told in report.guards]) == ("held", ["tenant"])
    assert world.numbers("right", "Ada") == {"work": "1"}

    assert world.approve("tenant")["approved"] == {"tenant": 2}  # the parents' and the children's
    assert world.children() == []
    world.adopted()
    assert world.run().state == "held"  # at first contact nobody knows whose number is the newer one
    assert world.both("Ada") == ({"work": "9"}, {"work": "1"})


def test_an_alarm_that_nobody_approves_is_told_again(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)
    world.right.name = "copy of crm"

    told = world.approve("deletes")

    assert (told["approved"], len(told["problems"])) == ({}, 2)
    assert told["problems"][1].startswith("phones: crm is not the system that it was")


def test_children_of_a_system_that_went_back_in_time_are_not_believed_either(tmp_path: Path) -> None:
    timed = {"person": Capabilities(cursor=CursorRule("number"), find=frozenset({"name"}), processing_window=0.0)}
    world = Household(tmp_path, {"L1": left("Ada", WORK)}, {}, hr={"capabilities": timed})
    world.adopted()
    world.dial("left", "Ada", phone("work", "2"))
    world.left.edit("person", "L1", {"title": "Dr"})
    world.run()
    world.left = type(world.left)({"person": {"L1": left("Ada", WORK)}}, name="hr", capabilities=timed)

    report = world.run(full=True)

    assert [told["kind"] for told in report.guards] == ["cursor"]
    assert world.store.sync("people").restored
    assert world.store.sync("people.phones").restored
    told = world.approve("restored")
    assert told["approved"] == {"restored": 2}


def test_what_is_told_of_a_parent_tells_its_children(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)

    told = world.why("L1")

    assert [(one["sync"], one["left"], one["right"], one["state"]) for one in told["children"]] == [
        ("people.phones", '["L1","work"]', '["R1","work"]', "active")
    ]
    assert "children" not in why_child(world, '["L1","work"]')


def why_child(world: Household, key: str) -> dict[str, Any]:
    """What is told of a child."""
    sync = whose(world.sync, world.store, key)
    assert sync.name == "people.phones"
    with world.asked_about(sync):
        return world.why(key)


def test_a_key_that_nobody_knows_is_the_parents(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)

    assert whose(world.sync, world.store, "nobody") is world.sync
    (number,) = [told["pair"] for told in world.why("L1")["children"]]
    assert whose(world.sync, world.store, str(number)).name == "people.phones"


def test_a_child_that_sleeps_says_why(tmp_path: Path) -> None:
    world = married(tmp_path, WORK, sync=people(cases=Cases(gone_left="hold")))
    world.left.remove("person", "L1")
    world.run()

    told = why_child(world, '["L1","work"]')

    assert "its parents lost a record" in told["next"]["what"]
    plan = world.plan(full=True)
    assert [line.get("collection") for line in plan.lines] == [None]


def test_a_plan_of_parents_that_end_touches_none_of_their_children(tmp_path: Path) -> None:
    sync = people()
    scoped = replace(sync.left, scope=lambda fields, _: not fields.get("left"), scope_paths=("left",))
    world = married(tmp_path, WORK, sync=replace(sync, left=scoped))
    world.left.edit("person", "L1", {"left": True, "phones": [phone("work", "3"), HOME]})

    plan = world.plan()

    assert [(line["kind"], line.get("collection")) for line in plan.lines] == [("retire", None)]


def test_a_lost_create_whose_parents_came_apart_meanwhile_is_no_trouble(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)
    system = Quirky(world.right)
    world.systems["right"] = system
    world.dial("left", "Ada", WORK, HOME)
    system.fates = [done_but_lost]
    assert world.run().state == "held"
    world.unlink("L1")
    world.right.put("person", right("Ada L"), "R9")
    world.import_pairs(("L1", "R9"))

    for full in (False, True, True):
        report = world.run(full=full)

    assert report.problems == ()
    assert world.right.records("person")["R1"]["calls"]["numbers"] == [WORK, HOME]


@pytest.mark.parametrize("side", SIDES)
def test_a_phone_that_was_taken_out_and_is_put_in_again_is_a_phone_like_any_other(tmp_path: Path, side: Side) -> None:
    world = married(tmp_path, WORK, HOME)
    world.dial("left", "Ada", HOME)
    world.run()
    assert world.both("Ada") == ({"home": "2"},) * 2

    world.dial(side, "Ada", HOME, phone("work", "7"))
    report = world.run()

    assert report.state == "done"
    assert world.both("Ada") == ({"home": "2", "work": "7"},) * 2
    world.quiet()


def test_a_phone_that_comes_back_on_both_sides_is_met_for_the_first_time(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)
    world.dial("left", "Ada")
    world.run()

    world.dial("left", "Ada", phone("work", "7"))
    world.dial("right", "Ada", phone("work", "7", note="new"))

    assert world.run().state == "done"
    assert world.left.records("person")["L1"]["phones"] == [phone("work", "7", note="new")]
    world.quiet()


def test_a_phone_whose_partner_was_kept_finds_it_again(tmp_path: Path) -> None:
    kept = phones(cases=Cases(gone_left="retire", gone_right="hold"))
    world = married(tmp_path, WORK, sync=people(kept))
    world.dial("left", "Ada")
    world.run()
    assert world.both("Ada") == ({}, {"work": "1"})

    world.dial("left", "Ada", phone("work", "1", note="again"))
    assert world.run().state == "done"

    assert world.right.records("person")["R1"]["calls"]["numbers"] == [phone("work", "1", note="again")]
    world.quiet()


def test_a_plan_promises_for_children_what_their_records_keep_and_counts_what_they_cost(tmp_path: Path) -> None:
    world = married(tmp_path, WORK)
    world.dial("left", "Ada", phone("work", "9"))

    plan = world.plan()
    alone = world.plan(collection="people.phones")

    assert [(one.get("collection"), one["entity"]) for one in plan.guarantees] == [
        (None, "person"),
        (None, "person"),
        ("phones", "person.phones"),
        ("phones", "person.calls.numbers"),
    ]
    assert {one["updates"] for one in plan.guarantees} == {"strict"}
    assert plan.requests["crm"]["write"] == alone.requests["crm"]["write"] == 1
    assert plan.requests["crm"]["read"] > alone.requests["crm"]["read"]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("noticed", [False, True])
def test_children_that_went_with_a_parent_who_comes_back_without_them_are_not_taken_out_across(
    tmp_path: Path, side: Side, noticed: bool
) -> None:
    world = married(tmp_path, WORK, HOME, sync=people(cases=Cases(gone_left="hold", gone_right="hold")))
    id, across = world.id(side, "Ada"), other(side)
    world.hands(side).remove("person", id)
    world.run(full=True)

    world.put(side, "Ada", HOME, id=id)  # out of the bin, and not all of it
    for full in (noticed, True, False):
        assert world.run(full=full).state == "held"

    assert (world.numbers(side, "Ada"), world.numbers(across, "Ada")) == ({"home": "2"}, {"work": "1", "home": "2"})
    ((*_, reason),) = world.children("held")
    assert reason == "bereft"
    world.dial(side, "Ada", HOME, phone("work", "7"))
    assert world.run().state == "done"
    assert world.both("Ada") == ({"work": "7", "home": "2"},) * 2
    world.quiet()


def test_a_child_that_may_have_gone_with_its_parent_stands_alone_where_a_person_says_so(tmp_path: Path) -> None:
    world = married(tmp_path, WORK, sync=people(cases=Cases(gone_left="hold", gone_right="hold")))
    world.right.remove("person", "R1")
    world.run(full=True)
    world.put("right", "Ada", id="R1")
    world.run()

    with world.asked_about(world.child):
        assert "held drop people.phones" in world.held()[0]["remedy"]
        world.drop('["L1","work"]')

    world.quiet()
    assert world.both("Ada") == ({"work": "1"}, {})
