"""This is where revisions of a mapping are compared."""

import pytest

from daemon.core.revisions import changed_parts, remapped, told_mapping


@pytest.mark.parametrize(
    ("before", "after", "parts", "told"),
    [
        ("a=1;a.left=1;b=1", "a=1;a.left=2;b=1;c=1", {"a.left", "c"}, "the mapping of a, c"),
        ("a=1;a.left=1", "a=2;a.left=2", {"a", "a.left"}, "the mapping of a"),
        ("a=1;b=1", "b=1", set(), "the mapping"),
        ("", "a=1", set(), "the mapping"),
        ("1", "a=1", set(), "the mapping"),
        ("z=1", "a=1;b=1;c=1;d=1;e=1", set("abcde"), "the mapping of a, b, c, d, e"),
        ("z=1", "a=1;b=1;c=1;d=1;e=1;f=1", set("abcdef"), "the mapping of a, b, c, d, e and 1 more"),
        ("z=1", "a=1;b=1;c=1;d=1;e=1;f=1;g=1", set("abcdefg"), "the mapping of a, b, c, d, e and 2 more"),
    ],
)
def test_a_mapping_tells_which_of_its_fields_changed(before: str, after: str, parts: set[str], told: str) -> None:
    assert remapped(before, after) == parts
    assert told_mapping(before, after) == told


def test_the_parts_of_a_fingerprint_have_names() -> None:
    assert changed_parts("match_on=1;direction=2", "match_on=1;direction=3") == ["direction"]
