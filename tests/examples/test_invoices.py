"""Invoices of an ERP, appended to a CRM with references to customers and to each other."""

from collections.abc import Callable

from tests.examples.stage import Stage


def test_submitted_invoices_arrive_exactly_and_drafts_stay(stage: Callable[[str], Stage]) -> None:
    books = stage("invoices")
    nordlicht, okafor = (books.put("companies", vat=vat) for vat in ("DE811111111", "IE6388047V"))
    books.adopt("customers", "invoices")

    shown = {invoice["number"]: (id, invoice) for id, invoice in books.shown("invoices").items()}
    assert set(shown) == {"R-2026-001", "R-2026-002", "R-2026-003"}
    first, big, credit = (shown[f"R-2026-00{n}"][1] for n in (1, 2, 3))
    assert (first["account"], big["account"]) == (nordlicht, okafor)
    assert str(big["total"]) == "99999999999999.99"
    assert credit["credit_of"] == shown["R-2026-001"][0]

    books.sql("erp", "UPDATE invoice SET docstatus = 1, changed = 5 WHERE number = 'R-2026-004'")
    books.sql("erp", "UPDATE invoice SET docstatus = 2, changed = 6 WHERE number = 'R-2026-002'")
    assert books.run("invoices")["state"] == "done"
    statuses = {invoice["number"]: invoice["status"] for invoice in books.shown("invoices").values()}
    assert statuses == {"R-2026-001": "Open", "R-2026-002": "Cancelled", "R-2026-003": "Open", "R-2026-004": "Open"}
    assert books.sound()


def test_an_invoice_of_an_unknown_customer_waits_and_an_edit_in_the_crm_is_put_back(
    stage: Callable[[str], Stage],
) -> None:
    books = stage("invoices")
    books.put("companies", vat="DE811111111")
    books.adopt("customers", "invoices")

    accounts = {invoice["number"]: invoice.get("account") for invoice in books.shown("invoices").values()}
    assert accounts.get("R-2026-002") is None
    assert [told["left"] for told in books.held("invoices")] == ["R-2026-002"]

    okafor = books.put("companies", vat="IE6388047V")
    books.run("customers")
    books.run("invoices")
    (id, invoice), *_ = [(i, v) for i, v in books.shown("invoices").items() if v["number"] == "R-2026-002"]
    assert invoice["account"] == okafor

    books.edit("invoices", id, total=1)
    books.run("invoices")
    assert str(books.shown("invoices")[id]["total"]) == "99999999999999.99"
