"""What systemd hears."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.service.notify import Notifier
from tests.service.house import Listener


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(tmp_path / "notify")
    yield listener
    listener.close()


def test_ready_and_reloading_are_told_with_what_systemd_needs(listener: Listener) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(listener.path)})

    notifier.ready("generation 1")
    notifier.reloading()
    notifier.alive()

    ready, reloading, alive = listener.hear()
    assert ready == {"READY": "1", "STATUS": "generation 1"}
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert alive == {"WATCHDOG": "1"}


def test_a_status_of_several_lines_stays_one_assignment(listener: Listener) -> None:
    Notifier({"NOTIFY_SOCKET": str(listener.path)}).status("refused:\nREADY=1\nx")

    assert listener.hear() == [{"STATUS": "refused: READY=1 x"}]


def test_without_systemd_nothing_is_said_and_nothing_breaks(tmp_path: Path) -> None:
    Notifier({}).ready("fine")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("fine")


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_names_us(env: dict[str, str], seconds: float | None) -> None:
    assert Notifier(env).watchdog == seconds
