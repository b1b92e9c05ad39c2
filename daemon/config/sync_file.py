"""This is where a file of syncs/ gets its shape: what a person writes about one agreement between two entities."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from connectors.definition import Duration, Facts
from daemon.config.models import NotYet, Share, Zone
from daemon.core.rules import Limit

_REGION = re.compile(r"[A-Z]{2}\Z")

Scalar: TypeAlias = str | int | Decimal | bool | None
Side: TypeAlias = Literal["left", "right"]
TypeName: TypeAlias = Literal[
    "string", "integer", "decimal", "boolean", "date", "datetime", "phone", "country", "email"
]  # fmt: skip


def _winner(value: Any) -> Any:
    if value in ("newest", "min", "max"):
        text = f"'{value}' is not built yet"
        raise PydanticCustomError("not-yet", "{text}", {"text": text, "help": "write left, right or ask"})
    return value


Winner: TypeAlias = Annotated[Literal["left", "right", "ask"], BeforeValidator(_winner)]


def _place(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class PlaceConfig(Facts):
    """One side of a field. Mostly just a text: the path or the expression."""

    path: str = Field(min_length=1)
    """A path (read and write), or a JMESPath expression (read only, unless `write` names a path)."""
    write: str | None = None
    """The path that an expression's value is written to."""
    format: str | None = None
    """How this side writes the value: strftime (%d.%m.%Y) for dates and times; alpha2, alpha3, numeric or name for
    countries; `text` writes any value as text. Default: as the type has it."""
    zone: Zone | None = None
    """Time zone of times that carry none."""


PlaceText: TypeAlias = Annotated[PlaceConfig, BeforeValidator(_place)]


class LookupConfig(Facts):
    """A translation by a table of tables/."""

    table: str
    """The table: tables/NAME.csv."""
    by: tuple[str, ...] = ()
    """Paths on the owner's side that make the key. Default: the field's own left value."""
    keys: tuple[str, ...] | None = None
    """The table's key columns. Default: those named like `by`, or the first column."""
    value: str | None = None
    """The table's value column. Default: the only column that is no key."""
    otherwise: Literal["hold", "null"] = Field(default="hold", alias="else")
    """What a key without a row gives. `hold` waits for a person, because a wrong value is worse than a late one."""
    many: NotYet = None
    """Several rows for one key."""


def _region(value: str) -> str:
    if not _REGION.match(value):
        text = f"'{value}' is not a country's code of two capital letters"
        raise PydanticCustomError("bad-value", "{text}", {"text": text, "help": "write it like DE (ISO 3166)"})
    return value


Region: TypeAlias = Annotated[str, AfterValidator(_region)]


class FieldConfig(Facts):
    """One shared field: where it lies on both sides, and who decides about it."""

    left: PlaceText | None = None
    """Where the left side shows it."""
    right: PlaceText | None = None
    """Where the right side shows it."""
    type: TypeName | None = None
    """What the value is, so that two spellings of it are one value; see Types. Default: compared as it stands."""
    region: Region | None = None
    """Country of telephone numbers without a prefix, such as DE. Only with `type: phone`."""
    values: Mapping[str, Scalar] | None = None
    """Left words and the right words they mean."""
    lookup: LookupConfig | None = None
    """A translation by a table."""
    normalise: tuple[str, ...] = ()
    """Shapes for comparing only: trim, casefold, squeeze, digits ...; what is written stays as it is."""
    owner: Side | None = None
    """The side that decides always; edits on the other side are reverted. Default: both may edit."""
    wins: Winner = "ask"
    """Who decides when both sides moved. `ask` holds the field until a person decides, so that no edit is lost."""
    first: Winner | None = None
    """Who decides at first contact. Default: `owner` or `wins`; an empty side is filled anyway."""
    once: bool = False
    """Written at birth only."""
    hold: Literal["field", "record"] = "field"
    """What a clash holds up: this field, or the whole record."""
    audit: Literal["value", "digest", "none"] | None = None
    """What the audit log keeps of the value. Default: `value`, so that every change can be told and undone."""
    secret: bool = False
    """The value is shown nowhere and not kept in the audit log."""
    fill: NotYet = None
    """Written only into emptiness."""
    generate: NotYet = None
    """A value made at birth: a login, a password."""
    ref: NotYet = None
    """A reference to a pair of a sync."""
    missing: NotYet = None
    """What a reference without a pair gives."""
    merge: NotYet = None
    """Lists compared by members."""
    order: NotYet = None
    """Ranked words for `wins: max`."""
    transform: NotYet = None
    """Named pairs of functions."""

    @model_validator(mode="after")
    def _agree(self) -> "FieldConfig":
        if self.secret and self.audit in ("value", "digest"):
            _refuse("audit", f"a secret field keeps nothing in the audit log, so not '{self.audit}'", "leave it out")
        if self.region and self.type != "phone":
            _refuse("region", "'region' belongs to `type: phone`", key=True)
        if self.owner and self.wins != "ask":
            _refuse(
                "wins", f"nothing clashes where {self.owner} owns the field", "leave out `owner` or `wins`", key=True
            )
        return self


def _alternative(value: Any) -> Any:
    if isinstance(value, str):
        return {"on": [value]}
    return {"on": value} if isinstance(value, list) else value


class MatchConfig(Facts):
    """One way to find the pair of a record that has none: all of `on` must agree."""

    on: Annotated[tuple[str, ...], Field(min_length=1)]
    """Shared fields. A record with an empty one never matches."""
    confirm: Literal["auto", "ask"] = "auto"
    """`ask` lets a person confirm each match."""


def _alternatives(value: Any) -> Any:
    if isinstance(value, list) and len(value) > 1 and all(isinstance(part, str) for part in value):
        names = ", ".join(value)
        text = "this list does not say whether all fields must agree or any"
        help = f"write [[{names}]] for all, [[{'], ['.join(value)}]] for any"
        raise PydanticCustomError("ambiguous", "{text}", {"text": text, "help": help})
    return value


class EndConfig(Facts):
    """One side of a sync: which records of which entity take part."""

    system: str
    """A file of systems/."""
    entity: str
    """An entity of that system."""
    where: Mapping[str, Scalar] = {}
    """Equality that the system itself applies. A record outside looks absent."""
    scope: str | None = Field(default=None, min_length=1)
    """An expression, decided here. A record outside is present and out of scope, never deleted for that."""


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


class CreateConfig(Facts):
    """Who may be born, and with which constants."""

    when: str | None = Field(default=None, min_length=1)
    """An expression, asked of the record that would be copied. Default: every record."""
    left: Mapping[str, Any] = {}
    """Paths and constants of a record created on the left."""
    right: Mapping[str, Any] = {}
    """Paths and constants of a record created on the right."""


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def _name(value: str) -> str:
    if not _NAME.match(value):
        text = f"'{value}' is no name for a field"
        raise PydanticCustomError("bad-name", "{text}", {"text": text, "help": "use letters, digits and _"})
    return value


FieldName: TypeAlias = Annotated[str, AfterValidator(_name)]


class SyncConfig(Facts):
    """A file of syncs/: the agreement between two entities."""

    version: Literal[1]
    """Version of the file's shape."""
    name: str
    """Equals the file's stem."""
    left: EndConfig
    """The entity on the left."""
    right: EndConfig
    """The entity on the right; nothing but the names tells the sides apart."""
    every: Annotated[Duration, Field(ge=1)] | None = None
    """Time between two runs. Default: `defaults.every` of tallystick.yaml."""
    cron: str | None = None
    """Times of the runs, as cron writes them."""
    manual: bool = False
    """Runs only when somebody asks."""
    timezone: Zone | None = None
    """Time zone of `cron` and `reconcile`. Default: `defaults.timezone`."""
    reconcile: str | None = None
    """Cron time of the full comparison. Default: `defaults.reconcile`."""
    direction: Literal["both", "left_to_right", "right_to_left"] = "both"
    """`left_to_right` makes every field `owner: left`."""
    match_on: Annotated[
        tuple[Annotated[MatchConfig, BeforeValidator(_alternative)], ...], BeforeValidator(_alternatives)
    ]
    """Alternatives, in order."""
    fields: Annotated[Mapping[FieldName, FieldConfig], Field(min_length=1)]
    """The shared fields."""
    groups: Mapping[FieldName, tuple[str, ...]] = {}
    """Fields that change hands together, such as street, zip and city."""
    create: CreateConfig = CreateConfig()
    """Who may be born, and with which constants. Default: every record, without constants."""
    cases: CasesConfig = CasesConfig()
    """What happens to a record that has no partner, or lost it."""
    guards: GuardsConfig = GuardsConfig()
    """Limits on the harm that one plan may do."""
    allow_duplicate_creates: bool = False
    """Creates even where an unknown create can be neither repeated safely nor found again. Default: refuse those."""
    collections: NotYet = None
    """Child records."""
    end: NotYet = None
    """Records that end by the calendar."""
    urgent: NotYet = None
    """Written first, held by no updates guard."""
    notify: NotYet = None
    """Whom to tell."""

    @model_validator(mode="after")
    def _agree(self) -> "SyncConfig":
        chosen = [key for key in ("every", "cron", "manual") if getattr(self, key)]
        if len(chosen) > 1:
            _refuse(chosen[1], f"'{chosen[1]}' and '{chosen[0]}' both say when to run", "keep one of them", key=True)
        return self


def _refuse(at: str, text: str, help: str | None = None, *, key: bool = False) -> None:
    raise PydanticCustomError("contradiction", "{text}", {"text": text, "at": at, "help": help, "key": key})
