"""This is where the daemon begins and ends: its whole life, from the first signal handler to the exit code."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from daemon.admin import sockets
from daemon.admin.server import AdminServer
from daemon.config.models import LogConfig
from daemon.errors import AuditError, TallystickError
from daemon.service import logs
from daemon.service.generation import Generation
from daemon.service.lock import Holder
from daemon.service.loop import Loop
from daemon.service.notify import Notifier
from daemon.service.operations import ServiceOperations
from daemon.service.runtime import Runtime, start
from daemon.service.signals import Signals
from daemon.service.status import product_version
from daemon.service.turns import LoopTurns

log = structlog.get_logger()

BUG, FILES, NO_PERMISSION = 70, 74, 77


def serve(folder: Path, env: Mapping[str, str]) -> int:
    """Runs the daemon of the configuration in *folder* until it is told to stop: its exit code.

    0 stopped, 78 configuration, 75 another process holds the state folder, 74 store, audit log or disk, 77 permissions,
    70 a bug of ours.
    """
    signals = Signals()
    signals.install()
    redactor = logs.Redactor()
    notifier = Notifier(env)
    logs.set_up(LogConfig(), redactor, env)

    def waiting(holder: Holder) -> None:
        log.info("waiting", holder=holder.pid, reason="a command in the foreground has the state folder")
        notifier.extend(90, f"waiting for process {holder.pid}")

    try:
        with start(folder, env, "serve", redactor=redactor, waiting=waiting) as (runtime, generation):
            _live(runtime, generation, notifier, signals)
    except TallystickError as error:
        _tell(redactor.text(str(error)), env)
        return error.exit_code
    except OSError as error:
        _tell(f"{error.filename or folder}: {error.strerror or error}; the daemon's user must be able to use it", env)
        return NO_PERMISSION if isinstance(error, PermissionError) else FILES
    except Exception:
        log.critical("the daemon broke", exc_info=True)
        return BUG
    return 0


def _live(runtime: Runtime, generation: Generation, notifier: Notifier, signals: Signals) -> None:
    """From the open audit log to the closed one."""
    config = generation.config
    logs.set_up(config.daemon.log, runtime.redactor, runtime.env)
    loop = Loop(runtime, generation, notifier)
    with _admin_socket(runtime, generation, loop):
        runtime.testify(
            "daemon.start", actor="daemon", node=config.daemon.node, pid=os.getpid(), version=product_version(),
            digest=config.digest,
        )  # fmt: skip
        signals.deliver(loop.hear)
        loop.work()
    with suppress(AuditError):  # it was said when it happened
        runtime.testify("daemon.stop", actor="daemon", pid=os.getpid(), abandoned=loop.abandoned)
        runtime.remember_audit()
    if loop.abandoned:
        log.warning("stopped", reason="runs were left in the middle; the next start takes them up")
        _vanish(runtime)
    loop.generation.retire()
    log.info("stopped")


@contextmanager
def _admin_socket(runtime: Runtime, generation: Generation, loop: Loop) -> Iterator[None]:
    daemon = generation.config.daemon
    line = sockets.inherited(runtime.env)
    own = line is None
    line = line or sockets.bind(daemon.socket, group=daemon.admin.group)
    server = AdminServer(line, ServiceOperations(runtime, LoopTurns(loop)), _Health(loop))
    server.start()
    try:
        yield
    finally:
        server.stop()
        if own:
            sockets.remove(daemon.socket)


class _Health:
    """Health, as the loop has it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def live(self) -> bool:
        """See Health."""
        return self._loop.pulse.live()

    def ready(self) -> Mapping[str, bool]:
        """See Health. A refused reload does not make it unready: the old configuration works."""
        with suppress(Exception):
            store = self._loop.runtime.store.noted("version") is not None
            return {
                "running": self._loop.state in ("running", "reloading"),
                "store": store,
                "audit": self._loop.runtime.audit.failed is None,
            }
        return {"store": False}


def _vanish(runtime: Runtime) -> None:
    """Ends the process at once, as a crash would: threads are still at work, and recovery knows how to go on."""
    runtime.audit.close()
    sys.stderr.flush()
    os._exit(0)


def _tell(text: str, env: Mapping[str, str]) -> None:
    """Why there is no daemon, as it is; for the journal with the priority of an error on every line."""
    prefix = "<3>" if "JOURNAL_STREAM" in env else ""
    for line in text.splitlines():
        sys.stderr.write(f"{prefix}{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), os.environ))
