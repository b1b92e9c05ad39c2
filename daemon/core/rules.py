"""This is where an agreement between two entities is held as the engine uses it: frozen, compiled, without YAML."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, TypeAlias

from connectors.base import PARENT, Fields
from connectors.paths import ABSENT, Path, read
from daemon.core.limits import Guards as Guards
from daemon.core.limits import Limit as Limit

Side: TypeAlias = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
Scale: TypeAlias = Literal["newest", "min", "max"]
"""Policies that look at the times or the values to find the side that wins."""
Winner: TypeAlias = Literal["left", "right", "newest", "min", "max", "ask"]
Merge: TypeAlias = Literal["", "set", "add_only", "union"]
"""How lists are merged; empty: as one value. union: nobody trusts what is remembered, so that nothing is removed."""
Missing: TypeAlias = Literal["hold", "null", "skip"]
"""What a reference without a partner gives: the field waits, is empty for now, or is left alone."""
Case: TypeAlias = Literal["create", "hold", "ignore", "delete", "deactivate", "retire"]

Read: TypeAlias = Callable[[Fields, datetime], Any]
"""From a record and the moment of the run to a shared value. Raises ValueError with the reason."""


def other(side: Side) -> Side:
    """The side across."""
    return "right" if side == "left" else "left"


@dataclass(frozen=True, slots=True)
class Lens:
    """How one side shows one shared field, and how it is written there."""

    text: str
    """The path or expression as the user wrote it."""
    read: Read
    inputs: tuple[Callable[[Fields], Any], ...]
    """The raw values that the field depends on; their digest tells whether the field moved."""
    paths: tuple[str, ...]
    """The places of those inputs, as the driver is asked for them."""
    path: Path | None = None
    """Where it is written; None: read-only on this side."""
    write: Callable[[Any], Any] | None = None
    """From the shared value to what the system stores. Raises ValueError with the reason."""
    volatile: Literal["", "calendar", "tables", "refs"] = ""
    """What may change the value while the inputs stay."""
    zones: frozenset[str] = frozenset()
    """For the calendar: zones whose midnight matters, beside the sync's own."""


class Naming(NamedTuple):
    """A field of an entity by which records are named, where that is not their id."""

    entity: str
    path: str


@dataclass(frozen=True, slots=True)
class Ref:
    """What a field's value names: a record that a sync pairs, or one that a system is asked for."""

    sync: str = ""
    """The sync whose pairs are the two names of one thing; empty where a system is asked."""
    named: Mapping[Side, Naming] = field(default_factory=dict)
    """The sides that name a record by another field than its id."""
    ask: Side = "right"
    """The side whose system is asked. There records are named by id, and across by what stands at `by`."""
    by: Naming | None = None
    missing: Missing = "hold"
    awake: bool = False
    """Only a pair that goes on counts, with both of its records there: for a child and its parents."""

    @property
    def where(self) -> str:
        """Where a partner is looked for, in a person's words."""
        return f"{self.by.entity}.{self.by.path}" if self.by else self.sync


@dataclass(frozen=True, slots=True)
class Rule:
    """One shared field and who decides about it."""

    name: str
    left: Lens | None
    right: Lens | None
    owner: Side | None = None
    wins: Winner = "ask"
    first: Winner | None = None
    order: tuple[Any, ...] = ()
    """The words of the shared value from the smallest to the greatest, as comparing sees them; for min and max."""
    once: bool = False
    fill: bool = False
    """Written into emptiness only; two values that differ may stay as they are."""
    merge: Merge = ""
    hold: Literal["field", "record"] = "field"
    shape: Callable[[Any], Any] = lambda value: value
    """What comparing sees of a value (normalise); never what is written."""
    audit: Literal["value", "digest", "none"] = "value"
    secret: bool = False
    """Written once and shown nowhere; no digest of it is kept."""
    ref: Ref | None = None
    """The value names a record. It is compared by the name that the right side has for it."""
    unique: bool = False
    """No two records of a side may have it: who takes a value is written after who gives it up."""

    def lens(self, side: Side) -> Lens | None:
        """How *side* shows this field, if it does."""
        return self.left if side == "left" else self.right

    def same(self, left: Any, right: Any) -> bool:
        """Whether two shared values mean the same here. True is not 1, and "1" is not 1."""
        a, b = self.shape(left), self.shape(right)
        return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


@dataclass(frozen=True, slots=True)
class Birth:
    """A field that is written when its record is born, and neither read back nor compared ever after."""

    rule: Rule
    candidates: Callable[[Fields, datetime], Iterator[Any]] | None = None
    """What the value may be, best first, from the shared values and the moment. None: the other side's value."""
    unique: bool = False
    """No record of the written side may hold the value yet, and none was ever given it."""
    also: tuple[str, ...] = ()
    """Paths of the written side, beside the field's own, in which the value must be free."""
    password: int = 0
    """Length of a random text; 0: it is none."""

    @property
    def why(self) -> str:
        """What people are told."""
        return "generated at birth" if self.unique or self.password else "set at birth"

    @property
    def copied(self) -> bool:
        """It is what the other side shows at that moment."""
        return self.candidates is None and not self.password

    def places(self, side: Side) -> tuple[str, ...]:
        """Where no record of *side* may hold the value yet."""
        lens = self.rule.lens(side)
        return (lens.text, *self.also) if lens and self.unique else ()


@dataclass(frozen=True, slots=True)
class Canary:
    """A record that must be there and show these values by path, or the run writes nothing. It never takes part."""

    id: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class End:
    """One side of a sync: which records of which entity take part."""

    system: str
    entity: str
    where: Fields = field(default_factory=dict)
    """Equality that the system itself applies; a record outside looks absent."""
    scope: Callable[[Fields, datetime], bool] | None = None
    """Decided here; a record outside is present, and out of scope."""
    scope_paths: tuple[str, ...] = ()
    canary: Canary | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """One alternative of match_on: all fields must agree. Empty values never match."""

    on: tuple[str, ...]
    confirm: Literal["auto", "ask"] = "auto"


@dataclass(frozen=True, slots=True)
class Cases:
    """What happens to a record that has no partner, or lost it. `*_left` speaks of the record on the left."""

    new_left: Case = "create"
    new_right: Case = "create"
    gone_left: Case = "hold"
    gone_right: Case = "hold"
    gone_and_changed: Case = "hold"
    out_of_scope_left: Case = "retire"
    out_of_scope_right: Case = "retire"
    recreated: Literal["hold", "relink", "new"] = "hold"
    """A record is gone, and a newcomer carries its match key."""
    merged: Literal["follow", "hold"] = "follow"
    """A record is gone, and its system tells into which one it was merged."""
    mapping_changed: Literal["hold", "left", "right"] = "hold"
    """Both sides mean different things since a mapping changed, and nobody edited them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A yes-or-no question to the record of one side."""

    side: Side
    holds: Callable[[Fields, datetime], bool]
    """Raises ValueError where it cannot be answered."""
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """When a record's time is over, and what becomes of its partner."""

    when: Asked
    do: Literal["deactivate", "delete", "retire"]


@dataclass(frozen=True, slots=True)
class Nest:
    """A list inside the parents' records, whose members are the records of a collection."""

    entity: str
    """Of the parents."""
    path: str
    key: tuple[str, ...]
    """Paths in a member by which it is known among its siblings."""


@dataclass(frozen=True, slots=True)
class Family:
    """Whose children the records of a collection are. The shared field `(parent)` tells it for each of them."""

    sync: str
    """The sync of the parents."""
    entities: Mapping[Side, str]
    """The parents' own."""
    nests: Mapping[Side, Nest] = field(default_factory=dict)
    """The sides on which the children have no entity of their own."""


@dataclass(frozen=True, slots=True)
class Sync:
    """The whole agreement."""

    name: str
    left: End
    right: End
    rules: tuple[Rule, ...]
    match_on: tuple[Match, ...]
    births: tuple[Birth, ...] = ()
    """Fields of new records alone, in the order in which they are made."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cases: Cases = Cases()
    guards: Guards = field(default_factory=Guards)
    birth: Mapping[Side, Fields] = field(default_factory=dict)
    """Constants that a record created on that side is born with, nested like the record."""
    create_when: Callable[[Fields, datetime], bool] | None = None
    """Asked of the record that would be copied."""
    create_paths: tuple[str, ...] = ()
    ending: Ending | None = None
    urgent: Asked | None = None
    """Whose changes are written first and held by no updates guard."""
    allow_duplicate_creates: bool = False
    """Creates even where an unknown create can be neither repeated safely nor found again."""
    calendar: bool = False
    """A scope, create.when, end or urgent asks for today."""
    zone: str = "UTC"
    """Time zone of the sync's days: today() without a zone, and announced mass changes."""
    zones: frozenset[str] = frozenset()
    """Zones whose midnight matters to a scope, create.when, end or urgent, beside that."""
    rev: str = ""
    """Digests of everything that maps: paths, types, values; `name.left=...`, `name.right=...` and `name=...` for each
    field. Another one compares everything and asks for approval."""
    remapped: frozenset[str] = frozenset()
    """The parts of `rev` that changed since some pairs were last settled. A pair knows whether it is one of those."""
    outlook: str = ""
    """Digest of what else decides about unchanged records: tables, cases, create.when. Another one compares all."""
    fingerprint: str = ""
    """Digest of match keys, direction and scope. Another one holds the next plan."""
    mark: bytes = field(init=False, default=b"")
    """Four bytes that stand for `rev`, by which a pair tells with which mapping it was settled."""
    collections: tuple["Sync", ...] = ()
    """Child records, each an agreement of its own inside the pairs of this one, named `people.phones`."""
    family: Family | None = None
    """Set for a collection."""
    _by_name: Mapping[str, Rule] = field(init=False, repr=False, compare=False, default_factory=dict)

    _writable: Mapping[Side, tuple[Rule, ...]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        born = [birth.rule for birth in self.births]
        object.__setattr__(self, "_by_name", {rule.name: rule for rule in (*self.rules, *born)})
        writable = {side: tuple(r for r in self.rules if (lens := r.lens(side)) and lens.path) for side in SIDES}
        object.__setattr__(self, "_writable", writable)
        object.__setattr__(self, "mark", blake2b(self.rev.encode(), digest_size=4).digest())

    def end(self, side: Side) -> End:
        """The entity on *side*."""
        return self.left if side == "left" else self.right

    def rule(self, name: str) -> Rule:
        """The rule of a shared field; KeyError for any other name."""
        return self._by_name[name]

    @property
    def short(self) -> str:
        """What a collection is called among the others of its parents; nothing for a sync."""
        return self.name.removeprefix(f"{self.family.sync}.") if self.family else ""

    def owner_of(self, side: Side, fields: Fields) -> str | None:
        """Whose child a record of *side* is, by the id of its parent on that side; None for none."""
        lens = self.rule(PARENT).lens(side) if self.family else None
        shown = read(fields, lens.path) if lens and lens.path else None
        return None if shown is None or shown is ABSENT or shown == "" else str(shown)

    def writable(self, side: Side) -> tuple[Rule, ...]:
        """The fields that *side* can be given."""
        return self._writable[side]

    def wanted(self, side: Side) -> tuple[str, ...]:
        """Every path that reading *side* needs, without repeats."""
        paths = [p for rule in self.rules if (lens := rule.lens(side)) for p in lens.paths]
        paths += [p for b in self.births if b.copied and (lens := b.rule.lens(side)) for p in lens.paths]
        paths += [*self.end(side).scope_paths, *self.asked(side)]
        return tuple(dict.fromkeys(paths))

    def asked(self, side: Side) -> tuple[str, ...]:
        """Places of *side* that decide about a record without being a field."""
        questions = (self.ending.when if self.ending else None, self.urgent)
        return (*self.create_paths, *(path for q in questions if q and q.side == side for path in q.paths))
