"""This is where link tables are read and written as relations, with everything that may stand in their way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Done, Members, Permanent, Record, Refused, Write
from connectors.drivers.sql import Entity, SqlDriver
from tests.connectors.test_contract_sql import OPENED, execute, pg_driver, sqlite_driver
from tests.systems.postgres import Postgres

TABLES = """
CREATE TABLE plant (land {text}, number integer, name {text}, active boolean, gone integer, PRIMARY KEY (land, number));
INSERT INTO plant VALUES ('de', 1, 'Ulm', true, 0), ('de', 2, 'Linz', true, 0), ('at', 1, 'Graz', true, 0);
CREATE TABLE supplies (land {text}, plant integer, item integer CHECK (item < 5000), kind {text}, note {text} {unique});
INSERT INTO supplies VALUES
    ('de', 1, 5, 'main', 'by hand'), ('de', 1, 7, 'spare', NULL),
    ('at', 1, 5, 'main', NULL), ('at', 1, NULL, 'main', NULL);
"""
RELATION: dict[str, Any] = {
    "table": "supplies", "own": ["land", "plant"], "other": "item", "where": {"kind": "main"},
}  # fmt: skip
PLANT: dict[str, Any] = {
    "table": "plant", "key": ["land", "number"], "columns": ["name"], "relations": {"items": RELATION},
    "deactivate": {"active": False, "@items": []},
}  # fmt: skip
ULM, GRAZ = '["de",1]', '["at",1]'


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(autouse=True)
def close_what_was_opened() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def tables(unique: bool = True) -> str:
    return TABLES.format(text="text", unique=", UNIQUE (land, plant, item)" if unique else "")


@pytest.fixture(params=["sqlite", "postgres"])
def made(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> SqlDriver:
    if request.param == "sqlite":
        return sqlite_driver(tmp_path, tables(), entities={"plant": PLANT})
    execute(postgres, "DROP TABLE IF EXISTS plant, supplies", tables())
    return pg_driver(postgres, entities={"plant": PLANT})


def items(made: SqlDriver) -> dict[str, Any]:
    return {r.id: r.fields["@items"] for page in made.read("plant", fields=["@items"]) for r in page.records}


def move(made: SqlDriver, id: str, *, add: tuple[Any, ...] = (), remove: tuple[Any, ...] = (), **fields: Any) -> Any:
    write = Write("update", id, fields, members={"@items": Members(add, remove)})
    (outcome,) = made.write("plant", [write], fields=["name", "@items"])
    return outcome


def test_a_composite_key_finds_its_rows_and_rows_of_another_kind_stay(made: SqlDriver) -> None:
    assert items(made) == {GRAZ: ["5"], ULM: ["5"], '["de",2]': []}

    done = move(made, ULM, add=("9", 10), remove=("5", "7"), name="Neu-Ulm")

    assert isinstance(done, Done), done
    assert done.exact  # of the write's own transaction
    assert done.record == Record(ULM, {"name": "Neu-Ulm", "@items": ["10", "9"]})
    assert items(made) == {GRAZ: ["5"], ULM: ["10", "9"], '["de",2]': []}
    kinds = made.find("plant", {"name": "Neu-Ulm"}, fields=[])
    assert kinds[0].fields == {"name": "Neu-Ulm", "@items": ["10", "9"]}  # nothing named: all of it


def test_a_refused_member_undoes_the_whole_write_in_the_databases_own_words(made: SqlDriver) -> None:
    outcome = move(made, ULM, add=("11", "9999"), remove=("5",), name="Never")

    assert isinstance(outcome, Refused), outcome
    assert "@items '9999'" in outcome.message
    assert "check" in outcome.message.lower()
    assert items(made)[ULM] == ["5"]
    (record,) = made.get("plant", [ULM], fields=["name"])
    assert isinstance(record, Record)
    assert record.fields == {"name": "Ulm"}


@pytest.mark.parametrize("add", ["seven", None, "1.5"])
def test_what_cannot_be_a_member_is_refused_by_name(made: SqlDriver, add: Any) -> None:
    outcome = move(made, ULM, add=(add,))

    assert isinstance(outcome, Refused)
    assert f"item (integer) cannot hold '{add}'" in outcome.message


def test_a_row_of_another_kind_is_not_taken_for_ours(made: SqlDriver) -> None:
    outcome = move(made, ULM, add=("7",))

    assert isinstance(outcome, Refused)
    assert "@items '7': supplies has a row for it that is none of this relation" in outcome.message


def test_without_a_rule_against_it_no_row_comes_twice(tmp_path: Path) -> None:
    made = sqlite_driver(tmp_path, tables(unique=False), entities={"plant": PLANT})

    for _ in range(2):
        assert isinstance(move(made, ULM, add=("9",)), Done)

    plain = sqlite_driver(
        tmp_path, entities={"s": {"table": "supplies", "key": ["land", "plant", "item", "kind"]}}, script="SELECT 1"
    )
    assert len([r for page in plain.read("s", where={"land": "de", "item": 9}) for r in page.records]) == 1


def test_thousands_come_and_go(made: SqlDriver) -> None:
    many = tuple(str(n) for n in range(1000, 2300))

    assert isinstance(move(made, ULM, add=many), Done)
    assert items(made)[ULM] == sorted(("5", *many))
    assert isinstance(move(made, ULM, remove=many), Done)
    assert items(made)[ULM] == ["5"]


def test_deactivate_takes_away_what_the_entity_says(made: SqlDriver) -> None:
    (done,) = made.write("plant", [Write("deactivate", ULM)], fields=["@items"])

    assert isinstance(done, Done), done
    assert done.record is not None
    assert done.record.fields == {"@items": []}
    assert items(made)[GRAZ] == ["5"]


def test_a_row_that_is_only_marked_as_deleted_keeps_its_relations(tmp_path: Path) -> None:
    marked = {**PLANT, "soft_delete": {"column": "gone", "value": 1}}
    made = sqlite_driver(tmp_path, tables(), entities={"plant": marked})

    (done,) = made.write("plant", [Write("delete", ULM)])

    assert isinstance(done, Done)
    assert ULM not in items(made)
    made = sqlite_driver(tmp_path, "SELECT 1", entities={"plant": PLANT})
    assert items(made)[ULM] == ["5"]


def test_a_stale_delete_takes_nothing_away(made: SqlDriver) -> None:
    stale = Write("delete", ULM, before={"name": "Augsburg"})
    nobody = Write("delete", '["xx",1]')

    outcomes = list(made.write("plant", [stale, nobody]))

    assert [type(outcome).__name__ for outcome in outcomes] == ["Stale", "Done"]
    assert items(made)[ULM] == ["5"]


def test_a_relation_that_is_none_is_named(made: SqlDriver) -> None:
    (outcome,) = made.write("plant", [Write("update", ULM, members={"@parts": Members(("1",))})])

    assert isinstance(outcome, Refused)
    assert "no relation @parts" in outcome.message
    with pytest.raises(Permanent, match="no relation @parts; known: @items"):
        list(made.read("plant", fields=["@parts"]))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"table": "supply"}, "no table 'supply'; did you mean supplies"),
        ({"other": "items"}, "no column 'items'; did you mean item"),
        ({"where": {"kinds": 1}}, "no column 'kinds'; did you mean kind"),
    ],
)
def test_what_is_not_in_the_database_is_named_with_what_is(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    entity = {**PLANT, "relations": {"items": {**RELATION, **wrong}}}
    made = sqlite_driver(tmp_path, tables(), entities={"plant": entity})

    with pytest.raises(Permanent, match=words):
        list(made.read("plant"))
    assert words in made.check("plant").message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"relations": {"items": {**RELATION, "own": "land"}}}, "relations.items: `own` has 1 columns, the key 2"),
        ({"deactivate": {"@item": []}}, "there is no relation '@item'; known: @items"),
    ],
)
def test_a_relation_that_cannot_be_one_is_a_load_error(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Entity.model_validate({**PLANT, **wrong})
