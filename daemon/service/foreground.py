"""This is where a command works without a daemon: the same verbs, done in this process, under the same lock."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from daemon.admin.operations import Answer, Operations
from daemon.config.models import LogConfig
from daemon.engine.report import Request
from daemon.errors import NoSuch
from daemon.service import clock
from daemon.service.generation import Generation
from daemon.service.logs import Redactor, set_up
from daemon.service.operations import Job, ServiceOperations, run_job
from daemon.service.runtime import Runtime, start
from daemon.service.status import describe


@contextmanager
def open(folder: Path, env: Mapping[str, str]) -> Iterator[Operations]:
    """The verbs on the configuration in *folder*, for the length of a `with`.

    Ctrl-C and SIGTERM end a run at its next batch; the second Ctrl-C ends the process. Raises Busy naming the process
    that holds the state folder, ConfigError, StoreError or AuditError.
    """
    redactor = Redactor()
    set_up(LogConfig(level="warning"), redactor, env)
    with start(folder, env, "run", redactor=redactor) as (runtime, generation), _stop_signals() as stop:
        try:
            yield ServiceOperations(runtime, _OneAtATime(runtime, generation, stop))
            runtime.remember_audit()
        finally:
            generation.retire()


class _OneAtATime:
    """Turns in a process that does one thing and ends."""

    def __init__(self, runtime: Runtime, generation: Generation, stop: threading.Event) -> None:
        self._runtime = runtime
        self._generation = generation
        self._stop = stop

    def current(self) -> Generation:
        """See Turns."""
        return self._generation

    def alone(self, sync: str, what: str, job: Job) -> Answer:
        """See Turns."""
        del what
        return self.beside(sync, job)

    def beside(self, sync: str, job: Job) -> Answer:
        """See Turns."""
        self._generation.sync(sync)
        return job(self._generation, self._stop.is_set)

    def run(self, sync: str, request: Request, *, wait: bool) -> Answer:
        """See Turns. There is nobody to leave it to, so it is always waited for."""
        del wait
        return self.beside(sync, run_job(self._runtime, sync, request, clock.new_run_id()))

    def reload(self, *, actor: str) -> Answer:
        """See Turns."""
        del actor
        raise NoSuch("no daemon is running; the next command reads the files anew anyway")

    def status(self) -> Answer:
        """See Turns."""
        return describe(self._runtime, self._generation, state="foreground", running={}, next_times={})


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the one after it acts as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
