"""This is where every system gets the same words and the same eight verbs: the Driver protocol.

Terminology
    system       one configured installation, such as the company's CRM
    entity       a kind of record in it: contact, employee
    record       one instance of an entity, as the system shows it, with nested fields
    id           the record's own name in its system; immutable. A composite id is a JSON array of its parts.
    version      whatever the system changes on every edit: an ETag, a row version. Opaque; compared for equality only.
    cursor       opaque "read on from here" of one entity, in the system's own text
    gone         the system says itself that the record does not exist any more
    complete     the last page of an enumeration that left nothing out: only then does absence mean deletion
    marker       a value of ours in a field of the record, by which a create can be found again
    relation     a list of whom a record is related to, under a name such as @groups; written by adding and removing

The errors of the wire, sorted by what the caller does:
    ConnectorError
    ├── Temporary        try again later: rate limit, 5xx, no connection
    └── Permanent        a person has to act: wrong password, unknown collection, answer in another shape
        └── CursorExpired    this cursor leads nowhere any more: read everything
A write never raises for a record. It answers with one outcome per Write, in order (see Outcome).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

Fields: TypeAlias = Mapping[str, Any]
"""Nested values as JSON has them, beside Decimal, date and datetime where the system is exact about them."""

Op: TypeAlias = Literal["create", "update", "delete", "deactivate"]


PARENT: Final = "(parent)"
"""The field under which a child record shows whose it is, where its system does not: see connectors/members.py."""
UNNAMED: Final = "(unnamed)"
"""The field under which a member of a list tells that it lacks what it is known by."""
EVERY: Final = "*"
"""Among the paths that `find` can look up: any path. A key of that name is written in quotes."""


class ConnectorError(Exception):
    """Something between us and a system went wrong; the text names the system, the place and the fact."""


class Temporary(ConnectorError):
    """Worth trying again, after *retry_after* seconds where the system said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Permanent(ConnectorError):
    """Trying again cannot help; a person has to change something."""


class CursorExpired(Permanent):
    """The system no longer knows this cursor; only a full read helps."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as its system shows it. A requested field that the system omits for emptiness is None here."""

    id: str
    fields: Fields
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of a read, in the system's order.

    *cursor* is the highest cursor value among this page's records, or the token that the system handed out.
    *complete* is true on the last page of an enumeration of everything, and only if nothing was left out.
    *server_time* is the system's own clock, read before the query, written like its cursors.
    *whole*: for members of lists, the records of which this page shows all: who is not among them is not in the list.
    """

    records: tuple[Record, ...] = ()
    gone: tuple[str, ...] = ()
    cursor: str | None = None
    complete: bool = False
    server_time: str | None = None
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """The system answered, and has no such record. *into*: it was merged into that one, if the system tells."""

    id: str
    into: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """This one record could not be had; nothing is known about it."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class CursorRule:
    """How an entity's cursor behaves. The engine computes where to read on; drivers only ask `>=`.

    time     a moment of the system's clock: read again *overlap* seconds, never trust the last *lag* seconds
    number   a counter that only rises: inclusive
    token    handed out by the system: passed back unchanged
    """

    kind: Literal["time", "number", "token"]
    lag: float = 0.0
    overlap: float = 0.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an entity of a system can guarantee. The engine never relies on more."""

    precondition: bool = False
    """Updates and deletes carry the version or the old values and fail as Stale when the record changed meanwhile."""
    compares: bool = False
    """The values that a write replaces are compared before it, not the version of the whole record: an edit of another
    field passes, and so does one in the moment between, where the system does not do both at once."""
    read_back: bool = False
    """Creates and updates are answered with the record as they left it, and with its version."""
    idempotent_create: bool = False
    """A create repeated with the same key makes one record."""
    marker: str | None = None
    """The field path that takes `Write.marker` and can be looked up by `find`."""
    find: frozenset[str] = frozenset()
    """Field paths that `find` can look up, so that an unknown create can be probed; `EVERY` stands for all paths."""
    tombstones: bool = False
    """Incremental reads report deletions."""
    cursor: CursorRule | None = None
    """None: only full reads."""
    batch: int = 1
    """Most writes that one `write` call sends as one unit of work."""
    atomic_batch: bool = False
    """One bad write fails its whole batch."""
    empty: Literal["omitted", "null", ""] = "null"
    """How the system shows emptiness. `null` where the driver already turned omission into None."""
    nested: Literal["merge", "replace"] = "merge"
    """Whether a partial object in an update keeps its siblings."""
    consistency_window: float = 0.0
    """Seconds until a write is visible to `find` and `get`."""
    processing_window: float = 60.0
    """Seconds for which a request whose answer was lost may still be at work in the system."""
    times_trusted: bool = False
    """The version is a modification time of a trustworthy clock, so `wins: newest` is legal."""
    writes: frozenset[Op] = frozenset({"create", "update", "delete"})
    identity: bool = False
    """`check` tells tenant or epoch, so that another system behind the same address is noticed."""
    merges: bool = False
    """`get` tells of a record that is gone into which one it was merged."""
    gets: int = 1
    """Most records that one request of `get` asks for. For the estimate of a plan."""
    requests: Mapping[Op, int] = field(default_factory=dict)
    """Requests that one write takes, where it is more than one. For the estimate of a plan."""
    steps: tuple[str, ...] = ()
    """Names of the steps that a create has beside the record's own request. Each can be looked for before it is made.
    """
    deactivated: Fields | None = None
    """What a deactivated record shows, so that a `deactivate` whose answer was lost can be probed."""
    relations: frozenset[str] = frozenset()
    """Field paths whose lists are written by `Write.members` and never by `Write.fields`: `@groups`, or an attribute
    of many values that the system changes one by one. They are shown in the order of their texts."""

    def finds(self, path: str) -> bool:
        """Whether `find` can look *path* up."""
        return path in self.find or EVERY in self.find


@dataclass(frozen=True, slots=True)
class Members:
    """Who joins a list and who leaves it. Whoever is in it already, or is not, needs nothing and is no fault."""

    add: tuple[Any, ...] = ()
    remove: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """One wish of the engine. *fields* holds only what changes, nested like the record; lists come whole.

    *before* has the shape of *fields* and holds the values last seen, for systems that compare before they write.
    *key* is the same for every attempt at the same create; *marker* is the value to leave in the marker field.
    Of a create in steps, *done* holds what the steps that are made have answered, by name, and the record's id as
    RECORD; with *doubt* an earlier attempt may have got further, so that each is looked for before it is made.
    *members* are changes of relations, by path; a write may have nothing else.
    """

    op: Op
    id: str | None = None
    fields: Fields = field(default_factory=dict)
    before: Fields | None = None
    version: str | None = None
    key: str | None = None
    marker: str | None = None
    done: Mapping[str, Any] = field(default_factory=dict)
    doubt: bool = False
    members: Mapping[str, Members] = field(default_factory=dict)


RECORD = "record"
"""Under this name a create in steps remembers its record's id. No step can be called so."""


@dataclass(frozen=True, slots=True)
class Done:
    """It happened. *record* is what the system shows now, if it told; *version* is the one this write produced.

    A *record* of another version than *version* was read after somebody else's edit. *exact* says that nobody could
    come between: the record was read in the transaction of the write itself. A write with `members` that lie
    outside the record tells one only if it is exact, because no version speaks of them. *steps* are those of a create.

    *without* are relations of a record that was born without them, each with the reason: they are not, or not surely,
    as the write wished, and the next run sees to them. A create alone has such.
    """

    id: str
    version: str | None = None
    record: Record | None = None
    exact: bool = False
    steps: tuple[str, ...] = ()
    without: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The system will not have this record, in its own words. Sending it again unchanged cannot help."""

    message: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The record changed since it was read; nothing was written."""

    message: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Sent, and the answer never came: it may or may not have happened."""

    message: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Certainly did not happen: no connection, or the system said "later" before looking at it.

    *permanent* is true where a person has to act first: wrong password, no permission, unknown collection.
    """

    message: str
    retry_after: float | None = None
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """The system took the order and works on it under this job id."""

    job: str


@dataclass(frozen=True, slots=True)
class Partial:
    """Of a create in steps, those in *done* are made, with what they answered; the next was not, for the reason *rest*.

    Nothing is in doubt: a step whose answer is lost makes the whole create Lost.
    """

    done: Mapping[str, Any]
    rest: Refused | Stale | NotSent


Outcome: TypeAlias = Done | Refused | Stale | Lost | NotSent | Pending | Partial


@dataclass(frozen=True, slots=True)
class Health:
    """What a system says of itself.

    *tenant* says whose records these are, *epoch* which life of them: another after a restore from an older copy, or on
    another node that counts by itself. None: the system does not say.
    """

    reachable: bool
    message: str = ""
    tenant: str | None = None
    epoch: str | None = None
    permissions: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field of an entity as its system describes it."""

    path: str
    type: str
    writable: bool = True
    required: bool = False


@dataclass(frozen=True, slots=True)
class EntityShape:
    """One kind of record as its system describes it."""

    name: str
    fields: tuple[FieldShape, ...] = ()


class Driver(Protocol):
    """One system, reached over one protocol. Every method may be called from several threads.

    MUST: `read` and `find` raise on the first thing they could not get; a page is never silently short.
    MUST: `write` answers `Lost`, not `NotSent`, once a byte of a request may have reached the system.
    MUST: one `Write` has one outcome: Done only if fields and members are all as it wishes. See `Done.without`.
    MUST NOT: repeat a create after `Lost`; follow redirects or referrals elsewhere; log or return credentials.
    """

    def describe(self, entity: str) -> Capabilities:
        """What this entity can guarantee. No request is made."""

    def check(self, entity: str | None = None) -> Health:
        """Whether the system answers and lets us in; never raises for that."""

    def read(
        self, entity: str, *, cursor: str | None = None, fields: Sequence[str] = (), where: Fields | None = None
    ) -> Iterator[Page]:
        """Pages of everything, or of what has a cursor `>=` the one given. *where* is equality, pushed down."""

    def get(self, entity: str, ids: Sequence[str], *, fields: Sequence[str] = ()) -> Iterator[Record | Gone | Failed]:
        """One answer per id, in order."""

    def find(
        self, entity: str, by: Fields, *, consistent: bool = False, fields: Sequence[str] = ()
    ) -> Sequence[Record]:
        """Records whose paths equal all of *by*; *consistent* refuses (Permanent) to ask a lagging index."""

    def write(self, entity: str, writes: Sequence[Write], *, fields: Sequence[str] = ()) -> Iterator[Outcome]:
        """One outcome per write, in order; *fields* are wanted in the record that is read back."""

    def poll(self, entity: str, jobs: Sequence[str]) -> Iterator[Outcome]:
        """How the jobs of `Pending` writes stand, in order: Pending again while the system works, Lost for one that it
        does not know. Raises where it cannot be asked. A driver that never answers Pending is never asked."""

    def discover(self) -> Sequence[EntityShape]:
        """The entities that the system itself describes; may be empty."""

    def close(self) -> None:
        """Gives back connections. Idempotent."""
