"""This is where the HTTP driver is held to the contract of all drivers, against a real server."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.connectors.contract import DriverContract, Subject
from tests.connectors.http.connected import PERSON, TEAMS, TOKEN, driver_for, person
from tests.connectors.http.servers import Crm, Reply, Seen, served


def _guarded(crm: Crm) -> None:
    crm.faults.append(
        lambda seen: None if seen.headers.get("authorization") == f"Bearer {TOKEN}" else Reply(401, {"message": "who?"})
    )


class TestHttpKeepsTheContract(DriverContract):
    @pytest.fixture
    def subject(self) -> Iterator[Subject]:
        crm = Crm(teams={name: set() for name in ("a/b", "red", "zürich")})
        _guarded(crm)
        with served(crm.answer) as address:
            driver = driver_for(address, person(relations={"teams": TEAMS}), check={"get": "/health"})
            stranger = driver_for(address, check={"get": "/health"}, auth={"kind": "none"})
            nobody = driver_for("http://127.0.0.1:9", check={"get": "/health"})
            yield Subject(
                driver,
                "person",
                make=lambda n: {"name": f"Person {n}", "email": f"p{n}@corp.example"},
                text="name",
                lookup="email",
                optional="phone",
                big="badge",
                decimal="salary",
                refused={"name": "Nobody", "email": "not an address"},
                relation="@teams",
                members=("a/b", "red", "zürich"),
                refused_member="blue",
                holding=lambda: {name: len(people) for name, people in crm.teams.items()},
                unwell={"not let in": stranger, "no connection": nobody},
            )
            driver.close()


def test_decimals_and_25_digits_are_exact_on_the_wire() -> None:
    crm = Crm()
    with served(crm.answer) as address:
        driver = driver_for(address, PERSON)
        from connectors.base import Write

        fields = {"salary": Decimal("0.10"), "badge": 1234567890123456789012345, "email": "a@corp.example"}
        list(driver.write("person", [Write("create", fields=fields)]))
        driver.close()

    sent: Seen = crm.seen[-1]
    assert str(sent.body["salary"]) == "0.10"
    assert sent.body["badge"] == 1234567890123456789012345
