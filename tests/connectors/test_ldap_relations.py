"""This is where people of a real OpenLDAP join and leave its groups, and a rename or an end leaves nobody behind."""

from collections.abc import Iterator
from typing import Any

import ldap3
import pytest
from pydantic import ValidationError

from connectors.base import Done, Lost, Members, NotSent, Permanent, Record, Refused, Write
from connectors.drivers.ldap import Entity, LdapDriver, System, connect
from connectors.ldap import values
from connectors.ldap.facts import Relation
from tests.connectors.directory import (
    GROUPS,
    OPENED,
    admin,
    driver,
    form_groups,
    group_dn,
    holding,
    members_of,
    person,
)
from tests.connectors.gag import Gag
from tests.connectors.ranges import Ranges, serving
from tests.systems.slapd import Slapd

ALL, STAFF, ZURICH = GROUPS


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd") / "server") as server:
        yield server


@pytest.fixture(autouse=True)
def a_fresh_directory(slapd: Slapd) -> Iterator[None]:
    with admin(slapd) as connection:
        for base in (slapd.people, slapd.groups):
            connection.search(base, "(objectClass=*)", ldap3.LEVEL, attributes=["1.1"])
            for entry in connection.response:
                connection.delete(entry["dn"])
    form_groups(slapd)
    yield
    while OPENED:
        OPENED.pop().close()


def with_groups(server: Slapd, **relation: Any) -> LdapDriver:
    facts = {"base": server.groups, **relation}
    deactivate = {"employeeType": "left", "@groups": []}
    return driver(server, entity={"relations": {"groups": facts}, "deactivate": deactivate})


def born(made: LdapDriver, *groups: str, n: int = 1) -> str:
    (done,) = made.write("person", [Write("create", fields=person(n), members={"@groups": Members(add=groups)})])
    assert isinstance(done, Done), done
    assert done.without == {}
    return done.id


def move(made: LdapDriver, id: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> Any:
    (outcome,) = made.write("person", [Write("update", id, members={"@groups": Members(add, remove)})])
    return outcome


def groups_of(made: LdapDriver, id: str) -> Any:
    (record,) = made.get("person", [id], fields=["@groups"])
    assert isinstance(record, Record)
    return record.fields["@groups"]


# What happens to the entry, and what becomes of its memberships


def test_a_new_name_is_followed_in_every_group(slapd: Slapd) -> None:
    made = with_groups(slapd, protect=[group_dn(slapd, ZURICH)])
    id = born(made, ALL, STAFF)
    with admin(slapd) as hands:
        hands.modify(group_dn(slapd, ZURICH), {"member": [(ldap3.MODIFY_ADD, [f"uid=p1,{slapd.people}"])]})

    (done,) = made.write(
        "person", [Write("update", id, {"uid": "ada, née b"}, members={"@groups": Members((), (STAFF,))})]
    )

    assert isinstance(done, Done), done
    assert groups_of(made, id) == [ALL, ZURICH]  # a protected group keeps its member under the new name
    assert holding(slapd) == {ALL: 1, STAFF: 0, ZURICH: 1}


def test_who_is_deactivated_leaves_the_groups_if_the_entity_says_so(slapd: Slapd) -> None:
    made = with_groups(slapd)
    id = born(made, ALL, STAFF)

    (done,) = made.write("person", [Write("deactivate", id)])

    assert isinstance(done, Done), done
    (record,) = made.get("person", [id], fields=["employeeType", "@groups"])
    assert isinstance(record, Record)
    assert record.fields == made.describe("person").deactivated
    assert holding(slapd) == dict.fromkeys(GROUPS, 0)


def test_who_is_in_a_protected_group_is_not_deleted(slapd: Slapd) -> None:
    id = born(with_groups(slapd), ALL, STAFF)
    made = with_groups(slapd, protect=["(cn=staff)"])

    (outcome,) = made.write("person", [Write("delete", id)])

    assert isinstance(outcome, Refused)
    assert "'staff' is protected by (cn=staff): only people change its members" in outcome.message
    assert groups_of(made, id) == [ALL, STAFF]


def test_whose_delete_is_refused_keeps_all_groups(slapd: Slapd) -> None:
    made = with_groups(slapd)
    id = born(made, ALL, STAFF, n=7)
    child = f"cn=printer,uid=p7,{slapd.people}"
    with admin(slapd) as hands:
        hands.add(child, "device")

    (outcome,) = made.write("person", [Write("delete", id)])

    assert isinstance(outcome, Refused)
    assert "notAllowedOnNonLeaf" in outcome.message
    assert groups_of(made, id) == [ALL, STAFF]
    with admin(slapd) as hands:
        hands.delete(child)


def test_who_is_the_last_of_a_group_is_not_deleted_and_keeps_the_others(slapd: Slapd) -> None:
    made = with_groups(slapd)
    id = born(made, ALL, STAFF)
    with admin(slapd) as hands:
        hands.modify(group_dn(slapd, STAFF), {"member": [(ldap3.MODIFY_DELETE, [slapd.admin])]})

    (outcome,) = made.write("person", [Write("delete", id)])

    assert isinstance(outcome, Refused)
    assert "requires attribute 'member'" in outcome.message
    assert groups_of(made, id) == [ALL, STAFF]


def test_who_is_in_a_protected_group_is_switched_off_as_far_as_can_be(slapd: Slapd) -> None:
    id = born(with_groups(slapd), ALL, STAFF)
    made = with_groups(slapd, protect=["(cn=staff)"])

    (outcome,) = made.write("person", [Write("deactivate", id)])

    assert isinstance(outcome, Refused)  # so that a person hears of the rest
    assert "'staff' is protected" in outcome.message
    (record,) = made.get("person", [id], fields=["employeeType", "@groups"])
    assert isinstance(record, Record)
    assert record.fields == {"employeeType": "left", "@groups": [STAFF]}


def test_a_protected_group_is_never_touched_and_neither_are_its_neighbours(slapd: Slapd) -> None:
    made = with_groups(slapd, protect=[f"CN=staff , {slapd.groups}"])
    id = born(made, ALL)

    outcome = move(made, id, add=(STAFF, ZURICH), remove=(ALL,))

    assert isinstance(outcome, Refused)
    assert "staff" in outcome.message
    assert groups_of(made, id) == [ALL]


# What the groups say


def test_a_group_that_must_not_be_empty_says_so_in_its_own_words(slapd: Slapd) -> None:
    made = with_groups(slapd)
    id = born(made, STAFF)
    with admin(slapd) as hands:
        hands.modify(group_dn(slapd, STAFF), {"member": [(ldap3.MODIFY_DELETE, [slapd.admin])]})

    outcome = move(made, id, add=(ALL,), remove=(STAFF,))

    assert isinstance(outcome, Refused)
    assert f"member of {group_dn(slapd, STAFF)}: objectClassViolation" in outcome.message
    assert "requires attribute 'member'" in outcome.message
    assert groups_of(made, id) == [ALL, STAFF]  # the next look shows what was done before it


def test_a_group_that_we_may_not_change_is_of_that_group_alone(slapd: Slapd) -> None:
    made = driver(slapd, password=slapd.clerk_password, bind_dn=slapd.clerk)
    (refused,) = made.write("person", [Write("create", fields=person(1), members={"@groups": Members((STAFF,))})])

    assert isinstance(refused, Done), refused  # the person is there
    assert "insufficientAccess" in refused.without["@groups"]
    outcome = move(made, refused.id, add=(STAFF,))
    assert isinstance(outcome, Refused)
    assert group_dn(slapd, STAFF) in outcome.message


def test_a_group_that_is_gone_is_left_already_and_joined_by_nobody(slapd: Slapd) -> None:
    made = with_groups(slapd)
    id = born(made)

    assert isinstance(move(made, id, remove=("no such group",)), Done)
    outcome = move(made, id, add=("no such group",))
    assert isinstance(outcome, Refused)
    assert "there is no 'no such group' under ou=groups" in outcome.message
    assert "(objectClass=groupOfNames)" in outcome.message


def test_two_groups_of_one_name_are_told_apart_by_their_dn(slapd: Slapd) -> None:
    with admin(slapd) as hands:
        hands.add(f"ou=more,{slapd.groups}", "organizationalUnit")
        twin = f"cn=staff,ou=more,{slapd.groups}"
        hands.add(twin, "groupOfNames", {"member": slapd.admin})
    by_name, by_dn = with_groups(slapd), with_groups(slapd, show="dn")
    id = born(by_name, ALL)

    outcome = move(by_name, id, add=(STAFF,))
    assert isinstance(outcome, Refused)
    assert "2 entries are called 'staff'; tell them apart by `show: dn`" in outcome.message

    assert isinstance(move(by_dn, id, add=(twin,), remove=(group_dn(slapd, ALL),)), Done)
    assert groups_of(by_dn, id) == [twin]
    with admin(slapd) as hands:
        hands.delete(twin)
        hands.delete(f"ou=more,{slapd.groups}")


@pytest.mark.parametrize("dn", ["cn=nobody,{groups}", "cn=reader,{base}", "nonsense", "uid=p1,{people}"])
def test_only_entries_of_the_relation_are_joined(slapd: Slapd, dn: str) -> None:
    made = with_groups(slapd, show="dn")
    id = born(made)

    outcome = move(made, id, add=(dn.format(groups=slapd.groups, base=slapd.base, people=slapd.people),))

    assert isinstance(outcome, Refused)
    assert "there is no" in outcome.message


def test_two_spellings_of_one_group_never_undo_each_other(slapd: Slapd) -> None:
    made = with_groups(slapd)
    id = born(made, STAFF)

    outcome = move(made, id, add=("STAFF",), remove=(STAFF,))

    assert isinstance(outcome, Refused)
    assert "'STAFF' and 'staff' are one entry" in outcome.message
    assert groups_of(made, id) == [STAFF]


def test_a_group_without_the_name_that_is_shown_stops_the_listing(slapd: Slapd) -> None:
    made = with_groups(slapd, show="description")

    with pytest.raises(Permanent, match="has no description; show another attribute, or dn"):
        list(made.read("person", fields=["@groups"]))


def test_a_group_on_another_server_is_never_taken_for_none(slapd: Slapd) -> None:
    elsewhere, manage = f"cn=elsewhere,{slapd.groups}", [("2.16.840.1.113730.3.4.2", True, None)]
    with admin(slapd) as hands:
        hands.add(elsewhere, ["referral", "extensibleObject"], {"ref": "ldap://127.0.0.2/dc=x"}, controls=manage)
        assert hands.result["result"] == 0
    made = with_groups(slapd)

    try:
        with pytest.raises(Permanent, match="a part lies on another server; give the relation a narrower `base`"):
            list(made.read("person", fields=["@groups"]))
        known = driver(slapd, entity={"ignore_referrals": True, "relations": {"groups": {"base": slapd.groups}}})
        assert list(known.read("person", fields=["@groups"]))[-1].complete
    finally:
        with admin(slapd) as hands:
            hands.delete(elsewhere, controls=manage)


def test_a_relation_that_nobody_declared_is_named(slapd: Slapd) -> None:
    made = with_groups(slapd)

    with pytest.raises(Permanent, match="no relation @teams; known: @groups"):
        list(made.read("person", fields=["@teams"]))
    with pytest.raises(Permanent, match="known: none"):
        list(driver(slapd, entity={"relations": {}}).get("person", ["x"], fields=["@groups"]))


# Many


def test_many_people_cost_one_look_at_the_groups(slapd: Slapd) -> None:
    made = with_groups(slapd)
    ids = [born(made, *((ALL, STAFF) if n % 2 else ()), n=n) for n in range(60)]

    shown = {
        record.id: record.fields["@groups"]
        for page in made.read("person", fields=["@groups"])
        for record in page.records
    }
    got = {r.id: r.fields["@groups"] for r in made.get("person", ids, fields=["@groups"]) if isinstance(r, Record)}
    changed = {
        record.id: record.fields["@groups"]
        for page in made.read("person", fields=["@groups"], cursor="20200101000000Z")
        for record in page.records
    }

    assert shown == got == changed == {id: [ALL, STAFF] if n % 2 else [] for n, id in enumerate(ids)}


def test_a_group_of_thousands_is_made_and_changed_in_parts(slapd: Slapd) -> None:
    made = driver(slapd)
    first = [f"uid=m{n},{slapd.people}" for n in range(1200)]
    second = [f"uid=n{n},{slapd.people}" for n in range(1200)]

    (done,) = made.write("group", [Write("create", fields={"cn": "crowd"}, members={"member": Members(tuple(first))})])
    assert isinstance(done, Done), done
    assert members_of(slapd, "crowd") == set(first)

    moving = {"member": Members(tuple(second), tuple(first))}
    (done,) = made.write("group", [Write("update", done.id, members=moving)])  # it is never empty on the way

    assert isinstance(done, Done), done
    assert members_of(slapd, "crowd") == set(second)
    (again,) = made.write("group", [Write("update", done.id, members=moving)], fields=["member"])
    assert isinstance(again, Done)
    assert again.record is not None  # the list is the entry's own, so that its version speaks of it
    assert again.record == Record(done.id, {"member": sorted(second)}, again.version)


def test_a_part_that_is_refused_stops_the_rest_and_is_told(slapd: Slapd) -> None:
    made = driver(slapd)
    fine = tuple(f"uid=m{n},{slapd.people}" for n in range(600))

    (born,) = made.write(
        "group", [Write("create", fields={"cn": "odd"}, members={"member": Members((*fine, "no name at all"))})]
    )

    assert isinstance(born, Done), born
    assert "invalidAttributeSyntax" in born.without["member"]
    assert len(members_of(slapd, "odd")) == 500
    (outcome,) = made.write("group", [Write("update", born.id, members={"member": Members(("no name at all",))})])
    assert isinstance(outcome, Refused)


def test_members_of_what_is_no_list_are_refused(slapd: Slapd) -> None:
    made = with_groups(slapd)

    (outcome,) = made.write("person", [Write("update", born(made), members={"title": Members(("Dr.",))})])

    assert isinstance(outcome, Refused)
    assert "many: [title]" in outcome.message


# Lost on the way


def test_a_person_whose_groups_got_lost_is_born_without_them(slapd: Slapd) -> None:
    gag = Gag(slapd.port)
    made = driver(slapd, url=f"ldap://localhost:{gag.port}")
    assert made.check().reachable
    gag.after(1)  # the answer to the new entry still comes

    (born,) = made.write("person", [Write("create", fields=person(1), members={"@groups": Members((STAFF,))})])

    assert isinstance(born, Done), born
    assert set(born.without) == {"@groups"}
    assert groups_of(with_groups(slapd), born.id) == []
    gag.close()


@pytest.mark.parametrize(("fields", "answers", "expected"), [({}, 1, NotSent), ({"sn": "New"}, 2, Lost), ({}, 2, Lost)])
def test_what_was_begun_and_not_finished_is_lost(slapd: Slapd, fields: Any, answers: int, expected: Any) -> None:
    id = born(with_groups(slapd))
    gag = Gag(slapd.port)
    made = driver(slapd, url=f"ldap://localhost:{gag.port}")
    assert made.check().reachable
    gag.after(answers)

    (outcome,) = made.write("person", [Write("update", id, fields, members={"@groups": Members((STAFF,))})])

    assert isinstance(outcome, expected), outcome
    gag.close()


# Names and settings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=A\\2cB, OU=X", "CN=a\\,b,ou=x"), ("uid=#1,dc=x", "uid=\\231,dc=x"), ("cn=Zo\\c3\\ab,dc=x", "cn=zoë,dc=x"),
        ("cn=a  b ,dc=x", "cn=A B,dc=X"), ("cn=a+sn=b,dc=x", "CN=a + SN=b, DC=x"), ("cn=a\\\\,dc=x", "cn=A\\5c,dc=x"),
    ],
)  # fmt: skip
def test_one_name_in_two_spellings_is_one(one: str, other: str) -> None:
    assert values.dn_key(one) == values.dn_key(other)
    assert values.dn_key(one) != values.dn_key("cn=another," + other)


@pytest.mark.parametrize("wrong", [{"filter": "(cn"}, {"attribute": "a)(b"}, {"show": ""}, {"protect": ["x"]}])
def test_an_unsafe_relation_is_a_load_error(wrong: dict[str, Any]) -> None:
    Relation.model_validate({})

    with pytest.raises(ValidationError):
        Relation.model_validate(wrong)


def test_a_relation_in_deactivate_has_to_be_one(slapd: Slapd) -> None:
    with pytest.raises(ValidationError, match="there is no relation '@teams'; known: @groups"):
        driver(slapd, entity={"deactivate": {"@teams": []}})


# Active Directory


def active_directory(server: Ranges) -> LdapDriver:
    facts = {"name": "ad", "connector": "ldap", "version": 1, "url": server.url, "tls": "off_on_loopback"}
    group = {"id": "objectGUID", "version": None, "cursor": None, "many": ["member"]}
    entities = {"group": group, "person": {**group, "relations": {"groups": {"filter": "(objectClass=group)"}}}}
    system = System.model_validate({**facts, "base": "dc=corp", "page": 3})
    made = connect(
        system, {n: Entity.model_validate(e) for n, e in entities.items()}, check=None, reveal=lambda ref: ""
    )
    OPENED.append(made)
    return made


def test_a_large_group_that_comes_in_parts_is_whole() -> None:
    members = [f"cn=Person {n:04},dc=corp" for n in range(3700)]
    with serving(Ranges(members)) as server:
        made = active_directory(server)

        (page,) = made.read("group", fields=["member"])
        (found,) = made.find("group", {"cn": "crowd"}, fields=["cn", "member"])

        assert page.complete
        assert page.records[0].fields["member"] == found.fields["member"] == members
        assert server.asked == [0, 1500, 3000] * 2
        holders = made._holders["person"]["@groups"]
        with made._sessions.connection() as connection:
            assert holders.everything(connection) == {values.dn_key(member): ["crowd"] for member in members}


def test_a_group_whose_rest_cannot_be_had_is_never_taken_for_smaller() -> None:
    with serving(Ranges([f"cn={n},dc=corp" for n in range(3700)], cut=1500)) as server:
        made = active_directory(server)

        with pytest.raises(Permanent, match="only 1500 values of member could be had"):
            list(made.read("group", fields=["member"]))
