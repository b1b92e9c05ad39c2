"""This is where a record that is gone finds who goes on for it: a newcomer with its key, or whom it was merged into.

`cases.recreated` decides about the former, `cases.merged` about the latter, which only a system can tell. Whoever goes
on keeps the pair with all that was agreed: what it shows as before is no edit, and what it shows otherwise is one. The
other side's record is never deleted for a merge.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from connectors.base import Gone, Record
from daemon.core.model import Decision, Half, Item, Look, Pair
from daemon.core.plan import decide_pair
from daemon.core.rules import SIDES, Side, other
from daemon.engine.context import Context
from daemon.engine.lookers import Lookers
from daemon.engine.partners import held_loner, newcomer
from daemon.engine.view import View

HOPS = 5
"""Merges in a row that are followed: B into A, A into another one."""


class Heirs:
    """Who may go on for records that are gone. An heir that does looks for no partner any more."""

    def __init__(self, context: Context, lookers: Mapping[Side, Lookers]) -> None:
        self._context, self._lookers = context, lookers
        self.apart: set[int] = set()
        """Pairs whose match keys stand in nobody's way: the newcomer that carries them is somebody else."""
        self.waiting: list[Decision] = []
        """Survivors of a merge that wait with the pair that they may go on with."""

    def meet(self, decision: Decision) -> Decision:
        """*decision* again, if one of its records is gone and another one goes on for it."""
        if decision.pair.state == "retired":
            return decision
        for side in SIDES:
            look = decision.look(side)
            if look.presence != "gone" or decision.pair.half(side) is None:
                continue
            if decision.look(other(side)).presence == "here":
                return self._merged(decision, side, look.into) if look.into else self._recreated(decision, side)
            if look.into and decision.state == "retired":
                return replace(decision, reason="merged")
            if decision.look(other(side)).presence == "unknown":
                return self._until_seen(decision, side)
        return decision

    def _until_seen(self, decision: Decision, side: Side) -> Decision:
        """Who may go on for a record waits with the pair for as long as nobody knows how the partner stands."""
        half = decision.pair.half(side)
        carriers = [number for number, _ in self._carriers(side, half)] if half else []
        if not carriers:
            return decision
        self._lookers[side].leave(carriers)
        self._context.deferred = True
        heir = self._lookers[side].item(carriers[0]).record.id
        why = f"gone on {side}, and {heir} carries its match key; the other record cannot be read yet"
        return _waits(decision, "unreachable", why)

    def _recreated(self, decision: Decision, side: Side) -> Decision:
        """A record that is gone while a newcomer carries its match key got another id, more likely than not."""
        half, case = decision.pair.half(side), self._context.sync.cases.recreated
        assert half
        found = self._chosen(side, decision.pair) or self._carriers(side, half)
        if not found:
            return decision
        if case == "new" and not self._chosen(side, decision.pair):
            self.apart.add(decision.pair.key)
            return decision
        number, sure = found[0]
        lookers = self._lookers[side]
        if (case == "relink" or self._chosen(side, decision.pair)) and len(found) == 1 and sure:
            lookers.leave([number])
            return self._goes_on(decision, side, lookers.item(number), lookers.pair(number))
        return _held_for(decision, side, [lookers.item(number).record.id for number, _ in found])

    def _chosen(self, side: Side, pair: Pair) -> list[tuple[int, bool]]:
        """The successor that a person has chosen, if it still looks for a partner."""
        number = self._lookers[side].number(pair.detail["chosen"]) if "chosen" in pair.detail else None
        return [] if number is None else [(number, True)]

    def _carriers(self, side: Side, half: Half) -> list[tuple[int, bool]]:
        """Who carries a match key of *half*, and whether nobody has to be asked if that makes them the same."""
        found: dict[int, bool] = {}
        for alternative, key in zip(self._context.sync.match_on, half.keys, strict=False):
            for number in self._lookers[side].carriers([key]):
                own = self._lookers[side].pair(number)
                given_up = own is not None and {"parted", "look"} & own.detail.keys()
                found.setdefault(number, alternative.confirm == "auto" and not given_up)
        return list(found.items())

    def _merged(self, decision: Decision, side: Side, into: str) -> Decision:
        """The system joined the record with another one, which takes the pair over if it has none of its own."""
        context, half = self._context, decision.pair.half(side)
        assert half
        answer = self._survivor(side, into)
        if isinstance(answer, Gone) and not answer.into:
            return decision  # whoever it was merged into is gone as well
        what = f"{half.id} was merged into {into} on {side}"
        if not isinstance(answer, Record):
            return _waits(decision, "unreachable", f"{what}, which cannot be read")
        if not context.views[side].in_scope(answer):
            return _waits(decision, "merged", f"{what}, which is out of scope")
        known = context.store.pairs.known(context.row.id, side, [answer.id]).get(answer.id)
        own = context.store.pairs.get([known.key])[known.key] if known else None
        if own and own.left and own.right:
            return _waits(decision, "merged", f"{what}, and {_told(own)} and {_told(decision.pair)} are two pairs")
        looking = self._lookers[side].number(answer.id)
        item = context.views[side].item(answer)
        self._lookers[side].leave([] if looking is None else [looking])
        if context.sync.cases.merged == "follow" or decision.pair.detail.get("chosen") == answer.id:
            return self._goes_on(decision, side, item, own)
        if looking is not None:
            alone = own or newcomer(context.store.pairs.new_keys(1)[0], side, item)
            told = {"why": f"{half.id} was merged into it, and waits for a person"}
            self.waiting.append(held_loner(side, alone, item, "merged", told))
        why = f"{what}; `held retry` lets {answer.id} go on for it"
        return replace(_waits(decision, "merged", why), detail={"why": why, "heir": {side: answer.id}})

    def _survivor(self, side: Side, into: str) -> object:
        """The record that is left at the end of a chain of merges; of one too long to follow, its last link."""
        answer: object = None
        for _ in range(HOPS):
            answer = self._context.get(side, [into])[into]
            if not (isinstance(answer, Gone) and answer.into):
                break
            into = answer.into
        return answer

    def _goes_on(self, decision: Decision, side: Side, item: Item, own: Pair | None) -> Decision:
        """The pair with *item* in place of the record that is gone; *own* is the row that it had for itself."""
        context, pair = self._context, decision.pair
        half = pair.half(side)
        assert half
        heir = carried_over(context.views[side], half, item)
        pair = replace(pair, left=heir) if side == "left" else replace(pair, right=heir)
        looks = {side: Look("here", item), other(side): decision.look(other(side))}
        again = decide_pair(context.sync, pair, looks["left"], looks["right"], context.notcher.line)
        return replace(again, absorbs=own.key if own and own.since else 0, relinks=True)


def carried_over(view: View, half: Half, item: Item) -> Half:
    """*half*, whose record goes on as *item*. Digests are mixed with the id: those of what shows as before are renewed.

    The others stay as they are, so that they differ from everything that the new record can show.
    """
    as_before = view.digests(replace(item.record, id=half.id))

    def renewed(known: Mapping[str, bytes]) -> dict[str, bytes]:
        return {n: item.digests[n] if n in as_before and as_before[n] == d else d for n, d in known.items()}

    return Half(item.record.id, None, b"", renewed(half.agreed), renewed(half.sent), item.keys)


def _held_for(decision: Decision, side: Side, heirs: list[str]) -> Decision:
    if len(heirs) > 1:
        why = f"gone on {side}, and {', '.join(heirs[:5])} carry its match key; make the keys differ"
        return replace(_waits(decision, "case", why), detail={"why": why, "heirs": heirs[:5]})
    (heir,) = heirs
    why = f"gone on {side}, and {heir} carries its match key; `held retry` makes {heir} its successor"
    return replace(_waits(decision, "case", why), detail={"why": why, "heir": {side: heir}})


def _waits(decision: Decision, reason: Any, why: str) -> Decision:
    return replace(decision, changes=(), state="held", reason=reason, detail={"why": why}, held={}, line=b"")


def _told(pair: Pair) -> str:
    return " <-> ".join(half.id for half in _halves(pair))


def _halves(pair: Pair) -> Iterable[Half]:
    return (half for half in (pair.left, pair.right) if half)
