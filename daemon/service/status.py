"""This is where the state of affairs is put into words: what needs attention first, then every sync."""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, TypeAlias

from daemon.admin.operations import Answer
from daemon.core.rules import Sync
from daemon.service import clock
from daemon.service.generation import Generation
from daemon.service.runtime import Runtime

State: TypeAlias = Literal["starting", "running", "reloading", "draining", "foreground"]


def describe(
    runtime: Runtime,
    generation: Generation,
    *,
    state: State,
    running: Mapping[str, str],
    next_times: Mapping[str, float],
    refused: Sequence[str] = (),
    refused_at: float | None = None,
) -> Answer:
    """The answer of `status`. *running* names the work at hand per sync, *refused* the faults of the last reload."""
    syncs = [
        told
        for name, sync in generation.config.syncs.items()
        for told in _family(runtime, sync.rules, running.get(name), next_times.get(name))
    ]
    return {
        "state": state,
        "pid": os.getpid(),
        "version": product_version(),
        "generation": generation.number,
        "config": {
            "ok": not refused,
            "folder": str(generation.config.folder),
            "digest": generation.config.digest,
            "loaded_at": clock.as_text(generation.loaded_at),
            "problems": list(refused),
            "refused_at": clock.as_text(refused_at),
        },
        "audit": {"size": runtime.audit.head.size, "failed": runtime.audit.failed},
        "attention": [*_house(runtime, refused), *(need for sync in syncs for need in _needs(sync))],
        "syncs": syncs,
    }


def product_version() -> str:
    """The installed version of Tallystick."""
    try:
        return version("tallystick")
    except PackageNotFoundError:
        return "unknown"


def counted(number: int, word: str) -> str:
    """1 sync, 2 syncs."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _family(runtime: Runtime, sync: Sync, running: str | None, next_time: float | None) -> list[dict[str, Any]]:
    """A sync and its collections, which run with it and are told with its run."""
    children = [_sync(runtime, child.name, running, next_time) | {"last": None} for child in sync.collections]
    return [_sync(runtime, sync.name, running, next_time), *children]


def _sync(runtime: Runtime, name: str, running: str | None, next_time: float | None) -> dict[str, Any]:
    row = runtime.store.sync(name)
    counts = runtime.store.pairs.count(row.id)
    last = next((run for run in runtime.store.journal.runs(name, 2) if run["state"] != "running"), None)
    return {
        "name": name,
        "running": running,
        "last": last and _last(last),
        "next": clock.as_text(next_time),
        "restored": row.restored,
        "pairs": {state: counts.get(state, 0) for state in ("active", "held", "single", "retired")},
    }


def _last(run: Mapping[str, Any]) -> dict[str, Any]:
    guards = [{name: guard[name] for name in ("text", "remedy")} for guard in run["report"].get("guards", ())]
    return {"id": run["id"], "state": run["state"], "ended": clock.as_text(run["ended"]), "guards": guards}


def _house(runtime: Runtime, refused: Sequence[str]) -> list[dict[str, Any]]:
    needs = []
    if runtime.audit.failed:
        what = f"the audit log stopped ({runtime.audit.failed}); nothing is written to any system"
        needs.append({"sync": None, "what": what, "remedy": "free space or repair the disk, then restart the daemon"})
    if refused:
        what = f"the files were refused ({counted(len(refused), 'problem')}); the configuration before goes on"
        needs.append({"sync": None, "what": what, "remedy": "tallystick check, then tallystick reload"})
    return needs


def _needs(sync: Mapping[str, Any]) -> list[dict[str, Any]]:
    name, last, needs = sync["name"], sync["last"], []
    if sync["restored"]:
        what = "its memory was restored from an older copy; clashes and deletes wait for a person"
        needs.append({"sync": name, "what": what, "remedy": f"tallystick plan {name}"})
    match last and last["state"]:
        case "failed":
            needs.append({"sync": name, "what": "the last run failed", "remedy": f"tallystick runs {name}"})
        case "killed":
            needs.append({"sync": name, "what": "the last run was killed", "remedy": f"tallystick run {name}"})
        case "postponed":
            needs.append({"sync": name, "what": "a system was away", "remedy": f"tallystick runs {name}"})
        case "held":
            needs += [{"sync": name, "what": guard["text"], "remedy": guard["remedy"]} for guard in last["guards"]]
    if held := sync["pairs"]["held"]:
        needs.append({"sync": name, "what": f"{counted(held, 'pair')} held", "remedy": f"tallystick held {name}"})
    return needs
