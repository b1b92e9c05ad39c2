"""What a person is shown to type is what the shell takes it for."""

import shlex
from typing import Any

import pytest

from daemon.core.typed import typed


@pytest.mark.parametrize(
    ("left", "right", "key"),
    [
        ("L1", None, "L1"),
        ("L1", "R1", "L1"),
        (None, "R1", "R1"),
        ("Ada King", None, "'Ada King'"),
        ("it's", None, "'it'\"'\"'s'"),
        ("-1", "R1", "left:-1"),
        (None, "-1", "right:-1"),
        ("--all", None, "left:--all"),
        (None, None, "''"),
        ("", "R1", "''"),
    ],
)
def test_a_key_is_typed_as_it_is_shown(left: Any, right: Any, key: str) -> None:
    assert typed(left, right) == key
    assert len(shlex.split(typed(left, right))) == 1
