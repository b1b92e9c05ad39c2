"""This is where the files of a log have their names, and the plaintext bodies of its control frames their shape.

Bytes stand in JSON as base64. Every OPEN frame says how the segment before ended, so that a log can be entered at
any segment and a file cut exactly between two frames is noticed.
"""

import hashlib
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from daemon.audit.chain import Chain
from daemon.audit.files import read_file
from daemon.audit.note import NoteError, parse_verifier_key, verifier_key
from daemon.errors import AuditError

FORMAT: Final = 1
MAX_FILE: Final = 128 * 1024 * 1024
"""No segment is larger: 64 MiB, and the batch that crossed it."""
_SEGMENT: Final = re.compile(r"([0-9]{10})\.seg")
_ORIGIN_HEAD: Final = "tallystick audit log 1"

Reason: TypeAlias = Literal["init", "rotate", "restart", "recovery"]
Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Previous:
    """How the segment before ended. *count* is the log's size there, *peaks* the subtree roots, largest first."""

    segment: int
    size: int
    count: int
    chain: bytes
    sha256: bytes
    peaks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """The body of an OPEN frame. *epoch* is that of the next checkpoint; *ratchet* is reserved and null."""

    format: int
    log: bytes
    origin: str
    segment: int
    reason: Reason
    commit: bytes
    epoch: int
    prev: Previous | None
    ratchet: None = None
    software: str = ""
    host: str = ""
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """The body of a CLOSE frame: frames per type, and the times of the first and the last one."""

    counts: dict[str, int]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A torn tail that recovery moved beside its segment."""

    file: str
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Recovery:
    """The body of a RECOVERY frame: what the restart after a crash found and did."""

    kind: Literal["torn"]
    cuts: tuple[Cut, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who a log is: its name, and the public identity key with which it was begun."""

    name: str
    public: bytes

    @property
    def log_id(self) -> bytes:
        """The 16 bytes that bind ciphertexts to this log."""
        return hashlib.sha256(self.name.encode()).digest()[:16]

    @property
    def fingerprint(self) -> str:
        """The identity as a verifier key (C2SP): what people compare and pin."""
        return verifier_key(self.name, self.public)

    def text(self) -> bytes:
        """The content of the file `origin`."""
        return f"{_ORIGIN_HEAD}\n{self.fingerprint}\n".encode()


def read_origin(folder: Path) -> Origin:
    """The file `origin` of a log. Raises AuditError where there is none."""
    path = folder / "origin"
    try:
        head, key, end = read_file(path, limit=1024).decode().split("\n")
        name, public = parse_verifier_key(key)
        head += end
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}; no audit log here; `tallystick audit init` begins one") from None
    except (ValueError, NoteError):
        head = ""
    if head != _ORIGIN_HEAD:
        raise AuditError(f"{path}: does not name a log and its key; restore it from a backup")
    return Origin(name, public)


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / "seg" / f"{number:010d}.seg"


def sidecar_path(folder: Path, number: int) -> Path:
    """The file of a segment's wrapped data key."""
    return folder / "seg" / f"{number:010d}.keys"


def torn_path(folder: Path, number: int) -> Path:
    """Where recovery keeps what it cut from a segment."""
    return folder / "seg" / f"{number:010d}.torn"


def unborn_path(folder: Path, number: int) -> Path:
    """Where recovery keeps a segment that a crash stopped before its first batch was whole."""
    return folder / "seg" / f"{number:010d}.unborn"


def list_segments(folder: Path) -> list[int]:
    """The numbers of the segments, ascending."""
    try:
        found = (_SEGMENT.fullmatch(path.name) for path in (folder / "seg").iterdir())
        return sorted(int(match[1]) for match in found if match)
    except FileNotFoundError:
        return []


def read_segment(folder: Path, number: int, *, size: int | None = None) -> bytes:
    """The bytes of a segment, or the first *size* of them. Raises AuditError for what cannot be one."""
    path = segment_path(folder, number)
    try:
        return read_file(path, limit=MAX_FILE, size=size)
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}") from None


def previous(number: int, data: bytes, chain: Chain) -> Previous:
    """What the next OPEN frame will say of the segment that ends here."""
    return Previous(number, len(data), chain.size, chain.hash, hashlib.sha256(data).digest(), tuple(chain.peaks))


def encode_body(body: Opening | Closing | Recovery) -> bytes:
    """The JSON of a control frame's body."""
    return msgspec.json.encode(body)


def decode_body(raw: bytes, shape: type[Body]) -> Body:
    """The body of a control frame. Raises ValueError where it has another shape."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def gap(numbers: Iterable[int]) -> int | None:
    """The first number that is missing from 1, 2, 3, ..."""
    return next((expected for expected, number in enumerate(numbers, 1) if number != expected), None)


def software() -> dict[str, Any]:
    """What an OPEN frame says about the program and the machine that wrote it."""
    try:
        release = version("tallystick")
    except PackageNotFoundError:
        release = "unreleased"
    boot = Path("/proc/sys/kernel/random/boot_id")
    return {
        "software": f"tallystick {release}",
        "host": socket.gethostname(),
        "boot": boot.read_text().strip() if boot.exists() else "",
    }
