"""This is where the words of an HTTP definition are fixed: what a system file and an entity may say."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from connectors.base import Op
from connectors.definition import Duration, Facts
from connectors.http.asking import Ask
from connectors.http.filters import Language
from connectors.http.jobs import Job
from connectors.http.paging import PageRule
from connectors.http.promises import CapabilityFacts, ErrorRule
from connectors.http.select import Expression, checked_path
from connectors.http.stages import Step, step_fault
from connectors.http.templates import names_in


class VersionRule(Facts):
    """Where a record's version stands. Both places only where they hold the same text, as SCIM promises."""

    path: str | None = None
    """A path in the record."""
    header: str | None = None
    """A header of the answer to `get` and to writes, usually ETag. Alone, it leaves records of a list without one."""

    @model_validator(mode="after")
    def _some_place(self) -> "VersionRule":
        if self.path is None and self.header is None:
            raise ValueError("version names path or header")
        return self

    @field_validator("path")
    @classmethod
    def _is_path(cls, value: str | None) -> str | None:
        return value if value is None else checked_path(value)


class CursorFacts(Facts):
    """How `changed` reads on."""

    field: str | None = None
    """Path of the value that rises with every change; for `time` and `number`."""
    token: Expression | None = None
    """Where the answer holds the token to read on with; for `token`."""
    kind: Literal["time", "number", "token"] = "time"
    """What the values are."""
    param: str | None = None
    """Query parameter that takes the cursor. Not needed where {since} stands in path, query or body."""
    tiebreak: str | None = None
    """Second field of the system's order. For the reader of the definition; ids are compared anyway."""
    lag: Duration = 0.0
    """How far behind its own clock the system's index may be."""
    overlap: Duration = 0.0
    """How much is read again, for changes that were committed late."""

    @model_validator(mode="after")
    def _has_source(self) -> "CursorFacts":
        if (self.token is None) != (self.kind != "token") or (self.field is None) != (self.kind == "token"):
            raise ValueError("cursor names field for time and number, or token for kind: token")
        return self


class Pushed(Facts):
    """A filter expression in one parameter: {param: filter, language: scim}."""

    param: str
    """The query parameter."""
    language: Language
    """scim (RFC 7644) or odata (V4)."""


class Selected(Facts):
    """How the system is told which fields are wanted, where it shows only some by itself."""

    param: str
    """The query parameter; takes names joined by commas."""
    under: str | None = None
    """Only fields inside this object are named, without it: HubSpot's `properties`."""


class Listing(Ask):
    """A request that answers with records, page after page."""

    records: Expression = "@"
    """Where the records are in the answer."""
    page: PageRule | None = None
    """How to get the next page; left out where everything comes at once."""
    where: Mapping[str, str] = {}
    """Field path -> query parameter that compares it. What cannot be pushed down is compared here."""
    filter: Pushed | None = None
    """All comparisons in one expression, instead of `where`."""
    select: Selected | None = None
    """How to ask for fields."""
    complete: bool = True
    """False where the system is known to leave records out of this listing: absence then never means deletion."""


class Changed(Listing):
    """Records that changed since a cursor, the one given included."""

    cursor: CursorFacts
    """How to read on from the last time."""
    cap: int | None = Field(default=None, ge=1)
    """Most records that one search shows, on all of its pages together: 10,000 at HubSpot. The search must be sorted by
    the cursor; behind the last record it is asked anew."""
    beyond: Listing | None = None
    """With `cap`: what is asked behind a record, sorted by cursor and id: cursors above {since}, and with that one ids
    above {after}. Without it, more records of one cursor value than `cap` are an error."""

    @model_validator(mode="after")
    def _capped(self) -> "Changed":
        if self.beyond is not None and self.cap is None:
            raise ValueError("`beyond` says what is asked once `cap` records were shown: add `cap`")
        if self.cap is not None and self.cursor.kind == "token":
            raise ValueError("`cap` reads on behind a record, and a token is not a value of records")
        return self


class Deleted(Listing):
    """Records that were deleted; read after the changed ones of an incremental run."""

    id: str | tuple[str, ...] | None = None
    """Where the id stands in these records, if elsewhere than in others."""


class Getting(Ask):
    """One record by id, or several at once where `batch` says how many."""

    record: Expression = "@"
    """Where the record is in the answer."""
    gone: tuple[int, ...] = (404, 410)
    """Statuses that say: no such record."""
    gone_when: Expression | None = None
    """True in an answer that says so with status 200: `archived`, `status == 'deleted'`."""
    into: Expression | None = None
    """Where an answer names the record that the one asked for was merged into: the answer that it is gone, or one that
    shows the survivor instead (`into: id`)."""
    batch: int | None = Field(default=None, ge=1)
    """Most ids in one request; {ids} takes them."""
    records: Expression = "@"
    """Where the records are in the answer of a batch."""
    select: Selected | None = None
    """How to ask for fields."""

    @model_validator(mode="after")
    def _one_at_a_time(self) -> "Getting":
        if self.into is not None and self.batch is not None:
            raise ValueError("into is told of one record at a time: leave out batch")
        return self


class Finding(Listing):
    """Records by the value of a field."""

    by: tuple[str, ...]
    """Paths that can be looked up. Each is sent as `where` or `filter` says, else as a parameter of its own name."""
    lag: Duration = 0.0
    """How far the index behind this request trails. More than zero: never asked where the answer must be true now."""


class Marker(Facts):
    """A field of the record that keeps a value of ours, by which a create can be found again."""

    field: str
    """Its path."""


class InHeader(Facts):
    """Something that travels in a header: {header: If-Match}."""

    header: str
    """The header's name."""


class Writing(Ask):
    """What every write has."""

    job: Job | None = None
    """Where the system only takes the order and works on it later. Default: an answer means that it is done."""
    record: Expression | None = None
    """Where the answer shows the whole record as it is now. Left out: it does not, and is not believed to."""
    precondition: InHeader | None = None
    """The header that takes the version, usually If-Match."""
    stale: tuple[int, ...] = (412,)
    """Statuses that say: changed meanwhile."""


class Creating(Writing):
    """A new record."""

    steps: tuple[Step, ...] = ()
    """Further requests that belong to the birth, in order. Until all are made, the record has no partner."""

    id: str | tuple[str, ...] | None = None
    """Where the answer holds the new id, if elsewhere than in a record. Else the end of the Location header."""
    marker: Marker | None = None
    """Where our own value is left."""
    idempotency: InHeader | None = None
    """The header that takes a key by which the system recognises a repeated create."""


class Updating(Writing):
    """A change of a record."""

    send: Literal["changed", "whole", "scim_patch"] = "changed"
    """changed: only what changes. whole: the record is read, changed and sent back. scim_patch: RFC 7644 3.5.2."""


class Deleting(Writing):
    """The end of a record."""

    already_gone: tuple[int, ...] = (404, 410)
    """Statuses that say: nothing left to delete. That is success."""


class Results(Facts):
    """How the answer to a batch tells what came of each write."""

    at: Expression = "@"
    """Where the list of results is. They stand in the order of the writes, one each."""
    ok: Expression
    """True in a result that succeeded: `!error`, `success`, `status < `300``."""
    id: str | tuple[str, ...] | None = None
    """Where a result holds the id, if elsewhere than in a record."""
    record: Expression | None = None
    """Where a result shows the whole record, if it does."""


class Batching(Ask):
    """Several writes of one kind in one request; {items} in the body takes them, {op} in the path the kind."""

    ops: tuple[Op, ...] = ("create", "update")
    """Kinds that can be batched."""
    size: int = Field(ge=2)
    """Most writes in one request."""
    atomic: bool = False
    """Whether one bad write fails all of its batch."""
    item: Any = "{fields}"
    """One write: {fields}, {id}, {version}, {key}, {marker}."""
    results: Results
    """What came of each."""


class Reads(Facts):
    """How records are had."""

    list: Listing | None = None
    """All records."""
    changed: Changed | None = None
    """Those that changed since the last time. Default: every run reads all."""
    deleted: Deleted | None = None
    """Those that were deleted since. Default: only a full comparison notices."""
    get: Getting | None = None
    """Single records by id."""
    find: Finding | None = None
    """Records by a field's value; finds out what became of a create whose answer was lost."""


class Writes(Facts):
    """How records are changed."""

    create: Creating | None = None
    """How a record is born. Left out, here and below: it is not done on this system."""
    update: Updating | None = None
    """How a record is changed."""
    delete: Deleting | None = None
    """How a record is deleted."""
    deactivate: Updating | None = None
    """How a record is switched off, for `cases: {gone_...: deactivate}`."""
    batch: Batching | None = None
    """Several writes in one request."""


class Already(Facts):
    """Statuses that say: it is so already. That is success."""

    add: tuple[int, ...] = (409,)
    """In answer to `add`."""
    remove: tuple[int, ...] = (404, 410)
    """In answer to `remove`."""


class Relation(Facts):
    """Whom a record is related to. {id} is the record's, {member} one of the others, {members} all that move."""

    path: str | None = None
    """Where a record itself shows the list; else `read`."""
    read: Listing | None = None
    """The request that lists them, one more for every record; else `path`."""
    take: Expression = "@"
    """Where a listed thing holds the member's id: `id`, `to.id`. Default: it is the id."""
    add: Ask | None = None
    """One request a member, or one for many where {members} stands in the body. Left out: the list is only read."""
    remove: Ask | None = None
    """The same for those who leave."""
    item: Any = "{member}"
    """One of {members}: `{to: {id: "{member}"}, from: {id: "{id}"}}`."""
    size: int = Field(default=100, ge=1)
    """Most members in one request with {members}."""
    already: Already = Already()
    """What the answer is where nothing is left to do."""

    @model_validator(mode="after")
    def _complete(self) -> "Relation":
        if (self.path is None) == (self.read is None):
            raise ValueError("a relation has either `path` or `read`")
        for verb, ask in (("add", self.add), ("remove", self.remove)):
            if ask and not names_in([ask.path, ask.query, ask.body]) & {"member", "members"}:
                raise ValueError(f"{verb}: nothing says who, {{member}} or {{members}}")
        return self

    @field_validator("path")
    @classmethod
    def _is_path(cls, value: str | None) -> str | None:
        return value if value is None else checked_path(value)


class Entity(Facts):
    """One kind of record of an HTTP system."""

    id: str | tuple[str, ...] = "id"
    """Path of the id; several paths make a composite id, written as a JSON array."""
    version: VersionRule | None = None
    """Where a version stands, if the system has one."""
    read: Reads = Reads()
    """How records are had."""
    write: Writes = Writes()
    """How records are changed."""
    errors: tuple[ErrorRule, ...] = ()
    """What this system's answers mean where they do not follow the custom."""
    messages: tuple[Expression, ...] = ()
    """Where the answers hold their own words about an error, besides the usual places."""
    empty: Literal["omitted", "null", ""] = "null"
    """How emptiness is shown. `omitted`: a requested field that is missing becomes null."""
    nested: Literal["merge", "replace"] = "merge"
    """Whether a partial object in an update keeps its siblings. `replace`: it does not, so each update reads the record
    and sends the objects that it touches whole, under the precondition; without one it is a fault."""
    relations: Mapping[str, Relation] = {}
    """Whom records are related to, by the name that a field calls it: `"@companies"` for companies."""
    capabilities: CapabilityFacts = CapabilityFacts()
    """What cannot be told from the rest."""

    @model_validator(mode="after")
    def _has_times(self) -> "Entity":
        if self.capabilities.times_trusted and not (self.version and self.version.path):
            raise ValueError("times_trusted speaks of the version: name its place with `version: {path: ...}`")
        if self.relations and any(how and how.job for how in (self.write.create, self.write.update)):
            raise ValueError("a write that the system does later (`job`) cannot be followed by members of `relations`")
        return self

    @model_validator(mode="after")
    def _keeps_siblings(self) -> "Entity":
        update = self.write.update
        if self.nested != "replace" or update is None or update.send != "changed":
            return self
        if self.read.get is None:
            raise ValueError("nested: replace reads a record before it is updated: add read.get")
        guarded = update.precondition is not None or self.capabilities.precondition
        if not (guarded and self.version):
            raise ValueError(
                "nested: replace sends fields that nobody maps, and would undo what somebody else does to them"
                " meanwhile: name `version` and `write.update.precondition`, or say `nested: merge` if partial objects"
                " keep their siblings"
            )
        return self

    @model_validator(mode="after")
    def _steps_fit(self) -> "Entity":
        create = self.write.create
        if create is None or not create.steps:
            return self
        if create.job is not None:
            raise ValueError("a create in `steps` is made at once: leave out `job`, or the steps")
        if self.relations:
            raise ValueError("a create in `steps` makes no members of `relations`: leave out one of them")
        parts = () if isinstance(self.id, str) else self.id
        if fault := step_fault(create.steps, {"id", *parts}):
            raise ValueError(fault)
        return self

    @field_validator("id")
    @classmethod
    def _are_paths(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, str):
            return checked_path(value)
        if not value:
            raise ValueError("a composite id has at least one part")
        return tuple(checked_path(part) for part in value)

    def rereads(self, how: Updating) -> bool:
        """Whether an update is made of the record as the system shows it at that moment."""
        return how.send == "whole" or (how.send == "changed" and self.nested == "replace")

    def operation(self, op: Op) -> Writing | None:
        """How this write is made; None where it is not."""
        found: Writing | None = getattr(self.write, op)
        return found
