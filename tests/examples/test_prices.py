"""Prices of an ERP in a shop, under guards of their values."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.service import clock
from tests.examples.stage import Stage


def amounts(shop: Stage) -> dict[tuple[Any, ...], str]:
    return {tuple(row[:3]): row[3] for row in shop.sql("shop", "SELECT sku, list, qty_from, amount FROM price")}


def test_a_price_arrives_exactly_and_only_in_its_time(stage: Callable[[str], Stage]) -> None:
    shop = stage("prices")

    shop.adopt("prices")

    assert amounts(shop) == {
        ("4711", "dealers", 1): "19.9000",
        ("4711", "dealers", 100): "17.9000",
        ("4711", "switzerland", 1): "24.0000",
        ("815", "dealers", 1): "0.1000",
    }
    assert shop.sql("shop", "SELECT id, valid_from, valid_to FROM price WHERE sku = '4711' AND amount = '19.9000'") == [
        (1, "2020-01-01", None)
    ]
    assert shop.run("prices")["counts"].get("update", 0) == 0
    assert shop.sound()


def test_a_price_that_leaps_or_is_nothing_waits_until_it_is_approved(stage: Callable[[str], Stage]) -> None:
    shop = stage("prices")
    shop.adopt("prices")
    shop.sql("erp", "UPDATE condition SET rate = '199.00' WHERE qty_from = 1 AND sales_org = '1000' AND unit = 'EUR'")
    shop.sql("erp", "UPDATE condition SET rate = '1700.00' WHERE qty_from = 100")
    shop.sql("erp", "UPDATE condition SET rate = '0.00' WHERE sales_org = '2000'")

    report = shop.run("prices")

    assert report["state"] == "held"
    assert [guard["text"] for guard in report["guards"]] == ["would bring `amount` of 3 records out of its bounds"]
    assert {line["bounds"]["amount"] for line in report["lines"] if "bounds" in line} == {
        "changes by more than 30%", "is below min 0.01",
    }  # fmt: skip
    assert amounts(shop) == {
        ("4711", "dealers", 1): "19.9000",
        ("4711", "dealers", 100): "17.0000",
        ("4711", "switzerland", 1): "24.0000",
        ("815", "dealers", 1): "0.1000",
    }

    shop.sql("erp", "UPDATE condition SET rate = '25.00' WHERE sales_org = '2000'")  # a slip, corrected
    assert shop.approve("prices", "values")["approved"] == {"values": 2}
    assert shop.run("prices")["state"] == "done"
    assert amounts(shop)["4711", "switzerland", 1] == "25.0000"
    assert amounts(shop)["4711", "dealers", 1] == "199.0000"


def test_the_prices_of_the_new_year_pass_because_they_are_announced(stage: Callable[[str], Stage]) -> None:
    shop = stage("prices")
    shop.adopt("prices")
    shop.sql("erp", "UPDATE condition SET rate = rate * 1.5 WHERE kind = 'PR00'")
    assert shop.run("prices")["state"] == "held"

    today = datetime.fromtimestamp(clock.now(), UTC).date()
    for old, new in (("2027-01-01", today - timedelta(days=1)), ("2027-01-02", today + timedelta(days=1))):
        file = shop.folder / "syncs/prices.yaml"
        file.write_text(file.read_text().replace(old, new.isoformat()))
    report = shop.run("prices")

    assert report["state"] == "done"
    assert "(CHG00901): other limits hold for updates, values.amount" in report["problems"][0]
    assert amounts(shop)["4711", "dealers", 1] == "29.8500"


def test_a_price_that_is_over_leaves_the_shop_and_one_that_begins_comes(stage: Callable[[str], Stage]) -> None:
    shop = stage("prices")
    shop.adopt("prices")
    shop.sql("erp", "UPDATE condition SET valid_to = '2020-05-31' WHERE material LIKE '%4711' AND sales_org = '2000'")
    shop.sql("erp", "UPDATE condition SET valid_from = '2020-07-01' WHERE valid_from = '2999-01-01'")

    assert shop.run("prices")["state"] == "done"

    assert ("4711", "switzerland", 1) not in amounts(shop)
    found = shop.sql("shop", "SELECT valid_from, amount FROM price WHERE sku = '815' ORDER BY valid_from")
    assert found == [("2020-01-01", "0.1000"), ("2020-07-01", "0.1200")]
