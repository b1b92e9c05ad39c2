"""This is where an installation is begun and looked over: init, check, version."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.session import Session, Verb

if TYPE_CHECKING:
    from daemon.config.load import Config

EXISTS, UNREACHABLE, CONFIG = 73, 69, 78


@click.command(cls=Verb)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.pass_obj
def init(session: Session, folder: Path) -> int:
    """Lay out a small configuration that works."""
    from daemon.cli.layout import lay_out_starter
    from daemon.cli.text.lines import Line

    if folder.exists() and any(folder.iterdir()):
        click.echo(f"{folder}: is not empty; name a new folder: tallystick init example", err=True)
        return EXISTS
    files = lay_out_starter(folder)
    session.show(
        {"folder": str(folder), "files": files},
        lambda answer: [
            *(Line(f"  {file}") for file in answer["files"]),
            Line(f"next: cd {folder} && tallystick check && tallystick audit init && tallystick adopt people", "good"),
        ],
    )
    return 0


@click.command(cls=Verb)
@click.option("--connect", is_flag=True, help="Ask every system whether it answers, lets us in and has the entities.")
@click.pass_obj
def check(session: Session, connect: bool) -> int:
    """Read the configuration and tell every fault."""
    from daemon.cli.text.checked import checked_text
    from daemon.config.load import check_secrets, load
    from daemon.errors import ConfigError
    from daemon.service.clock import now

    try:
        config = load(session.folder, env=os.environ)
    except ConfigError as error:
        session.show({"ok": False, "folder": str(session.folder), "problems": error.problems}, checked_text)
        return CONFIG
    secrets = config.secrets(os.environ)
    problems = [problem.render() for problem in check_secrets(config, secrets)] or _unusable(config)
    answer = _summary(config, now(), problems)
    if connect and not problems:
        answer["health"] = [_health(config, name) for name in config.systems]
    session.show(answer, checked_text)
    if problems:
        return CONFIG
    return UNREACHABLE if any(not health["reachable"] for health in answer.get("health", ())) else 0


@click.command(cls=Verb)
@click.pass_obj
def version(session: Session) -> int:
    """The version of Tallystick."""
    from importlib.metadata import version as version_of

    from daemon.cli.text.lines import Line

    session.show({"version": version_of("tallystick")}, lambda answer: [Line(f"tallystick {answer['version']}")])
    return 0


def _summary(config: "Config", at: float, problems: list[str]) -> dict[str, Any]:
    from daemon.cli.moments import coming
    from daemon.config.hints import hints

    return {
        "ok": not problems,
        "folder": str(config.folder),
        "systems": [
            {"name": s.name, "type": s.type, "connector": s.definition.name} for s in config.systems.values()
        ],
        "syncs": [
            {"name": s.name, "schedule": s.schedule.kind, "next": coming(s.name, s.schedule, at)}
            for s in config.syncs.values()
        ],
        "hints": [*hints(config, at)],
        "problems": problems,
    }  # fmt: skip


def _unusable(config: "Config") -> list[str]:
    """What keeps a driver from beginning, although every secret is there. Nothing is opened."""
    from daemon.config.systems import connect_system
    from daemon.errors import ConfigError

    problems: list[str] = []
    for system in config.systems.values():
        try:
            connect_system(system, config.secrets(os.environ)).close()
        except ConfigError as error:
            problems += error.problems
    return problems


def _health(config: "Config", name: str) -> dict[str, Any]:
    from daemon.config.systems import connect_system

    driver = connect_system(config.systems[name], config.secrets(os.environ))
    try:
        health = driver.check()
        for entity in _used(config, name) if health.reachable else ():
            if not (found := driver.check(entity)).reachable:
                return {"system": name, "reachable": False, "message": found.message}
        return {"system": name, "reachable": health.reachable, "message": health.message}
    finally:
        driver.close()


def _used(config: "Config", system: str) -> list[str]:
    """The entities of *system* that a sync or one of its collections names."""
    from daemon.core.rules import SIDES

    syncs = [each for sync in config.syncs.values() for each in (sync.rules, *sync.rules.collections)]
    lists = {(each.name, side) for each in syncs if each.family for side in each.family.nests}
    ends = [each.end(side) for each in syncs for side in SIDES if (each.name, side) not in lists]
    return sorted({end.entity for end in ends if end.system == system})


VERBS = (init, check, version)
