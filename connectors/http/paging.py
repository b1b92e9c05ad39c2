"""This is where the next page is found: one function for each style, and one watch that no style runs in circles.

A new style is a key of `PageRule` and its function in `_STYLES`. An enumeration ends where the system says so (no
cursor, no link, `more` false, `total` reached) or, without a word from it, at the first empty page: a short page proves
nothing, because servers cap page sizes silently.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import model_validator

from connectors.base import Permanent
from connectors.definition import Facts
from connectors.http.select import Expression, pick

_EMPTY_PAGES = 1000
"""So many empty pages in a row are believed; systems that filter behind their paging do send some."""

_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:\"[^\"]*\"|[^\s;,\"]+))*)")
_REL = re.compile(r"\brel\s*=\s*\"?([^\";,]+)\"?", re.I)


class PageRule(Facts):
    """How one page leads to the next. Exactly one of the styles is named."""

    number: str | None = None
    """Parameter that takes the page's number."""
    offset: str | None = None
    """Parameter that takes how many records to skip. SCIM's startIndex is this with `start: 1`."""
    cursor: Expression | None = None
    """Where the answer holds the cursor of the next page; `param` takes it."""
    link: Expression | None = None
    """Where the answer holds the URL of the next page."""
    link_header: str | None = None
    """Relation of the next page in the Link header (RFC 8288), usually `next`."""
    keyset: Expression | None = None
    """Field of the last record of a page, ordered by it; `param` takes its value."""

    param: str | None = None
    """Parameter for `cursor` and `keyset`."""
    place: Literal["query", "body"] = "query"
    """Where the parameter goes; `body` for searches by POST."""
    start: int | None = None
    """First page number (1 if not set) or first offset (0 if not set)."""
    total: Expression | None = None
    """Where the answer says how many records there are in all."""
    more: Expression | None = None
    """Where the answer says whether another page follows."""
    size: int | None = None
    """Records on a full page. Set it only where a short page is documented to be the last one."""

    @model_validator(mode="after")
    def _one_style(self) -> "PageRule":
        named = [name for name in _STYLES if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(f"page names exactly one of {', '.join(_STYLES)}; here: {', '.join(named) or 'none'}")
        if named[0] in ("cursor", "keyset") and self.param is None:
            raise ValueError(f"page: {named[0]} needs param, the parameter that takes it")
        return self


@dataclass(frozen=True, slots=True)
class Step:
    """What the next request adds: parameters in the query or the body, or a URL that replaces path and query."""

    params: Mapping[str, Any] = field(default_factory=dict)
    place: Literal["query", "body"] = "query"
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One page as it came: *records* are found already, *where* names system and place for errors."""

    where: str
    body: Any
    records: list[Any]
    headers: Mapping[str, str]
    resolve: Callable[[str], str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """A page with what is known of the enumeration: whether it is over, and whether it shrank while it was read."""

    answer: Answer
    last: bool
    shrunk: bool = False


def turn_pages(rule: PageRule | None, fetch: Callable[[Step], Answer]) -> Iterator[Turn]:
    """All pages. Raises Permanent when the pages go in circles or end before their total."""
    if rule is None:
        yield Turn(fetch(Step()), last=True)
        return
    watch = _Watch()
    step: Step | None = _first(rule)
    seen, total, shrunk = 0, 0, False
    while step is not None:
        answer = fetch(step)
        seen += len(answer.records)
        following = _follow(rule, answer, step, seen)
        watch.look(answer, following)
        now = _whole_number(rule.total, answer.body) if rule.total else None
        shrunk = shrunk or (now is not None and now < total)
        total = now if now is not None else total
        yield Turn(answer, last=following is None, shrunk=shrunk)
        step = following


def _first(rule: PageRule) -> Step:
    if rule.number is not None:
        return Step({rule.number: 1 if rule.start is None else rule.start}, rule.place)
    if rule.offset is not None:
        return Step({rule.offset: rule.start or 0}, rule.place)
    return Step(place=rule.place)


def _follow(rule: PageRule, answer: Answer, step: Step, seen: int) -> Step | None:
    style = next(name for name in _STYLES if getattr(rule, name) is not None)
    if rule.more is not None and not pick(rule.more, answer.body):
        return None
    if rule.more is not None and not answer.records and style in ("offset", "keyset"):
        raise Permanent(f"{answer.where}: an empty page that says another one follows")
    if rule.size is not None and len(answer.records) < rule.size:
        return None
    total = _whole_number(rule.total, answer.body) if rule.total else None
    if total is not None and style in ("number", "offset", "keyset"):
        if seen >= total:
            return None
        if not answer.records:
            raise Permanent(f"{answer.where}: the pages ended after {seen} of {total} records")
    return _STYLES[style](rule, answer, step, seen)


def _by_number(rule: PageRule, answer: Answer, step: Step, _seen: int) -> Step | None:
    assert rule.number
    if not answer.records and rule.more is None:
        return None
    return Step({rule.number: step.params[rule.number] + 1}, rule.place)


def _by_offset(rule: PageRule, answer: Answer, _step: Step, seen: int) -> Step | None:
    assert rule.offset
    if not answer.records:
        return None
    return Step({rule.offset: (rule.start or 0) + seen}, rule.place)


def _by_cursor(rule: PageRule, answer: Answer, _step: Step, _seen: int) -> Step | None:
    assert rule.cursor
    assert rule.param
    value = pick(rule.cursor, answer.body)
    if value is None or value == "":
        return None
    if isinstance(value, bool | list | dict):
        raise Permanent(f"{answer.where}: '{rule.cursor}' is not a cursor but a {type(value).__name__}")
    return Step({rule.param: value}, rule.place)


def _by_link(rule: PageRule, answer: Answer, _step: Step, _seen: int) -> Step | None:
    assert rule.link
    value = pick(rule.link, answer.body)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Permanent(f"{answer.where}: '{rule.link}' is not a link but a {type(value).__name__}")
    return Step(url=answer.resolve(value))


def _by_link_header(rule: PageRule, answer: Answer, _step: Step, _seen: int) -> Step | None:
    assert rule.link_header
    for target, attributes in _LINK.findall(answer.headers.get("link", "")):
        relations = _REL.search(attributes)
        if relations and rule.link_header.lower() in relations[1].lower().split():
            return Step(url=answer.resolve(target))
    return None


def _by_keyset(rule: PageRule, answer: Answer, _step: Step, _seen: int) -> Step | None:
    assert rule.keyset
    assert rule.param
    if not answer.records:
        return None
    value = pick(rule.keyset, answer.records[-1])
    if value is None:
        raise Permanent(f"{answer.where}: the last record of a page has no '{rule.keyset}' to read on from")
    return Step({rule.param: value}, rule.place)


_STYLES: dict[str, Callable[[PageRule, Answer, Step, int], Step | None]] = {
    "number": _by_number,
    "offset": _by_offset,
    "cursor": _by_cursor,
    "link": _by_link,
    "link_header": _by_link_header,
    "keyset": _by_keyset,
}


class _Watch:
    """Notices a step that was taken before, a page that came just before, and pages that stay empty for ever."""

    def __init__(self) -> None:
        self._steps: set[str] = set()
        self._page: list[Any] = []
        self._empty = 0

    def look(self, answer: Answer, following: Step | None) -> None:
        if answer.records and answer.records == self._page:
            raise Permanent(f"{answer.where}: the same page came twice; the paging parameter seems to be ignored")
        self._page = answer.records
        self._empty = 0 if answer.records else self._empty + 1
        if following is None:
            return
        step = repr((sorted(following.params.items()), following.url))
        if step in self._steps:
            raise Permanent(f"{answer.where}: the pages go in circles: the same next page was named twice")
        if self._empty > _EMPTY_PAGES:
            raise Permanent(f"{answer.where}: {self._empty} empty pages in a row, and still another one is promised")
        self._steps.add(step)


def _whole_number(expression: str, body: Any) -> int | None:
    value = pick(expression, body)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
