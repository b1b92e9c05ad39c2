"""This is where every single fault of tests/config/bad meets the exact text that a person reads."""

import os
from pathlib import Path

import pytest

from tests.config.folders import Case, cases, change, good_folder, problems

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_a_fault_is_told_with_its_place_and_its_remedy(case: Case, tmp_path: Path) -> None:
    folder = good_folder(tmp_path)

    case.apply(folder)

    told = "\n".join(problems(folder))
    assert case.says(told), told
    assert "hunter2" not in told


def test_the_good_configuration_has_no_fault(tmp_path: Path) -> None:
    assert problems(good_folder(tmp_path)) == ()


def test_faults_of_all_files_are_told_at_once_causes_first(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    change(folder, "syncs/people.yaml", "wins: left", "wins: lefft")
    change(folder, "syncs/people.yaml", "direction", "directon")
    change(folder, "systems/hr.yaml", "connector: memory", "connector: memry")
    change(folder, "tables/units.csv", "", "x")
    change(folder, "tallystick.yaml", "version: 1", "version: 9")

    places = [problem.split(": ")[0] for problem in problems(folder)]

    assert places == [
        "tallystick.yaml:1:10",
        "tables/units.csv:4:1",
        "systems/hr.yaml:3:12",
        "syncs/people.yaml:8:1",
        "syncs/people.yaml:12:90",
    ]


def test_a_missing_main_file_says_how_to_get_one(tmp_path: Path) -> None:
    (told,) = problems(tmp_path)

    assert "missing-file" in told
    assert "tallystick init" in told


def test_a_main_file_that_ends_in_yml_is_named(tmp_path: Path) -> None:
    (tmp_path / "tallystick.yml").write_text("version: 1\n")

    (told,) = problems(tmp_path)

    assert "rename tallystick.yml to tallystick.yaml" in told


def test_a_broken_table_does_not_blame_the_syncs_that_use_it(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    change(folder, "tables/units.csv", "", "x")

    (told,) = problems(folder)

    assert told.startswith("tables/units.csv:4:1: error[table-width]")


def test_what_editors_and_packagers_leave_behind_does_not_count(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    for name in (".people.yaml.swp", "people.yaml~", "people.yaml.bak", "people.yaml.dpkg-old", ".hidden.yaml"):
        (folder / "syncs" / name).write_text("nonsense: [")

    assert problems(folder) == ()


def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    os.mkfifo(folder / "syncs" / "pipe.yaml")

    (told,) = problems(folder)

    assert told == "syncs/pipe.yaml: error[unreadable]: is no plain file\n  put a file in its place"


def test_a_link_that_leads_nowhere_is_told_with_its_target(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    (folder / "syncs" / "link.yaml").symlink_to("/nonexistent")

    (told,) = problems(folder)

    assert told.startswith("syncs/link.yaml: error[unreadable]: cannot be read: No such file")
    assert "it is a link to /nonexistent" in told


def test_a_file_that_may_not_be_read_is_told_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = good_folder(tmp_path)
    really = os.open

    def refuse(path: str, *rest: int) -> int:
        if str(path).endswith("people.yaml"):
            raise PermissionError(13, "Permission denied", path)
        return really(path, *rest)

    monkeypatch.setattr("daemon.config.files.os.open", refuse)  # root may read everything

    (told,) = problems(folder)

    assert told.startswith("syncs/people.yaml: error[unreadable]: cannot be read: Permission denied")
    assert "let the daemon's user read it" in told
