"""Stories of definitions: what a file may say, and what is refused with its place."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.definition import (
    Duration,
    EnvRef,
    Facts,
    LocalPath,
    Secret,
    SecretRef,
    UnknownDefinition,
    definition_names,
    driver_module,
    driver_names,
    load_definition,
)
from connectors.yamlfile import YamlError


class Small(Facts):
    """Something that YAML says."""

    on: bool = False
    count: int = 0
    share: float = 0.0
    exact: Decimal = Decimal(0)
    wait: Duration = 0.0
    token: Secret | None = None
    file: LocalPath | None = None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("on", "no"), ("on", 1), ("on", "true"), ("count", "12"), ("count", True), ("count", 1.5), ("share", "0.5"),
        ("share", True), ("exact", "1.5"), ("exact", True), ("wait", 15), ("wait", "15"), ("wait", "fast"),
        ("wait", ""),
        ("wait", Decimal("1.5")), ("wait", "-5s"), ("token", "hunter2"), ("token", 1234), ("token", {"secrets": "x"}),
        ("token", {"env": "X", "default": "hunter2"}), ("unknown", 1),
    ],
)  # fmt: skip
def test_what_is_not_written_as_meant_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Small.model_validate({key: value})


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("on", True, True), ("count", 10**25, 10**25), ("share", Decimal("0.5"), 0.5),
        ("exact", Decimal("0.10"), Decimal("0.10")),
        ("exact", 3, Decimal(3)), ("wait", "1h30m", 5400.0), ("wait", "500ms", 0.5), ("wait", "2d", 172800.0),
        ("token", {"secret": "crm"}, SecretRef(secret="crm")), ("token", {"env": "CRM"}, EnvRef(env="CRM")),
    ],
)  # fmt: skip
def test_what_is_written_as_meant_is_taken_exactly(key: str, value: Any, meant: Any) -> None:
    found = getattr(Small.model_validate({key: value}), key)

    assert found == meant
    assert type(found) is type(meant)


def test_facts_never_change() -> None:
    with pytest.raises(ValidationError):
        Small().on = True  # type: ignore[misc]  # that is what is tried


def test_a_file_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    found = Small.model_validate({"file": "tables/a.csv"}, context={"folder": tmp_path})

    assert found.file == tmp_path / "tables/a.csv"
    assert Small.model_validate({"file": "/a.csv"}, context={"folder": tmp_path}).file == Path("/a.csv")


def test_an_unknown_definition_names_the_likely_one() -> None:
    with pytest.raises(UnknownDefinition, match="no definition 'scim'; did you mean 'scim2'"):
        load_definition("scim")


def test_a_definition_may_lie_beside_its_system_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\ndriver: memory\n")

    assert load_definition("./mine.yaml", tmp_path).driver == "memory"
    with pytest.raises(UnknownDefinition, match="no definition file"):
        load_definition("./yours.yaml", tmp_path)


def test_a_definition_is_called_like_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: yours\ndriver: memory\n")

    with pytest.raises(UnknownDefinition, match="calls itself 'yours'"):
        load_definition("./mine.yaml", tmp_path)


def test_faults_of_a_definition_come_all_at_once_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\ndrivr: memory\ntype: shop\n")

    with pytest.raises(YamlError) as fault:
        load_definition("./mine.yaml", tmp_path)

    assert {problem.line for problem in fault.value.problems} >= {2, 3}


@pytest.mark.parametrize("name", driver_names())
def test_every_driver_offers_what_the_registry_needs(name: str) -> None:
    module = driver_module(name)

    assert issubclass(module.Entity, Facts)
    assert callable(module.connect)


def test_an_unknown_driver_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="no driver 'htp'"):
        driver_module("htp")
    assert set(definition_names()) >= {"rest", "sql", "ldap"}
