"""This is where the verdict of `tallystick check` is told."""

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.cli.text.lines import Line, plural


def checked_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """Every problem as it is, or what is there and when it will run."""
    problems = answer.get("problems") or ()
    for problem in problems:
        yield from (Line(text) for text in str(problem).splitlines())
    if problems:
        yield Line(f"{plural(len(problems), 'problem')} in {answer['folder']}", "bad")
        return
    systems, syncs = answer["systems"], answer["syncs"]
    yield Line(f"ok: {plural(len(systems), 'system')}, {plural(len(syncs), 'sync')}", "good")
    for sync in syncs:
        yield Line(f"  {sync['name']}: {_schedule(sync)}")
    for hint in answer.get("hints", ()):
        yield Line(f"  {hint}", "quiet")
    for health in answer.get("health", ()):
        words = health["message"] or ("answers" if health["reachable"] else "does not answer")
        words = words.removeprefix(health["system"]).lstrip(": ")  # drivers begin an error with their own name
        yield Line(f"  {health['system']}: {words}", "good" if health["reachable"] else "bad")


def _schedule(sync: Mapping[str, Any]) -> str:
    times = ", ".join(sync["next"])
    return "runs when asked" if sync["schedule"] == "manual" else f"next {times}"
