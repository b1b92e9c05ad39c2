"""This is where the settings of one installation that speaks HTTP are described: address, trust, limits, patience."""

from collections.abc import Mapping
from typing import Any

from connectors.definition import Duration, EnvRef, Facts, SystemFacts
from connectors.http.auth import Auth, NoAuth
from connectors.http.budget import BreakerRule, Limits, Retry
from connectors.http.client import Patience
from connectors.http.tls import Tls


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
