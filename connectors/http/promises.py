"""This is where a definition says what no request tells: what the answers of its system mean, and what it promises."""

from typing import Literal, TypeAlias

from pydantic import Field

from connectors.definition import Duration, Facts
from connectors.http.select import Expression

Kind: TypeAlias = Literal["rate", "temporary", "auth", "refused", "stale", "gone", "cursor_expired", "permanent"]
"""What an answer means.

rate: not looked at, try later. temporary: a fault of the system. auth: not let in. refused: not this record.
stale: changed meanwhile. gone: no such record. cursor_expired: read everything. permanent: never like this.
"""


class ErrorRule(Facts):
    """What an answer of this system means, where it does not follow the custom. The first that fits decides."""

    status: int | None = None
    """The status, or any."""
    body: Expression | None = None
    """True for the body, or any."""
    kind: Kind = Field(alias="class")
    """What it means."""


class CapabilityFacts(Facts):
    """What the author of a definition knows better than the driver can tell; see connectors/base.py."""

    precondition: bool | None = None
    """A write is refused when the record changed meanwhile."""
    idempotent_create: bool | None = None
    """A create that is repeated with the same key makes no second record."""
    tombstones: bool | None = None
    """Deletions are told, not only noticed by absence."""
    consistency_window: Duration | None = None
    """How long a listing may show what was before a write."""
    processing_window: Duration | None = None
    """How long a request whose answer was lost may still take effect; it is looked into after that."""
    times_trusted: bool | None = None
    """The version is a time with its zone, of the system's own clock, and no user can set it: `wins: newest` may go
    by it. `version` then names its path."""
