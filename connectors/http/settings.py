"""This is where the settings of one installation that speaks HTTP are described: address, trust, limits, patience."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from connectors.definition import Duration, EnvRef, Facts, SystemFacts, unfit_address
from connectors.http.auth import Auth, NoAuth
from connectors.http.budget import BreakerRule, Limits, Retry
from connectors.http.client import Patience, base_of
from connectors.http.tls import Tls

_CREDENTIALS: Final = ("authorization", "proxy-authorization", "cookie")
"""Headers that say who we are: `auth` makes them from secrets."""


class Timeouts(Facts):
    """How long a request may take, each limit on its own."""

    connect: Duration = 5.0
    """For the connection and its TLS handshake."""
    read: Duration = 30.0
    """For each wait for more bytes."""
    total: Duration = 60.0
    """For the whole request, however steadily its bytes drip in."""

    def patience(self) -> Patience:
        """The same in the client's words."""
        return Patience(self.connect, self.read, self.total)


class System(SystemFacts):
    """One installation that speaks HTTP."""

    base_url: str | EnvRef
    """Where every path begins: https://crm.example.com/api. No password, no query."""
    auth: Auth = NoAuth()
    """How the system is told who we are."""
    limits: Limits = Limits()
    """What the system allows us."""
    breaker: BreakerRule = BreakerRule()
    """When the system is left alone."""
    retry: Retry = Retry()
    """How long one call may wait."""
    timeout: Timeouts = Timeouts()
    """How long one request may take."""
    tls: Tls = Tls()
    """How the server is trusted."""
    headers: Mapping[str, str] = {}
    """Headers of every request. Never credentials: they belong to `auth`."""
    query: Mapping[str, str] = {}
    """Query parameters of every request."""
    params: Mapping[str, Any] = {}
    """Values for {params.NAME} in the definition's paths, queries and bodies."""

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str | EnvRef) -> str | EnvRef:
        if isinstance(value, str):
            try:
                base_of(value)
            except ValueError as error:
                raise unfit_address(value, str(error), "write https://host/path") from None
        return value

    @field_validator("headers")
    @classmethod
    def _hold_no_credentials(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name in value:
            if name.lower() in _CREDENTIALS:
                help = "write auth: {kind: bearer, token: {secret: NAME}}, or another kind"
                raise PydanticCustomError(
                    "literal-secret", "a secret is never written here", {"help": help, "at": name}
                )
        return value
