"""This is where every way of turning pages is walked to its end, and every circle is noticed."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Permanent
from connectors.http.client import BadAnswer
from connectors.http.paging import Answer, PageRule, Step, Turn, turn_pages

PEOPLE = [{"id": n} for n in range(1, 8)]


def walk(rule: dict[str, Any], serve: Callable[[Step], Any], headers: Callable[[Step], dict[str, str]] | None = None):
    def fetch(step: Step) -> Answer:
        body = serve(step)
        return Answer(
            "crm GET /people", body, body["items"], headers(step) if headers else {}, lambda link: "u:" + link
        )

    return list(turn_pages(PageRule.model_validate(rule), fetch))


def ids(turns: list[Turn]) -> list[int]:
    return [record["id"] for turn in turns for record in turn.answer.records]


def cut(start: int, size: int = 3) -> dict[str, Any]:
    return {"items": PEOPLE[start : start + size], "total": len(PEOPLE), "more": start + size < len(PEOPLE)}


def led(start: int) -> dict[str, Any]:
    more = start + 3 < len(PEOPLE)
    return cut(start) | {"next": start + 3 if more else None, "link": str(start + 3) if more else ""}


STYLES: dict[str, tuple[dict[str, Any], Callable[[Step], Any], int]] = {
    "number until an empty page": ({"number": "page"}, lambda s: cut((s.params["page"] - 1) * 3), 4),
    "number from zero while more": (
        {"number": "page", "start": 0, "more": "more"},
        lambda s: cut(s.params["page"] * 3),
        3,
    ),
    "offset until an empty page": ({"offset": "skip"}, lambda s: cut(s.params["skip"]), 4),
    "offset until the total": ({"offset": "skip", "total": "total"}, lambda s: cut(s.params["skip"]), 3),
    "offset until a short page": ({"offset": "skip", "size": 3}, lambda s: cut(s.params["skip"]), 3),
    "SCIM startIndex": (
        {"offset": "startIndex", "start": 1, "total": "total"},
        lambda s: cut(s.params["startIndex"] - 1),
        3,
    ),
    "cursor in the body": ({"cursor": "next", "param": "after"}, lambda s: led(s.params.get("after", 0)), 3),
    "link in the body": ({"link": "link"}, lambda s: led(int((s.url or "u:0")[2:])), 3),
    "keyset": ({"keyset": "id", "param": "above"}, lambda s: cut(s.params.get("above", 0)), 4),
}


@pytest.mark.parametrize("style", STYLES)
def test_every_record_comes_once_and_only_the_last_page_is_last(style: str) -> None:
    rule, serve, count = STYLES[style]

    turns = walk(rule, serve)

    assert ids(turns) == [1, 2, 3, 4, 5, 6, 7]
    assert [turn.last for turn in turns] == [False] * (count - 1) + [True]


def test_the_link_header_is_followed_by_its_relation() -> None:
    def headers(step: Step) -> dict[str, str]:
        at = int((step.url or "u:0")[2:])
        following = f'<{at + 3}>; title="a, b"; rel="last next"' if at < 6 else ""
        return {"link": f'<0>; rel="first", {following}'.rstrip(", ")}

    turns = walk({"link_header": "next"}, lambda s: cut(int((s.url or "u:0")[2:])), headers)

    assert ids(turns) == [1, 2, 3, 4, 5, 6, 7]


def test_a_server_that_caps_its_pages_silently_loses_nothing() -> None:
    turns = walk({"offset": "skip"}, lambda s: cut(s.params["skip"], size=2))

    assert ids(turns) == [1, 2, 3, 4, 5, 6, 7]


CIRCLES: dict[str, tuple[dict[str, Any], Callable[[Step], Any], str]] = {
    "the same cursor": (
        {"cursor": "next", "param": "after"},
        lambda s: {"items": PEOPLE[:2] if not s.params else PEOPLE[2:4], "next": "x"},
        "circles",
    ),
    "two cursors in turns": (
        {"cursor": "next", "param": "after"},
        lambda s: {"items": [{"id": str(s.params)}], "next": "b" if s.params.get("after") == "a" else "a"},
        "circles",
    ),
    "an ignored page number": ({"number": "page"}, lambda _: cut(0), "same page came twice"),
    "an ignored offset": ({"offset": "skip", "total": "total"}, lambda _: cut(0), "same page came twice"),
    "a link to itself": ({"link": "next"}, lambda s: {"items": [{"id": s.url}], "next": "p"}, "circles"),
    "empty pages without end": (
        {"cursor": "next", "param": "n"},
        lambda s: {"items": [], "next": s.params.get("n", 0) + 1},
        "empty pages in a row",
    ),
    "a key that does not move": ({"keyset": "id", "param": "above"}, lambda _: cut(0), "same page came twice"),
}


@pytest.mark.parametrize("circle", CIRCLES)
def test_pages_in_circles_are_an_error_and_no_endless_run(circle: str) -> None:
    rule, serve, words = CIRCLES[circle]

    with pytest.raises(Permanent, match=words):
        walk(rule, serve)


def test_pages_that_end_before_their_total_are_never_a_short_listing() -> None:
    with pytest.raises(Permanent, match="ended after 3 of 7"):
        walk(
            {"offset": "skip", "total": "total"}, lambda s: cut(0) if s.params["skip"] == 0 else {**cut(9), "total": 7}
        )


def test_an_empty_page_that_promises_more_is_an_error() -> None:
    with pytest.raises(Permanent, match="says another one follows"):
        walk({"offset": "skip", "more": "more"}, lambda _: {"items": [], "more": True})


def test_a_total_that_shrinks_is_told() -> None:
    turns = walk(
        {"offset": "skip", "total": "total"}, lambda s: {**cut(s.params["skip"]), "total": 7 if s.params["skip"] else 8}
    )

    assert [turn.shrunk for turn in turns] == [False, True, True]


def test_a_link_elsewhere_stops_the_read() -> None:
    def resolve(link: str) -> str:
        raise BadAnswer(link)

    rule = PageRule.model_validate({"link": "next"})
    with pytest.raises(BadAnswer):
        list(turn_pages(rule, lambda _: Answer("crm", {"next": "//evil"}, [], {}, resolve)))


@pytest.mark.parametrize("rule", [{}, {"number": "p", "offset": "o"}, {"cursor": "next"}, {"cursor": "a b ["}])
def test_a_rule_that_says_too_little_or_too_much_is_a_load_error(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PageRule.model_validate(rule)
