"""Contacts and companies between a CRM and an ERP, with references both ways."""

from collections.abc import Callable

from tests.examples.stage import Stage


def test_a_contact_keeps_its_company_whichever_side_it_comes_from(stage: Callable[[str], Stage]) -> None:
    office = stage("contacts")
    nordlicht = office.put("companies", name="NORDLICHT", vat="DE 811 111 111", stage="lead")
    grace = office.put("contacts", first_name="Grace", email="grace@nordlicht.example", company=nordlicht)

    office.adopt("companies", "contacts")

    okafor = next(id for id, company in office.shown("companies").items() if company["vat"] == "IE6388047V")
    assert office.shown("companies")[nordlicht]["name"] == "Nordlicht GmbH"
    assert {c["email"]: c.get("company") for c in office.shown("contacts").values()} == {
        "grace@nordlicht.example": nordlicht,
        "ada@nordlicht.example": nordlicht,
        "ivan@okafor.example": okafor,
    }
    assert office.sql("erp", "SELECT customer FROM contact WHERE first_name = 'Grace'") == [(501,)]

    office.edit("contacts", grace, company=okafor)  # she changes jobs in the CRM, he does in the ERP
    office.sql("erp", "UPDATE contact SET customer = 501 WHERE first_name = 'Ivan'")
    assert office.run("contacts")["state"] == "done"

    assert office.sql("erp", "SELECT customer FROM contact WHERE first_name = 'Grace'") == [(502,)]
    ivan = next(c for c in office.shown("contacts").values() if c["first_name"] == "Ivan")
    assert ivan["company"] == nordlicht
    assert office.run("contacts")["counts"].get("update", 0) == 0
    assert office.sound()


def test_a_contact_of_a_company_that_nobody_knows_yet_waits_for_it(stage: Callable[[str], Stage]) -> None:
    office = stage("contacts")
    office.adopt("companies", "contacts")
    newcomer = office.put("companies", name="Brno Bricks", vat="CZ123", domain="bricks.example")
    hedy = office.put("contacts", first_name="Hedy", email="hedy@bricks.example", company=newcomer)

    assert office.run("contacts")["state"] == "held"
    assert "companies" in str(office.held("contacts"))
    assert office.run("companies")["state"] == "done"
    assert office.run("contacts")["state"] == "done"

    (customer,) = office.sql("erp", "SELECT customer_no FROM customer WHERE tax_id = 'CZ123'")
    assert office.sql("erp", "SELECT customer FROM contact WHERE first_name = 'Hedy'") == [customer]
    assert office.shown("contacts")[hedy]["company"] == newcomer


def test_a_stage_never_goes_back_and_a_no_is_never_lost(stage: Callable[[str], Stage]) -> None:
    office = stage("contacts")
    office.adopt("companies", "contacts")
    company = next(id for id, c in office.shown("companies").items() if c["vat"] == "IE6388047V")
    ada = next(id for id, c in office.shown("contacts").items() if c["email"] == "ada@nordlicht.example")

    office.edit("companies", company, stage="lead")  # both sides change it: the later stage counts
    office.sql("erp", "UPDATE customer SET stage = 'customer' WHERE customer_no = 502")
    office.edit("contacts", ada, optout=True)
    office.run("companies")
    office.run("contacts")

    assert office.shown("companies")[company]["stage"] == "customer"
    assert office.sql("erp", "SELECT unsubscribed FROM contact WHERE first_name = 'Ada'") == [(1,)]
