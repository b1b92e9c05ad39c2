"""This is where the keys of a log live: those that wrap, the one that signs, and the one that encrypts a segment.

    audit-kek           32 bytes in hex: wraps the data key of every new segment (AES-KW, RFC 3394)
    audit-kek-NAME      older ones: they only unwrap
    audit-identity      Ed25519 private key in PEM (PKCS 8): signs checkpoints

Looked for in $CREDENTIALS_DIRECTORY first (systemd's LoadCredential), then in a folder. Python cannot wipe memory:
keys are kept in as few objects as possible, and no more is promised.
"""

import hashlib
import os
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from daemon.audit.files import replace_file
from daemon.errors import AuditError

KEK: Final = "audit-kek"
IDENTITY: Final = "audit-identity"
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stanza:
    """One wrapping of a segment's data key, as the sidecar lists it. Later kinds wrap to auditors' public keys."""

    kind: str
    key_id: str
    ct: bytes


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """What a segment is encrypted with, and the commitment that its OPEN frame carries."""

    cipher: AESGCM = field(repr=False)
    commit: bytes


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets of one log's writer. The first of *keks* wraps, all of them unwrap."""

    keks: tuple[bytes, ...] = field(repr=False)
    identity: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """The public identity key, 32 bytes: what a verifier pins."""
        return self.identity.public_key().public_bytes_raw()

    def new_data_key(self) -> tuple[bytes, bytes]:
        """A random data key, and the sidecar that holds it wrapped."""
        data_key = os.urandom(32)
        stanza = Stanza("aes-kw", kek_id(self.keks[0]), aes_key_wrap(self.keks[0], data_key))
        return data_key, msgspec.json.encode([stanza]) + b"\n"

    def unwrap(self, sidecar: bytes, place: Path) -> bytes:
        """The data key in a sidecar. Raises AuditError naming the key that would be needed."""
        try:
            stanzas = msgspec.json.decode(sidecar, type=list[Stanza])
        except (msgspec.MsgspecError, ValueError) as error:
            raise AuditError(f"{place}: not a sidecar ({error}); restore it from a backup") from None
        known = {kek_id(kek): kek for kek in self.keks}
        for stanza in stanzas:
            if stanza.kind == "aes-kw" and stanza.key_id in known:
                return _unwrapped(known[stanza.key_id], stanza.ct, place)
        needed = ", ".join(f"{s.kind} {s.key_id}" for s in stanzas) or "nothing"
        have = ", ".join(known)
        raise AuditError(f"{place}: wrapped for {needed}, but the keys here are {have}; add the missing {KEK}-NAME")


def kek_id(kek: bytes) -> str:
    """The name of a wrapping key in sidecars; says nothing about the key."""
    return hashlib.sha256(b"aud/v1/kek\0" + kek).hexdigest()[:16]


def segment_key(data_key: bytes, log_id: bytes, segment: int) -> SegmentKey:
    """The cipher of a segment and its commitment, both from the one data key (HKDF-Expand, RFC 5869).

    The commitment makes it impossible to make a segment that decrypts differently under two keys.
    """
    info = b"aud/v1/seg\0" + log_id + struct.pack(">I", segment)
    both = HKDFExpand(algorithm=hashes.SHA256(), length=64, info=info).derive(data_key)
    return SegmentKey(AESGCM(both[:32]), both[32:])


def create_keys(folder: Path) -> Keys:
    """New keys in *folder* (0700), each file 0600. Raises AuditError where there are some already."""
    for name in (KEK, IDENTITY):
        if (folder / name).exists():
            raise AuditError(f"{folder / name}: exists already; a log cannot be read or continued without its old keys")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        what = "is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise AuditError(f"{folder}: {what}; keys cannot be kept there, name another folder with audit.keys") from None
    identity = Ed25519PrivateKey.generate()
    pem = identity.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    kek = os.urandom(32)
    replace_file(folder / KEK, kek.hex().encode() + b"\n")
    replace_file(folder / IDENTITY, pem)
    return Keys((kek,), identity)


def load_keys(folder: Path) -> Keys:
    """The keys from $CREDENTIALS_DIRECTORY, else from *folder*. Raises AuditError saying which is missing or wrong."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    places = [Path(given), folder] if given else [folder]
    newest = _find(KEK, places)
    older = sorted(newest.parent.glob(f"{KEK}-*"), reverse=True)
    keks = tuple(_read_kek(path, guarded=path.parent == folder) for path in (newest, *older))
    identity = _find(IDENTITY, places)
    return Keys(keks, _read_identity(identity, guarded=identity.parent == folder))


def _find(name: str, places: list[Path]) -> Path:
    for place in places:
        if (place / name).is_file():
            return place / name
    looked = " and ".join(str(place) for place in places)
    raise AuditError(
        f"no key {name} in {looked}; restore it from a backup. Without it, move the audit folder aside, if there is"
        " one, and let `tallystick audit init` make new ones"
    )


def _read_kek(path: Path, *, guarded: bool) -> bytes:
    text = _read_secret(path, guarded=guarded).strip().decode("ascii", "replace")
    if not _HEX.fullmatch(text) or not text.strip("0"):
        raise AuditError(f"{path}: not a key; expected 32 random bytes as 64 hex digits")
    return bytes.fromhex(text)


def _read_identity(path: Path, *, guarded: bool) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(_read_secret(path, guarded=guarded), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise AuditError(f"{path}: not a key; expected an Ed25519 private key in PEM without a password")
    return key


def _read_secret(path: Path, *, guarded: bool) -> bytes:
    if guarded and path.stat().st_mode & 0o077:
        raise AuditError(f"{path}: others may read this key; chmod 600 {path}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}; the daemon's user must be able to read it") from None


def _unwrapped(kek: bytes, ct: bytes, place: Path) -> bytes:
    try:
        return aes_key_unwrap(kek, ct)
    except (InvalidUnwrap, ValueError):
        raise AuditError(f"{place}: the wrapped key was changed; restore the sidecar from a backup") from None
