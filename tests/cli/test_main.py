"""This is where the front door of the command line is tested: its speed, its exit codes, its manners in failure."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import click
import pytest

from daemon.cli import main
from daemon.cli.session import Session, as_json, socket_of
from tests.cli.calling import TALLYSTICK, call

HEAVY = ("pydantic", "httpx", "sqlalchemy", "structlog", "rich", "starlette", "cryptography", "msgspec", "yaml")


def test_help_comes_at_once(tmp_path: Path) -> None:
    begins = []
    for _ in range(5):
        start = time.perf_counter()
        done = call("--help", folder=tmp_path)
        begins.append(time.perf_counter() - start)

        assert done.returncode == 0

    assert min(begins) < 0.2


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom daemon.cli.main import run\ncode = run(['--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], code, file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[] 0"


@pytest.mark.parametrize(
    "words",
    [["bogus"], ["run"], ["run", "people", "--nonsense"], ["conflicts", "resolve", "people", "1", "--take", "both"],
     ["approve", "people", "--expires", "soon"], ["-o", "xml", "version"]],
)  # fmt: skip
def test_wrong_usage_is_told_from_failure(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(words) == main.USAGE
    assert "Usage:" in capsys.readouterr().err


def test_no_daemon_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "tallystick.yaml").write_text("version: 1\n")

    done = call("status", folder=tmp_path, TALLYSTICK_CONFIG=str(tmp_path))

    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        f"no daemon is running at {tmp_path}/state/admin.sock; start it with `tallystick serve`"
    ]
    assert done.stdout == ""


def test_whoever_stands_in_the_wrong_folder_is_told_so(tmp_path: Path) -> None:
    done = call("status", folder=tmp_path, TALLYSTICK_CONFIG=str(tmp_path))

    assert done.returncode == 3
    assert f"there is no tallystick.yaml in {tmp_path}; go to the folder that has" in done.stderr


def test_an_error_that_quotes_somebody_else_draws_nothing_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--config", "/nonexistent/\x1b[2Jfolder", "plan", "people"]) == 78

    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "\\x1b[2Jfolder" in told


def test_json_holds_nothing_that_a_terminal_obeys() -> None:
    value = {"name": "a\x9b2Jb\u202ec\x7f\x1b", "ü": "naïve", "n": Decimal("1.10")}

    told = as_json(value)

    assert "\x9b" not in told
    assert all(c.isprintable() or c == "\n" for c in told)
    assert json.loads(told, parse_float=Decimal) == value


def test_a_fault_of_our_own_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Session) -> Path:
        raise ZeroDivisionError("the impossible")

    monkeypatch.setattr(Session, "folder", property(broken))

    assert main.run(["status"]) == main.BUG
    told = capsys.readouterr().err
    assert "ZeroDivisionError: the impossible" in told
    assert "--debug" in told
    assert "Traceback" not in told

    assert main.run(["status", "--debug"]) == main.BUG
    assert "Traceback" in capsys.readouterr().err


def test_options_may_stand_before_or_after_the_verb(tmp_path: Path) -> None:
    before = call("-o", "json", "--config", str(tmp_path), "check", folder=tmp_path)
    after = call("check", "--config", str(tmp_path), "-o", "json", folder=tmp_path)

    assert before.returncode == after.returncode == 78
    assert before.stdout == after.stdout
    assert before.stdout.startswith("{")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    line = " ".join([*TALLYSTICK, "--help"])

    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} | true"], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""


def test_the_configuration_folder_is_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TALLYSTICK_CONFIG", raising=False)

    assert Session().folder == Path("/etc/tallystick")
    (tmp_path / "tallystick.yaml").write_text("version: 1\n")
    assert Session().folder == Path()
    monkeypatch.setenv("TALLYSTICK_CONFIG", "/srv/config")
    assert Session().folder == Path("/srv/config")
    assert Session(config=Path("mine")).folder == Path("mine")


@pytest.mark.parametrize(
    ("text", "env", "expected"),
    [
        ("version: 1\n", {}, "state/admin.sock"),
        ("version: 1\nstate: elsewhere\n", {}, "elsewhere/admin.sock"),
        ("version: 1\nadmin: {socket: talk}\n", {}, "talk"),
        ("version: 1\nstate: [garbled\n", {}, "state/admin.sock"),
        ("version: 1\n", {"STATE_DIRECTORY": "/var/lib/tallystick"}, "/var/lib/tallystick/admin.sock"),
        ("version: 1\n", {"TALLYSTICK_SOCKET": "/run/t.sock"}, "/run/t.sock"),
    ],
)
def test_a_garbled_configuration_does_not_hide_the_daemon(
    tmp_path: Path, text: str, env: dict[str, str], expected: str
) -> None:
    (tmp_path / "tallystick.yaml").write_text(text)

    assert socket_of(tmp_path, env) == tmp_path / expected


@pytest.mark.parametrize(("words", "env"), [([], {"NO_COLOR": "1"}), (["--no-color"], {})])
def test_colours_only_add(tmp_path: Path, words: list[str], env: dict[str, str]) -> None:
    coloured = on_a_terminal("version", folder=tmp_path)
    failing = on_a_terminal("check", folder=tmp_path)

    plain = on_a_terminal("check", *words, folder=tmp_path, **env)

    assert "\x1b" not in coloured  # nothing in it is good, bad or changed
    assert "\x1b[" in failing
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", failing) == plain


def on_a_terminal(*words: str, folder: Path, **env: str) -> str:
    """What `tallystick WORDS` prints on a terminal."""
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TALLYSTICK_CONFIG")}
    command = [*TALLYSTICK, "--config", str(folder), *words]
    subprocess.run(command, stdout=theirs, env={**clean, "TERM": "xterm-256color", **env}, check=False)
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError):  # the end of a terminal whose other side is closed
        while piece := os.read(ours, 65536):
            told += piece
    os.close(ours)
    return told.decode()


def test_every_verb_says_what_it_does_in_a_line_that_fits() -> None:
    def verbs(group: click.Group, name: str) -> Iterator[tuple[str, str]]:
        for word, command in group.commands.items():
            yield f"{name} {word}", command.get_short_help_str(60)
            if isinstance(command, click.Group):
                yield from verbs(command, f"{name} {word}")

    cut = {name: text for name, text in verbs(main.tallystick, "tallystick") if not text or text.endswith("...")}

    assert not cut
