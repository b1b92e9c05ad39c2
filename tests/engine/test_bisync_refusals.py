"""Every test folder of rclone's bisync told again with records: what is left out, refused, asked first, or only shown.

A test bears the folder's name. docs/sync.md, "Beside rclone bisync", says where we do otherwise and why.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.model import Half
from daemon.core.rules import Cases, Guards, Limit
from tests.engine.nine import QuirkyWorld, nine, quiet, ten_answers, ten_changes
from tests.engine.world import World, people_sync, person

FILE_LIKE = Cases(gone_left="delete", gone_right="delete")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[QuirkyWorld]:
    made = nine(tmp_path)
    yield made
    made.close()


def crowd(folder: Path, people: int = 40, **sync: object) -> World:
    """A crowd on both sides, large enough for shares to count."""
    sides = ({f"{side}{n}": person(n) for n in range(1, people + 1)} for side in "LR")
    world = World(folder, *sides, sync=people_sync(**({"cases": FILE_LIKE} | sync)))
    world.adopted()
    return world


def test_all_changed(tmp_path: Path) -> None:
    """Every record edited at once is more often a fault: nothing of it is written until a person has seen it."""
    world = crowd(tmp_path)
    for n in range(1, 41):
        world.left.edit("person", f"L{n}", {"phone": "all"})
    world.right.put("person", person(50), "R50")

    report = world.run()

    assert [trip["text"] for trip in report.guards] == ["would update 40 of 40 pairs; 20 are allowed"]
    assert {p["phone"] for n, p in world.shown("right").items()} == {"1"}
    assert "50" in world.shown("left")  # what no guard holds goes on
    world.approve("updates")
    assert world.run().counts["written"] == 40
    quiet(world)
    world.close()


def test_check_access(tmp_path: Path) -> None:
    """A side that shows hardly anything any more is not believed; once it shows all again, nobody has to repair."""
    world = crowd(tmp_path)
    there = world.records("right")
    for id in list(there)[5:]:
        world.right.remove("person", id)
    world.left.edit("person", "L1", {"phone": "edited"})

    for _ in range(2):
        report = world.run(full=True)
        assert [trip["kind"] for trip in report.guards] == ["shrink"]
        assert len(world.records("left")) == 40
        assert world.records("right")["R1"]["phone"] == "1"

    for id in list(there)[5:]:
        world.right.put("person", there[id], id)
    report = world.run(full=True)
    assert report.guards == ()
    assert report.counts["written"] == 1
    assert len(world.records("left")) == len(world.records("right")) == 40
    world.close()


def test_check_access_filters(tmp_path: Path) -> None:
    """What `where` leaves out may vanish without alarm; what it takes in may not."""
    end = people_sync().left
    active = {"left": replace(end, where={"tag": "a"}), "right": replace(end, system="crm", where={"tag": "a"})}
    world = crowd(tmp_path, **active)
    for n in range(100, 140):
        world.right.put("person", person(n, tag="other"), f"R{n}")
    world.run(full=True)
    for n in range(100, 140):
        world.right.remove("person", f"R{n}")
    assert world.run(full=True).guards == ()

    for n in range(1, 21):
        world.right.remove("person", f"R{n}")

    assert [trip["text"] for trip in world.run(full=True).guards] == [
        "crm.person lists 20 records after 40: nothing is written"
    ]
    assert len(world.records("left")) == 40
    world.close()


@pytest.mark.parametrize(("shrink", "guards"), [(0.1, ["shrink"]), (0.9, ["deletes"])])
def test_check_filename(tmp_path: Path, shrink: float, guards: list[str]) -> None:
    """What makes a side incredible is said per sync; and what is believed still faces the guard of the deletes."""
    world = crowd(tmp_path, guards=Guards(shrink=shrink))
    for n in range(1, 31):
        world.right.remove("person", f"R{n}")

    assert [trip["kind"] for trip in world.run(full=True).guards] == guards
    assert len(world.records("left")) == 40
    world.close()


def test_check_sync(world: QuirkyWorld) -> None:
    """A memory that says something else than both sides is put right; a lost one is a first contact again."""
    row = world.store.sync("people")
    known = world.store.pairs.get(world.store.pairs.keys_in(row.id, "active"))
    wrong = {"phone": b"12345678"}
    pair = next(pair for pair in known.values() if pair.left and pair.left.id == "L1")
    halves = {
        side: replace(half, agreed=dict(half.agreed) | wrong, seen=b"") for side, half in _halves(pair.left, pair.right)
    }
    world.store.pairs.remember(row.id, [replace(pair, **halves)])

    report = world.run(full=True)
    assert report.state == "done"
    assert report.counts.get("written", 0) == 0
    world.left.edit("person", "L1", {"phone": "2"})
    world.run()
    assert world.records("right")["R1"]["phone"] == "2"

    world.close()
    for file in world.folder.glob("store.db*"):
        file.unlink()
    world.open()
    world.left.remove("person", "L9")
    report = world.run()
    assert (report.state, report.guards[0]["kind"]) == ("held", "adopt")
    assert len(world.records("right")) == 9
    world.approve()
    assert world.run().counts["create"] == 1  # what was deleted while nobody remembered comes back, and is not lost
    assert world.shown("left") == world.shown("right")


def _halves(left: Half | None, right: Half | None) -> list[tuple[str, Half]]:
    assert left
    assert right
    return [("left", left), ("right", right)]


def test_dry_run(world: QuirkyWorld) -> None:
    """A plan shows what a run then does, and changes nothing of it: neither the systems nor what is remembered."""
    ten_changes(world)
    before = world.records("left"), world.records("right")

    planned = [world.plan(full=full).lines for full in (True, False)]

    assert (world.records("left"), world.records("right")) == before
    assert world.held() == []
    done = world.run()
    for lines in planned:
        assert sorted(map(str, lines)) == sorted(map(str, done.lines))
    ten_answers(world)


def test_filters(tmp_path: Path) -> None:
    """A record outside the scope takes no part; one of the same kind inside does."""
    inside = replace(people_sync().left, scope=lambda fields, at: fields["tag"] != "private")
    cases = Cases(gone_left="delete", gone_right="delete")
    world = nine(tmp_path, left=inside, right=replace(inside, system="crm"), cases=cases)
    world.right.put("person", person(20, tag="private"), "R20")
    world.left.put("person", person(21), "L21")

    world.run()

    assert "20" not in world.shown("left")
    assert "21" in world.shown("right")
    world.right.remove("person", "R20")
    quiet(world)
    world.close()


def test_filtersfile_checks(world: QuirkyWorld) -> None:
    """Another scope is another agreement: its first plan waits, and looking at it approves nothing."""
    narrow = replace(world.sync.left, scope=lambda fields, at: fields["number"] != "1")
    world.sync = replace(world.sync, left=narrow, fingerprint="narrow")
    world.left.edit("person", "L2", {"phone": "2"})

    for look in (world.run, world.plan, world.run):
        assert [trip["kind"] for trip in look().guards] == ["adopt"]
        assert world.records("right")["R2"]["phone"] == "1"

    world.approve()
    assert world.run().counts["written"] == 1
    assert world.records("right")["R2"]["phone"] == "2"
    world.left.edit("person", "L1", {"phone": "outside"})
    quiet(world)
    assert world.records("right")["R1"] == person(1)


def test_max_delete_path1(world: QuirkyWorld) -> None:
    for n in range(1, 6):
        world.left.remove("person", f"L{n}")

    report = world.run()

    assert [trip["text"] for trip in report.guards] == ["would delete 5 of 9 pairs; 3 are allowed"]
    assert len(world.records("right")) == 9
    world.sync = replace(world.sync, guards=Guards(deletes=Limit(share=0.6)))
    world.run()
    assert set(world.shown("right")) == {"6", "7", "8", "9"}
    quiet(world)


def test_max_delete_path2_force(world: QuirkyWorld) -> None:
    """The force is an approval: of the deletes that were seen, and of no others."""
    for n in range(1, 6):
        world.right.remove("person", f"R{n}")
    assert world.run().guards[0]["kind"] == "deletes"
    world.approve("deletes")
    world.right.remove("person", "R6")

    world.run()

    assert set(world.shown("left")) == {"7", "8", "9"}  # five approved, and one within the limit
    quiet(world)


def test_max_delete_track_renames(world: QuirkyWorld) -> None:
    """A record under another id with its old match key is no delete; a real delete still counts as one."""
    for side, driver in (("L", world.left), ("R", world.right)):
        moved = driver.records("person")
        for n in range(1, 6):
            old = next(id for id, fields in moved.items() if fields["number"] == str(n))
            driver.remove("person", old)
            driver.put("person", moved[old], f"{side}-renamed-{n}")
        report = world.run()
        assert report.guards == ()
        renamed = [told for told in world.held() if told["left"] and told["right"]]
        assert len(renamed) == 5
        for told in renamed:
            world.retry(str(told["pair"]))
        assert world.run().state == "done"
        assert world.shown("left") == world.shown("right")

    moved = world.records("left")
    for n in range(1, 6):
        world.left.remove("person", f"L-renamed-{n}")
    world.left.put("person", moved["L-renamed-1"], "L-again-1")

    report = world.run()

    assert [trip["text"] for trip in report.guards] == ["would delete 4 of 9 pairs; 3 are allowed"]
    assert len(world.records("right")) == 9
