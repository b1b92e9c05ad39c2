"""This is where a newborn record gets its names and passwords: when its write is made, before its intent is told.

MUST NOT: give a name that was ever given to another record. A create that is tried again gets the name it had.
"""

import secrets
import string
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from daemon.core.births import born_on, full, likely, shared_values, unfindable
from daemon.core.digests import name_digest
from daemon.core.model import Change, Decision, Move
from daemon.core.rules import Birth, Side, other
from daemon.core.types import empty
from daemon.engine.context import Context
from daemon.engine.stepwise import made
from daemon.engine.wires import identity

_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "!#%+-.:=?@_")
"""A password has something of each. No quotes, blanks or backslashes, which somebody's form would not take."""


def foretold(context: Context, decision: Decision) -> Decision:
    """A create with what its newborn record will probably be given, for people who look at the plan."""
    if not context.sync.births:
        return decision
    return replace(decision, changes=tuple(_foretold(context, decision, change) for change in decision.changes))


def given(context: Context, decision: Decision) -> Decision:
    """*decision* with what its newborn record is given. Raises ValueError with the reason why it cannot be made."""
    if not context.sync.births:
        return decision
    return replace(decision, changes=tuple(_given(context, decision, change) for change in decision.changes))


_BLIND = (
    "{0.system}.{0.entity} cannot look up `{1}`, so nobody knows which name is free: give the entity `find` on it, or"
    " a CSV file that column"
)


def _foretold(context: Context, decision: Decision, change: Change) -> Change:
    source = decision.look(other(change.side)).item
    assert source
    at = context.views[change.side].at
    for path in unfindable(context.sync, change.side, context.views[change.side].capabilities.finds):
        context.say(_BLIND.format(context.sync.end(change.side), path))
    return replace(change, likely=tuple(likely(context.sync, change.side, source, at)))


def _given(context: Context, decision: Decision, change: Change) -> Change:
    if change.op != "create":
        return change
    source = decision.look(other(change.side)).item
    assert source is not None
    values, moves, at = shared_values(source), [], context.views[change.side].at
    written = {_path(context, change.side, move.field) for move in change.moves}
    for birth in born_on(context.sync, change.side):
        name = birth.rule.name
        if _path(context, change.side, name) in written:
            continue  # another field brought a value for the same place
        if birth.copied:
            value = _copied(birth, change.side, source.record.fields, at)
        elif birth.password:
            value = password(birth.password)
        elif birth.unique:
            value = _name(context, decision, birth, change.side, values)
        else:
            value = next(full(birth, values, at), None)
        values |= {} if birth.rule.secret else {name: value}
        moves += [] if empty(value) else [Move(name, value, None, birth.why)]
    return replace(change, moves=(*change.moves, *moves))


def _path(context: Context, side: Side, field: str) -> str:
    lens = context.sync.rule(field).lens(side)
    assert lens
    assert lens.path
    return lens.path.text


def _copied(birth: Birth, side: Side, fields: Mapping[str, Any], at: Any) -> Any:
    lens = birth.rule.lens(other(side))
    assert lens
    return lens.read(fields, at)


def _name(context: Context, decision: Decision, birth: Birth, side: Side, values: Mapping[str, Any]) -> Any:
    """The first candidate that nobody has, or the one that an earlier attempt at this create was given."""
    end, me = context.sync.end(side), bytes.fromhex(identity(context, decision, side))
    if missing := unfindable(context.sync, side, context.views[side].capabilities.finds):
        raise ValueError(_BLIND.format(end, missing[0]))
    candidates = list(full(birth, values, context.views[side].at))
    digests = [_digest(context, birth, side, value) for value in candidates]
    owners = [context.store.names.owner(digest) for digest in digests]
    ours = [n for n, owner in enumerate(owners) if owner == me]
    fresh = [n for n, owner in enumerate(owners) if owner is None]
    if ours and (context.views[side].capabilities.idempotent_create or made(decision.pair)):
        return candidates[ours[0]]  # the earlier attempt may have arrived: its key must not meet another name
    for n in (*ours, *fresh):
        if _free(context, birth, side, candidates[n]) and context.store.names.give(digests[n], me):
            return candidates[n]
    if not candidates:
        raise ValueError(f"{birth.rule.name}: every expression of `try` is empty for this record")
    raise ValueError(
        f"{birth.rule.name}: all {len(candidates)} candidates are taken, the last is {candidates[-1]!r};"
        " add another to `try`"
    )


def _digest(context: Context, birth: Birth, side: Side, value: Any) -> bytes:
    end = context.sync.end(side)
    place = (end.system, end.entity, birth.places(side)[0])
    return name_digest(context.store.vault.notch_key, place, birth.rule.shape(value))


def _free(context: Context, birth: Birth, side: Side, value: Any) -> bool:
    """Whether no record of *side* has it, as far as the system knows now."""
    view = context.views[side]
    written = view.written(birth.rule, value)
    driver, entity = context.drivers[side], view.end.entity
    return not any(driver.find(entity, {path: written}, fields=view.wanted) for path in birth.places(side))


def password(length: int) -> str:
    """A random text of *length* characters with something of every class."""
    while True:
        text = "".join(secrets.choice("".join(_CLASSES)) for _ in range(length))
        if all(set(text) & set(characters) for characters in _CLASSES):
            return text
