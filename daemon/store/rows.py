"""This is where pairs become rows and back: digests packed by the field order of a layout."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from daemon.core.digests import FIELD, MATCH
from daemon.core.model import Half, Members, Pair, Target
from daemon.core.rules import SIDES, Side

COLUMNS = (
    "key, sync, state, reason, detail, born, since, next_try, attempts, line, awaits, layout, "
    "left_id, left_version, left_seen, left_agreed, left_sent, left_keys, "
    "right_id, right_version, right_seen, right_agreed, right_sent, right_keys, rev, members, parent"
)
UPSERT = (
    f"INSERT INTO pair ({COLUMNS}) VALUES ({'?, ' * 26}(SELECT key FROM pair WHERE key = ?))"  # noqa: S608
    " ON CONFLICT (key) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:])
)
"""Never OR REPLACE: that would delete another pair which claims the same record, and say nothing. Parents may be gone
by the time that a lost answer about their child is found."""

_COUNTS = struct.Struct(">HIII")
_NOTHING = bytes(FIELD)
_NO_KEY = bytes(MATCH)

Row: TypeAlias = Sequence[Any]


def to_row(pair: Pair, sync: int, layout: int, names: Sequence[str], detail: bytes | None) -> tuple[Any, ...]:
    """The values of COLUMNS for *pair*."""
    return (
        pair.key, sync, pair.state, pair.reason, detail, pair.born, pair.since, pair.next_try, pair.attempts,
        pair.line or None, _targets(pair.awaits), layout, *_half_row(pair.left, names), *_half_row(pair.right, names),
        pair.rev or None, _packed(pair.members, names), pair.parent or None,
    )  # fmt: skip


def to_pair(row: Row, names: Sequence[str], detail: Mapping[str, Any]) -> Pair:
    """The pair of a row of COLUMNS; *names* is the layout that the row was written with."""
    key, _, state, reason, _, born, since, next_try, attempts, line, awaits, _ = row[:12]
    left, right = _half(row[12:18], names), _half(row[18:24], names)
    waits = tuple(Target(*target) for target in msgspec.json.decode(awaits)) if awaits else ()
    told = (state, reason, detail, born, since, next_try, attempts, line or b"", waits, row[24] or b"")
    return Pair(key, left, right, *told, _unpacked(row[25] or b"", names), row[26] or 0)


def half_keys(row: Row, side: Side) -> list[bytes]:
    """The match keys that a row of COLUMNS holds for *side*."""
    return [key for key in _split(row[17 if side == "left" else 23] or b"", MATCH) if key != _NO_KEY]


def _targets(awaits: Sequence[Target]) -> str | None:
    return msgspec.json.encode(sorted(set(awaits))).decode() if awaits else None


def _half_row(half: Half | None, names: Sequence[str]) -> tuple[Any, ...]:
    if half is None:
        return (None,) * 6
    agreed = b"".join([half.agreed.get(name, _NOTHING) for name in names])
    sent = b"".join([n.to_bytes(2) + half.sent[name] for n, name in enumerate(names) if name in half.sent])
    keys = b"".join([key or _NO_KEY for key in half.keys])
    return half.id, half.version, half.seen or None, agreed, sent or None, keys or None


def _half(row: Row, names: Sequence[str]) -> Half | None:
    id, version, seen, agreed, sent, keys = row
    if id is None:
        return None
    known = {name: d for name, d in zip(names, _split(agreed or b"", FIELD), strict=False) if d != _NOTHING}
    chunks = _split(sent or b"", FIELD + 2)
    unconfirmed = {names[int.from_bytes(c[:2])]: c[2:] for c in chunks if int.from_bytes(c[:2]) < len(names)}
    found = tuple(None if key == _NO_KEY else key for key in _split(keys or b"", MATCH))
    return Half(id, version, seen or b"", known, unconfirmed, found)


def _packed(members: Mapping[str, Members], names: Sequence[str]) -> bytes | None:
    """Per set its field's place in the layout and how many digests are agreed, sent left and sent right; then those."""
    packed = b""
    for place, name in enumerate(names):
        if name in members:
            known = members[name]
            groups = [sorted(known.agreed), *(sorted(known.sent.get(side, ())) for side in SIDES)]
            packed += _COUNTS.pack(place, *map(len, groups)) + b"".join(d for group in groups for d in group)
    return packed or None


def _unpacked(packed: bytes, names: Sequence[str]) -> dict[str, Members]:
    members, at = {}, 0
    while at < len(packed):
        place, *counts = _COUNTS.unpack_from(packed, at)
        at += _COUNTS.size
        groups = []
        for count in counts:
            groups.append(frozenset(_split(packed[at : at + count * FIELD], FIELD)))
            at += count * FIELD
        agreed, *sent = groups
        sides: dict[Side, frozenset[bytes]] = {side: one for side, one in zip(SIDES, sent, strict=True) if one}
        members[names[place]] = Members(agreed, sides)
    return members


def _split(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
