"""Stories of fields that name another record: each side has its own name for it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.base import Fields
from connectors.drivers.memory import MemoryDriver
from daemon.core.rules import Cases, End, Guards, Limit, Match, Naming, Ref, Sync
from daemon.engine.report import Report
from tests.engine.quirks import Quirky, refused
from tests.engine.world import HOUR, World, rule

OPEN = Guards(creates=Limit(), updates=Limit(), deletes=Limit(), blanked=Limit(), shrink=1.0)


def employee(name: str, boss: Any = None, team: Any = None) -> dict[str, Any]:
    return {"name": name, "boss": boss, "team": team}


def boss(**more: Any) -> Any:
    settings = {"ref": Ref("people", missing=more.pop("missing", "hold"), **more.pop("to", {}))}
    return rule("boss", wins="left", **settings | more)


def staff(*rules: Any, name: str = "people", **more: Any) -> Sync:
    return Sync(
        name, End("hr", "person"), End("crm", "person"), (rule("name"), *(rules or (boss(),))), (Match(("name",)),),
        cases=Cases(gone_left="delete", gone_right="hold"), guards=OPEN, rev="1", fingerprint="1", **more,
    )  # fmt: skip


TEAMS = Sync(
    "teams", End("hr", "team"), End("crm", "team"), (rule("name"),), (Match(("name",)),), guards=OPEN, rev="1",
    cases=Cases(gone_left="delete"), fingerprint="1",
)  # fmt: skip


class Killed(BaseException):
    """The daemon dies here."""


class Office(World):
    """A world with persons and teams on both sides."""

    systems: Mapping[Any, Any] = {}

    def __init__(self, folder: Path, left: Mapping[str, Fields], right: Mapping[str, Fields], sync: Sync) -> None:
        super().__init__(folder, sync=sync)
        find = {"person": ("name", "dn", "no"), "team": ("name",)}
        self.left = MemoryDriver({"person": left, "team": {}}, name="hr", find=find)
        self.right = MemoryDriver({"person": right, "team": {}}, name="crm", find=find)

    @property
    def drivers(self) -> Mapping[Any, Any]:
        return self.systems or super().drivers

    def first(self, sync: Sync | None = None) -> Report:
        """The first run of a sync, approved."""
        self.sync = sync or self.sync
        return self.adopted()

    def run_of(self, sync: Sync, **request: Any) -> Report:
        self.sync = sync
        return self.run(**request)

    def names(self, side: Any, field: str = "boss") -> dict[str, Any]:
        """Who refers to whom, by name."""
        shown = self.records(side)
        return {
            str(one["name"]): shown[str(one.get(field))]["name"] if str(one.get(field)) in shown else one.get(field)
            for one in shown.values()
        }

    def quiet(self) -> None:
        """A full comparison has nothing to write, and nothing waits."""
        report = self.run(full=True)
        assert (report.state, report.counts.get("written", 0), report.counts.get("update", 0)) == ("done", 0, 0)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Any]:
    worlds: list[Office] = []

    def make(left: Mapping[str, Fields], right: Mapping[str, Fields] | None = None, sync: Sync | None = None) -> Office:
        worlds.append(Office(tmp_path, left, right or {}, sync or staff()))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


PAIRED = (
    {"L1": employee("Ada"), "L2": employee("Bob", "L1"), "L3": employee("Cyd")},
    {"R1": employee("Ada"), "R2": employee("Bob", "R1"), "R3": employee("Cyd")},
)


def test_two_names_of_one_record_are_one_value(made: Any) -> None:
    office = made(*PAIRED)

    report = office.first()

    assert report.state == "done"
    assert report.counts.get("written", 0) == 0
    office.quiet()


def test_a_reference_travels_by_the_name_that_the_other_side_has(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    office.left.edit("person", "L2", {"boss": "L3"})
    office.right.edit("person", "R3", {"boss": "R1"})

    plan = office.plan()
    report = office.run()

    assert {change["fields"]["boss"]["after"] for line in plan.lines for change in line["changes"]} == {"R3", "R1"}
    assert report.counts["written"] == 2
    assert office.records("right")["R2"]["boss"] == "R3"
    assert office.records("left")["L3"]["boss"] == "L1"
    office.quiet()


def test_a_cleared_reference_travels_as_emptiness(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    office.left.edit("person", "L2", {"boss": None})

    office.run()

    assert office.records("right")["R2"]["boss"] is None
    office.quiet()


def test_a_reference_to_nobody_is_held_and_the_other_fields_flow(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    office.left.edit("person", "L2", {"boss": "L9", "name": "Bobby"})

    report = office.run()

    assert report.state == "held"
    assert office.records("right")["R2"] == employee("Bobby", "R1")
    (waiting,) = office.held()
    assert waiting["reason"] == "reference"
    assert waiting["fields"] == {"boss": "left: its reference L9 has no partner in people yet"}
    assert office.why("L2")["fields"]["boss"]["why"] == "left: its reference L9 has no partner in people yet"


def test_a_held_reference_heals_when_its_partner_comes(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    office.left.edit("person", "L2", {"boss": "L9"})
    office.run()

    office.left.put("person", employee("Eve"), "L9")
    office.run()

    assert office.names("right")["Bob"] == "Eve"
    assert office.held() == []
    office.quiet()


def test_an_edit_on_the_right_that_names_a_newcomer_waits_and_travels(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    office.right.edit("person", "R2", {"boss": "R9"})
    assert office.run().state == "held"
    assert office.held()[0]["fields"] == {"boss": "right: its reference R9 has no partner in people yet"}
    assert office.records("left")["L2"]["boss"] == "L1"

    office.right.put("person", employee("Eve"), "R9")
    office.run()

    assert office.names("left")["Bob"] == "Eve"
    office.quiet()


@pytest.mark.parametrize(("missing", "meanwhile"), [("null", None), ("skip", "R1"), ("hold", "R1")])
def test_a_missing_partner_gives_what_the_field_says_and_is_made_good(made: Any, missing: str, meanwhile: Any) -> None:
    people = staff(rule("team", wins="left", ref=Ref("teams", missing=missing)))
    office = made({"L1": employee("Ada", team="T1")}, {"R1": employee("Ada", team="U1")}, people)
    for side, id in (("left", "T1"), ("right", "U1")):
        getattr(office, side).put("team", {"name": "Sales"}, id)
    office.first(TEAMS)
    office.first(people)

    office.left.put("team", {"name": "Law"}, "T2")
    office.left.edit("person", "L1", {"team": "T2"})
    office.run_of(people)
    assert office.records("right")["R1"]["team"] == {"R1": "U1"}.get(str(meanwhile))
    assert office.run_of(people).counts.get("written", 0) == 0

    office.run_of(TEAMS)
    report = office.run_of(people)

    assert report.counts["written"] == 1
    assert report.counts.get("read_left", 0) < 2
    new = office.records("right")["R1"]["team"]
    assert office.right.records("team")[new] == {"name": "Law"}
    office.quiet()


@pytest.mark.parametrize("missing", ["null", "skip", "hold"])
def test_a_record_is_born_without_a_reference_that_leads_nowhere_yet(made: Any, missing: str) -> None:
    people = staff(rule("team", wins="left", ref=Ref("teams", missing=missing)))
    office = made({"L1": employee("Ada", team="T1")}, {}, people)
    office.left.put("team", {"name": "Sales"}, "T1")

    office.first(people)
    (born,) = office.records("right").values()
    assert born.get("team") is None
    assert [row["reason"] for row in office.held()] == (["reference"] if missing == "hold" else [])
    office.first(TEAMS)
    office.run_of(people)

    (born,) = office.records("right").values()
    assert office.right.records("team")[born["team"]] == {"name": "Sales"}
    office.quiet()


def test_a_record_that_needs_its_reference_is_not_born_before(made: Any) -> None:
    people = staff(rule("team", wins="left", hold="record", ref=Ref("teams")))
    office = made({"L1": employee("Ada", team="T1")}, {}, people)
    office.left.put("team", {"name": "Sales"}, "T1")

    office.first(people)
    assert office.records("right") == {}
    assert office.held()[0]["reason"] == "reference"
    office.first(TEAMS)
    office.run_of(people)

    (born,) = office.records("right").values()
    assert office.right.records("team")[born["team"]] == {"name": "Sales"}
    office.quiet()


def test_a_partner_that_was_replaced_travels_with_the_next_comparison(made: Any) -> None:
    people = staff(rule("team", wins="left", ref=Ref("teams", missing="null")))
    office = made({"L1": employee("Ada", team="T1")}, {"R1": employee("Ada", team="U1")}, people)
    office.left.put("team", {"name": "Sales"}, "T1")
    office.right.put("team", {"name": "Sales"}, "U1")
    office.first(TEAMS)
    office.first(people)
    row = office.store.sync("teams")
    (pair,) = office.store.pairs.get(office.store.pairs.find_pair(row.id, "T1")).values()
    office.right.put("team", {"name": "Sales"}, "U2")
    moved = pair.right.__class__("U2", agreed=dict(pair.right.agreed), keys=pair.right.keys)
    office.store.pairs.remember(row.id, [pair.__class__(pair.key, pair.left, moved)])

    office.run_of(people, full=True)

    assert office.records("right")["R1"]["team"] == "U2"
    office.quiet()


def test_a_partner_that_ended_is_missing(made: Any) -> None:
    people = staff(rule("team", wins="left", ref=Ref("teams")))
    office = made({"L1": employee("Ada", team="T1")}, {"R1": employee("Ada", team="U1")}, people)
    office.left.put("team", {"name": "Sales"}, "T1")
    office.right.put("team", {"name": "Sales"}, "U1")
    office.first(TEAMS)
    office.first(people)
    office.left.remove("team", "T1")
    office.run_of(TEAMS)
    assert office.right.records("team") == {}

    office.run_of(people, full=True)

    assert office.held()[0]["fields"] == {"team": "left: its reference T1 has no partner in teams yet"}


def test_an_owner_s_reference_overwrites_what_the_other_side_invented(made: Any) -> None:
    office = made(*PAIRED, staff(rule("boss", owner="left", ref=Ref("people"))))
    office.first()
    office.right.edit("person", "R2", {"boss": "nobody"})

    office.run()

    assert office.records("right")["R2"]["boss"] == "R1"
    office.quiet()


def test_what_the_left_invented_is_overwritten_where_the_right_owns(made: Any) -> None:
    office = made(*PAIRED, staff(rule("boss", owner="right", ref=Ref("people"))))
    office.first()
    office.left.edit("person", "L2", {"boss": "R1"})  # the right side's own name, which means nobody here

    plan = office.plan()
    office.run()

    assert plan.lines[0]["changes"][0]["fields"]["boss"]["before"] == "R1 (no partner in people)"
    assert office.records("left")["L2"]["boss"] == "L1"
    office.quiet()


def test_a_side_may_name_records_by_another_field(made: Any) -> None:
    to = {"named": {"right": Naming("person", "dn"), "left": Naming("person", "no")}}
    left = {"L1": employee("Ada") | {"no": "1"}, "L2": employee("Bob", "1") | {"no": "2"}, "L3": employee("Cyd", "2")}
    right = {"R1": employee("Ada") | {"dn": "cn=Ada"}, "R2": employee("Bob", "cn=Ada") | {"dn": "cn=Bob"}}
    office = made(left, right, staff(boss(to=to)))

    office.first()
    (cyd,) = (one for one in office.records("right").values() if one["name"] == "Cyd")
    assert cyd["boss"] == "cn=Bob"
    office.right.edit("person", "R2", {"boss": "cn=Bob"})
    office.run()

    assert office.records("left")["L2"]["boss"] == "2"
    office.quiet()


def test_a_name_that_means_nobody_or_several_is_held(made: Any) -> None:
    to = {"named": {"left": Naming("person", "no"), "right": Naming("person", "dn")}}
    left = {"L1": employee("Ada") | {"no": "1"}, "L2": employee("Bob", "1"), "L3": employee("Cyd", "9")}
    right = {"R1": employee("Ada"), "R4": employee("Dan") | {"dn": "x"}}
    office = made(left | {"L4": employee("Dan", "7") | {"no": "7"}, "L5": employee("Eve") | {"no": "7"}}, right,
                  staff(boss(to=to)))  # fmt: skip

    office.first()

    assert {row["left"]: row["fields"]["boss"] for row in office.held()} == {
        "L2": "left: its reference 1 has no partner in people yet",  # Ada has no dn yet
        "L3": "left: its reference 9 has no partner in people yet",
        "L4": "left: 2 records of person have the no '7'",
    }
    office.left.edit("person", "L5", {"no": "8"})
    office.left.edit("person", "L3", {"boss": None})
    office.right.edit("person", "R1", {"dn": "cn=Ada"})
    office.run()
    assert office.held() == []
    assert office.names("right")["Bob"] == "cn=Ada"


def test_a_look_up_that_finds_nobody_is_asked_again(made: Any) -> None:
    ref = Ref(ask="right", by=Naming("person", "no"), missing="null")
    office = made({"L1": employee("Ada"), "L2": employee("Bob", 17)}, {"R1": employee("Ada")}, staff(boss(ref=ref)))
    office.first()
    assert office.names("right")["Bob"] is None
    assert office.held() == []

    office.right.edit("person", "R1", {"no": "17"})
    office.run()

    assert office.names("right")["Bob"] == "Ada"
    office.right.edit("person", "R1", {"boss": "R1"})
    office.run()
    assert office.records("left")["L1"]["boss"] == "17"
    office.quiet()


def test_a_look_up_on_the_left_goes_the_other_way_round(made: Any) -> None:
    ref = Ref(ask="left", by=Naming("person", "no"))
    left = {"L1": employee("Ada") | {"no": "17"}, "L2": employee("Bob", "L1")}
    office = made(left, {}, staff(boss(ref=ref)))
    office.first()
    (bob,) = (id for id, one in office.records("right").items() if one["name"] == "Bob")
    assert office.records("right")[bob]["boss"] == "17"
    (ada,) = (id for id, one in office.records("right").items() if one["name"] == "Ada")

    office.right.edit("person", ada, {"boss": "17"})
    office.run()

    assert office.records("left")["L1"]["boss"] == "L1"
    office.quiet()


def test_numbers_refer_by_the_text_of_an_id(made: Any) -> None:
    office = made(
        {"1": employee("Ada"), "2": employee("Bob", 1)}, {"7": employee("Ada"), "8": employee("Bob")},
        staff(boss(type="integer")),
    )  # fmt: skip

    office.first()

    assert office.records("right")["8"]["boss"] == 7
    office.quiet()


def test_a_list_of_references_waits_for_its_last_member(made: Any) -> None:
    office = made({"L1": employee("Ada"), "L2": employee("Bob", ["L1"])}, {"R1": employee("Ada")}, staff(boss()))
    office.first()
    (bob,) = (id for id, one in office.records("right").items() if one["name"] == "Bob")
    assert office.records("right")[bob]["boss"] == ["R1"]

    office.left.edit("person", "L2", {"boss": ["L1", "L9"]})
    office.run()
    assert office.held()[0]["fields"] == {"boss": "left: its reference L9 has no partner in people yet"}
    office.left.put("person", employee("Eve"), "L9")
    office.run()

    assert [office.records("right")[id]["name"] for id in office.records("right")[bob]["boss"]] == ["Ada", "Eve"]
    office.right.edit("person", bob, {"boss": ["R1"]})
    office.run()
    assert office.records("left")["L2"]["boss"] == ["L1"]
    office.quiet()


def test_an_object_is_no_reference(made: Any) -> None:
    office = made({"L1": employee("Ada", {"id": "L1"})}, {"R1": employee("Ada")})

    office.first()

    assert office.held()[0]["fields"] == {"boss": "left: an object is no reference; name the place of the id in it"}


def test_a_record_is_created_after_those_it_refers_to(made: Any) -> None:
    office = made(
        {"L1": employee("Cyd", "L2"), "L2": employee("Bob", "L3"), "L3": employee("Ada"), "L4": employee("Dan")}
    )

    office.approve()
    report = office.run()

    assert report.counts["written"] == 4
    assert office.names("right") == {"Cyd": "Bob", "Bob": "Ada", "Ada": None, "Dan": None}
    office.quiet()


def test_a_plan_shows_references_to_what_it_will_create(made: Any) -> None:
    office = made({"L1": employee("Bob", "L2"), "L2": employee("Ada")}, {"R9": employee("Ada")})
    office.left.put("person", employee("Eve", "L1"), "L3")

    lines = office.plan().lines

    told = {m["name"]["after"]: m["boss"]["after"] for line in lines for c in line["changes"] for m in [c["fields"]]}
    assert told == {"Bob": "R9", "Eve": "L1 (created by this run)"}
    assert b"L1 (created by this run)" in msgspec.json.encode(told), "as plan -o json says it"
    office.approve()
    office.run()
    assert office.names("right") == {"Ada": None, "Bob": "Ada", "Eve": "Bob"}


def test_an_edit_that_names_a_newcomer_travels_in_the_run_that_creates_it(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    office.left.put("person", employee("Eve"), "L9")
    office.left.edit("person", "L2", {"boss": "L9"})
    office.right.put("person", employee("Fay"), "R8")
    office.right.edit("person", "R3", {"boss": "R8"})

    report = office.run()

    assert (report.state, report.counts["written"]) == ("done", 4)
    assert office.names("left") == office.names("right")
    assert office.names("left")["Bob"] == "Eve"
    assert office.names("left")["Cyd"] == "Fay"
    office.quiet()


CIRCLE = {
    "L1": employee("Ada", "L3"),
    "L2": employee("Bob", "L1"),
    "L3": employee("Cyd", "L2"),
    "L4": employee("Dan", "L4"),
}


@pytest.mark.parametrize("missing", ["hold", "null", "skip"])
def test_a_circle_is_closed_by_a_second_pass_of_the_same_run(made: Any, missing: str) -> None:
    office = made(CIRCLE, {}, staff(boss(missing=missing)))

    office.approve()
    report = office.run()

    assert (report.state, report.counts["written"]) == ("done", 6)
    assert office.names("right") == {"Ada": "Cyd", "Bob": "Ada", "Cyd": "Bob", "Dan": "Dan"}
    office.quiet()


@pytest.mark.parametrize("missing", ["hold", "null", "skip"])
@pytest.mark.parametrize("when", ["before_write", "after_write"])
@pytest.mark.parametrize("at", range(1, 7))
def test_a_circle_is_closed_wherever_the_daemon_dies(made: Any, missing: str, when: str, at: int) -> None:
    office = made(CIRCLE, {}, staff(boss(missing=missing)))
    office.approve()
    crm = Quirky(office.right)
    office.systems = {"left": office.left, "right": crm}

    def die(_: Any) -> None:
        if len(crm.writes) == at:
            raise Killed

    setattr(crm, when, die)
    with pytest.raises(Killed):
        office.run()
    setattr(crm, when, None)
    office.close()
    office.open()
    office.now += HOUR
    office.run()

    assert office.names("right") == {"Ada": "Cyd", "Bob": "Ada", "Cyd": "Bob", "Dan": "Dan"}
    office.quiet()


def test_what_refers_to_a_refused_newcomer_is_created_without_it(made: Any) -> None:
    office = made({"L1": employee("Ada"), "L2": employee("Bob", "L1")})
    crm = Quirky(office.right)
    office.systems = {"left": office.left, "right": crm}
    office.approve()
    crm.fates = [refused]

    office.run()

    assert office.names("right") == {"Bob": None}
    assert {row["left"]: row["reason"] for row in office.held()} == {"L1": "refused", "L2": "reference"}
    office.retry("L1")
    office.run()
    assert office.names("right") == {"Ada": None, "Bob": "Ada"}
    office.quiet()


def test_a_newcomer_that_needs_a_boss_who_needs_one_comes_last(made: Any) -> None:
    chain = {"L1": employee("Cyd", "L2"), "L2": employee("Bob", "L3"), "L3": employee("Ada")}
    office = made(chain | {"L5": employee("Eve", "L5")}, {}, staff(boss(hold="record")))

    office.approve()
    office.run()

    assert office.names("right") == {"Cyd": "Bob", "Bob": "Ada", "Ada": None}
    assert [row["left"] for row in office.held()] == ["L5"]  # nobody can be created before himself


def test_only_one_record_is_written_where_only_one_is_asked_for(made: Any) -> None:
    office = made(*PAIRED)
    office.first()
    office.left.put("person", employee("Eve", "L8"), "L9")
    office.left.put("person", employee("Fay"), "L8")

    office.run(only="L9")

    assert "Fay" not in office.names("right")
    assert office.names("right")["Eve"] is None
    office.run()
    assert office.names("right")["Eve"] == "Fay"
    office.quiet()
