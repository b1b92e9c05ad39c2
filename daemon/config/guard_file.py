"""This is where `cases:` and `guards:` of a sync get their shape: what may happen to records, and how much at once."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from connectors.definition import Facts
from daemon.config.models import NotYet, Share
from daemon.core.rules import Limit

NewCase: TypeAlias = Literal["create", "hold", "ignore"]
GoneCase: TypeAlias = Literal["hold", "ignore", "delete", "deactivate", "retire"]


class CasesConfig(Facts):
    """What happens to a record that has no partner, or lost it. `*_left` speaks of the record on the left."""

    new_left: NewCase | None = None
    """Default: create; ignore where nothing flows to the right."""
    new_right: NewCase | None = None
    """Default: create; ignore where nothing flows to the left."""
    gone_left: GoneCase = "hold"
    """Default: hold, because deleting is the one thing that cannot be taken back."""
    gone_right: GoneCase = "hold"
    """Default: hold, for the same reason."""
    gone_and_changed: GoneCase = "hold"
    """One side deleted what the other one edited. Default: hold."""
    out_of_scope_left: GoneCase = "retire"
    """Default: retire; the pair ends and both records stay."""
    out_of_scope_right: GoneCase = "retire"
    """Default: retire."""
    ambiguous: Literal["hold"] = "hold"
    """Several records match. Only `hold`: a guess would join two people."""
    recreated: NotYet = None
    """A deleted record comes back under another id."""
    merged: NotYet = None
    """The system joined two records."""
    mapping_changed: NotYet = None
    """A changed mapping makes two sides differ that agreed before."""


class LimitConfig(Facts):
    """A limit on one kind of decision, written 5%, 200, or {share: 5%, count: 50, floor: 3}; the lower one counts."""

    share: Share | None = None
    """A part of the active pairs."""
    count: int | None = Field(default=None, ge=0)
    """So many in one run."""
    floor: int | None = Field(default=None, ge=0)
    """So many always pass. Default 3 beside a share, so that small syncs are not held by a percentage; else 0."""
    per_day: NotYet = None
    """So many in any 24 hours."""

    @property
    def limit(self) -> Limit:
        """The limit as the engine uses it."""
        floor = (3 if self.share is not None else 0) if self.floor is None else self.floor
        return Limit(self.share, self.count, floor)


def _limit(value: Any) -> Any:
    match value:
        case Mapping() | LimitConfig():
            return value
        case str():
            return {"share": value}
        case int() if not isinstance(value, bool):
            return {"count": value}
    help = "write 5%, 200, or {share: 5%, count: 50, floor: 3}"
    raise PydanticCustomError("bad-value", "this is no limit", {"help": help})


LimitText: TypeAlias = Annotated[LimitConfig, BeforeValidator(_limit)]


class GuardsConfig(Facts):
    """Limits on the harm that one plan may do. Over the limit, decisions of that kind wait for approval."""

    deletes: LimitText | None = None
    """Deletes and deactivations. Default: 5% of the pairs, at most 25, and up to 3 always."""
    creates: LimitText | None = None
    """New records. Default: 200 in one run."""
    updates: LimitText | None = None
    """Changed records. Default: 50%, and up to 10 always; a wrong time zone or a new mapping passes that at once."""
    blanked: LimitText | None = None
    """Fields that lose their value, per field. Default: 2%, and up to 3 always, because a lost permission looks like
    emptiness."""
    shrink: Share | None = None
    """A complete listing smaller by more than this than the last one writes nothing. Default: 10%."""
    values: NotYet = None
    """Bounds of single values."""
    expect: NotYet = None
    """An announced mass change."""
