"""This is where the words for a create of several requests are fixed, and held against each other."""

from collections.abc import Collection, Sequence
from typing import Any

from pydantic import Field

from connectors.base import RECORD
from connectors.http.asking import Ask
from connectors.http.select import Expression
from connectors.http.templates import names_in

KNOWN = frozenset({"fields", "key", "marker", "op", "params"})
"""What every request of a create may ask for."""


class Probe(Ask):
    """A request that tells whether a step was made already. Its answer MUST be true now: no index that trails."""

    at: Expression = "@"
    """Where the answer shows what the step made, in the shape of `take`. Null, false and an empty list say: nothing."""
    gone: tuple[int, ...] = (404, 410)
    """Statuses that say: nothing."""


class Step(Ask):
    """One request of a create, beside the one that makes the record."""

    name: str = Field(pattern=r"^[a-z_][a-z0-9_]*$")
    """Later requests use what it answers as {name.path}."""
    before: bool = False
    """Made before the record, whose request then may use its answer. Default: after it, with {id} known."""
    find: Probe
    """How a step is found again whose answer was lost, so that it is never made twice."""
    take: Expression = "@"
    """Where its answer holds what later requests use."""


def step_fault(steps: Sequence[Step], ids: Collection[str]) -> str | None:
    """What does not fit together in *steps*; *ids* are the names that stand for the new record's id."""
    known = set(KNOWN)
    for step in (*(s for s in steps if s.before), *(s for s in steps if not s.before)):
        if step.name in {*KNOWN, *ids, RECORD}:
            return f"a step cannot be called '{step.name}', which means something else; rename it"
        if step.name in known:
            return f"two steps are called '{step.name}'; rename one"
        allowed = known if step.before else known | set(ids)
        for name in sorted(_asked(step)):
            if name.partition(".")[0] not in allowed:
                return f"step '{step.name}' asks for {{{name}}}, which nothing before it gives; it has {_list(allowed)}"
        known.add(step.name)
    return None


def _asked(step: Step) -> frozenset[str]:
    parts: list[Any] = [step.path, step.query, step.headers, step.body]
    find: list[Any] = [step.find.path, step.find.query, step.find.headers, step.find.body]
    return names_in([*parts, *find])


def _list(names: Collection[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
