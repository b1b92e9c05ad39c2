"""What a sync says of itself: which places it reads, which fields each side takes, where a partner is looked for."""

from typing import Any

import pytest

from daemon.core.births import compile_birth
from daemon.core.mapping import Place, compile_rule
from daemon.core.rules import Asked, End, Ending, Naming, Ref, Sync, other
from tests.core.things import rule, sync


def asked(side: Any, *paths: str) -> Asked:
    return Asked(side, lambda fields, at: True, paths)


def full_sync() -> Sync:
    one_way = compile_rule("name", left=Place("join_present(' ', [first, last])"), right=Place("display"), owner="left")
    copied = compile_birth("nick", known=(), left=Place("nick"), right=Place("alias"))
    made = compile_birth("uid", known=("f",), right=Place("uid"), value="f")
    return sync(
        rule("f"), one_way, births=(copied, made),
        left=End("hr", "person", scope_paths=("kind", "f")), right=End("crm", "contact", scope_paths=("type",)),
        create_paths=("approved",), ending=Ending(asked("left", "end", "kind"), "delete"), urgent=asked("right", "vip"),
    )  # fmt: skip


def test_every_place_that_decides_is_read_once() -> None:
    law = full_sync()

    assert law.wanted("left") == ("f", "first", "last", "nick", "kind", "approved", "end")
    assert law.wanted("right") == ("f", "display", "alias", "type", "approved", "vip")
    assert law.asked("left") == ("approved", "end", "kind")
    assert law.asked("right") == ("approved", "vip")
    assert sync(rule("f")).wanted("left") == ("f",)


def test_each_side_takes_what_has_a_path_there() -> None:
    law = full_sync()

    assert [one.name for one in law.writable("left")] == ["f"]
    assert [one.name for one in law.writable("right")] == ["f", "name"]


def test_a_mapping_has_a_mark_of_four_bytes() -> None:
    marks = {sync(rev=rev).mark for rev in ("", "f=1", "f=2")}

    assert {len(mark) for mark in marks} == {4}
    assert len(marks) == 3
    assert sync(rev="f=1").mark == sync(rule("f"), rev="f=1").mark


def test_births_are_found_by_name_like_every_field() -> None:
    law = full_sync()

    assert [law.rule(name).name for name in ("f", "name", "nick", "uid")] == ["f", "name", "nick", "uid"]
    with pytest.raises(KeyError):
        law.rule("approved")


def test_the_ends_of_a_sync_are_not_mistaken() -> None:
    law = full_sync()

    assert (law.end("left").entity, law.end("right").entity) == ("person", "contact")
    assert (other("left"), other("right")) == ("right", "left")


def test_a_lens_is_of_its_side() -> None:
    (law,) = (one for one in full_sync().rules if one.name == "name")

    left, right = law.lens("left"), law.lens("right")
    assert left and right and (left.text, right.text) == ("join_present(' ', [first, last])", "display")  # noqa: PT018


def test_a_partner_is_looked_for_in_a_sync_or_in_a_system() -> None:
    assert Ref("people").where == "people"
    assert Ref(by=Naming("unit", "code")).where == "unit.code"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [(1, 1, True), (1, 2, False), (1, 1.0, True), (True, 1, False), (0, False, False), (True, True, True),
     ("1", 1, False), (None, None, True), (None, "", False), ([1], [1], True)],
)  # fmt: skip
def test_two_values_are_the_same_by_value_and_kind(left: Any, right: Any, same: bool) -> None:
    assert rule().same(left, right) is same
    assert rule().same(right, left) is same
