"""Bad input, each item as one story: a clear error with place and remedy, the rest goes on, nothing is lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import ldap3
import psycopg
import pytest

from daemon.errors import ConfigError
from tests.attacks import house
from tests.attacks.hostile import Hostile, in_crm
from tests.attacks.house import House, approve, run
from tests.service.house import daemon
from tests.systems.postgres import Postgres
from tests.systems.slapd import Slapd, free_port

POSTGRES = """\
version: 1
name: crm
connector: sql
type: crm
url: %s
user: tallystick
password: {secret: crm-password}
timeout: 2s
entities: {person: {table: contact, key: [id], find: [email]}}
"""
LDAP = """\
version: 1
name: crm
connector: openldap
type: directory
url: %s
ca: %s
bind_dn: %s
password: {secret: crm-password}
base: %s
"""
PEOPLE_IN_LDAP = """\
version: 1
name: people
left: {system: hr, entity: person}
right: {system: crm, entity: person}
manual: true
match_on: [[uid]]
fields:
  uid: {left: id, right: uid, owner: left, type: string}
  name: {left: name, right: cn, owner: left}
  surname: {left: name, right: sn, owner: left}
cases: {gone_left: delete}
"""


def healed(victim: House, crm: Hostile) -> None:
    """Both sides end alike, nobody was doubled, and there is nothing left to do."""
    for _ in range(3):
        report = victim.run()
        if report["state"] == "done" and not report["counts"].get("written"):
            break
    assert (report["state"], report["counts"].get("written", 0)) == ("done", 0), report
    assert in_crm(crm) == victim.hr()
    victim.sound_log()


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "remedy"),
    [
        ("syncs/people.yaml", "wins: right", "win: right", "people.yaml:10:38: error[unknown-key]", "did you mean"),
        ("syncs/people.yaml", "manual: true", "every: soon", "syncs/people.yaml:5:8: error[", "15m"),
        ("systems/crm.yaml", "type: crm", "auth: {kind: bearer, token: {secret: t}}", "crm.yaml:4:", "secrets.d"),
        ("systems/crm.yaml", "connector: rest", "connector: salesfrce", "systems/crm.yaml:3:12: error[", "./"),
    ],
    ids=["unknown key", "wrong type", "missing secret", "no such definition"],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_place_and_the_daemon_goes_on(
    victim: House, crm: Hostile, file: str, old: str, new: str, place: str, remedy: str
) -> None:
    with daemon(victim.folder) as running:
        victim.swap(file, old, new)
        victim.sql("UPDATE person SET name = 'Married' WHERE id = 1")

        answer = running.client().reload(actor="")

        told = "\n".join(answer["problems"])
        assert not answer["applied"]
        assert place in told, told
        assert remedy in told, told
        assert run(running.client())["state"] == "done"  # as before, with the old configuration
        assert run(running.client(), "bystanders")["state"] == "done"
        victim.swap(file, new, old)
        assert running.client().reload(actor="")["applied"]
        assert run(running.client())["counts"].get("written", 0) == 0
    assert in_crm(crm) == victim.hr()


def test_a_bad_file_keeps_the_next_process_from_starting_and_harms_nothing(victim: House, crm: Hostile) -> None:
    victim.swap("syncs/people.yaml", "wins: right", "win: right")

    with pytest.raises(ConfigError, match="did you mean 'wins'"), victim.operations():
        pass

    victim.swap("syncs/people.yaml", "win: right", "wins: right")
    healed(victim, crm)


def test_an_unreachable_system_postpones_its_sync_alone(victim: House, crm: Hostile) -> None:
    victim.sql("UPDATE person SET name = 'Married' WHERE id = 1")
    victim.sql("DELETE FROM person WHERE id = 2")
    victim.swap("systems/crm.yaml", crm.url, f"http://127.0.0.1:{free_port()}")

    report = victim.run()

    assert report["state"] == "postponed"
    assert "crm GET /people: no connection" in report["problems"][0]
    victim.the_rest_goes_on()
    assert len(crm.people) == 3
    lost = (victim.folder / "systems/crm.yaml").read_text().split("base_url: ")[1].split()[0]
    victim.swap("systems/crm.yaml", lost, crm.url)
    healed(victim, crm)
    assert len(crm.people) == 2


def test_a_refused_token_fails_its_sync_alone(victim: House, crm: Hostile) -> None:
    victim.secret("crm-token", "wrong-token-77")
    victim.swap("systems/crm.yaml", "type: crm", "type: crm\nauth: {kind: bearer, token: {secret: crm-token}}")
    crm.token = "right-token-99"
    victim.sql("UPDATE person SET name = 'Married' WHERE id = 1")

    report = victim.run()

    assert report["state"] == "failed"
    assert "crm GET /people: 401 who are you?" in report["problems"][0]
    assert "check auth:" in report["problems"][0]
    assert "wrong-token-77" not in json.dumps(report)
    victim.the_rest_goes_on()
    victim.secret("crm-token", "right-token-99")
    healed(victim, crm)


def test_a_wrong_password_of_postgresql_fails_its_sync_alone(tmp_path: Path) -> None:
    with Postgres() as server:
        victim = House(tmp_path / "c", crm=POSTGRES % server.url)
        in_postgres(server, "CREATE TABLE contact (id bigserial PRIMARY KEY, name text, email text, phone text)")
        victim.secret("crm-password", "wrong-password")

        report = victim.run()

        assert report["state"] == "failed"
        assert "crm" in report["problems"][0]
        assert "password" in report["problems"][0]
        assert "wrong-password" not in json.dumps(report)
        with victim.operations() as operations:
            approve(operations, "bystanders")
        victim.the_rest_goes_on()
        victim.secret("crm-password", server.password)
        victim.adopt("people")
        assert in_postgres(server, "SELECT email, name, phone FROM contact ORDER BY email") == victim.hr()


def in_postgres(server: Postgres, sql: str) -> list[house.Row]:
    with psycopg.connect(server.url, user=server.user, password=server.password) as connection:
        answer = connection.execute(sql)
        return answer.fetchall() if answer.description else []


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Slapd]:
    with Slapd(tmp_path / "slapd") as server:
        yield server


def in_directory(server: Slapd) -> list[tuple[str, str]]:
    """What slapd itself holds: uid and cn."""
    with ldap3.Connection(ldap3.Server(server.url), server.admin, server.password) as connection:
        connection.search(server.people, "(objectClass=inetOrgPerson)", attributes=["uid", "cn"])
        return sorted((str(entry.uid), str(entry.cn)) for entry in connection.entries)


def with_directory(tmp_path: Path, server: Slapd, password: str) -> House:
    crm = LDAP % (server.url, server.ca, server.sync, server.base)
    victim = House(tmp_path / "c", crm=crm + f"entities: {{person: {{base: '{server.people}'}}}}\n")
    victim.write("syncs/people.yaml", PEOPLE_IN_LDAP)
    victim.secret("crm-password", password)
    return victim


def test_a_wrong_password_of_a_directory_fails_its_sync_alone(tmp_path: Path, directory: Slapd) -> None:
    victim = with_directory(tmp_path, directory, "not-the-password")

    report = victim.run()

    assert report["state"] == "failed"
    assert directory.sync in report["problems"][0]
    assert "not-the-password" not in json.dumps(report)
    with victim.operations() as operations:
        approve(operations, "bystanders")
    victim.the_rest_goes_on()
    victim.secret("crm-password", directory.password)
    victim.adopt("people")
    assert in_directory(directory) == [(str(n), f"Person {n}") for n in (1, 2, 3)]


def test_a_filter_in_a_value_finds_nobody_else(tmp_path: Path, directory: Slapd) -> None:
    victim = with_directory(tmp_path, directory, directory.password)
    victim.swap("syncs/people.yaml", "left: id, right: uid", "left: phone, right: uid")
    victim.sql("UPDATE person SET phone = 'u' || id")
    victim.adopt()
    evil = ["*", "u1)(uid=*", "*)(objectClass=*", "u2\\2a", "x,ou=groups", "#a+b=c;<d>", " lead and trail ", 'q"uote']
    for n, uid in enumerate(evil, 10):
        victim.sql("INSERT INTO person VALUES (?, ?, ?, ?)", n, f"Evil {uid}", f"e{n}@corp.example", uid)

    report = victim.run()
    again = victim.run()

    assert (report["state"], report["counts"]["written"]) == ("done", len(evil)), report
    assert again["counts"].get("written", 0) == 0
    found = dict(in_directory(directory))
    assert {f"u{n}": f"Person {n}" for n in (1, 2, 3)}.items() <= found.items()
    assert len(found) == 3 + len(evil)
    victim.sql("DELETE FROM person WHERE id = 10")  # the one whose uid is *
    victim.run()
    assert len(in_directory(directory)) == 2 + len(evil)
    victim.the_rest_goes_on()


def test_a_path_that_matches_nothing_is_said_at_the_first_plan(tmp_path: Path, crm: Hostile) -> None:
    victim = House(tmp_path / "c", crm=house.CRM % crm.url)
    crm.create({"name": "Old", "email": "p1@corp.example"})
    victim.swap("syncs/people.yaml", "right: name", "right: fullname")

    with victim.operations() as operations:
        plan = operations.plan("people", full=False, actor="")

    assert any("`fullname` is empty in all" in p and "is the path right?" in p for p in plan["problems"]), plan
    assert len(crm.people) == 1
    with victim.operations() as operations:
        approve(operations, "bystanders")
    victim.the_rest_goes_on()
    victim.swap("syncs/people.yaml", "right: fullname", "right: name")
    victim.adopt("people")
    healed(victim, crm)


def test_a_column_that_does_not_exist_is_said_with_those_that_do(victim: House, crm: Hostile) -> None:
    victim.swap("syncs/people.yaml", "left: phone", "left: telephone")

    report = victim.run()

    assert report["state"] == "failed"
    assert "hr" in report["problems"][0]
    assert "telephone" in report["problems"][0]
    assert "phone" in report["problems"][0].replace("telephone", "")
    victim.the_rest_goes_on()
    victim.swap("syncs/people.yaml", "left: telephone", "left: phone")
    healed(victim, crm)


def test_two_records_with_one_match_key_wait_for_a_person(victim: House, crm: Hostile) -> None:
    victim.sql("INSERT INTO person VALUES (7, 'Twin', 'P1@corp.example ', 'x'), (8, 'Triplet', 'new@x', 'y')")
    victim.sql("INSERT INTO person VALUES (9, 'Quad', 'NEW@x', 'z')")

    report = victim.run()

    assert report["state"] == "held"
    with victim.operations() as operations:
        held = operations.held("people")["held"]
    assert [entry["left"] for entry in held] == ["7", "8", "9"]
    assert all("match key" in entry["why"] and "differ" in entry["why"] for entry in held)
    assert len(crm.people) == 3
    victim.the_rest_goes_on()
    victim.sql("DELETE FROM person WHERE id = 7")
    victim.sql("UPDATE person SET email = 'other@x' WHERE id = 9")
    healed(victim, crm)
    assert len(crm.people) == 5


def test_a_500_in_the_middle_of_a_page_run_deletes_nobody(tmp_path: Path, crm: Hostile) -> None:
    victim = House(tmp_path / "c", crm=house.CRM % crm.url, people=14)
    victim.adopt()
    crm.mood = lambda method, path: "500" if "after=5" in path else None
    crm.edit("p1@corp.example", phone="edited")
    victim.sql("DELETE FROM person WHERE id = 14")

    report = victim.run()

    assert report["state"] == "postponed"
    assert "crm GET /people: 500" in report["problems"][0]
    assert len(crm.people) == 14
    victim.the_rest_goes_on()
    crm.mood = lambda method, path: None
    healed(victim, crm)
    assert len(crm.people) == 13
    assert ("p1@corp.example", "Person 1", "edited") in victim.hr()


CSV = """\
version: 1
name: hr
connector: csv
type: hr
folder: .
entities: {person: {path: people.csv, key: [id]}}
"""


@pytest.mark.parametrize(
    ("cut", "told"),
    [
        (lambda text: text[: len(text) // 2], "people.csv:23: the last line has no end"),
        (lambda text: text[: text.index('"six') + 5], "people.csv:7:"),
        (lambda text: text[: text.index("4,")], None),
        (lambda text: "", "people.csv"),
        (lambda text: text[:20] + "\x00" * 40 + "\n", "people.csv"),
    ],
    ids=["in a line", "in quotes", "between lines", "to nothing", "to zeros"],
)
def test_a_csv_cut_in_half_deletes_nobody(tmp_path: Path, crm: Hostile, cut: object, told: str | None) -> None:
    victim = House(tmp_path / "c", crm=house.CRM % crm.url)
    whole = "id,name,email,phone\n" + "".join(f'{n},P{n},p{n}@corp.example,"+4{n}"\n' for n in range(1, 41))
    whole = whole.replace("6,P6,", '6,"six\nP6",', 1)
    victim.write("systems/hr.yaml", CSV)
    victim.write("people.csv", whole)
    victim.adopt()

    victim.write("people.csv", cut(whole))  # type: ignore[operator]
    report = victim.run()

    assert report["state"] == ("failed" if told else "held"), report
    assert not told or told in report["problems"][0]
    assert told or "lists 3 records after 40" in report["guards"][0]["text"]
    assert len(crm.people) == 40
    victim.the_rest_goes_on()
    victim.write("people.csv", whole)
    assert victim.run()["counts"].get("written", 0) == 0
    assert len(crm.people) == 40


def test_an_integer_of_25_digits_travels_whole_or_is_refused_by_name(victim: House, crm: Hostile) -> None:
    big = 1234567890123456789012345
    crm.edit("p1@corp.example", phone=big)
    crm.edit("p2@corp.example", phone="+1")

    report = victim.run()

    assert report["state"] in ("done", "held"), report
    phones = {name: phone for _, name, phone in victim.hr()}
    assert phones["Person 2"] == "+1"
    assert phones["Person 1"] in (str(big), "+49 30 0001"), "neither rounded nor cut"
    victim.the_rest_goes_on()
    assert crm.named("p1@corp.example")["phone"] == big
    victim.sound_log()


def test_an_integer_of_25_digits_does_not_keep_the_others_from_being_written(tmp_path: Path, crm: Hostile) -> None:
    victim = House(tmp_path / "c", crm=house.CRM % crm.url)
    victim.write("systems/hr.yaml", CSV)
    victim.write("people.csv", "id,name,email,phone\n1,A,a@x,1\n2,B,b@x,2\n")
    victim.swap("syncs/people.yaml", "right: phone", "right: phone, type: integer")
    victim.adopt()

    victim.write("people.csv", "id,name,email,phone\n1,A,a@x,1234567890123456789012345\n2,B,b@x,-9\n")
    report = victim.run()

    assert report["state"] == "done", report
    assert sorted(p["phone"] for p in crm.people.values()) == [-9, 1234567890123456789012345]
    with victim.operations() as operations:
        shown = operations.audit_show(start=0, limit=1000, match={"action": "intent"}, actor="")
    assert 1234567890123456789012345 in [e["fields"].get("phone", {}).get("after") for e in shown["entries"]]
    assert victim.run()["counts"].get("written", 0) == 0
