"""Stories of records that are born with a name of their own, a password, or a value made of others."""

from pathlib import Path
from typing import Any

import pytest

from connectors.base import Page, Permanent, Temporary, Write
from daemon.core.births import compile_birth
from daemon.core.mapping import Place
from daemon.core.rules import Birth, Cases
from daemon.engine.births import password
from tests.engine.quirks import Quirky, done_but_lost, lost, refused
from tests.engine.world import HOUR, World, people_sync, person, rule

FIELDS = ("number", "name", "email")
TRY = ("lower(name)", "concat(lower(name), n)")


def login(**more: Any) -> Birth:
    return compile_birth("login", known=FIELDS, right=Place("uid"), **({"tries": TRY, "last": 3} | more))


def address(**more: Any) -> Birth:
    known = (*FIELDS, "login")
    return compile_birth("address", known=known, right=Place("mail"), value="concat(login, '@corp.example')", **more)


def secret() -> Birth:
    return compile_birth("start", known=(), right=Place("password"), password=24, audit="none", secret=True)


def world_of(folder: Path, *names: str, births: tuple[Birth, ...] = (), right: Any = None, **more: Any) -> World:
    rules = tuple(rule(name, owner="left") for name in FIELDS)
    sync = people_sync(rules=rules, births=births or (login(), address()), cases=Cases(new_right="ignore"), **more)
    left = {f"L{n}": person(n, name=name) for n, name in enumerate(names, 1)}
    world = World(folder, left=left, right=right, sync=sync)
    world.right._find["person"] = ("number", "email", "uid", "mail")  # its own users would see to that
    return world


def logins(world: World) -> list[Any]:
    return [fields.get("uid") for fields in world.records("right").values()]


def test_a_newborn_gets_the_first_free_name_and_what_is_made_of_it(tmp_path: Path) -> None:
    taken = {"R7": person(7, uid="ada")}
    world = world_of(tmp_path, "Ada", "Ada", "Bob", right=taken)

    report = world.adopted()

    assert report.state == "done"
    assert logins(world) == ["ada", "ada2", "ada3", "bob"]
    assert world.shown("right")["2"]["mail"] == "ada3@corp.example"
    assert world.run().counts.get("written", 0) == 0
    assert world.run(full=True).counts.get("written", 0) == 0
    world.close()


def test_the_plan_tells_the_likely_name_and_the_log_the_given_one(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada", right={"R7": person(7, uid="ada")}, births=(login(), address(), secret()))

    fields = world.plan().lines[0]["changes"][0]["fields"]

    assert fields["login"] == {"before": None, "after": "ada", "why": "generated at birth, likely"}
    assert fields["address"] == {"before": None, "after": "ada@corp.example", "why": "set at birth, likely"}
    assert fields["start"] == {"before": None, "after": "(hidden)", "why": "generated at birth"}
    world.adopted()
    for entry in (*world.entries("intent"), *world.entries("outcome")):
        assert entry["fields"]["login"] == {"before": None, "after": "ada2", "why": "generated at birth"}
        assert entry["fields"]["start"] == {"before": None, "after": "(hidden)", "why": "generated at birth"}
    world.close()


def test_a_name_is_never_given_to_another_even_when_its_record_is_gone(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada", "Bob")
    world.adopted()
    id = next(id for id, fields in world.records("right").items() if fields["uid"] == "ada")
    world.left.remove("person", "L1")
    world.right.remove("person", id)
    world.run()

    world.left.put("person", person(3, name="Ada"), "L3")
    world.run()

    assert logins(world) == ["bob", "ada2"]
    world.close()


def test_a_name_is_unique_in_other_places_too(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada", births=(login(also=("alias",)),), right={"R7": person(7, alias="ada")})
    world.adopted()

    assert world.shown("right")["1"]["uid"] == "ada2"
    world.close()


def test_a_create_that_is_refused_gets_the_same_name_when_it_is_tried_again(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada", "Ada")
    world.right = Quirky(world.right)  # type: ignore[assignment]
    world.right.fates = [refused, None]
    world.adopted()
    assert logins(world) == ["ada2"]

    world.now += 2 * HOUR
    world.run(full=True)

    assert logins(world) == ["ada2", "ada"]
    world.close()


def test_a_lost_create_that_is_found_keeps_its_name(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada")
    world.right = Quirky(world.right)  # type: ignore[assignment]
    world.right.fates = [done_but_lost]
    world.adopted()

    world.run()

    assert logins(world) == ["ada"]
    assert world.run(full=True).counts.get("written", 0) == 0
    world.close()


def test_a_create_that_never_arrived_is_repeated_under_the_same_name(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada")
    world.right = Quirky(world.right)  # type: ignore[assignment]
    world.right.fates = [lost]
    world.adopted()

    world.run()

    assert logins(world) == ["ada"]
    world.close()


def test_a_create_under_one_key_has_one_name_though_nobody_can_look_it_up(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada")
    quirky = Quirky(world.right, idempotent_create=True, find=frozenset({"uid"}))
    world.right = quirky  # type: ignore[assignment]
    quirky.fates = [done_but_lost]
    quirky.read = lambda *_, **__: iter([Page()])  # type: ignore[method-assign]  # what is new is not listed yet
    world.adopted()

    world.run()

    assert [write.fields["uid"] for write in quirky.writes] == ["ada", "ada"]
    world.close()


def test_a_name_that_somebody_else_took_meanwhile_is_not_insisted_on(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada")
    world.right = Quirky(world.right)  # type: ignore[assignment]
    world.right.fates = [refused]
    world.adopted()
    world.right.put("person", person(9, uid="ada"), "R9")

    world.now += 2 * HOUR
    world.run(full=True)

    assert world.shown("right")["1"]["uid"] == "ada2"
    world.close()


def test_a_record_for_which_every_name_is_taken_waits_and_says_so(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada", "Ada", "Ada", "Ada", "Bob")

    report = world.adopted()

    assert report.state == "held"
    assert logins(world) == ["ada", "ada2", "ada3", "bob"]
    (told,) = world.held()
    assert told["why"] == "login: all 3 candidates are taken, the last is 'ada3'; add another to `try`"
    world.close()


def test_a_record_that_no_expression_can_name_waits(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada")
    world.left.edit("person", "L1", {"name": None})

    world.adopted()

    assert world.held()[0]["why"] == "login: every expression of `try` is empty for this record"
    assert world.records("right") == {}
    world.close()


def test_what_cannot_be_made_is_told_in_the_plan_and_held(tmp_path: Path) -> None:
    bad = compile_birth("day", known=FIELDS, right=Place("day"), value="date_add(name, 1)")
    world = world_of(tmp_path, "Ada", births=(bad,))

    told = world.plan().lines[0]["changes"][0]["fields"]["day"]["after"]

    assert told.startswith("(")
    world.adopted()
    assert world.held()[0]["reason"] == "mapping"
    world.close()


def test_a_side_that_cannot_look_a_name_up_is_told_before_anything_is_written(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada")
    world.right = Quirky(world.right, find=frozenset({"number"}))  # type: ignore[assignment]
    why = "crm.person cannot look up `uid`, so nobody knows which name is free: give the entity `find` on it"
    why += ", or a CSV file that column"

    assert why in world.plan().problems
    world.adopted()

    assert world.held()[0]["why"] == why
    assert world.records("right") == {}
    world.close()


@pytest.mark.parametrize("permanent", [False, True])
def test_a_system_that_goes_away_while_names_are_sought_loses_nothing(tmp_path: Path, permanent: bool) -> None:
    world = world_of(tmp_path, "Ada", "Bob")
    world.approve()
    find = world.right.find
    answers = iter([[], Permanent("crm: 403") if permanent else Temporary("crm: 503")])

    def failing(*args: Any, **how: Any) -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    world.right.find = failing  # type: ignore[method-assign]
    report = world.run()
    world.right.find = find  # type: ignore[method-assign]

    assert report.state == ("failed" if permanent else "postponed")
    assert "nobody can say which name is free" in report.problems[0]
    assert world.records("right") == {}
    world.run()
    assert logins(world) == ["ada", "bob"]
    world.close()


def test_where_another_field_brings_the_value_nothing_is_generated(tmp_path: Path) -> None:
    world = world_of(tmp_path, "Ada", "Bob")
    rules = (*world.sync.rules, rule("given", "login", "uid", owner="right"))
    world.sync = people_sync(rules=rules, births=world.sync.births, cases=Cases(new_right="ignore"))
    world.left.edit("person", "L1", {"login": "countess"})

    world.adopted()

    assert world.shown("right")["1"]["uid"] == "countess"
    assert world.shown("right")["2"]["uid"] == "bob"
    world.close()


def test_a_secret_is_found_nowhere(tmp_path: Path) -> None:
    copied = compile_birth("pin", known=(), left=Place("pin"), right=Place("code"), audit="none", secret=True)
    world = world_of(tmp_path, "Ada", births=(login(), secret(), copied))
    world.left.edit("person", "L1", {"pin": "planted-canary"})
    held: list[bytes] = []

    def look(write: Write) -> None:
        held.append(b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()))

    quirky = Quirky(world.right)
    quirky.before_write = look
    world.right = quirky  # type: ignore[assignment]
    plan = world.plan()
    report = world.adopted()

    (record,) = world.records("right").values()
    assert record["code"] == "planted-canary"
    assert len(record["password"]) == 24
    secrets = ("planted-canary", record["password"])
    told = repr((plan.to_json(), report.to_json(), world.why("L1"), world.entries(), world.store.journal.runs()))
    world.close()
    held.append(b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()))
    for text in secrets:
        assert text not in told
        assert not any(text.encode() in data for data in held)
    world.open()
    world.left.edit("person", "L1", {"pin": "another"})
    assert world.run(full=True).counts.get("written", 0) == 0
    world.close()


def test_a_password_has_something_of_every_class() -> None:
    made = {password(12) for _ in range(50)}

    assert len(made) == 50
    for text in made:
        assert len(text) == 12
        assert any(c.islower() for c in text)
        assert any(c.isupper() for c in text)
        assert any(c.isdigit() for c in text)
        assert set(text) & set("!#%+-.:=?@_")
