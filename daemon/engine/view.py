"""This is where a record is seen through a sync: raw inputs to digests and, where it moved, to shared values."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from connectors.base import Capabilities, ConnectorError, Fields, Record
from connectors.paths import ABSENT, Path, parse, read_many
from daemon.core.digests import Notcher
from daemon.core.members import in_place, keyed, notch_of
from daemon.core.model import UNANSWERED, Half, Item, Target
from daemon.core.rules import Lens, Read, Ref, Rule, Side, Sync
from daemon.core.types import empty
from daemon.engine.references import Meaning, References


class View:
    """One side of one sync at one moment."""

    def __init__(
        self,
        sync: Sync,
        side: Side,
        notcher: Notcher,
        capabilities: Capabilities,
        at: datetime,
        references: References,
    ) -> None:
        self.sync = sync
        self.side: Side = side
        self.end = sync.end(side)
        self.capabilities = capabilities
        self.wanted = sync.wanted(side)
        self.at = at
        self.references = references
        self._notcher = notcher
        self.sets = frozenset(rule.name for rule in sync.rules if rule.merge)
        self._lenses = [(rule, lens) for rule in sync.rules if (lens := rule.lens(side))]
        self._columns = [(rule, lens.read, _raw(lens), lens.volatile) for rule, lens in self._lenses]
        self._links = [(ref, lens.read) for rule, lens in self._lenses if (ref := _cheap(rule, side))]
        paths = [path for _, lens in self._lenses for path in lens.paths]
        self._inputs = _inputs([*paths, *self.end.scope_paths, *sync.asked(side)])
        self._emptiness = capabilities.empty
        newest = [rule.name for rule in sync.rules if "newest" in (rule.wins, rule.first)]
        self._timed = bool(newest) and capabilities.times_trusted
        self._untimed = [] if capabilities.times_trusted else newest
        self.mapped = 0
        """Records that were mapped in this run."""
        self._empty = {rule.name: 0 for rule, _ in self._lenses}

    def seen(self, record: Record) -> bytes:
        """The digest over all raw inputs: the fast path, once per record of every listing."""
        inputs = self._inputs(record.fields)
        if self._links:
            inputs = [inputs, [self._partner(ref, read, record.fields) for ref, read in self._links]]
        return self._notcher.seen(self.side, record.id, inputs)

    def expect(self, records: Sequence[Record]) -> None:
        """Look up in one go to whom the references of a page's records lead."""
        for ref, read in self._links:
            names = (self._name(read, record.fields) for record in records)
            self.references.expect(ref, self.side, [name for name in names if not empty(name)])

    def in_scope(self, record: Record) -> bool:
        """Whether the record takes part. A scope that cannot be answered leaves it in, where a fault is shown."""
        if self.end.canary is not None and record.id == self.end.canary.id:
            return False
        if self.end.scope is None:
            return True
        try:
            return self.end.scope(record.fields, self.at)
        except ValueError:
            return True

    def may_be_born(self, record: Record) -> bool:
        """The answer of create.when."""
        return self.sync.create_when is None or self.sync.create_when(record.fields, self.at)

    def item(self, record: Record) -> Item:
        """The record with its shared values, digests and match keys."""
        fields, values, faults = record.fields, dict[str, Any](), dict[str, str]()
        notches, awaits = [], dict[str, tuple[Target, ...]]()
        for rule, read, raw, volatile in self._columns:
            name, partner = rule.name, None
            try:
                value = self._shown(read(fields, self.at))
                if rule.ref:
                    meaning = self._meaning(rule, value)
                    value, partner = meaning.value, meaning.partner
                    if meaning.awaits:
                        awaits[name] = meaning.awaits
                    if meaning.fault:
                        faults[name] = meaning.fault
            except ConnectorError:
                raise
            except Exception as fault:  # whatever one field's value does, the other fields and records go on
                value, faults[name] = ABSENT, str(fault) if isinstance(fault, ValueError) else repr(fault)
            values[name] = value
            notches.append((name, _notch(raw(fields), volatile, value, partner)))
            if (value is None or value is ABSENT) and name not in faults:
                self._empty[name] += 1
        self.mapped += 1
        digests = self._notcher.fields(self.side, record.id, notches)
        keys, (ended, urgent) = self._keys(values, faults), self._answers(record, faults)
        time = _moment(record.version) if self._timed else None
        return Item(record, values, faults, digests, self.seen(record), keys, awaits, time, ended, urgent)

    def _answers(self, record: Record, faults: dict[str, str]) -> tuple[bool, bool]:
        """Whether the record's time is over, and whether it is urgent; what cannot be answered is not urgent."""
        over, urgent = self.sync.ending.when if self.sync.ending else None, self.sync.urgent
        ended = hurry = False
        if over and over.side == self.side:
            try:
                ended = over.holds(record.fields, self.at)
            except ValueError as fault:
                faults[UNANSWERED] = str(fault)
        if urgent and urgent.side == self.side:
            with suppress(ValueError):
                hurry = urgent.holds(record.fields, self.at)
        return ended, hurry

    def digests(self, record: Record) -> dict[str, bytes]:
        """The digests alone, of a record whose meaning is known."""
        if any(volatile for _, _, _, volatile in self._columns):
            return dict(self.item(record).digests)
        raws = ((rule.name, raw(record.fields)) for rule, _, raw, _ in self._columns)
        return self._notcher.fields(self.side, record.id, raws)

    def blind_paths(self) -> list[str]:
        """What to look at again where a path found nothing in any record. For the first plan, where all are mapped."""
        return [
            f"{rule.name}: `{lens.text}` is empty in all {self.mapped} records of {self.end.system}.{self.end.entity};"
            " is the path right?"
            for rule, lens in self._lenses
            if self.mapped and self._empty[rule.name] == self.mapped
        ]

    def missing_times(self) -> list[str]:
        """What to say where `newest` was asked of a system that tells no time. For the first plan."""
        return [
            f"{name}: {self.end.system}.{self.end.entity} tells no trustworthy times, so `newest` holds every clash"
            for name in self._untimed
        ]

    def half(self, item: Item, agreed: dict[str, bytes], sent: dict[str, bytes], *, seen: bool = True) -> Half:
        """What is remembered of *item*."""
        return Half(item.record.id, item.record.version, item.seen if seen else b"", agreed, sent, item.keys)

    def members(self, pair: int, name: str, item: Item) -> frozenset[bytes]:
        """The digests of the members that a set shows."""
        return frozenset(keyed(item.values[name], notch_of(self._notcher.line, pair, self.sync.rule(name))))

    def sent_digests(self, id: str, values: Iterable[tuple[str, Any]], over: Record | None = None) -> dict[str, bytes]:
        """The digests that fields show once *values* are written and stored as they are; the unknowable left out.

        *over*: the record that is written to.
        """
        notches = []
        for name, value in values:
            rule = self.sync.rule(name)
            lens = rule.lens(self.side)
            if name not in self._empty or lens is None or lens.path is None:
                continue  # a birth: never looked at again
            if lens.paths == (lens.path.text,):
                written = self.written(rule, value, over)
                named = written if self.side == "left" else value
                partner = self.references.meaning(rule, self.side, named).partner if rule.ref else None
                notches.append((name, _notch(written, lens.volatile, value, partner)))
        return self._notcher.fields(self.side, id, notches)

    def written(self, rule: Rule, value: Any, over: Record | None = None) -> Any:
        """*value* as this side stores it, where *over* stands now. Raises ValueError."""
        lens = rule.lens(self.side)
        assert lens is not None
        assert lens.write is not None
        if not rule.merge:
            return self._one_written(rule, value)
        shown = self._standing(rule, lens, over) if over else ()
        stored = in_place(rule, value, shown, lambda member: self._one_written(rule, member))
        return sorted(stored, key=str) if lens.path and self.relation(lens.path) else stored  # as its system shows it

    def _one_written(self, rule: Rule, value: Any) -> Any:
        lens = rule.lens(self.side)
        assert lens is not None
        assert lens.write is not None
        if rule.ref and self.side == "left":
            value = self.references.written(rule, value)
        value = lens.write(value)
        return "" if value is None and self._emptiness == "" else value

    def _standing(self, rule: Rule, lens: Lens, over: Record) -> Iterable[tuple[Any, Any]]:
        """The members that a record shows, raw and shared."""
        shared = lens.read(over.fields, self.at)
        if rule.ref:
            shared = self._meaning(rule, shared).value
        return zip(lens.inputs[0](over.fields) or (), shared or (), strict=True)

    def _meaning(self, rule: Rule, value: Any) -> Meaning:
        follow = self.references.members if rule.merge else self.references.meaning
        return follow(rule, self.side, value)

    def relation(self, path: Path) -> str | None:
        """The name under which the list at *path* is written by adding and removing, if it is."""
        name = f"@{path.relation}" if path.relation else path.text
        return name if name in self.capabilities.relations else None

    def _name(self, read: Read, fields: Fields) -> Any:
        try:
            return read(fields, self.at)
        except Exception:  # the field's fault is told where the record is mapped
            return None

    def _partner(self, ref: Ref, read: Read, fields: Fields) -> Any:
        return self.references.partner(ref, self.side, self._name(read, fields))

    def _shown(self, value: Any) -> Any:
        return None if value == "" and self._emptiness == "" else value

    def _keys(self, values: dict[str, Any], faults: dict[str, str]) -> tuple[bytes | None, ...]:
        return tuple(
            self._key(index, alternative.on, values) if not faults.keys() & set(alternative.on) else None
            for index, alternative in enumerate(self.sync.match_on)
        )

    def _key(self, index: int, names: Sequence[str], values: dict[str, Any]) -> bytes | None:
        shaped = [self.sync.rule(name).shape(values[name]) for name in names]
        return None if any(empty(value) for value in shaped) else self._notcher.match(index, shaped)


def _notch(raw: Any, volatile: str, value: Any, partner: Any) -> Any:
    """What the digest of a field is over: what it shows, and what that means where the meaning may change alone."""
    if volatile == "refs":
        return [raw, partner]
    return [raw, value] if volatile else raw


def _cheap(rule: Rule, side: Side) -> Ref | None:
    """The reference, where the store alone tells to whom it leads and this side may decide by it."""
    ref = rule.ref
    decides = side == "left" or rule.owner != "left"
    return ref if ref and ref.sync and side not in ref.named and decides else None


def _moment(version: str | None) -> float | None:
    """The version as the time that it is: a text with its zone. None where it is none."""
    try:
        moment = datetime.fromisoformat(version or "")
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _inputs(paths: Sequence[str]) -> Callable[[Fields], Any]:
    """One function to everything that the digest of a record is over; the record itself where an expression asks it."""
    return read_many([parse(path) for path in paths]) if all(paths) else lambda fields: fields


def _raw(lens: Lens) -> Callable[[Fields], Any]:
    """One function to all raw inputs of a field."""
    if len(lens.inputs) == 1:
        return lens.inputs[0]
    return lambda fields: [read(fields) for read in lens.inputs]
