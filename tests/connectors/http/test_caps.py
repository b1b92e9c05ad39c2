"""This is where a search shows no more than so many records, as some CRMs' do, and still nothing is left out."""

from typing import Any

import httpx
import pytest

from connectors.base import Permanent
from connectors.drivers.http import Entity
from tests.connectors.http.connected import mocked, person

SHOWN = 4
"""Records that one search of the server shows, on pages of two."""

SEARCH = {
    "get": "/people", "records": "items", "page": {"cursor": "next", "param": "page"}, "cap": SHOWN,
    "cursor": {"field": "rev", "kind": "number", "param": "since"},
}  # fmt: skip
BEYOND = {
    "get": "/people", "query": {"since": "{since}", "after": "{after}"}, "records": "items",
    "page": {"cursor": "next", "param": "page"},
}  # fmt: skip


class Search:
    """Sorted by rev and id, inclusive; with `after`, strictly behind that record."""

    def __init__(self, *revs: int, ordered: bool = True) -> None:
        self.records = [{"id": f"p{n:02}", "rev": rev} for n, rev in enumerate(revs)]
        self.ordered = ordered
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        query = dict(request.url.params)
        since, after, page = int(query["since"]), query.get("after"), int(query.get("page", 0))
        found = [r for r in self.records if r["rev"] > since or (r["rev"] == since and r["id"] > (after or ""))]  # type: ignore[operator]
        found = sorted(found, key=lambda r: (r["rev"], r["id"])) if self.ordered else found
        shown = found[:SHOWN][2 * page : 2 * page + 2]
        more = page + 1 if len(found[:SHOWN]) > 2 * page + 2 else None
        return httpx.Response(200, json={"items": shown, "next": more})


def changes(search: Search, **more: Any) -> list[str]:
    driver = mocked(search, person(read__changed=SEARCH | more, read__deleted=None))
    pages = list(driver.read("person", cursor="1"))
    assert not any(page.complete for page in pages)
    return [record.id for page in pages for record in page.records]


@pytest.mark.parametrize("more", [{}, {"beyond": BEYOND}], ids=["from the last cursor", "behind the last record"])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 9, 23])
def test_every_change_is_seen_however_many_there_are(count: int, more: dict[str, Any]) -> None:
    search = Search(*(n + 1 for n in range(count)))

    assert sorted(set(changes(search, **more))) == [f"p{n:02}" for n in range(count)]


def test_more_records_of_one_moment_than_a_search_shows_are_read_behind_each_other() -> None:
    search = Search(1, 2, *[3] * 11, 4, 5)

    assert changes(search, beyond=BEYOND) == [f"p{n:02}" for n in range(15)]
    with pytest.raises(Permanent, match=r"person: more than 4 records have the rev 3, .* say in .* what is `beyond`"):
        changes(search)


def test_a_capped_search_that_is_not_sorted_is_refused() -> None:
    with pytest.raises(Permanent, match=r"crm person: read\.changed has a cap and is not sorted by rev"):
        changes(Search(9, 8, 7, 6, 5, 4, ordered=False))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"get": "/p", "cursor": SEARCH["cursor"], "beyond": BEYOND}, "add `cap`"),
        ({"get": "/p", "cursor": {"kind": "token", "token": "t"}, "cap": 5}, "a token is not a value of records"),
    ],
)
def test_what_cannot_be_read_on_is_no_definition(changed: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Entity.model_validate(person(read__changed=changed))
