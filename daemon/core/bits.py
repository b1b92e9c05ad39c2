"""This is where a set of small numbers is kept at one bit each."""


class Bits:
    """Numbers from 0 on, such as which of the known halves a listing showed."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, number: int) -> None:
        """*number* is in."""
        at = number >> 3
        if at >= len(self._bytes):
            self._bytes.extend(bytes(max(at + 1 - len(self._bytes), 4096)))
        self._bytes[at] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        at = number >> 3
        return at < len(self._bytes) and bool(self._bytes[at] & 1 << (number & 7))
