"""The verbs without a daemon: the same store, the same audit log, the same lock."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from daemon.admin.operations import Operations
from daemon.errors import AuditError, Busy, ConfigError, NoSuch
from daemon.service import foreground
from daemon.service.lock import StateLock
from tests.service.house import daemon, lay_out

ASK = {"actor": "uid:1000", "reason": "test"}


def first_sync(operations: Operations) -> None:
    operations.approve("people", kinds=[], only=None, expires=600, **ASK)
    assert operations.run("people", full=False, only=None, wait=True, **ASK)["state"] == "done"


def test_a_whole_story_without_a_daemon(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "c")

    with foreground.open(folder, os.environ) as operations:
        assert operations.plan("people", full=False, actor="uid:1000")["counts"]["create"] == 3
        assert operations.adopt("people", actor="uid:1000")["unmatched_left"] == 3
        first_sync(operations)
        again = operations.run("people", full=True, only=None, wait=True, **ASK)
        why = operations.why("people", "e-1", actor="uid:1000")
        runs = operations.runs("people", limit=5)["runs"]
        verdict = operations.audit_verify(expect_size=None, max_age=None)
        intents = operations.audit_show(start=0, limit=10, match={"action": "intent", "left": "e-1"}, actor="uid:1000")

    assert again["counts"].get("written", 0) == 0
    assert why["fields"]["name"]["right"] == "Person 1"
    assert [run["state"] for run in runs] == ["done", "done"]
    assert verdict["code"] == 0
    assert [entry["fields"]["name"]["after"] for entry in intents["entries"]] == ["Person 1"]


def test_reading_the_audit_log_is_itself_an_entry(tmp_path: Path) -> None:
    with foreground.open(lay_out(tmp_path / "c"), os.environ) as operations:
        shown = operations.audit_show(start=0, limit=10, match={"action": "audit.read"}, actor="uid:7")

    assert [entry["actor"] for entry in shown["entries"]] == ["uid:7"]


def test_what_does_not_exist_is_said_with_what_does(tmp_path: Path) -> None:
    with foreground.open(lay_out(tmp_path / "c"), os.environ) as operations:
        with pytest.raises(NoSuch, match="no sync 'peple'; known: people"):
            operations.plan("peple", full=False, actor="")
        with pytest.raises(NoSuch, match="knows no record 'e-99'"):
            operations.why("people", "e-99", actor="")
        with pytest.raises(NoSuch, match="no daemon"):
            operations.reload(actor="")


def test_a_command_finds_the_daemon_in_its_way(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "c")

    with (
        daemon(folder) as running,
        pytest.raises(Busy, match=f"the daemon, process {running.process.pid}"),
        foreground.open(folder, os.environ),
    ):
        raise AssertionError("two processes in one state folder")


def test_a_broken_configuration_gives_the_lock_back(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "c")
    (folder / "syncs/people.yaml").write_text("version: 1\n")

    with pytest.raises(ConfigError), foreground.open(folder, os.environ):
        raise AssertionError("not reached")

    lock = StateLock(folder / "state")
    lock.acquire("run")
    lock.release()


def test_an_older_store_beside_a_newer_log_is_taken_up_and_asks(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "c")
    with foreground.open(folder, os.environ):
        pass
    shutil.copytree(folder / "state", tmp_path / "backup")
    with foreground.open(folder, os.environ) as operations:
        first_sync(operations)
    for name in ("store.db", "state.key"):
        shutil.copy(tmp_path / "backup" / name, folder / "state" / name)

    with foreground.open(folder, os.environ) as operations:
        report = operations.run("people", full=False, only=None, wait=True, **ASK)
        rolled_back = operations.audit_show(start=None, limit=9, match={"action": "store.rolled_back"}, actor="test")

    assert report["guards"][0]["kind"] == "adopt"
    assert rolled_back["entries"][0]["known"] == 0
    assert rolled_back["entries"][0]["testified"] == 3


def test_an_audit_log_that_was_taken_away_is_missed(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "c")
    with foreground.open(folder, os.environ) as operations:
        first_sync(operations)
    shutil.rmtree(folder / "state/audit")

    with pytest.raises(AuditError), foreground.open(folder, os.environ):
        raise AssertionError("not reached")


def test_ctrl_c_ends_a_run_at_its_next_batch_and_the_second_one_the_process(tmp_path: Path) -> None:
    with foreground.open(lay_out(tmp_path / "c"), os.environ) as operations:
        operations.approve("people", kinds=[], only=None, expires=600, **ASK)
        os.kill(os.getpid(), signal.SIGINT)

        report = operations.run("people", full=False, only=None, wait=True, **ASK)

        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)

    assert report["state"] == "stopped"
    assert report["counts"].get("written", 0) == 0
