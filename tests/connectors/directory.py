"""This is where tests get a driver for a real OpenLDAP, people for it, and groups that people of the directory keep."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ldap3

from connectors.base import Fields
from connectors.drivers.ldap import Entity, LdapDriver, System, connect
from connectors.ldap import values
from tests.systems.slapd import Slapd

OPENED: list[LdapDriver] = []


def driver(
    server: Slapd, password: str = Slapd.password, entity: dict[str, Any] | None = None, **more: Any
) -> LdapDriver:
    facts = {"name": "directory", "connector": "openldap", "version": 1, "url": server.url, "base": server.base}
    login = {"bind_dn": server.admin, "password": {"secret": "ldap"}, "ca": server.ca, "page": 3}
    person = {
        "base": server.people,
        "filter": "(objectClass=inetOrgPerson)",
        "object_classes": ["inetOrgPerson"],
        "rdn": "uid",
        "many": ["mail", "objectClass"],
        "binary": ["jpegPhoto"],
        "relations": {"groups": {"base": server.groups}},
        **(entity or {}),
    }
    group = {"base": server.groups, "filter": "(objectClass=groupOfNames)", "object_classes": ["groupOfNames"]}
    entities = {"person": Entity.model_validate(person), "group": Entity.model_validate({**group, "many": ["member"]})}
    system = System.model_validate({**facts, **login, **more})
    made = connect(system, entities, check=None, reveal=lambda ref: password)
    OPENED.append(made)
    return made


@contextmanager
def admin(server: Slapd) -> Iterator[Any]:
    """Somebody else at work in the same directory."""
    found = ldap3.Connection(ldap3.Server("127.0.0.1", server.port), server.admin, server.password, auto_bind=True)
    try:
        yield found
    finally:
        found.unbind()  # leaving `with connection` would keep it bound


def person(n: int) -> Fields:
    return {"uid": f"p{n}", "cn": f"Person {n}", "sn": "Person", "employeeNumber": str(1000 + n)}


GROUPS = ("(all)", "staff", "Zürich, HQ")


def form_groups(server: Slapd) -> None:
    """Three groups with one member that is no person, as groupOfNames wants it."""
    with admin(server) as connection:
        for name in GROUPS:
            connection.delete(group_dn(server, name))
            connection.add(group_dn(server, name), "groupOfNames", {"cn": name, "member": server.admin})
            assert connection.result["result"] == 0, connection.result


def group_dn(server: Slapd, name: str) -> str:
    return f"{values.rdn('cn', name)},{server.groups}"


def members_of(server: Slapd, name: str) -> set[str]:
    with admin(server) as connection:
        connection.search(group_dn(server, name), "(objectClass=*)", ldap3.BASE, attributes=["member"])
        return set(connection.response[0]["attributes"]["member"]) - {server.admin}


def holding(server: Slapd) -> dict[str, int]:
    return {name: len(members_of(server, name)) for name in GROUPS}
