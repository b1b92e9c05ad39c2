"""This is where it is said what only a new record is given: names, passwords, values made of others. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from connectors.base import Fields
from connectors.paths import ABSENT, parse
from daemon.core.expressions import Expression, ExpressionError
from daemon.core.mapping import MappingError, Place, compile_rule
from daemon.core.model import Item
from daemon.core.rules import Birth, Side, Sync
from daemon.core.types import PLAIN, empty, typed

COUNTER = "n"
"""The name of the number by which one expression makes many candidates. It counts from 2, as people do."""


def compile_birth(
    name: str,
    *,
    known: Collection[str],
    left: Place | None = None,
    right: Place | None = None,
    type: str | None = None,
    region: str | None = None,
    normalise: Sequence[str] = (),
    value: str | None = None,
    tries: Sequence[str] = (),
    also: Sequence[str] = (),
    last: int = 20,
    password: int = 0,
    audit: Literal["value", "digest", "none"] = "value",
    secret: bool = False,
) -> Birth:
    """A field made at birth: *tries* until one is free, one *value*, a *password*, or else the other side's value.

    Expressions ask the *known* fields. Raises MappingError.
    """
    rule = compile_rule(
        name, left=left, right=right, type=type, region=region, normalise=normalise, once=True, audit=audit,
        secret=secret, birth=True,
    )  # fmt: skip
    if not any(lens and lens.write for lens in (rule.left, rule.right)):
        raise MappingError("left" if left else "right", "what is made at birth needs a path to be written to")
    parsed = typed(type, PLAIN, region=region).parse if type else None
    if tries:
        return Birth(rule, _named(tries, known, last, parsed), unique=True, also=tuple(also))
    return Birth(rule, _made(value, known, parsed) if value else None, password=password)


def born_on(sync: Sync, side: Side) -> tuple[Birth, ...]:
    """What a new record on *side* is given, in the order in which it is made."""
    return tuple(b for b in sync.births if (lens := b.rule.lens(side)) and lens.path and lens.write)


def shared_values(item: Item) -> dict[str, Any]:
    """What the expressions of a birth see of the record that is copied."""
    return {name: None if value is ABSENT else value for name, value in item.values.items()}


def likely(sync: Sync, side: Side, item: Item, at: datetime) -> Iterator[tuple[str, str, str]]:
    """What a record born on *side* will probably be given: field, text, why. Nobody was asked what is free."""
    values = shared_values(item)
    for birth in born_on(sync, side):
        text = ""
        if birth.candidates:
            try:
                values[birth.rule.name] = best = next(full(birth, values, at), None)
                text = "" if best is None else str(best)
            except ValueError as fault:
                text = f"({fault})"
        yield birth.rule.name, text, birth.why


def full(birth: Birth, values: Mapping[str, Any], at: datetime) -> Iterator[Any]:
    """The candidates that say something, best first."""
    assert birth.candidates
    return (value for value in birth.candidates(values, at) if not empty(value))


def unfindable(sync: Sync, side: Side, finds: Callable[[str], bool]) -> list[str]:
    """The places in which a value must be free and that *side* cannot look up; *finds* tells what it can."""
    return [path for birth in born_on(sync, side) for path in birth.places(side) if not finds(path)]


_Parse = Callable[[Any], Any] | None


def _named(
    tries: Sequence[str], known: Collection[str], last: int, parsed: _Parse
) -> Callable[[Fields, datetime], Iterator[Any]]:
    if COUNTER in known:
        raise MappingError("generate", f"the field '{COUNTER}' hides the number of the same name", "rename the field")
    expressions = [_expression("generate", text, {*known, COUNTER}) for text in tries]

    def candidates(values: Fields, at: datetime) -> Iterator[Any]:
        for expression in expressions:
            numbers = range(2, last + 1) if COUNTER in expression.paths else range(1)
            for number in numbers:
                value = expression({**values, COUNTER: str(number)}, at)
                yield parsed(value) if parsed else value

    return candidates


def _made(text: str, known: Collection[str], parsed: _Parse) -> Callable[[Fields, datetime], Iterator[Any]]:
    expression = _expression("value", text, known)

    def candidates(values: Fields, at: datetime) -> Iterator[Any]:
        value = expression(values, at)
        yield parsed(value) if parsed else value

    return candidates


def _expression(part: str, text: str, known: Collection[str]) -> Expression:
    try:
        expression = Expression(text)
    except ExpressionError as fault:
        raise MappingError(part, f"'{text}' is no expression: {fault}") from None
    for path in expression.paths:
        top = parse(path).top if path else "@"
        if top not in known:
            help = f"it may ask for {', '.join(sorted(known)) or 'nothing'}: shared fields, and births that stand above"
            raise MappingError(part, f"'{text}' asks for '{top}'", help)
    return expression
