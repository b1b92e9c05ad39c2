"""This is where the shape of one request is fixed: a verb, a path, and what goes along."""

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from connectors.definition import Facts
from connectors.http.select import Expression

_VERBS = ("get", "post", "put", "patch", "delete")


class Ask(Facts):
    """One request: a verb with its path, and what goes along. {name} is filled in; in a path it is quoted."""

    get: str | None = None
    """The path, asked for by GET. Each request has exactly one of the five verbs."""
    post: str | None = None
    """The path, for POST."""
    put: str | None = None
    """The path, for PUT."""
    patch: str | None = None
    """The path, for PATCH."""
    delete: str | None = None
    """The path, for DELETE."""
    query: Mapping[str, Any] = {}
    """Parameters. One whose value is null or an unset placeholder is left out."""
    headers: Mapping[str, str] = {}
    """Headers of this request."""
    body: Any = None
    """JSON to send. A text that is one placeholder keeps the type of what is filled in."""

    @model_validator(mode="after")
    def _one_verb(self) -> "Ask":
        named = [verb for verb in _VERBS if getattr(self, verb) is not None]
        if len(named) != 1:
            raise ValueError(f"a request has exactly one of {', '.join(_VERBS)}; here: {', '.join(named) or 'none'}")
        return self

    @property
    def method(self) -> str:
        """The verb, as HTTP writes it."""
        return next(verb for verb in _VERBS if getattr(self, verb) is not None).upper()

    @property
    def path(self) -> str:
        """The path template."""
        text: str = getattr(self, self.method.lower())
        return text


class Checking(Ask):
    """A cheap request that proves reachability and credentials, and may tell whose system answers."""

    tenant: Expression | None = None
    """Where the answer names the tenant: an account, an organisation. Another one stops every sync before it writes."""
    epoch: Expression | None = None
    """Where the answer says which life of the data this is, if the system tells after a restore."""
