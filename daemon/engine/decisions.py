"""This is where a plan is held: its decisions in the order of carrying out, walked as often as needed."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from pathlib import Path
from typing import TypeAlias

from daemon.core.model import Decision
from daemon.engine.overflow import Overflow

_Place: TypeAlias = tuple[int, int, bool, int]


class Plan:
    """Decisions by their places. Another walk gives equal decisions, not the same objects."""

    def __init__(self, folder: Path, decisions: Iterable[Decision] = ()) -> None:
        """*folder* takes what memory does not."""
        self._all = Overflow[Decision](folder)
        self._places: dict[_Place, MutableSequence[int]] = {}
        self._counts = Counter[str]()
        self.waits = False
        """Whether something waits for a person or another day; a reference may heal by itself."""
        for decision in decisions:
            self.add(decision)

    def add(self, decision: Decision) -> None:
        """Puts *decision* behind those of its place."""
        self._places.setdefault(_place(decision), array("L")).append(self._all.append(decision))
        self._counts[decision.kind] += 1
        self.waits |= decision.state == "held" and decision.reason != "reference"

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Decision]:
        return (self._all[number] for place in sorted(self._places) for number in self._places[place])

    @property
    def counts(self) -> Mapping[str, int]:
        """How many decisions of each kind."""
        return dict(self._counts)


def _place(decision: Decision) -> _Place:
    """What writes nothing; then what is urgent, updates, deletes, creates.

    What refers to records that are created comes after them, and who takes a unique value after who gives it up.
    """
    if not decision.changes:
        return -1, 0, False, 0
    kind = {"update": 0, "delete": 1, "deactivate": 1}.get(decision.kind, 2)
    return decision.rank, decision.wave, not decision.urgent, kind
