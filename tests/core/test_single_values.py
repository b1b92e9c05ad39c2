"""The story of a list where one value belongs, such as an LDAP attribute of several values mapped to one."""

from typing import Any

import pytest

from daemon.core.types import TYPES, typed


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("value", [["ada@corp.example"], ["+49 30 1234567"], [], ("x",), {"value": "1"}])
def test_a_list_is_never_taken_for_the_text_of_its_brackets(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match="is not a single value"):
        typed(name).parse(value)
