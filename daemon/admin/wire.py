"""This is where verbs become messages and back: arguments, answers and errors as JSON, for both ends of the socket.

A verb is called by POST /v1/<verb> with its arguments as one JSON object, `actor` left out: the server knows who asks.
Decimals and large integers travel exactly.
"""

import inspect
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, get_type_hints

import msgspec

from daemon import errors
from daemon.admin.operations import Operations
from daemon.errors import ConfigError, TallystickError

HTTP_STATUS: Final[Mapping[type[TallystickError], int]] = {
    errors.ConfigError: 422,
    errors.GuardTripped: 409,
    errors.Busy: 409,
    errors.NoSuch: 404,
    errors.AuditError: 503,
    errors.StoreError: 503,
}
"""Anything else that goes wrong with a reason is a 400; without a reason, a 500."""


class Usage(TallystickError):
    """The arguments do not fit the verb."""

    exit_code = 64


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error on its way (RFC 9457): `type` names the class, `detail` is the whole text for people."""

    type: str
    title: str
    status: int
    detail: str
    exit_code: int
    problems: tuple[str, ...] = ()


def _verbs() -> dict[str, type[msgspec.Struct]]:
    """Every verb of Operations with the shape of its arguments, read off its signature."""
    shapes: dict[str, type[msgspec.Struct]] = {}
    for name, verb in inspect.getmembers(Operations, inspect.isfunction):
        if not name.startswith("_"):
            hints = get_type_hints(verb, include_extras=True)
            wanted = [p for p in inspect.signature(verb).parameters if p not in ("self", "actor")]
            shapes[name] = msgspec.defstruct(name, [(p, hints[p]) for p in wanted], forbid_unknown_fields=True)
    return shapes


VERBS: Final = _verbs()
ACTED: Final = frozenset(name for name in VERBS if "actor" in inspect.signature(getattr(Operations, name)).parameters)
"""Verbs that are told who asks."""

_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """*value* as JSON; what JSON has no word for becomes text."""
    return _encoder.encode(value)


def decode(raw: bytes) -> Any:
    """The value of a JSON text, decimals exact. Raises msgspec.MsgspecError."""
    return _decoder.decode(raw)


def arguments(verb: str, raw: bytes) -> dict[str, Any]:
    """The arguments in a request. Raises Usage naming what does not fit."""
    try:
        return msgspec.structs.asdict(msgspec.json.decode(raw or b"{}", type=VERBS[verb]))
    except msgspec.MsgspecError as error:
        raise Usage(f"{verb}: {error}") from None


def to_problem(error: TallystickError) -> Problem:
    """*error* as it is sent."""
    status = next((code for kind, code in HTTP_STATUS.items() if isinstance(error, kind)), 400)
    problems = error.problems if isinstance(error, ConfigError) else ()
    kind = type(error)
    return Problem(f"tallystick:{kind.__name__}", kind.__name__, status, str(error), error.exit_code, problems)


def to_error(raw: bytes) -> TallystickError:
    """The error that was sent, of the class it had."""
    try:
        problem = msgspec.json.decode(raw, type=Problem)
    except msgspec.MsgspecError:
        text = raw[:200].decode(errors="replace").strip()
        return TallystickError(f"the daemon answered '{text}': is it of another version? Restart it after an upgrade")
    kind = getattr(errors, problem.title, TallystickError)
    if kind is ConfigError:
        return ConfigError(problem.problems or (problem.detail,))
    error: TallystickError = kind(problem.detail)
    error.exit_code = problem.exit_code
    return error
