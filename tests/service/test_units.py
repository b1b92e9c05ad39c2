"""The systemd units are accepted by systemd itself, and the sandbox is tight."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a command that exists on this machine."""
    if not shutil.which("systemd-analyze"):
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is missing; install the package systemd")
        pytest.skip("SKIPPED LOUDLY: systemd-analyze is missing, so the units are not verified; install systemd")
    for name in ("tallystick.service", "tallystick.socket"):
        text = (UNITS / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/tallystick", "/usr/bin/true"))
    return tmp_path


def analyze(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_systemd_finds_nothing_to_complain_about(units: Path) -> None:
    found = analyze("verify", "./tallystick.service", "./tallystick.socket", folder=units)

    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_the_exposure_is_at_most_one_and_a_half(units: Path) -> None:
    found = analyze("security", "--offline=true", "--threshold=15", "./tallystick.service", folder=units)

    assert found.returncode == 0, found.stdout[-300:]


def test_a_unit_without_its_sandbox_would_fail_that_test(units: Path) -> None:
    unit = units / "tallystick.service"
    unit.write_text("\n".join(line for line in unit.read_text().splitlines() if not line.startswith("Protect")))

    assert analyze("security", "--offline=true", "--threshold=15", "./tallystick.service", folder=units).returncode


def test_sysusers_understands_its_file() -> None:
    if not shutil.which("systemd-sysusers"):
        pytest.skip("SKIPPED LOUDLY: systemd-sysusers is missing")

    found = subprocess.run(
        ["systemd-sysusers", "--dry-run", str(UNITS / "tallystick.sysusers.conf")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("name", ["tallystick.service", "tallystick.socket"])
def test_comments_stand_on_lines_of_their_own(name: str) -> None:
    settings = [line for line in (UNITS / name).read_text().splitlines() if line and line[0] not in "#["]

    assert settings
    assert not [line for line in settings if " #" in line or "=" not in line]
