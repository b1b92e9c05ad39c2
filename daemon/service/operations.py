"""This is where the verbs of an administrator are done: with a daemon's control loop behind them, or without.

A verb that touches a sync gets its turn from `Turns`; everything else reads the store or the audit log.
"""

import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, TypeAlias

from connectors.base import ConnectorError, Driver, Temporary
from daemon.admin.operations import Answer, Take
from daemon.audit.keys import load_keys
from daemon.audit.log import AuditLog
from daemon.audit.reading import Shown, read_entries
from daemon.audit.verify import verify_log
from daemon.core.rules import Side, Sync
from daemon.engine import people
from daemon.engine.explaining import explain
from daemon.engine.finding import whose
from daemon.engine.pairing import Row, import_pairs, list_pairs, show_pair, unlink
from daemon.engine.report import Request
from daemon.engine.resolving import resolve
from daemon.engine.run import run_sync
from daemon.engine.waiting import drop, held, retry
from daemon.errors import Busy, NoSuch, TallystickError
from daemon.service import clock
from daemon.service.generation import Generation
from daemon.service.history import recent
from daemon.service.places import audit_folder
from daemon.service.runtime import Runtime
from daemon.store.store import Store

Stop: TypeAlias = Callable[[], bool]
Job: TypeAlias = Callable[[Generation, Stop], Answer]
"""Work on one sync. *stop* turns true when it should end at the next batch."""

Ends: TypeAlias = tuple[Sync, Mapping[Side, Driver], Store, AuditLog]

CONFLICT: Final = "conflict"


class Turns(Protocol):
    """Who decides when a verb may touch a sync, and with which generation."""

    def current(self) -> Generation:
        """The generation that new work begins with."""

    def alone(self, sync: str, what: str, job: Job) -> Answer:
        """Does *job*, called *what*, while nothing else is at work on that sync, and waits for it."""

    def beside(self, sync: str, job: Job) -> Answer:
        """Does *job* at once; it only reads."""

    def run(self, sync: str, request: Request, *, wait: bool) -> Answer:
        """Runs the sync in its turn: the report, or {run, queued: true} without *wait*."""

    def reload(self, *, actor: str) -> Answer:
        """See Operations."""

    def status(self) -> Answer:
        """See Operations."""


def run_job(runtime: Runtime, sync: str, request: Request, run_id: str) -> Job:
    """A run or a plan as a job; its answer is the report. A run that breaks is remembered as failed."""

    def job(generation: Generation, stop: Stop) -> Answer:
        try:
            report = run_sync(
                generation.sync(sync).rules,
                generation.drivers(sync),
                runtime.store,
                runtime.audit,
                clock=clock.now,
                run_id=run_id,
                request=request,
                stop=stop,
            )
        except NoSuch:
            raise  # the run came to its end, and there was no such record
        except Exception as error:
            with suppress(Exception):  # the store may be what broke
                runtime.store.journal.end_run(run_id, "failed", clock.now(), {"problems": [str(error)]})
            raise
        return report.to_json()

    return job


class ServiceOperations:
    """Operations over a runtime, with turns given by *turns*."""

    def __init__(self, runtime: Runtime, turns: Turns) -> None:
        self._runtime = runtime
        self._turns = turns

    def status(self) -> Answer:
        """See Operations."""
        return self._turns.status()

    def run(self, sync: str, *, full: bool, only: str | None, wait: bool, actor: str, reason: str) -> Answer:
        """See Operations."""
        root = self._root(sync)
        request = Request("run", full, only, actor, reason, "" if root == sync else sync)
        return self._turns.run(root, request, wait=wait)

    def plan(self, sync: str, *, full: bool, actor: str) -> Answer:
        """See Operations."""
        root = self._root(sync)
        request = Request("plan", full=full, actor=actor, collection="" if root == sync else sync)
        return self._alone("plan", root, run_job(self._runtime, root, request, clock.new_run_id()))

    def adopt(self, sync: str, *, actor: str) -> Answer:
        """See Operations."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            ends = self._ends(generation, sync)
            return people.adopt(*ends, clock=clock.now, run_id=clock.new_run_id(), actor=actor)

        return self._alone("adopt", sync, job)

    def approve(
        self, sync: str, *, kinds: Sequence[str], only: str | None, actor: str, reason: str, expires: float
    ) -> Answer:
        """See Operations. *expires* is in seconds from now."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            return people.approve(
                *self._ends(generation, sync),
                clock=clock.now,
                run_id=clock.new_run_id(),
                kinds=kinds,
                only=only,
                actor=actor,
                reason=reason,
                expires=expires,
            )

        return self._alone("approve", sync, job)

    def reload(self, *, actor: str) -> Answer:
        """See Operations."""
        return self._turns.reload(actor=actor)

    def why(self, sync: str, key: str, *, actor: str) -> Answer:
        """See Operations."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            told = explain(*self._ends(generation, sync, key), key, clock=clock.now, actor=actor)
            keys = load_keys(generation.config.daemon.audit_keys)
            return told | {"history": recent(self._runtime.audit, keys, told["sync"], told)}

        return self._turns.beside(self._root(sync), _told(job))

    def runs(self, sync: str | None, *, limit: int) -> Answer:
        """See Operations."""
        if sync is not None and not self._runtime.store.journal.runs(sync, 1):
            sync = self._root(sync)  # a sync that was removed still has its past
        return {"runs": self._runtime.store.journal.runs(sync, limit)}

    def held(self, sync: str | None) -> Answer:
        """See Operations."""
        return {"held": held(self._runtime.store, self._names(sync))}

    def retry(self, sync: str, key: str, *, actor: str) -> Answer:
        """See Operations."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            rules, _, store, audit = self._ends(generation, sync, key)
            return retry(rules, store, audit, key, actor=actor)

        return self._alone("retry", sync, job)

    def drop(self, sync: str, key: str, *, actor: str, reason: str) -> Answer:
        """See Operations."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            return drop(*self._ends(generation, sync, key), key, actor=actor, reason=reason, clock=clock.now)

        return self._alone("drop", sync, job)

    def pairs(self, sync: str, *, states: Sequence[str], after: int, limit: int) -> Answer:
        """See Operations."""
        rules = self._turns.current().rules(sync)
        return list_pairs(rules, self._runtime.store, states=states, after=after, limit=limit)

    def pair(self, sync: str, key: str) -> Answer:
        """See Operations."""
        store = self._runtime.store
        return show_pair(whose(self._turns.current().rules(sync), store, key), store, key)

    def import_pairs(
        self, sync: str, *, rows: Sequence[tuple[int, str, str]], dry_run: bool, actor: str, reason: str
    ) -> Answer:
        """See Operations."""
        given = [Row(*row) for row in rows]

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            ends = self._ends(generation, sync)
            return import_pairs(*ends, given, dry_run=dry_run, actor=actor, reason=reason, clock=clock.now)

        return self._alone("import", sync, job)

    def unlink(self, sync: str, key: str, *, actor: str, reason: str) -> Answer:
        """See Operations."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            rules, _, store, audit = self._ends(generation, sync, key)
            return unlink(rules, store, audit, key, actor=actor, reason=reason, clock=clock.now)

        return self._alone("unlink", sync, job)

    def conflicts(self, sync: str | None) -> Answer:
        """See Operations."""
        return {"conflicts": held(self._runtime.store, self._names(sync), (CONFLICT,))}

    def resolve(
        self,
        sync: str,
        key: str,
        *,
        take: Take,
        fields: Sequence[str],
        actor: str,
        reason: str,
    ) -> Answer:
        """See Operations."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            ends = self._ends(generation, sync, key)
            return resolve(*ends, key, take=take, fields=fields, actor=actor, reason=reason, clock=clock.now)

        return self._alone("resolve", sync, job)

    def audit_verify(self, *, expect_size: int | None, max_age: float | None) -> Answer:
        """See Operations."""
        log = self._runtime.audit
        verdict = verify_log(
            log.folder, expect_size=expect_size, max_age=max_age, now=clock.now(), identity=log.origin.public
        )
        return {
            "code": verdict.code,
            "size": verdict.size,
            "sealed": verdict.sealed_size,
            "checkpoints": verdict.checkpoints,
            "unsealed": verdict.unsealed,
            "fingerprint": verdict.fingerprint,
            "problems": list(verdict.problems),
        }

    def audit_show(self, *, start: int | None, limit: int, match: Mapping[str, str], actor: str) -> Answer:
        """See Operations. *match* is equality of members, as text; a dot goes into a member."""
        self._runtime.testify("audit.read", actor=actor, start=start, limit=limit, match=dict(match))
        config = self._turns.current().config
        found = read_entries(
            audit_folder(config),
            load_keys(config.daemon.audit_keys),
            start=start or 0,
            match=lambda body: all(_member(body, path) == text for path, text in match.items()),
        )
        entries = deque(found, limit) if start is None else itertools.islice(found, limit)
        return {"entries": [_shown(entry) for entry in entries]}

    def _alone(self, what: str, sync: str, job: Job) -> Answer:
        return self._turns.alone(self._root(sync), what, _told(job))

    def _root(self, sync: str) -> str:
        return self._turns.current().root(sync)

    def _ends(self, generation: Generation, sync: str, key: str | None = None) -> Ends:
        """What every question about a sync begins with; about *key*, that of the collection which alone knows it."""
        rules, store = generation.rules(sync), self._runtime.store
        rules = rules if key is None else whose(rules, store, key)
        return rules, generation.drivers(sync), store, self._runtime.audit

    def _names(self, sync: str | None) -> list[str]:
        """The syncs that are meant, each with its collections."""
        generation = self._turns.current()
        meant = [generation.rules(sync)] if sync else [each.rules for each in generation.config.syncs.values()]
        return [each.name for rules in meant for each in (rules, *rules.collections)]


def _told(job: Job) -> Job:
    """*job*, with a system's trouble as an error for people."""

    def telling(generation: Generation, stop: Stop) -> Answer:
        try:
            return job(generation, stop)
        except Temporary as error:
            raise Busy(f"{error}; try again later") from None
        except ConnectorError as error:
            raise TallystickError(str(error)) from None

    return telling


def _shown(entry: Shown) -> dict[str, Any]:
    return {"seq": entry.seq, "time": clock.as_text(entry.time), **entry.body}


def _member(body: Any, path: str) -> str | None:
    for part in path.split("."):
        body = body.get(part) if isinstance(body, Mapping) else None
    return None if body is None else str(body)
