"""This is where the collections of a sync take their turn, inside the run of their parents and after them.

So the children of a record that was born a moment ago are born in the same run. Each collection has a memory, guards
and approvals of its own; what it comes to is told with what its parents came to.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from daemon.core.limits import in_force
from daemon.engine.alarms import unfamiliar
from daemon.engine.arrivals import arrivals
from daemon.engine.context import Context, start
from daemon.engine.report import Report, RunState

_WORST: Final[Sequence[RunState]] = ("failed", "postponed", "stopped", "held", "done", "planned")
_STANDSTILL: Final = ("tenant", "canary", "cursor", "shrink")
"""Guards by which nothing of a run is written, and so nothing of its collections."""


def with_collections(context: Context, work: Callable[[Context], Report]) -> list[Report]:
    """What *work* came to: for the parents, then for each collection whose turn came."""
    report, asked = work(context), context.request.collection
    if not _goes_on(context, report):
        return [report]
    return [report, *(work(child) for child in children(context) if asked in ("", child.sync.name))]


def asked_for(name: str, reports: Sequence[Report]) -> Report:
    """The answer to whoever asked for the collection *name*, or for all where that is empty or nothing came of it."""
    found = [report for report in reports[1:] if report.sync == name]
    return found[0] if found else joined(reports)


def children(context: Context) -> Iterator[Context]:
    """The collections of a sync, each ready for its turn. What is planned for the parents counts as done."""
    for sync in context.sync.collections:
        child = start(
            sync, context.systems, context.store, context.audit, clock=context.clock, run_id=context.run,
            request=context.request, stop=context.stop, parents=context,
        )  # fmt: skip
        child.references.promise(arrivals(context, context.planned))
        yield child


def announced(context: Context) -> list[Mapping[str, Any]]:
    """The mass changes that are announced for now, those of the collections under their names."""
    found: list[Mapping[str, Any]] = [one.told() for one in context.announced]
    for child in context.sync.collections:
        _, expected = in_force(child.guards, context.at.astimezone(ZoneInfo(child.zone)))
        found += [{"collection": child.short, **one.told()} for one in expected]
    return found


def joined(found: Sequence[Report]) -> Report:
    """One report of parents and children: decisions added up, lines and words under the collection's name."""
    report, *reports = found
    counts = Counter(report.counts)
    for child in reports:
        counts.update({word: count for word, count in child.counts.items() if not word.startswith("read_")})
    return replace(
        report,
        state=min((each.state for each in found), key=_WORST.index),
        counts=dict(counts),
        lines=(*report.lines, *(named(child, line) for child in reports for line in child.lines)),
        guarantees=(*report.guarantees, *(named(child, one) for child in reports for one in child.guarantees)),
        requests=_added([each.requests for each in found]),
        guards=(*report.guards, *(_guard(child, told) for child in reports for told in child.guards)),
        problems=(*report.problems, *(f"{short(child)}: {text}" for child in reports for text in child.problems)),
    )


def _added(costs: Iterable[Mapping[str, Mapping[str, int]]]) -> Mapping[str, Mapping[str, int]]:
    """What all of them cost together, by system."""
    total: dict[str, Counter[str]] = {}
    for cost in costs:
        for system, parts in cost.items():
            total.setdefault(system, Counter()).update(parts)
    return {system: dict(parts) for system, parts in total.items()}


def named(report: Report, line: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line of a collection among those of its parents."""
    return {"collection": short(report), **line}


def short(report: Report) -> str:
    """What a collection is called within its sync."""
    return report.sync.rpartition(".")[2]


def _guard(report: Report, told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**told, "collection": short(report), "text": f"{short(report)}: {told['text']}"}


def _goes_on(context: Context, report: Report) -> bool:
    """Whether the children's turn comes: not where the parents stand still, or wait for their approval as a whole."""
    if not context.sync.collections or report.state in ("failed", "postponed", "stopped"):
        return False
    if any(told["kind"] in _STANDSTILL for told in report.guards):
        return False
    return context.request.kind == "plan" or not unfamiliar(context.store.sync(context.sync.name), context.sync)
