"""This is where docs/operations.md is held to what a plan really tells: every key stands there, and no other."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from daemon.core.limits import Bound, Guards, Limit
from daemon.core.rules import Asked, Cases, Ending
from tests.engine.household import Household, left, phone
from tests.engine.world import World, person, swapping_sync

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
NAMED = {"bounds": "NAME", "counts": "KIND", "fields": "NAME", "makes_room": "SIDE", "requests": "SYSTEM"}
"""Objects whose keys are names of things, and how the page calls these."""
FREE = {"detail"}
"""Objects whose keys depend on the reason."""


FEW = Limit(count=9)
BOUNDED = Guards(updates=Limit(count=0), creates=FEW, deletes=FEW, values={"phone": Bound(filled=True)})


def keys(told: Any, way: str = "", holder: str = "") -> Iterator[str]:
    if isinstance(told, Mapping):
        for name, inner in told.items():
            word = NAMED.get(holder, name)
            here = f"{way}.{word}" if way else word
            yield here
            if name not in FREE:
                yield from keys(inner, here, "" if holder in NAMED else name)
    elif isinstance(told, list | tuple):
        yield from (key for inner in told for key in (way + "[]", *keys(inner, way + "[]")))


def explained() -> set[str]:
    section = PAGE.read_text("utf-8").split("## What a plan says")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.M)
    return {key for row in rows for key in re.findall(r"`([^`]*)`", row)}


def outermost(found: set[str]) -> set[str]:
    """Without the keys of objects and lists whose insides are explained."""
    return {key for key in found if not any(other.startswith((f"{key}.", f"{key}[]")) for other in found)}


def everything(folder: Path) -> World:
    """A plan with something of every kind."""
    people = {f"{n}": person(n) for n in range(1, 9)}
    over = Asked("left", lambda fields, at: fields.get("tag") == "over", ("tag",))
    urgent = Asked("left", lambda fields, at: fields.get("tag") == "now", ("tag",))
    sync = swapping_sync(
        cases=Cases(gone_left="delete", recreated="relink"), ending=Ending(over, "retire"), urgent=urgent,
        guards=BOUNDED,
    )  # fmt: skip
    world = World(folder, left=dict(people), right=dict(people), sync=sync)
    world.adopted()
    world.left.edit("person", "6", {"tag": "over"})
    world.run()
    world.left.edit("person", "1", {"email": "p2@corp.example"})
    world.left.edit("person", "2", {"email": "p1@corp.example"})
    for side, said in (("left", "here"), ("right", "there")):
        world.drivers[side].edit("person", "3", {"phone": said})  # type: ignore[index]
    world.left.edit("person", "8", {"phone": None})
    world.left.remove("person", "4")
    world.left.edit("person", "5", {"name": "Urgent", "tag": "now"})
    world.left.edit("person", "6", {"tag": "a", "name": "Back"})
    world.left.put("person", person(9))
    world.left.remove("person", "7")
    world.left.put("person", person(7), "L77")
    return world


def test_every_key_of_a_plan_is_explained_and_none_that_is_not_there(tmp_path: Path) -> None:
    world = everything(tmp_path)

    held, free = world.plan().to_json(), None
    world.sync = replace(world.sync, guards=replace(BOUNDED, updates=Limit()))
    free = world.plan().to_json()
    world.close()
    (tmp_path / "parents").mkdir()
    with_children = Household(tmp_path / "parents", {"L1": left("Ada", phone("work", "1"))}, {})
    children = with_children.plan().to_json()
    with_children.close()

    told = {key for report in (held, free, children) for key in keys(report)}
    told |= {"problems[]", "guarantees[].found_by[]", "guarantees[].steps[]"}  # lists that may be empty
    assert outermost(told) - explained() == set()
    assert explained() - told == set()


def test_a_plan_is_plain_json(tmp_path: Path) -> None:
    world = everything(tmp_path)

    assert msgspec.json.decode(msgspec.json.encode(world.plan().to_json()))["state"] == "planned"
    world.close()
