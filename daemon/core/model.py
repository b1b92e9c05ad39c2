"""This is where the nouns of a run are kept: what is remembered, what is seen, what is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from connectors.base import Op, Record
from daemon.core.rules import Side

State: TypeAlias = Literal["active", "single", "held", "retired"]
"""single: a record that has no partner and is not meant to get one now."""

Reason: TypeAlias = Literal[
    "", "conflict", "refused", "unknown", "guard", "ambiguous", "confirm", "case", "mapping", "stale",
    "unreachable", "gone", "scope", "ended", "merged", "ignored", "reference", "unlinked", "dropped", "pending",
    "oscillation", "parent", "bereft",
]  # fmt: skip
"""Why a pair is held, single or retired. unlinked: a person took the pair apart. dropped: a person gave it up.
parent: a child whose parents are no pair now; it sleeps as retired, and waits as single.
bereft: such a child, whose parents lost a record; held, its parents are a pair again, and it may have lost one, too."""

ASLEEP: Final = ("parent", "bereft")
"""Reasons of children that sleep as retired."""

Presence: TypeAlias = Literal["here", "gone", "outside", "unknown"]
"""outside: the record exists, and its scope says that it does not take part. unknown: not looked at."""


class Target(NamedTuple):
    """A record that a reference names: the sync that pairs it, the side that it stands on, its id there."""

    sync: str
    """Empty: only asking again tells whether it is there."""
    side: Side
    id: str


class Coming(str):
    """Stands in a plan for the name of a record that this very run creates. It is never written."""

    __slots__ = ()


class Foreign(str):
    """Stands for a member of a set that has no meaning across. It stays where it is, as it is."""

    __slots__ = ()


UNANSWERED = "end.when"
"""Under this name an item tells why nobody knows whether its time is over. No field can be called so."""


@dataclass(frozen=True, slots=True)
class Half:
    """What we remember of one record on one side: names and keyed digests, never a value."""

    id: str
    version: str | None = None
    seen: bytes = b""
    """16 bytes over the raw inputs of all fields as last seen; empty: look again."""
    agreed: Mapping[str, bytes] = field(default_factory=dict)
    """Per field, 8 bytes over its raw inputs when both sides last agreed."""
    sent: Mapping[str, bytes] = field(default_factory=dict)
    """Per field, of what we sent and have not seen confirmed."""
    keys: tuple[bytes | None, ...] = ()
    """One digest per alternative of match_on, without the id, so that a newcomer can find it."""


@dataclass(frozen=True, slots=True)
class Members:
    """What we remember of one set of a pair: 8-byte digests of its members, the same for both sides."""

    agreed: frozenset[bytes] = frozenset()
    """Both sides had them."""
    sent: Mapping[Side, frozenset[bytes]] = field(default_factory=dict)
    """Per side, what we added there, if it is not agreed, or removed, and have not seen to be so."""


@dataclass(frozen=True, slots=True)
class Roster:
    """What a decision makes of the memory of one set."""

    agreed: frozenset[bytes]
    """Both sides have or had them, writes aside."""
    changed: Mapping[Side, frozenset[bytes]] = field(default_factory=dict)
    """Per side, what is added there, if it is not agreed, or removed."""

    def after(self, shown: Mapping[Side, frozenset[bytes] | None]) -> Members:
        """The memory once the changes of the sides in *shown* are done: what is proven to stand there, None: nothing.

        What stands as we wanted it is agreed, or not agreed any more; the rest is waited for.
        """
        agreed, sent = self.agreed, {}
        for side, digests in shown.items():
            changed = self.changed.get(side, frozenset())
            added, removed = changed - self.agreed, changed & self.agreed
            done = frozenset[bytes]() if digests is None else (added & digests) | (removed - digests)
            agreed ^= done
            if waiting := changed - done:
                sent[side] = waiting
        return Members(agreed, sent)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two halves that are the same thing, or one half that has no partner."""

    key: int
    left: Half | None = None
    right: Half | None = None
    state: State = "active"
    reason: Reason = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Field names, candidates, a system's own words. Stored encrypted."""
    born: Literal["created", "matched", "confirmed", "imported"] = "matched"
    since: float = 0.0
    next_try: float = 0.0
    attempts: int = 0
    line: bytes = b""
    """Digest of the change that was refused, so that it is not sent again unchanged."""
    awaits: tuple[Target, ...] = ()
    """What its fields refer to and what had no partner yet. The pair is looked at again once it has."""
    rev: bytes = b""
    """Sync.mark of the mapping with which it was last settled."""
    members: Mapping[str, Members] = field(default_factory=dict)
    """Per set field that both sides once agreed on, what is remembered of its members."""
    parent: int = 0
    """The pair of its parents, for a child; 0 for none."""

    def half(self, side: Side) -> Half | None:
        """What is remembered of *side*."""
        return self.left if side == "left" else self.right


@dataclass(frozen=True, slots=True)
class Item:
    """A record seen through a sync's shared fields."""

    record: Record
    values: Mapping[str, Any]
    faults: Mapping[str, str] = field(default_factory=dict)
    """Fields that could not be read, and why."""
    digests: Mapping[str, bytes] = field(default_factory=dict)
    seen: bytes = b""
    keys: tuple[bytes | None, ...] = ()
    """One digest per alternative of match_on; None where a value is empty."""
    awaits: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    """Fields that refer to records without a partner."""
    time: float | None = None
    """When the record was last changed, by a clock that can be trusted; for `wins: newest`."""
    ended: bool = False
    """Its time is over, as `end` says."""
    urgent: bool = False

    @property
    def appearance(self) -> bytes:
        """All digests in one: equal as long as no shared field shows anything else, on any day."""
        return b"".join(digest for _, digest in sorted(self.digests.items()))


@dataclass(frozen=True, slots=True)
class Look:
    """What a run knows about one side of a pair."""

    presence: Presence
    item: Item | None = None
    into: str = ""
    """Of a record that is gone: the one that the system merged it into."""


class Move(NamedTuple):
    """One field that gets another value on one side, and the rule that says so. A tuple: a first load has many."""

    field: str
    value: Any
    before: Any
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """One write to one side."""

    side: Side
    op: Op
    moves: tuple[Move, ...] = ()
    why: str = ""
    likely: tuple[tuple[str, str, str], ...] = ()
    """What is made only when the record is born: field, what it will probably be as text, why."""
    parks: bool = False
    """It gives unique values up for a while, so that others can take them; the change itself follows."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one pair needs. Its changes settle together or not at all."""

    pair: Pair
    left: Look
    right: Look
    changes: tuple[Change, ...] = ()
    state: State = "active"
    """What the pair is once the changes are done."""
    reason: Reason = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)
    """Fields that nobody could decide, and why; they keep what was agreed."""
    members: Mapping[str, Roster] = field(default_factory=dict)
    """Per set field that was decided, what becomes of the memory of its members."""
    new: bool = False
    """The pair is not in the store yet."""
    absorbs: int = 0
    """The pair that one of the records had for itself, and that goes away; 0 for none."""
    rank: int = 0
    """Above 0: it refers to records that the same run creates. It comes after those of a lower rank."""
    wave: int = 0
    """Above 0: it takes a unique value that a decision of a lower wave gives up."""
    reopens: bool = False
    """The pair had ended, and its reason is gone."""
    relinks: bool = False
    """One of its records is gone, and another one goes on for it."""
    line: bytes = b""
    """Digest of exactly this: sides, records, operations, fields, values before and after."""

    @property
    def kind(self) -> str:
        """The word that counts it: create, update, delete, deactivate; else link, relink, hold, retire and so on."""
        ops = {change.op for change in self.changes}
        for op in ("delete", "deactivate", "create"):
            if op in ops:
                return op
        if ops:
            return "update"
        if self.state == "held":
            return "hold"
        if self.state == "retired":
            return "remember" if self.pair.state == "retired" or self.reason in ASLEEP else "retire"
        if self.reopens:
            return "reopen"
        if self.relinks:
            return "relink"
        return "link" if self.new and self.state == "active" else "remember"

    @property
    def urgent(self) -> bool:
        """Written first, and held by no updates guard."""
        return any(look.item.urgent for look in (self.left, self.right) if look.item)

    def look(self, side: Side) -> Look:
        """What the run knows about *side*."""
        return self.left if side == "left" else self.right
