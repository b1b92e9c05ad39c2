"""This is where reloads happen one after the other, and where a refused one is remembered until the next succeeds.

Reading and building is done beside the control loop; taking over is one step on it. What is asked for while a reload
is under way is merged into one more after it, so that a storm of signals ends with what the files say.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol, TypeAlias

import structlog

from daemon.errors import AuditError, ConfigError
from daemon.service import clock, logs
from daemon.service.generation import Generation
from daemon.service.notify import Notifier
from daemon.service.reload import Prepared, prepare
from daemon.service.runtime import Runtime
from daemon.service.status import State, counted

log = structlog.get_logger()

Asked: TypeAlias = list[tuple[str, "Future[Prepared]"]]
"""Who wants a reload, and where the outcome goes."""
Refusal: TypeAlias = tuple[str, ...]


class Host(Protocol):
    """What a reload needs of the control loop."""

    state: State
    runtime: Runtime
    generation: Generation
    notifier: Notifier

    def post(self, action: Callable[[], object]) -> None:
        """Lets the loop do *action* soon."""

    def pin(self) -> Generation:
        """The current generation, kept alive until `unpin`."""

    def unpin(self, generation: Generation) -> None:
        """Gives back what `pin` gave."""

    def take_over(self, prepared: Prepared, actor: str) -> None:
        """Swaps the generation, once the audit log knows."""

    def headline(self) -> str:
        """The daemon in one line."""


class Reloads:
    """The reloads of a daemon. Everything here happens on the control loop, except `_prepare`."""

    def __init__(self, loop: Host) -> None:
        self.refused: Refusal = ()
        """The faults of the files as they were last read; empty when they run."""
        self.refused_at: float | None = None
        self._loop = loop
        self._asked: Asked = []
        self._under_way = False

    def ask(self, actor: str) -> "Future[Prepared]":
        """Wants the files read from now on. The future raises ConfigError when they are refused."""
        future: Future[Prepared] = Future()
        self._asked.append((actor, future))
        if not self._under_way:
            self._begin()
        return future

    def headline(self) -> str:
        """The last refusal in a few words, for the daemon's status line."""
        if not self.refused:
            return ""
        first = self.refused[0].splitlines()[0][:120]
        return f"; reload refused {clock.as_text(self.refused_at)}: {counted(len(self.refused), 'problem')} ({first})"

    def _begin(self) -> None:
        asked, self._asked = self._asked, []
        self._under_way = True
        if self._loop.state == "running":
            self._loop.state = "reloading"
        self._loop.notifier.reloading()
        running = self._loop.pin()
        threading.Thread(target=self._prepare, args=(asked, running), name="reload", daemon=True).start()

    def _prepare(self, asked: Asked, running: Generation) -> None:
        """Reads and builds in a thread of its own: a large configuration must not stop the loop."""
        found: Prepared | Refusal
        try:
            found = prepare(self._loop.runtime, running)
        except ConfigError as error:
            found = error.problems
        except Exception as error:
            log.exception("reload broke")
            found = (f"{type(error).__name__}: {error}",)
        self._loop.post(lambda: self._finish(asked, running, found))

    def _finish(self, asked: Asked, running: Generation, found: Prepared | Refusal) -> None:
        actor = asked[0][0]
        outcome = self._take_over(found, actor) if isinstance(found, Prepared) else found
        self._loop.unpin(running)
        if isinstance(outcome, Prepared):
            self.refused, self.refused_at = (), None
            for _, future in asked:
                future.set_result(outcome)
        else:
            self._refuse(outcome, actor)
            for _, future in asked:
                future.set_exception(ConfigError(outcome))
        self._end()

    def _end(self) -> None:
        self._under_way = False
        if self._loop.state == "reloading":
            self._loop.state = "running"
            self._loop.notifier.ready(self._loop.headline())
        if self._asked:
            self._begin()

    def _take_over(self, prepared: Prepared, actor: str) -> Prepared | Refusal:
        try:
            self._loop.take_over(prepared, actor)
        except AuditError as error:
            return (str(error),)
        if prepared.generation:
            config = prepared.generation.config.daemon
            logs.set_up(config.log, self._loop.runtime.redactor, self._loop.runtime.env)
            log.info(
                "config applied", generation=prepared.generation.number, changes=list(prepared.changes), actor=actor
            )
        return prepared

    def _refuse(self, problems: Refusal, actor: str) -> None:
        self.refused, self.refused_at = problems, clock.now()
        log.error("config refused", generation=self._loop.generation.number, problems=list(problems), actor=actor)
        with suppress(AuditError):  # it was said when it stopped
            self._loop.runtime.testify("config.refused", actor=actor, problems=list(problems[:20]))
