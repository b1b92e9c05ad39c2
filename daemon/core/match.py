"""This is where records without a partner find one: by match_on, alternatives in order, unique both ways. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from daemon.core.rules import Match, Side

Key: TypeAlias = int
"""The caller's own name of a record: its place in a list, or a pair's key."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that looks for a partner, or already has one (*taken*) and stands in the way of a second."""

    name: Key
    keys: Sequence[bytes | None]
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Matches:
    """Who belongs together. Whoever appears nowhere here has no partner."""

    sure: tuple[tuple[Key, Key], ...]
    """Left and right."""
    asked: tuple[tuple[Key, Key], ...]
    """Found by an alternative that a person has to confirm."""
    ambiguous: Mapping[Side, Mapping[Key, int]]
    """Records with several candidates, or whose only candidate is taken or wanted twice, and how many compete."""


def match(alternatives: Sequence[Match], left: Sequence[Candidate], right: Sequence[Candidate]) -> Matches:
    """Pair *left* with *right*. The first alternative that finds anything for a record decides about it."""
    waiting: dict[Side, dict[Key, Candidate]] = {"left": _by_name(left), "right": _by_name(right)}
    found: dict[str, list[tuple[Key, Key]]] = {"auto": [], "ask": []}
    ambiguous: dict[Side, dict[Key, int]] = {"left": {}, "right": {}}
    for index, alternative in enumerate(alternatives):
        sides: dict[Side, dict[bytes, list[Candidate]]] = {s: _by_key(waiting[s].values(), index) for s in waiting}
        for key, lefts in sides["left"].items():
            rights = sides["right"].get(key, [])
            if len(lefts) == len(rights) == 1 and not lefts[0].taken and not rights[0].taken:
                found[alternative.confirm].append((lefts[0].name, rights[0].name))
                del waiting["left"][lefts[0].name], waiting["right"][rights[0].name]
            elif rights:
                _compete(lefts, "left", len(rights), waiting, ambiguous)
                _compete(rights, "right", len(lefts), waiting, ambiguous)
        for side in ("left", "right"):
            _twins(sides[side], side, waiting, ambiguous)
    return Matches(tuple(found["auto"]), tuple(found["ask"]), ambiguous)


def _compete(
    candidates: Iterable[Candidate],
    side: Side,
    rivals: int,
    waiting: Mapping[Side, dict[Key, Candidate]],
    ambiguous: Mapping[Side, dict[Key, int]],
) -> None:
    for candidate in candidates:
        waiting[side].pop(candidate.name, None)
        if not candidate.taken:
            ambiguous[side][candidate.name] = rivals


def _twins(
    keyed: Mapping[bytes, list[Candidate]],
    side: Side,
    waiting: Mapping[Side, dict[Key, Candidate]],
    ambiguous: Mapping[Side, dict[Key, int]],
) -> None:
    """Two records of one side with one match key: creating a partner for each would make two of one."""
    for twins in keyed.values():
        if len(twins) > 1:
            _compete([t for t in twins if t.name in waiting[side]], side, len(twins) - 1, waiting, ambiguous)


def _by_name(candidates: Iterable[Candidate]) -> dict[Key, Candidate]:
    return {candidate.name: candidate for candidate in candidates}


def _by_key(candidates: Iterable[Candidate], index: int) -> dict[bytes, list[Candidate]]:
    keyed: dict[bytes, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if (key := candidate.keys[index]) is not None:
            keyed[key].append(candidate)
    return keyed
