"""Stories of an office: HR (scim2-server) and a directory (slapd) kept in step by the real daemon, 500 people long.

Every story has people of its own and leaves both sides in step, so each can be told alone. The last one looks back at
everything that the others did.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.systems.comparing import in_step, nothing_is_left, of_type
from tests.systems.office import Office
from tests.systems.scim import ENTERPRISE
from tests.systems.slapd import need_slapd

PEOPLE = 500
UGLY = [
    ("*)(uid=*", "Robert", "*)(|(objectClass=*"),
    ("a,b+c=d", "a,b", "c+d=e"),
    ("#hash", "#1", "#"),
    ("trailing ", "Anna ", " Lee"),
    ('quo"te\\<x>;', 'A"', "\\2a"),
    ("smile😀", "😀", "👩‍👩‍👧 Müller"),
    ("nfd", "Zoe\u0308", "Çelik-İnönü"),
    ("李小龍", "小龍", "李"),
]
"""Logins and names that a careless program writes into filters and names of entries."""
BIG = "1234567890123456789012345"
PHONE_AT_BIRTH = "+49 (0)30 1234-000"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An office whose 500 people were taken over."""
    need_slapd()
    with Office(tmp_path_factory.mktemp("office")) as made:
        _hire_everybody(made)
        assert made.ask("check", "--connect")["ok"]
        made.serve()
        _take_over(made)
        yield made


def _hire_everybody(office: Office) -> None:
    for n, (login, given, family) in enumerate(UGLY):
        office.hire(f"ugly-{n}", family, userName=login, name={"givenName": given, "familyName": family})
    office.hire(BIG, "Big")
    office.hire("*)(employeeNumber=*", "Injected")
    for n in range(PEOPLE - len(UGLY) - 2):
        phones = [{"type": "work", "value": f"+49 30 {1000000 + n}"}, {"type": "home", "value": "+49 30 2"}]
        office.hire(str(n), f"Čapek {n}", title="Engineer", phoneNumbers=phones)


def _take_over(office: Office) -> None:
    """The first plan is looked at, approved and carried out."""
    census = office.ask("adopt", "people")
    assert (census["matched"], census["unmatched_left"], census["unmatched_right"]) == (0, PEOPLE, 0)
    assert office.run(expect=5)["counts"].get("written") is None  # nobody approved it yet
    assert office.entries() == {}

    office.tallystick("approve", "people", "--reason", "looked at it")
    report = office.run()

    assert report["state"] == "done", report["problems"]
    assert report["counts"]["written"] == PEOPLE
    nothing_is_left(office)


def test_names_that_look_like_filters_and_dns_are_names_and_nothing_else(office: Office) -> None:
    entries = {entry["employeeNumber"][0]: (dn, entry) for dn, entry in office.entries().items()}

    for n, (login, given, family) in enumerate(UGLY):
        dn, entry = entries[f"ugly-{n}"]
        assert (entry["uid"], entry["givenName"], entry["sn"]) == ([login], [given], [family])
        assert dn.endswith(f",{office.directory.people}")
    assert entries[BIG][1]["employeeNumber"] == [BIG]
    assert entries["*)(employeeNumber=*"][1]["sn"] == ["Injected"]


def test_a_second_run_plans_nothing_and_writes_nothing(office: Office) -> None:
    before, written = office.entries(), office.hr.written.copy()

    plan = office.ask("plan", "people", "--full", "--exit-code")
    report = office.run("--full")

    assert plan["lines"] == []
    assert report["state"] == "done"
    assert report["counts"]["read_left"] == report["counts"]["read_right"] == len(before)
    assert "written" not in report["counts"]
    assert office.entries() == before  # entryCSN and all
    assert office.hr.written == written


def test_edits_on_both_sides_meet_in_the_middle(office: Office) -> None:
    office.hr.edit(office.ids["10"], title="Chief Engineer")
    office.edit_entry("10", telephoneNumber="+49 89 555")
    office.edit_entry("11", title="Draughtsman")
    office.edit_entry("11", displayName="typed by hand")  # HR owns it: put back

    report = office.run()

    assert report["state"] == "done", report
    user = office.hr.user(office.ids["10"])
    assert of_type(user["phoneNumbers"], "work") == "+4989555"
    assert of_type(user["phoneNumbers"], "home") == "+49 30 2"  # ours is the work phone; the other one is theirs
    assert office.entry("10")["title"] == "Chief Engineer"
    assert office.hr.user(office.ids["11"])["title"] == "Draughtsman"
    assert office.entry("11")["displayName"] == "Čapek 11, Ada"
    in_step(office)


def test_a_clash_waits_is_explained_and_decided_while_the_rest_flows(office: Office) -> None:
    id = office.ids["20"]
    office.hr.edit(id, title="Director", **{"name.familyName": "Novák"})
    office.edit_entry("20", title="Manager")

    assert office.run(expect=4)["state"] == "held"

    assert office.entry("20")["sn"] == "Novák"  # the other fields did not wait
    assert (office.entry("20")["title"], office.hr.user(id)["title"]) == ("Manager", "Director")
    (conflict,) = office.ask("conflicts", "people")["conflicts"]
    assert conflict["left"] == id
    why = office.tallystick("why", "people", id)
    assert re.search(r'title +"Director" +"Manager" +left and right +wins: ask', why), why
    assert "conflicts resolve people" in why
    assert "1 pair held" in office.tallystick("status", expect=1)

    office.tallystick("conflicts", "resolve", "people", id, "--take", "right", "--reason", "he asked for it")
    assert office.run()["state"] == "done"

    assert office.hr.user(id)["title"] == "Manager"
    assert office.ask("conflicts", "people")["conflicts"] == []
    in_step(office)


def test_a_phone_cleared_on_one_side_is_cleared_on_the_other(office: Office) -> None:
    office.hr.edit(office.ids["30"], **{'phoneNumbers[type eq "work"]': None})
    office.edit_entry("31", telephoneNumber=None)

    assert office.run()["state"] == "done"

    assert "telephoneNumber" not in office.entry("30")
    left = office.hr.user(office.ids["31"]).get("phoneNumbers", [])
    assert [phone["type"] for phone in left if phone.get("value")] == ["home"]
    in_step(office)


def test_another_name_and_login_is_still_the_same_person(office: Office) -> None:
    id, before = office.ids["40"], office.entry("40")
    office.hr.edit(id, userName="m,müller+1", **{"name.familyName": "Müller-Čapek"})

    assert office.run()["counts"]["written"] == 1

    after = office.entry("40")
    assert after["entryUUID"] == before["entryUUID"]
    assert (before["dn"], after["uid"]) == (f"uid=p40,{office.directory.people}", "m,müller+1")
    assert after["dn"] != before["dn"]
    assert (after["cn"], after["displayName"]) == ("Ada Müller-Čapek", "Müller-Čapek, Ada")
    assert office.ask("why", "people", id)["right"] == before["entryUUID"]
    in_step(office)


def test_whoever_is_disabled_on_one_side_is_disabled_on_the_other(office: Office) -> None:
    office.hr.edit(office.ids["50"], active=False)
    office.edit_entry("51", employeeType="left")

    assert office.run()["state"] == "done"
    assert office.entry("50")["employeeType"] == "left"
    assert office.hr.user(office.ids["51"])["active"] is False

    office.hr.edit(office.ids["50"], active=True)
    assert office.run()["state"] == "done"
    assert office.entry("50")["employeeType"] == "employed"
    in_step(office)


def test_who_leaves_leaves_the_directory_but_never_a_crowd_at_once(office: Office) -> None:
    gone = {number: office.ids[number] for number in map(str, range(60, 93))}
    for number in ("60", "61", "62"):
        office.hr.dismiss(gone[number])

    assert office.run()["state"] == "done"
    left = {entry["employeeNumber"][0] for entry in office.entries().values()}
    assert left.isdisjoint({"60", "61", "62"})

    for number in map(str, range(63, 93)):
        office.hr.dismiss(gone[number])
    office.edit_entry("93", title="Survivor")
    held = office.run(expect=5)
    (guard,) = held["guards"]
    assert (guard["kind"], guard["count"]) == ("deletes", 30)
    assert len(office.entries()) == len(left)  # not one of them
    assert office.hr.user(office.ids["93"])["title"] == "Survivor"  # everything else flows

    office.tallystick("approve", "people", "--kind", "deletes", "--reason", "the branch was sold")
    assert office.run()["state"] == "done"
    assert len(office.entries()) == len(left) - 30
    in_step(office)


def test_a_person_added_by_it_waits_until_hr_knows_them(office: Office) -> None:
    office.add_entry("it-1", "Lovelace")

    assert office.run(expect=4)["state"] == "held"
    (held,) = office.ask("held", "people")["held"]
    assert (held["right"], held["reason"]) == (office.entry("it-1")["entryUUID"], "case")
    assert "cases.new_right: hold" in office.tallystick("why", "people", held["right"])

    id = office.hire("it-1", "Lovelace", title="Analyst")
    report = office.run()

    assert report["state"] == "done", report
    assert office.ask("why", "people", id)["right"] == held["right"]  # found, not born a second time
    assert office.entry("it-1")["title"] == "Analyst"
    assert office.ask("held", "people")["held"] == []
    in_step(office)


def test_an_entry_deleted_by_it_is_missed_and_nobody_in_hr_vanishes(office: Office) -> None:
    id = office.ids["100"]
    assert office.ldap.delete(office.entry("100")["dn"])

    report = office.run("--full", expect=4)

    assert report["state"] == "held"
    assert office.hr.user(id)["active"] is True
    assert "gone on right" in office.tallystick("why", "people", id)

    office.hr.dismiss(id)
    assert office.run("--full")["state"] == "done"
    in_step(office)


def test_two_people_with_one_number_are_not_made_one(office: Office) -> None:
    first = office.hire("twin", "Castor", userName="castor")
    second = office.hire("twin", "Pollux", userName="pollux")

    assert office.run(expect=4)["state"] == "held"
    assert {row["reason"] for row in office.ask("held", "people")["held"]} == {"ambiguous"}
    assert not [e for e in office.entries().values() if e["employeeNumber"] == ["twin"]]

    office.hr.edit(second, **{f"{ENTERPRISE}:employeeNumber": "twin-2"})
    assert office.run()["state"] == "done"
    assert (office.entry("twin")["sn"], office.entry("twin-2")["sn"]) == ("Castor", "Pollux")
    office.hr.dismiss(first)
    office.hr.dismiss(second)
    assert office.run()["state"] == "done"
    in_step(office)


@pytest.mark.parametrize("point", ["sent:3", "written:2", "written:3"])
def test_killed_in_the_middle_nobody_is_lost_and_nobody_is_there_twice(office: Office, point: str) -> None:
    for n, ugly in enumerate(["*)(employeeNumber=*)", "x*", "\\2a", "#(&", ",uid=0", "\u0130", "'\"", "😀", BIG]):
        office.hire(f"{point} {ugly}", "Newborn", userName=f"{point}-{n}")
    office.hr.edit(office.ids["110"], title=f"before {point}")
    office.edit_entry("111", title=f"before {point}")
    office.kill()
    office.serve(failpoint=point)
    size = office.ask("status", expect=None)["audit"]["size"]

    assert "the daemon went away" in office.tallystick("run", "people", expect=1)
    assert office.died()
    office.serve()
    told = {entry.get("message") for entry in _until_done(office, size)}

    assert office.entry("110")["title"] == office.hr.user(office.ids["111"])["title"] == f"before {point}"
    assert ("found by probing" if "written" in point else "probing shows that it did not happen") in told
    nothing_is_left(office)


def _until_done(office: Office, since: int) -> list[dict[str, Any]]:
    """Runs until nothing waits and every intent has its outcome: the log's entries from *since*.

    Two seconds after a lost answer the servers cannot be working on it any more.
    """
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if office.run(expect=None)["state"] == "done":
            entries: list[dict[str, Any]]
            entries = office.ask("audit", "show", "--start", str(since), "--limit", "1000")["entries"]
            actions = Counter(entry["action"] for entry in entries)
            if actions["intent"] == actions["outcome"]:
                return entries
        time.sleep(0.2)
    raise AssertionError(office.tallystick("held", "people"))


def test_a_wrong_password_stops_one_sync_with_words_and_no_other(office: Office) -> None:
    office.hr.edit(office.ids["120"], title="Guard")
    office.restart_directory(password="rotated")

    report = office.run(expect=1)
    badges = office.ask("approve", "badges") and office.ask("run", "badges")

    (problem,) = report["problems"]
    assert problem.startswith("directory: ")
    assert f"login of {office.directory.sync}: invalidCredentials" in problem
    assert badges["state"] == "done"
    assert "p120,Čapek 120" in (office.folder / "gate/badges.csv").read_text()
    assert "people: the last run failed" in office.tallystick("status", expect=1)

    office.write_secret("directory-password", "rotated")
    assert office.run()["state"] == "done"
    assert office.entry("120")["title"] == "Guard"
    in_step(office)


def test_a_system_that_is_away_postpones_and_loses_nothing(office: Office) -> None:
    office.edit_entry("130", title="Patient")
    size = office.ask("status", expect=None)["audit"]["size"]
    office.hr.stop()

    report = office.run(expect=75)

    again = office.run(expect=75)  # its breaker is open by now
    office.hr.start()

    assert report["state"] == again["state"] == "postponed"
    for problem in (*report["problems"], *again["problems"]):
        assert problem.startswith("hr")
        assert "Connection refused" in problem
        assert "postponed" in problem
    assert "a system was away" in office.tallystick("status", expect=1)
    _until_done(office, size)
    assert office.hr.user(office.ids["130"])["title"] == "Patient"
    in_step(office)


def test_the_audit_log_tells_every_change(office: Office) -> None:
    id = office.ids["140"]
    office.hr.edit(id, title="Witness")
    office.run("--reason", "a story for the log")

    nothing_is_left(office)
    assert office.ask("audit", "verify")["code"] == 0
    entries = office.ask("audit", "show", "--sync", "people", "--limit", "100000")["entries"]
    intents = [entry for entry in entries if entry["action"] == "intent"]
    outcomes = [entry for entry in entries if entry["action"] == "outcome"]
    assert sorted(entry["intent"] for entry in intents) == sorted(entry["outcome"] for entry in outcomes)
    assert _told(outcomes, "hr") == {"PATCH": office.hr.written["PATCH"]} == dict(office.hr.written)
    assert _told(outcomes, "directory") == office.directory_writes()
    edit = [entry for entry in outcomes if entry["left"] == id][-1]
    assert (edit["system"], edit["entity"], edit["op"], edit["result"]) == ("directory", "person", "update", "done")
    assert edit["fields"] == {"title": {"before": "Engineer", "after": "Witness", "why": "changed on left"}}
    assert edit["reason"] == "a story for the log"
    assert (edit["record"], edit["right"]) == (office.entry("140")["entryUUID"],) * 2


def _told(outcomes: list[dict[str, Any]], system: str) -> dict[str, int]:
    """The requests that the log says a system took."""
    told: Counter[str] = Counter()
    for entry in outcomes:
        if entry["system"] != system or entry["result"] != "done":
            continue
        if system == "hr":
            told["PATCH"] += 1
        elif entry["op"] == "update":
            told["MODRDN"] += "login" in entry["fields"]
            told["MOD"] += bool(entry["fields"].keys() - {"login"})
        else:
            told[{"create": "ADD", "delete": "DEL"}[entry["op"]]] += 1
    return dict(told)
