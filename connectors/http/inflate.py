"""This is where a body is unpacked no further than its limit, whatever it claims to hold.

httpx would unpack a chunk whole and several codings in a row, so 64 KB could become gigabytes before anybody looks.
"""

import zlib
from collections.abc import Iterable


class TooLarge(Exception):
    """The body is longer than allowed; the text says which limit."""


class BadCoding(Exception):
    """The body is packed in a way that was not asked for, or is damaged."""


def read_body(chunks: Iterable[bytes], coding: str, *, wire: int, decoded: int) -> bytes:
    """All bytes of a body. Raises TooLarge beyond *wire* bytes received or *decoded* bytes unpacked."""
    match coding.strip().lower():
        case "" | "identity":
            return _plain(chunks, min(wire, decoded))
        case "gzip" | "x-gzip" | "deflate":
            return _unpacked(chunks, wire, decoded)
        case other:
            raise BadCoding(f"content-encoding {other[:40]!r}, which was not asked for")


def _plain(chunks: Iterable[bytes], limit: int) -> bytes:
    parts, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"more than {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


def _unpacked(chunks: Iterable[bytes], wire: int, decoded: int) -> bytes:
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, by its header
    parts, received, size = [], 0, 0
    try:
        for chunk in chunks:
            received += len(chunk)
            if received > wire:
                raise TooLarge(f"more than {wire} bytes on the wire")
            part = unpack.decompress(chunk, decoded - size + 1)
            size += len(part)
            if size > decoded:
                raise TooLarge(f"more than {decoded} bytes when unpacked")
            parts.append(part)
        parts.append(unpack.flush())
    except zlib.error as e:
        raise BadCoding(f"damaged gzip: {e}") from None
    if received and not unpack.eof:
        raise BadCoding("gzip cut short")
    return b"".join(parts)
