"""This is where the state of the daemon is told: what needs attention first, then every sync."""

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.cli.text.lines import Line, columns, moment


def status_text(answer: Mapping[str, Any]) -> Iterator[Line]:
    """What `tallystick status` prints."""
    config = answer.get("config") or {}
    pid = f"pid {answer.get('pid')}, " if answer.get("pid") else ""
    yield Line(
        f"{answer.get('state')}: {pid}version {answer.get('version')}, configuration {answer.get('generation')}", "head"
    )
    if not config.get("ok", True):
        yield Line("! the configuration on disk was refused; the one before goes on:", "bad")
        for problem in config.get("problems", ()):
            yield from (Line(f"  {text}", "bad") for text in str(problem).splitlines())
    for wish in answer.get("attention", ()):
        where = f"{wish['sync']}: " if wish.get("sync") else ""
        yield Line(f"! {where}{wish.get('what')}", "bad")
        if wish.get("remedy"):
            yield Line(f"  {wish['remedy']}")
    syncs = answer.get("syncs") or []
    if syncs:
        yield Line("")
        yield from columns([_row(sync) for sync in syncs], ["SYNC", "NOW", "LAST", "ENDED", "NEXT", "PAIRS", "HELD"])


def degraded(answer: Mapping[str, Any]) -> bool:
    """Whether somebody should look."""
    return bool(answer.get("attention")) or not (answer.get("config") or {}).get("ok", True)


def _row(sync: Mapping[str, Any]) -> list[Any]:
    last, pairs = sync.get("last") or {}, sync.get("pairs") or {}
    now = "running" if sync.get("running") else "idle"
    ended = moment(last.get("ended"))
    return [
        sync["name"], now, last.get("state"), ended, moment(sync.get("next")), pairs.get("active"), pairs.get("held"),
    ]  # fmt: skip
