"""This is where the README is held to its word: its commands are typed as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

from daemon.config import field_file, guard_file, models, sync_file
from daemon.config.models import NotYet

ROOT = Path(__file__).parents[2]


def test_the_first_sync_of_the_readme_works_as_written(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```console\n(.*?)```", text, re.S)
    commands = [line.removeprefix("$ ") for line in block.splitlines()]
    shell = tmp_path / "bin"
    shell.mkdir()
    (shell / "tallystick").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m daemon.cli.main "$@"\n')
    (shell / "tallystick").chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK")}

    done = subprocess.run(
        ["bash", "-ec", "\n".join(commands)], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**clean, "PATH": f"{shell}:{os.environ['PATH']}"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(commands) <= 12
    assert done.stdout.count('"team":"Mathematics"') == 2  # the last command shows what arrived
    assert "+49 30 1234502" in (tmp_path / "example" / "phonebook.jsonl").read_text("utf-8")


def test_every_command_that_the_readme_names_exists() -> None:
    from daemon.cli.main import tallystick

    text = (ROOT / "README.md").read_text("utf-8")

    named = set(re.findall(r"tallystick ([a-z]+)", text))

    assert named - {"plan", "run"} >= {"init", "check", "serve", "status", "why", "held", "conflicts", "audit"}
    assert named <= set(tallystick.commands)


def test_what_the_readme_calls_unbuilt_is_exactly_what_check_refuses() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    table = text.partition("refused by `tallystick check`")[2].partition("\n\nThere are")[0]

    named = {key for row in re.findall(r"^\| (`.*?) \|", table, re.M) for key in re.findall(r"`(\w+)`", row)}

    assert named == {
        name
        for module in (models, sync_file, field_file, guard_file)
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__
        for name, hint in get_type_hints(kind, include_extras=True).items()
        if hint == NotYet
    }


def test_every_page_that_the_readme_leads_to_is_there() -> None:
    text = (ROOT / "README.md").read_text("utf-8")

    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).is_file(), target


def test_every_exit_code_of_an_error_stands_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    source = "\n".join(file.read_text("utf-8") for file in (ROOT / "daemon").rglob("*.py"))

    codes = set(re.findall(r"exit_code = (\d+)$", source, re.M))

    assert codes
    assert all(re.search(rf"\b{code} ", text) for code in codes), codes
