"""This is where the worlds of the stories are closed, whatever became of them."""

from collections.abc import Iterator

import pytest

from tests.engine.world import OPEN


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    yield
    while OPEN:
        OPEN[-1].close()
