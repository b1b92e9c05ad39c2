"""This is where a database is opened, its tables looked at, and its errors sorted by what the caller does."""

import difflib
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, NoSuchTableError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import NullType

from connectors.base import ConnectorError, Permanent, Temporary
from connectors.sql.columns import DECODER, ENCODER, Codec, Shape, kind_of
from connectors.sql.facts import Entity, System

Meaning: TypeAlias = Literal["refused", "temporary", "permanent"]

_STATES: Mapping[str, Meaning] = {
    # SQLSTATE classes (PostgreSQL, appendix A): what is wrong with the record, with the moment, or with the set-up.
    **dict.fromkeys(("22", "23", "27", "44", "P0", "09"), "refused"),
    **dict.fromkeys(("08", "25", "40", "53", "55", "57", "58"), "temporary"),
}


def open_engine(system: System, password: str | None) -> sa.Engine:
    """An engine that has not connected yet."""
    if system.path is not None:
        return _sqlite(system)
    url = make_url(str(system.url)).set(username=system.user, password=password)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    patience: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql":
        seconds = max(2, int(system.timeout))
        patience = {"connect_timeout": seconds, "tcp_user_timeout": seconds * 1000, "application_name": "tallystick"}
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        connect_args=patience,
        json_serializer=lambda value: ENCODER.encode(value).decode(),
        json_deserializer=DECODER.decode,
        hide_parameters=True,
    )


def describe_source(engine: sa.Engine, place: str, facts: Entity) -> Shape:
    """The shape of an entity's table or query. Raises Permanent for what is not there, naming what is."""
    with engine.connect() as connection:
        shape = _queried(connection, place, facts) if facts.query else _reflected(connection, place, facts)
    off = [name for name in facts.deactivate or {} if not name.startswith("@")]
    named = [*facts.key, *facts.columns, *facts.touch, *facts.where, *facts.find, *off]
    named += [n for n in (facts.version, facts.marker) if n]
    named += [part.column for part in (facts.cursor, facts.soft_delete) if part]
    for name in named:
        shape.codec(name)
    return shape


def identity(connection: sa.Connection) -> tuple[str | None, str | None]:
    """Whose database this is, and which life of it.

    PostgreSQL: the cluster's number with the database's name, and the database's own number, which a dump that is
    restored does not keep. A recovery to a moment keeps both; a cursor that went back tells that.
    """
    match connection.dialect.name:
        case "postgresql":
            name, number = connection.execute(sa.text(_POSTGRESQL)).one()
            return f"{_cluster(connection)}{name}", str(number)
        case "sqlite":
            return None, None
    return connection.engine.url.database, None


_POSTGRESQL = "SELECT datname, oid FROM pg_database WHERE datname = current_database()"
_CLUSTER = "SELECT system_identifier FROM pg_control_system()"


def _cluster(connection: sa.Connection) -> str:
    """The cluster's number with a slash; empty where this login may not ask for it."""
    allowed = "SELECT has_function_privilege('pg_control_system()', 'execute')"
    if not connection.execute(sa.text(allowed)).scalar():
        return ""
    return f"{connection.execute(sa.text(_CLUSTER)).scalar()}/"


def meaning(error: BaseException) -> Meaning:
    """What an error of the database means for the caller."""
    if isinstance(error, OverflowError | sa.exc.IntegrityError | sa.exc.DataError):
        return "refused"
    original = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(original, "sqlstate", None)
    if state:
        return _STATES.get(state[:2], "permanent")
    text = str(original).lower()
    if isinstance(original, sqlite3.Error):
        return "temporary" if any(word in text for word in ("locked", "busy", "full")) else "permanent"
    fatal = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password", "certificate")
    return "permanent" if any(word in text for word in fatal) else "temporary"


def words(error: BaseException) -> str:
    """The database's own words, in one line."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(original).split())


def raised(error: BaseException, place: str) -> ConnectorError:
    """What a read raises for it."""
    return (Temporary if meaning(error) == "temporary" else Permanent)(f"{place}: {words(error)}")


def _sqlite(system: System) -> sa.Engine:
    address = f"file:{quote(str(system.path))}?mode=rw"

    def open_file() -> sqlite3.Connection:
        found = sqlite3.connect(
            address, uri=True, timeout=system.timeout, isolation_level=None, check_same_thread=False
        )
        found.execute("PRAGMA foreign_keys = ON")
        return found

    engine = sa.create_engine("sqlite://", creator=open_file, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # sqlite3 begins no transaction before a SELECT, so a listing would not be of one moment.
        writing = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _reflected(connection: sa.Connection, place: str, facts: Entity) -> Shape:
    schema, _, name = str(facts.table).rpartition(".")
    look = sa.inspect(connection)
    try:
        columns = look.get_columns(name, schema or None)
    except NoSuchTableError:
        known = [*look.get_table_names(schema or None), *look.get_view_names(schema or None)]
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known[:10]) or 'none'}"
        raise Permanent(f"{place}: no table '{facts.table}'; {hint}") from None
    plain = connection.dialect.name == "sqlite"
    table = sa.Table(
        name,
        sa.MetaData(),
        *(sa.Column(c["name"], NullType() if plain else c["type"]) for c in columns),
        schema=schema or None,
    )
    codecs = {c["name"]: Codec(c["name"], kind_of(c["type"]), plain) for c in columns}
    return Shape(place, table, codecs, facts.key)


def _queried(connection: sa.Connection, place: str, facts: Entity) -> Shape:
    probe: Callable[[str], Any] = sa.text
    result = connection.execute(sa.select(sa.text("*")).select_from(probe(f"({facts.query}) AS probe")).limit(0))
    names = list(result.keys())
    plain = connection.dialect.name == "sqlite"
    source = sa.text(str(facts.query)).columns(*(sa.Column(name, NullType()) for name in names)).subquery("records")
    return Shape(place, source, {name: Codec(name, "other", plain) for name in names}, facts.key)
