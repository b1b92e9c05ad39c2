"""This is where runs are asked for: adopt, plan, approve, run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from daemon.cli.session import Session, Span, Verb

DONE, FAILED, DIFFERENCES, PARTIAL, GUARDED, LATER = 0, 1, 2, 4, 5, 75
_CODES: Final[Mapping[str, int]] = {
    "done": DONE, "planned": DONE, "held": PARTIAL, "failed": FAILED, "postponed": LATER, "stopped": LATER,
}  # fmt: skip
KINDS: Final = ("adopt", "tenant", "restored", "creates", "updates", "deletes", "blanked", "values", "shrink")
_CHANGING: Final = ("create", "update", "delete", "deactivate", "link", "relink", "retire", "reopen")
_TABLE: Final = click.option(
    "--csv", "table", type=click.Path(path_type=Path, dir_okay=False), help="Write every line to this file."
)


@click.command(cls=Verb)
@click.argument("sync")
@_TABLE
@click.pass_obj
def adopt(session: Session, sync: str, table: Path | None) -> int:
    """Show what the first run would pair and write."""
    from daemon.cli.text.plan import census_text

    with session.operations() as operations:
        report = operations.adopt(sync, actor=session.actor)
    session.show(report, census_text)
    _write(session, report, table)
    return DONE


def _write(session: Session, report: Mapping[str, Any], table: Path | None) -> None:
    from daemon.cli.text.census import write_census

    if table is not None:
        count = write_census(report, table)
        session.note(f"{count} lines are in {table}")


@click.command(cls=Verb)
@click.argument("sync")
@click.option("--full", is_flag=True, help="Compare everything, even where a cursor could be used.")
@click.option("--exit-code", "tell", is_flag=True, help="Exit 2 when there are changes.")
@_TABLE
@click.pass_obj
def plan(session: Session, sync: str, full: bool, tell: bool, table: Path | None) -> int:
    """Show what a run would do; writes nothing."""
    from daemon.cli.text.plan import plan_text

    with session.operations() as operations:
        report = operations.plan(sync, full=full, actor=session.actor)
    session.show(report, plan_text)
    _write(session, report, table)
    changing = any(report.get("counts", {}).get(kind) for kind in _CHANGING)
    code = _CODES.get(str(report.get("state")), FAILED)
    return DIFFERENCES if tell and changing and code == DONE else code if code in (FAILED, LATER) else DONE


@click.command(cls=Verb)
@click.argument("sync")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only what this guard holds.")
@click.option("--only", metavar="KEY", help="Only the pair of this record id.")
@click.option("--reason", default="", help="Why; it is kept in the audit log.")
@click.option("--expires", type=Span(), default="24h", show_default=True, help="How long the approval holds.")
@click.pass_obj
def approve(session: Session, sync: str, kinds: tuple[str, ...], only: str | None, reason: str, expires: float) -> int:
    """Let through what a guard holds."""
    from daemon.cli.text.answers import approved_text

    with session.operations() as operations:
        answer = operations.approve(
            sync, kinds=kinds, only=only, actor=session.actor, reason=reason, expires=expires
        )  # fmt: skip
    session.show({"sync": sync, **answer}, approved_text)
    return DONE


@click.command(cls=Verb)
@click.argument("sync")
@click.option("--full", is_flag=True, help="Compare everything, even where a cursor could be used.")
@click.option("--only", metavar="KEY", help="Only the pair of this record id.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the end.")
@click.option("--reason", default="", help="Why; it is kept in the audit log.")
@click.pass_obj
def run(session: Session, sync: str, full: bool, only: str | None, no_wait: bool, reason: str) -> int:
    """Run a sync now, in the daemon if there is one."""
    from daemon.cli.text.answers import queued_text
    from daemon.cli.text.plan import run_text

    with session.operations() as operations:
        report = operations.run(sync, full=full, only=only, wait=not no_wait, actor=session.actor, reason=reason)
    if report.get("queued"):
        session.show({"sync": sync, **report}, queued_text)
        return DONE
    session.show(report, run_text)
    return exit_code(report)


def exit_code(report: Mapping[str, Any]) -> int:
    """What a run came to, as a number."""
    if report.get("guards") and report.get("state") in ("held", "done"):
        return GUARDED
    return _CODES.get(str(report.get("state")), FAILED)


VERBS = (adopt, plan, approve, run)
