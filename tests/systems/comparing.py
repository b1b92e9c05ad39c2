"""This is where a test compares both sides of an office by means of its own: what HR and the directory tell."""

import re
from typing import Any

from tests.systems.office import Office
from tests.systems.scim import ENTERPRISE


def in_step(office: Office) -> None:
    """Both sides tell the same of everybody."""
    users, entries = list(office.hr.users().values()), list(office.entries().values())
    hr = {user[ENTERPRISE]["employeeNumber"]: of_user(user) for user in users}
    directory = {entry["employeeNumber"][0]: of_entry(entry) for entry in entries}
    assert hr == directory
    assert len(hr) == len(users) == len(entries)  # nobody stands there twice


def nothing_is_left(office: Office) -> None:
    """Both sides tell the same, and the daemon sees it so too."""
    in_step(office)
    plan = office.ask("plan", "people", "--full")
    assert plan["lines"] == []
    assert plan["problems"] == []
    assert office.ask("held", "people")["held"] == []


def of_user(user: dict[str, Any]) -> dict[str, Any]:
    """What HR tells of a person, in words of this test."""
    given, family = user["name"]["givenName"], user["name"]["familyName"]
    return {
        "login": user["userName"],
        "names": (given, family, f"{given} {family}", f"{family}, {given}"),
        "mail": of_type(user.get("emails"), "work"),
        "phone": _dialled(of_type(user.get("phoneNumbers"), "work")),
        "title": user.get("title"),
        "employed": user["active"],
    }


def of_entry(entry: dict[str, list[str]]) -> dict[str, Any]:
    """What the directory tells of a person, in the same words."""
    assert all(len(values) == 1 for name, values in entry.items() if name != "objectClass"), entry
    one = {name: values[0] for name, values in entry.items()}
    return {
        "login": one["uid"],
        "names": (one["givenName"], one["sn"], one["cn"], one["displayName"]),
        "mail": one.get("mail"),
        "phone": _dialled(one.get("telephoneNumber")),
        "title": one.get("title"),
        "employed": {"employed": True, "left": False}[one["employeeType"]],
    }


def of_type(values: Any, kind: str) -> Any:
    """The value of the member of that type, in one of SCIM's lists."""
    return next((v.get("value") for v in values or () if v["type"] == kind), None)


def _dialled(phone: str | None) -> str | None:
    return phone and re.sub("[^+0-9]", "", phone.replace("(0)", ""))
