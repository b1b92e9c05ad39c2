"""This is where tallystick.yaml gets its shape, and where the small types of all configuration files are kept."""

import re
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from connectors.definition import Duration, Facts, LocalPath


def _not_yet(_: Any, info: ValidationInfo) -> Any:
    text = f"'{info.field_name}' is not built yet"
    raise PydanticCustomError("not-yet", "{text}", {"text": text, "key": True, "help": "leave it out"})


NotYet: TypeAlias = Annotated[Any, BeforeValidator(_not_yet)]
"""A key whose meaning is decided and which a later version obeys. Until then it is refused, never ignored."""


def contradiction(at: str, text: str, help: str | None = None, *, key: bool = False) -> None:
    """Refuses a model because of its key *at*; with *key* the caret stands under the key, not its value."""
    raise PydanticCustomError("contradiction", "{text}", {"text": text, "at": at, "help": help, "key": key})


_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%\Z")


def _share(value: Any) -> Any:
    if isinstance(value, str) and (found := _SHARE.match(value)):
        share = float(found[1]) / 100
        if share <= 1:
            return share
    if isinstance(value, float):
        return value
    raise PydanticCustomError("bad-value", "a share is a percentage up to 100%", {"help": "write it like 5%"})


Share: TypeAlias = Annotated[float, BeforeValidator(_share)]
"""A part of a whole, written 5%."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        text = f"'{name}' is not a time zone"
        help = "write a name such as Europe/Berlin or UTC"
        raise PydanticCustomError("unknown-zone", "{text}", {"text": text, "help": help}) from None
    return name


Zone: TypeAlias = Annotated[str, AfterValidator(_zone)]
"""A time zone by its IANA name."""


_SIGNED = re.compile(r"[!-*,-~]{1,180}\Z")  # an origin has 200 at the most, and may be `tallystick/` and a node


def _signed(value: str) -> str:
    if not _SIGNED.match(value):
        text = "this name stands in signed checkpoints: 1 to 180 visible ASCII characters without blanks and '+'"
        raise ValueError(text)
    return value


SignedName: TypeAlias = Annotated[str, AfterValidator(_signed)]
"""A name that a checkpoint can carry, see docs/audit-format.md."""


class AuditConfig(Facts):
    """Where the audit log finds its keys, and under which name it signs."""

    keys: LocalPath | None = None
    """Folder of the audit keys. Default: `audit-keys` in the state folder; on a server better elsewhere, so that
    whoever copies the state has no keys with it."""
    origin: SignedName | None = None
    """Name of this log in its checkpoints. Default: `tallystick/` and the node, so that two logs are told apart."""


class AdminConfig(Facts):
    """The socket on which a running daemon answers."""

    socket: LocalPath | None = None
    """Unix socket. Default: `admin.sock` in the state folder, where only its owner can reach it."""
    group: str | None = None
    """Group that may talk to the socket. Default: none; who may talk to it may approve deletes."""


class LogConfig(Facts):
    """What the daemon says about itself. Business values never appear here; they belong to the audit log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important line that is written. `info` says one line per run and decision kind."""
    format: Literal["auto", "json", "console"] = "auto"
    """`auto` writes for people on a terminal and JSON everywhere else."""


class SecretsConfig(Facts):
    """Where secrets lie that systemd does not hand over."""

    folder: LocalPath = Field(default=Path("secrets.d"), validate_default=True)
    """One file a secret, readable by its owner alone. Default: `secrets.d` beside tallystick.yaml."""


class Defaults(Facts):
    """What a sync does where its own file is silent."""

    timezone: Zone = "UTC"
    """Time zone of cron times. UTC has no hour that comes twice."""
    every: Annotated[Duration, Field(ge=1)] = 900.0
    """Time between two runs. Default 15m, which stays under most vendors' hourly quotas."""
    reconcile: str = "0 3 * * *"
    """Cron time of the full comparison, the only one that finds deletions in systems without a change feed.
    Default: nightly at three, when nobody edits."""


class DaemonConfig(Facts):
    """tallystick.yaml: what belongs to this installation rather than to one sync."""

    version: Literal[1]
    """Version of the file's shape."""
    node: SignedName = Field(default_factory=socket.gethostname)
    """Name of this installation in the audit log and in idempotency keys. Default: the host's name."""
    state: LocalPath = Field(default=Path("state"), validate_default=True)
    """Folder of the store and the audit log; one process at a time owns it.
    Default: what systemd gives ($STATE_DIRECTORY), else `state` beside this file."""
    audit: AuditConfig = AuditConfig()
    """The audit log."""
    admin: AdminConfig = AdminConfig()
    """The admin socket."""
    log: LogConfig = LogConfig()
    """The daemon's own log."""
    secrets: SecretsConfig = Field(default_factory=dict, validate_default=True)
    """Where secrets lie that systemd does not hand over."""
    defaults: Defaults = Defaults()
    """What a sync does where its own file is silent."""
    notify: NotYet = None
    """Whom to tell about held plans, refused reloads and late syncs."""
    http: NotYet = None
    """The admin API over TCP."""
    metrics: NotYet = None
    """Prometheus metrics."""

    @property
    def socket(self) -> Path:
        """The admin socket."""
        return self.admin.socket or self.state / "admin.sock"

    @property
    def audit_keys(self) -> Path:
        """The folder of the audit keys."""
        return self.audit.keys or self.state / "audit-keys"

    @property
    def origin(self) -> str:
        """The name under which the audit log signs."""
        return self.audit.origin or f"tallystick/{self.node}"
