"""Stories of what is sent: what changed and nothing else, for systems that keep siblings and for those that do not."""

from pathlib import Path
from typing import Any

import pytest

from connectors.base import Capabilities, Write
from daemon.core.rules import Match
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, rule


def ada(**more: Any) -> dict[str, Any]:
    home = {"street": "A", "city": "B", "floor": 3}
    return {"number": "1", "home": home, "name": "Ada", "note": "nobody maps me"} | more


def sync() -> Any:
    rules = (
        rule("number", owner="left"),
        rule("name", wins="left"),
        rule("city", "home.city", "home.city", wins="left"),
    )
    return people_sync(rules=rules, match_on=(Match(("number",)),))


class Paired(World):
    """One person on both sides, known to each other; what is written to the right is kept."""

    def __init__(self, folder: Path, nested: Any = "merge") -> None:
        find = frozenset({"number"})
        caps = Capabilities(precondition=True, find=find, nested=nested, processing_window=0.0)
        super().__init__(
            folder, left={"L1": ada()}, right={"R1": ada()}, sync=sync(),
            capabilities={"left": Capabilities(precondition=True, find=find), "right": caps},
        )  # fmt: skip
        self.crm = Quirky(self.right)
        self.adopted()

    @property
    def drivers(self) -> Any:
        return {"left": self.left, "right": self.crm}


def sent(world: Paired) -> Write:
    (write,) = world.crm.writes
    return write


def test_an_update_names_the_changed_field_alone_and_what_stood_there(tmp_path: Path) -> None:
    world = Paired(tmp_path)
    world.left.edit("person", "L1", {"name": "Grace", "note": "still nobody maps me"})

    world.run()

    assert (sent(world).fields, sent(world).before) == ({"name": "Grace"}, {"name": "Ada"})
    assert sent(world).version == "1"
    world.close()


def test_an_update_of_a_nested_field_names_it_alone_where_siblings_are_kept(tmp_path: Path) -> None:
    world = Paired(tmp_path)
    world.left.edit("person", "L1", {"home": {"city": "C"}})

    world.run()

    assert (sent(world).fields, sent(world).before) == ({"home": {"city": "C"}}, {"home": {"city": "B"}})
    assert world.records("right")["R1"]["home"] == {"street": "A", "city": "C", "floor": 3}
    world.close()


@pytest.mark.parametrize("edit", [{}, {"home": {"floor": 4}}])
def test_siblings_that_nobody_maps_survive_where_an_object_is_replaced_whole(tmp_path: Path, edit: Any) -> None:
    world = Paired(tmp_path, nested="replace")
    world.left.edit("person", "L1", {"home": {"city": "C"}})
    once = [edit] if edit else []
    world.crm.before_write = lambda write: world.right.edit("person", "R1", once.pop()) if once else None

    assert world.run().state == "done"

    floor = edit.get("home", {}).get("floor", 3)
    assert world.records("right")["R1"]["home"] == {"street": "A", "city": "C", "floor": floor}
    assert world.crm.writes[-1].fields == {"home": {"street": "A", "city": "C", "floor": floor}}
    world.close()
