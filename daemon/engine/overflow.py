"""This is where a run keeps what would not fit into memory: in a file without a name, under a key that dies with it.

The first values stay objects; what comes after them lies encrypted on the disk of the store, and is gone with the
process, however that ends. A first load of a million records needs about two kilobytes of disk for each, once.
"""

import copyreg
import io
import os
import pickle
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.base import Record
from daemon.core.model import Change, Decision, Half, Item, Look, Members, Pair, Roster
from daemon.errors import StoreError

ROOM = 4096
"""Values of one list that stay in memory: about 15 MB of records with ten fields."""

T = TypeVar("T")


class Overflow(Generic[T]):
    """A list that grows without using up the memory. Values come back equal, not identical."""

    def __init__(self, folder: Path) -> None:
        """*folder* takes what is beyond ROOM values. Raises StoreError, as others do, when its disk is full."""
        self._folder = folder
        self._near: list[T | None] = []
        self._far: _File | None = None
        self._places = array("Q")

    def __len__(self) -> int:
        return len(self._near) + len(self._places)

    def __getitem__(self, number: int) -> T:
        if number < len(self._near):
            return self._near[number]  # type: ignore[return-value]  # None only if T has it
        assert self._far
        return self._far.read(self._places[number - len(self._near)])  # type: ignore[no-any-return]

    def __setitem__(self, number: int, value: T) -> None:
        if number < len(self._near):
            self._near[number] = value
        else:
            assert self._far
            self._places[number - len(self._near)] = self._far.write(value)

    def __iter__(self) -> Iterator[T]:
        return (self[number] for number in range(len(self)))

    def append(self, value: T) -> int:
        """Puts *value* at the end; returns its number."""
        if len(self._near) < ROOM:
            self._near.append(value)
        else:
            self._far = self._far or _File(self._folder)
            self._places.append(self._far.write(value))
        return len(self) - 1


class Shelf(Generic[T]):
    """Values by a number of the caller's own, of which each is put down once or again."""

    def __init__(self, folder: Path) -> None:
        self._values = Overflow[T](folder)
        self._numbers: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, key: int) -> bool:
        return key in self._numbers

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __getitem__(self, key: int) -> T:
        return self._values[self._numbers[key]]

    def __setitem__(self, key: int, value: T) -> None:
        if key in self._numbers:
            self._values[self._numbers[key]] = value
        else:
            self._numbers[key] = self._values.append(value)


class _File:
    """Sealed values, one after the other, each found by its place."""

    def __init__(self, folder: Path) -> None:
        try:
            self._number, name = tempfile.mkstemp(dir=folder, prefix="overflow-")
            os.unlink(name)  # noqa: PTH108  # nobody else ever opens it
        except OSError as fault:
            raise no_room(folder, fault) from None
        weakref.finalize(self, os.close, self._number)
        self._folder = folder
        self._box = AESGCM(AESGCM.generate_key(256))
        self._end = 0

    def write(self, value: Any) -> int:
        """Where *value* lies from now on."""
        place = self._end
        sealed = self._box.encrypt(place.to_bytes(12), _pickled(value), None)  # a place is written to once
        block = len(sealed).to_bytes(4) + sealed
        try:
            self._end += os.pwrite(self._number, block, place)
        except OSError as fault:
            raise no_room(self._folder, fault) from None
        if self._end < place + len(block):
            raise no_room(self._folder, OSError("the disk is full"))
        return place

    def read(self, place: int) -> Any:
        """The value that lies there."""
        size = int.from_bytes(os.pread(self._number, 4, place))
        opened = self._box.decrypt(place.to_bytes(12), os.pread(self._number, size, place + 4), None)
        return pickle.loads(opened)  # noqa: S301  # only this process has the key


def no_room(folder: Path, fault: Exception) -> StoreError:
    """What is said where *folder* does not take what a run has to keep."""
    why = getattr(fault, "strerror", None) or str(fault)
    return StoreError(f"{folder} has no room for what the run has to keep ({why}): free space, then run again")


def _pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _QUICK
    pickler.dump(value)
    return buffer.getvalue()


def _reducer(kind: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    parts: Callable[[Any], Sequence[Any]] = attrgetter(*(field.name for field in fields(kind)))
    return lambda value: (kind, tuple(parts(value)))


_NOUNS = (Record, Item, Look, Half, Members, Pair, Change, Roster, Decision)
_QUICK = copyreg.dispatch_table | {kind: _reducer(kind) for kind in _NOUNS}
"""The nouns of a run by their constructors: three times as fast as what pickle does with frozen dataclasses."""
