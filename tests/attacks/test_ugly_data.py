"""Ugly data and ugly answers: what systems really hold and say, and what must not come of it."""

from typing import Any

import pytest

from tests.attacks.hostile import Hostile, in_crm, pages
from tests.attacks.house import House

NAMES = [
    "\u202eright to left", "e\u0301", "\U0001f468\u200d\U0001f469", "  ", "two\r\nlines", "\x00nul\x00", "\ufeffbom",
    "\ufffe", "\u2028", "x" * 1_000_000, "'; DROP TABLE person;--", "%s {0} {{}}", "\x1b[31mred", "null", "NaN",
]  # fmt: skip
IDS = ["a b", "a/b", "../x", "a%2Fb", "ü", "x" * 300, "'\"", "?q=1", "#f", "a\nb", "\x00", "a\x00b", "🙂", 5, 10**25]


def healed(victim: House, crm: Hostile) -> None:
    """Once the system behaves again both sides end alike, and there is nothing left to do."""
    crm.mood, crm.listing = (lambda method, path: None), pages
    report = {}
    for _ in range(3):
        report = victim.run()
        if report["state"] == "done" and not report["counts"].get("written"):
            break
    assert (report["state"], report["counts"].get("written", 0)) == ("done", 0), report
    assert in_crm(crm) == victim.hr()
    victim.sound_log()


@pytest.mark.parametrize("side", ["left", "right"])
def test_every_kind_of_text_arrives_as_it_was(victim: House, crm: Hostile, side: str) -> None:
    for n, name in enumerate(NAMES, 100):
        if side == "left":
            victim.sql("INSERT INTO person VALUES (?, ?, ?, '1')", n, name, f"n{n}@x")
        else:
            crm.create({"name": name, "email": f"n{n}@x", "phone": "1"})

    assert victim.run()["counts"]["written"] == len(NAMES)

    assert {name for _, name, _ in victim.hr()} >= set(NAMES)
    healed(victim, crm)


def test_every_kind_of_id_is_found_again(victim: House, crm: Hostile) -> None:
    for n, id in enumerate(IDS):
        crm.people[str(id)] = {"id": id, "name": "n", "email": f"i{n}@x", "phone": "1", "rev": 1}
    victim.run()

    victim.sql("UPDATE person SET name = 'changed' WHERE email LIKE 'i%'")
    report = victim.run()

    assert report["counts"]["written"] == len(IDS), report
    healed(victim, crm)


@pytest.mark.parametrize("id", ["", None, True, [1], {"a": 1}])
def test_a_record_without_a_usable_id_fails_the_reading_by_name(victim: House, crm: Hostile, id: object) -> None:
    crm.people["odd"] = {"id": id, "name": "n", "email": "odd@x", "phone": "1", "rev": 1}

    report = victim.run()

    assert report["problems"] == ["crm GET /people: a record without 'id', which is its id"]
    del crm.people["odd"]
    healed(victim, crm)


def test_a_value_nested_200_deep_is_that_records_own_trouble(victim: House, crm: Hostile) -> None:
    deep: object = "x"
    for _ in range(200):
        deep = {"a": [deep]}
    odd = crm.create({"name": deep, "email": "odd@x", "phone": "1"})
    crm.create({"name": "Fine", "email": "fine@x", "phone": "1"})

    report = victim.run()

    assert (report["state"], report["counts"]["written"], report["counts"]["refused"]) == ("held", 1, 1)
    crm.put(odd["id"], {**odd, "name": "shallow"})
    healed(victim, crm)


def test_a_listing_that_repeats_records_makes_no_doubles(victim: House, crm: Hostile) -> None:
    for n in range(20, 40):
        crm.create({"name": f"N{n}", "email": f"n{n}@x", "phone": "1"})

    def overlapping(people: list[Any], cursor: str | None) -> tuple[list[Any], str | None]:
        at = int(cursor or 0)
        return people[max(0, at - 2) : at + 5], str(at + 5) if at + 5 < len(people) else None

    crm.listing = overlapping
    report = victim.run()

    assert (report["counts"]["read_right"], report["counts"]["create"]) == (23, 20)
    healed(victim, crm)


@pytest.mark.parametrize("again", [1, 2], ids=["the same page", "two pages by turns"])
def test_a_listing_that_goes_in_circles_ends(victim: House, crm: Hostile, again: int) -> None:
    turn = iter(range(100_000))

    def circle(people: list[Any], cursor: str | None) -> tuple[list[Any], str | None]:
        now = next(turn)
        return people[now % again :][:2], f"never-{now}"

    crm.listing = circle
    report = victim.run()

    assert report["state"] == "failed"
    assert "the pages go in circles" in report["problems"][0] or "the same page came twice" in report["problems"][0]
    healed(victim, crm)


@pytest.mark.parametrize("everything", [False, True], ids=["only the listing", "the records too"])
def test_an_empty_listing_with_200_deletes_nobody(victim: House, crm: Hostile, everything: bool) -> None:
    people = dict(crm.people)
    victim.swap("syncs/people.yaml", "new_right: create", "new_right: create, gone_right: delete")
    crm.listing = lambda people, cursor: ([], None)
    if everything:
        crm.people.clear()

    report = victim.run()

    assert "crm.person lists 0 records after 3: nothing is written" in report["guards"][0]["text"]
    assert "look at the system's rights and filters" in report["guards"][0]["remedy"]
    assert len(victim.hr()) == 3
    crm.people.update(people)
    healed(victim, crm)


@pytest.mark.parametrize(
    ("mood", "state", "told"),
    [
        ("html", "failed", "200 with text/html, expected JSON"),
        ("garbage", "failed", "gzip cut short"),
        ("half", "postponed", "no whole answer came back"),
        ("cut before", "postponed", "no whole answer came back"),
        ("wait 100000000", "postponed", "429 slow down"),
        ("empty 204", "failed", "no list of records"),
        ("302", "failed", "302"),
        ("403", "failed", "check auth:"),
    ],
)
def test_an_ugly_answer_to_a_listing_writes_nothing(
    victim: House, crm: Hostile, mood: str, state: str, told: str
) -> None:
    victim.sql("UPDATE person SET name = 'Married' WHERE id = 1")
    victim.sql("DELETE FROM person WHERE id = 2")
    crm.mood = lambda method, path: mood

    report = victim.run()

    assert report["state"] == state, report
    assert told in report["problems"][0]
    assert crm.asked["PATCH"] + crm.asked["DELETE"] == 0
    healed(victim, crm)


@pytest.mark.parametrize(
    "mood", ["empty 204", "empty 201", "html", "garbage", "half", "cut before", "cut after", "500", "302", "wait 9999"]
)
def test_an_ugly_answer_to_a_write_neither_loses_nor_doubles_it(victim: House, crm: Hostile, mood: str) -> None:
    victim.sql("UPDATE person SET name = 'Married' WHERE id = 1")
    victim.sql("DELETE FROM person WHERE id = 2")
    victim.hire(50, 51)
    crm.mood = lambda method, path: None if method == "GET" else mood

    report = victim.run()

    assert report["state"] in ("held", "postponed"), report
    healed(victim, crm)
