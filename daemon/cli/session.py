"""This is where a call of the command line knows its surroundings: configuration, form of output, daemon or none."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from daemon.admin.operations import Answer, Operations
    from daemon.cli.text.lines import Line

MAIN_FILE = "tallystick.yaml"
SYSTEM_FOLDER = Path("/etc/tallystick")


@dataclass(slots=True)
class Session:
    """What the options before or after a verb said."""

    config: Path | None = None
    socket: Path | None = None
    output: str = "text"
    color: bool | None = None
    """None: colours on a terminal only."""
    debug: bool = False

    @property
    def folder(self) -> Path:
        """The configuration folder: --config, $TALLYSTICK_CONFIG, here if there is one, else /etc/tallystick."""
        if self.config is not None:
            return self.config
        if given := os.environ.get("TALLYSTICK_CONFIG"):
            return Path(given)
        return Path() if (Path() / MAIN_FILE).is_file() else SYSTEM_FOLDER

    @property
    def actor(self) -> str:
        """Who asks, where no daemon finds it out by itself."""
        return f"uid:{os.getuid()}"

    @contextmanager
    def operations(self) -> Iterator["Operations"]:
        """The running daemon where its socket answers; else the same verbs in this process, under its lock."""
        from daemon.errors import NoSuch

        try:
            daemon = self.daemon()
        except NoSuch:
            from daemon.service import foreground

            with foreground.open(self.folder, os.environ) as operations:
                yield operations
        else:
            yield daemon

    def daemon(self) -> "Operations":
        """The running daemon. Raises NoSuch where none answers."""
        from daemon.admin import client
        from daemon.errors import NoSuch

        try:
            return client.connect(self.socket or socket_of(self.folder, os.environ))
        except NoSuch:
            if self.socket or "TALLYSTICK_SOCKET" in os.environ or (self.folder / MAIN_FILE).exists():
                raise
            help = f"go to the folder that has {MAIN_FILE}, or name it with --config"
            raise NoSuch(f"no daemon is known: there is no {MAIN_FILE} in {self.folder}; {help}") from None

    def show(self, answer: "Answer", text: "Callable[[Any], Iterable[Line]]") -> None:
        """Prints *answer* as JSON, or as *text* tells it."""
        if self.output == "json":
            click.echo(as_json(answer))
        else:
            self.print(text(answer))

    def print(self, lines: "Iterable[Line]") -> None:
        """Prints styled lines to standard output; colours only add."""
        from daemon.cli.text.lines import print_lines

        print_lines(lines, color=self.color)

    def note(self, text: str) -> None:
        """Says something beside the result: on standard error, and only to people."""
        if self.output == "text":
            tell(text)


def tell(text: str) -> None:
    """Says *text* on standard error. What it quotes from elsewhere must not draw on the terminal."""
    from daemon.cli.text.lines import harmless

    for line in text.splitlines():
        click.echo(harmless(line), err=True)


def as_json(answer: Any) -> str:
    """*answer* as indented JSON; decimals and big integers exact, and nothing in it that a terminal obeys."""
    import msgspec

    raw = msgspec.json.Encoder(decimal_format="number").encode(answer)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", msgspec.json.format(raw, indent=2).decode())


_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What JSON allows in a text as it is, and terminals do not only show."""


def socket_of(folder: Path, env: Mapping[str, str]) -> Path:
    """Where the daemon of *folder* answers. A configuration with faults must not keep anyone from talking to it."""
    if given := env.get("TALLYSTICK_SOCKET"):
        return Path(given)
    from connectors.yamlfile import YamlError, check, read
    from daemon.config.models import DaemonConfig

    state = Path(env.get("STATE_DIRECTORY", "").split(":")[0] or folder.resolve() / "state")
    try:
        document = read(folder / MAIN_FILE)
        config = check(document, DaemonConfig, context={"folder": folder.resolve()})
    except (YamlError, OSError):
        return state / "admin.sock"
    if config.admin.socket or "state" in document.data:
        return config.socket
    return state / "admin.sock"


LONGEST = 10 * 366 * 86_400
"""Seconds of the longest time span: ten years."""
LAST = 2**63 - 1
"""The highest number of an entry or a pair: they are counted in 64 bits."""
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")


class Span(click.ParamType[float]):
    """A duration such as 90s, 5m, 24h, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds of the text."""
        if isinstance(value, int | float):
            return float(value)
        found = _SPAN.match(value)
        if not value or not found:
            self.fail(f"'{value}' is not a duration; write 90s, 5m, 24h or 7d", param, ctx)
        d, h, m, s = (int(part or 0) for part in found.groups())
        seconds = d * 86400 + h * 3600 + m * 60 + s
        if not 0 < seconds <= LONGEST:
            self.fail(f"'{value}' is not between 1s and {LONGEST // 86400}d", param, ctx)
        return float(seconds)


class Number(click.ParamType[int]):
    """A pair's number or an entry's, from 0 on."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of the text."""
        text = str(value)
        if not (text.isascii() and text.isdecimal() and int(text) <= LAST):
            self.fail(f"'{text}' is not a number from 0 to {LAST}", param, ctx)
        return int(text)


def _surroundings() -> list[click.Parameter]:
    return [
        _option("--config", "DIR", "Configuration folder.", type=click.Path(path_type=Path)),
        _option("--socket", "PATH", "The daemon's admin socket.", type=click.Path(path_type=Path)),
        _option("-o/--output", None, "Form of the answer.", type=click.Choice(["text", "json"])),
        _option("--no-color", None, "Without colours.", is_flag=True, default=None),
        _option("--debug", None, "Show where an error came from.", is_flag=True, default=None),
    ]


def _option(names: str, metavar: str | None, help: str, **more: Any) -> click.Option:
    return click.Option(names.split("/"), metavar=metavar, help=help, expose_value=False, callback=_remember, **more)


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Notes an option in the session; said after the verb it counts more than before it."""
    if value is None:
        return
    session = context.ensure_object(Session)
    if option.name == "no_color":
        session.color = False
    elif option.name is not None:
        setattr(session, option.name, value)


class Verb(click.Command):
    """A command that takes the common options after its name too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *_surroundings()]


class TallystickGroup(click.Group):
    """A group whose commands keep the order in which a person meets them."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *_surroundings()]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """As they were added."""
        return list(self.commands)


TallystickGroup.group_class = TallystickGroup
