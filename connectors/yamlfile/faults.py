"""This is where what pydantic finds wrong becomes problems that a person can act on, each at its place in the file.

A validator of ours may raise PydanticCustomError(code, text, context): the code is kept, and the context may say
`help` (the remedy), `at` (keys below the place of the error) and `key` (point at the key, not at its value).
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Protocol, TypeAlias, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import core_schema

from connectors.yamlfile.document import Document
from connectors.yamlfile.problems import Problem, YamlError, names_a_secret

M = TypeVar("M", bound=BaseModel)
Part: TypeAlias = str | int

_WANTED = {
    "string": "text", "int": "a whole number", "float": "a number", "decimal": "a number", "list": "a list",
    "tuple": "a list", "set": "a list", "frozen_set": "a list", "iterable": "a list", "dict": "a mapping",
    "mapping": "a mapping", "model": "a mapping", "model_attributes": "a mapping", "path": "a path",
    "dataclass": "a mapping", "bool": "true or false", "date": "a date", "datetime": "a date and time",
}  # fmt: skip
_MISMATCH = re.compile(r"(?P<kind>[a-z_]+?)_(?:type|parsing|from_float)\Z")
_PYDANTIC = frozenset(get_args(core_schema.ErrorType))
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")
_SHOWN_NAMES = 16


class Places(Protocol):
    """What knows where data stands: a Document, or several laid over each other."""

    def holds(self, loc: Sequence[Part]) -> bool:
        """Whether *loc* leads to something."""

    def problem(
        self, loc: Sequence[Part], code: str, message: str, help: str | None = None, key: bool = False
    ) -> Problem:
        """A problem that points at *loc*."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """One error of pydantic: where it leads in the file so far, and the part of its way still to go."""

    error: Mapping[str, Any]
    way: tuple[Part, ...]
    rest: tuple[Part, ...]

    @property
    def kind(self) -> str:
        """What sort of value was wanted, if the value has another shape; else nothing."""
        found = _MISMATCH.match(self.error["type"])
        return _WANTED.get(found["kind"], "") if found else ""


def check(document: Document, model: type[M], *, context: Mapping[str, Any] | None = None) -> M:
    """The document as an instance of *model*. Raises YamlError with one problem per fault, in the file's order."""
    if document.data is None:
        raise YamlError([Problem(document.file, 0, 0, "empty", "the file is empty")])
    try:
        return model.model_validate(document.data, context=dict(context or {}))
    except ValidationError as error:
        problems = translate(document, model, error)
    raise YamlError(problems)  # outside of the handler: pydantic's own text would show input values


def translate(document: Places, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """The problems behind *error*, whose data *document* can place: each fault once, literal secrets covered."""
    raw = [_Fault(e, (), tuple(e["loc"])) for e in error.errors(include_url=False)]
    faults = _sift(raw, document)
    problems = dict.fromkeys(_problem(document, model, fault) for fault in faults)
    hidden = {secret for fault in faults for secret in _secrets(model, fault)}
    ordered = sorted(problems, key=lambda p: (p.line, p.column))
    return [_cover(problem, hidden) for problem in ordered]


def did_you_mean(word: Any, known: Iterable[str]) -> str | None:
    """A remedy that names the nearest of *known*, if one is near."""
    near = difflib.get_close_matches(str(word), list(known), 1)
    return f"did you mean '{near[0]}'?" if near else None


def listed(names: Sequence[str], last: str = "or") -> str:
    """Names for a sentence: a, b or c."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def described(value: Any) -> str:
    """What stands in the file, in the reader's words."""
    match value:
        case None:
            return "nothing stands"
        case bool():
            return f"{str(value).lower()} is a boolean"
        case int() | Decimal():
            return f"{value} is a number"
        case str():
            return f"'{value if len(value) <= 40 else value[:37] + '...'}' is text"
        case Mapping():
            return "a mapping stands"
        case _:
            return "a list stands"


# --- from pydantic's errors to one fault per fault -------------------------------------------------------------


def _sift(faults: list[_Fault], document: Places) -> list[_Fault]:
    """Follows each error into the file; where a union tried several forms, keeps the errors of the likeliest."""
    here: list[_Fault] = []
    below: dict[Part, list[_Fault]] = {}
    forms: dict[Part, list[_Fault]] = {}
    for fault in faults:
        if not fault.rest or fault.rest == ("[key]",) or (fault.error["type"] == "missing" and len(fault.rest) == 1):
            here.append(fault)
            continue
        part, rest = fault.rest[0], fault.rest[1:]
        if document.holds((*fault.way, part)):
            below.setdefault(part, []).append(replace(fault, way=(*fault.way, part), rest=rest))
        else:
            forms.setdefault(part, []).append(replace(fault, rest=rest))
    found = here + [f for group in below.values() for f in _sift(group, document)]
    return found + _likeliest([_sift(group, document) for group in forms.values()])


def _likeliest(forms: list[list[_Fault]]) -> list[_Fault]:
    if not forms:
        return []
    top = min(len(fault.way) for form in forms for fault in form)
    fitting = [form for form in forms if not any(f.kind and len(f.way) == top for f in form)]
    if fitting:
        return min(fitting, key=lambda form: (any(f.error["type"] == "missing" for f in form), len(form)))
    wanted = list(dict.fromkeys(fault.kind for form in forms for fault in form if fault.kind))
    first = next(fault for fault in forms[0] if fault.kind)
    return [replace(first, error={**first.error, "wanted": listed(wanted)})]


# --- from one fault to its problem -----------------------------------------------------------------------------


def _problem(document: Places, model: type[BaseModel], fault: _Fault) -> Problem:
    error, way = fault.error, fault.way
    kind, value, context = error["type"], error.get("input"), error.get("ctx") or {}
    on_key = "[key]" in fault.rest
    if kind == "missing":
        return _missing(document, way, str(fault.rest[-1]))
    if kind == "union_tag_not_found":
        return _missing(document, way, str(context.get("discriminator", "kind")).strip("'"))
    if kind == "extra_forbidden":
        help = _known_keys(model, fault)
        return document.problem(way, "unknown-key", f"unknown key '{way[-1]}'{_inside(way[:-1])}", help, key=True)
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        return _not_allowed(document, way, value, context)
    if fault.kind:
        return document.problem(way, "wrong-type", *_mismatch(value, str(error.get("wanted") or fault.kind)))
    if kind == "is_instance_of" and context.get("class") == "Decimal":  # what a strict decimal calls another type
        return document.problem(way, "wrong-type", *_mismatch(value, "a number"))
    if kind in ("value_error", "assertion_error"):
        return document.problem(way, "bad-value", str(context.get("error", error["msg"])), key=on_key)
    if kind in _PYDANTIC:
        return document.problem(way, "bad-value", _told(error), key=on_key)
    place = (*way, *_parts(context.get("at")))
    return document.problem(place, kind, error["msg"], context.get("help"), key=on_key or bool(context.get("key")))


def _missing(document: Places, way: tuple[Part, ...], name: str) -> Problem:
    return document.problem(way, "missing-key", f"the key '{name}' is missing{_inside(way)}", key=True)


def _not_allowed(document: Places, way: tuple[Part, ...], value: Any, context: Mapping[str, Any]) -> Problem:
    allowed = str(context.get("expected") or context.get("expected_tags", ""))
    names = [name.replace("\\'", "'") for name in _QUOTED.findall(allowed)] or [allowed]
    if "tag" in context:
        way, value = (*way, str(context["discriminator"]).strip("'")), context["tag"]
    shown = f"'{value}'" if isinstance(value, str) else described(value).rsplit(" is ", 1)[0]
    stands = shown if isinstance(value, str | int | Decimal) else f"{described(value)} here, which"
    help = did_you_mean(value, names) if isinstance(value, str) else None
    if isinstance(value, str) and value in names and f"'{value}'" not in allowed:
        help = f"write {value}, without quotes"
    text = f"is not one of {listed(names)}" if len(names) > 1 else f"is not known here, only {names[0]}"
    return document.problem(way, "not-allowed", f"{stands} {text}", help)


def _mismatch(value: Any, wanted: str) -> tuple[str, str | None]:
    """The message and the remedy for a value of another shape than wanted."""
    if wanted == "true or false":
        return f"{described(value)} here; booleans are true and false", None
    help = None
    if wanted == "text" and isinstance(value, bool | int | Decimal):
        help = f'quote it: "{str(value).lower() if isinstance(value, bool) else value}"'
    elif wanted in ("a whole number", "a number") and isinstance(value, str) and value.lstrip("0").isdigit():
        plain = value.lstrip("0")
        help = f"write {plain}, without {'quotes' if plain == value else 'leading zeros'}"
    return f"{described(value)} here; {wanted} is wanted", help


def _inside(way: tuple[Part, ...]) -> str:
    names = [str(part) for part in way if isinstance(part, str)]
    return f" in {names[-1]}" if names else ""


def _parts(value: Any) -> tuple[Part, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _told(error: Mapping[str, Any]) -> str:
    """pydantic's own sentence, in words that are not Python's."""
    if error["type"] == "too_short":
        least = error["ctx"]["min_length"]
        return f"at least {least} {'entry is' if least == 1 else 'entries are'} needed here"
    subject, _, rest = str(error["msg"]).partition(" should ")
    return f"the {'text' if subject == 'String' else 'value'} should {rest}" if rest else subject


# --- which keys a place knows ----------------------------------------------------------------------------------


def _known_keys(model: type[BaseModel], fault: _Fault) -> str | None:
    names = _names_at(model, tuple(fault.error["loc"][:-1]))
    near = did_you_mean(fault.way[-1], names)
    if near or not names:
        return near
    more = ", ..." if len(names) > _SHOWN_NAMES else ""
    return f"known here: {', '.join(names[:_SHOWN_NAMES])}{more}"


def _names_at(model: type[BaseModel], loc: tuple[Part, ...]) -> list[str]:
    """The keys that the model at *loc* understands; *loc* is pydantic's, with the names of union members in it."""
    kinds: list[Any] = [model]
    for part in loc:
        kinds = [kind for one in kinds for kind in _below(one, part)]
    return list(dict.fromkeys(name for kind in kinds if _is_model(kind) for name in _keys(kind)))


def _below(kind: Any, part: Part) -> list[Any]:
    if _is_model(kind):
        for name, field in kind.model_fields.items():
            if part == (field.alias or name):
                return _members(field.annotation)
        return [kind] if part == kind.__name__ or part in _tags(kind) else []
    arguments = [a for a in get_args(kind) if a is not Ellipsis]
    return _members(arguments[-1]) if arguments else []


def _members(annotation: Any) -> list[Any]:
    """The kinds that an annotation allows: itself, or each member of a union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [kind for member in get_args(annotation) for kind in _members(member)]
    return [annotation]


def _tags(model: type[BaseModel]) -> list[Any]:
    annotations = [field.annotation for field in model.model_fields.values()]
    return [value for a in annotations if get_origin(a) is Literal for value in get_args(a)]


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


# --- literal secrets -------------------------------------------------------------------------------------------


def _secrets(model: type[BaseModel], fault: _Fault) -> list[str]:
    """What must not be shown: a secret written out, also under a misspelt key."""
    value = fault.error.get("input")
    if isinstance(value, Mapping) and fault.error["type"] == "literal-secret":
        value = value.get((fault.error.get("ctx") or {}).get("at"))
    if isinstance(value, Mapping | list) or value is None:
        return []
    misspelt = fault.error["type"] == "extra_forbidden" and _means_a_secret(model, fault)
    return [str(value)] if misspelt or fault.error["type"] == "literal-secret" else []


def _means_a_secret(model: type[BaseModel], fault: _Fault) -> bool:
    known = _names_at(model, tuple(fault.error["loc"][:-1]))
    near = difflib.get_close_matches(str(fault.way[-1]), known, 1)
    return any(names_a_secret(name) for name in near)


def _cover(problem: Problem, hidden: set[str]) -> Problem:
    source, message = problem.source, problem.message
    for secret in sorted(hidden, key=len, reverse=True):
        if secret:
            source = source.replace(secret, "*" * len(secret))
            message = message.replace(secret, "***")
    return replace(problem, source=source, message=message)
