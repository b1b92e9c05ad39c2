"""This is where a wish becomes one request and its answer one outcome; a maybe is never called a failure.

    nothing was sent, or the system said "later"      NotSent
    not let in, no such collection                    NotSent(permanent=True)
    the system looked at it and will not have it      Refused, in its own words
    the record changed meanwhile                      Stale
    the system took the order and does it later       Pending
    sent, and no answer that settles it (timeouts, resets, 5xx, redirects, unreadable answers)      Lost
A write is sent once: the budget repeats it only after what certainly did not happen.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from connectors import paths
from connectors.base import (
    ConnectorError,
    Done,
    Failed,
    Gone,
    Lost,
    NotSent,
    Outcome,
    Pending,
    Permanent,
    Record,
    Refused,
    Stale,
    Temporary,
    Write,
)
from connectors.http.asking import Ask
from connectors.http.client import Response
from connectors.http.facts import Creating, Deleting, Entity, Updating, Writing
from connectors.http.jobs import Job
from connectors.http.reading import Reader
from connectors.http.records import Shape, Wanted
from connectors.http.relations import Mover
from connectors.http.requester import Requester, sent_or_not
from connectors.http.scim import scim_patch
from connectors.http.select import pick
from connectors.http.templates import as_text, fill, names_in
from connectors.http.verdict import Judge, Verdict, raise_for

_OPS = ("create", "update", "delete", "deactivate")


class Writer:
    """Writes records of one entity, one request each."""

    def __init__(self, requester: Requester, name: str, entity: Entity, reader: Reader) -> None:
        self._requester, self._name, self._entity, self.reader = requester, name, entity, reader
        self._judge = Judge(entity.errors, entity.messages)
        self._shape = Shape(entity)
        self._mover = Mover(requester, f"{requester.system} {name}", entity)

    def write(self, write: Write, wanted: Wanted, more: Mapping[str, Any] | None = None) -> Outcome:
        """What came of one write, with its members; never raises for it. *more* may be asked for by its request."""
        alone = bool(write.fields) or write.op != "update" or not write.members
        shown = Wanted(()) if write.members else wanted
        outcome = self._alone(write, shown, more) if alone else Done(write.id or "")
        return self._mover.after(outcome, write, begun=alone) if write.members else outcome

    def _alone(self, write: Write, wanted: Wanted, more: Mapping[str, Any] | None) -> Outcome:
        how = self._entity.operation(write.op)
        if how is None:
            return NotSent(f"{self._place}: the definition has no write.{write.op}", permanent=True)
        try:
            if isinstance(how, Updating) and self._entity.rereads(how):
                sent = self._send_reread(how, write)
            else:
                sent = self._send(how, write, write.fields, write.version, more)
        except ValueError as e:  # a value that cannot be put into the request
            return Refused(f"{self._place}: {e}")
        return self.outcome(how, write, sent, wanted) if isinstance(sent, Verdict) else sent

    @property
    def _place(self) -> str:
        return f"{self._requester.system} {self._name}"

    def _send_reread(self, how: Updating, write: Write) -> Verdict | Outcome:
        """Read, change and send back: the record, or the objects in it that the change touches."""
        try:
            seen = self.reader.raw(write.id or "")
        except Temporary as e:
            return NotSent(str(e), e.retry_after)
        except ConnectorError as e:
            return NotSent(str(e), permanent=True)
        match seen:
            case Gone(id):
                return Stale(f"{self._place} {id}: no such record any more")
            case Failed(_, message):
                return NotSent(message)
            case (record, version):
                if version != write.version if write.version is not None else not _holds(record, write.before or {}):
                    return Stale(f"{self._place} {write.id}: changed since it was read")
                fields = _merged(record, write.fields)
                touched = fields if how.send == "whole" else {name: fields[name] for name in write.fields}
                return self._send(how, write, touched, version)

    def _send(
        self,
        how: Writing,
        write: Write,
        fields: Mapping[str, Any],
        version: str | None,
        more: Mapping[str, Any] | None = None,
    ) -> Verdict | Outcome:
        values = self.values(how, write, fields, version) | dict(more or {})
        headers = {}
        if how.precondition is not None and version is not None:
            headers[how.precondition.header] = version
        if isinstance(how, Creating) and how.idempotency is not None and write.key is not None:
            headers[how.idempotency.header] = write.key
        ask = self._with_body(how, values)
        return sent_or_not(lambda: self._requester.ask(ask, self._judge, values, repeatable=False, headers=headers))

    def values(self, how: Writing, write: Write, fields: Mapping[str, Any], version: str | None) -> dict[str, Any]:
        if isinstance(how, Creating) and how.marker is not None and write.marker is not None:
            marked = paths.patch(fields, {paths.parse(how.marker.field): write.marker})
            fields = _merged(fields, marked)
        values: dict[str, Any] = {"fields": fields, "op": write.op}
        values |= {name: v for name, v in (("key", write.key), ("marker", write.marker), ("version", version)) if v}
        return values | (self._shape.id_values(write.id) if write.id is not None else {})

    def _with_body(self, how: Writing, values: Mapping[str, Any]) -> Ask:
        """The request with its default body: the fields themselves, for all but deletes."""
        body = how.body
        if body is None and not isinstance(how, Deleting):
            body = "{fields}"
        if isinstance(how, Updating) and how.send == "scim_patch":
            body = scim_patch(fill(body, values))
        return how if body is how.body else how.model_copy(update={"body": body})

    def outcome(self, how: Writing, write: Write, verdict: Verdict, wanted: Wanted) -> Outcome:
        status = verdict.response.status
        if verdict.fine and is_a_page(verdict.response):
            return Lost(f"{verdict.response.where}: {status} with a web page; a login or a proxy may have answered")
        if verdict.fine and how.job and (job := pick(how.job.id, readable(verdict.response))) is not None:
            return Pending(f"{write.op} {as_text(job)}")
        if isinstance(how, Deleting) and (verdict.fine or status in how.already_gone):
            return Done(write.id or "")
        if not verdict.fine and status in how.stale:
            return Stale(str(verdict))
        if verdict.kind is None:
            return self._done(how, write, verdict.response, wanted)
        if verdict.kind == "gone" and isinstance(how, Creating) and not names_in(how.path):
            return NotSent(f"{verdict}: there is no such collection; check the path", permanent=True)
        return trouble(verdict)

    def poll(self, job: str) -> Outcome:
        """How a job stands. Raises what a read raises."""
        op, _, id = job.partition(" ")
        how = self._entity.operation(op) if op in _OPS else None  # type: ignore[arg-type]  # it is one of them
        if how is None or how.job is None:
            return Lost(f"{self._place}: the definition says nothing of jobs any more, {job}")
        try:
            verdict = self._requester.ask(how.job.poll, self._judge, {"job": id}, repeatable=True)
        except ValueError as e:
            return Lost(f"{self._place}: {e}")
        if verdict.kind == "gone":
            return Lost(str(verdict))
        raise_for(verdict)
        body = readable(verdict.response)
        state = as_text(pick(how.job.state, body))
        if state in how.job.done:
            return self._finished(how.job, verdict.response, body)
        if state in how.job.failed:
            judge = Judge(self._entity.errors, (*([how.job.error] if how.job.error else []), *self._entity.messages))
            words = judge.words_in(body, self._requester.client.credentials.hide)
            return Refused(f"{verdict.response.where}: {words or state}")
        return Pending(job)

    def _finished(self, job: Job, response: Response, body: Any) -> Outcome:
        """What a finished job made. The record is not read back in the write's own answer, so its version proves
        nothing; whoever needs it reads it."""
        raw = pick(job.record, body) if job.record else None
        rule = None if isinstance(raw, dict) else job.made
        shown = raw if isinstance(raw, dict) else body
        if not isinstance(shown, dict) or (raw is None and rule is None):
            return Done("")
        try:
            return Done(Shape(self._entity, rule).id(shown, response.where))
        except Permanent as e:
            return Lost(str(e))

    def _done(self, how: Writing, write: Write, response: Response, wanted: Wanted) -> Outcome:
        body = readable(response)
        record = self._record(how, response, body, wanted)
        shown = pick(how.record, body) if how.record else body
        version = self._shape.version(shown if isinstance(shown, dict) else None, response.headers)
        if write.id is not None:
            return Done(write.id, version, record)
        id = record.id if record else self._new_id(how, response, body)
        if id is None:
            return Lost(f"{response.where}: {response.status}, created it seems, but the answer does not say its id")
        return Done(id, version, record)

    def _record(self, how: Writing, response: Response, body: Any, wanted: Wanted) -> Record | None:
        raw = pick(how.record, body) if how.record else None
        if not isinstance(raw, dict):
            return None
        try:
            return self.reader.record(raw, response.where, response.headers, wanted)
        except ConnectorError:
            return None

    def _new_id(self, how: Writing, response: Response, body: Any) -> str | None:
        rule = how.id if isinstance(how, Creating) and how.id else self._entity.id
        if isinstance(body, dict):
            try:
                return Shape(self._entity, rule).id(body, response.where)
            except Permanent:
                pass
        last = urlsplit(response.headers.get("location", "")).path.rstrip("/").rpartition("/")[2]
        return unquote(last) if last and isinstance(rule, str) else None


def trouble(verdict: Verdict) -> Refused | Stale | NotSent | Lost:
    """What came of a write that was answered, and not granted."""
    match verdict.kind:
        case "rate":
            return NotSent(str(verdict), verdict.retry_after)
        case "auth":
            return NotSent(f"{verdict}: not let in; check auth: and permissions", permanent=True)
        case "stale":
            return Stale(str(verdict))
        case "refused" | "gone":
            return Refused(str(verdict))
        case "permanent" | "cursor_expired" if verdict.response.status >= 400:
            return NotSent(str(verdict), permanent=True)
        case _:
            return Lost(str(verdict))


def readable(response: Response) -> Any:
    try:
        return response.json() if response.body else None
    except ConnectorError:
        return None


def is_a_page(response: Response) -> bool:
    """Whether something answered that people read: no proof that the system did what it was asked."""
    return "html" in response.headers.get("content-type", "") and bool(response.body.strip())


def _holds(record: Any, seen: Any) -> bool:
    """Whether *record* still shows everything in *seen*; what is absent counts as null."""
    if isinstance(seen, Mapping):
        return all(_holds(record.get(n) if isinstance(record, Mapping) else None, part) for n, part in seen.items())
    return bool(record == seen) and isinstance(record, bool) == isinstance(seen, bool)


def _merged(record: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(record)
    for name, value in fields.items():
        known = merged.get(name)
        inside = isinstance(value, Mapping) and isinstance(known, Mapping)
        merged[name] = _merged(known, value) if inside else value  # type: ignore[arg-type]  # both are mappings
    return merged
