"""This is where checkpoints are put into words: signed notes as C2SP has them (c2sp.org/signed-note, tlog-checkpoint).

company.example/node1/audit           the origin, which is also the name of the key
96004                                 how many frames
Zm9vYmFy...=                          the root of the tree over them
tallystick intent 812                 the highest intent id among them, in clear

— company.example/node1/audit 5fC3...=      base64 of key id (4 bytes) and Ed25519 signature (64)
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519: Final = b"\x01"
"""The algorithm byte of C2SP for plain Ed25519."""
_INTENT: Final = "tallystick intent "
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_ORIGIN: Final = re.compile(r"[!-*,-~]{1,200}")
_DASH: Final = "\u2014"


class NoteError(ValueError):
    """The text is not a note of this log."""


class UnknownSigner(NoteError):
    """The note carries no signature by the expected key."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a checkpoint states."""

    origin: str
    size: int
    root: bytes
    intent: int


def is_origin(text: str) -> bool:
    """Whether *text* can name a log and its key: visible ASCII without blanks and plus signs, at most 200."""
    return _ORIGIN.fullmatch(text) is not None


def key_id(origin: str, public: bytes) -> bytes:
    """The four bytes by which a signature line names its key."""
    return hashlib.sha256(origin.encode() + b"\n" + ED25519 + public).digest()[:4]


def verifier_key(origin: str, public: bytes) -> str:
    """The key as C2SP writes it down: name+id+key."""
    return f"{origin}+{key_id(origin, public).hex()}+{base64.b64encode(ED25519 + public).decode()}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    """Origin and public key from a verifier key. Raises NoteError."""
    name, _, rest = text.partition("+")
    given, _, key = rest.partition("+")
    raw = _unbase64(key)
    if len(raw) != 33 or raw[:1] != ED25519 or not is_origin(name) or given != key_id(name, raw[1:]).hex():
        raise NoteError("not a verifier key for Ed25519")
    return name, raw[1:]


def sign_note(note: Note, key: Ed25519PrivateKey) -> bytes:
    """The note's text with its signature."""
    text = _text(note)
    public = key.public_key().public_bytes_raw()
    signature = base64.b64encode(key_id(note.origin, public) + key.sign(text)).decode()
    return text + f"\n{_DASH} {note.origin} {signature}\n".encode()


def read_note(signed: bytes, *, origin: str, public: bytes) -> Note:
    """The note, once *public* is known to have signed it. Raises NoteError, UnknownSigner."""
    text, gap, lines = signed.rpartition(b"\n\n")
    if not gap or not lines.endswith(b"\n"):
        raise NoteError("not a signed note")
    text += b"\n"
    note = _parse(text)
    if note.origin != origin:
        raise NoteError(f"the note is about {note.origin!r}")
    expected = key_id(origin, public)
    for line in lines.decode("utf-8", "replace").splitlines():
        dash, _, rest = line.partition(" ")
        name, _, signature = rest.partition(" ")
        raw = _unbase64(signature)
        if dash == _DASH and name == origin and raw[:4] == expected:
            return _proven(note, text, raw[4:], public)
    raise UnknownSigner("the note is not signed by the key of this log")


def _proven(note: Note, text: bytes, signature: bytes, public: bytes) -> Note:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        raise NoteError("the signature does not fit the note") from None
    return note


def _text(note: Note) -> bytes:
    root = base64.b64encode(note.root).decode()
    return f"{note.origin}\n{note.size}\n{root}\n{_INTENT}{note.intent}\n".encode()


def _parse(text: bytes) -> Note:
    try:
        origin, size, root, *more = text.decode().removesuffix("\n").split("\n")
    except ValueError:  # too few lines, or not UTF-8
        raise NoteError("not a checkpoint") from None
    intents = [line.removeprefix(_INTENT) for line in more if line.startswith(_INTENT)]
    raw = _unbase64(root)
    if len(raw) != 32 or len(intents) != 1 or not _NUMBER.fullmatch(size) or not _NUMBER.fullmatch(intents[0]):
        raise NoteError("not a checkpoint")
    return Note(origin, int(size), raw, int(intents[0]))


def _unbase64(text: str) -> bytes:
    """The bytes, or none: of several spellings that decode alike only the one that encoding gives is read."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if base64.b64encode(raw).decode() == text else b""
