"""This is where the memory driver passes the contract, and shows what its switches switch off."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.base import (
    Capabilities,
    CursorRule,
    Done,
    Fields,
    Members,
    NotSent,
    Page,
    Permanent,
    Record,
    Refused,
    Write,
)
from connectors.drivers.memory import Entity, MemoryDriver, System, connect
from tests.connectors.contract import DriverContract, Subject

MEMBERS = ("admins", "staff", "zürich")


def contact(n: int) -> Fields:
    return {"name": f"Person {n}", "email": f"p{n}@corp.example", "address": {"city": "Bern", "zip": str(n)}}


class TestMemoryContract(DriverContract):
    @pytest.fixture
    def subject(self) -> Subject:
        driver = MemoryDriver({"contact": {}}, page=3, find={"contact": ["email"]}, relations={"contact": ["groups"]})
        return Subject(
            driver, "contact", contact, "name", "email", "phone", big="number", decimal="amount",
            relation="@groups", members=MEMBERS,
            holding=lambda: {m: sum(m in f["@groups"] for f in driver.records("contact").values()) for m in MEMBERS},
        )  # fmt: skip


def read(driver: MemoryDriver, **how: Any) -> list[Page]:
    return list(driver.read("contact", **how))


def test_a_partial_object_keeps_its_siblings_or_replaces_them_as_declared() -> None:
    merging = MemoryDriver({"contact": {"1": contact(1)}})
    replacing = MemoryDriver({"contact": {"1": contact(1)}}, capabilities={"contact": Capabilities(nested="replace")})

    for driver in (merging, replacing):
        list(driver.write("contact", [Write("update", "1", {"address": {"city": "Basel"}})]))

    assert merging.records("contact")["1"]["address"] == {"city": "Basel", "zip": "1"}
    assert replacing.records("contact")["1"]["address"] == {"city": "Basel"}


def test_without_preconditions_the_last_writer_wins() -> None:
    driver = MemoryDriver({"contact": {"1": contact(1)}}, capabilities={"contact": Capabilities()})
    driver.edit("contact", "1", {"name": "Meanwhile"})

    (outcome,) = driver.write("contact", [Write("update", "1", {"name": "Ours"}, version="1")])

    assert isinstance(outcome, Done)
    assert driver.records("contact")["1"]["name"] == "Ours"


def test_a_repeated_create_makes_two_records_unless_it_is_idempotent() -> None:
    twice = [Write("create", fields=contact(1), key="k"), Write("create", fields=contact(1), key="k")]
    plain = MemoryDriver({"contact": {}})
    idempotent = MemoryDriver({"contact": {}}, capabilities={"contact": Capabilities(idempotent_create=True)})

    list(plain.write("contact", twice))
    list(idempotent.write("contact", twice))

    assert len(plain.records("contact")) == 2
    assert len(idempotent.records("contact")) == 1


def test_an_atomic_batch_fails_as_one() -> None:
    rules = Capabilities(atomic_batch=True, batch=10)
    driver = MemoryDriver({"contact": {"1": contact(1)}}, capabilities={"contact": rules})

    outcomes = list(
        driver.write("contact", [Write("create", fields=contact(2)), Write("create", "1", fields=contact(3))])
    )

    assert [type(o) for o in outcomes] == [Refused, Refused]
    assert list(driver.records("contact")) == ["1"]


def test_tombstones_can_be_missing() -> None:
    rules = Capabilities(cursor=CursorRule("number"))
    driver = MemoryDriver({"contact": {"1": contact(1)}}, capabilities={"contact": rules})
    driver.remove("contact", "1")

    assert [p.gone for p in read(driver, cursor="1")] == [()]


def test_a_record_born_again_is_no_longer_gone() -> None:
    driver = MemoryDriver({"contact": {"1": contact(1)}})
    driver.remove("contact", "1")
    driver.put("contact", contact(1), "1")

    (page,) = read(driver, cursor="1")

    assert page.gone == ()
    assert [r.id for r in page.records] == ["1"]


def test_a_record_handed_out_does_not_change_afterwards() -> None:
    driver = MemoryDriver({"contact": {"1": contact(1)}})
    (seen,) = driver.get("contact", ["1"])

    driver.edit("contact", "1", {"address": {"city": "Basel"}})

    assert isinstance(seen, Record)
    assert seen.fields["address"]["city"] == "Bern"


def test_a_marker_is_left_at_birth_and_found_again() -> None:
    driver = MemoryDriver({"contact": {}}, marker={"contact": "external_id"})

    (done,) = driver.write("contact", [Write("create", fields=contact(1), marker="t-17")])

    assert isinstance(done, Done)
    assert [r.id for r in driver.find("contact", {"external_id": "t-17"})] == [done.id]
    assert "external_id" in driver.describe("contact").find


def test_find_goes_through_nested_values_and_keeps_true_and_one_apart() -> None:
    driver = MemoryDriver({"contact": {"1": {"a": {"b": True}}, "2": {"a": {"b": 1}}}})

    assert [r.id for r in driver.find("contact", {"a.b": True})] == ["1"]
    assert [r.id for r in driver.find("contact", {"a.b": 1})] == ["2"]


def test_a_lagging_find_refuses_to_be_called_consistent() -> None:
    rules = Capabilities(find=frozenset({"email"}), consistency_window=60)
    driver = MemoryDriver({"contact": {}}, capabilities={"contact": rules})

    with pytest.raises(Permanent, match="lags"):
        driver.find("contact", {"email": "x"}, consistent=True)
    with pytest.raises(Permanent, match="name"):
        driver.find("contact", {"name": "x"})


@pytest.mark.parametrize(("empty", "shown"), [("null", {"a": None}), ("", {"a": ""}), ("omitted", {})])
def test_emptiness_looks_as_declared(empty: Any, shown: Fields) -> None:
    driver = MemoryDriver({"contact": {}}, capabilities={"contact": Capabilities(empty=empty)})

    driver.put("contact", {"a": None}, "1")

    assert driver.records("contact")["1"] == shown


def test_deactivate_is_what_the_entity_says() -> None:
    off = MemoryDriver({"contact": {"1": contact(1)}}, deactivate={"contact": {"active": False}})
    without = MemoryDriver({"contact": {"1": contact(1)}})

    (done,) = off.write("contact", [Write("deactivate", "1")])
    (refused,) = without.write("contact", [Write("deactivate", "1")])

    assert isinstance(done, Done)
    assert off.records("contact")["1"]["active"] is False
    assert isinstance(refused, Refused)


def test_a_configured_system_starts_with_its_records() -> None:
    entity = Entity.model_validate({"records": {"1": {"amount": Decimal("1.10")}}, "find": ["amount"]})
    system = System(version=1, name="crm", connector="memory")

    driver = connect(system, {"contact": entity}, check=None, reveal=lambda ref: "")

    assert driver.records("contact") == {"1": {"amount": Decimal("1.10")}}
    assert driver.check("nobody").message.startswith("crm: no entity 'nobody'")
    assert [s.name for s in driver.discover()] == ["contact"]


def test_a_close_misspelling_is_pointed_out() -> None:
    driver = MemoryDriver({"contact": {}})

    with pytest.raises(Permanent, match="did you mean contact"):
        list(driver.read("contacts"))
    (outcome,) = driver.write("kontact", [Write("create")])
    assert isinstance(outcome, NotSent)
    assert "contact" in outcome.message


def test_a_relation_is_no_field_and_a_change_of_it_no_change_of_the_record() -> None:
    driver = MemoryDriver({"contact": {"1": contact(1) | {"@groups": ["b", "a"]}}}, relations={"contact": ["groups"]})
    (seen,) = driver.get("contact", ["1"])

    driver.relate("contact", "1", add={"@groups": ["c"]}, remove={"@groups": ["b"]})

    (after,) = driver.get("contact", ["1"])
    assert isinstance(seen, Record)
    assert isinstance(after, Record)
    assert (seen.fields["@groups"], after.fields["@groups"]) == (["a", "b"], ["a", "c"])
    assert seen.version == after.version
    assert driver.read("contact", cursor=str(int(seen.version or 0) + 1)).__next__().records == ()


def test_a_relation_that_nobody_declared_is_refused_by_name() -> None:
    driver = MemoryDriver({"contact": {"1": contact(1)}})

    (outcome,) = driver.write("contact", [Write("update", "1", members={"@groups": Members(add=("a",))})])

    assert isinstance(outcome, Refused)
    assert "@groups" in outcome.message
