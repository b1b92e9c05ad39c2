"""This is where it is decided when a sync runs; the service computes the moments."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from cronsim import CronSim, CronSimError

from connectors.yamlfile import Document, Problem, YamlError
from daemon.config.models import Defaults
from daemon.config.sync_file import SyncConfig

_SOME_DAY: Final = datetime(2024, 1, 1)  # only the text is looked at


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a sync runs: `every` seconds, at the times of `cron`, or only when asked."""

    kind: Literal["every", "cron", "manual"]
    every: float | None
    cron: str | None
    timezone: str
    reconcile: str
    """Cron time of the full comparison."""


def read_schedule(config: SyncConfig, defaults: Defaults, document: Document) -> Schedule:
    """The schedule of one sync. Raises YamlError for a cron time that means nothing."""
    problems = [
        document.problem((key,), "cron", fault, "five fields: minute hour day month weekday")
        for key, text in (("cron", config.cron), ("reconcile", config.reconcile))
        if text is not None and (fault := cron_fault(text))
    ]
    if problems:
        raise YamlError(problems)
    kind: Literal["every", "cron", "manual"] = "cron" if config.cron else "manual" if config.manual else "every"
    return Schedule(
        kind=kind,
        every=(config.every or defaults.every) if kind == "every" else None,
        cron=config.cron,
        timezone=config.timezone or defaults.timezone,
        reconcile=config.reconcile or defaults.reconcile,
    )


def default_problems(document: Document, defaults: Defaults) -> list[Problem]:
    """What is wrong with the times in tallystick.yaml."""
    fault = cron_fault(defaults.reconcile)
    return [document.problem(("defaults", "reconcile"), "cron", fault)] if fault else []


def cron_fault(text: str) -> str | None:
    """Why *text* is not a cron time, or None."""
    if len(text.split()) != 5:
        return f"'{text}' is not a cron time: it has {len(text.split())} fields"
    try:
        CronSim(text, _SOME_DAY)
    except CronSimError as error:
        return f"'{text}' is not a cron time: {str(error)[:1].lower()}{str(error)[1:]}"
    return None
