"""This is where the key of a pair is written as a person can type it: a command that we print is meant to be copied."""

import shlex


def typed(left: str | None, right: str | None) -> str:
    """The KEY of the pair of these records for a shell: quoted where it has to be, and never taken for an option."""
    side, id = ("left", left) if left is not None else ("right", right or "")
    return shlex.quote(f"{side}:{id}" if id.startswith("-") else id)
