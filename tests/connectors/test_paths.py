"""The path grammar: what is a path, what it reads, and that writing changes one place alone."""

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.paths import ABSENT, Key, PathError, Selector, parse, patch, quote, read, reader

RECORD = {
    "name": "Ada", "nil": None, "text": "x", "odd name": {"x.y": 1}, "deep": {"er": {"est": {"of": 5}}},
    "emails": [{"kind": "home", "value": "h"}, {"kind": "work", "value": "w", "primary": True}, "stray"],
    "marks": [{"n": 1, "v": "one"}, {"n": True, "v": "yes"}, {"n": "1", "v": "text"}, {"n": None, "v": "null"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("name", "Ada"), ("nothing", ABSENT), ("nil", None), ("nil.inner", None), ("text.inner", ABSENT),
        ("deep.er.est.of", 5), ("deep.er.est", {"of": 5}), ("deep.er", {"est": {"of": 5}}), ("deep.none.est", ABSENT),
        ('"odd name"."x.y"', 1), ("'odd name'.'x.y'", 1), ("emails[kind=work].value", "w"),
        ('emails[kind="work"].value', "w"),
        ("emails[primary=true].value", "w"), ('emails[primary="true"].value', None), ("emails[kind=other].value", None),
        ("emails[kind=work]", {"kind": "work", "value": "w", "primary": True}), ("name[kind=work].value", ABSENT),
        ("nil[kind=work].value", None), ("nothing[kind=work]", ABSENT), ("marks[n=1].v", "one"),
        ("marks[n=true].v", "yes"),
        ('marks[n="1"].v', "text"), ("marks[n=null].v", "null"),
    ],
)  # fmt: skip
def test_a_path_reads(text: str, value: Any) -> None:
    path = parse(text)

    assert read(RECORD, path) == value
    assert reader(path)(RECORD) == value
    assert (read(RECORD, path) is ABSENT) == (value is ABSENT)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", 0), (".a", 0), ("a.", 2), ("a..b", 2), ("a b", 1), ("1a", 0), ("emails[0]", 6), ("emails[]", 6),
        ("a[b=c", 1),
        ("a[b]", 1), ('"open', 0), ('""', 0), ("a['b'=c]", 1), ("upper(a)", 5), ("a || b", 1), ("a[b=]", 1), ("@", 0),
        ("@a.b", 2), ("@a[b=c]", 2), ("a.@b", 2), ("@1", 0),
    ],
)  # fmt: skip
def test_what_is_no_path_is_refused_at_its_column(text: str, at: int) -> None:
    with pytest.raises(PathError) as fault:
        parse(text)

    assert fault.value.position == at


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a[b=1]", 1),
        ("a[b=1.50]", Decimal("1.50")),
        ("a[b=-3]", -3),
        ("a[b=007]", "007"),
        ("a[b='x y']", "x y"),
        ("a[b=1e3]", "1e3"),
    ],
)
def test_a_selector_means_what_it_looks_like(text: str, value: Any) -> None:
    selector = parse(text).segments[1]

    assert isinstance(selector, Selector)
    assert selector.value == value
    assert type(selector.value) is type(value)


def test_a_relation_is_named_alone_and_read_like_a_key() -> None:
    record = {"@groups": ["a"], "name": "Ada"}

    assert parse("@groups").relation == parse('"@groups"').relation == "groups"
    assert read(record, parse("@groups")) == reader(parse("@groups"))(record) == ["a"]
    assert [parse(text).relation for text in ("name", "a.b", '"@"', "emails[kind=work]", 'a."@groups"')] == [None] * 5
    assert quote("@groups") == '"@groups"'  # a name of any system's own is no relation's


@given(st.text(min_size=1))
def test_any_name_can_be_quoted_and_is_read_back(name: str) -> None:
    assert parse(quote(name)).segments == (Key(name),)
    assert parse(f"a.{quote(name)}.b").segments == (Key("a"), Key(name), Key("b"))


NAMES = st.sampled_from(["a", "b", "c", "odd name"])
values = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
records = st.dictionaries(NAMES, values | st.dictionaries(NAMES, values | st.dictionaries(NAMES, values)))
paths = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: parse(".".join(quote(name) for name in names)))


def merged(old: Any, new: Any) -> Any:
    """What a system makes of a partial object that keeps its siblings."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}


def leaves(value: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(value, dict) or not value:
        return {at: value}
    return {path: leaf for key, inner in value.items() for path, leaf in leaves(inner, (*at, key)).items()}


@given(records, paths, values)
def test_what_is_patched_is_read_back_and_nothing_else_changes(record: dict[str, Any], path: Any, value: Any) -> None:
    before = copy.deepcopy(record)

    after = merged(record, patch(record, {path: value}))

    assert record == before
    assert read(after, path) == value
    names = path.plain
    others = {at: leaf for at, leaf in leaves(before).items() if at != names[: len(at)] and at[: len(names)] != names}
    assert others.items() <= leaves(after).items()


@given(records, paths, values)
def test_a_whole_patch_holds_every_sibling(record: dict[str, Any], path: Any, value: Any) -> None:
    after = {**record, **patch(record, {path: value}, whole=True)}

    assert after == merged(record, patch(record, {path: value}))


MEMBERS = st.lists(
    st.fixed_dictionaries({"kind": st.sampled_from(["home", "work", "fax"])}, optional={"value": values})
)


@given(MEMBERS, st.sampled_from(["home", "work", "fax"]), st.text(max_size=3))
def test_a_selector_writes_its_member_and_leaves_the_others(members: Any, kind: str, value: str) -> None:
    record = {"emails": members}
    path = parse(f"emails[kind={kind}].value")

    after = patch(record, {path: value})

    assert read(after, path) == value
    at = next((n for n, member in enumerate(members) if member["kind"] == kind), len(members))
    assert after["emails"][:at] + after["emails"][at + 1 :] == members[:at] + members[at + 1 :]
    assert record == {"emails": members}


def test_clearing_a_member_that_is_not_there_adds_none() -> None:
    assert patch({"emails": []}, {parse("emails[kind=work].value"): None}) == {"emails": []}


def test_two_values_of_one_object_and_one_list_come_together() -> None:
    found = patch(
        {"emails": [{"kind": "home", "value": "h"}]},
        {
            parse("a.b"): 1,
            parse("a.c"): 2,
            parse("emails[kind=work].value"): "w",
            parse("emails[kind=home].value"): "x",
        },
    )

    assert found == {"a": {"b": 1, "c": 2}, "emails": [{"kind": "home", "value": "x"}, {"kind": "work", "value": "w"}]}


def test_absence_is_one_thing_everywhere() -> None:
    assert copy.deepcopy(ABSENT) is copy.copy(ABSENT) is pickle.loads(pickle.dumps(ABSENT)) is ABSENT
    assert not ABSENT
    assert repr(ABSENT) == "ABSENT"
