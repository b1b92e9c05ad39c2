"""This is where single lines of a sync file are shown to mean what they say, or to be refused."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from daemon.config.load import load
from daemon.core.revisions import changed_parts
from daemon.core.rules import Naming, Ref, Rule, Sync
from tests.config.folders import good_folder, problems

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEAD = """version: 1
name: people
left: {system: hr, entity: employee}
right: {system: crm, entity: contact}
match_on: [[no]]
"""


def folder_with(tmp_path: Path, *fields: str, more: str = "") -> Path:
    """A configuration whose only sync has the field `no` and these lines of fields."""
    folder = good_folder(tmp_path)
    lines = "\n  ".join(("no: {left: no, right: no}", *fields))
    (folder / "syncs/people.yaml").write_text(f"{HEAD}{more}fields:\n  {lines}\n")
    return folder


def compiled(tmp_path: Path, *fields: str, more: str = "") -> Sync:
    return load(folder_with(tmp_path, *fields, more=more), env={}).syncs["people"].rules


def field(tmp_path: Path, line: str) -> Rule:
    return compiled(tmp_path, f"x: {line}").rule("x")


def code(tmp_path: Path, *fields: str, more: str = "") -> list[str]:
    told = problems(folder_with(tmp_path, *fields, more=more))
    return [problem.split("error[")[1].split("]")[0] for problem in told]


@pytest.mark.parametrize(
    ("line", "raw", "shared", "written"),
    [
        ("{left: x, right: {path: x, format: '%d.%m.%Y'}, type: date}", "24.12.2026", datetime(2026, 12, 24).date(), 0),
        ("{left: x, right: {path: x, format: text}, type: decimal}", "1.10", Decimal("1.10"), "1.10"),
        ("{left: x, right: {path: x, format: alpha3}, type: country}", "DEU", "DE", "DEU"),
        ("{left: x, right: x, type: phone, region: DE}", "030 1234567", "+49301234567", "+49301234567"),
    ],
)
def test_a_side_may_write_a_value_in_its_own_way(
    tmp_path: Path, line: str, raw: str, shared: Any, written: Any
) -> None:
    lens = field(tmp_path, line).right

    assert lens
    assert lens.write
    assert lens.read({"x": raw}, NOON) == shared
    assert lens.write(shared) == (written or raw)


def test_an_expression_may_name_the_path_it_is_written_to(tmp_path: Path) -> None:
    lens = field(tmp_path, "{left: {path: 'first || nick', write: first}, right: x}").left

    assert lens
    assert lens.path
    assert lens.read({"nick": "Jo"}, NOON) == "Jo"
    assert lens.path.text == "first"


def test_a_table_of_single_words_goes_both_ways(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "x: {left: x, right: x, lookup: {table: terms}}")
    (folder / "tables/terms.csv").write_text("left,right\n14,NET14\n30,NET30\n")

    rule = load(folder, env={}).syncs["people"].rules.rule("x")

    assert rule.left
    assert rule.left.write
    assert rule.left.read({"x": "14"}, NOON) == "NET14"
    assert rule.left.write("NET30") == "30"


def test_a_lookup_names_its_columns_where_the_table_has_more(tmp_path: Path) -> None:
    line = "x: {right: x, owner: left, lookup: {table: units, by: [home.land, dept], keys: [country, department]}}"

    lens = compiled(tmp_path, line).rule("x").left

    assert lens
    assert lens.read({"home": {"land": "DE"}, "dept": "IT"}, NOON) == "EDV"


@pytest.mark.parametrize(
    "lookup",
    [
        "{table: units}",
        "{table: units, by: [country]}",
        "{table: units, by: [country, department], keys: [country]}",
        "{table: units, by: [country, department], value: name}",
        "{table: units, by: [home.land, department]}",
    ],
)
def test_a_lookup_that_leaves_a_column_open_is_refused(tmp_path: Path, lookup: str) -> None:
    assert code(tmp_path, f"x: {{right: x, owner: left, lookup: {lookup}}}") == ["table"]


@pytest.mark.parametrize(
    "line",
    [
        "{left: x, right: x, transform: slug}",
    ],
)
def test_what_comes_later_is_refused_and_never_ignored(tmp_path: Path, line: str) -> None:
    assert code(tmp_path, f"x: {line}") == ["not-yet"]


@pytest.mark.parametrize(
    "line",
    [
        "notify: {}",
    ],
)
def test_parts_of_a_sync_that_come_later_are_refused_too(tmp_path: Path, line: str) -> None:
    assert code(tmp_path, more=f"{line}\n") == ["not-yet"]


def test_writing_an_object_and_a_place_inside_it_is_writing_one_place(tmp_path: Path) -> None:
    assert code(tmp_path, "a: {left: a, right: address}", "b: {left: b, right: address.zip}") == ["two-writers"]
    assert code(tmp_path / "b", "a: {left: a, right: address.zip}", "b: {left: b, right: address}") == ["two-writers"]
    assert code(tmp_path / "c", "a: {left: a, right: address.city}", "b: {left: b, right: address.zip}") == []


def test_selectors_of_one_list_are_different_places(tmp_path: Path) -> None:
    work = "a: {left: a, right: 'emails[kind=work].value'}"

    assert code(tmp_path, work, "b: {left: b, right: 'emails[kind=home].value'}") == []
    assert code(tmp_path / "b", work, "b: {left: b, right: 'emails[kind=work].value'}") == ["two-writers"]


def test_reading_a_place_that_another_field_writes_is_no_fault(tmp_path: Path) -> None:
    assert code(tmp_path, "a: {left: a, right: x, owner: left}", "b: {left: b, right: x, owner: right}") == []


def ref(tmp_path: Path, line: str) -> Ref | None:
    return field(tmp_path, f"{{left: x, right: x, {line}}}").ref


def test_a_reference_names_a_sync_or_a_system(tmp_path: Path) -> None:
    account = "{system: crm, entity: contact, by: customer.no}"

    assert ref(tmp_path / "a", "ref: people") == Ref("people")
    assert ref(tmp_path / "b", 'ref: {sync: people}, missing: "null"') == Ref("people", missing="null")
    assert ref(tmp_path / "c", "ref: {sync: people, take: dn}") == Ref(
        "people", named={"right": Naming("contact", "dn")}
    )
    assert ref(tmp_path / "d", "ref: {sync: people, take: {left: no}}, missing: skip") == Ref(
        "people", named={"left": Naming("employee", "no")}, missing="skip"
    )
    assert ref(tmp_path / "e", f"ref: {account}") == Ref(ask="right", by=Naming("contact", "customer.no"))


def test_a_reference_may_lead_to_another_sync_and_back(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "unit: {left: unit, right: unit, ref: units}")
    (folder / "syncs/units.yaml").write_text(
        "version: 1\nname: units\nleft: {system: hr, entity: unit}\nright: {system: crm, entity: unit}\n"
        "match_on: [[no]]\nfields:\n  no: {left: no, right: no}\n  head: {left: head, right: head, ref: people}\n"
    )
    for system, entity in (("hr", "employee"), ("crm", "contact")):
        path = folder / f"systems/{system}.yaml"
        path.write_text(path.read_text().replace(f"{{{entity}:", f"{{unit: {{records: {{}}}}, {entity}:"))

    syncs = load(folder, env={}).syncs

    assert syncs["people"].rules.rule("unit").ref == Ref("units")
    assert syncs["units"].rules.rule("head").ref == Ref("people")


def test_what_a_missing_partner_gives_is_no_other_meaning_of_the_field(tmp_path: Path) -> None:
    held = compiled(tmp_path / "a", "x: {left: x, right: x, ref: people}")
    skipped = compiled(tmp_path / "b", "x: {left: x, right: x, ref: people, missing: skip}")
    taken = compiled(tmp_path / "c", "x: {left: x, right: x, ref: {sync: people, take: dn}}")

    assert held.rev == skipped.rev != taken.rev
    assert held.outlook != skipped.outlook


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ref: nobody", "unknown-sync"),
        ("ref: {sync: nobody}", "unknown-sync"),
        ("ref: {}", "contradiction"),
        ("ref: {sync: people, by: x}", "contradiction"),
        ("ref: {sync: people, entity: x}", "contradiction"),
        ("ref: {system: crm, entity: contact}", "contradiction"),
        ("ref: {system: crm, by: x}", "contradiction"),
        ("ref: {system: crm, entity: contact, by: x, take: y}", "contradiction"),
        ("ref: {system: crm, entity: contact, by: x, sync: people}", "contradiction"),
        ("ref: {system: crm, entity: contakt, by: x}", "unknown-entity"),
        ("ref: {system: crm, entity: contact, by: 'a[0]'}", "mapping"),
        ("ref: {system: api, entity: contact, by: x}", "mapping"),
        ("ref: people, missing: null", "bad-value"),
        ("missing: skip", "contradiction"),
        ("ref: people, type: date", "contradiction"),
        ("ref: people, values: {a: b}", "contradiction"),
        ("ref: people, lookup: {table: units}", "contradiction"),
        ("ref: people, normalise: [trim]", "contradiction"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(tmp_path: Path, line: str, expected: str) -> None:
    assert code(tmp_path, f"x: {{left: x, right: x, {line}}}") == [expected]


def test_a_reference_to_a_sync_with_faults_tells_only_those(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "x: {left: x, right: x, ref: units}")
    (folder / "syncs/units.yaml").write_text("version: 2\n")

    assert {problem.split(":")[0] for problem in problems(folder)} == {"syncs/units.yaml"}


def test_a_sync_is_not_referred_to_the_wrong_way_round(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "x: {left: x, right: x, owner: left, ref: back}")
    (folder / "syncs/back.yaml").write_text(
        HEAD.replace("people", "back").replace("hr, entity: employee", "X").replace("crm, entity: contact", "Y")
        .replace("X", "crm, entity: contact").replace("Y", "hr, entity: employee")
        + "fields: {no: {left: other, right: other}}\n"
    )  # fmt: skip

    (told,) = problems(folder)

    assert "'back' has crm on its left and hr on its right, and this sync the reverse" in told


def test_a_system_that_a_sync_does_not_have_cannot_be_asked_for_names(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "x: {left: x, right: x, ref: {sync: staff, take: dn}}")
    (folder / "syncs/staff.yaml").write_text(
        HEAD.replace("people", "staff").replace("crm, entity: contact", "api, entity: contact")
        + "fields: {no: {left: other, right: other}}\n"
    )

    told = "\n".join(problems(folder))

    assert "the right of 'staff' is api, so crm cannot be asked for 'dn'" in told


def test_an_end_is_asked_of_the_side_that_things_come_from(tmp_path: Path) -> None:
    ends = "end: {when: 'last < today()', do: delete}\nurgent: leaving\n"

    left = compiled(tmp_path, more=ends)
    right = compiled(tmp_path / "b", more=f"direction: right_to_left\n{ends}")
    said = compiled(tmp_path / "c", more="end: {when: last, do: retire, side: right}\n")

    for sync, side in ((left, "left"), (right, "right"), (said, "right")):
        assert sync.ending
        assert sync.ending.when.side == side
    assert left.ending
    assert left.ending.do == "delete"
    assert left.ending.when.holds({"last": "2026-02-28"}, NOON)
    assert not left.ending.when.holds({"last": "2026-03-01"}, NOON)
    assert left.urgent
    assert left.urgent.side == "left"
    assert left.wanted("left") == ("no", "last", "leaving")
    assert left.wanted("right") == ("no",)
    assert (left.calendar, said.calendar) == (True, False)
    assert len({left.outlook, said.outlook, compiled(tmp_path / "d").outlook}) == 3


@pytest.mark.parametrize("line", ["end: {when: 'last(', do: delete}", "urgent: 'last('"])
def test_an_end_that_is_no_expression_is_refused(tmp_path: Path, line: str) -> None:
    assert code(tmp_path, more=f"{line}\n") == ["mapping"]


def test_a_revision_tells_which_part_of_which_field_changed(tmp_path: Path) -> None:
    def rev(folder: str, line: str) -> str:
        return compiled(tmp_path / folder, f"x: {line}").rev

    before = rev("a", "{left: x, right: y, wins: left}")

    assert changed_parts(before, rev("b", "{left: x, right: y, wins: right}")) == []
    assert changed_parts(before, rev("c", "{left: x, right: z}")) == ["x.right"]
    assert changed_parts(before, rev("d", "{left: {path: x, format: text}, right: y}")) == ["x.left"]
    assert changed_parts(before, rev("e", "{left: x, right: y, type: decimal}")) == ["x"]


def test_a_set_is_merged_member_by_member(tmp_path: Path) -> None:
    rule = field(tmp_path, "{left: x, right: x, merge: add_only, values: {A: gold}}")

    assert rule.merge == "add_only"
    assert rule.left
    assert rule.left.read({"x": ["A"]}, NOON) == ["gold"]
    assert rule.left.write
    assert rule.left.write("gold") == "A"


def test_all_rows_of_a_key_are_the_members_of_a_set(tmp_path: Path) -> None:
    lookup = "{table: roles, by: [title, site], many: true}"
    folder = folder_with(tmp_path, f"x: {{right: x, owner: left, merge: set, lookup: {lookup}}}")
    (folder / "tables/roles.csv").write_text("title,site,group\nBoss,B,vpn\nBoss,B,board\nBoss,B,vpn\nGuest,B,\n")

    rule = load(folder, env={}).syncs["people"].rules.rule("x")

    assert rule.left
    assert rule.left.read({"title": "Boss", "site": "B"}, NOON) == ["vpn", "board"]
    assert rule.left.read({"title": "Guest", "site": "B"}, NOON) == []
    with pytest.raises(ValueError, match="has no row for this title and site; add one"):
        rule.left.read({"title": "Pope", "site": "B"}, NOON)


def test_another_way_to_merge_is_another_mapping(tmp_path: Path) -> None:
    revs = {compiled(tmp_path / way, f"x: {{left: x, right: x{way}}}").rev for way in ("", ", merge: set")}

    assert len(revs) == 2
