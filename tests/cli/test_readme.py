"""This is where the README is held to its word: its commands are typed as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

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
