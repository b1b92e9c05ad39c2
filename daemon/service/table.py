"""This is where it is kept who works on which sync: one at a time, the others in line.

Only the control loop uses it.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Final

from daemon.admin.operations import Answer
from daemon.engine.report import Request
from daemon.errors import Busy
from daemon.service.generation import Generation
from daemon.service.operations import Job

AT_ONCE: Final = 32
"""Syncs at work at the same time: each has a thread of its own and two more for reading."""
IN_LINE: Final = 20
"""Tasks that wait for one sync."""
SCHEDULE: Final = "schedule"
"""The actor of a run that nobody asked for."""


@dataclass(slots=True, eq=False)
class Task:
    """Work on one sync, now or in its turn. A run has a *request*; everything else brings its *job*."""

    sync: str
    what: str
    run: str = ""
    request: Request | None = None
    job: Job | None = None
    future: "Future[Answer]" = field(default_factory=Future)
    generation: Generation | None = None


class Table:
    """Who is at work, and who waits. *launch* begins a task whose turn has come."""

    def __init__(self, launch: Callable[[Task], None]) -> None:
        self._launch = launch
        self._active: dict[str, Task] = {}
        self._waiting: list[Task] = []

    @property
    def idle(self) -> bool:
        """Nobody is at work."""
        return not self._active

    @property
    def doing(self) -> dict[str, str]:
        """What is at work, per sync: `run 20260102-…`, `plan`."""
        return {sync: f"{task.what} {task.run}".strip() for sync, task in self._active.items()}

    def add(self, task: Task) -> Task:
        """Begins *task* or puts it in line. A run joins the same run that is waiting already; the answer is that one.

        Raises Busy where the line is full.
        """
        if (same := self._same_run(task)) is not None:
            assert same.request
            assert task.request
            same.request = _joined(same.request, task.request)
            return same
        if sum(other.sync == task.sync for other in self._waiting) >= IN_LINE:
            raise Busy(f"{IN_LINE} tasks wait for sync {task.sync} already; try again later")
        self._waiting.append(task)
        self._fill()
        return task

    def end(self, task: Task) -> None:
        """*task* is over: its sync is free for the next."""
        del self._active[task.sync]
        self._fill()

    def refuse_all(self, error: Busy) -> None:
        """Sends everybody home who waits."""
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            task.future.set_exception(error)

    def _same_run(self, task: Task) -> Task | None:
        if task.request is None:
            return None
        return next(
            (t for t in self._waiting if t.sync == task.sync and t.request and t.request.only == task.request.only),
            None,
        )

    def _fill(self) -> None:
        for task in self._waiting[:]:
            if len(self._active) >= AT_ONCE:
                return
            if task.sync not in self._active:
                self._waiting.remove(task)
                self._active[task.sync] = task
                self._launch(task)


def _joined(waiting: Request, new: Request) -> Request:
    """One run for two: full if either wants it, of all unless both want one collection, and in a person's name."""
    by = new if waiting.actor == SCHEDULE else waiting
    collection = waiting.collection if waiting.collection == new.collection else ""
    return replace(by, full=waiting.full or new.full, collection=collection)
