"""This is where a process takes up its state folder and gives it back: lock, store, audit log, drivers.

The order of a start: configuration, lock, secrets, store, audit log. Systems are not asked: one that is away must not
keep the daemon from starting.
"""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from daemon.audit.entries import Entry
from daemon.audit.keys import load_keys
from daemon.audit.log import AuditLog
from daemon.audit.segment import Origin
from daemon.config.load import Config, load
from daemon.engine.rollback import take_up
from daemon.errors import AuditError
from daemon.service import clock
from daemon.service.generation import Generation, build, read_config
from daemon.service.lock import Holder, Kind, StateLock
from daemon.service.logs import Redactor
from daemon.service.places import audit_folder, begin_audit, has_audit, store_file
from daemon.service.registry import Registry
from daemon.store.flights import TESTIFIED
from daemon.store.store import Store

log = structlog.get_logger()

AUDIT_SIZE: Final = "audit_size"
"""Under this name the store remembers how long the audit log was, so that a cut one is noticed."""


@dataclass(slots=True)
class Runtime:
    """What a process holds from start to end, whatever is reloaded."""

    folder: Path
    env: Mapping[str, str]
    store: Store
    audit: AuditLog
    registry: Registry = field(default_factory=Registry)
    redactor: Redactor = field(default_factory=Redactor)

    def testify(self, action: str, *, actor: str, **facts: Any) -> None:
        """One entry about the daemon itself. Raises AuditError unless it is durable."""
        self.audit.append([Entry({"action": action, "actor": actor, **facts})])

    def take_up_audit(self, config: Config) -> None:
        """Closes an audit log that failed and opens it anew, with the recovery of a start. Raises like a start."""
        self.audit.close()
        self.audit = _open_audit(config, self.store)

    def remember_audit(self) -> None:
        """Notes in the store how long the audit log is by now."""
        self.store.note(AUDIT_SIZE, self.audit.head.size)


@contextmanager
def start(
    folder: Path,
    env: Mapping[str, str],
    kind: Kind,
    *,
    redactor: Redactor,
    waiting: Callable[[Holder], None] | None = None,
) -> Iterator[tuple[Runtime, Generation]]:
    """The state folder, taken up for the length of a `with`, and the first generation.

    Raises ConfigError, Busy, StoreError or AuditError; then everything is given back.
    """
    calm_collector()
    with ExitStack() as stack:
        lock = StateLock(load(folder, env=env).daemon.state)
        lock.acquire(kind, waiting=waiting)
        stack.callback(lock.release)
        config = read_config(folder, env)  # only now: what was waited for may have taken a while
        store = Store(store_file(config))
        stack.callback(store.close)
        store.journal.close_runs(clock.now())
        runtime = Runtime(folder, env, store, _open_audit(config, store), redactor=redactor)
        stack.callback(lambda: runtime.audit.close())
        generation = build(config, 1, runtime.registry, redactor, env)
        yield runtime, generation


def calm_collector() -> None:
    """Lets Python look for cycles less often: a plan is many small values without any, and looking cost a fifth."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def forget_audit(config: Config) -> None:
    """Lets the store follow a log that was begun anew, which knows nothing of the old one's intents."""
    if store_file(config).exists():
        with closing(Store(store_file(config))) as store:
            store.note(AUDIT_SIZE, 0)
            store.note(TESTIFIED, 0)


def _open_audit(config: Config, store: Store) -> AuditLog:
    remembered = int(store.noted(AUDIT_SIZE) or 0)
    if not has_audit(config) and not remembered and not store.flights.last_intent:
        keys = begin_audit(config)
        fingerprint = Origin(config.daemon.origin, keys.public).fingerprint
        log.warning(
            "audit log begun", keys=str(config.daemon.audit_keys), fingerprint=fingerprint, remedy="keep a copy of both"
        )
    audit = AuditLog.open(
        audit_folder(config), load_keys(config.daemon.audit_keys), remembered=remembered, clock=clock.now
    )
    testified = int(store.noted(TESTIFIED) or 0)
    if audit.last_intent < testified:
        last = audit.last_intent
        audit.close()
        raise AuditError(
            f"{audit_folder(config)} is older than the store: it knows intents up to {last}, the store has sent"
            f" {testified}. Restore the newer log; or keep it aside and begin a new one with `tallystick audit init`"
        )
    if take_up(store, audit):
        log.warning("store is older than the audit log", remedy="look at every sync and approve; nothing flows before")
    return audit
