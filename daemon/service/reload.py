"""This is where files that changed become a generation beside the running one, or a list of reasons why not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.config.models import DaemonConfig
from daemon.errors import ConfigError
from daemon.service.generation import Generation, build, read_config
from daemon.service.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Prepared:
    """A generation that is ready to take over; None where the files say what runs already."""

    generation: Generation | None
    changes: tuple[str, ...] = ()
    """Files that are new, gone or changed."""


def prepare(runtime: Runtime, running: Generation) -> Prepared:
    """Reads every file once and builds what they say. Raises ConfigError; the running generation is never touched."""
    config = read_config(runtime.folder, runtime.env)
    changes = changed_files(running.config.files, config.files)
    if not changes:
        return Prepared(None)
    if fixed := fixed_settings(running.config.daemon, config.daemon):
        raise ConfigError(fixed)
    number = running.number + 1
    return Prepared(build(config, number, runtime.registry, runtime.redactor, runtime.env), changes)


def changed_files(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """What happened to each file, by digests: `changed syncs/people.yaml`."""
    told = [f"new {name}" for name in new if name not in old]
    told += [f"gone {name}" for name in old if name not in new]
    told += [f"changed {name}" for name in new if name in old and old[name] != new[name]]
    return tuple(sorted(told, key=lambda text: text.split(" ", 1)[1]))


def fixed_settings(old: DaemonConfig, new: DaemonConfig) -> list[str]:
    """Settings that a running daemon cannot follow, each with both values."""
    pairs: list[tuple[str, Path | str | None, Path | str | None]] = [
        ("state", old.state, new.state),
        ("audit.keys", old.audit_keys, new.audit_keys),
        ("audit.origin", old.origin, new.origin),
        ("admin.socket", old.socket, new.socket),
        ("admin.group", old.admin.group, new.admin.group),
    ]
    return [
        f"tallystick.yaml: error[restart]: {name} cannot change while the daemon runs: {was} -> {is_}; restart it"
        for name, was, is_ in pairs
        if was != is_
    ]
