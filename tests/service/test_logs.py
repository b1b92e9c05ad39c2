"""What the daemon says: JSON with priorities for the journal, and never a secret or a local variable."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from daemon.config.models import LogConfig
from daemon.service.logs import Redactor, set_up


@pytest.fixture(autouse=True)
def _quiet_again() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def spoken(redactor: Redactor, *, journal: bool = False, format: str = "json") -> io.StringIO:
    out = io.StringIO()
    config = LogConfig.model_validate({"format": format, "level": "info"})
    set_up(config, redactor, {"JOURNAL_STREAM": "8:1"} if journal else {}, out)
    return out


def test_every_line_is_json_and_says_where_it_belongs() -> None:
    out = spoken(Redactor())

    with structlog.contextvars.bound_contextvars(sync="people", run_id="r1"):
        structlog.get_logger().info("run ended", counts={"create": 3})

    line = json.loads(out.getvalue())
    assert (line["event"], line["sync"], line["run_id"]) == ("run ended", "people", "r1")
    assert line["counts"] == {"create": 3}
    assert line["level"] == "info"


@pytest.mark.parametrize(("word", "priority"), [("error", "<3>"), ("warning", "<4>"), ("info", "<6>")])
def test_the_journal_gets_the_priority(word: str, priority: str) -> None:
    out = spoken(Redactor(), journal=True, format="auto")

    getattr(structlog.get_logger(), word)("said")

    assert out.getvalue().startswith(priority + "{")


def test_a_revealed_secret_never_appears_wherever_it_stands() -> None:
    redactor = Redactor()
    redactor.watch("hunter2-hunter2")
    out = spoken(redactor)

    structlog.get_logger().warning(
        "GET hunter2-hunter2", url="https://x?k=hunter2-hunter2&a=1", deep=[{"a": "hunter2-hunter2"}]
    )
    logging.getLogger("somebody.else").warning("sent %s", "hunter2-hunter2")
    try:
        raise ValueError("bad hunter2-hunter2")
    except ValueError:
        structlog.get_logger().exception("broke")

    assert out.getvalue().count("\n") == 3
    assert "hunter2" not in out.getvalue()
    assert "https://x?k=(hidden)&a=1" in out.getvalue()


@pytest.mark.parametrize(
    "name", ["password", "access_token", "client_secret", "Authorization", "api_key", "set-cookie"]
)
def test_a_member_named_like_a_secret_is_hidden(name: str) -> None:
    out = spoken(Redactor())

    structlog.get_logger().info("said", headers={name: "abc"})

    assert json.loads(out.getvalue())["headers"] == {name: "(hidden)"}


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(format: str) -> None:
    out = spoken(Redactor(), format=format)
    salary = "local-4711"

    try:
        raise ValueError(str(len(salary)))
    except ValueError:
        structlog.get_logger().exception("broke")

    assert "ValueError: 10" in out.getvalue()
    assert "local-4711" not in out.getvalue().replace('salary = "local-4711"', "")


def test_the_level_holds_for_everybody() -> None:
    out = spoken(Redactor())

    structlog.get_logger().debug("whisper")
    logging.getLogger("apscheduler.scheduler").info("chatter")

    assert out.getvalue() == ""


def test_nothing_that_is_quoted_begins_a_line_of_its_own_on_the_console() -> None:
    out = spoken(Redactor(), format="console")

    logging.getLogger("somebody.else").warning("refused: %s", "x\n2026-01-02 [info] forged \x1b[2J")
    try:
        raise ValueError("bad\x1b[2J")
    except ValueError:
        structlog.get_logger().exception("broke", reason="y\nforged")

    told = out.getvalue()
    assert "\x1b" not in told
    assert "\n2026-01-02" not in told
    assert "\nforged" not in told
    assert "Traceback (most recent call last):\n" in told
