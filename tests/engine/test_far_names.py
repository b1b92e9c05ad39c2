"""Stories of references whose names only the other system knows: it is away, it forgets, it was asked very often."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Temporary
from daemon.core.rules import Naming, Ref
from daemon.engine import references
from daemon.engine.references import References
from tests.engine.quirks import Quirky
from tests.engine.test_references import Office, boss, employee, staff

BY_DN = {"named": {"right": Naming("person", "dn")}}
"""On the right, records are referred to by their dn."""


class Directory(Quirky):
    """A directory that gives every newborn a dn, and that can be away for questions alone."""

    silent = False

    def find(self, entity: str, by: Any, **how: Any) -> Any:
        self._listen()
        return self.driver.find(entity, by, **how)

    def get(self, entity: str, ids: Any, **how: Any) -> Iterator[Any]:
        self._listen()
        return super().get(entity, ids, **how)

    def _listen(self) -> None:
        if self.silent:
            raise Temporary("crm: connection reset")

    def name(self, _: Any) -> None:
        for id, fields in self.driver.records("person").items():
            if "dn" not in fields:
                self.driver.edit("person", id, {"dn": f"cn={fields['name']}"})


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    worlds: list[Office] = []

    def make(left: Any, right: Any = None, sync: Any = None) -> Office:
        world = Office(tmp_path, left, right or {}, sync or staff(boss(to=BY_DN)))
        crm = Directory(world.right)
        crm.after_write = crm.name
        world.systems = {"left": world.left, "right": crm}
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.close()


PAIRED = (
    {"L1": employee("Ada"), "L2": employee("Bob", "L1")},
    {"R1": employee("Ada") | {"dn": "cn=Ada"}, "R2": employee("Bob", "cn=Ada") | {"dn": "cn=Bob"}},
)


def test_a_directory_that_cannot_be_asked_for_names_postpones_the_run(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    office.left.edit("person", "L1", {"boss": "L2"})
    office.systems["right"].silent = True

    report = office.run()

    assert (report.state, report.problems) == ("postponed", ("crm: connection reset; the run is postponed",))
    assert office.held() == []
    office.systems["right"].silent = False
    office.run()
    assert office.records("right")["R1"]["boss"] == "cn=Bob"
    office.quiet()


def test_a_directory_that_falls_silent_between_two_newcomers_leaves_the_second_for_the_next_run(made: Any) -> None:
    office = made({"L1": employee("Ada"), "L2": employee("Bob", "L1")})
    office.approve()
    crm = office.systems["right"]

    def born(write: Any) -> None:
        crm.name(write)
        crm.silent = True

    crm.after_write = born
    report = office.run()

    assert report.state == "postponed"
    assert report.problems == ("crm: connection reset; nobody can say how the records stand that others depend on",)
    assert [fields["name"] for fields in office.records("right").values()] == ["Ada"]
    crm.silent, crm.after_write = False, crm.name
    office.run()
    assert {one["name"]: one["boss"] for one in office.records("right").values() if one.get("boss")} == {
        "Bob": "cn=Ada"
    }
    office.quiet()


def test_however_little_is_kept_in_memory_names_stay_right(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "REMEMBERED", 1)
    chain = {f"L{n}": employee(f"P{n}", f"L{n - 1}" if n else None) for n in range(12)}
    office = made(chain)
    office.left.page = office.right.page = 5

    office.first()

    bosses = {one["name"]: one.get("boss") for one in office.records("right").values()}
    assert bosses == {f"P{n}": f"cn=P{n - 1}" if n else None for n in range(12)}
    office.quiet()


def test_a_reference_that_the_right_side_clears_is_cleared_on_the_left(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    office.right.edit("person", "R2", {"boss": None})

    office.run()

    assert office.records("left")["L2"]["boss"] is None
    office.quiet()


def test_a_name_whose_partner_has_gone_by_the_time_of_writing_is_not_written(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    law = boss(ref=Ref("people"))
    names = References(office.sync, office.store, office.systems)

    assert names.written(law, "R1") == "L1"
    with pytest.raises(ValueError, match="its reference R9 has no partner in people yet"):
        names.written(law, "R9")
