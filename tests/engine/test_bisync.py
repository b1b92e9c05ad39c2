"""Every test folder of rclone's bisync told again with records: what is carried, merged and found equal.

A test bears the folder's name. docs/sync.md, "Beside rclone bisync", says where we do otherwise and why.
What bisync leaves out or refuses is told in test_bisync_refusals.py.
"""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Write
from daemon.core.rules import Match
from tests.engine.nine import QuirkyWorld, nine, quiet, ten_answers, ten_changes, unstamped
from tests.engine.world import World, people_sync, person, rule


@pytest.fixture
def world(tmp_path: Path) -> Iterator[QuirkyWorld]:
    made = nine(tmp_path)
    yield made
    made.close()


def clash(world: World, n: int, left: str, right: str) -> None:
    world.left.edit("person", f"L{n}", {"phone": left})
    world.right.edit("person", f"R{n}", {"phone": right})


def phones(world: World, n: int) -> tuple[Any, Any]:
    return world.shown("left")[str(n)]["phone"], world.shown("right")[str(n)]["phone"]


def during_write(world: QuirkyWorld, side: Any, act: Any) -> None:
    """*act* happens once, while the first write to *side* is on its way."""
    acts = [act]

    def happens(write: Write) -> None:
        if acts:
            acts.pop()()

    world.quirky[side].before_write = happens


def test_basic(world: QuirkyWorld) -> None:
    world.right.edit("person", "R1", {"phone": "newer"})
    world.left.put("person", person(20), "L20")

    assert world.run().state == "done"

    assert phones(world, 1) == ("newer", "newer")
    assert world.shown("right")["20"] == person(20)
    quiet(world)


def test_changes(world: QuirkyWorld) -> None:
    ten_changes(world)

    assert world.run().state == "held"

    ten_answers(world)
    quiet(world)
    ten_answers(world)


def test_backupdir(world: QuirkyWorld) -> None:
    """What is overwritten or deleted stands in the audit log, so that it can be put back."""
    ten_changes(world)

    world.run()

    told = {(entry["record"], entry["op"]): entry["fields"] for entry in world.entries("outcome")}
    assert told["R2", "update"]["phone"]["before"] == "1"
    assert told["R4", "delete"]["email"]["before"] == "p4@corp.example"
    assert told["L3", "delete"].keys() == person(3).keys()
    assert ("R5", "update") not in told


def test_compare_all(world: QuirkyWorld) -> None:
    """A value of the same length counts as another; a new version without another value does not."""
    world.left.edit("person", "L1", {"phone": "2"})
    world.right.edit("person", "R2", {"note": "no shared field"})

    assert world.run(full=True).counts["written"] == 1

    assert phones(world, 1) == ("2", "2")
    ten_changes(world)
    world.run(full=True)
    ten_answers(world)


def test_nomodtime(tmp_path: Path) -> None:
    world = unstamped(nine(tmp_path))
    ten_changes(world)

    assert world.run().state == "held"

    ten_answers(world)
    quiet(world)
    world.close()


def test_ignorelistingchecksum(tmp_path: Path) -> None:
    """Values are compared, and no record's version is needed for it."""
    world = unstamped(nine(tmp_path))
    world.right.edit("person", "R1", {"phone": "newer"})
    world.left.put("person", person(20), "L20")

    assert world.run().counts["written"] == 2

    assert phones(world, 1) == ("newer", "newer")
    assert world.shown("right")["20"] == person(20)
    quiet(world)
    world.close()


def test_equal(world: QuirkyWorld) -> None:
    clash(world, 1, "left", "right")
    clash(world, 2, "same", "same")

    report = world.run()

    assert report.counts.get("written", 0) == 0
    assert phones(world, 1) == ("left", "right")
    assert [told["left"] for told in world.held()] == ["L1"]
    world.right.edit("person", "R2", {"phone": "later"})
    world.run()
    assert phones(world, 2) == ("later", "later")


def test_equal_skipped(world: QuirkyWorld) -> None:
    """Found equal, then edited on one side while the run writes something else: an edit for the next run."""
    clash(world, 1, "same", "same")
    world.left.edit("person", "L2", {"phone": "2"})
    during_write(world, "right", lambda: world.right.edit("person", "R1", {"phone": "diff"}))

    world.run()
    assert phones(world, 1) == ("same", "diff")
    world.run()

    assert phones(world, 1) == ("diff", "diff")
    assert phones(world, 2) == ("2", "2")
    quiet(world)


def test_concurrent(world: QuirkyWorld) -> None:
    """The record that is about to be overwritten is edited first: both values stand, and a person is asked."""
    world.right.edit("person", "R1", {"phone": "right"})
    during_write(world, "left", lambda: world.left.edit("person", "L1", {"phone": "meanwhile"}))

    assert world.run().state == "held"

    assert phones(world, 1) == ("meanwhile", "right")
    quiet(world)
    world.resolve("L1", "left")
    world.run()
    assert phones(world, 1) == ("meanwhile", "meanwhile")


def test_volatile(world: QuirkyWorld) -> None:
    """Fifty newcomers while a run writes: none is half seen, all come with the next run, and then there is peace."""
    clash(world, 5, "left", "right")
    world.left.edit("person", "L1", {"phone": "2"})
    newcomers = [person(n) for n in range(100, 150)]
    during_write(world, "right", lambda: [world.left.put("person", new) for new in newcomers] and None)

    world.run()
    assert len(world.records("right")) == 9
    world.run()

    assert len(world.records("right")) == 59
    assert phones(world, 5) == ("left", "right")
    quiet(world)


def test_conflict_window(world: QuirkyWorld) -> None:
    """A clash whose sides have become equal is no clash any more, and nothing is written for it."""
    clash(world, 1, "left", "right")
    assert world.run().state == "held"

    world.right.edit("person", "R1", {"phone": "left"})
    report = world.run()

    assert report.state == "done"
    assert report.counts.get("written", 0) == 0
    clash(world, 2, "one", "one")
    during_write(world, "right", lambda: clash(world, 2, "two", "two"))
    world.left.edit("person", "L3", {"phone": "3"})
    world.run()
    assert world.run().state == "done"
    assert phones(world, 2) == ("two", "two")


def test_conflict_window_size(world: QuirkyWorld) -> None:
    """After the two sides were equal for a moment, two new edits clash anew and a single one travels."""
    clash(world, 1, "one", "one")
    clash(world, 2, "one", "one")
    world.run()

    clash(world, 1, "two", "three")
    world.right.edit("person", "R2", {"phone": "two"})

    assert world.run().state == "held"
    assert phones(world, 1) == ("two", "three")
    assert phones(world, 2) == ("two", "two")


@pytest.mark.parametrize(("wins", "after"), [("left", "L"), ("right", "R"), ("ask", None)])
def test_resolve(tmp_path: Path, wins: str, after: str | None) -> None:
    """The winner is chosen per field; what the loser said stands in the audit log. Nothing is renamed beside it."""
    world = nine(
        tmp_path, rules=(rule("number", owner="left"), rule("phone", wins=wins)), match_on=(Match(("number",)),)
    )
    clash(world, 1, "L", "R")

    report = world.run()

    assert report.state == ("done" if after else "held")
    assert phones(world, 1) == ((after, after) if after else ("L", "R"))
    lost = [entry["fields"]["phone"]["before"] for entry in world.entries("outcome")]
    assert lost == {"left": ["R"], "right": ["L"], "ask": []}[wins]
    assert len(world.records("left")) == len(world.records("right")) == 9
    world.close()


FIRST_CONTACT = {
    "left": {1: "1", 3: "1", 5: "1", 6: "older", 7: "1"},
    "right": {2: "1", 3: "newer", 4: "newer", 5: "older", 6: "newer", 7: "1"},
}


def first_contact(folder: Path, first: str | None) -> World:
    left, right = ({f"{s}{n}": person(n, phone=p) for n, p in FIRST_CONTACT[s].items()} for s in ("left", "right"))
    rules = (rule("number", owner="left"), rule("email", wins="left"), rule("phone", first=first))
    world = World(folder, left=left, right=right, sync=people_sync(rules=rules))
    world.adopted()
    return world


def test_resync(tmp_path: Path) -> None:
    """The first run is a merge: what one side lacks it gets, and nothing is deleted, whichever side is empty."""
    for name, left, right in (("empty left", {}, {"R1": person(1)}), ("empty right", {"L1": person(1)}, {})):
        (tmp_path / name).mkdir()
        world = World(tmp_path / name, left=left, right=right)
        world.adopted()
        assert world.shown("left") == world.shown("right") == {"1": person(1)}
        world.close()

    (tmp_path / "mixed").mkdir()
    world = first_contact(tmp_path / "mixed", "left")

    expected = {"1": "1", "2": "1", "3": "1", "4": "newer", "5": "1", "6": "older", "7": "1"}
    for side in ("left", "right"):
        assert {n: p["phone"] for n, p in world.shown(side).items()} == expected  # type: ignore[arg-type]
    quiet(world)
    world.close()


@pytest.mark.parametrize("first", ["left", "right", None])
def test_resync_modes(tmp_path: Path, first: str | None) -> None:
    """`first:` decides per field who is right at first contact; without it nobody is overwritten unasked."""
    world = first_contact(tmp_path, first)

    if first:
        at = FIRST_CONTACT[first]
        assert phones(world, 3) == (at[3], at[3])
        assert phones(world, 6) == (at[6], at[6])
    else:
        assert [phones(world, n) for n in (3, 5, 6)] == [("1", "newer"), ("1", "older"), ("older", "newer")]
        assert {told["reason"] for told in world.held()} == {"conflict"}
    world.close()


def test_normalization(tmp_path: Path) -> None:
    """Two spellings of one word are equal where the field says so; neither spelling is overwritten by the other."""
    composed, decomposed = (unicodedata.normalize(form, "Zoë Ångström 測試 éö") for form in ("NFC", "NFD"))
    shapes = ["nfc", "casefold"]
    rules = (rule("number", owner="left"), rule("name", wins="left", normalise=shapes), rule("email", wins="left"))
    left, right = {"L1": person(1, name=composed)}, {"R1": person(1, name=decomposed.upper())}
    world = World(tmp_path, left=left, right=right, sync=people_sync(rules=rules, match_on=(Match(("name",)),)))

    assert world.adopted().counts == {"link": 1, "read_left": 1, "read_right": 1}
    assert world.records("right")["R1"]["name"] == decomposed.upper()

    world.left.edit("person", "L1", {"name": "Zoë"})
    world.run()
    assert world.records("right")["R1"]["name"] == "Zoë"
    quiet(world)
    world.close()


RAW = "測試_Русский  _ě_áñ\n\t\x19\x81"


def test_extended_filenames(tmp_path: Path) -> None:
    """Ids of any characters are names like others: created, edited and deleted."""
    ids = [f"{RAW}{n}" for n in range(1, 4)]
    world = World(tmp_path, left={id: person(n) for n, id in enumerate(ids, 1)})
    world.adopted()

    world.left.edit("person", ids[0], {"phone": RAW})
    world.left.remove("person", ids[1])
    world.right.put("person", person(4), RAW)
    world.run()

    assert {n: p["phone"] for n, p in world.shown("right").items()} == {"1": RAW, "3": "1", "4": "1"}
    assert world.shown("left") == world.shown("right")
    assert world.why(ids[0])["left"] == ids[0]
    quiet(world)
    world.close()


def odd_paths(folder: Path) -> World:
    """Field names that nobody could write without quotes, on both sides."""
    rules = (
        rule("number", owner="left"),
        rule("phone", left='"測試 файл"."a.b [0]"', right='"ключ"."  two  spaces "', wins="right"),
    )
    sync = people_sync(rules=rules, match_on=(Match(("number",)),))
    world = World(folder, left={RAW: {"number": "1", "測試 файл": {"a.b [0]": "1", "ě": "kept"}}}, sync=sync)
    world.adopted()
    return world


@pytest.mark.parametrize("side", ["left", "right"], ids=["ext_paths", "extended_char_paths"])
def test_ext_paths(tmp_path: Path, side: str) -> None:
    """The folder exists twice upstream, under its old and its new name."""
    world = odd_paths(tmp_path)
    (there,) = world.records("right")
    assert world.records("right")[there] == {"number": "1", "ключ": {"  two  spaces ": "1"}}

    if side == "left":
        world.left.edit("person", RAW, {"測試 файл": {"a.b [0]": "áñ"}})
    else:
        world.right.edit("person", there, {"ключ": {"  two  spaces ": "áñ"}})
    world.run()

    assert world.records("left")[RAW]["測試 файл"] == {"a.b [0]": "áñ", "ě": "kept"}
    assert world.records("right")[there]["ключ"] == {"  two  spaces ": "áñ"}
    quiet(world)
    world.close()


def test_createemptysrcdirs(world: QuirkyWorld) -> None:
    """A record of nothing but its key is a record: born on the other side, and ended with it."""
    world.left.put("person", {"number": "20"}, "L20")
    world.run()
    assert world.shown("right")["20"] == {"number": "20"}

    world.left.remove("person", "L20")
    world.run()

    assert "20" not in world.shown("right")
    quiet(world)


def test_rmdirs(world: QuirkyWorld) -> None:
    """A record whose every field was cleared is still a record, on both sides; only a delete deletes."""
    nothing = dict.fromkeys(("name", "email", "phone", "tag"))
    world.left.edit("person", "L1", nothing)

    world.run()

    assert world.records("left")["L1"] == world.records("right")["R1"] == {"number": "1"} | nothing
    world.left.remove("person", "L1")
    world.run()
    assert "R1" not in world.records("right")


def test_rclone_args(tmp_path: Path) -> None:
    """Nothing that is asked of one run changes what is decided: a full comparison says what an incremental one says."""
    lines = []
    for full in (False, True):
        (tmp_path / str(full)).mkdir()
        world = nine(tmp_path / str(full))
        ten_changes(world)
        lines.append(sorted(world.plan(full=full).lines, key=str))
        world.close()

    assert lines[0] == lines[1]
    assert len(lines[0]) == 10
