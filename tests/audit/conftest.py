"""This is where the tests of the audit room get their keys."""

from pathlib import Path

import pytest

from daemon.audit.keys import Keys, create_keys
from tests.audit.logs import Clock


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return create_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"
