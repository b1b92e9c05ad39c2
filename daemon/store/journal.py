"""This is where people's answers and the history of runs are kept: approvals, rulings, runs."""

from collections.abc import Mapping
from typing import Any

import msgspec

from daemon.core.merge import Ruling
from daemon.store.database import Database


class Journal:
    """What people decided, and what runs came to."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def approve(self, sync: int, lines: Mapping[bytes, str], actor: str, expires: float) -> None:
        """A person saw these lines (digest -> kind) and wants them."""
        with self._db.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO approval VALUES (?, ?, ?, ?, ?)",
                [(sync, line, kind, actor, expires) for line, kind in lines.items()],
            )

    def approved(self, sync: int, now: float) -> frozenset[bytes]:
        """Lines that are approved and have not expired."""
        return frozenset(
            line for (line,) in self._db.rows("SELECT line FROM approval WHERE sync = ? AND expires > ?", sync, now)
        )

    def tidy(self, sync: int, now: float, *, approvals: bool) -> None:
        """Forget answers that were used or have expired; with *approvals*, every approval, because nothing waits."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM approval WHERE sync = ? AND (? OR expires <= ?)", (sync, approvals, now))
            db.execute(
                "DELETE FROM ruling WHERE pair IN (SELECT r.pair FROM ruling r JOIN pair p ON p.key = r.pair"
                " WHERE p.sync = ? AND p.state <> 'held')",
                (sync,),
            )

    def rule(self, pair: int, rulings: Mapping[str, Ruling], actor: str, at: float) -> None:
        """Remember a person's answers for fields of one pair."""
        with self._db.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO ruling VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(pair, name, r.take, r.left, r.right, actor, at) for name, r in rulings.items()],
            )

    def rulings(self, sync: int) -> dict[int, dict[str, Ruling]]:
        """All answers for pairs of *sync*."""
        found: dict[int, dict[str, Ruling]] = {}
        for key, name, take, left, right in self._db.rows(
            "SELECT r.pair, r.field, r.take, r.left_seen, r.right_seen FROM ruling r JOIN pair p ON p.key = r.pair"
            " WHERE p.sync = ?",
            sync,
        ):
            found.setdefault(key, {})[name] = Ruling(take, left, right)
        return found

    def start_run(self, id: str, sync: str, actor: str, at: float) -> None:
        """A run began."""
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO run (id, sync, started, state, actor) VALUES (?, ?, ?, 'running', ?)",
                (id, sync, at, actor),
            )

    def end_run(self, id: str, state: str, at: float, report: Mapping[str, Any]) -> None:
        """A run ended as *state*, with its report."""
        with self._db.transaction() as db:
            text = msgspec.json.encode(report).decode()
            db.execute("UPDATE run SET ended = ?, state = ?, report = ? WHERE id = ?", (at, state, text, id))

    def runs(self, sync: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs first."""
        rows = self._db.rows(
            "SELECT id, sync, started, ended, state, actor, report FROM run WHERE ? IS NULL OR sync = ?"
            " ORDER BY started DESC, id DESC LIMIT ?",
            sync,
            sync,
            limit,
        )
        names = ("id", "sync", "started", "ended", "state", "actor")
        return [dict(zip(names, r[:6], strict=True)) | {"report": msgspec.json.decode(r[6])} for r in rows]

    def close_runs(self, at: float) -> None:
        """Runs that were going when the process died are `killed`."""
        with self._db.transaction() as db:
            db.execute("UPDATE run SET state = 'killed', ended = ? WHERE state = 'running'", (at,))
