"""Customers with their addresses: a list in the records of a CRM, rows of a table in an ERP."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from daemon.errors import NoSuch
from tests.cli.calling import call_here
from tests.examples.stage import ASK, Stage

SEAT = {"usage": "billing", "street": "Elbchaussee 7", "zip": "22765", "city": "Hamburg", "country": "DE"}
HALL = {"usage": "shipping", "street": "Dock 1", "zip": "20457", "city": "Hamburg", "country": "DE", "geo": "53.5,9.9"}


@pytest.fixture
def office(stage: Callable[[str], Stage]) -> Stage:
    """Nordlicht in both systems, each knowing addresses that the other one does not."""
    office = stage("customers")
    office.put("companies", name="Nordlicht GmbH", vat="DE 811 111 111", addresses=[SEAT, {**HALL, "usage": "default"}])
    return office


def company(office: Stage, vat: str) -> tuple[str, dict[str, Any]]:
    (found,) = [(id, dict(c)) for id, c in office.shown("companies").items() if str(c["vat"]).replace(" ", "") == vat]
    return found


def addresses(office: Stage, vat: str) -> dict[str, Any]:
    """The addresses of a company in the CRM, by usage."""
    return {one["usage"]: one for one in company(office, vat)[1].get("addresses", ())}


def rows(office: Stage, number: int) -> dict[str, Any]:
    """The addresses of a customer in the ERP."""
    found = office.sql("erp", "SELECT usage, street, city FROM address WHERE customer_no = ?", number)
    return {usage: (street, city) for usage, street, city in found}


def test_customers_and_their_addresses_meet_in_one_run_both_ways(office: Stage) -> None:
    office.put(
        "companies", name="Brno Bricks", vat="CZ123", addresses=[{**SEAT, "street": "Cihlova 2", "city": "Brno"}]
    )

    with office.operations() as operations:
        plan = operations.plan("customers", full=True, actor="uid:1000")
    told = {line["collection"] for line in plan["lines"] if line.get("collection")}
    assert (plan["state"], told) == ("planned", {"addresses"})
    office.adopt("customers")

    assert set(addresses(office, "DE811111111")) == {"billing", "shipping", "default"}
    assert set(addresses(office, "IE6388047V")) == {"billing"}
    assert rows(office, 501) == {
        "BILL_TO": ("Elbchaussee 7", "Hamburg"),
        "SHIP_TO": ("Kai 3", "Hamburg"),
        "XXDEFAULT": ("Dock 1", "Hamburg"),
    }
    ((brno,),) = office.sql("erp", "SELECT customer_no FROM customer WHERE tax_id = 'CZ123'")
    assert rows(office, brno) == {"BILL_TO": ("Cihlova 2", "Brno")}
    assert addresses(office, "DE811111111")["default"]["geo"] == "53.5,9.9"
    again = office.run("customers")
    assert (again["state"], again["counts"].get("written", 0)) == ("done", 0)
    assert office.sound()


def test_an_address_moves_as_one_and_a_clash_of_it_is_decided_by_a_person(office: Stage) -> None:
    office.adopt("customers")
    id, nordlicht = company(office, "DE811111111")
    moved = [
        {**one, "street": "Am Tor 1", "zip": "1"} if one["usage"] == "billing" else one
        for one in nordlicht["addresses"]
    ]
    office.edit("companies", id, addresses=moved)
    office.sql("erp", "UPDATE address SET city = 'Bremen' WHERE address_no = 1")
    office.sql("erp", "UPDATE address SET street = 'Kai 4' WHERE address_no = 2")

    assert office.run("customers")["state"] == "held"

    assert addresses(office, "DE811111111")["shipping"]["street"] == "Kai 4"
    (told,) = office.held("customers")
    assert (told["sync"], told["reason"], set(told["fields"])) == (
        "customers.addresses",
        "conflict",
        {"street", "zip", "city"},
    )
    with office.operations() as operations:
        operations.resolve("customers", "1", take="left", fields=(), **ASK)
    assert office.run("customers")["state"] == "done"
    assert rows(office, 501)["BILL_TO"] == ("Am Tor 1", "Hamburg")


def test_an_address_that_is_taken_out_goes_as_the_file_says(office: Stage) -> None:
    office.adopt("customers")

    office.sql("erp", "DELETE FROM address WHERE address_no = 2")
    report = office.run("customers")
    assert (report["state"], report["counts"]["delete"]) == ("done", 1)
    assert set(addresses(office, "DE811111111")) == {"billing", "default"}

    office.edit("companies", company(office, "DE811111111")[0], addresses=[SEAT])
    assert office.run("customers")["state"] == "held"  # whoever did that in the CRM is asked
    assert set(rows(office, 501)) == {"BILL_TO", "XXDEFAULT"}


def test_a_customer_that_goes_leaves_its_addresses_alone(office: Stage) -> None:
    office.adopt("customers")

    office.sql("erp", "DELETE FROM address WHERE customer_no = 501")
    office.sql("erp", "DELETE FROM customer WHERE customer_no = 501")
    report = office.run("customers")

    assert (report["state"], report["counts"].get("delete", 0)) == ("held", 0)
    assert set(addresses(office, "DE811111111")) == {"billing", "shipping", "default"}
    assert [told["sync"] for told in office.held("customers")] == ["customers"]


def test_commands_speak_of_the_addresses_too(office: Stage) -> None:
    def said(*words: str) -> str:
        told = call_here(*words, folder=office.folder)
        assert told.returncode in (0, 4), told
        return told.stdout

    said("approve", "customers")
    assert "addresses" in said("run", "customers")
    id, nordlicht = company(office, "DE811111111")
    twice = [*nordlicht["addresses"], {**SEAT, "usage": "billing"}]
    office.edit("companies", id, addresses=twice)
    said("run", "customers")

    with office.operations() as operations:
        status = operations.status()
        with pytest.raises(NoSuch, match=r"known: customers, customers\.addresses"):
            operations.plan("customers.adresses", full=False, actor="")
    assert [sync["name"] for sync in status["syncs"]] == ["customers", "customers.addresses"]
    assert [(need["sync"], need["what"]) for need in status["attention"]] == [("customers.addresses", "1 pair held")]
    assert "ambiguous" in said("held", "customers")
    assert "customers.addresses" in said("held", "customers.addresses")
    assert "BILL_TO" in said("why", "customers", f'["{id}","billing"]')
    assert "customers.addresses" in said("why", "customers", id)
    assert "ambiguous" in said("plan", "customers.addresses")
    assert "no conflicts" in said("conflicts", "customers")
    assert "customers.addresses" in said("run", "customers.addresses")
    listed = json.loads(said("pairs", "list", "customers.addresses", "-o", "json"))
    assert len(listed["pairs"]) == 5
    assert said("runs", "customers.addresses").count("customers") >= 2
