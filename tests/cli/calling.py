"""This is where the tests call the command line as a person would: as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

TALLYSTICK = [sys.executable, "-P", "-m", "daemon.cli.main"]


def call(*words: str, folder: Path, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
    """`tallystick WORDS` in *folder*, with nothing of the caller's own configuration in the environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK")}
    return subprocess.run(
        [*TALLYSTICK, *words], cwd=folder, env={**clean, "NO_COLOR": "1", **env}, capture_output=True, text=True,
        timeout=timeout, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
