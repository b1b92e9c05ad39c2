"""This is where the demo's CRM is tested as Tallystick meets it: through its definition and the HTTP driver."""

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from connectors.base import Done, Driver, Gone, Lost, NotSent, Record, Refused, Stale, Write
from connectors.definition import SecretRef, driver_module, load_definition
from daemon.cli.demo.crm import Crm
from daemon.cli.demo.seed import EMPLOYEES, MISSING, employee, seed_crm, seed_finance, seed_hr
from daemon.cli.layout import shipped_configs

TOKEN = "a token for this test"


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Crm]:
    server = Crm(tmp_path / "crm.json", TOKEN)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.faults.set({})
    server.shutdown()
    server.server_close()


@pytest.fixture
def driver(crm: Crm) -> Iterator[Driver]:
    found = connect(crm)
    yield found
    found.close()


def connect(crm: Crm, *, token: str = TOKEN) -> Driver:
    definition = load_definition("./democrm.yaml", beside=shipped_configs() / "systems")
    module = driver_module(definition.driver)
    facts = {"version": 1, "name": "crm", "connector": "./democrm.yaml", "base_url": crm.url,
             "auth": {"kind": "bearer", "token": {"secret": "crm-token"}},
             "retry": {"within": "2s", "first": "10ms"}, "timeout": {"read": "500ms"}}  # fmt: skip
    system = module.System.model_validate(facts)

    def reveal(ref: object) -> str:
        assert ref == SecretRef(secret="crm-token")
        return token

    return module.connect(system, definition.entities, check=definition.check, reveal=reveal)


def fill(crm: Crm, count: int) -> None:
    for number in range(count):
        crm.collections["contacts"].create({"properties": {"email": f"p{number}@corp.example", "name": f"P {number}"}})


def test_every_contact_is_listed_once_page_after_page(crm: Crm, driver: Driver) -> None:
    fill(crm, 120)

    pages = list(driver.read("contact"))

    assert [len(page.records) for page in pages] == [50, 50, 20]
    assert len({record.id for page in pages for record in page.records}) == 120
    assert [page.complete for page in pages] == [False, False, True]


def test_what_changed_and_what_went_can_be_read_on_from_a_cursor(crm: Crm, driver: Driver) -> None:
    fill(crm, 3)
    cursor = max(int(page.cursor or 0) for page in driver.read("contact"))
    crm.collections["contacts"].update("c-2", {"properties": {"name": "Changed"}}, None)
    crm.collections["contacts"].delete("c-1", None)

    pages = list(driver.read("contact", cursor=str(cursor + 1)))

    assert [record.id for page in pages for record in page.records] == ["c-2"]
    assert [id for page in pages for id in page.gone] == ["c-1"]


def test_a_write_lives_and_dies_by_its_etag(crm: Crm, driver: Driver) -> None:
    fields = {"properties": {"email": "ada@corp.example", "name": "Ada"}}

    (born,) = driver.write("contact", [Write("create", fields=fields, marker="m-1")])

    assert isinstance(born, Done)
    assert [r.id for r in driver.find("contact", {"external_id": "m-1"}, consistent=True)] == [born.id]
    assert [r.id for r in driver.find("contact", {"properties.email": "ada@corp.example"})] == [born.id]
    crm.collections["contacts"].update(born.id, {"properties": {"name": "Countess"}}, None)
    late = Write("update", id=born.id, fields={"properties": {"name": "Lovelace"}}, version=born.version)
    assert isinstance(next(iter(driver.write("contact", [late]))), Stale)
    (seen,) = driver.get("contact", [born.id])
    assert isinstance(seen, Record)
    assert seen.fields["properties"] == {"email": "ada@corp.example", "name": "Countess"}
    assert isinstance(next(iter(driver.write("contact", [Write("delete", id=born.id, version=seen.version)]))), Done)
    assert list(driver.get("contact", [born.id])) == [Gone(born.id)]


def test_the_crm_refuses_in_its_own_words(crm: Crm, driver: Driver) -> None:
    fill(crm, 1)
    taken = Write("create", fields={"properties": {"email": "p0@corp.example"}})
    wrong = Write("create", fields={"properties": {"email": "nobody"}})

    first, second = driver.write("contact", [taken, wrong])

    assert isinstance(first, Refused)
    assert "email 'p0@corp.example' is taken" in first.message
    assert isinstance(second, Refused)
    assert "email 'nobody' is not an address" in second.message


def test_a_rate_limit_costs_time_and_no_record(crm: Crm, driver: Driver) -> None:
    fill(crm, 60)
    crm.faults.set({"rate_limit": 1})

    assert sum(len(page.records) for page in driver.read("contact")) == 60


def test_a_swallowed_answer_is_lost_and_the_record_is_there(crm: Crm, driver: Driver) -> None:
    crm.faults.set({"swallow_create": 1})

    (outcome,) = driver.write("contact", [Write("create", fields={"properties": {"name": "Ada"}}, marker="m-2")])

    assert isinstance(outcome, Lost)
    assert not crm.faults.answering.is_set()
    crm.faults.set({})
    assert len(driver.find("contact", {"external_id": "m-2"})) == 1


def test_a_stranger_is_not_let_in(crm: Crm) -> None:
    stranger = connect(crm, token="wrong")

    health = stranger.check()
    (outcome,) = stranger.write("contact", [Write("create", fields={"properties": {}})])

    assert not health.reachable
    assert "who are you?" in health.message
    assert isinstance(outcome, NotSent)
    assert outcome.permanent
    stranger.close()


def test_everything_survives_a_restart_to_the_cent(crm: Crm, tmp_path: Path) -> None:
    limit = Decimal("1234567890123456.78")
    crm.collections["companies"].create({"properties": {"account_no": "A-1", "credit_limit": limit}})
    crm.save()

    again = Crm(tmp_path / "crm.json", TOKEN)

    assert again.collections["companies"].dump() == crm.collections["companies"].dump()
    assert again.collections["companies"].records["a-1"]["properties"]["credit_limit"] == limit
    again.server_close()


def test_faults_are_switched_over_http(crm: Crm) -> None:
    assert httpx.post(f"{crm.url}/_faults", json={"fail": 1}).json()["fail"] == 1
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{crm.url}/v1/contacts", headers=headers).status_code == 500
    assert httpx.get(f"{crm.url}/v1/contacts", headers=headers).status_code == 200
    assert httpx.post(f"{crm.url}/_faults", json={"typo": 1}).status_code == 422


def test_the_three_systems_begin_the_same_every_time(crm: Crm, tmp_path: Path) -> None:
    everybody = [employee(number) for number in range(EMPLOYEES)]
    seed_crm(crm, everybody[: EMPLOYEES - MISSING])
    seed_hr(tmp_path / "hr.db", everybody)
    seed_finance(tmp_path / "finance.csv")

    assert len(crm.collections["contacts"].records) == 120
    assert len({person.email for person in everybody}) == EMPLOYEES
    assert all(person.email.isascii() for person in everybody)
    assert "A-5001,Aarhus Bakery,billing@aarhus-bakery.example,1000.50,EUR" in (tmp_path / "finance.csv").read_text()
