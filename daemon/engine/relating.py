"""This is where lists that a system changes member by member are told from fields: who joins, who leaves, who did not.

No version speaks of such a list, so a member that was not written is neither agreed nor sent: the next run compares the
field as if for the first time, and nobody's edit is guessed from what is missing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from connectors.base import Done, Fields, Members
from connectors.paths import Path, read
from daemon.core.model import Half, Pair
from daemon.core.rules import SIDES, Side
from daemon.engine.view import View


def parted(view: View, values: Mapping[Path, Any]) -> tuple[dict[Path, Any], dict[str, tuple[Path, Any]]]:
    """*values* as fields, and those that are lists written by members, under the names of these."""
    lists = {name: (path, value) for path, value in values.items() if (name := view.relation(path))}
    return {path: value for path, value in values.items() if view.relation(path) is None}, lists


def joining(lists: Mapping[str, tuple[Path, Any]], constants: Fields) -> dict[str, Members]:
    """All members that a new record is given, those of its constants first."""
    names = dict.fromkeys((*constants, *lists))
    given = {n: _distinct((*_members(constants.get(n)), *_members(lists[n][1] if n in lists else ()))) for n in names}
    return {name: Members(add=tuple(members.values())) for name, members in given.items() if members}


def moving(lists: Mapping[str, tuple[Path, Any]], seen: Fields) -> dict[str, Members]:
    """Who joins and who leaves a record that shows *seen*."""
    return {name: _moving(read(seen, path), value) for name, (path, value) in lists.items()}


def unrelated(pair: Pair, answers: Mapping[Side, Done], views: Mapping[Side, View]) -> Pair:
    """*pair*, knowing nothing of the lists that a new record was born without."""
    for side, answer in answers.items():
        if answer.without:
            pair = forgotten(pair, fields_of(views[side], answer.without))
    return pair


def forgotten(pair: Pair, fields: Collection[str]) -> Pair:
    """*pair* as if nothing was ever known of *fields*; both records are looked at again."""
    halves = {side: _without(half, fields) for side in SIDES if (half := pair.half(side))}
    members = {name: known for name, known in pair.members.items() if name not in fields}
    return replace(pair, left=halves.get("left"), right=halves.get("right"), members=members) if fields else pair


def fields_of(view: View, relations: Collection[str]) -> frozenset[str]:
    """The shared fields that *view* writes to these relations."""
    lenses = ((rule.name, rule.lens(view.side)) for rule in view.sync.rules)
    return frozenset(n for n, lens in lenses if lens and lens.path and view.relation(lens.path) in relations)


def _moving(seen: Any, wanted: Any) -> Members:
    before, after = _distinct(_members(seen)), _distinct(_members(wanted))
    return Members(
        add=tuple(member for key, member in after.items() if key not in before),
        remove=tuple(member for key, member in before.items() if key not in after),
    )


def _members(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value,) if value else ()  # nothing, null, absent and "" have no member


def _distinct(members: Iterable[Any]) -> dict[str, Any]:
    """Each member once. True is not 1, and 1 is not "1"."""
    return {member if isinstance(member, str) else f"\0{member!r}": member for member in members}


def _without(half: Half, fields: Collection[str]) -> Half:
    agreed, sent = ({n: d for n, d in known.items() if n not in fields} for known in (half.agreed, half.sent))
    return replace(half, agreed=agreed, sent=sent, seen=b"")
