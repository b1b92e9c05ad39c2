"""Stories of order lines between an SQLite file and a real PostgreSQL: composite keys, exact decimals, dates, NULL.

Told by the command line without a daemon: each command takes the state folder, does its work and gives it back.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.calling import call_here
from tests.systems.postgres import Postgres, need_postgres

SHOP = """\
version: 1
name: shop
connector: sql
path: shop.db
entities:
  line: {table: order_line, key: [order_no, line_no]}
"""
ERP = """\
version: 1
name: erp
connector: sql
type: erp
url: %s
user: %s
password: {secret: erp-password}
entities:
  line: {table: sales.line, key: [order_id, pos]}
"""
LINES = """\
version: 1
name: lines
left: {system: shop, entity: line}
right: {system: erp, entity: line}
manual: true
match_on: [[order, line]]
fields:
  order: {left: order_no, right: order_id, owner: left}
  line: {left: line_no, right: pos, owner: left}
  price: {left: {path: price, format: text}, right: unit_price, type: decimal, wins: left}
  due: {left: due, right: due_on, type: date, wins: ask}
  note: {left: note, right: remark, wins: ask}
cases: {new_left: create, new_right: create, gone_left: delete, gone_right: hold}
"""
SHOP_TABLE = """
CREATE TABLE order_line (
    order_no INTEGER NOT NULL, line_no INTEGER NOT NULL, price TEXT, due DATE, note TEXT,
    PRIMARY KEY (order_no, line_no)
)
"""
ERP_TABLE = """
CREATE SCHEMA sales;
CREATE TABLE sales.line (
    order_id bigint, pos smallint, unit_price numeric(40, 10), due_on date, remark text,
    booked timestamptz DEFAULT now(),
    PRIMARY KEY (order_id, pos)
)
"""
HUGE = 9007199254740993  # the first whole number that a float cannot hold
EXACT = Decimal("123456789012345678901234567.0000000001")

Line = tuple[int, int, Decimal | None, date | None, str | None]
BORN: list[Line] = [
    (1, 1, Decimal("0.1"), date(2026, 2, 28), "first"),
    (1, 2, Decimal("19.90"), None, None),
    (HUGE, 1, EXACT, date(1999, 12, 31), "'; DROP TABLE sales.line; --"),
    (2, 1, None, date(2024, 2, 29), "ünï 😀"),
]


class Shop:
    """Two databases with a Tallystick between them."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder = folder
        self.erp = psycopg.connect(postgres.url, user=postgres.user, password=postgres.password, autocommit=True)
        self.erp.execute("DROP SCHEMA IF EXISTS sales CASCADE")
        self.erp.execute(ERP_TABLE)
        self.shop(SHOP_TABLE)
        files = {"tallystick": "version: 1\nnode: shop\n", "syncs/lines": LINES, "systems/shop": SHOP}
        for name, text in {**files, "systems/erp": ERP % (postgres.url, postgres.user)}.items():
            (folder / f"{name}.yaml").parent.mkdir(exist_ok=True)
            (folder / f"{name}.yaml").write_text(text)
        (folder / "secrets.d").mkdir()
        (folder / "secrets.d/erp-password").touch(mode=0o600)
        (folder / "secrets.d/erp-password").write_text(postgres.password)

    def run(self, verb: str = "run", *, expect: int = 0) -> Mapping[str, Any]:
        done = call_here(verb, "lines", "-o", "json", folder=self.folder)
        assert done.returncode == expect, done.stdout + done.stderr
        told: Mapping[str, Any] = json.loads(done.stdout)
        return told

    def shop(self, sql: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "shop.db")) as db, db:
            return db.execute(sql, values).fetchall()

    def left(self) -> list[Line]:
        rows = self.shop("SELECT order_no, line_no, price, due, note FROM order_line ORDER BY 1, 2")
        return [(o, n, p and Decimal(p), d and date.fromisoformat(d), note) for o, n, p, d, note in rows]

    def right(self) -> list[Line]:
        return self.erp.execute(
            "SELECT order_id, pos, unit_price, due_on, remark FROM sales.line ORDER BY 1, 2"
        ).fetchall()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    need_postgres()
    with Postgres() as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path, postgres: Postgres) -> Iterator[Shop]:
    """Four lines in the shop, carried to the ERP."""
    made = Shop(tmp_path, postgres)
    for order, line, price, due, note in BORN:
        made.shop(
            "INSERT INTO order_line VALUES (?, ?, ?, ?, ?)",
            order, line, price and str(price), due and due.isoformat(), note,
        )  # fmt: skip
    assert made.run("adopt")["unmatched_left"] == len(BORN)
    made.run("approve")
    assert made.run()["counts"]["written"] == len(BORN)
    yield made
    made.erp.close()


def test_keys_of_two_columns_decimals_and_dates_arrive_exactly(shop: Shop) -> None:
    assert shop.right() == sorted(BORN)
    assert shop.left() == sorted(BORN)

    assert shop.run("plan")["lines"] == []
    assert "written" not in shop.run()["counts"]


def test_null_travels_both_ways_and_so_do_exact_edits(shop: Shop) -> None:
    shop.shop("UPDATE order_line SET note = NULL, price = ? WHERE order_no = 1 AND line_no = 1", str(EXACT + 1))
    shop.erp.execute("UPDATE sales.line SET due_on = NULL, remark = 'moved' WHERE order_id = %s", [HUGE])
    shop.erp.execute("UPDATE sales.line SET unit_price = 0.0000000001 WHERE order_id = 2")

    assert shop.run()["state"] == "done"

    expected = [
        (1, 1, EXACT + 1, date(2026, 2, 28), None),
        (1, 2, Decimal("19.90"), None, None),
        (2, 1, Decimal("0.0000000001"), date(2024, 2, 29), "ünï 😀"),
        (HUGE, 1, EXACT, None, "moved"),
    ]
    assert shop.left() == shop.right() == expected
    assert shop.run("plan")["lines"] == []


def test_lines_are_born_and_end_by_both_parts_of_their_key(shop: Shop) -> None:
    shop.erp.execute("INSERT INTO sales.line (order_id, pos, unit_price) VALUES (1, 3, 5), (3, 1, 7)")
    shop.shop("DELETE FROM order_line WHERE order_no = 1 AND line_no = 2")

    assert shop.run()["state"] == "done"

    keys = [(1, 1), (1, 3), (2, 1), (3, 1), (HUGE, 1)]
    assert [line[:2] for line in shop.left()] == [line[:2] for line in shop.right()] == keys
    assert shop.left() == shop.right()
    assert shop.run("plan")["lines"] == []
