"""This is where a record is born in several requests, none of which is ever made twice.

The first attempt makes one step after the other. A step that is refused stops it: what was made is told with its
answers, so that the next attempt goes on there. A step whose answer is lost leaves all in doubt: the next attempt looks
for each by its `find` before it makes it, up to the first that is not there.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.base import (
    RECORD,
    ConnectorError,
    Done,
    Lost,
    NotSent,
    Outcome,
    Partial,
    Refused,
    Stale,
    Temporary,
    Write,
)
from connectors.http.facts import Creating, Entity
from connectors.http.records import Shape, Wanted
from connectors.http.requester import Requester, sent_or_not
from connectors.http.select import pick
from connectors.http.stages import Probe, Step
from connectors.http.verdict import Judge, Verdict, raise_for
from connectors.http.writing import Writer, is_a_page, readable, trouble


class Steps:
    """Makes records of one entity whose `create` has steps."""

    def __init__(self, requester: Requester, entity: Entity, writer: Writer) -> None:
        self._requester, self._writer, self._create = requester, writer, entity.write.create
        self._judge = Judge(entity.errors, entity.messages)
        self._shape = Shape(entity)

    def create(self, write: Write, wanted: Wanted) -> Outcome:
        """What came of one create; never raises for it."""
        how = self._create
        assert how is not None
        made = _Made(dict(write.done), doubt=write.doubt)
        order = _in_order(how)
        outcome: Outcome = _NOTHING
        for name, step in order:
            if name in made.done:
                continue
            outcome = self._record(how, write, made, wanted) if step is None else self._step(how, step, write, made)
            if not isinstance(outcome, Done):
                made.done = {name: made.done[name] for name, _ in order if name in made.done}
                return _stopped(outcome, made)
        born = outcome if order[-1][0] == RECORD else _NOTHING  # else the answer shows what was before the last steps
        assert isinstance(born, Done)
        return replace(born, id=made.done[RECORD], steps=tuple(name for name, _ in order))

    def _record(self, how: Creating, write: Write, made: "_Made", wanted: Wanted) -> Outcome:
        """The step that makes the record. Whether it is there already, the engine has asked, or its key tells."""
        doubt, made.doubt = made.doubt, False
        born = self._writer.write(write, wanted, more=made.answers)
        if isinstance(born, Done):
            made.done[RECORD] = born.id
            made.doubt = doubt and how.idempotency is not None  # it may be the record of an earlier attempt
        return born

    def _step(self, how: Creating, step: Step, write: Write, made: "_Made") -> Outcome:
        try:
            values = self._values(how, write, made)
            if made.doubt and (found := self._found(step.find, values)) is not None:
                made.done[step.name] = found
                return _NOTHING
            made.doubt = False
            sent = sent_or_not(lambda: self._requester.ask(step, self._judge, values, repeatable=False))
        except Temporary as e:
            return NotSent(f"step '{step.name}': {e}", e.retry_after)
        except ConnectorError as e:
            return NotSent(f"step '{step.name}': {e}", permanent=True)
        except ValueError as e:
            return Refused(f"step '{step.name}': {e}")
        answer = self._answer(step, sent) if isinstance(sent, Verdict) else sent
        if isinstance(answer, _Answer):
            made.done[step.name] = answer.value
            return _NOTHING
        return _named(step, answer)

    def _values(self, how: Creating, write: Write, made: "_Made") -> dict[str, Any]:
        values = self._writer.values(how, replace(write, id=made.done.get(RECORD)), write.fields, None)
        return values | made.answers

    def _found(self, probe: Probe, values: Mapping[str, Any]) -> Any:
        """What a step made that was made before; None where it was not. Raises what a read raises."""
        verdict = self._requester.ask(probe, self._judge, values, repeatable=True)
        if verdict.response.status in probe.gone:
            return None
        raise_for(verdict)
        found = pick(probe.at, verdict.response.json() if verdict.response.body else None)
        return None if found is False or found == [] else found

    def _answer(self, step: Step, verdict: Verdict) -> "_Answer | Outcome":
        if not verdict.fine:
            return trouble(verdict)
        if is_a_page(verdict.response):
            return Lost(f"{verdict.response.where}: a web page; a login or a proxy may have answered")
        return _Answer(pick(step.take, readable(verdict.response)))


class _Made:
    """How far a birth has come."""

    def __init__(self, done: dict[str, Any], *, doubt: bool) -> None:
        self.done, self.doubt = done, doubt

    @property
    def answers(self) -> dict[str, Any]:
        """What later requests may ask for by name."""
        return {name: value for name, value in self.done.items() if name != RECORD}


class _Answer:
    """What a step that was granted has answered, which may be nothing."""

    def __init__(self, value: Any) -> None:
        self.value = value


_NOTHING = Done("")


def _in_order(how: Creating) -> list[tuple[str, Step | None]]:
    """The steps by name, and the record in their midst."""
    before = [(step.name, step) for step in how.steps if step.before]
    return [*before, (RECORD, None), *((step.name, step) for step in how.steps if not step.before)]


def _stopped(outcome: Outcome, made: _Made) -> Outcome:
    """What came of an attempt that did not come to its end."""
    if not isinstance(outcome, Refused | Stale | NotSent):
        return outcome
    if made.doubt:
        return Lost(outcome.message)  # the step could not be looked for, so it may be there
    return Partial(made.done, outcome) if made.done else outcome


def _named(step: Step, outcome: Outcome) -> Outcome:
    assert isinstance(outcome, Refused | Stale | NotSent | Lost)
    return replace(outcome, message=f"step '{step.name}': {outcome.message}")
