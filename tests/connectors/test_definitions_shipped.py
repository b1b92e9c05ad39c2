"""This is where the definitions of databases, directories and files are read by their own drivers' models."""

from pathlib import Path

import pytest
import yaml

from connectors.definition import Definition, driver_module

FOLDER = Path(__file__).parents[2] / "connectors" / "definitions"


@pytest.mark.parametrize("name", ["csv", "jsonl", "ldap", "memory", "openldap", "sql"])
def test_a_shipped_definition_is_what_its_driver_understands(name: str) -> None:
    definition = Definition.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))

    module = driver_module(definition.driver)

    assert definition.name == name
    for entity in definition.entities.values():
        module.Entity.model_validate(entity)


@pytest.mark.parametrize("name", ["file", "ldap", "memory", "sql"])
def test_every_driver_offers_what_the_registry_asks_for(name: str) -> None:
    module = driver_module(name)

    assert callable(module.connect)
    assert set(module.System.model_fields) > {"version", "name", "connector", "type", "entities"}
