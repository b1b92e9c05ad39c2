"""This is where the daemon's own words get their form: JSON for the journal, a console for people, secrets out.

Business values never come here; they belong to the audit log. Every line says run, sync and system where they are known
(`structlog.contextvars`, bound in the thread that does the work).
"""
# ruff: noqa: ARG001, ARG002  # structlog hands every processor its logger and method

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO

import msgspec
import structlog

from daemon.config.models import LogConfig

HIDDEN: Final = "(hidden)"
_NAMES: Final = re.compile(r"passw|token|secret|authorization|api.?key|credential|cookie", re.IGNORECASE)
_SHORTEST: Final = 4  # hiding every "1" or "no" would hide the log
_PRIORITY: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


class Redactor:
    """Takes secrets out of log lines: members that are named like one, and every value that was revealed."""

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()

    def watch(self, value: str) -> None:
        """From now on *value* is hidden wherever it stands, also inside longer text."""
        if len(value) >= _SHORTEST and value not in self._values:
            self._values = tuple(sorted((*self._values, value), key=len, reverse=True))

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """The structlog processor: the last before the line is written."""
        return {name: self._clean(name, value) for name, value in event.items()}

    def text(self, text: str) -> str:
        """*text* without any revealed value."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return text

    def _clean(self, name: str, value: Any) -> Any:
        if _NAMES.search(name):
            return HIDDEN
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {str(key): self._clean(str(key), member) for key, member in value.items()}
            case list() | tuple():
                return [self._clean(name, member) for member in value]
            case None | bool() | int() | float():
                return value
        return self.text(str(value))


def set_up(config: LogConfig, redactor: Redactor, env: Mapping[str, str], stream: TextIO | None = None) -> None:
    """Sends structlog and the standard library's loggers to *stream* (standard error). May be called again."""
    out = stream or sys.stderr
    as_json = config.format == "json" or (config.format == "auto" and ("JOURNAL_STREAM" in env or not out.isatty()))
    level = logging.getLevelNamesMapping()[config.level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        render: list[structlog.typing.Processor] = [
            _exception_text,
            redactor,
            _as_json(journal="JOURNAL_STREAM" in env),
        ]
    else:
        console = structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
        render = [_exception_text, redactor, _harmless, console]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Out(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Out)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for noisy in ("apscheduler", "uvicorn", "httpx", "httpcore", "ldap3", "sqlalchemy", "asyncio"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


class _Out(logging.Handler):
    """Writes lines to the given stream, or to whatever standard error is at that moment."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """One line. A stream that is gone must not stop the work."""
        with suppress(OSError, ValueError):
            out = self._stream or sys.stderr
            out.write(self.format(record) + "\n")
            out.flush()


def _exception_text(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Tracebacks as text, and never with local variables: those hold records and secrets."""
    return structlog.processors.format_exc_info(logger, method, event)


def _harmless(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What a console would obey, made visible: no name or answer of somebody else's begins a line or draws on it."""
    event["event"] = _visible(str(event.get("event", "")))
    if "exception" in event:
        event["exception"] = "\n".join(map(_visible, str(event["exception"]).splitlines()))
    return event


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _as_json(*, journal: bool) -> structlog.typing.Processor:
    """One JSON object a line; for the journal with the priority in front that systemd understands (sd-daemon(3))."""

    def render(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        line = _encoder.encode({"event": event.pop("event", ""), **event}).decode()
        prefix = ""
        if journal:
            with suppress(KeyError):
                prefix = f"<{_PRIORITY[str(event.get('level'))]}>"
        return prefix + line

    return render
