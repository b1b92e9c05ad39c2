"""A real daemon in a process of its own: started, asked, reloaded in every way, stopped at every time."""

import json
import os
import resource
import signal
import socketserver
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from daemon.audit.verify import verify_log
from daemon.errors import Busy, NoSuch, TallystickError
from daemon.service import foreground
from tests.service.house import Daemon, Listener, approve_all, daemon, lay_out, until

ASK = {"actor": "", "reason": "test"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "c")


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(tmp_path / "notify")
    yield listener
    listener.close()


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def actions(folder: Path) -> list[dict[str, object]]:
    """What the audit log tells of the daemon itself, read after its end."""
    with foreground.open(folder, os.environ) as operations:
        entries = operations.audit_show(start=0, limit=100_000, match={}, actor="test")["entries"]
    return [entry for entry in entries if str(entry["action"]).startswith(("daemon.", "config."))]


def events(running: Daemon) -> list[str]:
    return [json.loads(line)["event"] for line in running.text().splitlines()]


def test_from_start_to_stop(folder: Path, listener: Listener) -> None:
    with daemon(folder, env={"NOTIFY_SOCKET": str(listener.path)}) as running:
        client = running.client()
        approve_all(client)
        report = client.run("people", full=False, only=None, wait=True, **ASK)
        status = client.status()
        mode = stat.S_IMODE(running.socket.stat().st_mode)

        assert running.stop() == 0

    assert (report["state"], report["counts"]["written"]) == ("done", 3)
    assert status["syncs"][0]["pairs"]["active"] == 3
    assert status["syncs"][0]["next"] is not None
    assert status["attention"] == []
    assert mode == 0o600
    assert not running.socket.exists()
    words = listener.hear()
    assert words[0] == {"READY": "1", "STATUS": "generation 1: 1 sync, 2 systems"}
    assert words[-1]["STOPPING"] == "1"
    assert [entry["action"] for entry in actions(folder)] == ["daemon.start", "daemon.stop"]
    assert verify_log(folder / "state/audit", now=time.time()).code == 0


def test_a_bad_configuration_ends_the_start_with_every_fault(folder: Path) -> None:
    edit(folder, "syncs/people.yaml", "wins: left", "wins: lefft")

    with daemon(folder, wait=False) as running:
        assert running.process.wait(20) == 78

    assert running.text().count("error[not-allowed]") == 2
    assert "syncs/people.yaml:10:" in running.text()
    assert "Traceback" not in running.text()


def test_a_second_daemon_is_refused_and_names_the_first(folder: Path) -> None:
    with daemon(folder) as first, daemon(folder, wait=False) as second:
        assert second.process.wait(20) == 75
        assert f"process {first.process.pid}" in second.text()

        assert first.client().status()["state"] == "running"


def test_a_good_edit_and_sighup_make_a_new_generation(folder: Path, listener: Listener) -> None:
    with daemon(folder, env={"NOTIFY_SOCKET": str(listener.path)}) as running:
        client = running.client()
        edit(folder, "syncs/people.yaml", "every: 12h", "every: 6h")
        running.signal(signal.SIGHUP)
        until(lambda: client.status()["generation"] == 2, what=running.text)
        running.stop()

    words = listener.hear()
    reloading = next(i for i, word in enumerate(words) if "RELOADING" in word)
    assert int(words[reloading]["MONOTONIC_USEC"]) > 0
    assert words[reloading + 1]["READY"] == "1"
    applied = next(entry for entry in actions(folder) if entry["action"] == "config.applied")
    assert (applied["actor"], applied["changes"]) == ("signal", ["changed syncs/people.yaml"])


def test_a_refused_reload_keeps_the_old_and_says_why(folder: Path, listener: Listener) -> None:
    with daemon(folder, env={"NOTIFY_SOCKET": str(listener.path)}) as running:
        client = running.client()
        approve_all(client)
        edit(folder, "syncs/people.yaml", "wins: left", "wins: lefft")

        answer = client.reload(actor="")
        status = client.status()
        ran = client.run("people", full=False, only=None, wait=True, **ASK)
        edit(folder, "syncs/people.yaml", "wins: lefft", "wins: left")
        healed = client.reload(actor="")
        after = client.status()
        running.stop()

    assert (answer["applied"], answer["generation"], len(answer["problems"])) == (False, 1, 2)
    assert "did you mean 'left'?" in answer["problems"][0]
    assert (status["config"]["ok"], status["config"]["problems"]) == (False, answer["problems"])
    assert status["attention"][0]["remedy"] == "tallystick check, then tallystick reload"
    assert ran["state"] == "done"
    assert (healed["applied"], healed["generation"], after["config"]["ok"]) == (True, 1, True)
    assert any("reload refused" in word.get("STATUS", "") for word in listener.hear())
    assert "error[not-allowed]" in running.text()
    refused = next(entry for entry in actions(folder) if entry["action"] == "config.refused")
    assert refused["actor"] == f"uid:{os.getuid()}"


def test_a_storm_of_signals_ends_with_what_the_files_say(folder: Path) -> None:
    with daemon(folder) as running:
        client = running.client()
        for n in range(200):
            word = "lefft" if n % 3 == 0 and n < 199 else "left"
            text = (folder / "syncs/people.yaml").read_text()
            fresh = folder / "fresh"  # replaced in one step, as an editor does
            fresh.write_text(text.replace("lefft", "left").replace("wins: left", f"wins: {word}") + f"# {n}\n")
            fresh.rename(folder / "syncs/people.yaml")
            running.signal(signal.SIGHUP)
        until(lambda: client.status()["config"]["ok"] and client.status()["state"] == "running")
        digest = client.reload(actor="") and client.status()["config"]["digest"]
        generation = client.status()["generation"]
        said = events(running)
        running.stop()

    with foreground.open(folder, os.environ) as operations:
        assert operations.status()["config"]["digest"] == digest
    assert 2 <= generation < 200  # storms merge
    assert said.count("config applied") == generation - 1


def test_a_signal_during_the_start_neither_kills_nor_gets_lost(folder: Path, listener: Listener) -> None:
    with daemon(folder, env={"NOTIFY_SOCKET": str(listener.path)}, wait=False) as running:
        while not (folder / "state").exists():  # long before anything could be reloaded
            running.signal(signal.SIGHUP)
            time.sleep(0.005)
        until(lambda: any("RELOADING" in word for word in listener.hear()), what=running.text)

        assert running.stop() == 0

    assert "READY" in listener.words[0]


def test_sigterm_during_the_start_ends_it(folder: Path) -> None:
    with subprocess.Popen(  # somebody in the foreground, for whom the daemon waits
        [sys.executable, "-c", "import sys; from pathlib import Path; from daemon.service.lock import StateLock;"
         "lock = StateLock(Path(sys.argv[1])); lock.acquire('run'); print(flush=True); sys.stdin.read()",
         str(folder / "state")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as holder:  # fmt: skip
        assert holder.stdout
        holder.stdout.readline()
        with daemon(folder, wait=False) as running:
            until(lambda: '"waiting"' in running.text())

            assert running.stop() == 0
        holder.kill()


def test_sigterm_stops_a_run_at_its_next_batch(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "c", people=1500)
    with daemon(folder) as running:
        client = running.client()
        approve_all(client)
        outcome: list[object] = []

        def wait_for_the_run() -> None:
            try:
                outcome.append(client.run("people", full=False, only=None, wait=True, **ASK))
            except TallystickError as error:
                outcome.append(error)

        waiting = threading.Thread(target=wait_for_the_run)
        waiting.start()
        until(lambda: client.status()["syncs"][0]["pairs"]["active"] > 100, what=running.text)
        began = time.monotonic()

        assert running.stop() == 0
        assert time.monotonic() - began < 5
        waiting.join(10)

    (report,) = outcome
    assert isinstance(report, dict)
    assert report["state"] == "stopped"
    assert 100 < report["counts"]["written"] < 1500
    with foreground.open(folder, os.environ) as operations:
        (run,) = operations.runs("people", limit=9)["runs"]
        active = operations.status()["syncs"][0]["pairs"]["active"]
    assert run["state"] == "stopped"
    assert active == report["counts"]["written"]


def test_what_waits_in_line_is_sent_home_by_a_stop(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "c", people=1500)
    with daemon(folder) as running:
        client = running.client()
        approve_all(client)
        client.run("people", full=False, only=None, wait=False, **ASK)
        heard: list[BaseException] = []

        def plan() -> None:
            try:
                client.plan("people", full=False, actor="")
            except TallystickError as error:
                heard.append(error)

        waiting = threading.Thread(target=plan)
        waiting.start()
        until(lambda: client.status()["syncs"][0]["pairs"]["active"] > 0, what=running.text)
        running.stop()
        waiting.join(10)

    assert [type(error) for error in heard] == [Busy]


def test_a_killed_daemon_is_followed_by_one_that_takes_up_its_state(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "c", people=1000)
    with daemon(folder) as running:
        client = running.client()
        approve_all(client)
        client.run("people", full=False, only=None, wait=False, **ASK)
        until(lambda: client.status()["syncs"][0]["pairs"]["active"] > 0, what=running.text)
        running.process.kill()
        running.process.wait()
    assert running.socket.exists()

    with daemon(folder) as running:
        client = running.client()
        (run,) = client.runs("people", limit=9)["runs"]
        verdict = client.audit_verify(expect_size=None, max_age=None)

        assert run["state"] == "killed"
        assert verdict["code"] == 0, verdict
        assert client.status()["attention"][0]["what"] == "the last run was killed"
        assert running.stop() == 0


def test_the_watchdog_is_fed_and_health_answers(folder: Path, listener: Listener) -> None:
    env = {"NOTIFY_SOCKET": str(listener.path), "WATCHDOG_USEC": "4000000"}
    with daemon(folder, env=env) as running:
        until(lambda: any("WATCHDOG" in word for word in listener.hear()), what=running.text)
        running.stop()


def test_a_full_disk_stops_every_write_and_heals_by_itself(folder: Path) -> None:
    with daemon(folder) as running:
        client = running.client()
        approve_all(client)
        segment = max((folder / "state/audit/seg").glob("*.seg"))
        room = (segment.stat().st_size, resource.RLIM_INFINITY)  # no file may grow beyond this
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, room)

        with pytest.raises(TallystickError, match="audit log cannot be written") as refused:
            client.run("people", full=False, only=None, wait=True, **ASK)
        status = client.status()
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        until(lambda: client.status()["audit"]["failed"] is None, what=running.text)
        ran = client.run("people", full=False, only=None, wait=True, **ASK)
        verdict = client.audit_verify(expect_size=None, max_age=None)
        assert running.stop() == 0

    assert refused.value.exit_code == 74
    assert "the audit log stopped" in status["attention"][0]["what"]
    assert (ran["state"], ran["counts"]["written"]) == ("done", 3)
    assert verdict["code"] == 0


class _Deaf(socketserver.BaseRequestHandler):
    """Takes a request and never answers."""

    def handle(self) -> None:
        cast(_DeafServer, self.server).called.set()
        cast(_DeafServer, self.server).ended.wait(60)


class _DeafServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Deaf)
        self.called, self.ended = threading.Event(), threading.Event()


REMOTE = """\
version: 1
name: crm
connector: rest
base_url: http://127.0.0.1:PORT
auth: {kind: none}
entities:
  contact:
    id: id
    read: {list: {get: /contacts, records: "@"}}
"""


def test_a_second_sigterm_leaves_a_run_that_hangs(folder: Path) -> None:
    with _DeafServer() as deaf:
        threading.Thread(target=deaf.serve_forever, daemon=True).start()
        port = str(deaf.server_address[1])
        (folder / "systems/crm.yaml").write_text(REMOTE.replace("PORT", port))
        try:
            with daemon(folder) as running:
                running.client().run("people", full=False, only=None, wait=False, **ASK)
                assert deaf.called.wait(10), running.text()
                running.signal(signal.SIGTERM)
                until(lambda: "stopping" in running.text())
                began = time.monotonic()
                running.signal(signal.SIGTERM)

                assert running.process.wait(20) == 0
                assert 4 < time.monotonic() - began < 8
        finally:
            deaf.ended.set()
            deaf.shutdown()

    assert "runs were left in the middle" in running.text()
    with foreground.open(folder, os.environ) as operations:
        assert [run["state"] for run in operations.runs("people", limit=9)["runs"]] == ["killed"]
        assert operations.audit_verify(expect_size=None, max_age=None)["code"] == 0


def test_a_schedule_runs_by_itself_and_a_reload_changes_it(folder: Path, listener: Listener) -> None:
    with daemon(folder, env={"NOTIFY_SOCKET": str(listener.path)}) as running:
        client = running.client()
        approve_all(client)
        edit(folder, "syncs/people.yaml", "every: 12h", "every: 1s")
        client.reload(actor="")
        until(lambda: client.runs("people", limit=9)["runs"], what=running.text)
        run = client.runs("people", limit=9)["runs"][-1]
        edit(folder, "syncs/people.yaml", "every: 1s", "manual: true")
        client.reload(actor="")
        until(lambda: client.status()["syncs"][0]["running"] is None)
        before = client.runs("people", limit=99)["runs"]
        time.sleep(1.5)

        assert run["actor"] == "schedule"
        assert client.runs("people", limit=99)["runs"] == before
        assert client.status()["syncs"][0]["next"] is None
        running.stop()
    assert not any("WATCHDOG" in word for word in listener.hear())  # systemd did not ask for it


def test_a_removed_sync_is_gone_and_its_past_stays(folder: Path) -> None:
    with daemon(folder) as running:
        client = running.client()
        approve_all(client)
        client.run("people", full=False, only=None, wait=True, **ASK)
        (folder / "syncs/people.yaml").unlink()

        assert client.reload(actor="")["changes"] == ["gone syncs/people.yaml"]
        with pytest.raises(NoSuch):
            client.plan("people", full=False, actor="")
        assert len(client.runs("people", limit=9)["runs"]) == 1
        running.stop()


def test_a_socket_from_systemd_is_used_and_left_there(folder: Path, tmp_path: Path) -> None:
    import socket

    path = tmp_path / "given.sock"
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(path))
        line.listen()
        start = 'exec env LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=admin "$0" -m daemon.service.serve "$1" 3<&"$2"'
        process = subprocess.Popen(
            ["/bin/bash", "-c", start, sys.executable, str(folder), str(line.fileno())],
            pass_fds=(line.fileno(),), stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            from daemon.admin.client import connect

            assert connect(path).status()["state"] == "running"  # the call waited until somebody answered
            assert not (folder / "state/admin.sock").exists()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, said
    assert path.exists()
