"""This is where the demo says goodbye: what lies in the folder, and what is worth trying there."""

import shutil
import sys
from pathlib import Path

import click


def print_things_to_try(folder: Path) -> None:
    """The list at the end of the story. Nothing of it is needed; all of it works."""
    me = own_name()
    tries = [
        (f"{me} status", "what needs attention"),
        (f"$EDITOR {folder}/finance.csv", "change a credit limit, then"),
        (f"{me} plan accounts && {me} run accounts", "see it, and write it"),
        (f"{me} why people E-1042", "both values, the rule, what happens next"),
        (f"$EDITOR {folder}/syncs/people.yaml", "`manual: true` becomes `every: 15s`, then"),
        (f"{me} reload", "a mistake is told with its place"),
        (f"{me} audit show --action conflict.resolved", "who decided what, and why"),
    ]
    width = max(len(command) for command, _ in tries)
    listed = "\n".join(f"    {command.ljust(width)}   # {why}" for command, why in tries)
    click.echo(f"""
Everything is in {folder}:
configuration, hr.db, finance.csv, crm.json, daemon.log, and the daemon's state.

To go on, open the systems and the daemon again, and leave them running:
    {me} demo {folder} --again
then, in another terminal:
    export TALLYSTICK_CONFIG={folder.resolve()}
{listed}""")


def own_name() -> str:
    """What a person types to call this program: its name where the shell finds it, else its place."""
    called = Path(sys.argv[0])
    if called.name != "tallystick":
        return f"{sys.executable} -m daemon.cli.main"
    found = shutil.which("tallystick")
    return "tallystick" if found and Path(found).resolve() == called.resolve() else str(called)
