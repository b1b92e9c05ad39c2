"""This is where the settings of databases and their tables are described."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from connectors.definition import Duration, Facts, LocalPath, Secret, SystemFacts, unfit_address


class System(SystemFacts):
    """One database."""

    url: str | None = None
    """postgresql://host:5432/database, without a password. Other databases by SQLAlchemy's names, untested."""
    path: LocalPath | None = None
    """An SQLite file instead of a url. It has to exist: an empty one is never made in its place."""
    user: str | None = None
    """The login's name."""
    password: Secret | None = None
    """Its password."""
    timeout: Duration = 30.0
    """Seconds for a connection, and for a lock that somebody else holds on an SQLite file."""
    page: int = Field(default=1000, ge=1)
    """Records per page."""

    @model_validator(mode="after")
    def _one_address(self) -> "System":
        if (self.url is None) == (self.path is None):
            raise ValueError("a database has either a url or, for SQLite, a path")
        return self

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):  # the port is no number
            raise unfit_address(value, "this is not a database url", "write postgresql://host:5432/database") from None
        if url.password is not None or any("password" in name for name in url.query):
            help = "write `password: {secret: NAME}` beside it"
            raise PydanticCustomError("literal-secret", "a password is never written here", {"help": help})
        if url.get_backend_name() == "sqlite":
            raise ValueError("an SQLite file is named by `path`")
        if url.drivername != "postgresql":
            _is_spoken(url)
        return value


def _is_spoken(url: URL) -> None:
    """Raises ValueError for a database that this installation has no package for."""
    try:
        url.get_dialect().import_dbapi()
    except NoSuchModuleError:
        raise ValueError(f"SQLAlchemy knows no '{url.drivername}'; write postgresql://host:5432/database") from None
    except ImportError as error:
        text = f"for {url.drivername} the Python package '{error.name}' is missing; install it beside Tallystick"
        raise ValueError(text) from None


class CursorFacts(Facts):
    """By which column a changed record is noticed. A record whose column is null is seen by full reads only."""

    column: str
    """updated_at, a row version, a sequence."""
    kind: Literal["time", "number"] = "time"
    """A moment of the database's clock, or a counter that only rises. A sequence rises before the commit, so that what
    is committed late waits for the full comparison; docs/connectors.md shows a view that is exact."""
    tiebreak: str | None = None
    """Orders records of one moment. Default: the key."""
    lag: Duration = 60.0
    """Seconds of the recent past not trusted yet: longer than the longest transaction that writes here."""
    overlap: Duration = 0.0
    """Seconds read again."""


class SoftDelete(Facts):
    """How a deleted record looks where rows stay."""

    column: str
    """deleted_at, is_deleted."""
    value: str | int | bool | None = None
    """The value that means deleted. Default: any that is not null; we then write the database's clock."""


class Relation(Facts):
    """A link table: a row for each of whom a record is related to."""

    table: str
    """The table, `schema.table` where it is not in the default schema."""
    own: tuple[str, ...] = Field(min_length=1)
    """Its columns that hold the record's key, in the key's order."""
    other: str
    """Its column that holds the member's key; shown as text, like any id."""
    where: Mapping[str, str | int | bool | None] = {}
    """Which of its rows count; equality. New rows get these values."""

    @field_validator("own", mode="before")
    @classmethod
    def _one_key(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Entity(Facts):
    """One table, or the answer of one query (which is then read-only)."""

    table: str | None = None
    """A table or view, `schema.table` where it is not in the default schema."""
    query: str | None = None
    """A SELECT whose columns are the fields."""
    key: tuple[str, ...] = Field(min_length=1)
    """The columns that tell records apart. Several make the id a JSON array."""
    columns: tuple[str, ...] = ()
    """The columns that are fields. Default: all."""
    cursor: CursorFacts | None = None
    """How changes are noticed. Default: only full reads."""
    version: str | None = None
    """A column that changes with every write. Without it the old values are compared."""
    times_trusted: bool = False
    """`version` is a time with its zone that the database itself sets, so that `wins: newest` may go by it."""
    touch: tuple[str, ...] = ()
    """Columns that a write of ours moves on because no trigger does: numbers count up, times take the clock."""
    soft_delete: SoftDelete | None = None
    """Rows stay and are only marked. Default: they are deleted."""
    where: Mapping[str, str | int | bool | None] = {}
    """Which rows are records at all; equality."""
    find: tuple[str, ...] = ()
    """Columns by which a record can be looked up quickly. Default: all."""
    marker: str | None = None
    """The column that takes our marker at birth."""
    deactivate: Mapping[str, Any] | None = None
    """What a deactivated record looks like: {active: false}. `"@roles": []` takes its roles away, too."""
    relations: Mapping[str, Relation] = {}
    """Link tables, by the name that a field calls them: `"@roles"` for roles."""

    @field_validator("key", mode="before")
    @classmethod
    def _one_key(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> "Entity":
        if (self.table is None) == (self.query is None):
            raise ValueError("an entity has either a table or a query")
        if self.times_trusted and self.version is None:
            raise ValueError("times_trusted speaks of the version: name its column with `version`")
        return self

    @model_validator(mode="after")
    def _related(self) -> "Entity":
        for name, relation in self.relations.items():
            if len(relation.own) != len(self.key):
                raise ValueError(f"relations.{name}: `own` has {len(relation.own)} columns, the key {len(self.key)}")
        for name in self.deactivate or {}:
            if name.startswith("@") and name[1:] not in self.relations:
                known = ", ".join(f"@{known}" for known in self.relations) or "none"
                raise ValueError(f"deactivate: there is no relation '{name}'; known: {known}")
        return self
