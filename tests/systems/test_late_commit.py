"""Stories of edits that are stamped first and committed late, in a real PostgreSQL: nothing is lost, given the setting.

A transaction draws its stamp when it begins and shows it when it ends. A run between the two has read past it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connectors.drivers import sql
from connectors.drivers.memory import MemoryDriver
from daemon.audit.keys import create_keys
from daemon.audit.log import AuditLog, init_log
from daemon.core.rules import Cases, End, Guards, Match, Sync
from daemon.engine.people import approve
from daemon.engine.report import Report, Request
from daemon.engine.run import run_sync
from daemon.store.store import Store
from tests.engine.world import rule
from tests.systems.postgres import Postgres, need_postgres

LONG = 1.2
"""Seconds that the long transaction takes, at least."""
PERSON = """
DROP SCHEMA IF EXISTS hr CASCADE;
CREATE SCHEMA hr;
CREATE SEQUENCE hr.changes;
CREATE TABLE hr.person (
    id int PRIMARY KEY, number text, phone text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    change bigint NOT NULL DEFAULT nextval('hr.changes'),
    txid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);
CREATE FUNCTION hr.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.updated_at := now(); NEW.change := nextval('hr.changes'); NEW.txid := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;
CREATE TRIGGER stamp BEFORE UPDATE ON hr.person FOR EACH ROW EXECUTE FUNCTION hr.stamp();
CREATE VIEW hr.person_changes AS
    SELECT id, number, phone, LEAST(txid, pg_snapshot_xmin(pg_current_snapshot())::text::bigint) AS change
    FROM hr.person;
INSERT INTO hr.person SELECT n, n::text, 'old' FROM generate_series(1, 3) AS n;
"""

Connect = Callable[[], psycopg.Connection[Any]]


class Office:
    """The table on the left, records in memory on the right, and runs between them."""

    def __init__(self, folder: Path, postgres: Postgres, table: str, cursor: dict[str, Any]) -> None:
        system = {
            "version": 1, "name": "hr", "connector": "sql", "url": postgres.url, "user": postgres.user,
            "password": {"secret": "hr"},
        }  # fmt: skip
        entity = sql.Entity.model_validate({"table": table, "key": ["id"], "cursor": cursor})
        self.hr = sql.connect(
            sql.System.model_validate(system), {"person": entity}, check=None, reveal=lambda _: postgres.password
        )
        self.crm = MemoryDriver({"person": {}}, name="crm", find={"person": ("number",)})
        self.store = Store(folder / "store.db")
        init_log(folder / "audit", keys := create_keys(folder / "keys"), origin="late/audit")
        self.audit = AuditLog.open(folder / "audit", keys)
        self.runs = count(1)
        self.sync = Sync(
            "people", End("hr", "person"), End("crm", "person"),
            (rule("number", owner="left"), rule("phone", wins="right")), (Match(("number",)),),
            cases=Cases(gone_left="delete"), guards=Guards(), rev="1", fingerprint="1",
        )  # fmt: skip

    @property
    def ends(self) -> dict[str, Any]:
        return {
            "sync": self.sync, "drivers": {"left": self.hr, "right": self.crm}, "store": self.store,
            "audit": self.audit, "clock": time.time, "run_id": f"r{next(self.runs)}",
        }  # fmt: skip

    def adopt(self) -> None:
        ends = self.ends
        approve(
            ends.pop("sync"), ends.pop("drivers"), ends.pop("store"), ends.pop("audit"), **ends,
            kinds=(), only=None, actor="test", reason="", expires=3600.0,
        )  # fmt: skip
        self.run()

    def run(self, *, full: bool = False) -> Report:
        ends = self.ends
        return run_sync(
            ends.pop("sync"), ends.pop("drivers"), ends.pop("store"), ends.pop("audit"), **ends,
            request=Request(full=full),
        )  # fmt: skip

    def phones(self) -> dict[str, Any]:
        return {str(fields["number"]): fields["phone"] for fields in self.crm.records("person").values()}

    def close(self) -> None:
        self.hr.close()
        self.audit.close()
        self.store.close()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    need_postgres()
    with Postgres() as server:
        yield server


@pytest.fixture
def connect(postgres: Postgres) -> Connect:
    def connected() -> psycopg.Connection[Any]:
        return psycopg.connect(postgres.url, user=postgres.user, password=postgres.password)

    with connected() as db:
        db.execute(PERSON)
    return connected


@contextmanager
def office(folder: Path, postgres: Postgres, table: str, **cursor: Any) -> Iterator[Office]:
    made = Office(folder, postgres, table, cursor)
    try:
        made.adopt()
        assert made.phones() == {"1": "old", "2": "old", "3": "old"}
        yield made
    finally:
        made.close()


def commit_late(office: Office, connect: Connect) -> Report:
    """Person 1 is edited in a transaction that is still open while two runs read past it; then it is committed."""
    with connect() as slow, connect() as quick:
        slow.execute("UPDATE hr.person SET phone = 'late' WHERE id = 1")
        time.sleep(LONG)
        quick.execute("UPDATE hr.person SET phone = 'quick' WHERE id = 2")
        quick.commit()
        office.run()
        office.run()
        assert office.phones() == {"1": "old", "2": "quick", "3": "old"}
        slow.commit()
    return office.run()


def test_a_lag_longer_than_the_transaction_loses_nothing(tmp_path: Path, postgres: Postgres, connect: Connect) -> None:
    with office(tmp_path, postgres, "hr.person", column="updated_at", lag="1m") as made:
        report = commit_late(made, connect)

        assert made.phones() == {"1": "late", "2": "quick", "3": "old"}
        assert report.counts["written"] == 1
        assert made.run().counts.get("written", 0) == 0


def test_an_overlap_longer_than_the_transaction_loses_nothing_either(
    tmp_path: Path, postgres: Postgres, connect: Connect
) -> None:
    with office(tmp_path, postgres, "hr.person", column="updated_at", lag="0s", overlap="1m") as made:
        commit_late(made, connect)

        assert made.phones() == {"1": "late", "2": "quick", "3": "old"}


def test_a_lag_shorter_than_the_transaction_waits_for_the_full_comparison(
    tmp_path: Path, postgres: Postgres, connect: Connect
) -> None:
    """Why the setting is needed; and why `reconcile` is not a luxury."""
    with office(tmp_path, postgres, "hr.person", column="updated_at", lag="100ms") as made:
        commit_late(made, connect)
        assert made.phones() == {"1": "old", "2": "quick", "3": "old"}

        made.run(full=True)

        assert made.phones() == {"1": "late", "2": "quick", "3": "old"}


def test_a_sequence_is_drawn_before_the_commit_and_has_no_lag(
    tmp_path: Path, postgres: Postgres, connect: Connect
) -> None:
    """A number that rises is not a number that commits in order."""
    with office(tmp_path, postgres, "hr.person", column="change", kind="number") as made:
        commit_late(made, connect)
        assert made.phones()["1"] == "old"

        made.run(full=True)

        assert made.phones()["1"] == "late"


def test_a_number_that_stops_at_the_oldest_open_transaction_loses_nothing(
    tmp_path: Path, postgres: Postgres, connect: Connect
) -> None:
    """The view of docs/connectors.md: no lag has to be guessed."""
    with office(tmp_path, postgres, "hr.person_changes", column="change", kind="number") as made:
        commit_late(made, connect)
        assert made.phones() == {"1": "late", "2": "quick", "3": "old"}

        (there,) = (id for id, fields in made.crm.records("person").items() if fields["number"] == "3")
        made.crm.edit("person", there, {"phone": "from the right"})
        made.run()

        with connect() as db:
            assert db.execute("SELECT phone FROM hr.person WHERE id = 3").fetchone() == ("from the right",)
        assert made.run().counts.get("written", 0) == 0
