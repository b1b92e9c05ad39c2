"""This is where frames are built and made durable: the newest segment, open for appending.

A batch is built on a copy of the chain, written in one piece, synced, and only then believed. After any exception
the writer is unusable: Linux marks pages clean when fsync fails, so a second fsync would lie.
"""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from daemon.audit.chain import Chain
from daemon.audit.entries import Text
from daemon.audit.files import replace_file, sync_folder, write_all
from daemon.audit.frames import CLOSE, CONTINUED, ENTRY, FILE_MAGIC, LAST, MAGIC, MAX_BODY, NAMES, VERSION, pack_header
from daemon.audit.keys import Keys, segment_key
from daemon.audit.segment import Closing, Origin, Previous, encode_body, segment_path, sidecar_path
from daemon.errors import AuditError

MAX_FRAMES: Final = 2**20 - 4096
"""Frames per data key, less than the largest batch below 2^20: random nonces stay far from colliding."""
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_AGE: Final = 3600.0
"""Seconds for which a data key is used."""
NONCE: Final = 12
MAX_TEXT: Final = MAX_BODY - NONCE - 16
"""Most bytes of an entry's text in one frame; the rest continues in the next."""

_FIELDS: Final = struct.Struct(">4sBBHIIIQQ")
_CRC: Final = struct.Struct(">I")


class SegmentWriter:
    """One segment from its first byte to its CLOSE. For one thread at a time."""

    def __init__(
        self,
        folder: Path,
        origin: Origin,
        keys: Keys,
        *,
        number: int,
        chain: Chain,
        now: float,
        sync: Callable[[int], None],
    ) -> None:
        self.number = number
        self.chain = chain
        self.frames = 0
        self.size = 0
        self._path = segment_path(folder, number)
        self._log_id = origin.log_id
        self._opened = now
        self._sync = sync
        self._batch = 0
        self._digest = hashlib.sha256()
        self._counts = dict.fromkeys(NAMES, 0)
        self._times = [0, 0]
        data_key, sidecar = keys.new_data_key()
        # the sidecar must be durable before the first entry, or a crash leaves ciphertext that nobody can read
        replace_file(sidecar_path(folder, number), sidecar)
        key = segment_key(data_key, origin.log_id, number)
        self.commit = key.commit
        self._encrypt = key.cipher.encrypt
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def full(self, now: float) -> bool:
        """Whether the next entries belong into a new segment."""
        return self.frames >= MAX_FRAMES or self.size >= MAX_BYTES or not 0 <= now - self._opened < MAX_AGE

    def write_entries(self, texts: Sequence[Text], time: int) -> list[int]:
        """Makes a batch of entries durable; the sequence of each one's first frame."""
        pieces, firsts = _pieces(texts, self.chain.size)
        nonces = os.urandom(NONCE * len(pieces))
        ahead = self.chain.copy()
        out: list[bytes] = []
        end = len(pieces) - 1
        for index, (text, flags) in enumerate(pieces):
            fields = _FIELDS.pack(
                MAGIC,
                VERSION,
                ENTRY,
                flags | LAST if index == end else flags,
                len(text) + NONCE + 16,
                self.number,
                self._batch,
                ahead.size,
                time,
            )
            header = fields + _CRC.pack(zlib.crc32(fields))
            nonce = nonces[index * NONCE : index * NONCE + NONCE]
            entry = header + nonce + self._encrypt(nonce, text, header + self._log_id)
            out.append(entry)
            out.append(ahead.extend(entry))
        self._counts[ENTRY] += len(pieces)
        self._write(b"".join(out), ahead, time)
        return firsts

    def write_control(self, bodies: Sequence[tuple[int, bytes]], time: int) -> None:
        """Makes control frames durable as one batch; the first one of a segment is its OPEN."""
        ahead = self.chain.copy()
        out = [] if self.size else [FILE_MAGIC]
        for index, (type_, body) in enumerate(bodies, 1):
            flags = LAST if index == len(bodies) else 0
            entry = pack_header(type_, flags, len(body), self.number, self._batch, ahead.size, time) + body
            out += (entry, ahead.extend(entry))
            self._counts[type_] += 1
        first = not self.size
        self._write(b"".join(out), ahead, time)
        if first:
            sync_folder(self._path.parent)  # or a crash can lose the name of a durable file

    def check_untouched(self) -> None:
        """Raises AuditError if somebody else removed, cut or lengthened the file under us."""
        facts = os.fstat(self._fd)
        if facts.st_nlink != 1 or facts.st_size != self.size:
            raise AuditError(
                f"{self._path}: changed by somebody else ({facts.st_size} bytes, {self.size} were written)"
            )

    def close(self, time: int) -> Previous:
        """Ends the segment with CLOSE, makes it read-only, and says how it ended."""
        counts = {NAMES[type_]: count for type_, count in self._counts.items()}
        self.write_control([(CLOSE, encode_body(Closing(counts, *self._times)))], time)
        os.fchmod(self._fd, 0o440)
        self.abandon()
        end = self.chain
        return Previous(self.number, self.size, end.size, end.hash, self._digest.digest(), tuple(end.peaks))

    def abandon(self) -> None:
        """Gives the file back as it is."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _write(self, data: bytes, ahead: Chain, time: int) -> None:
        write_all(self._fd, data, self.size)
        self._sync(self._fd)
        self._digest.update(data)
        self.frames += ahead.size - self.chain.size
        self.chain = ahead
        self.size += len(data)
        self._batch += 1
        self._times = [self._times[0] or time, time]


def _pieces(texts: Sequence[Text], seq: int) -> tuple[list[tuple[bytes, int]], list[int]]:
    """What each frame of a batch encrypts, with its flags, and the sequence at which each entry begins."""
    pieces: list[tuple[bytes, int]] = []
    firsts: list[int] = []
    for text, flags, _ in texts:
        firsts.append(seq + len(pieces))
        if len(text) <= MAX_TEXT:
            pieces.append((text, flags))
            continue
        starts = range(0, len(text), MAX_TEXT)
        pieces += [(text[at : at + MAX_TEXT], flags | CONTINUED) for at in starts]
        pieces[-1] = (pieces[-1][0], flags)
    return pieces, firsts
