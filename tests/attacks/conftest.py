"""What every attack begins with: a CRM that may turn hostile, and an installation in step with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks import house
from tests.attacks.hostile import Hostile, hostile
from tests.attacks.house import House


@pytest.fixture
def crm() -> Iterator[Hostile]:
    with hostile() as server:
        yield server


@pytest.fixture
def victim(tmp_path: Path, crm: Hostile) -> House:
    """Adopted, in step, and quiet."""
    made = House(tmp_path / "c", crm=house.CRM % crm.url)
    made.adopt()
    return made
