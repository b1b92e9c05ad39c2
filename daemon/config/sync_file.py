"""This is where a file of syncs/ gets its shape: what a person writes about one agreement between two entities."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from connectors.definition import Duration, Facts
from daemon.config.field_file import FieldConfig, Scalar, Side
from daemon.config.guard_file import CasesConfig, ChildCasesConfig, GuardsConfig
from daemon.config.models import NotYet, Zone, contradiction


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
    if value == []:  # every record would be created across, beside the one that it means
        help = "name fields that tell who is who: [[email]]"
        raise PydanticCustomError("bad-value", "nobody would find a partner", {"help": help})
    return value


MatchOn: TypeAlias = Annotated[
    tuple[Annotated[MatchConfig, BeforeValidator(_alternative)], ...], BeforeValidator(_alternatives)
]


class CanaryConfig(Facts):
    """A record that must be there, or nothing is written: another system, or one of which our login sees too little."""

    id: str = Field(min_length=1)
    """Its id. It never takes part itself."""
    fields: Mapping[str, Scalar] = {}
    """Values that it must show, by path. Default: it is enough that it is there."""


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
    canary: CanaryConfig | None = None
    """A record that proves, before every run, that this is the right system and that we see it. Default: none."""


class CreateConfig(Facts):
    """Who may be born, and with which constants."""

    when: str | None = Field(default=None, min_length=1)
    """An expression, asked of the record that would be copied. Default: every record."""
    left: Mapping[str, Any] = {}
    """Paths and constants of a record created on the left."""
    right: Mapping[str, Any] = {}
    """Paths and constants of a record created on the right."""


class EndingConfig(Facts):
    """When a record's time is over. The pair ends, and opens again once the expression is false again."""

    when: str = Field(min_length=1)
    """An expression, such as `end && end < today(-90)`. One that asks for the day is asked again every day."""
    do: Literal["deactivate", "delete", "retire"]
    """What becomes of the partner, under the guard of deletes. `retire` leaves it as it is."""
    side: Side | None = None
    """Whose record is asked; the other one is dealt with. Default: left; right where everything goes right to left."""


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def _name(value: str) -> str:
    if not _NAME.match(value):
        text = f"'{value}' is no name for a field"
        raise PydanticCustomError("bad-name", "{text}", {"text": text, "help": "use letters, digits and _"})
    return value


FieldName: TypeAlias = Annotated[str, AfterValidator(_name)]


def _list(value: Any) -> Any:
    return {"at": value} if isinstance(value, str) else value


class ChildEndConfig(Facts):
    """Where one side keeps the children: in a list of the parent's record, or as records of an entity of their own."""

    at: str | None = Field(default=None, min_length=1)
    """Path of the list in the parent's record. `left: phones` is short for `left: {at: phones}`."""
    id: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """With `at`: paths in a member by which it is known among its siblings, and which never change. Default: those of
    the first alternative of `match_on`."""
    entity: str | None = None
    """Instead of `at`: the entity of the same system."""
    parent: str | None = Field(default=None, min_length=1)
    """With `entity`: the path at which its records show the id of their parent."""
    where: Mapping[str, Scalar] = {}
    """With `entity`: equality that the system itself applies. A list is read with its parents and their `where`."""
    scope: str | None = Field(default=None, min_length=1)
    """An expression about a child, decided here. One outside is out of scope, never deleted for that."""

    @model_validator(mode="after")
    def _agree(self) -> "ChildEndConfig":
        if (self.at is None) == (self.entity is None):
            key = "at" if self.entity else "entity"
            contradiction(key, "children lie `at` a list of their parent, or are an `entity`", "write one of the two")
        if self.entity and self.parent is None:
            contradiction("entity", "an entity of children says whose they are", "write `parent: PATH`", key=True)
        for name in ("parent", "where") if self.at else ("id",):
            if name in self.model_fields_set:
                text = f"'{name}' belongs to `{'entity' if self.at else 'at'}`"
                contradiction(name, text, "leave it out", key=True)
        return self


Direction: TypeAlias = Literal["both", "left_to_right", "right_to_left"]


class CollectionConfig(Facts):
    """Child records, each with its own identity inside the pair of its parents. They run with their parents."""

    left: Annotated[ChildEndConfig, BeforeValidator(_list)]
    """Where the left side keeps them."""
    right: Annotated[ChildEndConfig, BeforeValidator(_list)]
    """Where the right side keeps them."""
    direction: Direction | None = None
    """Default: that of the sync."""
    match_on: MatchOn
    """Alternatives, in order. A child only ever matches a child of its parent's partner."""
    fields: Annotated[Mapping[FieldName, FieldConfig], Field(min_length=1)]
    """The shared fields. Paths begin at the child."""
    groups: Mapping[FieldName, tuple[str, ...]] = {}
    """Fields that change hands together."""
    create: CreateConfig = CreateConfig()
    """Which children may be born, and with which constants. Default: every one, without constants."""
    cases: ChildCasesConfig = ChildCasesConfig()
    """What happens to a child that has no partner, or lost it."""
    guards: GuardsConfig = GuardsConfig()
    """Limits on the harm that one plan may do to these children; shares are of their pairs. Defaults: as for a sync."""
    allow_duplicate_creates: bool = False
    """Creates even where an unknown create can be neither repeated safely nor found again. Default: refuse those."""


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
    """Time zone of `cron` and `reconcile`, of `today()` and of announced changes. Default: `defaults.timezone`."""
    reconcile: str | None = None
    """Cron time of the full comparison. Default: `defaults.reconcile`."""
    direction: Direction = "both"
    """`left_to_right` makes every field `owner: left`."""
    match_on: MatchOn
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
    collections: Mapping[FieldName, CollectionConfig] = {}
    """Child records by name, such as the phones of a person."""
    end: EndingConfig | None = None
    """Records whose time is over, and what becomes of their partners. Default: none by itself."""
    urgent: str | None = Field(default=None, min_length=1)
    """An expression, asked like `end`. What is done for such a record is written first, and held by no updates guard,
    though it counts there; the guards for deletes and creates hold it like any other."""
    notify: NotYet = None
    """Whom to tell."""

    @model_validator(mode="after")
    def _agree(self) -> "SyncConfig":
        chosen = [key for key in ("every", "cron", "manual") if getattr(self, key)]
        if len(chosen) > 1:
            contradiction(
                chosen[1], f"'{chosen[1]}' and '{chosen[0]}' both say when to run", "keep one of them", key=True
            )
        return self
