"""This is where short answers are told: approvals, reloads, runs of the past, entries of the audit log."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from daemon.cli.text.lines import Line, columns, moment, quoted

_WORD: Final = re.compile(r"[\w.:+/@-]+")
_NOISE: Final = frozenset({"unchanged", "remember", "read_left", "read_right"})


def approved_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """What was approved, until when, and how it comes true."""
    yield from (Line(f"! {problem}", "bad") for problem in answer.get("problems", ()))
    approved: Mapping[str, int] = answer.get("approved") or {}
    if not sum(approved.values()):
        yield Line("nothing was waiting for approval")
        return
    kinds = ", ".join(f"{kind} {count}" for kind, count in approved.items() if count)
    yield Line(f"approved: {kinds}; holds until {moment(answer.get('expires'))}", "good")
    yield Line(f"next: tallystick run {answer.get('sync')}")


def queued_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """A run that the daemon will make."""
    run = f" as {answer['run']}" if answer.get("run") else ""
    yield Line(f"{answer.get('sync')} is queued{run}; see: tallystick runs {answer.get('sync')}")


def reload_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """What a reload did; or every problem, and that the old configuration goes on."""
    if answer.get("applied", True) and not answer.get("problems"):
        changes = answer.get("changes") or []
        yield Line(f"configuration {answer.get('generation')} runs" + ("" if changes else "; nothing changed"), "good")
        yield from (Line(f"  {change}") for change in changes)
        return
    for problem in answer.get("problems", ()):
        yield from (Line(text) for text in str(problem).splitlines())
    yield Line(f"refused; configuration {answer.get('generation')} goes on unchanged", "bad")


def runs_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """Runs of the past, newest first."""
    rows = answer.get("runs") or []
    if not rows:
        yield Line("no runs yet")
        return
    table = [[r.get("id"), r.get("sync"), moment(r.get("started")), moment(r.get("ended")), r.get("state"),
              _counts(r.get("report") or {}), r.get("actor")] for r in rows]  # fmt: skip
    yield from columns(table, ["RUN", "SYNC", "STARTED", "ENDED", "STATE", "WHAT", "BY"])


def verify_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """The verdict on the audit log."""
    sizes = f"{answer.get('size')} entries, {answer.get('sealed')} sealed by {answer.get('checkpoints')} checkpoints"
    verdict = {0: "sound", 1: "DAMAGED", 2: "INCOMPLETE", 3: "NOTHING TO BELIEVE"}.get(answer.get("code", 1), "DAMAGED")
    yield Line(f"audit log: {verdict}; {sizes}", "good" if answer.get("code") == 0 else "bad")
    for problem in answer.get("problems", ()):
        yield Line(f"! {problem}", "bad")
    if answer.get("fingerprint"):
        yield Line(f"  signed by {answer['fingerprint']}", "quiet")


def entries_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """Entries of the audit log, oldest first: a line of facts each, and a line for each field that moved."""
    entries = answer.get("entries") or ()
    if not entries:
        yield Line("no such entries")
    for entry in entries:
        body = {k: v for k, v in entry.items() if k not in ("seq", "time") and v not in (None, "", {}, [])}
        body = dict(body.pop("body", None) or body)
        moved = _moves(body.get("fields"))
        if moved:
            del body["fields"]
        yield Line(f"{entry.get('seq'):>6}  {moment(entry.get('time'))}  {_flat(body)}")
        yield from (Line(f"        {text}", "quiet") for text in moved)


def _moves(fields: Any) -> list[str]:
    """What became of each field, where the entry tells it."""
    if not isinstance(fields, Mapping) or not all(isinstance(m, Mapping) and "after" in m for m in fields.values()):
        return []
    width = max((len(name) for name in fields), default=0)
    return [f"{name.ljust(width)}  {quoted(m.get('before'))} -> {quoted(m['after'])}   {m.get('why', '')}".rstrip()
            for name, m in fields.items()]  # fmt: skip


def _flat(body: Mapping[str, Any]) -> str:
    first = [str(body[name]) for name in ("action", "sync") if body.get(name)]
    rest = [f"{k}={_fact(v)}" for k, v in body.items() if k not in ("action", "sync")]
    return "  ".join([*first, *rest])


def _fact(value: Any) -> str:
    """A fact of an entry. Only a plain word stands without quotes, so that no record's name passes for another fact."""
    if not isinstance(value, str):
        return quoted(value)
    return value if _WORD.fullmatch(value) else quoted(value.replace("\\", "\\\\").replace('"', '\\"'))


def _counts(report: Mapping[str, Any]) -> str:
    if "counts" not in report:
        return "-"  # it was cut before it could tell
    told = {kind: count for kind, count in report["counts"].items() if count and kind not in _NOISE}
    return " ".join(f"{kind} {count}" for kind, count in told.items()) or "nothing to do"
