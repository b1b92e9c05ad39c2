"""This is where a request of a definition is made: template filled in, sent within the budget, its answer judged."""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.base import Lost, NotSent, Outcome, Permanent, Refused
from connectors.http.asking import Ask
from connectors.http.budget import Budget
from connectors.http.client import (
    AnswerLost,
    BadAnswer,
    HttpClient,
    NotReached,
    Response,
    Untrusted,
    check_header,
    encode_json,
)
from connectors.http.paging import Step
from connectors.http.templates import Unfit, as_params, as_text, fill, fill_path
from connectors.http.verdict import Judge, Verdict

_FIRST = Step()


class Requester:
    """Makes the requests of one system for all its entities. May be used by several threads."""

    def __init__(self, client: HttpClient, budget: Budget, params: Mapping[str, Any]) -> None:
        self.client = client
        self._budget = budget
        self._params = params

    @property
    def system(self) -> str:
        """The system's name."""
        return self.client.system

    def ask(
        self,
        ask: Ask,
        judge: Judge,
        values: Mapping[str, Any],
        *,
        repeatable: bool,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        step: Step = _FIRST,
    ) -> Verdict:
        """What the system makes of one request. Raises the client's errors, and Unfit for values that do not fit in.

        *query* and *headers* are added to the definition's own, *step* is the page that is wanted.
        """
        known = {**values, "params": self._params}
        sent_headers = {name: _header(name, fill(text, known)) for name, text in ask.headers.items()}
        sent_headers |= {name: _header(name, value) for name, value in (headers or {}).items()}
        target = step.url or fill_path(ask.path, known)
        pages = step.params if step.place == "query" else {}
        params = [] if step.url else as_params({**fill(ask.query, known), **(query or {}), **pages})
        body = self._body(ask, known, step)

        def send() -> Response:
            return self.client.send(ask.method, target, params=params, headers=sent_headers, body=body)

        response = self._budget.call(send, repeatable=repeatable, rule=judge.ruling)
        return self._verdict(judge, response)

    def _body(self, ask: Ask, values: Mapping[str, Any], step: Step) -> bytes | None:
        added = step.params if step.place == "body" else {}
        if ask.body is None and not added:
            return None
        body = fill(ask.body if ask.body is not None else {}, values)
        try:
            return encode_json({**body, **added} if added else body)
        except ValueError as e:
            raise Unfit(str(e)) from None

    def _verdict(self, judge: Judge, response: Response) -> Verdict:
        kind = judge.kind(response)
        if kind is None:
            return Verdict(None, response)
        return Verdict(
            kind, response, judge.words(response, self.client.credentials.hide), self._budget.retry_after(response)
        )


def sent_or_not(send: Callable[[], Verdict]) -> Verdict | Outcome:
    """The verdict on a write that was answered, or the outcome of one that was not."""
    try:
        return send()
    except NotReached as e:
        return NotSent(str(e), e.retry_after)
    except Untrusted as e:
        return NotSent(str(e), permanent=True)
    except (AnswerLost, BadAnswer) as e:
        return Lost(str(e))
    except Permanent as e:
        return Refused(str(e))


def for_read(requester: Requester, entity: str, error: ValueError) -> Permanent:
    """What a read raises for values that do not fit into its request."""
    return Permanent(f"{requester.system} {entity}: {error}")


def _header(name: str, value: Any) -> str:
    text = as_text(value)
    try:
        check_header(name, text)
    except ValueError as e:
        raise Unfit(str(e)) from None
    return text
