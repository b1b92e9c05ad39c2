"""The control loop, run in a thread of the test: what is hard to bring about in another process."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from daemon.admin.operations import Answer
from daemon.errors import Busy
from daemon.service import clock
from daemon.service.generation import Generation
from daemon.service.logs import Redactor
from daemon.service.loop import Loop
from daemon.service.notify import Notifier
from daemon.service.operations import ServiceOperations, Stop
from daemon.service.runtime import start
from daemon.service.turns import LoopTurns
from tests.service.house import Listener, lay_out, until


@contextmanager
def turning(folder: Path, *, env: dict[str, str] | None = None) -> Iterator[Loop]:
    """A loop at work on a real state folder."""
    with start(folder, os.environ, "serve", redactor=Redactor()) as (runtime, generation):
        loop = Loop(runtime, generation, Notifier(env or {}))
        thread = threading.Thread(target=loop.work)
        thread.start()
        try:
            until(lambda: loop.state == "running")
            yield loop
        finally:
            loop.post(loop.stop)
            loop.post(loop.stop)
            thread.join(15)
            assert not thread.is_alive()
            loop.generation.retire()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "c")


def test_a_clock_that_was_set_is_noticed_and_the_scheduler_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.service.schedule.BEAT", 0.2)
    with structlog.testing.capture_logs() as said, turning(folder) as loop:
        real = clock.now
        set_at = time.monotonic()
        monkeypatch.setattr(clock, "now", lambda: real() + 7200)
        until(lambda: {"event": "clock was set", "seconds": 7200, "log_level": "warning"} in said)
        monkeypatch.setattr("daemon.service.pulse.STALE", 1.0)
        until(lambda: time.monotonic() > set_at + 1.5)

        assert loop.pulse.live()  # so it was woken since


def test_a_scheduler_that_stands_still_leaves_the_watchdog_hungry(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.service.pulse.STALE", 1.2)
    monkeypatch.setattr("daemon.service.schedule.BEAT", 3600.0)
    listener = Listener(tmp_path / "notify")
    with turning(folder, env={"NOTIFY_SOCKET": str(listener.path), "WATCHDOG_USEC": "1000000"}) as loop:
        until(lambda: not loop.pulse.live())
        fed = sum("WATCHDOG" in word for word in listener.hear())
        time.sleep(1.2)

        assert sum("WATCHDOG" in word for word in listener.hear()) == fed
    listener.close()


def test_a_generation_lives_until_its_last_run_ends(folder: Path) -> None:
    release, began = threading.Event(), threading.Event()
    used: list[Generation] = []

    def slow(generation: Generation, stop: Stop) -> Answer:
        used.append(generation)
        began.set()
        release.wait(10)
        drivers = generation.drivers("people")  # still there, though a reload replaced them
        return {"left": drivers["left"].check().reachable}

    with turning(folder) as loop:
        turns = LoopTurns(loop)
        answers: list[Answer] = []
        worker = threading.Thread(target=lambda: answers.append(turns.alone("people", "slow", slow)))
        worker.start()
        assert began.wait(5)
        crm = folder / "systems/crm.yaml"
        crm.write_text(crm.read_text().replace("find: [email]", "find: [email, name]"))

        assert turns.reload(actor="test")["generation"] == 2
        assert len(loop.runtime.registry) == 3  # hr, and the old crm beside the new one
        release.set()
        worker.join(5)
        until(lambda: len(loop.runtime.registry) == 2)

        assert answers == [{"left": True}]
        assert used[0].number == 1
        assert turns.current().number == 2


def test_work_that_breaks_frees_its_sync_and_tells_its_caller(folder: Path) -> None:
    def broken(generation: Generation, stop: Stop) -> Answer:
        raise ZeroDivisionError("a bug")

    with turning(folder) as loop:
        turns = LoopTurns(loop)
        with pytest.raises(ZeroDivisionError):
            turns.alone("people", "broken", broken)

        assert turns.alone("people", "fine", lambda generation, stop: {"fine": True}) == {"fine": True}
        assert loop.generation.pins == 0


def test_a_look_does_not_wait_for_a_run(folder: Path) -> None:
    release, began = threading.Event(), threading.Event()

    def slow(generation: Generation, stop: Stop) -> Answer:
        began.set()
        release.wait(10)
        return {}

    with turning(folder) as loop:
        turns = LoopTurns(loop)
        worker = threading.Thread(target=turns.alone, args=("people", "slow", slow))
        worker.start()
        assert began.wait(5)

        assert turns.status()["syncs"][0]["running"] == "slow"
        assert turns.beside("people", lambda generation, stop: {"seen": True}) == {"seen": True}
        assert ServiceOperations(loop.runtime, turns).held(None) == {"held": []}
        release.set()
        worker.join(5)


def test_nobody_waits_for_a_loop_that_has_ended(folder: Path) -> None:
    with turning(folder) as loop:
        pass

    began = time.monotonic()
    with pytest.raises(Busy, match="stopping"):
        loop.ask(lambda: 1)

    assert time.monotonic() - began < 1


def test_an_audit_log_that_stopped_refuses_the_reload_and_keeps_the_old(folder: Path) -> None:
    with turning(folder) as loop:
        loop.runtime.audit._failed = "the disk is full"
        people = folder / "syncs/people.yaml"
        people.write_text(people.read_text().replace("every: 12h", "every: 6h"))

        answer = LoopTurns(loop).reload(actor="test")

        assert (answer["applied"], answer["generation"]) == (False, 1)
        assert "the disk is full" in answer["problems"][0]
        assert len(loop.runtime.registry) == 2
