"""Stories of members of lists: how a selected one is cleared, and how a missing value in it is seen."""

from typing import Any

import pytest

from connectors import paths
from connectors.http.records import Wanted

WORK = paths.parse("phones[type=work].value")


@pytest.mark.parametrize(
    ("members", "left"),
    [
        ([{"type": "work", "value": "1"}, {"type": "home", "value": "2"}], [{"type": "home", "value": "2"}]),
        ([{"type": "work", "value": "1", "ext": None}], []),
        ([{"type": "work", "value": "1", "ext": "7"}], [{"type": "work", "value": None, "ext": "7"}]),
    ],
)
def test_a_member_that_is_left_with_nothing_goes(members: list[Any], left: list[Any]) -> None:
    record = {"phones": members}

    partial = paths.patch(record, {WORK: None})

    assert partial == {"phones": left}
    assert paths.read(partial, WORK) is None
    assert record["phones"][0]["value"] == "1"


def test_a_whole_member_that_is_cleared_goes_too() -> None:
    assert paths.patch({"phones": [{"type": "work"}]}, {paths.parse("phones[type=work]"): None}) == {"phones": []}


def test_a_member_without_its_value_is_empty_and_not_unknown() -> None:
    raw = {"phones": [{"type": "work"}, {"type": "home", "value": "2"}]}

    shown = Wanted(["phones[type=work].value"]).of(raw, omitted=True)

    assert paths.read(shown, WORK) is None
    assert paths.read(shown, paths.parse("phones[type=home].value")) == "2"
    assert raw == {"phones": [{"type": "work"}, {"type": "home", "value": "2"}]}
