"""This is where each test of an example finds its stage."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.examples.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[[str], Stage]]:
    """Lays out an example by its name."""
    with ExitStack() as stack:

        def laid_out(name: str) -> Stage:
            found = Stage(name, tmp_path)
            stack.callback(found.close)
            return found

        yield laid_out
