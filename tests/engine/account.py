"""This is where it is written down what users did, apart from any sync, and a run is measured by it.

Agreement alone is not correctness: a sync that copies the wrong value agrees too. So it is known who edited what since
both sides last showed the same, and a lone edit has to survive on both sides, or be held.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daemon.core.rules import SIDES, Side
from tests.engine.moody import CUT

FIELDS = ("name", "email", "phone", "tag")
SET = "tags"
"""A list of which every member is edited for itself. Nobody ever gives a member again who was removed."""
OWNED = "name"
"""The field whose owner is left: an edit on the right is put back."""

Shown = Mapping[Side, Mapping[str, Mapping[str, Any]]]
"""Per side what each number shows."""


@dataclass(slots=True)
class Account:
    """Who edited what. Keys are (number, field)."""

    cuts: bool
    edited: dict[tuple[str, str], set[Side]] = field(default_factory=dict)
    """The sides that users edited since both sides last showed the same."""
    typed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often users edited each."""
    members: dict[tuple[str, str], set[Side]] = field(default_factory=dict)
    """By (number, member): the sides that gave or took it since both sides last said the same of it."""
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often users gave or took each."""
    housed: dict[str, set[Side]] = field(default_factory=dict)
    """By number, the sides on which a record got another id since the last quiet. Both: nothing is agreed any more."""
    removed: set[str] = field(default_factory=set)
    """Numbers of which a user removed a record, or whose id got another owner."""
    renamed: dict[str, str] = field(default_factory=dict)
    existed: dict[Side, set[str]] = field(default_factory=lambda: {"left": set(), "right": set()})

    def type(self, side: Side, number: str, name: str, *, unsure: bool) -> None:
        """A user edited. *unsure*: nobody can tell what the user saw before, so it may be a clash."""
        key = self.called(number), name
        self.edited.setdefault(key, set()).update(SIDES if unsure else {side})
        self.typed[key] += 1

    def give_or_take(self, side: Side, number: str, member: str, *, unsure: bool) -> None:
        """A user gave somebody a member of the set, or took it. *unsure*: as in `type`."""
        key = self.called(number), member
        stranger = len(self.housed.get(key[0], ())) == 2
        self.members.setdefault(key, set()).update(SIDES if unsure or stranger else {side})
        self.moved[key] += 1

    def move_house(self, side: Side, number: str) -> None:
        """A record got another id. When both did before a run saw it, their sets meet for the first time."""
        number = self.called(number)
        self.housed.setdefault(number, set()).add(side)
        if len(self.housed[number]) == 2:
            self.members |= {key: set(SIDES) for key in self.members if key[0] == number}

    def rename(self, old: str, new: str) -> None:
        """A person has another number from now on, which the other side does not know yet."""
        self.renamed[old] = new
        for number, name in [key for key in self.edited if key[0] == old]:
            self.edited[new, name] = self.edited.pop((number, name))
        for number, member in [key for key in self.members if key[0] == old]:
            self.members[new, member] = self.members.pop((number, member))
        if old in self.removed:
            self.remove(new)

    def remove(self, number: str) -> None:
        """A user removed a record of that number, whatever either side calls it."""
        now = self.called(number)
        self.removed |= {now, *(old for old in self.renamed if self.called(old) == now)}

    def called(self, number: str) -> str:
        """The number that a person has by now."""
        while number in self.renamed:
            number = self.renamed[number]
        return number

    def alike(self, name: str, one: Any, another: Any) -> bool:
        """Whether two values are the same as far as a system can keep them."""
        if self.cuts and name in ("phone", "tag"):
            one, another = (value[:CUT] if isinstance(value, str) else value for value in (one, another))
        return bool(one == another)

    def look(self, shown: Shown) -> None:
        """Remember who was there."""
        for side in SIDES:
            self.existed[side] |= shown[side].keys()

    def nobody_is_deleted_whom_no_user_deleted(self, shown: Shown) -> None:
        for side in SIDES:
            missing = self.existed[side] - shown[side].keys() - self.removed - self.renamed.keys()
            assert not missing, (side, missing)

    def no_lone_edit_was_overwritten(self, before: Shown, after: Shown, typed: Mapping[Any, int], edited: Any) -> None:
        """A run may carry the only edit of a field across; it may never undo it."""
        for (number, name), hands in edited.items():
            if len(hands) != 1 or typed[number, name] != self.typed[number, name]:
                continue
            (side,) = hands
            there, here = before[side].get(number), after[side].get(number)
            if there is None or here is None or (name == OWNED and side == "right"):
                continue
            assert self.alike(name, there.get(name), here.get(name)), (
                f"the lone edit of {number}.{name} on {side} was lost: {there.get(name)!r} became {here.get(name)!r}"
            )

    def no_lone_member_was_given_or_taken_back(
        self, before: Shown, after: Shown, moved: Mapping[Any, int], members: Any
    ) -> None:
        """A run may carry a member's only edit across; it may never undo it where it was made."""
        for (number, member), hands in members.items():
            if len(hands) != 1 or moved[number, member] != self.moved[number, member]:
                continue
            (side,) = hands
            there, here = before[side].get(number), after[side].get(number)
            if there is not None and here is not None:
                was, stands = (member in (one.get(SET) or ()) for one in (there, here))
                assert was == stands, f"{member} of {number} on {side}: the user's edit was undone"

    def note_agreement(self, shown: Shown, *, done: bool) -> None:
        """What both sides show alike is no open edit any more."""
        for number, name in list(self.edited):
            if not all(number in shown[side] for side in SIDES):
                continue
            left, right = (shown[side][number].get(name) for side in SIDES)
            if self.alike(name, left, right) and (None not in (left, right) or done):
                del self.edited[number, name]
        for number, member in list(self.members):
            sides = [shown[side][number] for side in SIDES if number in shown[side]]
            if len(sides) == 2 and len({member in (one.get(SET) or ()) for one in sides}) == 1:
                del self.members[number, member]

    def compare(self, shown: Shown, held: Mapping[str, Any], *, absence: bool = True) -> None:
        """Every pair is equal per field, or held for a reason that a person can act on."""
        for number in shown["left"].keys() | shown["right"].keys():
            if all(number in shown[side] for side in SIDES):
                for name in FIELDS:
                    self._compare(number, name, *(shown[side][number].get(name) for side in SIDES), held)
                self._compare(number, SET, *(set(shown[side][number].get(SET) or ()) for side in SIDES), held)
            elif absence:
                assert number in self.removed or number in held, f"{number} has no partner"

    def _compare(self, number: str, name: str, left: Any, right: Any, held: Mapping[str, Any]) -> None:
        if number in self.removed or (number in held and (not held[number] or name in held[number])):
            return  # removed and made again by a race that a person has to look at
        assert self.alike(name, left, right), f"{number}.{name}: {left!r} and {right!r}, held: {held}"
        self.edited.pop((number, name), None)
