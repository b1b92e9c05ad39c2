"""This is where the demo is told: three small systems, the real daemon, and a story in which every step is checked."""

import contextlib
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from daemon.cli.session import Session, Verb

if TYPE_CHECKING:
    from daemon.cli.demo.telling import Teller

EXISTS, FALSE, MISSING = 73, 1, 3


@click.command(cls=Verb)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("tallystick-demo"))
@click.option("--again", is_flag=True, help="No story: open the systems and the daemon of an earlier demo's folder.")
@click.pass_obj
def demo(session: Session, folder: Path, again: bool) -> int:
    """Watch it work, in under a minute: HR, a CRM and finance."""
    from daemon.cli.demo.telling import Teller

    signal.signal(signal.SIGTERM, _end)
    teller = Teller(color=session.color, slow=sys.stdout.isatty())
    if again:
        return _go_on(folder, teller)
    if folder.exists() and any(folder.iterdir()):
        click.echo(f"{folder}: is not empty; name a new folder, or go on with it: --again", err=True)
        return EXISTS
    return _tell(folder, teller)


def _tell(folder: Path, teller: "Teller") -> int:
    from daemon.cli.demo.epilogue import print_things_to_try
    from daemon.cli.demo.stage import FalseStory, new_stage
    from daemon.cli.demo.story import tell

    try:
        with new_stage(folder, teller) as stage:
            tell(stage)
    except FalseStory as error:
        click.echo(f"{error}\neverything is left in {folder} for a look", err=True)
        return FALSE
    print_things_to_try(folder)
    return 0


def _go_on(folder: Path, teller: "Teller") -> int:
    from daemon.cli.demo.stage import same_stage

    if not (folder / "crm.json").is_file():
        click.echo(f"{folder}: no demo was told here; tell one: tallystick demo {folder}", err=True)
        return MISSING
    with same_stage(folder, teller) as stage:
        pid = stage.start_daemon()
        click.echo(f"the CRM answers at {stage.crm.url}, the daemon is process {pid}; Ctrl-C ends both")
        with contextlib.suppress(KeyboardInterrupt):
            stage.wait_for_daemon()
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends the demo as Ctrl-C does: the daemon that it started ends with it."""
    del number, frame
    raise KeyboardInterrupt


VERBS = (demo,)
