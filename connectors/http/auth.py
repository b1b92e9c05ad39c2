"""This is where a request is made to say who we are: one class for each kind of authentication.

A new kind is one more class here and its name in `Auth`. Values of secrets live in `Credentials` alone, which never
shows them and knows how to blank them out of any text.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias
from urllib.parse import quote, quote_plus

from pydantic import Field

from connectors.definition import Facts, Reveal, Secret

_SHORTEST_SECRET = 4
"""Blanking out shorter texts would blank out half of every message."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What goes along with every request. Neither repr nor an error shows it."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def hide(self, text: str) -> str:
        """*text* with every secret replaced, because servers like to repeat in an error what they were sent."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


class NoAuth(Facts):
    """The system asks for nothing."""

    kind: Literal["none"] = "none"
    """Says that nothing is sent."""

    def open(self, reveal: Reveal) -> Credentials:  # noqa: ARG002  # every kind has the same door
        """Nothing to send."""
        return Credentials()


class BasicAuth(Facts):
    """User and password, RFC 7617."""

    kind: Literal["basic"]
    """Chooses this."""
    user: str | Secret
    """The user's name; not a secret for most systems, an API key for some."""
    password: Secret | None = None
    """Left out where the user's name is the key and the password stays empty."""

    def open(self, reveal: Reveal) -> Credentials:
        """The Authorization header, in UTF-8."""
        user = self.user if isinstance(self.user, str) else reveal(self.user)
        password = reveal(self.password) if self.password else ""
        if ":" in user:
            raise ValueError("a user's name with a colon cannot be sent by basic authentication (RFC 7617)")
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        hidden = [password, pair] + ([] if isinstance(self.user, str) else [user])
        return Credentials({"Authorization": f"Basic {pair}"}, secrets=_spellings(hidden))


class BearerAuth(Facts):
    """A token in the Authorization header, RFC 6750."""

    kind: Literal["bearer"]
    """Chooses this."""
    token: Secret
    """The token itself, without the word Bearer."""

    def open(self, reveal: Reveal) -> Credentials:
        """The Authorization header."""
        token = _header_value(reveal(self.token))
        return Credentials({"Authorization": f"Bearer {token}"}, secrets=_spellings([token]))


class ApiKeyAuth(Facts):
    """A key in a header or in a query parameter of the system's own name."""

    kind: Literal["api_key"]
    """Chooses this."""
    key: Secret
    """The key itself."""
    header: str | None = None
    """The header that carries it; X-API-Key where neither this nor `query` is set."""
    query: str | None = None
    """The query parameter that carries it. A header is better: servers write queries into their logs."""
    prefix: str = ""
    """Text before the key in the header, such as `token `."""

    def open(self, reveal: Reveal) -> Credentials:
        """The header or the parameter."""
        key = reveal(self.key)
        if self.query is not None and self.header is None:
            return Credentials(params={self.query: key}, secrets=_spellings([key]))
        name = self.header or "X-API-Key"
        return Credentials({name: self.prefix + _header_value(key)}, secrets=_spellings([key]))


Auth: TypeAlias = Annotated[NoAuth | BasicAuth | BearerAuth | ApiKeyAuth, Field(discriminator="kind")]
"""How a system is told who we are; `kind` decides."""


def _header_value(secret: str) -> str:
    if not secret.isascii() or not secret.isprintable():
        raise ValueError(
            "a secret that goes into a header holds a line break or a letter outside ASCII; store it anew, in one line"
        )
    return secret


def _spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    long_enough = {s for s in secrets if len(s) >= _SHORTEST_SECRET}
    quoted = {how(s) for s in long_enough for how in (quote, quote_plus)}
    return tuple(sorted(long_enough | quoted, key=len, reverse=True))
