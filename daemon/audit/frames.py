"""This is where the bytes of a frame are laid out: a header of 40 bytes, a body, and the chain hash of 32 bytes.

    offset size  field
    0      4     magic `ALF1`
    4      1     version, 1
    5      1     type
    6      2     flags
    8      4     length of the body, at most 61,440
    12     4     segment, 1..
    16     4     batch in this segment, 0..
    20     8     sequence in the log, 0..; the index of the leaf in the tree
    28     8     time, microseconds since 1970 in UTC; never used for order
    36     4     CRC-32 of bytes 0..35
    40     n     body
    40+n   32    chain hash

All integers are big-endian. docs/audit-format.md has the rest.
"""

import struct
import zlib
from typing import Final, NamedTuple

FILE_MAGIC: Final = b"\x89AUD\r\n\x1a\n"
"""The first bytes of every segment; like PNG's they reveal a transfer in text mode."""
MAGIC: Final = b"ALF1"
VERSION: Final = 1
HEADER_SIZE: Final = 40
CHAIN_SIZE: Final = 32
MAX_BODY: Final = 61_440

OPEN: Final = 1
ENTRY: Final = 2
CHECKPOINT: Final = 3
CLOSE: Final = 4
RECOVERY: Final = 6
NAMES: Final = {OPEN: "open", ENTRY: "entry", CHECKPOINT: "checkpoint", CLOSE: "close", RECOVERY: "recovery"}
"""The types written today. 5 KEY, 7 ERASE, 8 ANCHOR, 9 GAP and 10 PRUNE are reserved, and a fault until then."""

LAST: Final = 1 << 0
"""The last frame of its batch."""
ENCRYPTED: Final = 1 << 1
INTENT: Final = 1 << 2
OUTCOME: Final = 1 << 3
SUBJECT_FIELDS: Final = 1 << 4
"""Reserved: personal fields inside the entry are encrypted once more."""
CONTINUED: Final = 1 << 5
"""The entry goes on in the next frame."""
ENTRY_FLAGS: Final = LAST | ENCRYPTED | INTENT | OUTCOME | CONTINUED

_FIELDS: Final = struct.Struct(">4sBBHIIIQQ")
_CRC: Final = struct.Struct(">I")
_END: Final = HEADER_SIZE + CHAIN_SIZE


class Header(NamedTuple):
    """What the first 40 bytes of a frame say."""

    type: int
    flags: int
    length: int
    segment: int
    batch: int
    seq: int
    time: int


class Frame(NamedTuple):
    """One frame as it lies in a segment; *entry* is header and body, which is what the leaf hash covers."""

    type: int
    flags: int
    segment: int
    batch: int
    seq: int
    time: int
    start: int
    end: int
    entry: bytes
    chain: bytes

    @property
    def header(self) -> bytes:
        """The 40 bytes that bind a ciphertext to its position."""
        return self.entry[:HEADER_SIZE]

    @property
    def body(self) -> bytes:
        """What lies between header and chain hash."""
        return self.entry[HEADER_SIZE:]


def pack_header(type_: int, flags: int, length: int, segment: int, batch: int, seq: int, time: int) -> bytes:
    """The 40 bytes of a header, with its CRC."""
    fields = _FIELDS.pack(MAGIC, VERSION, type_, flags, length, segment, batch, seq, time)
    return fields + _CRC.pack(zlib.crc32(fields))


def header_at(data: bytes, at: int) -> Header | None:
    """The header at offset *at*, or None unless magic, version, CRC and length are right."""
    raw = data[at : at + HEADER_SIZE]
    if len(raw) < HEADER_SIZE:
        return None
    magic, version, type_, flags, length, segment, batch, seq, time = _FIELDS.unpack_from(raw)
    if (
        magic != MAGIC
        or version != VERSION
        or length > MAX_BODY
        or _CRC.unpack_from(raw, 36)[0] != zlib.crc32(raw[:36])
    ):
        return None
    return Header(type_, flags, length, segment, batch, seq, time)


def frame_at(data: bytes, at: int) -> Frame | None:
    """The frame at offset *at*, or None where no whole frame lies. Hashes are not looked at."""
    raw = data[at : at + HEADER_SIZE]
    if len(raw) < HEADER_SIZE:
        return None
    magic, version, type_, flags, length, segment, batch, seq, time = _FIELDS.unpack_from(raw)
    if (
        magic != MAGIC
        or version != VERSION
        or length > MAX_BODY
        or _CRC.unpack_from(raw, 36)[0] != zlib.crc32(raw[:36])
    ):
        return None
    middle = at + HEADER_SIZE + length
    end = at + _END + length
    if end > len(data):
        return None
    return Frame(type_, flags, segment, batch, seq, time, at, end, data[at:middle], data[middle:end])
