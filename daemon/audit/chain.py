"""This is where the hashes grow: the chain from frame to frame, and the Merkle tree of RFC 6962 over all of them.

Both cover ciphertext, so that they are checked without any decryption key. The chain finds the first bad frame while
streaming; the tree's root is what a checkpoint signs, and gives short proofs of single entries.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

EMPTY: Final = bytes(32)
"""The chain hash before the first frame."""

_sha256 = hashlib.sha256


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log ends: how many frames, the chain hash of the last one, the root of the tree over all of them."""

    size: int
    chain: bytes
    root: bytes


def leaf_hash(entry: bytes) -> bytes:
    """The leaf hash of RFC 6962 over header and body of a frame."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node of RFC 6962."""
    return _sha256(b"\x01" + left + right).digest()


def chain_hash(before: bytes, leaf: bytes) -> bytes:
    """The chain hash of a frame, given the one before and its own leaf."""
    return _sha256(b"\x02" + before + leaf).digest()


@dataclass(slots=True)
class Chain:
    """A log's growing end. *peaks* are the roots of the full subtrees, largest first: all a tree needs to go on."""

    size: int = 0
    hash: bytes = EMPTY
    peaks: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes, hash_: bytes) -> None:
        """Takes in a frame whose chain hash is already known."""
        at = self.size
        peaks = self.peaks
        while at & 1:
            leaf = _sha256(b"\x01" + peaks.pop() + leaf).digest()
            at >>= 1
        peaks.append(leaf)
        self.size += 1
        self.hash = hash_

    def extend(self, entry: bytes) -> bytes:
        """Takes in a new frame (header and body) and gives its chain hash."""
        leaf = _sha256(b"\x00" + entry).digest()
        hash_ = _sha256(b"\x02" + self.hash + leaf).digest()
        self.add(leaf, hash_)
        return hash_

    def root(self) -> bytes:
        """The root of the tree over everything taken in."""
        if not self.peaks:
            return _sha256(b"").digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def head(self) -> Head:
        """The end as a value."""
        return Head(self.size, self.hash, self.root())

    def copy(self) -> "Chain":
        """A second one to build ahead on, so that this one stays at what is durable."""
        return Chain(self.size, self.hash, self.peaks.copy())
