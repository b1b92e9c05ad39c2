"""This is where nine people stand on both sides, as nine files do in most test folders of rclone's bisync."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.base import Capabilities, Done, Outcome, Record
from daemon.core.rules import Cases, Side
from daemon.engine.report import Report
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person

FIND = frozenset({"number", "email"})


class QuirkyWorld(World):
    """A world whose sides can be stirred while a run writes."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        self.quirky: dict[Side, Quirky] = {"left": Quirky(self.left), "right": Quirky(self.right)}

    @property
    def drivers(self) -> Any:
        return self.quirky


class Unstamped(Quirky):
    """A system that tells neither a version nor what changed since: no modification times, so to speak."""

    def read(self, entity: str, **how: Any) -> Iterator[Any]:
        for page in super().read(entity, **how):
            yield replace(page, records=tuple(_bare(record) for record in page.records))

    def get(self, entity: str, ids: Any, **how: Any) -> Iterator[Any]:
        return (_bare(answer) for answer in super().get(entity, ids, **how))

    def write(self, entity: str, writes: Any, **how: Any) -> Iterator[Outcome]:
        for outcome in super().write(entity, writes, **how):
            yield replace(outcome, version=None, record=None) if isinstance(outcome, Done) else outcome


def nine(folder: Path, **sync: Any) -> QuirkyWorld:
    """Nine people, the same on both sides, adopted. Deletes travel both ways, as files' deletes do."""
    sync = {"cases": Cases(gone_left="delete", gone_right="delete")} | sync
    left, right = ({f"{side}{n}": person(n) for n in range(1, 10)} for side in "LR")
    world = QuirkyWorld(folder, left=left, right=right, sync=people_sync(**sync))
    assert world.adopted().counts["link"] == 9
    return world


def unstamped(world: QuirkyWorld) -> QuirkyWorld:
    """The same world without versions and cursors on either side."""
    poor = {"cursor": None, "tombstones": False}
    world.quirky = {"left": Unstamped(world.left, **poor), "right": Unstamped(world.right, **poor)}
    return world


def ten_changes(world: World) -> None:
    """Everything that can happen to a file between two runs, each to another person."""
    world.right.put("person", person(10, phone="new"), "R10")
    world.right.edit("person", "R1", {"phone": "right"})
    world.left.put("person", person(11, phone="new"), "L11")
    world.left.edit("person", "L2", {"phone": "left"})
    world.right.remove("person", "R3")
    world.left.remove("person", "L4")
    world.left.edit("person", "L5", {"phone": "left"})
    world.right.edit("person", "R5", {"phone": "right"})
    world.right.edit("person", "R6", {"phone": "right"})
    world.left.remove("person", "L6")
    world.left.edit("person", "L7", {"phone": "left"})
    world.right.remove("person", "R7")
    world.left.remove("person", "L8")
    world.right.remove("person", "R8")


def ten_answers(world: World) -> None:
    """What has to have become of the ten changes: three wait for a person, nothing was lost, the rest is in step."""
    phones = {"1": "right", "2": "left", "9": "1", "10": "new", "11": "new"}
    left, right = ({n: p["phone"] for n, p in world.shown(side).items()} for side in ("left", "right"))
    assert left == phones | {"5": "left", "7": "left"}
    assert right == phones | {"5": "right", "6": "right"}
    waiting = {(told["left"], told["right"]): told["reason"] for told in world.held()}
    assert waiting == {("L5", "R5"): "conflict", ("L6", "R6"): "case", ("L7", "R7"): "case"}


def quiet(world: World) -> Report:
    """A second run has nothing to write."""
    report = world.run(full=True)
    assert report.counts.get("written", 0) == 0, report.lines
    return report


def poor() -> Capabilities:
    """What a system guarantees that has no cursor, no tombstones and no preconditions."""
    return Capabilities(find=FIND, processing_window=0.0)


def _bare(record: Any) -> Any:
    return replace(record, version=None) if isinstance(record, Record) else record
