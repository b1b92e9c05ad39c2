"""This is where the records of one HTTP entity are had: listed, changed, deleted, by id and by value."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

from connectors import paths
from connectors.base import Failed, Fields, Gone, Page, Permanent, Record
from connectors.http.budget import server_time
from connectors.http.facts import Changed, Entity, Getting, Listing, Relation, Selected
from connectors.http.filters import filter_text
from connectors.http.paging import Answer, Step, Turn, turn_pages
from connectors.http.records import Shape, Wanted, highest
from connectors.http.relations import members_in, members_shown
from connectors.http.requester import Requester, for_read
from connectors.http.select import pick
from connectors.http.templates import as_text, names_in
from connectors.http.verdict import Judge, as_error, json_of, raise_for


class _NoSuch(Permanent):
    """There is no such record to have relations."""


class Reader:
    """Reads one entity. Every method raises on the first thing that it could not get."""

    def __init__(self, requester: Requester, name: str, entity: Entity) -> None:
        self._requester, self._name, self._entity = requester, name, entity
        self._judge = Judge(entity.errors, entity.messages)
        self.shape = Shape(entity)

    def read(self, cursor: str | None, fields: Sequence[str], where: Fields) -> Iterator[Page]:
        """Pages of everything, or of what changed since *cursor*, tombstones first."""
        reads = self._entity.read
        wanted = self.wanted(fields)
        if cursor is None:
            listing = self._declared(reads.list, "read.list")
            yield from self._pages(listing, reads.changed, {}, wanted, where)
            return
        changed = self._declared(reads.changed, "read.changed")
        since: Any = int(cursor) if changed.cursor.kind == "number" and cursor.isdecimal() else cursor
        if reads.deleted is not None:  # first, so that a record deleted and born again is not gone in the end
            yield from self._tombstones(reads.deleted, {"since": since})
        yield from self._changes(changed, since, wanted, where)

    def get(self, ids: Sequence[str], fields: Sequence[str]) -> Iterator[Record | Gone | Failed]:
        """One answer per id, in order. A fault of one record is Failed; a fault of the system is raised."""
        getting = self._declared(self._entity.read.get, "read.get")
        wanted = self.wanted(fields)
        if getting.batch is not None:
            for start in range(0, len(ids), getting.batch):
                yield from self._several(getting, ids[start : start + getting.batch], wanted)
            return
        for id in ids:
            yield self._one(getting, id, wanted)

    def wanted(self, fields: Sequence[str]) -> Wanted:
        """The fields and relations that are asked for."""
        return Wanted(fields, self._entity.relations)

    def record(self, raw: Any, where: str, headers: Mapping[str, str], wanted: Wanted) -> Record:
        """One record of an answer with its relations, each of which may take requests of its own. Raises _NoSuch."""
        record = self.shape.record(raw, where, headers, wanted)
        if not wanted.relations:
            return record
        lists = {name: self._members(record.id, raw, where, one) for name, one in wanted.relations.items()}
        return replace(record, fields={**record.fields, **lists})

    def raw(self, id: str) -> tuple[dict[str, Any], str | None] | Gone | Failed:
        """One record whole, with its version, to be sent back changed."""
        getting = self._declared(self._entity.read.get, "read.get")
        found = self._one(getting, id, Wanted(()))
        return (dict(found.fields), found.version) if isinstance(found, Record) else found

    def find(self, by: Fields, consistent: bool, fields: Sequence[str]) -> list[Record]:
        """Records that have all values of *by*. Only declared fields can be asked for."""
        finding = self._declared(self._entity.read.find, "read.find")
        unknown = sorted(set(by) - set(finding.by))
        if unknown or not by:
            raise Permanent(f"{self._place}: find by {', '.join(unknown) or 'nothing'}; it can by {list(finding.by)}")
        if consistent and (finding.lag or self._entity.capabilities.consistency_window):
            raise Permanent(f"{self._place}: find asks an index that may trail; it cannot say what is true now")
        nested = _nested(by)
        wanted = self.wanted(fields)
        query = {} if names_in([finding.path, finding.query, finding.body]) else self._pushed(finding, by, by)
        turns = self._turns(finding, {"by": nested}, wanted, query)
        return [
            record
            for turn in turns
            for record in self._there([r for r in turn.answer.records if _alike(r, by)], turn.answer.where, wanted)
        ]

    def first_page(self) -> None:
        """Asks for the first page of whatever can be read, to prove that it can."""
        reads = self._entity.read
        listing = reads.list or reads.changed
        if listing is not None:
            next(iter(self._turns(listing, {"since": ""}, Wanted(()), {})))

    @property
    def _place(self) -> str:
        return f"{self._requester.system} {self._name}"

    def _declared(self, asked: Any, key: str) -> Any:
        if asked is None:
            raise Permanent(f"{self._place}: the definition has no {key}, so this cannot be asked")
        return asked

    def _pages(
        self,
        listing: Listing,
        changed: Changed | None,
        values: Mapping[str, Any],
        wanted: Wanted,
        where: Fields,
        watched: Callable[[Iterable[Turn]], Iterable[Turn]] = iter,
    ) -> Iterator[Page]:
        since = {listing.cursor.param: values["since"]} if isinstance(listing, Changed) and listing.cursor.param else {}
        query = self._pushed(listing, where, {}) | since
        everything = listing.complete and "since" not in values
        time: str | None = None
        for turn in watched(self._turns(listing, values, wanted, query)):
            answer = turn.answer
            kept = [raw for raw in answer.records if _equal(raw, where)] if where else answer.records
            time = time or (server_time(answer.headers) if changed and changed.cursor.kind == "time" else None)
            yield Page(
                records=tuple(self._there(kept, answer.where, wanted)),
                cursor=self._cursor(changed, turn),
                complete=turn.last and everything and not turn.shrunk,
                server_time=time,
            )

    def _changes(self, changed: Changed, since: Any, wanted: Wanted, where: Fields) -> Iterator[Page]:
        """Pages of what changed. A search that ends at its cap is asked on behind the last record."""
        listing: Listing = changed
        values, shown = {"since": since}, list[Any]()

        def watched(turns: Iterable[Turn]) -> Iterator[Turn]:
            for turn in turns:
                shown.extend(turn.answer.records if changed.cap else ())
                yield turn

        while True:
            yield from self._pages(listing, changed, values, wanted, where, watched)
            if not changed.cap or len(shown) < changed.cap:
                return
            values = self._behind(changed, values, shown)
            listing = changed.beyond or changed
            shown.clear()

    def _behind(self, changed: Changed, values: Mapping[str, Any], shown: Sequence[Any]) -> dict[str, Any]:
        """From where a capped search goes on. Raises Permanent rather than leave anything out."""
        last = highest(changed.cursor, shown[-1:])
        if last is None or last != highest(changed.cursor, shown):
            raise Permanent(f"{self._place}: read.changed has a cap and is not sorted by {changed.cursor.field}")
        since: Any = int(last) if changed.cursor.kind == "number" and last.isdecimal() else last
        behind = {"since": since} | ({"after": self.shape.id(shown[-1], self._place)} if changed.beyond else {})
        if behind == values:
            what = f"more than {changed.cap} records have the {changed.cursor.field} {last}"
            help = "and the search shows no others; say in read.changed what is `beyond`"
            raise Permanent(f"{self._place}: {what}, {help}")
        return behind

    def _there(self, raws: Iterable[Any], where: str, wanted: Wanted) -> Iterator[Record]:
        """The records of an answer, but for those that were deleted while their relations were asked for."""
        for raw in raws:
            with suppress(_NoSuch):
                yield self.record(raw, where, {}, wanted)

    def _members(self, id: str, raw: Any, where: str, relation: Relation) -> list[str]:
        if relation.read is None:
            return members_shown(raw, relation, where)
        try:
            turns = self._turns(relation.read, self.shape.id_values(id), Wanted(()), {})
            return sorted({m for turn in turns for m in members_in(turn.answer.records, relation, turn.answer.where)})
        except _NoSuch:
            getting = self._declared(self._entity.read.get, "read.get")
            if isinstance(self._one(getting, id, Wanted(())), Gone):
                raise
            raise Permanent(f"{self._place} {id}: it is there, and its relation is not; check the path") from None

    def _tombstones(self, deleted: Any, values: Mapping[str, Any]) -> Iterator[Page]:
        shape = Shape(self._entity, deleted.id)
        for turn in self._turns(deleted, values, Wanted(()), {}):
            answer = turn.answer
            yield Page(gone=tuple(shape.id(raw, answer.where) for raw in answer.records))

    def _turns(
        self, listing: Listing, values: Mapping[str, Any], wanted: Wanted, query: Mapping[str, Any]
    ) -> Iterator[Turn]:
        added = {**query, **_selected(listing.select, wanted)}

        def fetch(step: Step) -> Answer:
            return self._fetch(listing, values, added, step)

        yield from turn_pages(listing.page, fetch)

    def _fetch(self, listing: Listing, values: Mapping[str, Any], query: Mapping[str, Any], step: Step) -> Answer:
        try:
            verdict = self._requester.ask(listing, self._judge, values, repeatable=True, query=query, step=step)
        except ValueError as e:
            raise for_read(self._requester, self._name, e) from None
        if verdict.kind == "gone" and "id" in values:
            raise _NoSuch(str(verdict))
        raise_for(verdict)
        response = verdict.response
        body = response.json() if response.body else None
        records = pick(listing.records, body)
        if records is None and listing.page and listing.page.total and pick(listing.page.total, body) == 0:
            records = []  # SCIM may leave out an empty list: RFC 7644 3.4.2
        if not isinstance(records, list):
            raise Permanent(f"{response.where}: no list of records at '{listing.records}' in the answer")
        return Answer(
            response.where,
            body,
            records,
            response.headers,
            lambda link: self._requester.client.resolve(response, link),
        )

    def _cursor(self, changed: Changed | None, turn: Turn) -> str | None:
        if changed is None:
            return None
        if changed.cursor.token is not None:
            token = pick(changed.cursor.token, turn.answer.body)
            return None if token is None else str(token)
        return highest(changed.cursor, turn.answer.records)

    def _pushed(self, listing: Listing, by: Fields, default: Fields) -> dict[str, Any]:
        """Comparisons as parameters. Those of *default* go under their own name where nothing else is declared."""
        try:
            if listing.filter is not None and by:
                return {listing.filter.param: filter_text(listing.filter.language, by)}
        except ValueError as e:
            raise Permanent(f"{self._place}: {e}") from None
        return {listing.where.get(path, path): v for path, v in by.items() if path in listing.where or path in default}

    def _one(self, getting: Getting, id: str, wanted: Wanted) -> Record | Gone | Failed:
        query = _selected(getting.select, wanted)
        try:
            values = self.shape.id_values(id)
            verdict = self._requester.ask(getting, self._judge, values, repeatable=True, query=query)
        except ValueError as e:  # an id that cannot stand in a path was never given out by this system
            return Failed(id, f"{self._place}: {e}")
        response = verdict.response
        if response.status in getting.gone or verdict.kind == "gone":
            return Gone(id, _into(getting, id, json_of(response)))
        if verdict.kind == "refused" or response.status == 500:  # 500 is often one record that the system cannot show
            return Failed(id, str(verdict))
        raise_for(verdict)
        body = response.json()
        into = _into(getting, id, body)
        if getting.gone_when is not None and pick(getting.gone_when, body) is True:
            return Gone(id, into)
        try:
            record = self.record(pick(getting.record, body), response.where, response.headers, wanted)
        except _NoSuch:
            return Gone(id, into)
        if record.id != id and record.id == into:
            return Gone(id, into)
        return self._same(id, record)

    def _same(self, id: str, record: Record) -> Record | Failed:
        if record.id == id:
            return record
        return Failed(id, f"{self._place}: asked for {id}, was given {record.id}")

    def _several(self, getting: Getting, ids: Sequence[str], wanted: Wanted) -> Iterator[Record | Gone | Failed]:
        query = _selected(getting.select, wanted)
        try:
            verdict = self._requester.ask(getting, self._judge, {"ids": list(ids)}, repeatable=True, query=query)
        except ValueError as e:
            raise for_read(self._requester, self._name, e) from None
        if not verdict.fine:
            raise as_error(verdict)
        response = verdict.response
        found = pick(getting.records, response.json())
        if not isinstance(found, list):
            raise Permanent(f"{response.where}: no list of records at '{getting.records}' in the answer")
        records = {record.id: record for record in self._there(found, response.where, wanted)}
        for id in ids:
            yield records.get(id) or Gone(id)


def _selected(rule: Selected | None, wanted: Wanted) -> dict[str, Any]:
    if rule is None or not wanted.paths:
        return {}
    names = [path.segments for path in wanted.places]
    if rule.under is not None:
        names = [segments[1:] for segments in names if segments[0].name == rule.under and len(segments) > 1]
    return {rule.param: sorted({segments[0].name for segments in names})} if names else {}


def _into(getting: Getting, id: str, body: Any) -> str | None:
    """The record that the one called *id* was merged into, if the answer names another one."""
    found = pick(getting.into, body) if getting.into is not None else None
    named = as_text(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    return named if named not in ("", id) else None


def _nested(by: Fields) -> dict[str, Any]:
    return paths.patch({}, {paths.parse(path): value for path, value in by.items()})


def _equal(raw: Any, where: Fields) -> bool:
    return isinstance(raw, Mapping) and all(
        paths.read(raw, paths.parse(path)) == value
        and isinstance(paths.read(raw, paths.parse(path)), bool) == isinstance(value, bool)
        for path, value in where.items()
    )


def _alike(raw: Any, by: Fields) -> bool:
    """Whether a found record is about the values asked for: systems fold case and turn numbers into text.

    A system that ignores an unknown parameter answers with everything; adopting one of those would be a disaster.
    """
    return isinstance(raw, Mapping) and all(
        _folded(paths.read(raw, paths.parse(path))) == _folded(value) for path, value in by.items()
    )


def _folded(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value).strip().casefold()
