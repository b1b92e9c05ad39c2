"""This is where a test builds its small world: two systems in memory, a store, an audit log and a clock."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from connectors.base import Capabilities, Fields
from connectors.drivers.memory import MemoryDriver
from daemon.audit.keys import create_keys, load_keys
from daemon.audit.log import AuditLog, init_log
from daemon.audit.reading import Shown, read_entries
from daemon.core.mapping import Place, compile_rule
from daemon.core.rules import SIDES, Cases, End, Guards, Match, Rule, Side, Sync
from daemon.engine import people
from daemon.engine.explaining import explain
from daemon.engine.pairing import Row, import_pairs, list_pairs, unlink
from daemon.engine.report import Report, Request
from daemon.engine.resolving import resolve
from daemon.engine.run import run_sync
from daemon.engine.waiting import drop, held, retry
from daemon.store.store import Store

HOUR = 3600.0
OPEN: "list[World]" = []
"""Worlds that somebody has to close."""


def rule(name: str, left: str | None = "", right: str | None = "", **more: Any) -> Rule:
    """A field; each side is shown under the field's own name unless said otherwise."""
    sides = {"left": left, "right": right}
    places = {side: Place(text or name) for side, text in sides.items() if text is not None}
    return compile_rule(name, **places, **more)  # type: ignore[arg-type]


def people_sync(**more: Any) -> Sync:
    """The sync of most stories: number and name from the left, e-mail left wins, phone asks, tag right wins."""
    rules = more.pop(
        "rules",
        (
            rule("number", owner="left"),
            rule("name", owner="left"),
            rule("email", wins="left", normalise=["trim", "casefold"]),
            rule("phone", wins="ask"),
            rule("tag", wins="right"),
        ),
    )
    settings: dict[str, Any] = {
        "name": "people",
        "left": End("hr", "person"),
        "right": End("crm", "person"),
        "rules": rules,
        "match_on": (Match(("number",)), Match(("email",))),
        "cases": Cases(gone_left="delete", gone_right="hold"),
        "guards": Guards(),
        "rev": "1",
        "fingerprint": "1",
    }
    return Sync(**(settings | more))


def swapping_sync(**more: Any) -> Sync:
    """The sync of most stories, where no two people have the same e-mail and nobody is known by it."""
    usual = people_sync().rules
    rules = tuple(replace(r, unique=True) if r.name == "email" else r for r in usual)
    return people_sync(rules=rules, match_on=(Match(("number",)),), **more)


class World:
    """Two systems and the daemon's memory. Every change by a user goes through the drivers' own hands."""

    def __init__(
        self,
        folder: Path,
        left: Mapping[str, Fields] | None = None,
        right: Mapping[str, Fields] | None = None,
        *,
        sync: Sync | None = None,
        capabilities: Mapping[Side, Capabilities] | None = None,
        timed: Collection[Side] = (),
    ) -> None:
        self.now = 1_780_000_000.0
        caps = {side: {"person": known} for side, known in (capabilities or {}).items()}
        look_up = {"person": ("number", "email")}
        told = {s: {"capabilities": caps.get(s), "timed": ["person"] if s in timed else []} for s in SIDES}
        clock = {"clock": lambda: self.now}
        self.left = MemoryDriver({"person": left or {}}, name="hr", find=look_up, **told["left"], **clock)
        self.right = MemoryDriver({"person": right or {}}, name="crm", find=look_up, **told["right"], **clock)
        self.folder = folder
        self.sync = sync or people_sync()
        self._runs = count(1)
        (folder / "audit").mkdir()
        self.keys = create_keys(folder / "keys")
        init_log(folder / "audit", self.keys, origin="test/audit")
        self.open()

    def open(self) -> None:
        """Start the daemon's memory, as after a restart."""
        self.store = Store(self.folder / "store.db")
        self.audit = AuditLog.open(self.folder / "audit", load_keys(self.folder / "keys"))
        OPEN.append(self)

    def close(self) -> None:
        """Stop, as at the end of the daemon."""
        self.audit.close()
        self.store.close()
        if self in OPEN:
            OPEN.remove(self)

    @property
    def drivers(self) -> Mapping[Side, Any]:
        return {"left": self.left, "right": self.right}

    def run(self, **request: Any) -> Report:
        """One run, a minute later."""
        self.now += 60
        return run_sync(
            self.sync, self.drivers, self.store, self.audit, clock=lambda: self.now,
            run_id=f"r{next(self._runs)}", request=Request(**request),
        )  # fmt: skip

    def plan(self, **request: Any) -> Report:
        return self.run(kind="plan", **request)

    def approve(self, *kinds: str, only: str | None = None, expires: float = 24 * HOUR) -> dict[str, Any]:
        return people.approve(
            self.sync, self.drivers, self.store, self.audit, clock=lambda: self.now, run_id="p",
            kinds=kinds, only=only, actor="uid:1000", reason="", expires=expires,
        )  # fmt: skip

    def adopted(self) -> Report:
        """The first run, approved."""
        self.approve()
        return self.run()

    def why(self, key: str) -> dict[str, Any]:
        return explain(self.sync, self.drivers, self.store, self.audit, key, clock=lambda: self.now, actor="local")

    def resolve(self, key: str, take: Any, *fields: str) -> dict[str, Any]:
        return resolve(
            self.sync, self.drivers, self.store, self.audit, key, take=take, fields=fields, actor="uid:1000",
            reason="", clock=lambda: self.now,
        )  # fmt: skip

    def retry(self, key: str) -> None:
        retry(self.sync, self.store, self.audit, key, actor="uid:1000")

    def drop(self, key: str) -> dict[str, Any]:
        return drop(
            self.sync, self.drivers, self.store, self.audit, key, actor="uid:1000", reason="known",
            clock=lambda: self.now,
        )  # fmt: skip

    def import_pairs(self, *ids: tuple[str, str], dry_run: bool = False) -> dict[str, Any]:
        rows = [Row(line, left, right) for line, (left, right) in enumerate(ids, 2)]
        return import_pairs(
            self.sync, self.drivers, self.store, self.audit, rows, dry_run=dry_run, actor="uid:1000", reason="move",
            clock=lambda: self.now,
        )  # fmt: skip

    def unlink(self, key: str) -> dict[str, Any]:
        return unlink(
            self.sync, self.store, self.audit, key, actor="uid:1000", reason="two people", clock=lambda: self.now
        )

    def pairs(self, *states: str) -> list[tuple[Any, ...]]:
        """Left, right, state and reason of the pairs that are remembered."""
        told = list_pairs(self.sync, self.store, states=states, after=0, limit=100)["pairs"]
        return [(one["left"], one["right"], one["state"], one["reason"]) for one in told]

    def held(self) -> list[dict[str, Any]]:
        return held(self.store, [self.sync.name])

    def records(self, side: Side) -> dict[str, Fields]:
        return self.drivers[side].records("person")  # type: ignore[no-any-return]

    def shown(self, side: Side) -> dict[str, Fields]:
        """What a side shows, by number, without the ids."""
        return {str(fields.get("number")): dict(fields) for fields in self.records(side).values()}

    def shown_entries(self) -> list[Shown]:
        """The audit log, entry by entry."""
        return list(read_entries(self.folder / "audit", self.keys))

    def entries(self, action: str = "") -> list[Mapping[str, Any]]:
        """What the audit log tells."""
        return [entry.body for entry in self.shown_entries() if not action or entry.body.get("action") == action]


def person(number: int, **more: Any) -> dict[str, Any]:
    """A record that looks alike on both sides."""
    return {
        "number": str(number), "name": f"Person {number}", "email": f"p{number}@corp.example", "phone": "1", "tag": "a",
    } | more  # fmt: skip
