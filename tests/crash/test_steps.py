"""Stories of a process killed with -9 between the requests of one birth, and of the restart that follows."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.connectors.http.servers import Reply, Seen, served
from tests.crash import stepping
from tests.crash.test_kill import sound_log
from tests.engine.onboarding import MAKING, Office, is_step


@pytest.mark.parametrize("step", range(len(MAKING)))
@pytest.mark.parametrize("arrived", [False, True])
def test_killed_between_two_steps_everything_is_made_once(tmp_path: Path, step: int, arrived: bool) -> None:
    office = Office()
    running: list[subprocess.Popen[str]] = []

    def kill(seen: Seen) -> Reply | None:
        if not is_step(seen, step) or not running:
            return None
        os.kill(running.pop().pid, signal.SIGKILL)
        return None if arrived else Reply(503)

    (office.late if arrived else office.faults).append(kill)
    stepping.prepare(tmp_path)
    with served(office.answer) as address:
        command = [sys.executable, "-m", "tests.crash.stepping", str(tmp_path), address]
        process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
        running.append(process)
        process.communicate()
        assert process.returncode == -signal.SIGKILL

        states = [stepping.run(tmp_path, address, later=hour * 3600).state for hour in (1, 2, 3)]

    assert states[-1] == "done"
    assert office.made() == (1, 1, 1, [True])
    assert len(office.asked("POST", "PUT")) == len(MAKING) + (not arrived)
    sound_log(tmp_path)
