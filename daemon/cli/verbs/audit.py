"""This is where the audit log is begun, judged and read: audit init, audit verify, audit show."""

import os
from pathlib import Path
from typing import Any

import click

from daemon.cli.session import Number, Session, Span, TallystickGroup

EXISTS = 73


@click.group(cls=TallystickGroup)
def audit() -> None:
    """The log of everything that was done."""


@audit.command()
@click.pass_obj
def init(session: Session) -> int:
    """Make keys and begin the log, once per installation."""
    from daemon.audit.segment import read_origin
    from daemon.cli.text.lines import Line
    from daemon.config.load import load
    from daemon.service import places, runtime
    from daemon.service.lock import StateLock

    config = load(session.folder, env=os.environ)
    folder = places.audit_folder(config)
    if places.has_audit(config):
        aside = "if its keys are lost or it is damaged, move it aside as evidence and call this again"
        click.echo(f"{folder}: holds an audit log already; {aside}", err=True)
        return EXISTS
    lock = StateLock(config.daemon.state)
    lock.acquire("run")
    try:
        places.begin_audit(config)
        runtime.forget_audit(config)
    finally:
        lock.release()
    told = {
        "log": str(folder),
        "keys": str(config.daemon.audit_keys),
        "origin": config.daemon.origin,
        "fingerprint": read_origin(folder).fingerprint,
    }
    session.show(
        told,
        lambda a: [
            Line(f"audit log {a['origin']} begins in {a['log']}", "good"),
            Line(f"  keys in {a['keys']}: whoever loses them cannot read the log; copy them to a safe place"),
            Line(f"  signed by {a['fingerprint']}: write it down, it proves later whose log this is"),
        ],
    )
    return 0


@audit.command()
@click.option("--expect-size", type=Number(), help="The log must hold at least so many entries.")
@click.option("--max-age", type=Span(), help="The newest checkpoint may be at most so old.")
@click.option("--log", "log", type=click.Path(path_type=Path), help="Judge this copy, without any configuration.")
@click.pass_obj
def verify(session: Session, expect_size: int | None, max_age: float | None, log: Path | None) -> int:
    """Prove that nothing was changed.

    Exits 0 when the log is sound, 1 when it is damaged, 2 when it is incomplete, 3 when nothing is there to believe.
    """
    from daemon.cli.text.answers import verify_text

    if log is not None:
        answer = _verify_copy(log, expect_size, max_age)
    else:
        with session.operations() as operations:
            answer = dict(operations.audit_verify(expect_size=expect_size, max_age=max_age))
    session.show(answer, verify_text)
    return int(answer.get("code", 1))


@audit.command()
@click.option(
    "--start",
    type=Number(),
    help="From this sequence number on. Without it the newest entries are shown.",
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Most entries shown.")
@click.option("--sync", help="Only entries of this sync.")
@click.option("--record", metavar="ID", help="Only entries of the pair of this record, on either side.")
@click.option("--action", help="Only entries of this action: intent, outcome, config.applied ...")
@click.pass_obj
def show(
    session: Session, start: int | None, limit: int, sync: str | None, record: str | None, action: str | None
) -> int:  # fmt: skip
    """Print entries, decrypted. Reading is itself an entry."""
    from daemon.cli.text.answers import entries_text

    wanted = {name: text for name, text in (("sync", sync), ("action", action)) if text is not None}
    with session.operations() as operations:
        for match in [wanted | {side: record} for side in ("left", "right")] if record else [wanted]:
            answer = operations.audit_show(start=start, limit=limit, match=match, actor=session.actor)
            if answer["entries"]:
                break
    session.show(answer, entries_text)
    if len(answer["entries"]) == limit:
        further = f"--start {answer['entries'][-1]['seq'] + 1}" if start is not None else "older ones by --start 0"
        session.note(f"there may be more: {further}, or --limit")
    return 0


def _verify_copy(folder: Path, expect_size: int | None, max_age: float | None) -> dict[str, Any]:
    """The verdict on a log that somebody copied; no key and no lock is needed."""
    from daemon.audit.verify import verify_log
    from daemon.service.clock import now

    verdict = verify_log(folder, expect_size=expect_size, max_age=max_age, now=now())
    return {
        "code": verdict.code,
        "size": verdict.size,
        "sealed": verdict.sealed_size,
        "checkpoints": verdict.checkpoints,
        "problems": list(verdict.problems),
        "fingerprint": verdict.fingerprint,
    }


VERBS = (audit,)
