"""This is where the tests call the command line: as a process of its own, or in this one where that does not matter."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from daemon.cli import main

TALLYSTICK = [sys.executable, "-P", "-m", "daemon.cli.main"]


def call(*words: str, folder: Path, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
    """`tallystick WORDS` in *folder*, with nothing of the caller's own configuration in the environment."""
    return subprocess.run(
        [*TALLYSTICK, *words], cwd=folder, env={**_clean(), **env}, capture_output=True, text=True,
        timeout=timeout, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def call_here(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, which saves half a second."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, _clean(), clear=True),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main.run(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def _clean() -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK")}
    return {**mine, "NO_COLOR": "1"}
