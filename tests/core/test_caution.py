"""A sync whose memory may be old asks instead of deciding."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from daemon.core.caution import cautious
from daemon.core.rules import Case, Cases, Guards
from tests.core.things import rule, sync

PLACES = ("gone_left", "gone_right", "gone_and_changed", "out_of_scope_left", "out_of_scope_right")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", [case for case in get_args(Case) if case != "create"])
def test_nobody_is_deleted_for_being_gone(place: str, case: Any) -> None:
    careful = cautious(sync(rule(), cases=Cases(**{place: case})))

    waits = "hold" if case in ("delete", "deactivate") else case
    assert careful.cases == Cases(**{place: waits}, recreated="hold", merged="hold")


@pytest.mark.parametrize("wins", ["left", "right", "newest", "min", "max", "ask"])
def test_every_clash_is_asked(wins: Any) -> None:
    (law,) = cautious(sync(rule(wins=wins))).rules

    assert (law.wins, law.first) == ("ask", "ask")


def test_nobody_takes_the_place_of_another() -> None:
    careful = cautious(sync(rule(), cases=Cases(recreated="relink", merged="follow", mapping_changed="left")))

    assert careful.cases == Cases(recreated="hold", merged="hold", mapping_changed="left")


def test_what_was_said_of_first_contact_stays_and_an_owner_needs_nobody() -> None:
    said, owned = cautious(sync(rule("f", first="left"), rule("g", owner="right"))).rules

    assert (said.wins, said.first) == ("ask", "left")
    assert (owned.wins, owned.first, owned.owner) == ("ask", None, "right")


def test_nothing_else_is_touched() -> None:
    cases = Cases(new_left="ignore", new_right="hold")
    law = sync(rule("f"), rule("g"), cases=cases, guards=Guards(shrink=0.5), rev="r")

    careful = cautious(law)

    assert (careful.cases, careful.guards, careful.rev, careful.name) == (
        replace(cases, merged="hold"),
        law.guards,
        "r",
        "s",
    )
    assert [one.name for one in careful.rules] == ["f", "g"]
