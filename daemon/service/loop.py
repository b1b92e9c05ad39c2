"""This is where everything that happens to a daemon happens in one order: the control loop.

It runs on the main thread and alone owns the generation and the table of who is at work. Signals, the scheduler, the
admin socket and ending runs only post to its inbox; who needs an answer waits for a future, with a deadline.
The inbox is a SimpleQueue because a signal handler may put into it at any moment: Queue would lock itself out.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias, TypeVar

import structlog

from daemon.admin.operations import Answer
from daemon.engine.report import Request
from daemon.errors import AuditError, Busy, TallystickError
from daemon.service import clock
from daemon.service.generation import Generation
from daemon.service.notify import Notifier
from daemon.service.operations import Job, run_job
from daemon.service.pulse import Pulse
from daemon.service.reload import Prepared
from daemon.service.reloads import Reloads
from daemon.service.runtime import Runtime
from daemon.service.schedule import Scheduler
from daemon.service.signals import Word
from daemon.service.status import State, counted
from daemon.service.table import SCHEDULE, Table, Task

log = structlog.get_logger()

DRAIN: Final = 120.0
"""Seconds that a stop waits for runs to reach their next batch. The unit's TimeoutStopSec is longer."""
HASTE: Final = 5.0
"""Seconds that a second SIGTERM leaves them."""
DEADLINE: Final = 30.0
"""Seconds within which the loop answers a question."""
STOPPING: Final = "the daemon is stopping; the work goes on after its next start"

T = TypeVar("T")
Action: TypeAlias = Callable[[], object]


class Loop:
    """The control loop. `post`, `ask` and `wait` may be called from any thread, everything else on the loop alone."""

    def __init__(self, runtime: Runtime, generation: Generation, notifier: Notifier) -> None:
        self.runtime = runtime
        self.generation = generation
        self.state: State = "starting"
        self.notifier = notifier
        self.table = Table(self._launch)
        self.reloads = Reloads(self)
        self.pulse = Pulse(runtime, notifier)
        self.abandoned = False
        """Runs were still at work when the loop ended."""
        self._inbox: SimpleQueue[Action] = SimpleQueue()
        self._stop = threading.Event()
        self._give_up: float | None = None
        self._open: set[Future[Any]] = set()
        self._ended = False
        self._guard = threading.Lock()
        self._scheduler: Scheduler | None = None

    # Called from anywhere

    def post(self, action: Action) -> None:
        """Lets the loop do *action* soon. Takes no lock, so that signal handlers may call it."""
        self._inbox.put(action)

    def ask(self, question: Callable[[], T], *, deadline: float = DEADLINE) -> T:
        """What *question* gives on the loop. Raises what it raises, and Busy if the loop does not come to it."""
        future: Future[T] = Future()
        self.post(lambda: _answer(future, question))
        return self.wait(future, deadline)

    def wait(self, future: "Future[T]", deadline: float | None) -> T:
        """The future's result. Raises Busy when the daemon ends first."""
        with self._guard:
            if self._ended and not future.done():
                raise Busy(STOPPING)
            self._open.add(future)
        try:
            return future.result(deadline)
        except Late:
            raise Busy("the daemon is too busy to answer; look at its log") from None
        finally:
            with self._guard:
                self._open.discard(future)

    def hear(self, word: Word) -> None:
        """A signal's word."""
        self.post(self.stop if word == "stop" else lambda: self.reloads.ask("signal"))

    # The loop itself

    def work(self) -> None:
        """Turns until the daemon was asked to stop and nobody is at work any more."""
        self._scheduler = Scheduler(
            wake=lambda sync, full: self.post(lambda: self._wake(sync, full)),
            beat=lambda: self.post(self.pulse.beat),
        )
        try:
            self._follow()
            self.state = "running"
            self.notifier.ready(self.headline())
            log.info("ready", generation=self.generation.number, syncs=len(self.generation.config.syncs))
            self._turn_until_drained()
        finally:
            self._scheduler.stop()
            self._end()

    def stop(self) -> None:
        """No new runs; those at work end at their next batch. The second time they have five seconds."""
        now = clock.monotonic()
        if self.state == "draining":
            self._give_up = min(self._give_up or now + HASTE, now + HASTE)
            return
        self.state = "draining"
        self._give_up = now + DRAIN
        self._stop.set()
        self.notifier.stopping("stopping; runs end at their next batch")
        log.info("stopping", at_work=self.table.doing)
        self.table.refuse_all(Busy(STOPPING))

    def add(self, task: Task) -> Task:
        """Begins a task or puts it in line. Raises NoSuch for an unknown sync, Busy while stopping."""
        if self.state == "draining":
            raise Busy(STOPPING)
        self.generation.sync(task.sync)
        return self.table.add(task)

    def pin(self) -> Generation:
        """The current generation, kept alive until `unpin`."""
        self.generation.pins += 1
        return self.generation

    def unpin(self, generation: Generation) -> None:
        """Gives back what `pin` gave; the last one closes an old generation."""
        generation.pins -= 1
        if generation is not self.generation and not generation.pins:
            generation.retire()
            log.info("retired", generation=generation.number)

    def take_over(self, prepared: Prepared, actor: str) -> None:
        """Swaps the generation, once the audit log knows. Raises AuditError, and then nothing has changed."""
        fresh, old = prepared.generation, self.generation
        if fresh is None:
            return
        try:
            self.runtime.testify(
                "config.applied",
                actor=actor,
                generation=fresh.number,
                digest=fresh.config.digest,
                before=old.config.digest,
                changes=list(prepared.changes),
            )
        except AuditError:
            fresh.retire()
            raise
        self.generation = fresh
        self._follow()
        if not old.pins:
            old.retire()

    def headline(self) -> str:
        """The daemon in one line."""
        config = self.generation.config
        size = f"{counted(len(config.syncs), 'sync')}, {counted(len(config.systems), 'system')}"
        return f"generation {self.generation.number}: {size}{self.reloads.headline()}"

    def _turn_until_drained(self) -> None:
        while not (self.state == "draining" and (self.table.idle or self._out_of_patience())):
            with suppress(Empty):
                self._inbox.get(timeout=self.pulse.due_in)()
            if not self.pulse.due_in:
                self._tick()

    def _out_of_patience(self) -> bool:
        return self._give_up is not None and clock.monotonic() >= self._give_up

    def _tick(self) -> None:
        assert self._scheduler
        self.pulse.tick(self.generation.config, idle=self.table.idle)
        self.pulse.heed_the_clock(self._scheduler.start_over)

    def _wake(self, sync: str, full: bool) -> None:
        if self.state == "draining" or sync not in self.generation.config.syncs:
            return
        request = Request("run", full=full, actor=SCHEDULE)
        try:
            self.table.add(Task(sync, "run", clock.new_run_id(), request))
        except Busy as error:
            log.warning("run left out", sync=sync, reason=str(error))

    def _launch(self, task: Task) -> None:
        task.generation = self.pin()
        threading.Thread(target=self._do, args=(task, task.generation), name=f"run-{task.sync}", daemon=True).start()

    def _do(self, task: Task, generation: Generation) -> None:
        """One task, in its own thread. Whatever it comes to is told to the loop."""
        with structlog.contextvars.bound_contextvars(sync=task.sync, run_id=task.run):
            try:
                answer = self._job(task)(generation, self._stop.is_set)
            except BaseException as error:
                if not isinstance(error, TallystickError):
                    log.exception("task broke", what=task.what)
                elif task.request:
                    log.error("run broke", reason=str(error))
                failure = error
                self.post(lambda: self._ended_with(task, lambda: task.future.set_exception(failure)))
            else:
                if task.request:
                    _tell_run(answer)
                self.post(lambda: self._ended_with(task, lambda: task.future.set_result(answer)))

    def _job(self, task: Task) -> Job:
        if task.request:  # made only now: until here other runs could join
            return run_job(self.runtime, task.sync, task.request, task.run)
        assert task.job
        return task.job

    def _ended_with(self, task: Task, answer: Action) -> None:
        assert task.generation
        self.table.end(task)
        self.unpin(task.generation)
        answer()

    def _follow(self) -> None:
        assert self._scheduler
        self._scheduler.follow({name: sync.schedule for name, sync in self.generation.config.syncs.items()})

    def _end(self) -> None:
        """Nobody waits for a loop that does not turn."""
        self.abandoned = not self.table.idle
        with self._guard:
            self._ended = True
            waiting = list(self._open)
        for future in waiting:
            if not future.done():
                future.set_exception(Busy(STOPPING))


def _answer(future: "Future[T]", question: Callable[[], T]) -> None:
    try:
        future.set_result(question())
    except BaseException as error:
        future.set_exception(error)


def _tell_run(report: Answer) -> None:
    """The one line of a run: counts and places, never values."""
    say = log.warning if report["state"] in ("failed", "postponed") else log.info
    counts = {name: count for name, count in report["counts"].items() if count}
    say("run ended", state=report["state"], counts=counts, problems=report["problems"])
