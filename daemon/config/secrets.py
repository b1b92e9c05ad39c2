"""This is where a reference to a secret becomes its value, at the moment it is used and nowhere else."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from connectors.definition import EnvRef, SecretRef

ENVIRONMENT_PREFIX: Final = "TALLYSTICK_SECRET_"
MAX_BYTES: Final = 1_000_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


class SecretFault(KeyError):
    """A secret cannot be had. The text names the reference and the remedy, never a value."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.message = message
        self.help = help

    def __str__(self) -> str:
        return f"{self.message}; {self.help}"


class Secrets:
    """Secrets by name: systemd credentials first, then files, then the environment. Values are read at each use.

    *credentials* is the folder that systemd made ($CREDENTIALS_DIRECTORY), *folder* holds one file a secret.
    """

    def __init__(self, folder: Path, *, env: Mapping[str, str], credentials: Path | None = None) -> None:
        self._folder = folder
        self._env = env
        given = env.get("CREDENTIALS_DIRECTORY")
        self._credentials = credentials or (Path(given) if given else None)

    def __repr__(self) -> str:
        return f"Secrets({str(self._folder)!r})"

    def reveal(self, ref: SecretRef | EnvRef) -> str:
        """The value behind *ref*. Raises SecretFault, a KeyError."""
        return self._variable(ref) if isinstance(ref, EnvRef) else self._secret(ref.secret)

    def _variable(self, ref: EnvRef) -> str:
        value = self._env.get(ref.env, ref.default)
        if value is None:
            raise SecretFault(f"the environment variable {ref.env} is not set", f"set {ref.env}, or add a default")
        return value

    def _secret(self, name: str) -> str:
        if not _NAME.match(name):
            raise SecretFault(f"'{name}' is no name of a secret", "use letters, digits, '.', '_' and '-'")
        if self._credentials and (self._credentials / name).is_file():
            return _content(self._credentials / name, name)  # systemd guards these; their mode shows an ACL mask
        if (self._folder / name).is_file():
            _refuse_readable(self._folder / name, name)
            return _content(self._folder / name, name)
        variable = ENVIRONMENT_PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())
        if variable in self._env:
            return _present(self._env[variable], name)
        help = f"add LoadCredential={name}, the file {self._folder / name} (mode 600), or set {variable}"
        raise SecretFault(f"the secret '{name}' does not exist", help)


def _refuse_readable(path: Path, name: str) -> None:
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretFault(f"the file of the secret '{name}' is open to other users", f"run chmod 600 {path}")


def _content(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        help = f"let the daemon's user read {path}"
        raise SecretFault(f"the file of the secret '{name}' cannot be read: {error.strerror}", help) from None
    except UnicodeDecodeError:
        raise SecretFault(f"the secret '{name}' is not UTF-8 text", f"write {path} anew") from None
    if len(raw) > MAX_BYTES:
        raise SecretFault(f"the secret '{name}' is longer than a megabyte", f"write {path} anew")
    return _present(text, name)


def _present(text: str, name: str) -> str:
    """*text* without the newline that editors and echo leave at its end."""
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SecretFault(f"the secret '{name}' is empty", "write its value")
    return value
