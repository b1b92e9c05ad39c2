"""This is where `cases:` and `guards:` of a sync get their shape: what may happen to records, and how much at once."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from connectors.definition import Facts
from daemon.config.models import Share, contradiction
from daemon.core.rules import Limit

NewCase: TypeAlias = Literal["create", "hold", "ignore"]
GoneCase: TypeAlias = Literal["hold", "ignore", "delete", "deactivate", "retire"]


def _never_deleted(help: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value == "delete":
            text = "what leaves the scope is never deleted"
            raise PydanticCustomError("not-allowed", "{text}", {"text": text, "help": help})
        return value

    return BeforeValidator(check)


_Left: TypeAlias = Literal["hold", "ignore", "deactivate", "retire"]
ScopeCase: TypeAlias = Annotated[_Left, _never_deleted("say when its time is over: `end: {when: ..., do: delete}`")]
ChildScopeCase: TypeAlias = Annotated[_Left, _never_deleted("write hold, ignore, deactivate or retire")]


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
    out_of_scope_left: ScopeCase = "retire"
    """Default: retire; the pair ends and both records stay. Never `delete`: whose time is over has `end`."""
    out_of_scope_right: ScopeCase = "retire"
    """Default: retire."""
    ambiguous: Literal["hold"] = "hold"
    """Several records match. Only `hold`: a guess would join two people."""
    recreated: Literal["hold", "relink", "new"] = "hold"
    """A record is gone, and a newcomer carries its match key. `relink`: it is the same under another id, and the pair
    goes on with what was agreed; `new`: somebody else, and each is treated for itself. Default: hold, for a person to
    say; what has several such newcomers, or a match key with `confirm: ask`, is held in any case but `new`."""
    merged: Literal["follow", "hold"] = "follow"
    """A record is gone, and its system tells into which one it was merged. `follow`: the pair goes on with that one, if
    it has no pair of its own; two pairs wait for a person. Across, nothing is deleted for it."""
    mapping_changed: Literal["hold", "left", "right"] = "hold"
    """After a change of a field's mapping both sides mean different things, though nobody edited them. `left`, `right`:
    whose value is taken, in a plan that waits for approval. Default: hold, as a conflict of each record; an `owner` is
    asked before."""


class ChildCasesConfig(Facts):
    """What happens to a child that has no partner, or lost it, while both of its parents are there."""

    new_left: NewCase | None = None
    """Default: create; ignore where nothing flows to the right."""
    new_right: NewCase | None = None
    """Default: create; ignore where nothing flows to the left."""
    gone_left: GoneCase | None = None
    """Default: delete, under the guard of deletes, because taking a part out of a record is an edit of it; hold where
    nothing flows to the right."""
    gone_right: GoneCase | None = None
    """Default: delete; hold where nothing flows to the left."""
    gone_and_changed: GoneCase = "hold"
    """One side took out what the other one edited. Default: hold."""
    out_of_scope_left: ChildScopeCase = "retire"
    """Default: retire; the pair ends and both records stay. Never `delete`."""
    out_of_scope_right: ChildScopeCase = "retire"
    """Default: retire."""
    ambiguous: Literal["hold"] = "hold"
    """Several children of one parent match. Only `hold`."""


class LimitConfig(Facts):
    """A limit on one kind of decision, written 5%, 200, or {share: 5%, count: 50, floor: 3}; the lower one counts."""

    share: Share | None = None
    """A part of the active pairs."""
    count: int | None = Field(default=None, ge=0)
    """So many in one run."""
    floor: int | None = Field(default=None, ge=0)
    """So many always pass. Default 3 beside a share, so that small syncs are not held by a percentage; else 0."""
    per_day: int | None = Field(default=None, ge=0)
    """So many in any 24 hours, over all runs, whatever the floor: a slow bleed. What a person approved does not count.
    Default: for `deletes` twice what passes in one run, else no such limit. Alone, it is also the limit of a run."""

    @model_validator(mode="after")
    def _limits_something(self) -> "LimitConfig":
        if self.share is None and self.count is None and self.per_day is None:
            text = "a floor alone holds nothing back" if self.floor is not None else "nothing is limited here"
            contradiction("floor", text, "add `share`, `count` or `per_day`; the defaults do not count beside it")
        return self

    def limit(self, *, runs: int = 0) -> Limit:
        """The limit as the engine uses it; in a day without `per_day` passes what passes in *runs* runs."""
        floor = (3 if self.share is not None else 0) if self.floor is None else self.floor
        return Limit(self.share, self.count, floor, self.per_day, runs)


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


def _change(value: Any) -> Any:
    if isinstance(value, str) and (found := _PERCENT.match(value)):
        return Decimal(found[1]) / 100
    raise PydanticCustomError("bad-value", "this is no percentage", {"help": "write it like 30%"})


_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%\Z")


Change: TypeAlias = Annotated[Decimal, BeforeValidator(_change)]
"""A part of a value, exact, and more than the whole if need be: 30%, 250%."""


class BoundConfig(Facts):
    """What one field may become, on either side, by a create or an update. What goes beyond waits for approval."""

    min: str | int | Decimal | None = None
    """The smallest value: a number, a date or a time, as the field's `type` reads it."""
    max: str | int | Decimal | None = None
    """The greatest value."""
    change: Change | None = None
    """By how much of its value before a number may change: 30%. From 0 every change is more; where nothing was, there
    is none."""
    empty: Literal["allow", "refuse"] = "allow"
    """Whether the field may become empty. Default: allow; `blanked` counts how often that happens."""

    @model_validator(mode="after")
    def _bounds_something(self) -> "BoundConfig":
        if self.min is None and self.max is None and self.change is None and self.empty == "allow":
            contradiction("min", "nothing is bounded here", "write min, max, change or `empty: refuse`")
        return self


def _moment(value: Any) -> Any:
    if isinstance(value, str) and _MOMENT.match(value):
        try:
            datetime.fromisoformat(value)
            return value
        except ValueError:
            pass  # said below, like any other text that is no day
    help = "write 2027-01-01, or 2027-01-01T06:00 in the sync's time zone"
    raise PydanticCustomError("bad-value", "this is neither a day nor a time", {"help": help})


_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?\Z")
Moment: TypeAlias = Annotated[str, BeforeValidator(_moment)]
"""A day or a time."""


class ExpectConfig(Facts):
    """A mass change that is announced: for its time these limits hold instead of the usual ones.

    Where two overlap, the first that names a limit counts. One that is over does no harm; `check` tells of it.
    """

    begins: Moment = Field(alias="from")
    """The first day, or a time with T. Without an offset it is one of the sync's time zone."""
    ends: Moment = Field(alias="to")
    """The last day, which is part of it; or the time at which it ends."""
    deletes: LimitText | None = None
    """Instead of `guards.deletes`; without a `per_day` of its own twice that in 24 hours, as there."""
    creates: LimitText | None = None
    """Instead of `guards.creates`."""
    updates: LimitText | None = None
    """Instead of `guards.updates`."""
    blanked: LimitText | None = None
    """Instead of `guards.blanked`."""
    shrink: Share | None = None
    """Instead of `guards.shrink`."""
    values: Mapping[str, BoundConfig] = {}
    """Instead of `guards.values`, for the fields named here."""
    reason: str = ""
    """Why, or the ticket: shown in plans, and kept in the audit log with every run that it applied to."""

    @model_validator(mode="after")
    def _announces_something(self) -> "ExpectConfig":
        if not (self.limits() or self.shrink is not None or self.values):
            contradiction("from", "no limit is announced here", "name the guards that change, such as `updates: 100%`")
        return self

    def limits(self) -> dict[str, LimitConfig]:
        """The limits on kinds that it names."""
        found = {kind: getattr(self, kind) for kind in ("deletes", "creates", "updates", "blanked")}
        return {kind: limit for kind, limit in found.items() if limit is not None}


class GuardsConfig(Facts):
    """Limits on the harm that one plan may do. Over the limit, decisions of that kind wait for approval."""

    deletes: LimitText | None = None
    """Deletes and deactivations. Default: 5% of the pairs, at most 25, and up to 3 always; twice that in any 24 hours,
    because a fault that deletes a little in every run passes every other limit."""
    creates: LimitText | None = None
    """New records. Default: 200 in one run."""
    updates: LimitText | None = None
    """Changed records. Default: 50%, and up to 10 always; a wrong time zone or a new mapping passes that at once."""
    blanked: LimitText | None = None
    """Fields that lose their value, per field. Default: 2%, and up to 3 always, because a lost permission looks like
    emptiness."""
    shrink: Share | None = None
    """A complete listing smaller by more than this than the last one writes nothing; one of up to 20 records only when
    nothing of it is left. Default: 10%."""
    values: Mapping[str, BoundConfig] = {}
    """Bounds of single values, by shared field: `{amount: {min: 0.01, change: 30%}}`. Only what goes beyond them waits.
    For fields of `type` integer, decimal, date or datetime; any field can have `empty: refuse`."""
    expect: tuple[ExpectConfig, ...] = ()
    """Announced mass changes."""
