"""Stories of runs that are too big for memory: what is put aside comes back, and nobody else can read it."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Record
from connectors.paths import ABSENT
from daemon.core.match import Seat
from daemon.core.model import Change, Coming, Decision, Foreign, Half, Item, Look, Members, Move, Pair, Roster, Target
from daemon.core.rules import SIDES, Match, Ref
from daemon.engine import overflow
from daemon.engine.decisions import Plan
from daemon.engine.lookers import Lookers
from daemon.engine.overflow import Overflow, Shelf
from daemon.errors import StoreError
from tests.engine.world import World, people_sync, person, rule

FILES = Path("/proc/self/fd")


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overflow, "ROOM", 1)


def item(id: str, *keys: bytes | None, **values: Any) -> Item:
    return Item(Record(id, values, "v1"), values, keys=keys)


UGLY = {
    "money": Decimal("1.10"), "big": 10**30, "day": date(2026, 11, 29), "at": datetime(2026, 1, 1, tzinfo=UTC),
    "absent": ABSENT, "null": None, "text": "\udcff\x00", "list": [1, "1", True], "to": Coming("R1"), "bytes": b"\x00",
    "tags": ["a", Foreign("?")],
}  # fmt: skip


def test_what_is_put_aside_comes_back_as_it_was(tmp_path: Path, no_room: None) -> None:
    values = [UGLY | {"n": n} for n in range(5)]
    kept = Overflow[dict[str, Any]](tmp_path)

    assert [kept.append(value) for value in values] == [0, 1, 2, 3, 4]
    kept[0], kept[3] = {"n": 10}, {"n": 13}

    assert list(kept) == [{"n": 10}, *values[1:3], {"n": 13}, values[4]]
    assert kept[4]["absent"] is ABSENT
    assert isinstance(kept[4]["to"], Coming)
    assert isinstance(kept[4]["tags"][1], Foreign)


def test_decisions_come_back_equal(tmp_path: Path, no_room: None) -> None:
    look = Look("here", item("L1", b"k" * 16, None, **UGLY))
    pair = Pair(7, Half("L1", keys=(b"k" * 16, None)), Half("R1"), awaits=(Target("people", "left", "L2"),))
    pair = replace(pair, members={"tags": Members(frozenset({b"a" * 8}), {"left": frozenset({b"b" * 8})})})
    change = Change("right", "update", (Move("name", "b", "a", "why"),), likely=(("login", "x", "made"),))
    rosters = {"tags": Roster(frozenset({b"a" * 8}), {"right": frozenset({b"c" * 8})})}
    decision = Decision(pair, look, Look("gone"), (change,), held={"a": "b"}, members=rosters)
    decisions = [replace(decision, line=bytes([n])) for n in range(4)]

    assert list(Plan(tmp_path, decisions)) == decisions


def test_a_shelf_remembers_the_last_of_each(tmp_path: Path, no_room: None) -> None:
    shelf = Shelf[str](tmp_path)
    for key, value in ((9, "a"), (3, "b"), (9, "c"), (5, "d")):
        shelf[key] = value

    assert (sorted(shelf), len(shelf), 3 in shelf, 4 in shelf) == ([3, 5, 9], 3, True, False)
    assert [shelf[key] for key in sorted(shelf)] == ["b", "d", "c"]


def test_a_plan_is_walked_in_the_order_of_carrying_out(tmp_path: Path, no_room: None) -> None:
    def one(key: int, op: Any = "", **more: Any) -> Decision:
        changes = (Change("right", op),) if op else ()
        return Decision(Pair(key), Look("here"), Look("here"), changes, **more)

    urgent = Look("here", Item(Record("L", {}), {}, urgent=True))
    late = [one(1, "create", rank=1), one(2, "create"), one(3, "delete"), one(4, "update"), one(5)]
    hurry = [Decision(Pair(6), urgent, Look("here"), (Change("right", "delete"),)), one(7, "update")]
    plan = Plan(tmp_path, [*late, *hurry])

    assert [decision.pair.key for decision in plan] == [5, 6, 4, 7, 3, 2, 1]
    assert plan.counts == {"create": 2, "delete": 2, "update": 2, "remember": 1}


def test_nothing_can_be_read_in_the_folder(tmp_path: Path, no_room: None) -> None:
    kept = Overflow[str](tmp_path)
    for n in range(100):
        kept.append(f"secret {n}")

    assert list(tmp_path.iterdir()) == []
    (open_file,) = [fd for fd in FILES.iterdir() if fd.is_symlink() and str(fd.readlink()).startswith(str(tmp_path))]
    data = open_file.read_bytes()
    assert len(data) > 1000
    assert b"secret" not in data


def test_nothing_stays_open(tmp_path: Path, no_room: None) -> None:
    before = len(list(FILES.iterdir()))
    for _ in range(20):
        kept, lookers = Overflow[str](tmp_path), Lookers("left", tmp_path)
        for n in range(5):
            kept.append("x")
            lookers.meet(item(str(n), b"k"))

    assert len(list(FILES.iterdir())) <= before + 3


def _append(folder: Path) -> None:
    kept = Overflow[str](folder)
    for _ in range(3):
        kept.append("x" * 10_000)


@pytest.mark.parametrize("fill", [_append, lambda folder: Lookers("left", folder).meet(item("L1", b"k"))])
def test_a_folder_without_room_is_named_with_the_remedy(
    tmp_path: Path, no_room: None, fill: Callable[[Path], object]
) -> None:
    with pytest.raises(StoreError, match=r"missing has no room for what the run has to keep .*: free space, then run"):
        fill(tmp_path / "missing")


@pytest.mark.parametrize("written", [0, 5, None])
def test_a_disk_that_fills_up_is_told(
    tmp_path: Path, no_room: None, monkeypatch: pytest.MonkeyPatch, written: int | None
) -> None:
    def pwrite(number: int, block: bytes, place: int) -> int:
        if written is None:
            raise OSError(28, "No space left on device")
        return written

    monkeypatch.setattr(os, "pwrite", pwrite)

    with pytest.raises(StoreError, match=r"free space"):
        _append(tmp_path)


# -- those who look for a partner


def test_a_record_that_is_shown_twice_counts_once_and_as_it_was_last(tmp_path: Path, no_room: None) -> None:
    lookers = Lookers("left", tmp_path)

    assert [lookers.meet(item(id, key)) for id, key in (("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", None))] == [
        True, True, False, True,
    ]  # fmt: skip
    assert list(lookers.seats(0)) == [Seat(b"2", "left", 1), Seat(b"3", "left", 0)]
    assert lookers.carriers([b"1", None, b"3", b"2"]) == [0, 1]
    assert list(lookers.match_keys()) == [[b"2", b"3"]]


def test_who_has_left_looks_no_more(tmp_path: Path, no_room: None) -> None:
    lookers = Lookers("right", tmp_path)
    for n in range(4):
        lookers.join(Pair(n + 10), item(f"id {n}", bytes([n])))
    lookers.meet(item("\udcff\x00", b"x", b"y"))
    lookers.leave([1, 3])

    assert list(lookers) == [0, 2, 4]
    assert list(lookers.rows()) == [0, 2]
    assert [seat.number for seat in lookers.seats(0)] == [0, 2, 4]
    assert [lookers.pair(n).key for n in (0, 2)] == [10, 12]  # type: ignore[union-attr]
    assert lookers.pair(4) is None
    assert lookers.carriers([bytes([1]), bytes([2])]) == [2]


def test_where_nobody_looks_nothing_is_opened(tmp_path: Path) -> None:
    lookers = Lookers("left", tmp_path / "missing")

    assert (list(lookers), list(lookers.seats(0)), list(lookers.match_keys()), lookers.carriers([b"x"])) == (
        [], [], [], [],
    )  # fmt: skip


# -- whole runs


def _people(numbers: range, side: str, **more: Any) -> dict[str, Any]:
    return {f"{side}{n}": person(n, **more) for n in numbers}


def _story(folder: Path) -> list[Any]:
    """A first meeting with clashes and doubles, then edits, deletes and moves on both sides."""
    folder.mkdir()
    sync = people_sync(match_on=(Match(("number",)), Match(("email",)), Match(("name",), confirm="ask")))
    world = World(folder, _people(range(1, 30), "L"), _people(range(20, 50), "R", phone="2"), sync=sync)
    world.left.put("person", person(25) | {"email": "double@corp.example"}, "L90")
    told = [world.plan().to_json(), world.adopted().to_json()]
    for n in range(1, 12):
        world.left.edit("person", f"L{n}", {"name": f"Renamed {n}"})
    for n in (21, 22):
        world.left.remove("person", f"L{n}")
    world.right.edit("person", "R40", {"tag": "b"})
    told += [world.plan(full=True).to_json(), world.run(full=True).to_json(), world.run(full=True).to_json()]
    shown = [world.shown(side) for side in SIDES]
    waits = [{k: v for k, v in one.items() if k != "since"} for one in world.held()]
    world.close()
    return [told, shown, waits]


def test_a_run_that_does_not_fit_ends_like_one_that_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = _story(tmp_path / "a")
    monkeypatch.setattr(overflow, "ROOM", 1)

    assert _story(tmp_path / "b") == fits


def test_references_within_one_sync_survive_the_overflow(tmp_path: Path, no_room: None) -> None:
    boss = rule("boss", ref=Ref(sync="people"))
    sync = people_sync(rules=(*people_sync().rules, boss))
    world = World(tmp_path, {f"L{n}": person(n, boss=f"L{n + 1}" if n < 9 else None) for n in range(1, 10)}, sync=sync)

    assert world.adopted().state == "done"
    by_number = {fields["number"]: (id, fields) for id, fields in world.records("right").items()}
    for n in range(1, 9):
        assert by_number[str(n)][1]["boss"] == by_number[str(n + 1)][0]
    world.close()
