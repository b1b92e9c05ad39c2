"""This is where a record is seen through a sync: raw inputs to digests and, where it moved, to shared values."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from connectors.base import Capabilities, Fields, Record
from connectors.paths import ABSENT
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
        self._inputs = tuple(read for _, lens in self._lenses for read in lens.inputs)
        self._emptiness = capabilities.empty
        self.mapped = 0
        """Records that were mapped in this run."""
        self._empty = {rule.name: 0 for rule, _ in self._lenses}

    def seen(self, record: Record) -> bytes:
        """The digest over all raw inputs: the fast path, once per record of every listing."""
        fields = record.fields
        return self._notcher.seen(self.side, record.id, [read(fields) for read in self._inputs])

    def in_scope(self, record: Record) -> bool:
        """Whether the record takes part. A scope that cannot be answered leaves it in, where a fault is shown."""
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
        values: dict[str, Any] = {}
        faults: dict[str, str] = {}
        digests: dict[str, bytes] = {}
        for rule, lens in self._lenses:
            try:
                values[rule.name] = self._shown(lens.read(record.fields, self.at))
            except ValueError as fault:
                values[rule.name] = ABSENT
                faults[rule.name] = str(fault)
            notched = self._notched(lens, _raw(lens, record.fields), values[rule.name])
            digests[rule.name] = self._notcher.field(self.side, record.id, rule.name, notched)
        self.mapped += 1
        for name, value in values.items():
            if (value is None or value is ABSENT) and name not in faults:
                self._empty[name] += 1
        return Item(record, values, faults, digests, self.seen(record), self._keys(values, faults))

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

    def sent_digest(self, id: str, rule: Rule, value: Any) -> bytes | None:
        """The digest that the field will show once *value* is written and stored as it is; None if unknowable."""
        lens = rule.lens(self.side)
        if lens is None or lens.path is None or lens.paths != (lens.path.text,):
            return None
        notched = self._notched(lens, self.written(rule, value), value)
        return self._notcher.field(self.side, id, rule.name, notched)

    def written(self, rule: Rule, value: Any) -> Any:
        """*value* as this side stores it. Raises ValueError."""
        lens = rule.lens(self.side)
        assert lens is not None
        assert lens.write is not None
        value = lens.write(value)
        return "" if value is None and self._emptiness == "" else value

    @staticmethod
    def _notched(lens: Lens, raw: Any, value: Any) -> Any:
        """What a field's digest is over: its raw inputs, and its meaning where that changes by itself."""
        return [raw, value] if lens.volatile else raw

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


def _raw(lens: Lens, fields: Fields) -> Any:
    read: Callable[[Fields], Any]
    if len(lens.inputs) == 1:
        (read,) = lens.inputs
        return read(fields)
    return [read(fields) for read in lens.inputs]
