"""This is where a store of an older Tallystick gets the tables, columns and indices that came since.

What is only added needs no new version: a column that an older store lacks is empty in all its rows.
"""

import sqlite3
from collections.abc import Iterator, Sequence


def grow(db: sqlite3.Connection, schema: Sequence[str]) -> None:
    """Add to *db* what *schema* has beyond it. Inside a transaction it is whole or not at all."""
    model = sqlite3.connect(":memory:")
    try:
        for statement in schema:
            model.execute(statement)
        for statement in list(_missing(db, model)):
            db.execute(statement)
    finally:
        model.close()


def _missing(db: sqlite3.Connection, model: sqlite3.Connection) -> Iterator[str]:
    known = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    wanted = model.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC"
    ).fetchall()
    for kind, name, sql in wanted:  # tables before their indices
        if name not in known:
            yield sql
        elif kind == "table":
            yield from _columns(db, model, name)


def _columns(db: sqlite3.Connection, model: sqlite3.Connection, table: str) -> Iterator[str]:
    known = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    for _, name, kind, needed, default, _ in model.execute(f"PRAGMA table_info({table})"):
        if name not in known:
            more = f"{' NOT NULL' if needed else ''}{f' DEFAULT {default}' if default is not None else ''}"
            yield f"ALTER TABLE {table} ADD COLUMN {name} {kind}{more}"
