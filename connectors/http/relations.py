"""This is where relations are read out of answers, and members added and removed, one by one or together.

Adding and removing can be repeated without harm, so that these requests are, unlike the writes of records themselves.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors import paths
from connectors.base import Done, Lost, Members, NotSent, Outcome, Permanent, Refused, Stale, Write
from connectors.http.asking import Ask
from connectors.http.facts import Entity, Relation
from connectors.http.records import Shape
from connectors.http.requester import Requester, sent_or_not
from connectors.http.select import pick
from connectors.http.templates import as_text, fill, names_in
from connectors.http.verdict import Judge, Verdict


def members_in(listed: Iterable[Any], relation: Relation, where: str) -> list[str]:
    """The ids in what an answer lists, in a stable order. Raises Permanent for a thing that has none."""
    found = set()
    for thing in listed:
        id = pick(relation.take, thing)
        if id is None or id == "" or isinstance(id, list | Mapping | bool):
            raise Permanent(f"{where}: no member's id at '{relation.take}' of a listed thing")
        found.add(as_text(id))
    return sorted(found)


def members_shown(raw: Mapping[str, Any], relation: Relation, where: str) -> list[str]:
    """The ids that a record shows itself. Raises Permanent where there is no list."""
    assert relation.path is not None
    listed = paths.read(raw, paths.parse(relation.path))
    if listed is None or listed is paths.ABSENT:
        return []
    if not isinstance(listed, list):
        raise Permanent(f"{where}: no list at '{relation.path}' in the record")
    return members_in(listed, relation, where)


class Mover:
    """Changes the relations of the records of one entity."""

    def __init__(self, requester: Requester, place: str, entity: Entity) -> None:
        self._requester, self._place = requester, place
        self._relations = {f"@{name}": relation for name, relation in entity.relations.items()}
        self._judge = Judge(entity.errors, entity.messages)
        self._shape = Shape(entity)

    def after(self, outcome: Outcome, write: Write, *, begun: bool) -> Outcome:
        """The outcome of the whole write, its record's own being *outcome*. *begun*: a request was made for that."""
        if not isinstance(outcome, Done):
            return outcome
        moved = self._moved(outcome.id, write.members, begun=begun)
        if write.op == "create":
            return replace(outcome, record=None, without={name: _message(bad) for name, bad in moved})
        return next((bad for _, bad in moved), replace(outcome, record=None))

    def _moved(self, id: str, members: Mapping[str, Members], *, begun: bool) -> Iterator[tuple[str, Outcome]]:
        """What went wrong with each relation, none of which stops the next."""
        for name, moving in members.items():
            for bad in self._requests(name, id, moving, begun=begun):
                if bad is not None:
                    yield name, bad
                    break
                begun = True

    def _requests(self, name: str, id: str, moving: Members, *, begun: bool) -> Iterator[Outcome | None]:
        relation = self._relations.get(name)
        if relation is None or (moving.add and not relation.add) or (moving.remove and not relation.remove):
            yield Refused(f"{self._place} {id}: the definition does not say how {name} is written")
            return
        for ask, ok, members in (
            (relation.add, relation.already.add, moving.add),
            (relation.remove, relation.already.remove, moving.remove),
        ):
            for some in _groups(ask, members, relation.size):
                assert ask
                yield self._request(ask, ok, relation, id, some, begun=begun)
                begun = True

    def _request(
        self, ask: Ask, ok: Sequence[int], relation: Relation, id: str, some: Sequence[Any], *, begun: bool
    ) -> Outcome | None:
        who = ", ".join(as_text(member) for member in some[:3]) + (" ..." if len(some) > 3 else "")
        try:
            known = self._shape.id_values(id)
            items = [fill(relation.item, {**known, "member": as_text(member)}) for member in some]
            values = {**known, "member": as_text(some[0]), "members": items}
            sent = sent_or_not(lambda: self._requester.ask(ask, self._judge, values, repeatable=True))
        except ValueError as error:
            return Refused(f"{self._place} {id}: {who}: {error}")
        bad = self._outcome(sent, ok, who) if isinstance(sent, Verdict) else sent
        if begun and isinstance(bad, NotSent):  # something was: that this was not is not the whole truth
            return Refused(bad.message) if bad.permanent else Lost(bad.message)
        return bad

    def _outcome(self, verdict: Verdict, ok: Sequence[int], who: str) -> Outcome | None:
        if verdict.fine or verdict.response.status in ok:
            return None
        text = f"{verdict.response.where}: {who}: {verdict.response.status} {verdict.message}".rstrip()
        match verdict.kind:
            case "rate":
                return NotSent(text, verdict.retry_after)
            case "auth":
                return NotSent(f"{text}: not let in; check auth: and permissions", permanent=True)
            case "stale":
                return Stale(text)
            case "temporary":
                return Lost(text)
            case _:
                return Refused(text)


def _groups(ask: Ask | None, members: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    together = ask is not None and "members" in names_in([ask.query, ask.body])
    each = size if together else 1
    yield from (members[at : at + each] for at in range(0, len(members), each))


def _message(outcome: Outcome) -> str:
    return str(getattr(outcome, "message", outcome))
