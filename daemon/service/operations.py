"""This is where the verbs of an administrator are done: with a daemon's control loop behind them, or without.

A verb that touches a sync gets its turn from `Turns`; everything else reads the store or the audit log.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from daemon.admin.operations import Answer
from daemon.audit.keys import load_keys
from daemon.audit.reading import Shown, read_entries
from daemon.audit.verify import verify_log
from daemon.engine import people
from daemon.engine.report import Request
from daemon.engine.run import run_sync
from daemon.service import clock
from daemon.service.generation import Generation
from daemon.service.places import audit_folder
from daemon.service.runtime import Runtime

Stop: TypeAlias = Callable[[], bool]
Job: TypeAlias = Callable[[Generation, Stop], Answer]
"""Work on one sync. *stop* turns true when it should end at the next batch."""

CONFLICT = "conflict"


class Turns(Protocol):
    """Who decides when a verb may touch a sync, and with which generation."""

    def current(self) -> Generation:
        """The generation that new work begins with."""

    def alone(self, sync: str, job: Job) -> Answer:
        """Does *job* while nothing else is at work on that sync, and waits for it."""

    def beside(self, sync: str, job: Job) -> Answer:
        """Does *job* at once; it only reads."""

    def run(self, sync: str, request: Request, *, wait: bool) -> Answer:
        """Runs the sync in its turn: the report, or {run, queued: true} without *wait*."""

    def reload(self, *, actor: str) -> Answer:
        """See Operations."""

    def status(self) -> Answer:
        """See Operations."""


def run_job(runtime: Runtime, sync: str, request: Request, run_id: str) -> Job:
    """A run or a plan as a job; its answer is the report."""

    def job(generation: Generation, stop: Stop) -> Answer:
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
        return self._turns.run(sync, Request("run", full, only, actor, reason), wait=wait)

    def plan(self, sync: str, *, full: bool, actor: str) -> Answer:
        """See Operations."""
        request = Request("plan", full=full, actor=actor)
        return self._turns.alone(sync, run_job(self._runtime, sync, request, clock.new_run_id()))

    def adopt(self, sync: str, *, actor: str) -> Answer:
        """See Operations."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            rules, drivers = generation.sync(sync).rules, generation.drivers(sync)
            store, audit = self._runtime.store, self._runtime.audit
            return people.adopt(rules, drivers, store, audit, clock=clock.now, run_id=clock.new_run_id(), actor=actor)

        return self._turns.alone(sync, job)

    def approve(
        self, sync: str, *, kinds: Sequence[str], only: str | None, actor: str, reason: str, expires: float
    ) -> Answer:
        """See Operations. *expires* is in seconds from now."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            return people.approve(
                generation.sync(sync).rules,
                generation.drivers(sync),
                self._runtime.store,
                self._runtime.audit,
                clock=clock.now,
                run_id=clock.new_run_id(),
                kinds=kinds,
                only=only,
                actor=actor,
                reason=reason,
                expires=expires,
            )

        return self._turns.alone(sync, job)

    def reload(self, *, actor: str) -> Answer:
        """See Operations."""
        return self._turns.reload(actor=actor)

    def why(self, sync: str, key: str, *, actor: str) -> Answer:
        """See Operations."""
        del actor  # looking at one pair changes nothing and tells nothing that its owner may not see

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            rules, drivers = generation.sync(sync).rules, generation.drivers(sync)
            return people.explain(rules, drivers, self._runtime.store, key, clock=clock.now)

        return self._turns.beside(sync, job)

    def runs(self, sync: str | None, *, limit: int) -> Answer:
        """See Operations."""
        self._check(sync)
        return {"runs": self._runtime.store.journal.runs(sync, limit)}

    def held(self, sync: str | None) -> Answer:
        """See Operations."""
        self._check(sync)
        return {"held": people.held(self._runtime.store, sync)}

    def retry(self, sync: str, key: str, *, actor: str) -> Answer:
        """See Operations."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            rules = generation.sync(sync).rules
            return people.retry(rules, self._runtime.store, self._runtime.audit, key, actor=actor, clock=clock.now)

        return self._turns.alone(sync, job)

    def conflicts(self, sync: str | None) -> Answer:
        """See Operations."""
        self._check(sync)
        return {"conflicts": people.held(self._runtime.store, sync, (CONFLICT,))}

    def resolve(
        self, sync: str, key: str, *, take: Literal["left", "right"], fields: Sequence[str], actor: str, reason: str
    ) -> Answer:
        """See Operations."""

        def job(generation: Generation, stop: Stop) -> Answer:
            del stop
            return people.resolve(
                generation.sync(sync).rules,
                generation.drivers(sync),
                self._runtime.store,
                self._runtime.audit,
                key,
                take=take,
                fields=fields,
                actor=actor,
                reason=reason,
                clock=clock.now,
            )

        return self._turns.alone(sync, job)

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

    def audit_show(self, *, start: int, limit: int, match: Mapping[str, str], actor: str) -> Answer:
        """See Operations. *match* is equality of members, as text; a dot goes into a member."""
        self._runtime.testify("audit.read", actor=actor, start=start, limit=limit, match=dict(match))
        config = self._turns.current().config
        found = read_entries(
            audit_folder(config),
            load_keys(config.daemon.audit_keys),
            start=start,
            match=lambda body: all(_member(body, path) == text for path, text in match.items()),
        )
        return {"entries": [_shown(entry) for entry in itertools.islice(found, limit)]}

    def _check(self, sync: str | None) -> None:
        """Raises NoSuch for a sync that is neither configured nor has a past."""
        if sync is not None and not self._runtime.store.journal.runs(sync, 1):
            self._turns.current().sync(sync)


def _shown(entry: Shown) -> dict[str, Any]:
    return {"seq": entry.seq, "time": clock.as_text(entry.time), **entry.body}


def _member(body: Any, path: str) -> str | None:
    for part in path.split("."):
        body = body.get(part) if isinstance(body, Mapping) else None
    return None if body is None else str(body)
