"""This is where everything that one run works with is held together."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from math import ceil
from zoneinfo import ZoneInfo

from connectors.base import Driver, Failed, Gone, Record
from connectors.members import Members
from daemon.audit.log import AuditLog
from daemon.core.caution import cautious
from daemon.core.digests import Notcher
from daemon.core.limits import Announced, in_force
from daemon.core.merge import Ruling
from daemon.core.model import Decision
from daemon.core.revisions import remapped
from daemon.core.rules import SIDES, Side, Sync
from daemon.engine.references import References
from daemon.engine.report import Request
from daemon.engine.view import View
from daemon.store.store import Store, SyncRow


@dataclass
class Context:
    """One run of one sync. `problems` collects what a person should know."""

    sync: Sync
    drivers: Mapping[Side, Driver]
    """As this sync sees its systems: a collection's may show the members of lists as records."""
    store: Store
    audit: AuditLog
    clock: Callable[[], float]
    run: str
    request: Request
    stop: Callable[[], bool]
    row: SyncRow
    at: datetime
    salt: str
    notcher: Notcher
    views: Mapping[Side, View]
    references: References
    announced: Sequence[Announced] = ()
    """Mass changes that are announced for now; their limits are those of `sync` already."""
    systems: Mapping[Side, Driver] = field(default_factory=dict)
    """The systems themselves."""
    parents: "Context | None" = None
    """For a collection, the run that it is part of."""
    planned: Iterable[Decision] = ()
    """What a plan would do, which counts as done for the plans of its collections."""
    problems: list[str] = field(default_factory=list)
    gets: Counter[Side] = field(default_factory=Counter)
    """Requests for single records, as far as drivers tell how many fit into one."""
    deferred: bool = False
    """Something was left undecided and unremembered, so no cursor may move past it."""

    @cached_property
    def approved(self) -> frozenset[bytes]:
        """The lines that people have approved."""
        return self.store.journal.approved(self.row.id, self.clock())

    def as_approved(self, fresh: Decision, planned: Decision) -> Decision:
        """*fresh*, which does no more than *planned* did: what a person allowed of that is allowed of this."""
        if planned.line in self.approved:
            self.approved |= {fresh.line}
        return fresh

    @cached_property
    def rulings(self) -> Mapping[int, Mapping[str, Ruling]]:
        """What people have answered to conflicts, by pair."""
        return self.store.journal.rulings(self.row.id)

    def get(self, side: Side, ids: Sequence[str]) -> dict[str, Record | Gone | Failed]:
        """The records with these ids as *side* shows them now."""
        if not ids:
            return {}
        view = self.views[side]
        self.gets[side] += ceil(len(ids) / view.capabilities.gets)
        answers = self.drivers[side].get(view.end.entity, ids, fields=view.wanted)
        return dict(zip(ids, answers, strict=True))

    def say(self, problem: str) -> None:
        """Tell a person, once."""
        if problem not in self.problems:
            self.problems.append(problem)


def start(
    sync: Sync,
    drivers: Mapping[Side, Driver],
    store: Store,
    audit: AuditLog,
    *,
    clock: Callable[[], float],
    run_id: str,
    request: Request,
    stop: Callable[[], bool],
    parents: Context | None = None,
) -> Context:
    """Everything that a run needs, made from what is given and what is remembered."""
    row = store.sync(sync.name)
    sync = cautious(sync) if row.restored else sync
    at = datetime.fromtimestamp(clock(), ZoneInfo(sync.zone))
    guards, announced = in_force(sync.guards, at)
    sync = replace(sync, guards=guards, remapped=row.remapped | remapped(row.rev, sync.rev))
    salt = _salt(sync, at)
    notcher = Notcher(store.vault.notch_key, sync.name, salt=salt)
    systems, drivers = drivers, {side: _seen_by(sync, side, drivers[side]) for side in SIDES}
    references = References(sync, store, systems)
    views = {s: View(sync, s, notcher, drivers[s].describe(sync.end(s).entity), at, references) for s in SIDES}
    context = Context(
        sync, drivers, store, audit, clock, run_id, request, stop, row, at, salt, notcher, views, references, announced,
        systems, parents,
    )  # fmt: skip
    for expected in announced:
        context.say(str(expected))
    if row.restored:
        context.say(
            "what is remembered may be older than what was done: clashes and deletes wait for a person, until nothing"
            f" is held any more, or after `tallystick approve {sync.name} --kind restored`"
        )
    return context


def _seen_by(sync: Sync, side: Side, driver: Driver) -> Driver:
    """The system of one side; for a collection whose records lie in lists, their members."""
    nest = sync.family.nests.get(side) if sync.family else None
    if nest is None:
        return driver
    found = [lens.path.text for rule in sync.rules if (lens := rule.lens(side)) and lens.path]
    return Members(driver, nest.entity, nest.path, nest.key, found)


def _salt(sync: Sync, at: datetime) -> str:
    """What the same inputs mean: it changes with the mapping, and with the day where the calendar is asked."""
    lenses = [lens for rule in sync.rules for side in SIDES if (lens := rule.lens(side))]
    asking = [lens for lens in lenses if lens.volatile == "calendar"]
    zones = sync.zones.union(*(lens.zones for lens in asking))
    days = [at.date(), *(at.astimezone(ZoneInfo(zone)).date() for zone in sorted(zones))]
    return "|".join((sync.rev, sync.outlook, " ".join(map(str, days)) if asking or sync.calendar else ""))
