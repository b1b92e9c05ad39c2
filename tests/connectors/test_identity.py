"""This is where drivers say whose system answers, and which life of its data it is, where the system tells that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ldap3
import psycopg
import pytest

from connectors.base import Health
from connectors.drivers.ldap import LdapDriver
from connectors.drivers.memory import MemoryDriver
from tests.connectors import test_contract_ldap, test_contract_sql
from tests.connectors.http.connected import PERSON, driver_for
from tests.systems.postgres import Postgres
from tests.systems.slapd import Slapd, need_slapd

PASSWORD = {"secret": "pg"}


@pytest.fixture(autouse=True)
def close_what_was_opened() -> Iterator[None]:
    yield
    for opened in (test_contract_ldap.OPENED, test_contract_sql.OPENED):
        while opened:
            opened.pop().close()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def http_driver(answer: Any, **check: Any) -> Any:
    def app(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answer)

    facts = {"get": "/me", **check}
    return driver_for("https://crm.example", PERSON, transport=httpx.MockTransport(app), check=facts)


def told(health: Health) -> tuple[str | None, str | None]:
    assert health.reachable, health.message
    return health.tenant, health.epoch


def test_a_definition_says_where_the_tenant_stands() -> None:
    made = http_driver({"account": {"id": 4711}, "restored": "2026-01-01"}, tenant="account.id", epoch="restored")

    assert told(made.check()) == ("4711", "2026-01-01")
    assert made.describe("person").identity


@pytest.mark.parametrize("answer", [{}, {"account": {"id": None}}, {"account": {"id": {"deep": 1}}}, [], "text"])
def test_an_answer_that_names_no_tenant_tells_none(answer: Any) -> None:
    assert told(http_driver(answer, tenant="account.id").check()) == (None, None)


def test_a_definition_without_a_tenant_promises_none() -> None:
    made = http_driver({"account": 1})

    assert told(made.check()) == (None, None)
    assert not made.describe("person").identity
    assert http_driver({}, epoch="life").describe("person").identity


def test_a_database_file_has_no_identity_because_its_copy_has_the_same(tmp_path: Path) -> None:
    made = test_contract_sql.driver(path=str(test_contract_sql.sqlite_file(tmp_path)))

    assert told(made.check()) == (None, None)
    assert not made.describe("contact").identity


def test_a_postgresql_database_is_told_from_another_and_from_one_that_was_restored(postgres: Postgres) -> None:
    url = postgres.url.replace("/postgres", "/shop")
    made = test_contract_sql.driver(url=url, user=postgres.user, password=PASSWORD)
    names = []
    with psycopg.connect(postgres.url, user=postgres.user, password=Postgres.password, autocommit=True) as db:
        for _ in range(2):
            db.execute("DROP DATABASE IF EXISTS shop WITH (FORCE)")
            db.execute("CREATE DATABASE shop")
            names.append(told(made.check()))
        (number,) = db.execute("SELECT system_identifier FROM pg_control_system()").fetchone() or ()

    assert {tenant for tenant, _ in names} == {f"{number}/shop"}
    assert len({epoch for _, epoch in names}) == 2
    assert made.describe("contact").identity
    assert (
        told(test_contract_sql.driver(url=postgres.url, user=postgres.user, password=PASSWORD).check())[0]
        == f"{number}/postgres"
    )


def test_a_login_that_may_not_ask_for_the_cluster_tells_the_database(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url, user=postgres.user, password=Postgres.password, autocommit=True) as db:
        db.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        db.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")

    assert (
        told(test_contract_sql.driver("clerk", url=postgres.url, user="clerk", password=PASSWORD).check())[0]
        == "postgres"
    )


def test_a_directory_is_told_by_what_it_holds(tmp_path: Path) -> None:
    need_slapd()
    with Slapd(tmp_path) as server:
        made = test_contract_ldap.driver(server)

        assert told(made.check()) == (server.base, None)
        assert made.describe("person").identity


def test_a_domain_controller_is_told_by_its_invocation() -> None:
    service = "CN=NTDS Settings,CN=DC1,DC=corp"
    connection = ldap3.Connection(ldap3.Server("dc"), client_strategy=ldap3.MOCK_SYNC)
    connection.strategy.add_entry(service, {"invocationId": b"\x01\x02", "objectClass": "nTDSDSA"})
    connection.strategy.add_entry("CN=none", {"objectClass": "nTDSDSA"})
    connection.bind()
    made: Any = LdapDriver.__new__(LdapDriver)
    made.name = "ad"

    assert made._invocation(connection, service) == "0102"
    assert made._invocation(connection, "CN=none") is None


def test_a_system_in_memory_has_a_name_and_the_life_that_a_test_gives_it() -> None:
    made = MemoryDriver({"contact": {}}, name="crm")
    made.epoch = "second"

    assert told(made.check()) == ("crm", "second")
