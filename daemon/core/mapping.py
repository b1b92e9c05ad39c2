"""This is where one line of `fields:` becomes a Rule: readers, writers, and what must be invertible, decided at load.

Shared values are compared as the right side means them: `values` and `lookup` translate on the left.
So many left words may share one right word, as long as nothing has to be written back.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from connectors.base import Fields
from connectors.paths import ABSENT, PathError, parse, reader
from daemon.core.expressions import Expression, ExpressionError
from daemon.core.functions import to_ascii, written_out
from daemon.core.members import asked, checked, member_wise
from daemon.core.rules import SIDES, Lens, Merge, Ref, Rule, Side, Winner, other
from daemon.core.types import PLAIN, TYPES, Form, empty, form_fault, typed, writer

Step: TypeAlias = Callable[[Any], Any]


class MappingError(Exception):
    """A field cannot be compiled. *part* is the key at fault: left, right, type, values, normalise, order ..."""

    def __init__(self, part: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.part = part
        self.help = help


@dataclass(frozen=True, slots=True)
class Place:
    """One side of a field as the user wrote it: a path or an expression, and how values look there."""

    text: str
    write: str | None = None
    """The path that an expression's value is written to."""
    form: Form = PLAIN


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table of texts: from key columns to one value column."""

    table: str
    rows: Mapping[tuple[str, ...], str | tuple[str, ...]]
    by: tuple[str, ...] = ()
    """Paths on the owner's side that make the key; empty: the field's own left value."""
    otherwise: Literal["hold", "null"] = "hold"
    many: bool = False
    """Every key has a tuple of values: the members of a set."""


SHAPES: Mapping[str, Callable[[str], str]] = {
    "trim": str.strip,
    "casefold": str.casefold,
    "upper": str.upper,
    "lower": str.lower,
    "squeeze": lambda text: " ".join(text.split()),
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "ascii": to_ascii,
    "digits": lambda text: "".join(c for c in text if c.isdigit()),
    "alnum": lambda text: "".join(c for c in text if c.isalnum()),
    "strip_zeros": lambda text: text.lstrip("0"),
}


def compile_rule(
    name: str,
    *,
    left: Place | None = None,
    right: Place | None = None,
    type: str | None = None,
    region: str | None = None,
    values: Mapping[str, Any] | None = None,
    lookup: Lookup | None = None,
    normalise: Sequence[str] = (),
    owner: Side | None = None,
    wins: Winner = "ask",
    first: Winner | None = None,
    order: Sequence[Any] = (),
    once: bool = False,
    fill: bool = False,
    merge: Merge = "",
    hold: Literal["field", "record"] = "field",
    audit: Literal["value", "digest", "none"] = "value",
    secret: bool = False,
    birth: bool = False,
    ref: Ref | None = None,
    unique: bool = False,
) -> Rule:
    """The rule of one shared field. Raises MappingError for what cannot be read, or not inverted where it must be.

    A *birth* is written with a new record only, so it may lie on one side, and nothing has to be inverted.
    """
    _check_type(type, left, right)
    _check_set(merge, lookup, owner)
    translate, back = _translation(values, lookup)
    lenses: dict[Side, Lens | None] = {}
    plain: Step = _same
    places: dict[Side, Place | None] = {"left": left, "right": right}
    for side, place in places.items():
        parsed = typed(type, place.form, region=region).parse if type and place else _same
        written = writer(type, place.form) if place else _same
        if side == "left":
            read = member_wise(merge, _then(parsed, translate), owner, side, many=bool(lookup and lookup.many))
            lenses[side] = _lens(side, place, read, _then(_then(back, parsed), written) if back else None)
        else:
            plain = _as_text if lookup else (_same if values else parsed)
            returns = checked(back) if merge and back and asked(owner, side) else _same
            read = member_wise(merge, _then(plain, returns), owner, side)
            lenses[side] = _lens(side, place, read, written)
    if lookup and not lookup.by and lenses["left"]:
        lenses["left"] = replace(lenses["left"], volatile="tables")
    if ref:
        number = type == "integer"
        named = {side: member_wise(merge, _named, owner, side) for side in SIDES}
        lenses = {side: _reference_lens(side, place, named[side], number=number) for side, place in places.items()}
    if lookup and lookup.by:
        lenses[_owner_of_lookup(owner)] = _lookup_lens(lookup, merge)  # a path of its own would be a second truth
    if merge:
        _check_set_lenses(lenses)
    if not birth:
        _check_sides(lenses, owner, back_missing=back is None, values=values)
    shape = _shape(normalise, typed(type).same if type else _same)
    return Rule(
        name=name,
        left=lenses["left"],
        right=lenses["right"],
        owner=owner,
        wins=wins,
        first=first,
        order=_ranked(order, plain, shape),
        once=once,
        fill=fill,
        merge=merge,
        hold=hold,
        shape=shape,
        audit=audit,
        secret=secret,
        ref=ref,
        unique=unique,
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A yes-or-no question to a record, such as a scope."""

    holds: Callable[[Fields, datetime], bool]
    paths: tuple[str, ...]
    calendar: bool
    """The answer may change with the day."""
    zones: frozenset[str] = frozenset()
    """Zones whose midnight matters, beside the sync's own."""


def question(text: str) -> Question:
    """The question that *text* asks; null, false, zero and emptiness mean no. Raises MappingError."""
    try:
        expression = Expression(text)
    except ExpressionError as fault:
        raise MappingError("scope", str(fault)) from None
    return Question(
        lambda record, at: expression(record, at) not in (None, False, "", [], {}),
        expression.paths,
        expression.calendar,
        expression.zones,
    )


def _lens(side: Side, place: Place | None, read: Step, write: Step | None) -> Lens | None:
    if place is None:
        return None
    try:
        path = parse(place.text)
    except PathError as not_a_path:
        if place.text.startswith("@") and not_a_path.position:
            raise MappingError(side, str(not_a_path)) from None
        return _expression_lens(side, place, read, write, not_a_path)
    raw = reader(path)
    return Lens(place.text, lambda record, _: read(raw(record)), (raw,), (place.text,), path if write else None, write)


def _expression_lens(side: Side, place: Place, read: Step, write: Step | None, not_a_path: PathError) -> Lens:
    try:
        expression = Expression(place.text)
        target = parse(place.write) if place.write else None
    except ExpressionError as fault:
        raise MappingError(side, f"neither a path ({not_a_path}) nor an expression: {fault}") from None
    except PathError as fault:
        raise MappingError(side, f"write: {fault}") from None
    return Lens(
        place.text,
        lambda record, at: read(expression(record, at)),
        tuple(reader(parse(p)) if p else _same for p in expression.paths),
        expression.paths,
        target if write else None,
        write if target else None,
        "calendar" if expression.calendar else "",
        expression.zones,
    )


def _lookup_lens(lookup: Lookup, merge: Merge) -> Lens:
    """A lens whose value is found in the table by other places of the record; the members of a set, with *merge*."""
    try:
        keys = tuple(reader(parse(text)) for text in lookup.by)
    except PathError as fault:
        raise MappingError("lookup", f"by: {fault}") from None

    def read(record: Fields, _: datetime) -> Any:
        found = _look_up(lookup, tuple(_as_text(key(record)) for key in keys))
        if not merge:
            return found
        return list(found or ()) if lookup.many else [] if empty(found) else [found]

    return Lens(f"{lookup.table}[{', '.join(lookup.by)}]", read, keys, lookup.by, volatile="tables")


def _reference_lens(side: Side, place: Place | None, read: Step, *, number: bool) -> Lens | None:
    """A lens that shows by what name a side refers to a record: always a text, as ids are."""
    lens = _lens(side, place, read, _numbered if number else _same)
    return replace(lens, volatile="refs") if lens else None


def _named(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_named(member) for member in value]
    if isinstance(value, Mapping):
        raise ValueError("an object is no reference; name the place of the id in it")
    return _as_text(value)


def _numbered(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_numbered(member) for member in value]
    return typed("integer").parse(value)


def _translation(values: Mapping[str, Any] | None, lookup: Lookup | None) -> tuple[Step, Step | None]:
    """From the left word to the right one, and back where every right word has one left word."""
    if values is not None and lookup is not None:
        raise MappingError("values", "a field has `values` or `lookup`, not both")
    if values is not None:
        return _by_values(values), _back({v: k for k, v in values.items()}, len(values), "values")
    if lookup is not None and not lookup.by:
        rows = {key[0]: value for key, value in lookup.rows.items()}
        inverse = {value: key for key, value in rows.items()}
        back = None if lookup.many else _back(inverse, len(rows), f"tables/{lookup.table}.csv")
        return lambda value: value if empty(value) else _look_up(lookup, (_as_text(value),)), back
    return _same, _same


def _by_values(values: Mapping[str, Any]) -> Step:
    def translate(value: Any) -> Any:
        text = _as_text(value)
        if text in values:
            return values[text]
        if empty(value):
            return value
        raise ValueError("the value has no entry in `values`; add one")

    return translate


def _back(inverse: Mapping[Any, str], words: int, where: str) -> Step | None:
    if len(inverse) < words:
        return None  # two left words share a right word: there is no way back

    def translate(value: Any) -> Any:
        if not isinstance(value, list | tuple | Mapping) and value in inverse:
            return inverse[value]
        if empty(value):
            return value
        raise ValueError(f"the value has no entry in {where}; add one")

    return translate


def _look_up(lookup: Lookup, key: tuple[Any, ...]) -> Any:
    if any(empty(part) for part in key) and key not in lookup.rows:
        return None
    if key in lookup.rows:
        return lookup.rows[key]
    if lookup.otherwise == "null":
        return None
    raise ValueError(f"tables/{lookup.table}.csv has no row for this {' and '.join(lookup.by) or 'value'}; add one")


def _check_type(type: str | None, left: Place | None, right: Place | None) -> None:
    if type is not None and type not in TYPES:
        raise MappingError("type", f"unknown type '{type}'", f"known: {', '.join(TYPES)}")
    for side, place in (("left", left), ("right", right)):
        if place and (fault := form_fault(type, place.form)):
            raise MappingError(side, fault)


def _check_set(merge: Merge, lookup: Lookup | None, owner: Side | None) -> None:
    if lookup and lookup.many and not merge:
        raise MappingError("lookup", "with `many` the value is a set", "add `merge: set`")
    if lookup and lookup.many and not lookup.by and owner != "left":
        raise MappingError("lookup", "a lookup of many goes one way only", "add `owner: left`")


def _check_set_lenses(lenses: Mapping[Side, Lens | None]) -> None:
    for side, lens in lenses.items():
        if lens and lens.path and lens.text != lens.path.text:
            raise MappingError(side, "a set is written where it is read", "name one path, for reading and writing")


def _check_sides(
    lenses: Mapping[Side, Lens | None], owner: Side | None, *, back_missing: bool, values: Mapping[str, Any] | None
) -> None:
    for side in SIDES:
        lens = lenses[side]
        if lens is None:
            raise MappingError(other(side), f"the field has no {side} side to agree with", f"add `{side}: PATH`")
        if owner == side or lens.write is not None:
            continue
        if side == "left" and back_missing:
            part = "values" if values is not None else "lookup"
            raise MappingError(part, "two left words share a right word, so the way back is unknown", _ONE_WAY)
        help = f"add `owner: {side}`, or `{side}: {{path: ..., write: PATH}}`"
        raise MappingError(side, f"'{lens.text}' can be read but not written", help)


_ONE_WAY = "add `owner: left`, or give each left word its own right word"


def _owner_of_lookup(owner: Side | None) -> Side:
    if owner is None:
        raise MappingError("lookup", "a lookup by other fields goes one way only", "add `owner: left`")
    return owner


def _shape(names: Sequence[str], same: Step) -> Step:
    for name in names:
        if name not in SHAPES:
            raise MappingError("normalise", f"unknown shape '{name}'", f"known: {', '.join(SHAPES)}")
    steps = [SHAPES[name] for name in names]
    if not steps:
        return same

    def shape(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [shape(member) for member in value]
        value = same(value)
        if isinstance(value, str):
            for step in steps:
                value = step(value)
        return value

    return shape


def _ranked(words: Sequence[Any], plain: Step, shape: Step) -> tuple[Any, ...]:
    """The words of `order` as comparing sees the shared value."""
    ranked: list[Any] = []
    for word in words:
        try:
            seen = shape(plain(word))
        except ValueError as fault:
            raise MappingError("order", f"'{word}' cannot be the field's value: {fault}") from None
        if seen in ranked:
            raise MappingError("order", f"'{word}' stands there twice", "each word has one rank")
        ranked.append(seen)
    return tuple(ranked)


def _then(first: Step, second: Step) -> Step:
    if first is _same:
        return second
    return first if second is _same else lambda value: second(first(value))


def _same(value: Any) -> Any:
    return value


def _as_text(value: Any) -> Any:
    return value if value is None or value is ABSENT else written_out(value)
