"""This is where a file of systems/ and its definition become one configured system, ready to be connected."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.base import Driver
from connectors.definition import (
    Definition,
    DriverModule,
    EnvRef,
    Facts,
    SecretRef,
    SystemFacts,
    SystemType,
    UnknownDefinition,
    driver_module,
    load_definition,
)
from connectors.yamlfile import Document, Loc, Problem, YamlError, check, read, translate
from daemon.config.secrets import SecretFault, Secrets
from daemon.errors import ConfigError

Ref: TypeAlias = SecretRef | EnvRef


@dataclass(frozen=True, slots=True)
class Reference:
    """A secret or a variable that the configuration names, and where it does."""

    ref: Ref
    place: Problem = field(repr=False)
    """A problem without a message, at the place of the reference."""

    def fault(self, secrets: Secrets) -> Problem | None:
        """What is wrong with the reference on this host, if anything."""
        try:
            secrets.reveal(self.ref)
        except SecretFault as fault:
            code = "missing-secret" if isinstance(self.ref, SecretRef) else "missing-variable"
            return replace(self.place, code=code, message=fault.message, help=fault.help)
        return None


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """One installation of one kind of system."""

    name: str
    type: SystemType
    definition: Definition = field(repr=False)
    driver: DriverModule = field(repr=False)
    system: SystemFacts
    """The system file as the driver's model reads it."""
    entities: Mapping[str, Facts] = field(repr=False)
    """The definition's entities with this installation's additions, as the driver's model reads them."""
    file: str
    fingerprint: str
    """Digest of all of the above: a reload keeps the driver of a system whose fingerprint stays."""
    references: tuple[Reference, ...] = field(default=(), repr=False)


class _Head(Facts):
    """What is needed of a system file to know which driver reads the rest."""

    model_config = ConfigDict(extra="ignore")

    connector: str


@dataclass(frozen=True, slots=True)
class _Laid:
    """An entity of the definition with the system file laid over it: which of the two says a thing."""

    above: Document
    below: Document | None
    """The definition, where it belongs to this configuration."""
    way: tuple[str, ...]
    data: Any
    definition: str

    def holds(self, loc: Loc) -> bool:
        value: Any = self.data
        for part in loc:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    def problem(self, loc: Loc, code: str, message: str, help: str | None = None, key: bool = False) -> Problem:
        if self.above.holds((*self.way, *loc)):
            return self.above.problem((*self.way, *loc), code, message, help, key)
        if self.below and self.below.holds((*self.way, *loc)):
            return self.below.problem((*self.way, *loc), code, message, help, key)
        place = ".".join(str(part) for part in (*self.way, *loc))
        return self.above.problem(("connector",), code, f"definition '{self.definition}', {place}: {message}", help)


def read_system(document: Document, folder: Path) -> SystemConfig:
    """The system that *document* describes. *folder* is the configuration's. Raises YamlError with every fault."""
    head = check(document, _Head)
    definition, driver = _definition(document, head.connector, folder)
    own = _own_definition(head.connector, folder)
    laid = replace(document, data={"type": definition.type, **lay_over(definition.defaults, document.data)})
    context = {"folder": folder}
    problems: list[Problem] = []
    system: SystemFacts | None = None
    try:
        system = check(laid, driver.System, context=context)
    except YamlError as error:
        problems += error.problems
    problems += _auth_problems(document, definition, system)
    entities = _entities(document, own, definition, driver, context, problems)
    if problems or system is None:
        raise YamlError(problems)
    return SystemConfig(
        name=system.name,
        type=system.type,
        definition=definition,
        driver=driver,
        system=system,
        entities=entities,
        file=document.file,
        fingerprint=_fingerprint(document, definition),
        references=tuple(references(document, system)),
    )


def connect_system(config: SystemConfig, secrets: Secrets) -> Driver:
    """A driver for the system. Nothing is opened yet; secrets are read when the driver asks for them.

    Raises ConfigError where they are missing, or are of a form that the system's protocol cannot carry.
    """
    try:
        return config.driver.connect(
            config.system, config.entities, check=config.definition.check, reveal=secrets.reveal
        )  # fmt: skip
    except (SecretFault, ValueError) as error:
        raise ConfigError([Problem(config.file, 0, 0, "unusable", str(error)).render()]) from None


def references(document: Document, model: BaseModel) -> Iterator[Reference]:
    """Every secret and variable that *model*, read from *document*, refers to."""
    for loc, ref in _refs(model, ()):
        yield Reference(ref, document.problem(loc, "", ""))


def lay_over(below: Any, above: Any) -> Any:
    """*above* over *below*: mappings are merged key by key, everything else is replaced."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{key: lay_over(below.get(key), value) for key, value in above.items()}}
    return above


def _definition(document: Document, name: str, folder: Path) -> tuple[Definition, DriverModule]:
    try:
        definition = load_definition(name, beside=folder / "systems")
        return definition, driver_module(definition.driver)
    except YamlError as error:
        raise YamlError([replace(problem, file=_shown(problem.file, folder)) for problem in error.problems]) from None
    except UnknownDefinition as error:
        raise YamlError([document.problem(("connector",), "unknown-connector", str(error.args[0]))]) from None
    except KeyError as error:
        raise YamlError([document.problem(("connector",), "unknown-driver", str(error.args[0]))]) from None


def _auth_problems(document: Document, definition: Definition, system: SystemFacts | None) -> list[Problem]:
    kind = getattr(getattr(system, "auth", None), "kind", None)
    if kind is None or not definition.auth or kind in definition.auth:
        return []
    text = f"'{kind}' does not authenticate against {definition.name}"
    return [document.problem(("auth", "kind"), "not-allowed", text, f"it takes {', '.join(definition.auth)}")]


def _own_definition(name: str, folder: Path) -> Document | None:
    """The definition's file where it lies beside the system file; one of the product has no faults to place."""
    path = folder / "systems" / name
    return read(path, shown=_shown(str(path), folder)) if name.endswith(".yaml") else None


def _shown(file: str, folder: Path) -> str:
    path = Path(os.path.normpath(file))
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file


def _entities(
    document: Document,
    own: Document | None,
    definition: Definition,
    driver: DriverModule,
    context: Mapping[str, Any],
    problems: list[Problem],
) -> Mapping[str, Facts]:
    overlay = document.data.get("entities")
    merged = lay_over(definition.entities, overlay if isinstance(overlay, Mapping) else {})
    entities: dict[str, Facts] = {}
    for name, data in merged.items():
        try:
            entities[name] = driver.Entity.model_validate(data, context=dict(context))
        except ValidationError as error:
            laid = _Laid(document, own, ("entities", name), data, definition.name)
            problems += translate(laid, driver.Entity, error)
    return entities


def _refs(value: Any, loc: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Ref]]:
    match value:
        case SecretRef() | EnvRef():
            yield loc, value
        case BaseModel():
            for name, info in type(value).model_fields.items():
                yield from _refs(getattr(value, name), (*loc, info.alias or name))
        case Mapping():
            for key, member in value.items():
                yield from _refs(member, (*loc, key))
        case list() | tuple():
            for at, member in enumerate(value):
                yield from _refs(member, (*loc, at))


def _fingerprint(document: Document, definition: Definition) -> str:
    whole = f"{document.text}\0{definition.model_dump_json()}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]
