"""This is where the words of a definition are tried: placeholders, filters, SCIM patches, and the files themselves."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.definition import (
    DriverModule,
    SystemFacts,
    UnknownDefinition,
    definition_names,
    driver_module,
    load_definition,
)
from connectors.drivers.http import Entity, System
from connectors.http.auth import ApiKeyAuth, BasicAuth
from connectors.http.facts import CursorFacts
from connectors.http.filters import filter_text
from connectors.http.records import highest
from connectors.http.scim import scim_patch
from connectors.http.templates import Unfit, fill, fill_path, names_in
from connectors.yamlfile import YamlError
from tests.connectors.http.connected import PERSON

BIG = 1234567890123456789012345


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{n}", BIG),
        ("n={n}", f"n={BIG}"),
        ({"a": ["{d}", "{missing}", "x"]}, {"a": [Decimal("0.10"), "x"]}),
        ({"a": "{missing}", "b": "{null}"}, {"b": None}),
        ("{fields.name.given}", "Ada"),
        ("{ids}", [1, 2]),
        ("in ({ids})", "in (1,2)"),
        ("{yes} {d} {day}", "true 0.10 2026-05-01"),
        ("{not a name}", "{not a name}"),
        ("{{n}}", f"{{{BIG}}}"),
    ],
)
def test_a_placeholder_keeps_the_type_where_it_stands_alone(template: Any, filled: Any) -> None:
    values = {"n": BIG, "d": Decimal("0.10"), "null": None, "fields": {"name": {"given": "Ada"}}}
    values |= {"ids": [1, 2], "yes": True, "day": date(2026, 5, 1)}

    assert fill(template, values) == filled


def test_a_filled_in_value_is_never_filled_in_again() -> None:
    assert fill({"a": "{v}", "b": "<{v}>"}, {"v": "{secret}", "secret": 1}) == {"a": "{secret}", "b": "<{secret}>"}
    assert fill_path("/x/{v}", {"v": "{secret}", "secret": 1}) == "/x/%7Bsecret%7D"


@pytest.mark.parametrize("value", [None, "", ".", "..", {}, [], ["a"]])
def test_what_is_no_segment_is_unfit_for_a_path(value: Any) -> None:
    with pytest.raises(Unfit):
        fill_path("/people/{id}/mail", {"id": value})


def test_all_names_of_a_template_are_found() -> None:
    assert names_in(["/x/{id}", {"a": "{since}", "b": [1, "<{by.email}>"]}]) == {"id", "since", "by.email"}


@pytest.mark.parametrize(
    ("language", "by", "text"),
    [
        ("scim", {"userName": 'a" or "b'}, r'userName eq "a\" or \"b"'),
        ("scim", {"active": True, "n": Decimal("1.50")}, "active eq true and n eq 1.50"),
        ("odata", {"Name": "O'Brien"}, "Name eq 'O''Brien'"),
        ("odata", {"A": None, "B": False, "C": BIG}, f"A eq null and B eq false and C eq {BIG}"),
    ],
)
def test_a_value_never_leaves_its_quotes(language: Any, by: dict[str, Any], text: str) -> None:
    assert filter_text(language, by) == text


def test_a_scim_patch_names_what_changes_and_nothing_else() -> None:
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    patch = scim_patch(
        {"name": {"givenName": "A"}, "emails": [{"value": "x"}], "title": None, urn: {"department": "D"}}
    )

    assert patch["Operations"] == [
        {"op": "replace", "path": "name.givenName", "value": "A"},
        {"op": "replace", "path": "emails", "value": [{"value": "x"}]},
        {"op": "remove", "path": "title"},
        {"op": "replace", "path": f"{urn}:department", "value": "D"},
    ]
    with pytest.raises(ValueError):
        scim_patch({'emails[type eq "x"]': 1})


@pytest.mark.parametrize(
    "change",
    [
        {"read": {"list": {"get": "/a", "post": "/b"}}},
        {"read": {"list": {"records": "x"}}},
        {"read": {"list": {"get": "/a", "records": "a b ["}}},
        {"read": {"find": {"get": "/a"}}},
        {"read": {"changed": {"get": "/a"}}},
        {"read": {"changed": {"get": "/a", "cursor": {"kind": "token", "field": "x"}}}},
        {"write": {"update": {"patch": "/a", "send": "everything"}}},
        {"errors": [{"status": 400, "class": "odd"}]},
        {"id": "a..b"},
        {"id": []},
        {"version": {}},
        {"unknown": 1},
    ],
)
def test_a_definition_with_a_fault_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Entity.model_validate({**PERSON, **change})


def test_a_secret_is_never_written_into_a_system_file() -> None:
    facts = {"version": 1, "name": "crm", "connector": "rest", "base_url": "https://x"}

    with pytest.raises(ValidationError, match="never written here"):
        System.model_validate({**facts, "auth": {"kind": "bearer", "token": "s3cret"}})


def test_a_secret_that_cannot_travel_says_so_without_showing_itself() -> None:
    for auth in (
        ApiKeyAuth.model_validate({"kind": "api_key", "key": {"secret": "k"}}),
        BasicAuth.model_validate({"kind": "basic", "user": {"secret": "k"}}),
    ):
        with pytest.raises(ValueError) as caught:
            auth.open(lambda _: "top:secret\n")
        assert "top" not in str(caught.value)


@pytest.mark.parametrize("name", ["rest", "scim2"])
def test_our_own_definitions_load_and_their_entities_hold(name: str) -> None:
    definition = load_definition(name)
    module: DriverModule = driver_module(definition.driver)

    assert name in definition_names()
    assert issubclass(module.System, SystemFacts)
    for entity in definition.entities.values():
        module.Entity.model_validate(entity)


def test_a_definition_may_lie_beside_the_system_file(tmp_path: Path) -> None:
    (tmp_path / "my_crm.yaml").write_text("name: my_crm\ndriver: http\ntype: crm\n")

    assert load_definition("./my_crm.yaml", tmp_path).type == "crm"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("scim", "no definition 'scim'; did you mean 'scim2'; known: "),
        ("zzz", "no definition 'zzz'; known: "),
        ("./none.yaml", "no definition file ./none.yaml"),
        ("../../etc/passwd", "no definition file"),
        ("./other.yaml", "calls itself 'mine'"),
    ],
)
def test_a_definition_that_does_not_exist_is_named(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("name: mine\ndriver: http\n")

    with pytest.raises(UnknownDefinition) as caught:
        load_definition(name, tmp_path)

    assert str(caught.value).startswith(words) or words in str(caught.value)


def test_a_faulty_definition_file_names_its_lines(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\ndriver: http\nentitys: {}\n")

    with pytest.raises(YamlError) as caught:
        load_definition("./bad.yaml", tmp_path)

    assert [problem.line for problem in caught.value.problems] == [3]


@pytest.mark.parametrize(
    ("kind", "values", "top"),
    [
        ("number", [9, 10, 2], "10"),
        ("number", ["9", "10"], "10"),
        ("number", [Decimal("9.5"), 10], "10"),
        ("number", [BIG, None, BIG - 1], str(BIG)),
        ("time", ["2026-05-01T12:00:00Z", "2026-05-01T12:00:01Z"], "2026-05-01T12:00:01Z"),
        ("time", ["2026-05-01T12:00:00.5Z", "2026-05-01T12:00:00Z"], "2026-05-01T12:00:00.5Z"),
        ("time", ["2026-05-01T12:00:00+02:00", "2026-05-01T11:00:00+00:00"], "2026-05-01T11:00:00+00:00"),
        ("time", [1714564800, 1714564900], "1714564900"),
        ("time", ["May 1", "May 2"], "May 2"),
        ("time", [None], None),
    ],
)
def test_the_highest_cursor_is_chosen_by_its_kind_and_kept_as_text(
    kind: Any, values: list[Any], top: str | None
) -> None:
    rule = CursorFacts.model_validate({"field": "at.x", "kind": kind, "param": "since"})

    assert highest(rule, [{"at": {"x": value}} for value in values] + [{}]) == top
