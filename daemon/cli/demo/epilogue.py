"""This is where the demo says goodbye: what lies in the folder, and what is worth trying there."""

from pathlib import Path

import click


def print_things_to_try(folder: Path) -> None:
    """The list at the end of the story. Nothing of it is needed; all of it works."""
    click.echo(f"""
Everything is in {folder}: the configuration, hr.db, finance.csv, crm.json, daemon.log and the state folder.

To go on, open the systems and the daemon again, and leave them running:
    tallystick demo {folder} --again
then, in another terminal:
    export TALLYSTICK_CONFIG={folder.resolve()}
    tallystick status
    $EDITOR {folder}/finance.csv                        change a credit limit, then
    tallystick plan accounts && tallystick run accounts
    tallystick why people E-1042                        both values, the rule, what happens next
    $EDITOR {folder}/syncs/people.yaml                  `manual: true` becomes `every: 15s`, then
    tallystick reload
    tallystick audit show --action conflict.resolved    who decided what, and why""")
