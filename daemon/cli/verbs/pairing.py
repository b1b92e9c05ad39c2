"""This is where people say who is who: pairs are listed, shown, imported from a table and taken apart."""

import csv
from collections.abc import Iterator
from pathlib import Path

import click

from daemon.cli.session import Number, Session, TallystickGroup

FAILED = 1
STATES = ("active", "held", "single", "retired")
HEADS = ("left", "right")


@click.group(cls=TallystickGroup)
def pairs() -> None:
    """Who is who: list, show, import, unlink pairs."""


@pairs.command("list")
@click.argument("sync")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only pairs in this state.")
@click.option("--after", type=Number(), default=0, help="Only pairs behind this number.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Most pairs shown.")
@click.pass_obj
def list_pairs(session: Session, sync: str, states: tuple[str, ...], after: int, limit: int) -> int:
    """The pairs of one sync, in the order of their numbers."""
    from daemon.cli.text.pairs import pairs_text

    with session.operations() as operations:
        session.show(operations.pairs(sync, states=states, after=after, limit=limit), pairs_text)
    return 0


@pairs.command()
@click.argument("sync")
@click.argument("key")
@click.pass_obj
def show(session: Session, sync: str, key: str) -> int:
    """What is remembered of one pair: names and facts, no values.

    KEY is a record's id on either side, left:ID or right:ID, or a pair's number.
    """
    from daemon.cli.text.pairs import pair_text

    with session.operations() as operations:
        session.show(operations.pair(sync, key), pair_text)
    return 0


@pairs.command("import")
@click.argument("sync")
@click.argument("table", metavar="FILE.csv", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check every line and import nothing.")
@click.option("--reason", default="", help="Why; it is kept in the audit log.")
@click.pass_obj
def import_pairs(session: Session, sync: str, table: Path, dry_run: bool, reason: str) -> int:
    """Take pairs over from a table.

    Its first line names the columns left and right.

    Both records of every line are asked for. One fault, and nothing is imported.
    """
    from daemon.cli.text.pairs import imported_text

    rows = list(_rows(table))
    with session.operations() as operations:
        answer = operations.import_pairs(sync, rows=rows, dry_run=dry_run, actor=session.actor, reason=reason)
    session.show(answer, imported_text)
    return FAILED if answer.get("faults") else 0


@pairs.command()
@click.argument("sync")
@click.argument("key")
@click.option("--reason", required=True, help="Why; it is kept in the audit log.")
@click.pass_obj
def unlink(session: Session, sync: str, key: str, reason: str) -> int:
    """Take a pair apart. Both records stay as they are and single.

    KEY is a record's id on either side, left:ID or right:ID, or a pair's number.
    """
    from daemon.cli.text.pairs import unlinked_text

    with session.operations() as operations:
        session.show(operations.unlink(sync, key, actor=session.actor, reason=reason), unlinked_text)
    return 0


def _rows(table: Path) -> Iterator[tuple[int, str, str]]:
    """Line, left and right of every row. Raises TallystickError with every line that is no pair."""
    from daemon.errors import TallystickError

    faults = []
    try:
        text = table.read_text("utf-8-sig")
        reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
        if missing := [head for head in HEADS if head not in (reader.fieldnames or ())]:
            raise TallystickError(f"{table}:1: no column '{missing[0]}'; the first line says: left,right")
        for row in reader:
            left, right = (row[head] or "" for head in HEADS)
            if left and right:
                yield reader.line_num, left, right
            elif left or right:
                faults.append(f"{table}:{reader.line_num}: {'right' if left else 'left'} is empty")
    except (csv.Error, UnicodeDecodeError) as fault:
        raise TallystickError(f"{table}: not a table: {fault}") from None
    if faults:
        raise TallystickError("\n".join(faults))


VERBS = (pairs,)
