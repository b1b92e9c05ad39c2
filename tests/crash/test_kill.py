"""Stories of a process killed with -9 at every point of the write sequence, and of the restart that follows."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from daemon.audit.keys import load_keys
from daemon.audit.reading import read_entries
from daemon.audit.verify import verify_log
from daemon.engine.failpoints import POINTS
from daemon.engine.waiting import held
from daemon.store.store import Store
from tests.crash import process

PEOPLE = 7


def killed(folder: Path, point: str, *words: str) -> bool:
    """Whether the process died at *point* (it may never come there)."""
    environment = os.environ | {"TALLYSTICK_FAILPOINT": point}
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.process", str(folder), *words],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def rows(folder: Path, name: str) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(folder / f"{name}.db")) as db, db:
        return sorted(db.execute("SELECT number, name, phone FROM person").fetchall())


def change(folder: Path, name: str, sql: str) -> None:
    with closing(sqlite3.connect(folder / f"{name}.db")) as db, db:
        db.execute(sql)


def until_quiet(folder: Path) -> None:
    """Restart until nothing is left to do: soon, once no server can be working on a lost request any more."""
    for hour in range(1, 5):
        report = process.run(folder, later=hour * 3600)
        if report.state == "done" and not report.counts.get("written"):
            return
    raise AssertionError(f"never quiet: {report}")


def sound_log(folder: Path) -> None:
    """Every intent has exactly one outcome, and the log is sound."""
    entries = list(read_entries(folder / "audit", load_keys(folder / "keys")))
    intents = [e.intent for e in entries if e.intent is not None]
    outcomes = [e.outcome for e in entries if e.outcome is not None]
    assert sorted(intents) == sorted(outcomes)
    assert len(set(intents)) == len(intents)
    assert verify_log(folder / "audit", now=0).code == 0


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_creating_there_is_exactly_one_record_each(tmp_path: Path, point: str) -> None:
    process.prepare(tmp_path, PEOPLE)

    assert killed(tmp_path, point, "adopt")
    until_quiet(tmp_path)

    assert rows(tmp_path, "crm") == rows(tmp_path, "hr")
    assert len(rows(tmp_path, "crm")) == PEOPLE
    sound_log(tmp_path)


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_updating_and_deleting_both_sides_end_alike(tmp_path: Path, point: str) -> None:
    process.prepare(tmp_path, PEOPLE)
    process.run(tmp_path, adopt=True)
    change(tmp_path, "hr", "UPDATE person SET name = 'New' WHERE number = '1'")
    change(tmp_path, "crm", "UPDATE person SET phone = '99' WHERE number IN ('1', '2')")
    change(tmp_path, "hr", "DELETE FROM person WHERE number = '3'")
    change(tmp_path, "hr", "INSERT INTO person (number, name, phone) VALUES ('50', 'Fifty', '5')")

    assert killed(tmp_path, point)
    until_quiet(tmp_path)

    expected = [(str(n), f"P{n}", "1") for n in range(PEOPLE) if n not in (1, 2, 3)]
    assert rows(tmp_path, "crm") == sorted([*expected, ("1", "New", "99"), ("2", "P2", "99"), ("50", "Fifty", "5")])
    assert rows(tmp_path, "hr") == rows(tmp_path, "crm")
    sound_log(tmp_path)


@pytest.mark.parametrize("point", ["sent", "written", "settled", "sent:2", "written:2", "settled:2", "settled:3"])
def test_killed_while_two_people_swap_names_that_nobody_may_share_both_have_their_own(
    tmp_path: Path, point: str
) -> None:
    process.prepare(tmp_path, PEOPLE)
    process.run(tmp_path, adopt=True)
    change(tmp_path, "crm", "CREATE UNIQUE INDEX person_name ON person (name)")
    change(tmp_path, "hr", "UPDATE person SET name = 'P' || (3 - number) WHERE number IN ('1', '2')")

    assert killed(tmp_path, point)
    until_quiet(tmp_path)

    assert rows(tmp_path, "crm") == rows(tmp_path, "hr")
    assert rows(tmp_path, "crm")[1:3] == [("1", "P2", "1"), ("2", "P1", "1")]
    sound_log(tmp_path)


def test_killed_again_and_again_it_still_ends_well(tmp_path: Path) -> None:
    process.prepare(tmp_path, PEOPLE)
    assert killed(tmp_path, "written", "adopt")
    for n, point in enumerate([*POINTS, "planned:2", "settled:2"]):
        change(tmp_path, "hr", f"UPDATE person SET name = 'N{n}' WHERE number = '1'")
        killed(tmp_path, point)

    until_quiet(tmp_path)

    assert rows(tmp_path, "crm") == rows(tmp_path, "hr")
    sound_log(tmp_path)


def test_an_update_whose_answer_died_with_us_is_seen_to_wait(tmp_path: Path) -> None:
    process.prepare(tmp_path, PEOPLE)
    process.run(tmp_path, adopt=True)
    change(tmp_path, "hr", "UPDATE person SET name = 'New' WHERE number = '1'")

    assert killed(tmp_path, "written")
    report = process.run(tmp_path)

    assert report.state == "held"
    with closing(Store(tmp_path / "store.db")) as store:
        (waiting,) = held(store, ["people"])
    assert (waiting["reason"], waiting["left"]) == ("unknown", "2")
    assert "the answer to its update was lost" in waiting["why"]
    until_quiet(tmp_path)
    assert rows(tmp_path, "crm") == rows(tmp_path, "hr")
