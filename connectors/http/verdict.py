"""This is where an answer's status is given a meaning, and the system's own words about it are found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.base import ConnectorError, CursorExpired, Permanent, Temporary
from connectors.http.budget import Ruling
from connectors.http.client import Response
from connectors.http.promises import ErrorRule, Kind
from connectors.http.select import pick

_LONGEST_MESSAGE = 300
_USUAL_PLACES = (
    "detail",  # SCIM, RFC 7644 3.12; RFC 9457
    "error.message.value",  # OData V2
    "error.message",  # OData V4, Google, Microsoft
    "message",
    "error_description",  # OAuth, RFC 6749 5.2
    "errors[].message",
    "[].message",  # Salesforce
    "errors[]",
    "error",
    "title",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means; None: it is an answer to work with."""

    kind: Kind | None
    response: Response
    message: str = ""
    retry_after: float | None = None

    @property
    def fine(self) -> bool:
        """Whether the request was granted."""
        return self.kind is None

    def __str__(self) -> str:
        """Place, status and the system's words: `crm POST /contacts: 422 email is invalid`."""
        return f"{self.response.where}: {self.response.status} {self.message}".rstrip()


@dataclass(frozen=True, slots=True)
class Judge:
    """Knows what the answers of one entity mean."""

    rules: tuple[ErrorRule, ...] = ()
    places: tuple[str, ...] = ()

    def kind(self, response: Response) -> Kind | None:
        """What *response* means by the definition's rules, else by custom."""
        concerned = [rule for rule in self.rules if rule.status in (None, response.status)]
        body = json_of(response) if any(rule.body for rule in concerned) else None
        for rule in concerned:
            if rule.body is None or pick(rule.body, body) is True:
                return rule.kind
        return _customary(response)

    def ruling(self, response: Response) -> Ruling:
        """The same in the budget's words."""
        match self.kind(response):
            case "rate":
                return "later"
            case "temporary":
                return "failing"
            case _:
                return "done"

    def words(self, response: Response, hide: Callable[[str], str]) -> str:
        """What the system says about it, on one line and short; its plain text where the usual places are empty.

        *hide* blanks out secrets, before the cut could leave half of one.
        """
        found = self.words_in(json_of(response), hide)
        if found:
            return found
        kind = response.headers.get("content-type", "")
        return _short(hide(response.body[:4000].decode("utf-8", "replace"))) if "html" not in kind else ""

    def words_in(self, body: Any, hide: Callable[[str], str]) -> str:
        """The same of a body, or of one result of a batch; empty where the usual places are."""
        found = (_short(hide(_as_text(pick(place, body)))) for place in (*self.places, *_USUAL_PLACES))
        return next((text for text in found if text), "")


def raise_for(verdict: Verdict) -> None:
    """Raises what a read makes of a verdict that is not fine."""
    if verdict.kind is not None:
        raise as_error(verdict)


def as_error(verdict: Verdict) -> ConnectorError:
    """The error of the wire that a read raises."""
    match verdict.kind:
        case "rate" | "temporary":
            return Temporary(str(verdict), retry_after=verdict.retry_after)
        case "auth":
            return Permanent(f"{verdict}: not let in; check auth: and the permissions of its user")
        case "cursor_expired":
            return CursorExpired(str(verdict))
        case _:
            return Permanent(str(verdict))


def _customary(response: Response) -> Kind | None:
    match response.status:
        case status if 200 <= status < 300:
            return None
        case 401 | 403 | 407 | 511:
            return "auth"
        case 404 | 410:
            return "gone"
        case 412:
            return "stale"
        case 429:
            return "rate"
        case 503 if "retry-after" in response.headers:
            return "rate"
        case 408 | 425:
            return "temporary"
        case status if status >= 500:
            return "temporary"
        case status if status >= 400:
            return "refused"
        case _:
            return "permanent"


def json_of(response: Response) -> Any:
    """The body, if it is JSON."""
    if not response.body or "json" not in response.headers.get("content-type", "json"):
        return None
    try:
        return response.json()
    except ConnectorError:
        return None


def _as_text(found: Any) -> str:
    if isinstance(found, str):
        return found
    if isinstance(found, Sequence) and all(isinstance(part, str) for part in found):
        return "; ".join(found)
    return ""


def _short(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
