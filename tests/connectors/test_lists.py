"""This is where the members of lists pass the contract as records, and show how they share the record they lie in."""

from collections.abc import Sequence
from typing import Any

import pytest

from connectors.base import (
    PARENT,
    UNNAMED,
    Capabilities,
    CursorRule,
    Done,
    Failed,
    Fields,
    Gone,
    Lost,
    NotSent,
    Pending,
    Permanent,
    Record,
    Refused,
    Stale,
    Temporary,
    Write,
)
from connectors.drivers.memory import MemoryDriver
from connectors.lists import parent_of
from connectors.members import Members
from tests.connectors.contract import DriverContract, Subject

OWNERS = {f"O{n:02}": {"name": f"Owner {n}"} for n in range(40)}


def contact(n: int) -> Fields:
    return {PARENT: f"O{n % 40:02}", "name": f"Person {n}", "email": f"p{n}@corp.example", "address": {"city": "Bern"}}


class TestMembersContract(DriverContract):
    @pytest.fixture
    def subject(self) -> Subject:
        driver = Members(MemoryDriver({"owner": OWNERS}, page=3), "owner", "contacts", ("email",), ("email", "name"))
        return Subject(driver, "contact", contact, "name", "email", "phone", big="number", decimal="amount")

    def test_where_is_equality(self, subject: Subject) -> None:
        """It is about the records in which the lists lie."""
        list(subject.driver.write("contact", [Write("create", fields=contact(n)) for n in range(3)]))

        pages = list(subject.driver.read("contact", where={"name": "Owner 1"}))

        assert [record.fields["name"] for page in pages for record in page.records] == ["Person 1"]
        assert pages[-1].whole == ("O01",)

    def test_an_empty_entity_is_one_complete_page_without_records(self, subject: Subject) -> None:
        """There are as many pages as of the records in which the lists lie."""
        pages = list(subject.driver.read("contact"))

        assert [page.records for page in pages] == [()] * 14
        assert [page.complete for page in pages] == [False] * 13 + [True]

    def test_a_create_is_read_back_as_written(self, subject: Subject) -> None:
        """Whose it is is no field that a system shows."""
        (done,) = subject.driver.write("contact", [Write("create", fields=contact(1))], fields=["name", '"(parent)"'])

        assert isinstance(done, Done)
        assert done.record == Record(done.id, {"name": "Person 1", PARENT: "O01"}, done.version)

    def test_an_unknown_entity_is_named(self, subject: Subject) -> None:
        """The entity is that of the records in which the lists lie."""
        wrong = Members(MemoryDriver({"owner": {}}), "ownr", "contacts", ("email",))

        assert "did you mean owner" in wrong.check("contact").message
        with pytest.raises(Permanent, match="did you mean owner"):
            list(wrong.read("contact"))

    def test_a_write_to_an_unknown_entity_is_not_sent(self, subject: Subject) -> None:
        wrong = Members(MemoryDriver({"owner": {}}), "ownr", "contacts", ("email",))

        (outcome,) = wrong.write("contact", [Write("create", fields=contact(1))])

        assert isinstance(outcome, NotSent)
        assert outcome.permanent


def phones(records: Any, **capabilities: Any) -> tuple[MemoryDriver, Members]:
    """Persons with phones by kind, each in `calls.phones`."""
    told = {"person": Capabilities(**{"precondition": True, **capabilities})} if capabilities else None
    inside = MemoryDriver({"person": records}, name="crm", capabilities=told)
    return inside, Members(inside, "person", "calls.phones", ("kind",), ("kind", "number"))


def ada(*members: Fields, **more: Any) -> dict[str, Any]:
    return {"1": {"calls": {"phones": [*members], **more}}}


def write(driver: Members, *writes: Write, fields: Sequence[str] = ()) -> list[Any]:
    return list(driver.write("", writes, fields=fields))


WORK, HOME = {"kind": "work", "number": "1"}, {"kind": "home", "number": "2"}


def test_a_member_is_named_by_its_record_and_its_key() -> None:
    _, driver = phones(ada(WORK, HOME, WORK, {"kind": None}, {"kind": True}))

    (page,) = driver.read("", fields=["number"])

    assert [record.id for record in page.records] == [
        '["1","work"]', '["1","home"]', '["1","work",2]', '["1",null]', '["1","true"]',
    ]  # fmt: skip
    assert "person 1 has no `kind`" in page.records[3].fields[UNNAMED]
    assert dict(page.records[0].fields) == {"number": "1"}
    assert (page.whole, page.complete) == (("1",), True)


@pytest.mark.parametrize(
    ("id", "owner"), [('["1","work"]', "1"), ("1", None), ("[1]", None), ("[", None), ('{"a":1}', None)]
)
def test_who_is_no_member_has_no_parent(id: str, owner: str | None) -> None:
    assert parent_of(id) == owner


def test_a_record_that_does_not_say_what_its_list_is_leaves_something_out() -> None:
    class Silent(MemoryDriver):
        def read(self, entity: str, **how: Any) -> Any:
            return super().read(entity, **(how | {"fields": ()}))

        def get(self, entity: str, ids: Sequence[str], **how: Any) -> Any:
            return super().get(entity, ids)

    inside = Silent({"person": {"1": {"name": "Ada"}, "2": {"phones": [WORK]}}})
    driver = Members(inside, "person", "phones", ("kind",))

    (page,) = driver.read("")

    assert ([record.id for record in page.records], page.complete, page.whole) == (['["2","work"]'], False, ("2",))
    (unsaid,) = driver.get("", ['["1","work"]'])
    assert isinstance(unsaid, Failed)
    (outcome,) = write(driver, Write("create", fields={PARENT: "1", **WORK}))
    assert isinstance(outcome, Refused)
    assert "does not say" in outcome.message


@pytest.mark.parametrize("empty", [None, "", []])
def test_an_empty_list_is_a_list(empty: Any) -> None:
    inside, driver = phones({"1": {"calls": {"phones": empty}}})

    (page,) = driver.read("")
    assert (page.records, page.complete, page.whole) == ((), True, ("1",))
    (outcome,) = write(driver, Write("create", fields={PARENT: "1", **WORK}), fields=["kind"])

    assert isinstance(outcome, Done)
    assert outcome.record == Record('["1","work"]', {"kind": "work"}, "2")
    assert inside.records("person")["1"]["calls"]["phones"] == [WORK]


@pytest.mark.parametrize(
    ("value", "said"), [("x", "`calls.phones` is no list"), (["x"], "the members of `calls.phones` are no objects")]
)
def test_what_is_no_list_of_objects_is_named(value: Any, said: str) -> None:
    _, driver = phones({"1": {"calls": {"phones": value}}})

    with pytest.raises(Permanent, match=said):
        list(driver.read(""))
    (outcome,) = write(driver, Write("create", fields={PARENT: "1", **WORK}))
    assert isinstance(outcome, Refused)
    assert said in outcome.message


def test_members_of_one_record_are_written_in_one_request_and_the_rest_stays() -> None:
    inside, driver = phones(ada(WORK, HOME, {"kind": "car", "note": "mine"}, plan="flat"))

    outcomes = write(
        driver,
        Write("update", '["1","work"]', {"number": "9"}, {"number": "1"}),
        Write("delete", '["1","home"]', before=HOME),
        Write("create", fields={PARENT: "1", "kind": "boat"}),
    )

    assert [type(outcome) for outcome in outcomes] == [Done, Done, Done]
    assert {outcome.version for outcome in outcomes} == {"2"}
    assert inside.records("person")["1"]["calls"] == {
        "phones": [{"kind": "work", "number": "9"}, {"kind": "car", "note": "mine"}, {"kind": "boat"}],
        "plan": "flat",
    }


def test_an_object_that_is_written_whole_keeps_what_lies_beside_the_list() -> None:
    inside, driver = phones(ada(WORK, plan="flat"), nested="replace")

    write(driver, Write("create", fields={PARENT: "1", **HOME}))

    assert inside.records("person")["1"]["calls"] == {"phones": [WORK, HOME], "plan": "flat"}


def test_two_of_one_name_are_taken_out_and_none_instead_of_another() -> None:
    inside, driver = phones(ada(WORK, {**WORK, "number": "7"}, HOME))

    outcomes = write(driver, Write("delete", '["1","work"]'), Write("delete", '["1","work",2]'))

    assert [type(outcome) for outcome in outcomes] == [Done, Done]
    assert inside.records("person")["1"]["calls"]["phones"] == [HOME]


@pytest.mark.parametrize(
    ("wish", "kind", "said"),
    [
        (Write("update", '["1","work"]', {"number": "9"}, {"number": "0"}), Stale, "changed since it was read"),
        (Write("update", '["1","car"]', {"number": "9"}), Stale, "changed since it was read"),
        (Write("delete", '["1","work"]', before={**WORK, "number": "0"}), Stale, "changed since it was read"),
        (Write("create", fields={PARENT: "1", **WORK}), Stale, "exists already"),
        (Write("create", fields={PARENT: "9", **WORK}), Stale, "person 9: is gone"),
        (Write("create", fields=WORK), Stale, "is gone"),
        (Write("create", fields={PARENT: "1", "number": "3"}), Refused, "has no `kind`, by which it is known"),
        (Write("update", '["1","work"]', {"kind": "home"}), Refused, "is known by `kind`, which cannot change"),
        (Write("update", '["1","work"]', {PARENT: "2"}), Refused, "cannot move to person 2"),
        (Write("deactivate", '["1","work"]'), Refused, "deactivate is not offered"),
    ],
)
def test_what_cannot_be_written_says_why_and_changes_nothing(wish: Write, kind: type[Any], said: str) -> None:
    inside, driver = phones(ada(WORK) | {"2": {}})

    (outcome,) = write(driver, wish)

    assert isinstance(outcome, kind)
    assert said in outcome.message
    assert inside.records("person")["1"]["calls"]["phones"] == [WORK]


def test_a_delete_of_what_is_gone_is_done() -> None:
    _, driver = phones(ada(WORK))

    outcomes = write(driver, Write("delete", '["1","car"]'), Write("delete", '["9","work"]'))

    assert [type(outcome) for outcome in outcomes] == [Done, Done]


def test_what_somebody_else_puts_into_the_list_meanwhile_stays() -> None:
    class Busy(MemoryDriver):
        meanwhile = 1

        def write(self, entity: str, writes: Sequence[Write], **how: Any) -> Any:
            if self.meanwhile:
                self.meanwhile -= 1
                self.edit("person", "1", {"calls": {"phones": [WORK, HOME]}})
            return super().write(entity, writes, **how)

    inside = Busy({"person": ada(WORK)})
    driver = Members(inside, "person", "calls.phones", ("kind",))
    wish = Write("update", '["1","work"]', {"number": "9"}, {"number": "1"})

    (outcome,) = write(driver, wish)

    assert isinstance(outcome, Done)
    assert inside.records("person")["1"]["calls"]["phones"] == [{**WORK, "number": "9"}, HOME]
    inside.meanwhile = 9
    (outcome,) = write(driver, Write("create", fields={PARENT: "1", "kind": "car"}))
    assert isinstance(outcome, Stale)
    assert "person 1: somebody keeps editing it" in outcome.message


class Odd(MemoryDriver):
    """Answers every write alike, or breaks off before it answers."""

    answer: Any = None
    fault: Exception | None = None
    unread: bool = False

    def get(self, entity: str, ids: Sequence[str], **how: Any) -> Any:
        if self.fault:
            raise self.fault
        return iter([Failed(id, "423 locked") for id in ids]) if self.unread else super().get(entity, ids, **how)

    def write(self, entity: str, writes: Sequence[Write], **how: Any) -> Any:
        return iter([self.answer] * (len(writes) if self.answer else 0))

    def poll(self, entity: str, jobs: Sequence[str]) -> Any:
        return iter([Done("1"), Pending("job-2")])


@pytest.mark.parametrize("answer", [Lost("no answer"), Refused("422"), NotSent("away"), Pending("job-1")])
def test_what_the_record_is_told_its_members_are_told(answer: Any) -> None:
    inside = Odd({"person": ada(WORK)})
    inside.answer = answer
    driver = Members(inside, "person", "calls.phones", ("kind",))

    assert write(driver, Write("delete", '["1","work"]'), Write("create", fields={PARENT: "1", **HOME})) == [answer] * 2


def test_a_record_that_is_not_read_back_tells_nothing_of_its_members() -> None:
    inside = Odd({"person": ada(WORK)})
    inside.answer = Done("1", "7")
    driver = Members(inside, "person", "calls.phones", ("kind",))

    assert write(driver, Write("delete", '["1","work"]', before=WORK)) == [Done('["1","work"]', "7")]


def test_a_driver_that_breaks_off_has_said_nothing_of_the_rest() -> None:
    driver = Members(Odd({"person": ada(WORK)}), "person", "calls.phones", ("kind",))

    (outcome,) = write(driver, Write("delete", '["1","work"]'))

    assert isinstance(outcome, Lost)


@pytest.mark.parametrize(("fault", "permanent"), [(Temporary("away", retry_after=7), False), (Permanent("401"), True)])
def test_nothing_is_sent_where_the_list_cannot_be_read(fault: Exception, permanent: bool) -> None:
    inside = Odd({"person": ada(WORK)})
    inside.fault = fault
    driver = Members(inside, "person", "calls.phones", ("kind",))

    (outcome,) = write(driver, Write("delete", '["1","work"]'))

    assert outcome == NotSent(str(fault), None if permanent else 7, permanent)


def test_a_record_that_cannot_be_read_says_so_for_each_member() -> None:
    inside = Odd({"person": ada(WORK)})
    inside.unread = True
    driver = Members(inside, "person", "calls.phones", ("kind",))

    assert list(driver.get("", ['["1","work"]'])) == [Failed('["1","work"]', "423 locked")]
    (outcome,) = write(driver, Write("delete", '["1","work"]'))
    assert outcome == Stale("person 1: 423 locked")
    with pytest.raises(Permanent, match="423 locked"):
        driver.find("", {'"(parent)"': "1"})


def test_a_job_of_the_record_tells_nothing_of_a_member() -> None:
    driver = Members(Odd({"person": {}}), "person", "calls.phones", ("kind",))

    assert list(driver.poll("", ["job-1", "job-2"])) == [Done(""), Pending("job-2")]


def test_a_member_is_looked_up_within_its_record_or_among_all() -> None:
    _, driver = phones(ada(WORK, HOME) | {"2": {"calls": {"phones": [WORK]}}})

    assert [one.id for one in driver.find("", {"kind": "work"})] == ['["1","work"]', '["2","work"]']
    assert [one.id for one in driver.find("", {'"(parent)"': "2", "kind": "work"})] == ['["2","work"]']
    assert driver.find("", {'"(parent)"': "9", "kind": "work"}) == []


def test_where_writes_show_late_nothing_is_looked_up_for_certain() -> None:
    _, driver = phones(ada(WORK), consistency_window=30.0)

    with pytest.raises(Permanent, match="30 s"):
        driver.find("", {"kind": "work"}, consistent=True)


def test_a_member_promises_what_its_record_keeps() -> None:
    _, driver = phones({}, times_trusted=True, cursor=CursorRule("number"), tombstones=True, batch=1, marker="m")

    says = driver.describe("")

    assert (says.times_trusted, says.tombstones, says.marker, says.atomic_batch) == (False, False, None, True)
    assert says.cursor == CursorRule("number")
    assert says.find == {'"(parent)"', "kind", "number"}
    _, still = phones({}, writes=frozenset({"create"}))
    assert still.describe("").writes == frozenset()


def test_a_member_whose_record_is_gone_is_gone() -> None:
    _, driver = phones(ada(WORK))

    assert list(driver.get("", ['["9","work"]', "odd"])) == [Gone('["9","work"]'), Gone("odd")]
