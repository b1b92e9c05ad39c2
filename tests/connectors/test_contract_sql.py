"""This is where the SQL driver passes the contract on SQLite and PostgreSQL, and shows what it does with odd tables."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from connectors.base import Done, Fields, Gone, Lost, NotSent, Permanent, Record, Refused, Stale, Write
from connectors.drivers.sql import Entity, SqlDriver, System, connect
from tests.connectors.contract import BIG, DriverContract, Subject, fill, listing, write
from tests.systems.postgres import Postgres
from tests.systems.slapd import free_port

TABLE = """
CREATE TABLE contact (
    id text PRIMARY KEY, name text NOT NULL, email text UNIQUE, phone text, big {big}, amount {decimal},
    born date, seen timestamp, active boolean, rev integer DEFAULT 1
);
CREATE TABLE role (id integer PRIMARY KEY);
INSERT INTO role VALUES (7), (12), (30);
CREATE TABLE contact_role (
    contact_id text REFERENCES contact, role_id integer REFERENCES role, kind text, UNIQUE (contact_id, role_id)
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
    "relations": {"roles": {"table": "contact_role", "own": "contact_id", "other": "role_id"}},
}
RELATED: dict[str, Any] = {"relation": "@roles", "members": ("12", "30", "7"), "refused_member": "99"}
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


HOLDING = "SELECT role.id, count(contact_id) FROM role LEFT JOIN contact_role ON role_id = role.id GROUP BY role.id"


def lite_holding(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "test.db")) as connection:
        return {str(role): count for role, count in connection.execute(HOLDING)}


def pg_holding(server: Postgres) -> dict[str, int]:
    with psycopg.connect(server.url, user=server.user, password=server.password) as connection:
        return {str(role): count for role, count in connection.execute(HOLDING.encode())}


class TestSqliteContract(DriverContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        unwell = {
            "no file": driver(path=tmp_path / "nowhere.db"),
            "not a database": driver(path=Path(__file__)),
        }
        return Subject(
            sqlite_driver(tmp_path), "contact", contact, "name", "email", "phone", "big", "amount",
            refused={"id": "bad", "email": "x"}, unwell=unwell, holding=lambda: lite_holding(tmp_path), **RELATED,
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
    execute(
        postgres,
        "DROP TABLE IF EXISTS contact_role, role, contact",
        TABLE.format(big="numeric", decimal="numeric(12,2)"),
    )
    dead = f"postgresql://127.0.0.1:{free_port()}/postgres"
    unwell = {
        "authentication failed": pg_driver(postgres, user="stranger"),
        "refused": pg_driver(postgres, url=dead),
        "does not exist": pg_driver(postgres, url=postgres.url.replace("/postgres", "/nowhere")),
    }
    return Subject(
        pg_driver(postgres), "contact", contact, "name", "email", "phone", "big", "amount",
        refused={"id": "bad", "email": "x"}, unwell=unwell, holding=lambda: pg_holding(postgres), **RELATED,
    )  # fmt: skip


class TestPostgresContract(DriverContract):
    @pytest.fixture
    def subject(self, pg_subject: Subject) -> Subject:
        return pg_subject


SWALLOWING = """
CREATE OR REPLACE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RETURN CASE WHEN NEW.name = 'bad' THEN NULL ELSE NEW END; END $$
"""


@pytest.mark.parametrize("names", [["good", "bad", "best"], ["bad"]])
def test_a_row_that_a_trigger_swallows_is_refused_and_its_neighbours_are_born(
    postgres: Postgres, names: list[str]
) -> None:
    execute(
        postgres, "DROP TABLE IF EXISTS guarded", "CREATE TABLE guarded (id SERIAL PRIMARY KEY, name text)", SWALLOWING,
        "CREATE TRIGGER swallows BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION swallow()",
    )  # fmt: skip
    made = pg_driver(postgres, entities={"guarded": {"table": "guarded", "key": ["id"]}})

    outcomes = list(made.write("guarded", [Write("create", fields={"name": name}) for name in names], fields=["name"]))
    (page,) = made.read("guarded", fields=["name"])
    made.close()

    assert [type(outcome) for outcome in outcomes] == [Refused if name == "bad" else Done for name in names]
    assert "the database took the new row and kept nothing of it" in str(outcomes[names.index("bad")])
    assert [record.fields["name"] for record in page.records] == [name for name in names if name != "bad"]


# Settings


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"path": "a.db", "url": "postgresql://db/x"},
        {"url": "postgresql://me:secret@db/x"},
        {"url": "not a url"},
        {"url": "sqlite:///a.db"},
        {"url": "postgresql://db/x", "password": "in clear"},
    ],
)
def test_unsafe_or_unclear_addresses_are_load_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        System.model_validate({"name": "db", "version": 1, "connector": "sql", **settings})


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"table": "contacts"}, "no table 'contacts'; did you mean contact"),
        ({"table": "xyz"}, "no table 'xyz'; known: contact"),
        ({"version": "revv"}, "no column 'revv'; did you mean rev"),
        ({"key": ["idd"]}, "no column 'idd'; did you mean id"),
    ],
)
def test_what_is_not_in_the_database_is_named_with_what_is(tmp_path: Path, facts: dict[str, Any], words: str) -> None:
    made = sqlite_driver(tmp_path, entities={"contact": {**CONTACT, **facts}})

    with pytest.raises(Permanent, match=words):
        list(made.read("contact"))
    assert words in made.check("contact").message


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    system = System.model_validate(
        {
            "name": "db",
            "version": 1,
            "connector": "sql",
            "url": "postgresql://127.0.0.1/x",
            "password": {"secret": "pg"},
        }
    )

    def nothing(ref: Any) -> str:
        raise KeyError(f"no secret '{ref.secret}'")

    assert connect(system, {}, check=None, reveal=nothing).check().message == "db: no password: no secret 'pg'"


# Keys and rows


def one(made: SqlDriver, *writes: Write, entity: str = "t", fields: tuple[str, ...] = ()) -> list[Any]:
    return list(made.write(entity, writes, fields=fields))


def rows(made: SqlDriver, entity: str = "t", **how: Any) -> dict[str, Fields]:
    return {r.id: r.fields for p in made.read(entity, **how) for r in p.records}


def test_a_composite_key_is_a_json_array(tmp_path: Path) -> None:
    script = "CREATE TABLE t (sku text, qty integer, price decimal(9,2), PRIMARY KEY (sku, qty))"
    made = sqlite_driver(tmp_path, script, entities={"t": {"table": "t", "key": ["sku", "qty"]}})

    (done,) = one(made, Write("create", fields={"sku": "a,b", "qty": 5, "price": Decimal("1.10")}))
    (changed,) = one(made, Write("update", done.id, {"price": Decimal("2.20")}, before={"price": Decimal("1.10")}))

    assert done.id == '["a,b",5]'
    assert isinstance(changed, Done)
    assert rows(made) == {'["a,b",5]': {"sku": "a,b", "qty": 5, "price": Decimal("2.20")}}
    assert [type(a) for a in made.get("t", ['["a,b",5]', '["a,b"]', "x", '["a,b","y"]'])] == [Record, Gone, Gone, Gone]


@pytest.mark.parametrize("insert", ["(1, 'a'), (1, 'b')", "(NULL, 'a')"])
def test_a_column_that_is_no_key_is_noticed(tmp_path: Path, insert: str) -> None:
    script = f"CREATE TABLE t (id integer, name text); INSERT INTO t VALUES {insert}"
    made = sqlite_driver(tmp_path, script, entities={"t": {"table": "t", "key": "id"}})

    with pytest.raises(Permanent, match=r"key|told apart"):
        rows(made)


def test_a_generated_key_is_told(tmp_path: Path, postgres: Postgres) -> None:
    entities = {"t": {"table": "t", "key": "id"}}
    execute(postgres, "DROP TABLE IF EXISTS t", "CREATE TABLE t (id serial PRIMARY KEY, name text)")
    lite = sqlite_driver(tmp_path, "CREATE TABLE t (id integer PRIMARY KEY, name text)", entities=entities)

    for made in (lite, pg_driver(postgres, entities=entities)):
        outcomes = one(made, Write("create", fields={"name": "Ada"}), Write("create", fields={"name": "Bob"}))

        assert [o.id for o in outcomes] == ["1", "2"]
        assert rows(made) == {"1": {"id": 1, "name": "Ada"}, "2": {"id": 2, "name": "Bob"}}


def test_a_create_without_a_key_where_none_is_generated_is_refused(tmp_path: Path) -> None:
    made = sqlite_driver(
        tmp_path, "CREATE TABLE t (id text PRIMARY KEY, n text)", entities={"t": {"table": "t", "key": "id"}}
    )

    (outcome,) = one(made, Write("create", fields={"n": "x"}))

    assert isinstance(outcome, Refused)
    assert rows(made) == {}


def test_a_query_can_be_read_and_not_written(tmp_path: Path, postgres: Postgres) -> None:
    script = (
        "CREATE TABLE t (id integer PRIMARY KEY, a text, b text); INSERT INTO t VALUES (1, 'x', 'y'), (2, 'x', 'z')"
    )
    entities = {"t": {"query": "SELECT id, a || b AS ab FROM t", "key": "id"}}
    execute(postgres, "DROP TABLE IF EXISTS t", *script.split(";"))

    for made in (sqlite_driver(tmp_path, script, entities=entities), pg_driver(postgres, entities=entities)):
        assert rows(made) == {"1": {"id": 1, "ab": "xy"}, "2": {"id": 2, "ab": "xz"}}
        assert [r.id for r in made.find("t", {"ab": "xz"})] == ["2"]
        (outcome,) = one(made, Write("delete", "1"))
        assert isinstance(outcome, Refused)


def test_a_soft_deleted_record_is_gone_and_leaves_a_tombstone(tmp_path: Path) -> None:
    script = "CREATE TABLE t (id integer PRIMARY KEY, name text, rev integer, deleted_at timestamp)"
    facts = {"table": "t", "key": "id", "columns": ["name"], "soft_delete": {"column": "deleted_at"}, "touch": ["rev"]}
    made = sqlite_driver(
        tmp_path, script, entities={"t": {**facts, "cursor": {"column": "rev", "kind": "number", "lag": "0s"}}}
    )
    one(made, Write("create", "1", {"name": "Ada", "rev": 1}), Write("create", "2", {"name": "Bob", "rev": 1}))

    (done,) = one(made, Write("delete", "1"))

    assert isinstance(done, Done)
    assert list(rows(made)) == ["2"]
    assert made.describe("t").tombstones
    assert [id for p in made.read("t", cursor="2") for id in p.gone] == ["1"]
    assert isinstance(next(made.get("t", ["1"])), Gone)
    assert isinstance(one(made, Write("update", "1", {"name": "x"}))[0], Stale)


def test_without_a_version_the_old_values_decide_and_null_is_a_value(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE t (id integer PRIMARY KEY, name text, born date); INSERT INTO t VALUES (1, NULL, '2001-02-03')"
    )
    made = sqlite_driver(tmp_path, script, entities={"t": {"table": "t", "key": "id"}})
    seen = {"name": None, "born": date(2001, 2, 3)}

    first, again = one(
        made, Write("update", "1", {"name": "A"}, before=seen), Write("update", "1", {"name": "B"}, before=seen)
    )

    assert isinstance(first, Done)
    assert isinstance(again, Stale)
    assert "name changed" in again.message


# Values


def test_dates_times_and_numbers_stay_exact(tmp_path: Path, postgres: Postgres) -> None:
    columns = "id integer PRIMARY KEY, d date, t timestamp, b boolean, n numeric(20,4), f double precision, j {json}"
    entities = {"t": {"table": "t", "key": "id"}}
    execute(postgres, "DROP TABLE IF EXISTS t", f"CREATE TABLE t ({columns.format(json='jsonb')})")
    lite = sqlite_driver(tmp_path, f"CREATE TABLE t ({columns.format(json='json')})", entities=entities)
    fields = {
        "d": date(2026, 2, 28),
        "t": datetime(2026, 2, 28, 12, 30, 15, 250000),
        "b": False,
        "n": Decimal("1234567.8900"),
        "f": Decimal("0.1"),
        "j": {"a": [1, Decimal("12.10"), BIG]},
    }

    for made in (lite, pg_driver(postgres, entities=entities)):
        (done,) = one(made, Write("create", "1", fields), fields=tuple(fields))

        assert isinstance(done, Done), done
        assert done.record is not None
        assert done.record.fields == fields
        assert repr(done.record.fields["j"]) == repr(fields["j"])
        (same,) = one(made, Write("update", "1", {"b": True}, before=fields))
        assert isinstance(same, Done), same


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        ("integer", BIG),
        ("numeric", BIG),
        ("numeric", Decimal("1234567890.1234567")),
        ("integer", "x"),
        ("integer", Decimal("1.5")),
        ("integer", True),
        ("boolean", 2),
        ("date", "2026-02-30"),
        ("text", ["a"]),
    ],
)
def test_what_sqlite_would_bend_is_refused_and_never_rounded(tmp_path: Path, column: str, wrong: Any) -> None:
    script = f"CREATE TABLE t (id integer PRIMARY KEY, x {column})"
    made = sqlite_driver(tmp_path, script, entities={"t": {"table": "t", "key": "id"}})

    (outcome,) = one(made, Write("create", "1", {"x": wrong}))

    assert isinstance(outcome, Refused), outcome
    assert "x (" in outcome.message
    assert rows(made) == {}


def test_text_in_a_typed_column_of_sqlite_is_shown_as_it_is(tmp_path: Path) -> None:
    script = "CREATE TABLE t (id integer PRIMARY KEY, d date, n decimal); INSERT INTO t VALUES (1, '31.12.', 'none')"
    made = sqlite_driver(tmp_path, script, entities={"t": {"table": "t", "key": "id"}})

    assert rows(made) == {"1": {"id": 1, "d": "31.12.", "n": "none"}}


# Transactions


def test_the_database_refuses_in_its_own_words(tmp_path: Path) -> None:
    made = sqlite_driver(tmp_path)
    twice = [Write("create", fields=contact(1)), Write("create", fields={**contact(2), "email": "p1@corp.example"})]

    good, bad = made.write("contact", twice)

    assert isinstance(good, Done)
    assert bad == Refused("db contact: UNIQUE constraint failed: contact.email")


def test_a_listing_is_of_one_moment(postgres: Postgres, pg_subject: Subject) -> None:
    fill(pg_subject, 7)
    reading = pg_subject.driver.read("contact", fields=["name"])
    first = next(reading)

    execute(postgres, "UPDATE contact SET name = 'Late'", "INSERT INTO contact (id, name) VALUES ('c0031', 'Late')")
    names = [r.fields["name"] for p in [first, *reading] for r in p.records]

    assert names == [f"Person {n}" for n in range(7)]


def test_a_time_cursor_brings_the_databases_own_clock(postgres: Postgres) -> None:
    execute(
        postgres,
        "DROP TABLE IF EXISTS t",
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz)",
        "INSERT INTO t VALUES (1, '2026-01-01 12:00:00.000001+00'), (2, '2026-01-02 12:00:00+00'), (3, NULL)",
    )
    made = pg_driver(postgres, entities={"t": {"table": "t", "key": "id", "cursor": {"column": "at"}}})

    (page,) = made.read("t")
    (later,) = made.read("t", cursor=page.cursor)

    assert len(page.records) == 3
    assert page.server_time is not None
    assert abs(datetime.fromisoformat(page.server_time) - datetime.now(UTC)).total_seconds() < 60  # noqa: TID251
    assert [r.id for r in later.records] == ["2"]


def test_a_locked_file_means_nothing_was_sent(tmp_path: Path) -> None:
    made = sqlite_driver(tmp_path, TABLE.format(big="text", decimal="text"))
    made._system = made._system.model_copy(update={"timeout": 0.05})

    with closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        (outcome,) = made.write("contact", [Write("create", fields=contact(1))])

    assert isinstance(outcome, NotSent), outcome
    assert not outcome.permanent
    assert listing(Subject(made, "contact", contact, "name", "email", "phone")) == {}


def test_a_connection_lost_before_commit_sent_nothing(postgres: Postgres, pg_subject: Subject) -> None:
    execute(
        postgres,
        "CREATE OR REPLACE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$",
        "CREATE TRIGGER dies BEFORE INSERT ON contact FOR EACH ROW EXECUTE FUNCTION die()",
    )

    (outcome,) = write(pg_subject, Write("create", fields=contact(1)))

    assert isinstance(outcome, NotSent), outcome
    assert not outcome.permanent
    assert listing(pg_subject) == {}


def test_a_connection_lost_during_commit_loses_the_answer_for_all(postgres: Postgres, pg_subject: Subject) -> None:
    execute(
        postgres,
        "CREATE OR REPLACE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$",
        "CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON contact DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION die()",
    )

    outcomes = write(pg_subject, Write("create", fields=contact(1)), Write("create", fields=contact(2)))

    assert [type(o) for o in outcomes] == [Lost, Lost], outcomes


def test_a_constraint_that_speaks_at_commit_refuses_only_its_own(postgres: Postgres, pg_subject: Subject) -> None:
    execute(
        postgres,
        "ALTER TABLE contact ADD boss text REFERENCES contact DEFERRABLE INITIALLY DEFERRED",
        "INSERT INTO contact (id, name) VALUES ('boss', 'Boss')",
    )
    wishes = [{**contact(1), "boss": "boss"}, {**contact(2), "boss": "nobody"}, contact(3)]

    outcomes = write(pg_subject, *(Write("create", fields=wish) for wish in wishes))

    assert [type(o) for o in outcomes] == [Done, Refused, Done]
    assert sorted(listing(pg_subject)) == ["boss", "c001", "c003"]


def test_a_login_without_rights_is_a_persons_matter(postgres: Postgres, pg_subject: Subject) -> None:
    execute(
        postgres,
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN PASSWORD 'reader'",
        "GRANT SELECT ON contact TO reader",
    )
    made = pg_driver(postgres, user="reader", secret="reader")

    (outcome,) = made.write("contact", [Write("create", fields=contact(1))])

    assert isinstance(outcome, NotSent), outcome
    assert outcome.permanent
    assert "permission denied" in outcome.message


def test_plain_inserts_are_fast(tmp_path: Path) -> None:
    """Twenty microseconds a row is the aim; the test allows for a busy machine."""
    entities = {"t": {"table": "t", "key": "id"}}
    made = sqlite_driver(tmp_path, "CREATE TABLE t (id text PRIMARY KEY, a text, b text, c integer)", entities=entities)
    writes = [Write("create", fields={"id": str(n), "a": "x" * 20, "b": "y", "c": n}) for n in range(5000)]
    list(made.write("t", writes[:1]))

    began = time.perf_counter()
    outcomes = list(made.write("t", writes[1:]))
    each = (time.perf_counter() - began) / len(outcomes)

    assert all(isinstance(o, Done) for o in outcomes)
    assert each < 100e-6, f"{each * 1e6:.0f} µs a row"
    print(f"{each * 1e6:.1f} µs a row")


def test_many_updates_at_once_do_the_same_as_one_by_one(tmp_path: Path, postgres: Postgres) -> None:
    columns = '(id integer PRIMARY KEY, "Odd, name" text UNIQUE, amount numeric(9,2), rev integer)'
    entities = {"t": {"table": "t", "key": "id", "version": "rev", "touch": ["rev"]}}
    execute(postgres, "DROP TABLE IF EXISTS t", f"CREATE TABLE t {columns}")
    lite = sqlite_driver(tmp_path, f"CREATE TABLE t {columns}", entities=entities)

    for made in (lite, pg_driver(postgres, entities=entities)):
        one(made, *(Write("create", str(n), {"Odd, name": f"n{n}", "rev": 1}) for n in range(6)))
        wishes = [
            Write("update", str(n), {"Odd, name": f"new{n}", "amount": Decimal("1.10")}, version="1") for n in range(6)
        ]
        wishes[2] = Write("update", "2", {"Odd, name": "n5", "amount": None}, version="1")
        wishes[3] = Write("update", "3", {"Odd, name": "x", "amount": None}, version="7")
        wishes[4] = Write("update", "4", {"Odd, name": "x", "amount": "abc"}, version="1")

        first = one(made, *wishes[:2])
        rest = one(made, *wishes[2:])

        assert first == [Done("0", "2"), Done("1", "2")]
        assert [type(o) for o in rest] == [Refused, Stale, Refused, Done]
        shown = rows(made, fields=['"Odd, name"', "amount", "rev"])
        assert shown["1"] == {"Odd, name": "new1", "amount": Decimal("1.10"), "rev": 2}
        assert [shown[id]["Odd, name"] for id in ("2", "3", "4", "5")] == ["n2", "n3", "n4", "new5"]
