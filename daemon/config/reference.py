"""This is where docs/configuration.md is made: hand-written pages, and tables of keys from the models themselves.

    python -m daemon.config.reference > docs/configuration.md

In reference.md, a line `<!-- keys: daemon.config.models.Defaults -->` becomes the table of that model's keys; `beyond
MODEL` leaves out those that another one has, too. `<!-- functions -->`, `<!-- shapes -->` and `<!-- connectors -->`
become lists of what there is.
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping
from decimal import Decimal
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from connectors.definition import Duration, LocalPath, Secret, definition_names, load_definition
from connectors.http.select import Expression
from daemon.config.guard_file import Change, Moment
from daemon.config.models import NotYet, Share, Zone
from daemon.core.functions import Functions
from daemon.core.mapping import SHAPES

PAGE: Final = Path(__file__).with_name("reference.md")

_WORDS: Final[Mapping[Any, str]] = {
    Duration: "duration", Share: "share", Zone: "time zone", LocalPath: "path", Secret: "`{secret: NAME}`",
    Expression: "expression", Change: "percentage", Moment: "day or time",
}  # fmt: skip
_PLAIN: Final[Mapping[Any, str]] = {
    str: "text", int: "whole number", float: "number", Decimal: "number", bool: "`true` or `false`",
}  # fmt: skip
_MARK = re.compile(r"<!-- (?:keys: (?P<model>\S+)(?: beyond (?P<beyond>\S+))?|(?P<list>\w+)) -->\Z")
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def page() -> str:
    """The whole page."""
    text = PAGE.read_text("utf-8")
    anchors = dict(_anchors(text))
    return "".join(f"{line}\n" for raw in text.splitlines() for line in _lines(raw, anchors))


def models(text: str) -> list[type[BaseModel]]:
    """The models whose keys *text*, a page with marks, shows."""
    return [model for model, _ in _anchors(text)]


def inside(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that a reader of *model* may have to write below one of its keys."""
    hints = get_type_hints(model, include_extras=True)
    return [found for name in _shown(model) for found in _models_in(hints[name])]


def _lines(raw: str, anchors: Mapping[type[BaseModel], str]) -> Iterator[str]:
    mark = _MARK.match(raw)
    if mark is None:
        yield raw
    elif mark["model"]:
        told = _model(mark["beyond"]).model_fields if mark["beyond"] else ()
        yield from _table(_model(mark["model"]), told, anchors)
    else:
        yield from _LISTS[mark["list"]]()


def _anchors(text: str) -> Iterator[tuple[type[BaseModel], str]]:
    """Each model that is shown, and the anchor of the heading above it as GitHub makes it."""
    heading = ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        elif (mark := _MARK.match(line)) and mark["model"]:
            yield _model(mark["model"]), heading


def _model(name: str) -> type[BaseModel]:
    module, _, kind = name.rpartition(".")
    found: type[BaseModel] = getattr(import_module(module), kind)
    return found


def _table(model: type[BaseModel], told: Container[str], anchors: Mapping[type[BaseModel], str]) -> Iterator[str]:
    hints = get_type_hints(model, include_extras=True)
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, info in _shown(model).items():
        if name in told:
            continue
        value = _value(hints[name], anchors).replace("|", "\\|")
        meaning = " ".join((info.description or "").split()).replace("|", "\\|")
        yield f"| `{info.alias or name}` | {value} | {_default(info, hints[name])} | {meaning} |"


def _shown(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The keys that may be written today, needed ones first."""
    hints = get_type_hints(model, include_extras=True)
    built = {name: info for name, info in model.model_fields.items() if hints[name] != NotYet}
    return dict(sorted(built.items(), key=lambda item: not item[1].is_required()))


def _value(hint: Any, anchors: Mapping[type[BaseModel], str]) -> str:
    """What may stand for a key, in the reader's words."""
    if (word := _word(hint)) is not None:
        return word
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _value(arguments[0], anchors)
    if origin is Literal:
        return ", ".join(f"`{_text(choice)}`" for choice in arguments)
    if origin in (Union, UnionType):
        members = [_value(member, anchors) for member in arguments if member is not NoneType]
        return " or ".join(dict.fromkeys(members))
    if origin is tuple:
        return f"list of: {_value(arguments[0], anchors)}"
    if origin is not None and issubclass(origin, Mapping):
        return f"mapping to: {_value(arguments[1], anchors)}"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return f"[mapping](#{anchors[hint]})" if hint in anchors else "mapping"
    return _PLAIN.get(hint, "anything")


def _word(hint: Any) -> str | None:
    """The name of one of our own small types, with or without bounds around it."""
    if hint in _WORDS:
        return _WORDS[hint]
    if get_origin(hint) is not Annotated:
        return None
    return next((word for kind, word in _WORDS.items() if get_args(kind)[:2] == get_args(hint)[:2]), None)


def _default(info: FieldInfo, hint: Any) -> str:
    if info.is_required():
        return "**needed**"
    value = info.default
    if value is PydanticUndefined or value is None or value in ((), {}) or isinstance(value, BaseModel):
        return "-"
    return f"`{_span(value) if _is_duration(hint) else _text(value)}`"


def _is_duration(hint: Any) -> bool:
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return any(_word(member) == "duration" for member in members)


def _span(seconds: float) -> str:
    whole = int(seconds)
    if whole != seconds:
        return f"{round(seconds * 1000)}ms"
    return next((f"{whole // size}{unit}" for size, unit in _UNITS if whole and whole % size == 0), "0s")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    return '""' if value == "" else str(value)


def _models_in(hint: Any) -> Iterator[type[BaseModel]]:
    if _word(hint) is not None:
        return
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for member in get_args(hint):
        yield from _models_in(member)


def _functions() -> Iterator[str]:
    for name, function in vars(Functions).items():
        if name.startswith("_func_"):
            code = function.__code__
            taken = ", ".join([*code.co_varnames[1 : code.co_argcount], *(["..."] if code.co_flags & 0x04 else [])])
            about = " ".join((getdoc(function) or "").split())
            yield f"- `{name.removeprefix('_func_')}({taken})`" + (f": {about}" if about else "")


def _shapes() -> Iterator[str]:
    yield ", ".join(f"`{name}`" for name in SHAPES) + "."


def _connectors() -> Iterator[str]:
    yield "| connector | driver | entities that it brings |"
    yield "|---|---|---|"
    for name in definition_names():
        definition = load_definition(name)
        yield f"| `{name}` | {definition.driver} | {', '.join(definition.entities) or '-'} |"


_LISTS: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "functions": _functions, "shapes": _shapes, "connectors": _connectors,
}  # fmt: skip


if __name__ == "__main__":
    print(page(), end="")
