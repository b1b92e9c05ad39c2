"""This is where a record is seen through a sync: raw inputs to digests and, where it moved, to shared values."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from connectors.base import Capabilities, Fields, Record
from connectors.paths import ABSENT, parse, read_many
from daemon.core.digests import Notcher
from daemon.core.model import Half, Item
from daemon.core.rules import Lens, Rule, Side, Sync
from daemon.core.types import empty


class View:
    """One side of one sync at one moment."""

    def __init__(self, sync: Sync, side: Side, notcher: Notcher, capabilities: Capabilities, at: datetime) -> None:
        self.sync = sync
        self.side: Side = side
        self.end = sync.end(side)
        self.capabilities = capabilities
        self.wanted = sync.wanted(side)
        self.at = at
        self._notcher = notcher
        self._lenses = [(rule, lens) for rule in sync.rules if (lens := rule.lens(side))]
        self._columns = [(rule.name, lens.read, _raw(lens), bool(lens.volatile)) for rule, lens in self._lenses]
        self._inputs = _inputs([path for _, lens in self._lenses for path in lens.paths])
        self._emptiness = capabilities.empty
        self.mapped = 0
        """Records that were mapped in this run."""
        self._empty = {rule.name: 0 for rule, _ in self._lenses}

    def seen(self, record: Record) -> bytes:
        """The digest over all raw inputs: the fast path, once per record of every listing."""
        return self._notcher.seen(self.side, record.id, self._inputs(record.fields))

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
        notches = []
        for name, read, raw, volatile in self._columns:
            try:
                value = self._shown(read(fields, self.at))
            except Exception as fault:  # whatever one field's value does, the other fields and records go on
                value, faults[name] = ABSENT, str(fault) if isinstance(fault, ValueError) else repr(fault)
            values[name] = value
            notches.append((name, [raw(fields), value] if volatile else raw(fields)))
            if (value is None or value is ABSENT) and name not in faults:
                self._empty[name] += 1
        self.mapped += 1
        digests = self._notcher.fields(self.side, record.id, notches)
        return Item(record, values, faults, digests, self.seen(record), self._keys(values, faults))

    def digests(self, record: Record) -> dict[str, bytes]:
        """The digests alone, of a record whose meaning is known."""
        if any(volatile for _, _, _, volatile in self._columns):
            return dict(self.item(record).digests)
        raws = ((name, raw(record.fields)) for name, _, raw, _ in self._columns)
        return self._notcher.fields(self.side, record.id, raws)

    def blind_paths(self) -> list[str]:
        """What to look at again where a path found nothing in any record. For the first plan, where all are mapped."""
        return [
            f"{rule.name}: `{lens.text}` is empty in all {self.mapped} records of {self.end.system}.{self.end.entity};"
            " is the path right?"
            for rule, lens in self._lenses
            if self.mapped and self._empty[rule.name] == self.mapped
        ]

    def half(self, item: Item, agreed: dict[str, bytes], sent: dict[str, bytes], *, seen: bool = True) -> Half:
        """What is remembered of *item*."""
        return Half(item.record.id, item.record.version, item.seen if seen else b"", agreed, sent, item.keys)

    def sent_digests(self, id: str, values: Iterable[tuple[str, Any]]) -> dict[str, bytes]:
        """The digests that fields show once *values* are written and stored as they are; the unknowable left out."""
        notches = []
        for name, value in values:
            rule = self.sync.rule(name)
            lens = rule.lens(self.side)
            if name not in self._empty or lens is None or lens.path is None:
                continue  # a birth: never looked at again
            if lens.paths == (lens.path.text,):
                written = self.written(rule, value)
                notches.append((name, [written, value] if lens.volatile else written))
        return self._notcher.fields(self.side, id, notches)

    def written(self, rule: Rule, value: Any) -> Any:
        """*value* as this side stores it. Raises ValueError."""
        lens = rule.lens(self.side)
        assert lens is not None
        assert lens.write is not None
        value = lens.write(value)
        return "" if value is None and self._emptiness == "" else value

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


def _inputs(paths: Sequence[str]) -> Callable[[Fields], Any]:
    """One function to everything that the digest of a record is over; the record itself where an expression asks it."""
    return read_many([parse(path) for path in paths]) if all(paths) else lambda fields: fields


def _raw(lens: Lens) -> Callable[[Fields], Any]:
    """One function to all raw inputs of a field."""
    if len(lens.inputs) == 1:
        return lens.inputs[0]
    return lambda fields: [read(fields) for read in lens.inputs]
