"""Stories of runs and questions that end before they begin: stopped, lost in circles, answered with nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Failed, Page, Permanent
from daemon.core.mapping import question
from daemon.core.model import Half, Pair
from daemon.core.rules import Cases
from daemon.engine import lookers, run
from daemon.engine.report import Report, Request
from daemon.engine.settle import carried
from daemon.errors import NoSuch, StoreError, TallystickError
from tests.engine.quirks import show
from tests.engine.test_found import TwoQuirks
from tests.engine.world import World, people_sync, person


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoQuirks]:
    left, right = ({f"{side}{n}": person(n) for n in (1, 2)} for side in "LR")
    made = TwoQuirks(tmp_path, left=left, right=right)
    made.adopted()
    yield made
    made.close()


def stopped_at(world: World, page: int) -> Report:
    """A run that is asked to stop when it reads its *page*-th page."""
    asked = iter([False] * page)
    return run.run_sync(
        world.sync, world.drivers, world.store, world.audit, clock=lambda: world.now, run_id="stopped",
        request=Request(full=True), stop=lambda: next(asked, True),
    )  # fmt: skip


def garbled(world: TwoQuirks, message: str = "the record is garbled") -> None:
    """From now on the right side finds its records and cannot read them."""

    def get(entity: str, ids: Sequence[str], **how: Any) -> Iterator[Failed]:
        return (Failed(id, message) for id in ids)

    world.crm.get = get  # type: ignore[method-assign, assignment]


def clash(world: World) -> None:
    world.left.edit("person", "L1", {"phone": "L"})
    world.right.edit("person", "R1", {"phone": "R"})
    assert world.run().state == "held"


@pytest.mark.parametrize("page", [0, 1])
def test_a_run_that_is_asked_to_stop_while_it_reads_writes_nothing(world: TwoQuirks, page: int) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})

    report = stopped_at(world, page)

    assert report.state == "stopped"
    assert world.crm.writes == []
    assert world.entries("run.finished")[-1]["state"] == "stopped"
    assert world.run().counts["written"] == 1


def test_a_listing_that_goes_in_circles_fails_the_run(world: TwoQuirks) -> None:
    record = show(world.right, "person", "R1")
    world.crm.read = lambda *_, **__: repeat(Page((record,)))  # type: ignore[method-assign]

    report = world.run(full=True)

    assert report.state == "failed"
    assert report.problems == (
        "crm.person: 1000 pages in a row showed only records seen before: the pages go in circles",
    )


def test_a_system_that_refuses_us_fails_the_run_in_its_own_words(world: TwoQuirks) -> None:
    def forbidden(*_: Any, **__: Any) -> Iterator[Page]:
        raise Permanent("hr: 403 may not list persons")

    world.hr.read = forbidden  # type: ignore[method-assign]

    report = world.run()

    assert (report.state, report.problems) == ("failed", ("hr: 403 may not list persons",))


def test_a_full_disk_is_told_when_the_match_keys_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookers, "_SCHEMA", lookers._SCHEMA + "PRAGMA max_page_count=4;")
    world = World(tmp_path, left={f"L{n}": person(n) for n in range(500)})

    with pytest.raises(StoreError, match=r"has no room for what the run has to keep .*: free space, then run again"):
        world.plan()

    world.close()


def test_a_long_plan_says_that_its_lines_are_cut_and_its_counts_are_not(
    world: TwoQuirks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PLANNED", 2)
    for n in range(10, 13):
        world.left.put("person", person(n), f"L{n}")

    plan = world.plan()

    assert (len(plan.lines), plan.counts["create"]) == (2, 3)
    assert plan.problems == ("only the first 2 lines are shown; the counts are of all",)
    monkeypatch.setattr(run, "PLANNED", 3)
    assert world.plan().problems == ()


def test_a_scope_that_cannot_be_answered_leaves_the_record_in(tmp_path: Path) -> None:
    sync = people_sync()
    scoped = replace(sync.left, scope=question("date_add(tag, '1d') < today()").holds, scope_paths=("tag",))
    world = World(tmp_path, left={"L1": person(1, tag="no day"), "L2": person(2, tag="2099-01-01")},
                  sync=replace(sync, left=scoped))  # fmt: skip

    world.adopted()

    assert set(world.shown("right")) == {"1"}
    world.close()


def test_a_newcomer_whose_birth_cannot_be_decided_is_held_with_the_reason(world: TwoQuirks) -> None:
    asked = question("date_add(tag, '1d') < today()")
    world.sync = replace(world.sync, create_when=asked.holds, create_paths=asked.paths)
    world.left.put("person", person(7, tag="soon"), "L7")

    world.run()

    (waiting,) = world.held()
    assert (waiting["left"], waiting["reason"]) == ("L7", "mapping")
    assert waiting["why"] == "create.when: a text of 4 characters is not an ISO date or time"
    world.left.edit("person", "L7", {"tag": "2026-01-01"})
    world.run()
    assert "7" in world.shown("right")


def test_who_was_given_up_stays_so_when_everything_is_looked_at_again(world: TwoQuirks) -> None:
    world.sync = replace(world.sync, cases=Cases(new_left="hold"))
    world.left.put("person", person(7), "L7")
    world.run()
    world.drop("L7")

    world.sync = replace(world.sync, cases=Cases(), rev="2")
    world.approve()
    report = world.run()

    assert report.counts.get("create", 0) == 0
    assert ("L7", None, "single", "dropped") in world.pairs()


def test_a_record_that_cannot_be_read_is_not_imported_and_the_system_is_quoted(world: TwoQuirks) -> None:
    world.left.put("person", person(7), "L7")
    world.right.put("person", person(8), "R8")
    garbled(world)

    answer = world.import_pairs(("L7", "R8"))

    assert answer["imported"] == 0
    assert answer["faults"] == [{"line": 2, "text": "crm.person 'R8' cannot be read: the record is garbled"}]


def test_a_pair_that_cannot_be_read_is_held_until_it_can(world: TwoQuirks) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    garbled(world)

    world.run()

    (waiting,) = world.held()
    assert (waiting["left"], waiting["reason"], waiting["why"]) == ("L1", "unreachable", "the record could not be read")
    assert world.crm.writes == []
    del world.crm.get
    assert world.run().state == "done"
    assert world.records("right")["R1"]["email"] == "new@corp.example"


def test_a_conflict_that_cannot_be_read_is_neither_answered_nor_given_up(world: TwoQuirks) -> None:
    clash(world)
    garbled(world)

    for act in (lambda: world.resolve("L1", "left"), lambda: world.drop("L1")):
        with pytest.raises(TallystickError, match="a record of the pair cannot be read now; try again"):
            act()

    del world.crm.get
    world.resolve("L1", "left")
    world.run()
    assert world.records("right")["R1"]["phone"] == "L"


def test_only_what_is_in_conflict_is_answered(world: TwoQuirks) -> None:
    with pytest.raises(NoSuch, match=r"'L1' of people has no conflict now; see `tallystick why people L1`"):
        world.resolve("L1", "left")
    clash(world)
    with pytest.raises(NoSuch, match="field 'email' is not in conflict; in conflict: phone"):
        world.resolve("L1", "left", "phone", "email")
    world.left.put("person", person(1), "L9")  # nobody knows yet which of the two it is
    world.run()
    with pytest.raises(NoSuch, match="record 'L9' has no partner in people"):
        world.resolve("L9", "left")
    assert world.entries("conflict.resolved") == []


def test_an_heir_that_found_another_partner_is_no_successor_any_more(world: TwoQuirks) -> None:
    world.sync = replace(world.sync, cases=Cases(gone_left="hold"))
    world.left.remove("person", "L1")
    world.left.put("person", person(1), "L9")
    world.run()
    world.right.put("person", person(5), "R5")
    world.import_pairs(("L9", "R5"))

    with pytest.raises(NoSuch, match="record 'L9' on left does not look for a partner any more; run the sync and look"):
        world.retry("R1")


def test_a_right_record_that_came_back_alone_looks_for_a_partner_again(world: TwoQuirks) -> None:
    world.sync = replace(world.sync, cases=Cases(gone_right="delete"))
    shown = world.records("right")["R1"]
    world.right.remove("person", "R1")
    world.run()
    assert "L1" not in world.records("left")
    world.right.put("person", shown, "R1")
    world.run()
    assert world.held()[0]["why"] == "gone on right once, and there again"

    world.retry("R1")
    world.run()

    assert set(world.shown("left")) == {"1", "2"}
    assert world.run(full=True).state == "done"


def test_what_has_lost_its_partner_meanwhile_carries_nothing() -> None:
    alone = Pair(1, Half("L1"))

    assert carried(alone, "right", {"f": b"sent"}, {"f": b"from"}) is alone
