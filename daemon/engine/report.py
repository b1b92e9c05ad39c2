"""This is where a run is told: counts, lines, guards and problems, for people and as stable JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from connectors.paths import ABSENT
from daemon.core.bounds import crossings
from daemon.core.model import Decision
from daemon.core.rules import SIDES, Sync
from daemon.engine.stepwise import KEPT

RunState: TypeAlias = Literal["planned", "done", "held", "postponed", "failed", "stopped"]
"""held: everything that may flow did, and something waits for a person. postponed: a system was away."""

HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a run. A plan gathers and decides like a run, and writes to no system and no store."""

    kind: Literal["run", "plan"] = "run"
    full: bool = False
    """Compare everything, even where a cursor could be used."""
    only: str | None = None
    """A record id on either side: decide and write only that pair, and its children."""
    actor: str = "local"
    reason: str = ""
    collection: str = ""
    """The collection that was asked for by its whole name, such as `people.phones`; its report is the answer."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to."""

    sync: str
    run: str
    state: RunState
    counts: Mapping[str, int] = field(default_factory=dict)
    """By Decision.kind, then `written`, `refused`, `unknown`, `read_left`, `read_right`, `unchanged`."""
    lines: Sequence[Mapping[str, Any]] = ()
    """One per decision that changes or holds something: see `line`. One of a collection says `collection`."""
    guards: Sequence[Mapping[str, Any]] = ()
    """{kind, count, allowed, pairs, field, text, remedy}."""
    guarantees: Sequence[Mapping[str, Any]] = ()
    """Of a plan, per side: see promises.guarantees."""
    requests: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Of a plan, per system, an estimate of what the run will cost: see promises.requests."""
    problems: Sequence[str] = ()
    """What a person should know, each with place and remedy."""

    def to_json(self) -> dict[str, Any]:
        """The stable form: docs/operations.md, `plan -o json`."""
        return {
            "sync": self.sync,
            "run": self.run,
            "state": self.state,
            "counts": dict(self.counts),
            "lines": list(self.lines),
            "guards": list(self.guards),
            "guarantees": list(self.guarantees),
            "requests": dict(self.requests),
            "problems": list(self.problems),
        }


def line(
    sync: Sync, decision: Decision, *, guard: str | None = None, room: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """One decision: {kind, left, right, changes: [{side, op, why, fields: {name: {before, after, why}}}], ...}.

    `bounds` tells which fields would get a value out of their bounds, and how. *room* are the fields that it gives up
    for a while, by side. Values of fields with `audit: digest` or `none` are hidden. docs/operations.md has all keys.
    """
    told: dict[str, Any] = {"kind": decision.kind}
    for side in SIDES:
        half, item = decision.pair.half(side), decision.look(side).item
        told[side] = item.record.id if item else (half.id if half else None)
    told["changes"] = [
        {
            "side": change.side,
            "op": change.op,
            "why": change.why,
            "fields": {
                m.field: {
                    "before": shown(sync, m.field, m.before),
                    "after": shown(sync, m.field, m.value),
                    "why": m.why,
                }
                for m in change.moves
            }
            | {
                name: {"before": None, "after": _likely(sync, name, text), "why": _if_free(sync, name, why)}
                for name, text, why in change.likely
            },
        }
        for change in decision.changes
    ]
    if decision.state in ("held", "retired", "single"):
        told |= {"reason": decision.reason, "detail": plain(decision.detail)}
    if decision.urgent and decision.changes:
        told["urgent"] = True
    if room:
        told["makes_room"] = dict(room)
    if decision.reopens:
        told["reopens"] = True
    if decision.relinks:
        told["relinks"] = True
    if guard:
        told["guard"] = guard
    if bounds := crossings(sync.guards.values, decision):
        told["bounds"] = bounds
    return told


def plain(detail: Mapping[str, Any]) -> dict[str, Any]:
    """*detail* as it may be told: without digests, and without what a system answered to half a birth."""
    return {name: value for name, value in detail.items() if name != KEPT and not isinstance(value, bytes)}


def _likely(sync: Sync, name: str, text: str) -> str | None:
    """What a birth will probably give. A secret is not even made yet."""
    return HIDDEN if sync.rule(name).secret else shown(sync, name, text or None)


def _if_free(sync: Sync, name: str, why: str) -> str:
    """The rule, and that nobody has looked yet who has that name."""
    return why if sync.rule(name).secret else f"{why}, likely"


def shown(sync: Sync, name: str, value: Any) -> Any:
    """*value* as it may be printed."""
    if value is None or value is ABSENT:
        return None
    if sync.rule(name).audit != "value":
        return HIDDEN
    return [_plain(member) for member in value] if isinstance(value, list) else _plain(value)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value  # what stands for a value in a plan is a text there
