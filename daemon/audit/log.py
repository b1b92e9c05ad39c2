"""This is where the daemon testifies: the one writer of a log, with group commit, checkpoints and rotation.

    log = AuditLog.open(folder, keys)
    log.append([Entry({"action": "intent", ...}, intent=17)])     durable when it returns
    log.tick()                                                    about once a second, by the control loop
    log.close()

Fails closed: after any error every later append raises AuditError, and a restart takes the log up again.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from daemon.audit.batches import Ticket, Waiting, make_tickets
from daemon.audit.chain import Chain, Head
from daemon.audit.entries import Entry
from daemon.audit.files import lock_folder, replace_file, sync_folder
from daemon.audit.frames import CHECKPOINT, OPEN, RECOVERY
from daemon.audit.keys import Keys
from daemon.audit.note import Note, is_origin, sign_note
from daemon.audit.reading import read_entries
from daemon.audit.recovery import recover
from daemon.audit.segment import (
    FORMAT,
    Cut,
    Opening,
    Origin,
    Previous,
    Reason,
    Recovery,
    encode_body,
    list_segments,
    read_origin,
    software,
)
from daemon.audit.state import State, write_state
from daemon.audit.walk import NO_RATCHET, SEAL
from daemon.audit.writer import SegmentWriter
from daemon.errors import AuditError

CHECKPOINT_FRAMES: Final = 1024
"""Frames after which a checkpoint is due at once."""
CHECKPOINT_PENDING: Final = 1.0
"""Seconds that an entry waits for its checkpoint."""
CHECKPOINT_IDLE: Final = 60.0
"""Seconds after which an idle log is sealed again, so that silence can be told from a cut."""

Clock: TypeAlias = Callable[[], float]
Sync: TypeAlias = Callable[[int], None]


def init_log(folder: Path, keys: Keys, *, origin: str) -> None:
    """Begins a log named *origin*, such as "company.example/node1/audit", in *folder* (0700).

    Raises AuditError where a log is already, and for a name that signed notes cannot carry.
    """
    if not is_origin(origin):
        raise AuditError(f"origin {origin!r}: must be 1 to 200 visible ASCII characters without blanks and '+'")
    if (folder / "origin").exists() or list_segments(folder):
        raise AuditError(f"{folder}: holds an audit log already, or one whose start was interrupted; choose another")
    (folder / "seg").mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    who = Origin(origin, keys.public)
    lock = lock_folder(folder)
    log = AuditLog(folder, who, keys, lock, time.time, os.fdatasync)
    try:
        log._begin("init", None, ())
    except BaseException:
        os.close(lock)
        raise
    log.close()
    sync_folder(folder)
    replace_file(folder / "origin", who.text())  # last: a log without it was never finished


class AuditLog:
    """The writer of a log. All methods may be called from several threads."""

    def __init__(self, folder: Path, origin: Origin, keys: Keys, lock: int, clock: Clock, sync: Sync) -> None:
        """Not for callers: use `AuditLog.open`."""
        self.folder = folder
        self.origin = origin
        self._keys = keys
        self._lock = lock
        self._clock = clock
        self._sync = sync
        self._turn = threading.Lock()  # who holds it is the one that writes
        self._waiting = Waiting()
        self._failed: str | None = None
        self._chain = Chain()
        self._epoch = 0
        self._intent = 0
        self._sealed_frames = 0
        self._sealed_at = 0.0
        self._pending_since: float | None = None
        self._note = b""
        self._remembered_at: float | None = None
        self._remembered_size = 0

    @classmethod
    def open(
        cls,
        folder: Path,
        keys: Keys,
        *,
        remembered: int = 0,
        clock: Clock = time.time,
        sync: Sync = os.fdatasync,
    ) -> "AuditLog":
        """Takes up the log in *folder*: the lock, the recovery, a new segment.

        *remembered* is a size that the caller knows the log had, such as the store's. Raises Busy if another process
        writes, AuditError for damage, for a log that became shorter, and for keys of another log.
        """
        origin = read_origin(folder)
        if keys.public != origin.public:
            given = Origin(origin.name, keys.public).fingerprint
            raise AuditError(f"{folder}: this log's key is {origin.fingerprint}, given was {given}; use its own key")
        lock = lock_folder(folder)
        try:
            found = recover(folder, origin, keys, remembered=remembered)
            log = cls(folder, origin, keys, lock, clock, sync)
            log._chain, log._epoch, log._intent = found.chain, found.epoch, found.intent
            log._begin("restart" if found.closed else "recovery", found.previous, found.cuts)
        except BaseException as error:
            os.close(lock)
            if isinstance(error, OSError):
                raise AuditError(f"{folder}: cannot be taken up: {error}; repair the disk or the rights") from error
            raise
        return log

    @property
    def failed(self) -> str | None:
        """Why nothing can be appended any more; None while all is well."""
        return self._failed

    @property
    def head(self) -> Head:
        """Where the log ends: what is durable, and nothing else."""
        with self._my_turn():
            return self._chain.head()

    @property
    def last_intent(self) -> int:
        """The highest intent id ever written."""
        return self._intent

    def outcomes_since(self, seq: int) -> frozenset[int]:
        """The intent ids whose outcome stands at or after sequence *seq*, so that none is told twice."""
        told = read_entries(self.folder, self._keys, start=seq) if seq < self.head.size else ()
        return frozenset(shown.outcome for shown in told if shown.outcome is not None)

    def append(self, entries: Sequence[Entry]) -> int:
        """Makes *entries* durable, in order, and gives the sequence of the first.

        Callers at the same time share a batch and its sync. The order within a call is kept; entries of other calls,
        checkpoints and a new segment may come between. Raises AuditError if it is not certain that all are durable.
        """
        tickets = make_tickets(entries)
        if not tickets:
            return self._chain.size
        self._waiting.add(tickets)
        mine = tickets[-1]
        while mine.first is None:
            if self._failed:
                raise AuditError(self._failed_text())
            if self._turn.acquire(blocking=False):
                with self._taken():
                    if mine.first is None:
                        self._write_waiting(mine)
            else:
                mine.awake.wait()
                mine.awake.clear()
        assert tickets[0].first is not None
        return tickets[0].first

    def checkpoint(self) -> None:
        """Signs the log as it is. Raises AuditError if that cannot be made durable."""
        with self._my_turn(), self._guarded():
            self._checkpoint(self._clock())

    def tick(self) -> None:
        """Does what is due: called about once a second. Raises AuditError once, when the log fails by it."""
        with self._my_turn():
            if self._failed:
                return
            now = self._clock()
            waited = self._pending_since is not None and _passed(self._pending_since, now, CHECKPOINT_PENDING)
            with self._guarded():
                if waited or _passed(self._sealed_at, now, CHECKPOINT_IDLE):
                    self._checkpoint(now)
                elif self._remembered_size < self._chain.size and self._pending_since is None:
                    self._remember(now)

    def close(self) -> None:
        """Seals and ends the log and gives the lock back. Idempotent; a failed log is left as it is for recovery."""
        with self._my_turn():
            if self._lock < 0:
                return
            try:
                if not self._failed:
                    with self._guarded():
                        self._end()
                        self._remember(self._clock())
            finally:
                self._failed = self._failed or "it was closed"
                self._writer.abandon()
                os.close(self._lock)
                self._lock = -1

    def _write_waiting(self, mine: Ticket) -> None:
        """Writes one batch of what waits. An error after *mine* became durable is left to the next caller."""
        try:
            with self._guarded():
                now = self._clock()
                if self._writer.full(now):
                    self._rotate()
                self._write_batch(self._waiting.next_batch(), now)
                if self._chain.size - self._sealed_frames >= CHECKPOINT_FRAMES:
                    self._checkpoint(now)
        except AuditError:
            if mine.first is None:
                raise

    def _write_batch(self, batch: list[Ticket], now: float) -> None:
        texts = [text for ticket in batch for text in ticket.texts]
        try:
            firsts = self._writer.write_entries(texts, _micro(now))
        except BaseException:
            self._waiting.put_back(batch)  # to be woken with all others, once it is said that the log failed
            raise
        self._chain = self._writer.chain
        self._intent = max(self._intent, *(text.intent for text in texts))
        if self._pending_since is None:
            self._pending_since = now
        at = 0
        for ticket in batch:
            ticket.first = firsts[at]
            ticket.awake.set()
            at += len(ticket.texts)

    def _begin(self, reason: Reason, before: Previous | None, cuts: tuple[Cut, ...]) -> None:
        """A new segment, sealed at once, so that every segment proves itself."""
        with self._guarded():
            now = self._clock()
            number = before.segment + 1 if before else 1
            self._writer = SegmentWriter(
                self.folder, self.origin, self._keys, number=number, chain=self._chain, now=now, sync=self._sync
            )
            opening = Opening(
                FORMAT,
                self.origin.log_id,
                self.origin.name,
                number,
                reason,
                self._writer.commit,
                self._epoch,
                before,
                **software(),
            )
            bodies = [(OPEN, encode_body(opening))]
            if reason == "recovery":
                bodies.append((RECOVERY, encode_body(Recovery("torn", cuts))))
            self._writer.write_control(bodies, _micro(now))
            self._checkpoint(now)
            self._remember(now)

    def _rotate(self) -> None:
        before = self._end()
        self._begin("rotate", before, ())

    def _end(self) -> Previous:
        now = self._clock()
        self._checkpoint(now)
        before = self._writer.close(_micro(now))
        self._chain = self._writer.chain
        return before

    def _checkpoint(self, now: float) -> None:
        self._writer.check_untouched()
        chain = self._writer.chain
        self._note = sign_note(Note(self.origin.name, chain.size, chain.root(), self._intent), self._keys.identity)
        body = SEAL.pack(self._epoch, _micro(now), *NO_RATCHET) + self._note
        self._writer.write_control([(CHECKPOINT, body)], _micro(now))
        self._chain = self._writer.chain
        self._epoch += 1
        self._sealed_frames = self._chain.size
        self._sealed_at = now
        self._pending_since = None
        if self._remembered_at is None or _passed(self._remembered_at, now, CHECKPOINT_PENDING):
            self._remember(now)

    def _remember(self, now: float) -> None:
        """Writes what tells a shorter log from this one; at most once a second while entries pour in."""
        chain = self._chain
        state = State(chain.size, chain.hash, self._writer.number, self._epoch, self._intent, _micro(now))
        write_state(self.folder, state)
        replace_file(self.folder / "checkpoint", self._note, mode=0o644)
        self._remembered_at = now
        self._remembered_size = chain.size

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        """Waits for the turn and gives it back."""
        self._turn.acquire()
        with self._taken():
            yield

    @contextmanager
    def _taken(self) -> Iterator[None]:
        """Gives the turn back, and wakes who goes on; once the log failed, all who wait."""
        try:
            yield
        finally:
            self._turn.release()
            self._waiting.wake_next(everyone=self._failed is not None)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Fails the log on any exception, so that nothing is written after what may not be durable."""
        if self._failed:
            raise AuditError(self._failed_text())
        try:
            yield
        except BaseException as error:
            self._failed = self._failed or f"{type(error).__name__}: {error}"
            if isinstance(error, Exception):
                raise AuditError(self._failed_text()) from error
            raise

    def _failed_text(self) -> str:
        return (
            f"{self.folder}: the audit log cannot be written ({self._failed}), so nothing is written to any system;"
            " free space or repair the disk, then restart the daemon"
        )


def _passed(since: float, now: float, seconds: float) -> bool:
    """Whether *seconds* have passed; a clock that was set back counts as if they had."""
    return not 0 <= now - since < seconds


def _micro(now: float) -> int:
    return max(0, int(now * 1_000_000))
