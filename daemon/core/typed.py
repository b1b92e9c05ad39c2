"""This is where the key of a pair is written as a person can type it: a command that we print is meant to be copied."""

import shlex
from collections.abc import Iterable

from daemon.core.rules import Side


def typed(left: str | None, right: str | None) -> str:
    """The KEY of the pair of these records for a shell: quoted where it has to be, and never taken for an option."""
    side, id = ("left", left) if left is not None else ("right", right or "")
    return shlex.quote(f"{side}:{id}" if id.startswith("-") else id)


def named(records: Iterable[tuple[Side, str]]) -> frozenset[str]:
    """The KEYs by which a person means these records: their ids, with their side before it or without."""
    return frozenset(name for side, id in records for name in (id, f"{side}:{id}"))
