"""Joiners, movers and leavers of an HR database, in a real directory with its groups."""

from collections.abc import Callable
from typing import Any

import ldap3
import pytest

from tests.connectors.directory import admin
from tests.examples.stage import Stage
from tests.systems.slapd import Slapd

LIKE = ", NULL FROM employee WHERE number = 1003"
"""Somebody new, with the work of an engineer in Graz."""
GROUPS = ("sales", "managers", "crm-users", "developers", "vpn", "choir", "admins")


@pytest.fixture
def house(stage: Callable[[str], Stage]) -> Stage:
    """The example, its directory with groups, and everybody's first day over."""
    made = stage("people")
    with admin(directory(made)) as connection:
        for name in GROUPS:
            keeper = {"member": Slapd.admin}  # a group of this kind must have somebody
            connection.add(f"cn={name},{Slapd.groups}", "groupOfNames", keeper)
    made.adopt("people")
    made.run("people")  # the addresses that were made at birth go home to HR
    return made


def directory(house: Stage) -> Slapd:
    assert house.directory
    return house.directory


def entries(house: Stage) -> dict[str, Any]:
    """Everybody in the directory, by login."""
    with admin(directory(house)) as connection:
        connection.search(Slapd.people, "(uid=*)", ldap3.LEVEL, attributes=["*"])
        return {e["dn"].split(",")[0][4:]: {n: v[0] for n, v in e["attributes"].items()} for e in connection.response}


def groups(house: Stage) -> dict[str, set[str]]:
    """The groups of everybody, by login."""
    with admin(directory(house)) as connection:
        found: dict[str, set[str]] = {login: set() for login in entries(house)}
        connection.search(Slapd.groups, "(cn=*)", ldap3.LEVEL, attributes=["cn", "member"])
        for group in connection.response:
            for dn in set(group["attributes"]["member"]) - {Slapd.admin}:
                found.setdefault(dn.split(",")[0][4:], set()).add(group["attributes"]["cn"][0])
        return found


def by_hand(house: Stage, group: str, login: str, how: str = ldap3.MODIFY_ADD) -> None:
    """Somebody of IT at work."""
    with admin(directory(house)) as connection:
        connection.modify(f"cn={group},{Slapd.groups}", {"member": [(how, [f"uid={login},{Slapd.people}"])]})
        assert connection.result["result"] == 0


def nothing_to_do(house: Stage) -> bool:
    report = house.run("people")
    assert report["state"] == "done", report
    return report["counts"].get("written", 0) == 0


def test_joiners_get_a_login_of_their_own_and_the_groups_of_their_role(house: Stage) -> None:
    known = entries(house)

    assert sorted(known) == ["bcapek", "gokafor", "sara.ito", "sito"]
    assert {e["employeeType"] for e in known.values()} == {"employed"}
    assert known["bcapek"]["cn"] == "Bob Čapek"
    assert known["bcapek"]["departmentNumber"] == "dev-de"
    assert known["bcapek"]["userPassword"]
    assert known["sara.ito"]["manager"] == f"uid=gokafor,{Slapd.people}"
    assert groups(house) == {
        "gokafor": {"sales", "managers"},
        "sito": {"sales", "crm-users"},
        "sara.ito": {"developers", "vpn"},
        "bcapek": {"developers"},
    }
    assert house.sql("hr", "SELECT email FROM employee ORDER BY number") == [
        (f"{login}@corp.example",) for login in ("gokafor", "sito", "sara.ito", "bcapek")
    ]
    assert nothing_to_do(house)


def test_a_mover_changes_groups_and_keeps_what_was_given_by_hand(house: Stage) -> None:
    by_hand(house, "choir", "sito")
    by_hand(house, "admins", "sito")
    by_hand(house, "crm-users", "sito", ldap3.MODIFY_DELETE)  # HR's rule gives it, so it comes back
    house.sql("hr", "UPDATE employee SET site = 'Graz', country = 'AT', last = 'Itō' WHERE number = 1002")

    house.run("people")

    assert groups(house)["sito"] == {"sales", "choir", "admins"}
    assert entries(house)["sito"]["sn"] == "Itō"
    house.sql("hr", "UPDATE employee SET title = 'Engineer', department = 'Development' WHERE number = 1002")
    house.run("people")
    assert groups(house)["sito"] == {"developers", "vpn", "choir", "admins"}
    assert entries(house)["sito"]["departmentNumber"] == "dev-at"
    assert nothing_to_do(house)


def test_a_leaver_is_switched_off_on_the_day_and_leaves_every_group(house: Stage) -> None:
    by_hand(house, "choir", "sito")
    house.sql("hr", "UPDATE employee SET left_on = date('now', '+30 days') WHERE number = 1002")
    assert nothing_to_do(house)

    house.sql("hr", "UPDATE employee SET left_on = date('now') WHERE number = 1002")
    assert house.run("people")["state"] == "done"

    assert entries(house)["sito"]["employeeType"] == "left"
    assert groups(house)["sito"] == set()
    assert nothing_to_do(house)
    assert house.sound()


def test_who_comes_in_two_weeks_is_there_and_who_comes_later_is_not(house: Stage) -> None:
    add = (
        "INSERT INTO employee SELECT ?, ?, NULL, ?, title, department, site, country, boss, date('now', ?), NULL, NULL"
    )
    house.sql("hr", add + LIKE, 1005, "Bea", "Čapek", "+10 days")
    house.sql("hr", add + LIKE, 1006, "Ada", "Late", "+60 days")

    house.run("people")

    assert groups(house)["bea.capek"] == {"developers", "vpn"}  # bcapek is somebody's
    assert "alate" not in entries(house)


def test_who_is_in_a_protected_group_leaves_the_rest_and_a_person_is_told(house: Stage) -> None:
    by_hand(house, "admins", "bcapek")
    house.sql("hr", "UPDATE employee SET left_on = date('now') WHERE number = 1004")

    assert house.run("people")["state"] == "held"

    assert entries(house)["bcapek"]["employeeType"] == "left"
    assert groups(house)["bcapek"] == {"admins"}
    (waiting,) = house.held("people")
    assert "'admins' is protected" in str(waiting)
