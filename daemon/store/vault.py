"""This is where the state secret lives: the key of the digests, and the key of what an open intent holds."""

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from daemon.errors import StoreError

SECRET = 32

_INTEGER: Final = 1
_DECIMAL: Final = 2


class Vault:
    """Seals and opens small values. The secret MUST be in every backup: without it nothing is known again."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET:
            raise StoreError(
                f"the state secret has {len(secret)} bytes instead of {SECRET}: restore it from the backup"
            )
        self.notch_key = HKDFExpand(hashes.SHA256(), 32, b"tallystick notches").derive(secret)
        self._box = AESGCM(HKDFExpand(hashes.SHA256(), 32, b"tallystick payloads").derive(secret))

    @classmethod
    def at(cls, path: Path, *, may_create: bool) -> "Vault":
        """The vault whose secret is in the file *path*; made there if it is missing and *may_create*."""
        if not path.exists():
            if not may_create:
                raise StoreError(
                    f"{path} is missing, and the store was written with it: restore it from the backup. "
                    "Without it, move the store away and adopt each sync again (nothing is deleted by that)."
                )
            _write_secret(path)
        return cls(path.read_bytes())

    def seal(self, value: Any) -> bytes:
        """*value*, encrypted under a fresh random nonce."""
        nonce = os.urandom(12)
        return nonce + self._box.encrypt(nonce, msgspec.msgpack.encode(_packed(value)), None)

    def open(self, sealed: bytes) -> Any:
        """What was sealed. Raises StoreError when the secret is another one or the bytes were changed."""
        try:
            return msgspec.msgpack.decode(self._box.decrypt(sealed[:12], sealed[12:], None), ext_hook=_number)
        except InvalidTag:
            raise StoreError("the store was written with another state secret: restore both from one backup") from None


_AS_IT_IS: Final = frozenset({str, bytes, bool, float, type(None)})


def _packed(value: Any) -> Any:
    """*value* with the numbers that MessagePack cannot hold exactly as marked text."""
    kind = type(value)  # asked before anything else: an open flight is mostly texts, and this runs for each
    if kind in _AS_IT_IS:
        return value
    if kind is dict:
        return {name: _packed(inner) for name, inner in value.items()}
    match value:
        case int() if not -(2**63) <= value < 2**64:
            return msgspec.msgpack.Ext(_INTEGER, str(value).encode())
        case Decimal():
            return msgspec.msgpack.Ext(_DECIMAL, str(value).encode())
        case Mapping():
            return {name: _packed(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_packed(inner) for inner in value]
    return value


def _number(code: int, text: memoryview) -> int | Decimal:
    digits = bytes(text).decode()
    return int(digits) if code == _INTEGER else Decimal(digits)


def _write_secret(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, os.urandom(SECRET))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)  # or a crash can lose the name
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
