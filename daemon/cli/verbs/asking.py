"""This is where people ask about pairs and runs, and answer what waits for them: why, runs, conflicts, held."""

from typing import TYPE_CHECKING, cast

import click

from daemon.cli.session import Session, TallystickGroup, Verb

if TYPE_CHECKING:
    from daemon.admin.operations import Take  # brings more than `--help` should wait for


class SyncOrVerb(TallystickGroup):
    """A group whose first word may also be a sync: `conflicts people` lists those of people."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The named verb, or the listing for what must be a sync."""
        if args and args[0] not in self.commands:
            return super().resolve_command(ctx, ["list", *args])
        return super().resolve_command(ctx, args)


@click.command(cls=Verb)
@click.argument("sync")
@click.argument("key")
@click.pass_obj
def why(session: Session, sync: str, key: str) -> int:
    """Explain one pair: both values, the rule, what happens next.

    KEY is a record's id on either side, left:ID or right:ID, or a pair's number.
    """
    return _show(session, sync, key)


@click.command(cls=Verb)
@click.argument("sync", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Most runs that are shown.")
@click.pass_obj
def runs(session: Session, sync: str | None, limit: int) -> int:
    """The last runs, newest first."""
    from daemon.cli.text.answers import runs_text

    with session.operations() as operations:
        session.show(operations.runs(sync, limit=limit), runs_text)
    return 0


@click.group(cls=SyncOrVerb, invoke_without_command=True)
@click.pass_context
def conflicts(context: click.Context) -> int:
    """Pairs that both sides changed: list, show, resolve."""
    return _list_conflicts(context.find_object(Session), None) if context.invoked_subcommand is None else 0


@conflicts.command("list")
@click.argument("sync", required=False)
@click.pass_obj
def list_conflicts(session: Session, sync: str | None) -> int:
    """The conflicts of one sync, or of all."""
    return _list_conflicts(session, sync)


@conflicts.command("show")
@click.argument("sync")
@click.argument("key")
@click.pass_obj
def show_conflict(session: Session, sync: str, key: str) -> int:
    """One conflict field by field; the same as `why`."""
    return _show(session, sync, key)


@conflicts.command()
@click.argument("sync")
@click.argument("key")
@click.option(
    "--take", type=click.Choice(["left", "right", "merge"]), required=True,
    help="The side whose values stay; merge joins lists, and texts line by line, on both sides.",
)  # fmt: skip
@click.option("--field", "fields", multiple=True, help="Only this field; may be given several times.")
@click.option("--reason", default="", help="Why; it is kept in the audit log.")
@click.pass_obj
def resolve(session: Session, sync: str, key: str, take: str, fields: tuple[str, ...], reason: str) -> int:
    """Decide a conflict; the next run writes it.

    KEY is a record's id on either side, left:ID or right:ID, or a pair's number. The answer holds for the two values
    that stand there now.
    """
    from daemon.cli.text.pairs import resolved_text

    side = cast("Take", take)
    with session.operations() as operations:
        answer = operations.resolve(sync, key, take=side, fields=fields, actor=session.actor, reason=reason)
    session.show({"sync": sync, **answer}, resolved_text)
    return 0


@click.group(cls=SyncOrVerb, invoke_without_command=True)
@click.pass_context
def held(context: click.Context) -> int:
    """Pairs that wait: list, show, retry, drop."""
    return _list_held(context.find_object(Session), None) if context.invoked_subcommand is None else 0


@held.command("list")
@click.argument("sync", required=False)
@click.pass_obj
def list_held(session: Session, sync: str | None) -> int:
    """The held pairs of one sync, or of all.

    Why each waits, since when, when it is tried next, and what helps.
    """
    return _list_held(session, sync)


@held.command("show")
@click.argument("sync")
@click.argument("key")
@click.pass_obj
def show_held(session: Session, sync: str, key: str) -> int:
    """What one held pair waits for; the same as `why`."""
    return _show(session, sync, key)


@held.command()
@click.argument("sync")
@click.argument("key")
@click.option("--reason", default="", help="Why; it is kept in the audit log.")
@click.pass_obj
def drop(session: Session, sync: str, key: str, reason: str) -> int:
    """Give a held pair up until its records change again.

    Fields that wait stay as they are on both sides; a pair that lost a record ends; a record without a partner stays
    alone. Nothing is written to any system.
    """
    from daemon.cli.text.pairs import dropped_text

    with session.operations() as operations:
        answer = operations.drop(sync, key, actor=session.actor, reason=reason)
    session.show({"key": key, **answer}, dropped_text)
    return 0


@held.command()
@click.argument("sync")
@click.argument("key")
@click.pass_obj
def retry(session: Session, sync: str, key: str) -> int:
    """Let the next run try a held pair again."""
    from daemon.cli.text.pairs import retried_text

    with session.operations() as operations:
        answer = operations.retry(sync, key, actor=session.actor)
    session.show({"sync": sync, "key": key, **answer}, retried_text)
    return 0


def _show(session: Session, sync: str, key: str) -> int:
    from daemon.cli.text.pairs import why_text

    with session.operations() as operations:
        answer = operations.why(sync, key, actor=session.actor)
    session.show({"sync": sync, **answer}, why_text)
    return 0


def _list_conflicts(session: Session | None, sync: str | None) -> int:
    from daemon.cli.text.pairs import held_text

    assert session is not None
    with session.operations() as operations:
        session.show(operations.conflicts(sync), held_text)
    return 0


def _list_held(session: Session | None, sync: str | None) -> int:
    from daemon.cli.text.pairs import held_text

    assert session is not None
    with session.operations() as operations:
        session.show(operations.held(sync), held_text)
    return 0


VERBS = (why, runs, conflicts, held)
