"""This is where the folder of the keys is tried in places that are none."""

from pathlib import Path

import pytest

from daemon.audit.keys import create_keys
from daemon.errors import AuditError


def test_a_place_where_no_keys_can_be_kept_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(AuditError, match=r"is no folder; .* name another folder with audit\.keys"):
        create_keys(tmp_path / "file")
