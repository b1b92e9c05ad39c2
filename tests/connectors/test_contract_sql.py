"""This is where the SQL driver passes the contract on SQLite and PostgreSQL, and shows what it does with odd tables."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connectors.base import Fields
from connectors.drivers.sql import Entity, SqlDriver, System, connect
from tests.connectors.contract import DriverContract, Subject
from tests.systems.postgres import Postgres
from tests.systems.slapd import free_port

TABLE = """
CREATE TABLE contact (
    id text PRIMARY KEY, name text NOT NULL, email text UNIQUE, phone text, big {big}, amount {decimal},
    born date, seen timestamp, active boolean, rev integer DEFAULT 1
);
"""
CONTACT: dict[str, Any] = {
    "table": "contact",
    "key": "id",
    "version": "rev",
    "touch": ["rev"],
    "columns": ["id", "name", "email", "phone", "big", "amount"],
    "cursor": {"column": "rev", "kind": "number", "lag": "0s"},
    "marker": "phone",
}
OPENED: list[SqlDriver] = []


@pytest.fixture(autouse=True)
def close_what_was_opened() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def driver(secret: str = Postgres.password, entities: dict[str, Any] | None = None, **system: Any) -> SqlDriver:
    facts = System.model_validate({"name": "db", "version": 1, "connector": "sql", "page": 3, **system})
    shapes = {name: Entity.model_validate(e) for name, e in (entities or {"contact": CONTACT}).items()}
    made = connect(facts, shapes, check=None, reveal=lambda ref: secret)
    OPENED.append(made)
    return made


def contact(n: int) -> Fields:
    return {"id": f"c{n:03}", "name": f"Person {n}", "email": f"p{n}@corp.example"}


def sqlite_file(folder: Path, script: str = TABLE.format(big="text", decimal="decimal(12,2)")) -> Path:
    path = folder / "test.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def sqlite_driver(folder: Path, script: str | None = None, **how: Any) -> SqlDriver:
    return driver(path=sqlite_file(folder, script) if script else sqlite_file(folder), **how)


class TestSqliteContract(DriverContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        unwell = {
            "unable to open": driver(path=tmp_path / "nowhere.db"),
            "not a database": driver(path=Path(__file__)),
        }
        return Subject(
            sqlite_driver(tmp_path), "contact", contact, "name", "email", "phone", "big", "amount",
            refused={"id": "bad", "email": "x"}, unwell=unwell,
        )  # fmt: skip


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def execute(server: Postgres, *statements: str) -> None:
    with psycopg.connect(server.url, user=server.user, password=server.password, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def pg_driver(server: Postgres, **how: Any) -> SqlDriver:
    return driver(**{"url": server.url, "user": server.user, "password": {"secret": "pg"}, **how})  # type: ignore[arg-type]  # settings


@pytest.fixture
def pg_subject(postgres: Postgres) -> Subject:
    execute(postgres, "DROP TABLE IF EXISTS contact", TABLE.format(big="numeric", decimal="numeric(12,2)"))
    dead = f"postgresql://127.0.0.1:{free_port()}/postgres"
    unwell = {
        "authentication failed": pg_driver(postgres, user="stranger"),
        "refused": pg_driver(postgres, url=dead),
        "does not exist": pg_driver(postgres, url=postgres.url.replace("/postgres", "/nowhere")),
    }
    return Subject(
        pg_driver(postgres), "contact", contact, "name", "email", "phone", "big", "amount",
        refused={"id": "bad", "email": "x"}, unwell=unwell,
    )  # fmt: skip


class TestPostgresContract(DriverContract):
    @pytest.fixture
    def subject(self, pg_subject: Subject) -> Subject:
        return pg_subject
