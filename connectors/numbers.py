"""This is where the number in a text is taken exactly, and where one that nobody could write out is told apart."""

from decimal import Decimal

DIGITS = 5000
"""Places before or behind the point: more than any system keeps, and few enough to be written out."""


def writable(number: Decimal) -> bool:
    """Whether the digits can be written out. Those of 1e999999999, which is a short text, would fill the memory."""
    return not number.is_finite() or abs(number.adjusted()) <= DIGITS


def exact(text: str) -> Decimal | str:
    """The number that JSON shows as *text*, with all its digits; what cannot be written out stays a text."""
    number = Decimal(text)
    return number if writable(number) else text
