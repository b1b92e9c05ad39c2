"""This is where several writes travel in one request, where the system can, and each still gets its own outcome."""

from collections.abc import Iterator, Sequence
from typing import Any

from connectors.base import ConnectorError, Done, Lost, NotSent, Outcome, Permanent, Record, Refused, Write
from connectors.http.facts import Batching, Creating, Entity, Updating, Writing
from connectors.http.records import Shape, Wanted
from connectors.http.requester import Requester, sent_or_not
from connectors.http.select import pick
from connectors.http.stepwise import Steps
from connectors.http.templates import fill, names_in
from connectors.http.verdict import Judge, Verdict
from connectors.http.writing import Writer, readable


class Batcher:
    """Writes records of one entity, together where that loses nothing, one by one where not."""

    def __init__(self, requester: Requester, name: str, entity: Entity, writer: Writer) -> None:
        self._requester, self._place, self._entity = requester, f"{requester.system} {name}", entity
        self.writer = writer
        """One by one."""
        self._steps = Steps(requester, entity, writer)
        self._judge = Judge(entity.errors, entity.messages)

    def write(self, writes: Sequence[Write], wanted: Wanted) -> Iterator[Outcome]:
        """One outcome per write, in order."""
        batching = self._entity.write.batch
        for group in self._groups(writes, batching):
            if batching is None or len(group) == 1:
                yield from (self._alone(write, wanted) for write in group)
            else:
                yield from self._together(batching, group, wanted)

    def _alone(self, write: Write, wanted: Wanted) -> Outcome:
        stepwise = write.op == "create" and self._entity.write.create and self._entity.write.create.steps
        return self._steps.create(write, wanted) if stepwise else self.writer.write(write, wanted)

    def _groups(self, writes: Sequence[Write], batching: Batching | None) -> Iterator[list[Write]]:
        group: list[Write] = []
        for write in writes:
            joins = batching is not None and self._fits(batching, write)
            if group and (not joins or group[0].op != write.op or batching is None or len(group) == batching.size):
                yield group
                group = []
            if joins:
                group.append(write)
            else:
                yield [write]
        if group:
            yield group

    def _fits(self, batching: Batching, write: Write) -> bool:
        """A precondition or a key that the item has no place for would be lost: such a write goes alone. So does one
        that needs the record as it is, and one in steps."""
        how = self._entity.operation(write.op)
        if how is None or write.op not in batching.ops or write.members:
            return False
        taken = names_in(batching.item)
        guarded = how.precondition is not None and write.version is not None and "version" not in taken
        rereads = isinstance(how, Updating) and self._entity.rereads(how)
        stepwise = isinstance(how, Creating) and bool(how.steps)
        keyed = getattr(how, "idempotency", None) is not None and write.key is not None and "key" not in taken
        return not (guarded or keyed or rereads or stepwise or how.job)

    def _together(self, batching: Batching, group: list[Write], wanted: Wanted) -> Iterator[Outcome]:
        how = self._entity.operation(group[0].op)
        assert how is not None
        try:
            known = [self.writer.values(how, write, write.fields, write.version) for write in group]
            values = {"op": group[0].op, "items": [fill(batching.item, one) for one in known]}
            sent = sent_or_not(lambda: self._requester.ask(batching, self._judge, values, repeatable=False))
        except ValueError:  # one of them does not fit: alone, only that one is refused
            sent = Refused("")
        if isinstance(sent, Verdict) and (sent.fine or self._told_each(batching, group, sent)):
            yield from self._results(batching, group, sent, wanted)
            return
        outcome = self._of_all(how, group, sent, wanted) if isinstance(sent, Verdict) else sent
        if isinstance(outcome, Refused) and not batching.atomic:
            yield from (self.writer.write(write, wanted) for write in group)
        else:
            yield from (outcome for _ in group)

    def _of_all(self, how: Writing, group: list[Write], verdict: Verdict, wanted: Wanted) -> Outcome:
        if verdict.kind == "gone":  # the batch's own address; it says nothing of the records
            return NotSent(f"{verdict}: there is no such batch request; check the path", permanent=True)
        return self.writer.outcome(how, group[0], verdict, wanted)

    def _told_each(self, batching: Batching, group: list[Write], verdict: Verdict) -> bool:
        """Whether a refused batch nevertheless tells what came of each: some of it may have happened."""
        found = pick(batching.results.at, readable(verdict.response)) if verdict.kind == "refused" else None
        return isinstance(found, list) and len(found) == len(group)

    def _results(self, batching: Batching, group: list[Write], verdict: Verdict, wanted: Wanted) -> Iterator[Outcome]:
        response = verdict.response
        results = pick(batching.results.at, readable(response))
        if not isinstance(results, list) or len(results) != len(group):
            told = len(results) if isinstance(results, list) else "no"
            message = f"{response.where}: {response.status} with {told} results for {len(group)} writes"
            yield from (Lost(message) for _ in group)
            return
        for write, result in zip(group, results, strict=True):
            yield self._result(batching, write, result, verdict, wanted)

    def _result(self, batching: Batching, write: Write, result: Any, verdict: Verdict, wanted: Wanted) -> Outcome:
        where = verdict.response.where
        if pick(batching.results.ok, result) is not True:
            words = self._judge.words_in(result, self._requester.client.credentials.hide)
            return Refused(f"{where}: {words or 'refused without a reason'}")
        record = self._record(batching, result, where, wanted)
        if write.id is not None:
            return Done(write.id, record.version if record else None, record)
        if record is not None:
            return Done(record.id, record.version, record)
        try:
            return Done(Shape(self._entity, batching.results.id).id(result, where))
        except Permanent as e:
            return Lost(str(e))

    def _record(self, batching: Batching, result: Any, where: str, wanted: Wanted) -> Record | None:
        raw = pick(batching.results.record, result) if batching.results.record else None
        try:
            return self.writer.reader.record(raw, where, {}, wanted) if isinstance(raw, dict) else None
        except ConnectorError:
            return None
