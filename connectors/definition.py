"""This is where a kind of system is described: the YAML facts of a connector, and what a system file adds to them."""

import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

import connectors.drivers
from connectors import yamlfile
from connectors.base import Driver


def strict_scalars(schema: Any) -> Any:
    """A copy of pydantic's *schema* in which booleans and numbers are never made from text or from each other."""
    if isinstance(schema, list | tuple):
        return type(schema)(strict_scalars(part) for part in schema)
    if not isinstance(schema, dict):
        return schema
    copied = {key: strict_scalars(part) for key, part in schema.items()}
    match copied.get("type"):
        case "bool" | "int":
            return {**copied, "strict": True}
        case "float" | "decimal" if copied.get("strict"):
            return copied  # of a model inside this one, done already
        case "float":
            return core_schema.no_info_before_validator_function(_as_float, {**copied, "strict": True})
        case "decimal":
            return core_schema.no_info_before_validator_function(_as_decimal, {**copied, "strict": True})
    return copied


def _as_float(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _as_decimal(value: Any) -> Any:
    return Decimal(value) if type(value) is int else value


class Facts(BaseModel):
    """Base of everything that is read from YAML: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, strict=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Takes scalars as written: `no` is no boolean, "12" no number, 1 not true, and a Decimal is a float."""
        schema: CoreSchema = strict_scalars(handler(source))
        return schema


class SecretRef(Facts):
    """A secret by name: {secret: crm-token}. Resolved when it is used, never printed."""

    secret: str
    """The name under which a systemd credential, a file or the environment holds it."""


class EnvRef(Facts):
    """A value of the environment: {env: CRM_URL}."""

    env: str
    """The variable's name."""
    default: str | None = None
    """Used where the variable is not set."""


_LITERAL_HELP = "write {secret: NAME} and keep the value in a credential"


def _refuse_literal(value: Any) -> Any:
    if isinstance(value, str | int | float | Decimal):
        raise PydanticCustomError("literal-secret", "a secret is never written here", {"help": _LITERAL_HELP})
    if isinstance(value, Mapping) and value.get("default") is not None:
        raise PydanticCustomError("literal-secret", "a secret has no default", {"help": _LITERAL_HELP, "at": "default"})
    return value


Secret: TypeAlias = Annotated[SecretRef | EnvRef, BeforeValidator(_refuse_literal)]
"""A reference to a secret, never the secret itself."""

Reveal: TypeAlias = Callable[[SecretRef | EnvRef], str]
"""From a reference to its value; raises KeyError naming the reference where nothing holds it."""


def unfit_address(text: str, why: str, help: str | None = None) -> PydanticCustomError:
    """The error for an address *text* that cannot be used. One that may hold a password is not shown."""
    told: dict[str, Any] = {"text": why, "help": help}
    return PydanticCustomError("literal-secret" if re.search("[@?]", text) else "bad-value", "{text}", told)


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?\Z")


def parse_duration(value: Any) -> Any:
    """Seconds of a text such as 15m, 1h30m, 500ms. Numbers without a unit are refused."""
    if isinstance(value, Decimal):
        raise ValueError(f"'{value}' is not a duration; write 30s, 15m, 1h30m or 500ms")
    if isinstance(value, bool | int):
        raise ValueError(f"write a unit: {value}s, {value}m or {value}h")
    if not isinstance(value, str):
        return value
    found = _DURATION.match(value)
    if not value or not found:
        raise ValueError(f"'{value}' is not a duration; write 30s, 15m, 1h30m or 2d")
    d, h, m, s, ms = (int(part or 0) for part in found.groups())
    return float(d * 86400 + h * 3600 + m * 60 + s) + ms / 1000


Duration: TypeAlias = Annotated[float, BeforeValidator(parse_duration)]
"""Seconds, written as 30s, 15m, 1h30m, 2d."""


def _beside_configuration(value: Any, info: ValidationInfo) -> Any:
    if value == "":
        raise ValueError("a path is wanted here, nothing stands")
    folder = (info.context or {}).get("folder")
    return Path(folder) / value if folder is not None and isinstance(value, str | Path) else value


LocalPath: TypeAlias = Annotated[Path, BeforeValidator(_beside_configuration)]
"""A file or folder of this machine; a relative one is seen from the configuration folder, `folder` of the context."""

SystemType: TypeAlias = Literal["erp", "crm", "hr", "finance", "directory", "other"]


class Definition(Facts):
    """One kind of system. `entities` and `check` have the shape that the driver's own models give them."""

    version: Literal[1] = 1
    """Version of the file's shape."""
    name: str
    """The file's stem."""
    driver: str
    """The protocol it speaks: a file of connectors/drivers."""
    type: SystemType = "other"
    """What systems of this kind are for; told in `check -o json`."""
    auth: tuple[str, ...] = ()
    """Kinds of authentication that the system takes; empty: whatever the driver knows."""
    check: Mapping[str, Any] | None = None
    """A cheap request that proves reachability and credentials."""
    entities: Mapping[str, Any] = {}
    """Facts per entity, in the words of the driver's Entity model."""
    defaults: Mapping[str, Any] = {}
    """Settings of a system file that this kind of system usually needs: base_url, headers, limits."""


class SystemFacts(Facts):
    """What every system file says; each driver's `System` model adds its own keys."""

    version: Literal[1]
    """Version of the file's shape."""
    name: str
    """Equals the file's stem."""
    connector: str
    """A definition by name, or a file beside this one (./my_crm.yaml)."""
    type: SystemType = "other"
    """What the system is for; told in `check -o json`. Default: the definition's."""
    entities: Mapping[str, Any] = {}
    """Additions to the definition's entities for this installation alone, merged key by key."""


class DriverModule(Protocol):
    """What a file in connectors/drivers offers."""

    System: type[SystemFacts]
    Entity: type[Facts]

    def connect(
        self, system: Any, entities: Mapping[str, Any], *, check: Mapping[str, Any] | None, reveal: Reveal
    ) -> Driver:
        """A driver for one system. Opens nothing yet: the first request does, so a dead system never stops a start."""


def unknown_entity(system: str, entity: str, known: Collection[str]) -> str:
    """What to say of an entity that *system* does not have: what is close to it, or what there is."""
    close = difflib.get_close_matches(entity, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
    return f"{system}: no entity '{entity}'; {hint}"


def driver_names() -> tuple[str, ...]:
    """The protocols that can be spoken: the files of connectors/drivers."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(connectors.drivers.__path__)))


def driver_module(name: str) -> DriverModule:
    """The driver's module, imported when first needed. Raises KeyError with the known names."""
    if name not in driver_names():
        raise KeyError(f"no driver '{name}'; known: {', '.join(driver_names())}")
    module: Any = importlib.import_module(f"connectors.drivers.{name}")
    return module  # type: ignore[no-any-return]  # a module is checked against the protocol by tests/connectors


_DEFINITIONS = Path(__file__).parent / "definitions"


class UnknownDefinition(KeyError):
    """No definition of that name; the text names the likely one and all that are known."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would put the whole sentence in quotes


def definition_names() -> tuple[str, ...]:
    """The definitions that travel with the product: the files of connectors/definitions."""
    return tuple(sorted(path.stem for path in _DEFINITIONS.glob("*.yaml")))


def load_definition(name: str, beside: Path | None = None) -> Definition:
    """The definition *name*, or the file of that relative path seen from the folder *beside* (./my_crm.yaml).

    Raises UnknownDefinition where there is none, yamlfile.YamlError for every fault of the file at once.
    """
    path = _definition_file(name, beside)
    definition = yamlfile.check(yamlfile.read(path), Definition)
    if definition.name != path.stem:
        raise UnknownDefinition(f"{path.name} calls itself '{definition.name}'; name and file must be the same")
    return definition


def _definition_file(name: str, beside: Path | None) -> Path:
    if name.endswith(".yaml") or "/" in name:
        path = (beside or Path()) / name
        if not path.is_file():
            raise UnknownDefinition(f"no definition file {name} beside the system file")
        return path
    known = definition_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        meant = f"; did you mean '{close[0]}'" if close else ""
        raise UnknownDefinition(f"no definition '{name}'{meant}; known: {', '.join(known)}; or a file: ./{name}.yaml")
    return _DEFINITIONS / f"{name}.yaml"
