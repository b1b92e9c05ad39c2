"""This is where `guards:` of a sync becomes the limits that the engine keeps; a bound without sense is refused."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.yamlfile import Document, Loc, Problem, YamlError, did_you_mean
from daemon.config.field_file import FieldConfig
from daemon.config.guard_file import BoundConfig, ExpectConfig
from daemon.config.sync_file import SyncConfig
from daemon.core.limits import Announced, Bound, Guards
from daemon.core.types import typed

RANKED = ("integer", "decimal", "date", "datetime")
"""Types whose values have bounds."""
NUMBERS = ("integer", "decimal")
"""Types of whose values a part can be taken."""


def compile_guards(config: SyncConfig, document: Document) -> Guards:
    """The limits of *config*. Raises YamlError with every fault."""
    usual, asked = Guards(), config.guards
    problems: list[Problem] = []
    values = _bounds(config, document, asked.values, ("guards", "values"), problems)
    expect = [_announced(config, document, n, one, problems) for n, one in enumerate(asked.expect)]
    if problems:
        raise YamlError(problems)
    return Guards(
        deletes=asked.deletes.limit(runs=usual.deletes.runs) if asked.deletes else usual.deletes,
        creates=asked.creates.limit() if asked.creates else usual.creates,
        updates=asked.updates.limit() if asked.updates else usual.updates,
        blanked=asked.blanked.limit() if asked.blanked else usual.blanked,
        shrink=usual.shrink if asked.shrink is None else asked.shrink,
        values=values,
        expect=tuple(one for one in expect if one),
    )


def _announced(
    config: SyncConfig, document: Document, n: int, asked: ExpectConfig, problems: list[Problem]
) -> Announced | None:
    way = ("guards", "expect", n)
    begins, ends = datetime.fromisoformat(asked.begins), datetime.fromisoformat(asked.ends)
    if "T" not in asked.ends:
        ends += timedelta(days=1)
    if (begins.tzinfo is None) != (ends.tzinfo is None):
        text = "only one of the two times has an offset"
        help = "write both in the same way: with an offset, or without one in the sync's time zone"
        problems.append(document.problem((*way, "to"), "contradiction", text, help))
        return None
    if ends <= begins:
        text = "it ends before it begins"
        problems.append(document.problem((*way, "to"), "contradiction", text, "`to` is the last day, or a later time"))
        return None
    runs = Guards().deletes.runs
    limits = {kind: one.limit(runs=runs if kind == "deletes" else 0) for kind, one in asked.limits().items()}
    values = _bounds(config, document, asked.values, (*way, "values"), problems)
    return Announced(begins, ends, limits, asked.shrink, values, asked.reason)


def _bounds(
    config: SyncConfig, document: Document, asked: Mapping[str, BoundConfig], way: Loc, problems: list[Problem]
) -> dict[str, Bound]:
    found = {}
    for name, bound in asked.items():
        try:
            found[name] = _bound(config, name, bound)
        except _Fault as fault:
            place = (*way, name, *fault.at)
            problems.append(document.problem(place, fault.code, str(fault), fault.help, key=not fault.at))
    return found


class _Fault(Exception):
    """What is wrong with one bound."""

    def __init__(self, text: str, help: str | None, *at: str, code: str = "contradiction") -> None:
        super().__init__(text)
        self.help, self.at, self.code = help, at, code


def _bound(config: SyncConfig, name: str, asked: BoundConfig) -> Bound:
    line = config.fields.get(name)
    if line is None:
        help = did_you_mean(name, config.fields) or f"known here: {', '.join(config.fields)}"
        raise _Fault(f"there is no field '{name}' in fields", help, code="unknown-field")
    if line.birth:
        raise _Fault(f"'{name}' is made when its record is born, and bounded by nothing", "leave it out")
    _check_order(name, line, asked)
    least, most = (_read(line, key, getattr(asked, key)) for key in ("min", "max"))
    if least is not None and most is not None and least > most:
        raise _Fault(f"min {asked.min} is above max {asked.max}", "exchange the two", "min")
    return Bound(least, most, asked.change, asked.empty == "refuse")


def _check_order(name: str, line: FieldConfig, asked: BoundConfig) -> None:
    wanted = [key for key in ("min", "max", "change") if getattr(asked, key) is not None]
    if not wanted:
        return
    if line.merge:
        raise _Fault(f"'{name}' is a set: it has no order", "only `empty: refuse` can be said of it", wanted[0])
    if line.ref or line.values is not None or line.lookup:
        key = "ref" if line.ref else ("lookup" if line.lookup else "values")
        help = "only `empty: refuse` can be said of it"
        raise _Fault(f"'{name}' has `{key}`: its values have no order", help, wanted[0])
    if line.type not in RANKED:
        text = f"values of `type: {line.type}` have no order" if line.type else f"nobody knows the order of '{name}'"
        raise _Fault(text, f"say `type: decimal` there, or one of {', '.join(RANKED)}", wanted[0])
    if asked.change is not None and line.type not in NUMBERS:
        raise _Fault(f"a {line.type} has no part by which it could change", "use min and max", "change")


def _read(line: FieldConfig, key: str, value: Any) -> Any:
    if value is None:
        return None
    try:
        return typed(str(line.type)).parse(value)
    except ValueError as fault:
        raise _Fault(f"this is no {line.type}: {fault}", f"write it as {line.type} values are written", key) from None
