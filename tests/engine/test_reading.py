"""Stories of reading on: cursors that expire, fall back or lose their record, and midnights that pass."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.base import Capabilities, CursorExpired, CursorRule, Page
from daemon.core.mapping import Place, compile_rule, question
from daemon.core.rules import Cases, Match
from daemon.engine.cursors import next_cursor, read_from, went_back
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person

DELETING = Cases(gone_left="delete", gone_right="delete")
BARE = Capabilities(precondition=True, cursor=CursorRule("number"), batch=50, find=frozenset({"number", "email"}))
"""A cursor and no tombstones, as most databases have it."""


class Reading(World):
    """A world whose HR is asked through something that counts how it is asked."""

    hr: Quirky | None = None
    asked: list[str | None]
    got: list[str]

    @property
    def drivers(self) -> Any:
        if self.hr is None:
            self.hr, self.asked, self.got = Quirky(self.left), [], []
            self.hr.read, self.hr.get = self._read, self._get  # type: ignore[method-assign]
        return {"left": self.hr, "right": self.right}

    def _read(self, entity: str, *, cursor: str | None = None, **how: Any) -> Iterator[Page]:
        self.asked.append(cursor)
        return self.left.read(entity, cursor=cursor, **how)

    def _get(self, entity: str, ids: Any, **how: Any) -> Iterator[Any]:
        self.got += ids
        return self.left.get(entity, ids, **how)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Reading]:
    left = {f"L{n}": person(n) for n in range(1, 6)}
    made = Reading(tmp_path, left=left, sync=people_sync(cases=DELETING), capabilities={"left": BARE})
    made.adopted()
    made.run()
    made.asked.clear()
    made.got.clear()
    yield made
    made.close()


def last(world: Reading) -> str:
    return str(world.store.sync("people").cursors["left"])


def test_an_incremental_run_asks_for_what_changed_and_the_record_where_it_stopped(world: Reading) -> None:
    world.left.edit("person", "L2", {"phone": "8"})

    report = world.run()

    assert world.asked == ["5"]
    assert report.counts["read_left"] == 2
    assert report.counts["written"] == 1
    assert last(world) == "6"


def test_an_incremental_run_infers_no_deletion_and_a_reconcile_beside_it_does(world: Reading) -> None:
    world.left.edit("person", "L5", {"phone": "8"})
    world.run()
    world.left.remove("person", "L1")

    assert world.run().counts.get("delete", 0) == 0
    assert "1" in world.shown("right")
    assert world.run(full=True).counts["delete"] == 1
    assert world.asked == ["5", "6", None]


def test_where_the_record_at_which_it_stopped_is_gone_everything_is_read(world: Reading) -> None:
    world.left.remove("person", "L5")

    report = world.run()
    world.run()

    assert world.asked == ["5", None, "4"]
    assert report.counts["delete"] == 1
    assert set(world.shown("right")) == {"1", "2", "3", "4"}


def test_an_expired_cursor_leads_to_a_full_comparison(world: Reading) -> None:
    def expired(entity: str, *, cursor: str | None = None, **how: Any) -> Iterator[Page]:
        if cursor:
            raise CursorExpired("410 gone")
        return world._read(entity, cursor=cursor, **how)

    world.left.edit("person", "L5", {"phone": "8"})
    world.left.remove("person", "L1")
    assert world.hr
    world.hr.read = expired  # type: ignore[method-assign]

    assert world.run().counts["delete"] == 1
    assert world.asked == [None]
    assert last(world) == "6"


def test_a_cursor_does_not_move_past_a_record_that_a_guard_holds(world: Reading) -> None:
    world.sync = replace(
        world.sync,
        guards=replace(world.sync.guards, updates=replace(world.sync.guards.updates, share=None, count=0, floor=0)),
    )
    world.left.edit("person", "L2", {"phone": "8"})

    assert world.run().guards[0]["kind"] == "updates"
    assert last(world) == "5"
    world.approve()
    assert world.run().counts["written"] == 1
    assert last(world) == "6"


def test_a_held_pair_is_read_again_by_its_id_in_every_incremental_run(world: Reading) -> None:
    world.left.edit("person", "L2", {"phone": "8"})
    right = next(id for id, fields in world.records("right").items() if fields["number"] == "2")
    world.right.edit("person", right, {"phone": "9"})
    assert world.run().state == "held"
    world.left.edit("person", "L3", {"phone": "7"})
    world.run()
    world.got.clear()

    world.run()

    assert world.got == ["L2"]
    world.resolve("L2", "left")
    assert world.run().state == "done"
    world.got.clear()
    world.run()
    assert world.got == []


def test_a_tombstone_deletes_without_a_full_comparison(tmp_path: Path) -> None:
    caps = replace(BARE, tombstones=True)
    world = Reading(
        tmp_path, left={f"L{n}": person(n) for n in range(1, 4)}, sync=people_sync(cases=DELETING),
        capabilities={"left": caps},
    )  # fmt: skip
    world.adopted()
    world.asked.clear()
    world.left.remove("person", "L1")

    assert world.run().counts["delete"] == 1
    assert world.asked == ["3"]
    world.close()


def test_absence_from_a_listing_that_left_something_out_deletes_nothing(world: Reading) -> None:
    def cut(entity: str, *, cursor: str | None = None, **how: Any) -> Iterator[Page]:
        for page in world.left.read(entity, cursor=cursor, **how):
            yield replace(page, complete=False)

    world.left.remove("person", "L1")
    assert world.hr
    world.hr.read = cut  # type: ignore[method-assign]

    assert world.run(full=True).counts.get("delete", 0) == 0
    assert "1" in world.shown("right")


def test_a_record_that_is_absent_and_still_there_when_asked_for_is_not_deleted(world: Reading) -> None:
    def forgetful(entity: str, *, cursor: str | None = None, **how: Any) -> Iterator[Page]:
        for page in world.left.read(entity, cursor=cursor, **how):
            yield replace(page, records=tuple(record for record in page.records if record.id != "L1"))

    assert world.hr
    world.hr.read = forgetful  # type: ignore[method-assign]
    world.run(full=True)

    assert "L1" in world.got
    assert "1" in world.shown("right")


def restored(world: Reading, *, without: str = "") -> None:
    """HR as it was when its records had the numbers 1 to 5, with one edit of that time undone."""
    fields = dict(world.records("left"))
    world.left.edit("person", "L1", {"phone": "edited"})
    world.run()
    assert next(f["phone"] for f in world.records("right").values() if f["number"] == "1") == "edited"
    world.left._number = 0
    for id in fields:
        world.left.remove("person", id)
    world.left._shelf("person").gone.clear()
    world.left._number = 0
    for id in sorted(fields):
        if id != without:
            world.left.put("person", fields[id], id)


def test_a_system_that_shows_less_than_before_was_restored_and_nothing_is_written(world: Reading) -> None:
    restored(world)

    assert world.plan(full=True).guards[0]["kind"] == "cursor"
    report = world.run()

    assert report.state == "held"
    assert report.guards[0]["text"] == "hr.person went back from 6 to 5: nothing is written"
    assert "compares everything" in report.guards[0]["remedy"]
    assert world.asked[-2:] == ["6", None]
    assert world.entries("guard.tripped")[-1]["guard"] == "cursor"

    world.run()
    assert {fields["phone"] for fields in world.records("right").values()} == {"1", "edited"}
    assert world.held()[0]["fields"] == {"phone": "first contact, first: ask"}
    world.resolve("L1", "right")
    world.run()
    world.approve()
    assert world.run().state == "done", world.held()
    assert world.records("left")["L1"]["phone"] == "edited"
    assert not world.store.sync("people").restored


def test_a_newest_record_that_was_deleted_is_no_restored_system(world: Reading) -> None:
    world.left.remove("person", "L5")

    assert world.run(full=True).counts["delete"] == 1
    assert last(world) == "4"


@pytest.mark.parametrize(
    ("rule", "stored", "highest", "back"),
    [
        (None, "5", "4", False),
        (CursorRule("token"), "5", "4", False),
        (CursorRule("number"), None, "4", False),
        (CursorRule("number"), "5", None, False),
        (CursorRule("number"), "5", "5", False),
        (CursorRule("number"), "10", "9", True),
        (CursorRule("time"), "2026-01-01T00:00:01Z", "2026-01-01T02:00:00+02:00", True),
    ],
)
def test_a_cursor_goes_back_only_where_there_is_an_order(
    rule: Any, stored: str | None, highest: str | None, back: bool
) -> None:
    assert went_back(rule, stored, highest) is back


LAGGING = CursorRule("time", lag=60, overlap=30)


@pytest.mark.parametrize(
    ("rule", "stored", "highest", "server", "following"),
    [
        (CursorRule("token"), "a", None, None, "a"),
        (CursorRule("token"), "b", "a", None, "a"),
        (CursorRule("number"), "9", "10", None, "10"),
        (CursorRule("number"), "10", "9", None, "10"),
        (CursorRule("number"), None, None, None, None),
        (LAGGING, None, "2026-01-01T10:00:00.500Z", None, "2026-01-01T10:00:00.500Z"),
        (LAGGING, None, "2026-01-01T10:00:00Z", "2026-01-01T10:00:30.25Z", "2026-01-01T09:59:30.25Z"),
        (LAGGING, None, "2026-01-01T10:00:00Z", "2026-01-01T10:01:00Z", "2026-01-01T10:00:00Z"),
        (LAGGING, "2026-01-01T09:59:45Z", "2026-01-01T10:00:00Z", "2026-01-01T10:00:30Z", "2026-01-01T09:59:45Z"),
        (replace(LAGGING, lag=0), None, "2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
    ],
)
def test_the_next_cursor(
    rule: CursorRule, stored: str | None, highest: str | None, server: str | None, following: str | None
) -> None:
    assert next_cursor(rule, stored, highest, server) == following


def test_an_overlap_is_asked_for_and_never_stored() -> None:
    assert read_from(LAGGING, "2026-01-01T10:00:00.123Z") == "2026-01-01T09:59:30.123Z"
    assert read_from(replace(LAGGING, overlap=0), "2026-01-01T10:00:00.123Z") == "2026-01-01T10:00:00.123Z"
    assert read_from(CursorRule("number", overlap=30), "100") == "100"


# The calendar


def calendar_world(folder: Path, text: str, *, zone: str = "UTC", scope: bool = False) -> World:
    rules = (compile_rule("number", left=Place("number"), right=Place("number"), owner="left"),)
    sync = people_sync(rules=rules, match_on=(Match(("number",)),), zone=zone, cases=DELETING)
    if scope:
        asked = question(text)
        left = replace(sync.left, scope=asked.holds, scope_paths=asked.paths)
        sync = replace(sync, left=left, calendar=asked.calendar, zones=asked.zones)
    else:
        active = compile_rule("active", left=Place(text), right=Place("active"), owner="left")
        sync = replace(sync, rules=(*rules, active))
    return World(folder, left={"L1": {"number": "1", "start": "2026-06-02"}}, sync=sync)


def at(world: World, zone: str, text: str) -> None:
    """The clock just before its next run."""
    world.now = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() - 60


@pytest.mark.parametrize(
    ("zone", "text", "before", "after"),
    [
        ("UTC", "start <= today()", "2026-06-01T23:59", "2026-06-02T00:00"),
        ("Europe/Berlin", "start <= today()", "2026-06-01T23:59", "2026-06-02T00:00"),
        ("America/Los_Angeles", "start <= today()", "2026-06-01T23:59", "2026-06-02T00:00"),
        ("UTC", "start <= today('Asia/Tokyo')", "2026-06-01T14:59", "2026-06-01T15:00"),
    ],
)
def test_midnight_passes_where_the_sync_lives_and_a_field_moves_without_an_edit(
    tmp_path: Path, zone: str, text: str, before: str, after: str
) -> None:
    world = calendar_world(tmp_path, text, zone=zone)
    at(world, zone, "2026-06-01T10:00")
    world.adopted()
    at(world, zone, before)
    assert world.run().counts.get("written", 0) == 0
    assert world.shown("right")["1"]["active"] is False

    at(world, zone, after)

    assert world.run().counts["written"] == 1
    assert world.shown("right")["1"]["active"] is True
    assert world.run().counts.get("written", 0) == 0
    world.close()


@pytest.mark.parametrize(
    ("text", "now"), [("start <= today()", "2026-06-02T00:00"), ("start <= today('Asia/Tokyo')", "2026-06-01T17:00")]
)
def test_a_record_enters_the_scope_on_its_day(tmp_path: Path, text: str, now: str) -> None:
    world = calendar_world(tmp_path, text, zone="Europe/Berlin", scope=True)
    at(world, "Europe/Berlin", "2026-06-01T10:00")
    world.adopted()
    assert world.records("right") == {}

    at(world, "Europe/Berlin", now)
    world.run()

    assert set(world.shown("right")) == {"1"}
    world.close()


def test_an_unknown_zone_stops_one_field_and_not_the_sync(tmp_path: Path) -> None:
    world = calendar_world(tmp_path, "start <= today('Mars/Base')")
    world.adopted()

    assert world.held()[0]["fields"]["active"] == "left: 'Mars/Base' is not a time zone"
    world.close()
