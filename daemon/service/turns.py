"""This is where the verbs of the admin socket get their turns from the control loop."""

from concurrent.futures import Future
from typing import Final

from daemon.admin.operations import Answer
from daemon.engine.report import Request
from daemon.errors import ConfigError
from daemon.service import clock
from daemon.service.generation import Generation
from daemon.service.loop import Loop
from daemon.service.operations import Job
from daemon.service.reload import Prepared
from daemon.service.schedule import upcoming
from daemon.service.status import describe
from daemon.service.table import Task

PATIENCE: Final = 86_400.0
"""Seconds that a verb waits for its turn and its end. Whoever called gives up sooner; the work goes on."""
RELOAD: Final = 600.0


class LoopTurns:
    """Turns, as the control loop gives them. Called from threads of the admin server."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def current(self) -> Generation:
        """See Turns."""
        return self._loop.ask(lambda: self._loop.generation)

    def alone(self, sync: str, what: str, job: Job) -> Answer:
        """See Turns."""
        task = self._loop.ask(lambda: self._loop.add(Task(sync, what, job=job)))
        return self._loop.wait(task.future, PATIENCE)

    def beside(self, sync: str, job: Job) -> Answer:
        """See Turns."""
        generation = self._loop.ask(self._loop.pin)
        try:
            generation.sync(sync)
            return job(generation, lambda: False)
        finally:
            self._loop.post(lambda: self._loop.unpin(generation))

    def run(self, sync: str, request: Request, *, wait: bool) -> Answer:
        """See Turns."""
        task = self._loop.ask(lambda: self._loop.add(Task(sync, "run", clock.new_run_id(), request)))
        if not wait:
            return {"run": task.run, "queued": True}
        return self._loop.wait(task.future, PATIENCE)

    def reload(self, *, actor: str) -> Answer:
        """See Turns. A refused reload is an answer, not an error: the old configuration goes on."""
        future: Future[Prepared] = self._loop.ask(lambda: self._loop.reloads.ask(actor))
        try:
            prepared = self._loop.wait(future, RELOAD)
        except ConfigError as error:
            return {"applied": False, "generation": self.current().number, "changes": [], "problems": error.problems}
        return {
            "applied": True,
            "generation": self.current().number,
            "changes": list(prepared.changes),
            "problems": [],
        }

    def status(self) -> Answer:
        """See Turns."""
        loop = self._loop
        generation, state, doing, refused, refused_at = loop.ask(
            lambda: (loop.generation, loop.state, loop.table.doing, loop.reloads.refused, loop.reloads.refused_at)
        )
        now = clock.now()
        soon = {name: next(upcoming(sync.schedule, name, now), None) for name, sync in generation.config.syncs.items()}
        return describe(
            loop.runtime,
            generation,
            state=state,
            running=doing,
            next_times={name: moment for name, moment in soon.items() if moment is not None},
            refused=refused,
            refused_at=refused_at,
        )
