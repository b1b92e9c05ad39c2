"""This is where people are told what a plan can promise on each side, and about what it will cost."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from daemon.cli.text.lines import Line

UPDATES: Final[Mapping[str, str]] = {
    "strict": "an edit meanwhile is never overwritten",
    "compare": "what an update replaces is compared before it is sent",
    "none": "an edit in the moment of our update is overwritten",
    "never": "nothing is updated",
}
CREATES: Final[Mapping[str, str]] = {
    "idempotent": "a lost create is repeated under its key",
    "marker": "a lost create is found by its marker",
    "match_key": "a lost create is found by {found_by}",
    "at_risk": "a lost create may be made twice",
    "refused": "nothing is created, because a lost create could not be found again",
    "never": "nothing is created",
}
DELETES: Final[Mapping[str, str]] = {
    "tombstones": "it tells what was deleted",
    "full_comparison": "deletions are seen by full comparisons",
}
READ_BACK: Final[Mapping[str, str]] = {
    "proven": "what it makes of a value is known at once",
    "first_sight": "what it makes of a value is known when it is next seen",
}
_RISKS: Final = ("none", "at_risk", "refused")


def promises_text(report: Mapping[str, Any]) -> Iterator[Line]:
    """One line a side, then one a system; nothing of what was not asked for."""
    for one in report.get("guarantees", ()):
        risky = one.get("updates") in _RISKS or one.get("creates") in _RISKS
        yield Line(f"  {_promise(one)}", "bad" if risky else "quiet")
    for system, cost in report.get("requests", {}).items():
        parts = [f"{cost[kind]} to {word}" for kind, word in _COSTS.items() if cost.get(kind)]
        yield Line(f"  about {cost.get('total', 0)} requests to {system}: {', '.join(parts) or 'none'}", "quiet")


_COSTS: Final = {"read": "list", "get": "look again", "write": "write", "probe": "look up"}


def _promise(one: Mapping[str, Any]) -> str:
    keys = " and ".join(one.get("found_by") or ())
    words = [UPDATES[one["updates"]], CREATES[one["creates"]].format(found_by=keys)]
    words += [f"each in {1 + len(one['steps'])} steps"] if one.get("steps") and one["creates"] != "never" else []
    written = one["updates"] != "never" or one["creates"] not in ("never", "refused")
    words += [DELETES[one["deletes"]], *([READ_BACK[one["read_back"]]] if written else [])]
    return f"{one['side']} {one['system']}.{one['entity']}: {'; '.join(words)}"
