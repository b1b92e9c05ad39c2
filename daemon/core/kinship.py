"""This is where the field is made that says whose child a record is: matched by, and compared like a reference."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import PARENT, UNNAMED, Fields
from connectors.paths import quote
from daemon.core.mapping import Place, compile_rule
from daemon.core.rules import Lens, Ref, Rule, Side


def parent_rule(parents: str, places: Mapping[Side, str], *, owner: Side | None = None) -> Rule:
    """The field `(parent)` of a collection of the sync *parents*.

    *places* are the paths of the sides whose children are records of their own. A member of a list shows whose it is by
    itself, or why nobody can tell it from the others. Raises MappingError.
    """
    rule = compile_rule(
        PARENT,
        left=Place(places.get("left", quote(PARENT))),
        right=Place(places.get("right", quote(PARENT))),
        owner=owner,
        hold="record",
        ref=Ref(parents, awake=True),
    )
    return replace(
        rule,
        left=rule.left if "left" in places else _named(rule.left),
        right=rule.right if "right" in places else _named(rule.right),
    )


def _named(lens: Lens | None) -> Lens:
    assert lens

    def read(fields: Fields, at: datetime) -> Any:
        if UNNAMED in fields:
            raise ValueError(fields[UNNAMED])
        return lens.read(fields, at)

    return replace(lens, read=read)
