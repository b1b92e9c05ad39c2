"""This is where the tests of the core make their small things: rules, items with readable digests, pairs, decisions."""

from collections.abc import Mapping
from typing import Any

from connectors.base import Record
from connectors.paths import ABSENT
from daemon.core.mapping import Place, compile_rule
from daemon.core.model import Change, Decision, Half, Item, Look, Move, Pair
from daemon.core.rules import End, Rule, Side, Sync


def rule(name: str = "f", **more: Any) -> Rule:
    """A field that is called alike on both sides."""
    return compile_rule(name, left=Place(name), right=Place(name), **more)


def sync(*rules: Rule, **more: Any) -> Sync:
    return Sync(**{"name": "s", "left": End("a", "x"), "right": End("b", "x"), "rules": rules, "match_on": ()} | more)


def digest(value: Any) -> bytes:
    """Stands for a keyed digest: equal for equal values, and readable."""
    return repr(value).encode()


def item(values: Mapping[str, Any], id: str = "1", faults: Mapping[str, str] | None = None) -> Item:
    shown = {name: value for name, value in values.items() if value is not ABSENT}
    return Item(Record(id, shown, "v1"), values, faults or {}, {name: digest(v) for name, v in values.items()})


def half(agreed: Mapping[str, Any], sent: Mapping[str, Any] | None = None, id: str = "1") -> Half:
    return Half(
        id,
        agreed={name: digest(value) for name, value in agreed.items()},
        sent={name: digest(value) for name, value in (sent or {}).items()},
    )


def here(values: Mapping[str, Any], **more: Any) -> Look:
    return Look("here", item(values, **more))


def line(facts: Any) -> bytes:
    return repr(facts).encode()


def update(key: int, value: Any = "new", before: Any = "old", field: str = "f", side: Side = "right") -> Decision:
    change = Change(side, "update", (Move(field, value, before, "because"),))
    return Decision(Pair(key), Look("here"), Look("here"), (change,), line=b"line %d" % key)


def writing(key: int, op: Any) -> Decision:
    return Decision(Pair(key), Look("here"), Look("here"), (Change("right", op),), line=b"line %d" % key)
