"""This is where the demo is told from beginning to end, and where a false story is shown to be found out."""

import contextlib
import re
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daemon.cli.demo.seed import Employee
from daemon.cli.demo.stage import PORT, FalseStory, Stage, new_stage
from daemon.cli.demo.story import CHAPTERS, in_step
from daemon.cli.demo.telling import Teller
from daemon.cli.layout import STARTER, shipped_configs
from daemon.config.load import load
from tests.cli.calling import call


@pytest.mark.slow
def test_the_whole_story_is_true_and_leaves_a_folder_to_go_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "demo"

    done = call("demo", str(folder), folder=tmp_path, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\d+)\. ", done.stdout, re.M) == [str(number + 1) for number in range(len(CHAPTERS))]
    assert "   NO" not in done.stdout
    assert "\x1b" not in done.stdout  # no colours into a pipe
    for name in ("tallystick.yaml", "hr.db", "finance.csv", "crm.json", "daemon.log", "state/audit", "syncs"):
        assert (folder / name).exists(), name
    token = (folder / "secrets.d" / "crm-token").read_text().strip()
    assert token not in done.stdout + done.stderr + (folder / "daemon.log").read_text()
    assert "Traceback" not in (folder / "daemon.log").read_text()
    again = call("demo", str(folder), folder=tmp_path)
    assert again.returncode == 73
    assert "--again" in again.stderr


def test_a_false_claim_ends_the_story(tmp_path: Path) -> None:
    with new_stage(tmp_path / "demo", Teller(color=False, slow=False)) as stage:
        with pytest.raises(FalseStory, match="not true: people fly"):
            stage.prove(False, "people fly")
        with pytest.raises(FalseStory, match="exit code 3, the story says 0"):
            stage.tallystick("status")


def test_the_comparison_of_the_story_sees_one_wrong_letter(tmp_path: Path) -> None:
    with new_stage(tmp_path / "demo", Teller(color=False, slow=False)) as stage:
        _copy_hr_into_crm(stage)
        assert in_step(stage)

        with closing(sqlite3.connect(tmp_path / "demo" / "hr.db")) as db, db:
            db.execute("UPDATE employee SET title = title || 'x' WHERE id = 'E-1100'")

        assert not in_step(stage)


def _copy_hr_into_crm(stage: Stage) -> None:
    contacts = stage.crm.collections["contacts"]
    known = {record["properties"]["email"]: record["id"] for record in stage.staff()}
    columns = "id, first_name, last_name, email, phone, title, department, grade"
    for row in stage.hr(f"SELECT {columns} FROM employee"):
        person = Employee(*row)
        if person.email in known:
            contacts.update(known[person.email], {"properties": person.contact()}, None)
        else:
            contacts.create({"properties": person.contact()})


def test_a_port_that_is_taken_is_replaced_in_the_configuration(tmp_path: Path) -> None:
    with socket.socket() as squatter:
        with contextlib.suppress(OSError):  # somebody else has it already: just as good
            squatter.bind(("127.0.0.1", PORT))
            squatter.listen()
        with new_stage(tmp_path / "demo", Teller(color=False, slow=False)) as stage:
            written = (tmp_path / "demo" / "systems" / "crm.yaml").read_text("utf-8")

            assert f"base_url: {stage.crm.url}\n" in written
            assert str(PORT) not in written


def test_the_configurations_that_we_ship_have_no_fault() -> None:
    example = load(shipped_configs(), env={})
    starter = load(STARTER, env={})

    assert sorted(example.syncs) == ["accounts", "people"]
    assert sorted(starter.systems) == ["phonebook", "staff"]
    assert {str(ref.ref) for ref in example.references()} == {"secret='crm-token'"}
