"""This is where docs/configuration.md is held to the models and to its own examples."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from connectors.definition import Definition, SecretRef, driver_module, driver_names
from daemon.config import reference
from daemon.config.models import DaemonConfig
from daemon.config.sync_file import SyncConfig
from tests.config.folders import problems

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
ROOTS: list[type[BaseModel]] = [DaemonConfig, SyncConfig, Definition]
EXAMPLE = re.compile(r"```\w+ (?P<file>\S+)\n(?P<text>.*?)```", re.S)


def reachable(model: type[BaseModel], seen: dict[type[BaseModel], None]) -> Iterator[type[BaseModel]]:
    if model in seen or model is SecretRef:
        return
    seen[model] = None
    yield model
    for inner in reference.inside(model):
        yield from reachable(inner, seen)


def shown() -> list[type[BaseModel]]:
    roots: list[type[BaseModel]] = [*ROOTS]
    for driver in map(driver_module, driver_names()):
        roots += [driver.System, driver.Entity]
    seen: dict[type[BaseModel], None] = {}
    return [model for root in roots for model in reachable(root, seen)]


def test_the_page_is_fresh() -> None:
    told = "run: python -m daemon.config.reference > docs/configuration.md"

    assert PAGE.read_text("utf-8") == reference.page(), told


def test_every_key_that_can_be_written_is_on_the_page_and_explained() -> None:
    on_the_page = reference.models(reference.PAGE.read_text("utf-8"))

    assert set(shown()) <= set(on_the_page)
    assert not re.search(r"^\|.*\|  \|$", reference.page(), re.M)  # a key without a meaning


def test_the_links_between_its_tables_lead_somewhere() -> None:
    text = reference.page()
    headings = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)]

    assert [anchor for anchor, times in Counter(headings).items() if times > 1] == []
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= set(headings)
    assert "| mapping |" not in text


def test_the_examples_are_one_configuration_without_a_fault(tmp_path: Path) -> None:
    examples = {found["file"]: found["text"] for found in EXAMPLE.finditer(reference.page())}
    for file, text in examples.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text, "utf-8")

    assert problems(tmp_path) == ()
    assert {file.partition("/")[0] for file in examples} == {"tallystick.yaml", "systems", "syncs", "tables"}
    assert len(examples) == 11
