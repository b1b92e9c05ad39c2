"""This is where one line of `fields:` gets its shape: where a shared field lies, what it means, who decides."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from connectors.definition import Facts
from daemon.config.models import NotYet, Zone, contradiction

_REGION = re.compile(r"[A-Z]{2}\Z")

Scalar: TypeAlias = str | int | Decimal | bool | None
Side: TypeAlias = Literal["left", "right"]
TypeName: TypeAlias = Literal[
    "string", "integer", "decimal", "boolean", "date", "datetime", "phone", "country", "email"
]  # fmt: skip


Winner: TypeAlias = Literal["left", "right", "newest", "min", "max", "ask"]
_RANKED = ("integer", "decimal", "boolean", "date", "datetime")
"""Types whose values have a smaller and a greater one; texts get it by `order`."""


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
    """Time zone of times that carry none, and of those that are written by a `format`."""


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
    many: bool = False
    """Every row of a key gives a member, so that the value is a set. Needs `merge`."""


class GenerateConfig(Facts):
    """A value that is generated for a new record: `try` or `password`."""

    tries: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), alias="try")
    """Expressions over the shared fields, tried in order until one is free. One that asks for `n` is tried with 2, 3
    and so on up to `max`."""
    unique: Literal[True] | Annotated[tuple[str, ...], Field(min_length=1)] = True
    """Further paths of that side in which no record may hold the value, such as mail aliases. The field's own path
    counts always, and so does every name ever given there."""
    max: int = Field(default=20, ge=2, le=9999)
    """The last `n`. Default 20; who needs more had better ask for another name."""
    password: int | None = Field(default=None, ge=12, le=128)
    """Length of a random text with lower and upper case, digits and signs. Needs `secret: true`."""

    @model_validator(mode="after")
    def _agree(self) -> "GenerateConfig":
        if bool(self.tries) == (self.password is not None):
            contradiction(
                "password" if self.tries else "try", "`generate` has `try` or `password`", "write one of them"
            )
        if self.password is not None and self.model_fields_set & {"unique", "max"}:
            contradiction("password", "a password is random: it has neither `unique` nor `max`", "leave them out")
        return self


def _ref(value: Any) -> Any:
    return {"sync": value} if isinstance(value, str) else value


def _named(value: Any) -> Any:
    return {"right": value} if isinstance(value, str) else value


class NamedByConfig(Facts):
    """By which path of a record each side refers to it. Default: by its id."""

    left: str | None = Field(default=None, min_length=1)
    """On the left."""
    right: str | None = Field(default=None, min_length=1)
    """On the right."""


class RefConfig(Facts):
    """Whom the value refers to: a record that another sync pairs, or one that a system is asked for."""

    sync: str | None = None
    """The sync whose pairs know the record on both sides; the sync itself, too. The value is the record's id."""
    take: Annotated[NamedByConfig, BeforeValidator(_named)] | None = None
    """With `sync`: where a side refers by another path than the id, such as `distinguishedName` on the right, or
    `{left: number}`. A record is asked for it once in a run."""
    system: str | None = None
    """Instead of `sync`: the system of one side, which is asked for the record. Across, the value is what its records
    show at `by`; here it is their id."""
    entity: str | None = None
    """With `system`: the entity of those records."""
    by: str | None = Field(default=None, min_length=1)
    """With `system`: the path that they are looked up by. One that several records share holds the field."""

    @model_validator(mode="after")
    def _agree(self) -> "RefConfig":
        if self.sync is None and self.system is None:
            contradiction("sync", "a reference leads to a `sync` or to a `system`", "write `ref: {sync: NAME}`")
        apart = ("take",) if self.system else ("entity", "by")
        for key in ("sync", *apart) if self.system else apart:
            if getattr(self, key) is not None:
                text = f"'{key}' belongs to a reference to a {'sync' if self.system else 'system'}"
                contradiction(key, text, "leave it out", key=True)
        for key in ("entity", "by"):
            if self.system and getattr(self, key) is None:
                contradiction("system", f"a look-up in a system needs `{key}`", "write {system:, entity:, by:}")
        return self


def _missing(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("bad-value", "this is YAML's null", {"help": 'write "null" in quotes'})
    return value


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
    """Who decides when both sides moved. `ask` holds the field until a person decides, so that no edit is lost.
    `newest` goes by the records' times, `min` and `max` by the values; where those cannot tell, they ask."""
    first: Winner | None = None
    """Who decides at first contact. Default: `owner`, else an empty side is filled, else `wins`."""
    order: tuple[Scalar, ...] = ()
    """Words from the smallest to the greatest, as the right side means them; for `min` and `max`."""
    once: bool = False
    """Written at birth only."""
    hold: Literal["field", "record"] = "field"
    """What a clash holds up: this field, or the whole record."""
    audit: Literal["value", "digest", "none"] | None = None
    """What the audit log keeps of the value. Default: `value`, so that every change can be told and undone."""
    secret: bool = False
    """Shown nowhere, kept nowhere, never read back or compared. Needs `once: true`, because what is never compared can
    only be written at birth."""
    fill: bool = False
    """Written only into emptiness; where both sides have a value, each keeps its own."""
    unique: bool = False
    """No two records of a side may have the same value: a login, an e-mail address. When values change hands in one
    run, whoever takes one is written after whoever gives it up; in a circle one record is emptied for a moment."""
    generate: GenerateConfig | None = None
    """A name or password made at birth, on the one side that the field has. Needs `once: true`."""
    value: str | None = Field(default=None, min_length=1)
    """An expression over the shared fields, and the generated ones above, that makes the value at birth, on the one
    side that the field has. Needs `once: true`."""
    ref: Annotated[RefConfig, BeforeValidator(_ref)] | None = None
    """The value refers to a record; each side has its own name for it. `ref: people` is short for
    `ref: {sync: people}`."""
    missing: Annotated[Literal["hold", "null", "skip"], BeforeValidator(_missing)] = "hold"
    """What a reference to a record without a partner gives. `hold`: the field waits and the others flow; `"null"`:
    empty for now; `skip`: left alone. Each is made good once the partner exists."""
    merge: Literal["set", "add_only"] | None = None
    """The value is a list and is merged member by member, see Sets. `add_only` removes none. Default: a list is one
    value."""
    transform: NotYet = None
    """Named pairs of functions."""

    @model_validator(mode="after")
    def _agree(self) -> "FieldConfig":
        if self.secret and self.audit in ("value", "digest"):
            contradiction(
                "audit", f"a secret field keeps nothing in the audit log, so not '{self.audit}'", "leave it out"
            )
        if self.birth:
            self._agree_as_birth()
        if self.region and self.type != "phone":
            contradiction("region", "'region' belongs to `type: phone`", key=True)
        if self.ref is None and "missing" in self.model_fields_set:
            contradiction("missing", "'missing' belongs to `ref`", "leave it out", key=True)
        for key in ("values", "lookup", "normalise", "region"):
            if self.ref and getattr(self, key):
                contradiction(
                    key, f"a reference has no '{key}': its value is a record's name", "leave it out", key=True
                )
        if self.ref and self.type not in (None, "string", "integer"):
            contradiction("type", f"a reference is no {self.type}", "leave `type` out, or write integer")
        if self.owner and self.wins != "ask":
            contradiction(
                "wins", f"nothing clashes where {self.owner} owns the field", "leave out `owner` or `wins`", key=True
            )
        self._ranks()
        if self.merge:
            self._never_clashes()
        if self.fill:
            self._only_fills()
        return self

    @property
    def birth(self) -> bool:
        """Written with a new record, and never looked at again."""
        return self.generate is not None or self.value is not None or self.secret

    def _agree_as_birth(self) -> None:
        key = next((name for name in ("generate", "value") if getattr(self, name) is not None), "secret")
        if self.generate and self.value is not None:
            contradiction("value", "a field is made by `generate` or by `value`", "keep one of them", key=True)
        if not self.once:
            contradiction(key, f"a field with `{key}` is written at birth only", "add `once: true`", key=True)
        if key != "secret" and self.left and self.right:
            text = f"a field with `{key}` has one side, on which it is written"
            contradiction("left", text, "leave the other out, and read it by a field of its own", key=True)
        if key == "secret" and not (self.left and self.right):
            contradiction("secret", "a secret comes from the other side, `generate` or `value`", "add one", key=True)
        if self.generate and self.generate.password and not self.secret:
            contradiction("generate", "a password is secret", "add `secret: true`", key=True)
        for name in _COMPARED & self.model_fields_set:
            text = f"'{name}' speaks of comparing, and a field with `{key}` is never compared"
            contradiction(name, text, "leave it out", key=True)

    def _ranks(self) -> None:
        asked = [key for key in ("wins", "first") if getattr(self, key) in ("min", "max")]
        if self.order and not asked:
            contradiction("order", "nothing is ranked without `wins: min` or `wins: max`", "leave it out", key=True)
        if asked and self.type and not self.order and self.type not in _RANKED:
            text = f"of two values of `type: {self.type}` neither is the smaller one"
            contradiction(asked[0], text, "list the words in `order`, or choose a type with a rank")

    def _never_clashes(self) -> None:
        for key, idle in (("wins", "ask"), ("first", None), ("order", ()), ("fill", False)):
            if getattr(self, key) != idle:
                text = f"'{key}' decides between two values, and sets are merged member by member"
                contradiction(key, text, "leave out one of `merge` and this", key=True)
        if self.unique:
            text = "'unique' speaks of one value, and the members of sets are many"
            contradiction("unique", text, "leave out one of `merge` and this", key=True)

    def _only_fills(self) -> None:
        for key, idle in (("wins", "ask"), ("first", None), ("once", False)):
            if getattr(self, key) != idle:
                contradiction(
                    key, f"a field with `fill` knows no '{key}': it never overwrites", "leave it out", key=True
                )


_COMPARED = {"values", "lookup", "owner", "wins", "first", "hold", "fill", "ref", "missing", "merge", "order", "unique"}
"""Keys that mean nothing for a field that is written at birth and never looked at again."""
