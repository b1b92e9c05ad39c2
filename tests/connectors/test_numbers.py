"""Stories of numbers that are short texts and would fill the memory."""

from decimal import Decimal

import pytest

from connectors.file import formats
from connectors.http import client, records
from connectors.numbers import exact, writable
from connectors.sql import columns


@pytest.mark.parametrize("text", ["1.10", "-0.001", "1e400", "1E+5000", "1e-5000", "0.0", "12345678901234567890.5"])
def test_a_number_keeps_all_its_digits(text: str) -> None:
    assert exact(text) == Decimal(text)
    assert str(exact(text)) == str(Decimal(text))


@pytest.mark.parametrize("text", ["1e999999999", "-1E5001", "1e-999999999", "0e999999999"])
def test_what_nobody_could_write_out_stays_a_text(text: str) -> None:
    assert exact(text) == text
    assert not writable(Decimal(text))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_has_no_digits_is_written_as_it_is(value: str) -> None:
    assert writable(Decimal(value))


@pytest.mark.parametrize("decode", [client._decoder.decode, formats.DECODER.decode, columns.DECODER.decode])
def test_every_reader_of_json_takes_it_so(decode: object) -> None:
    assert decode(b"[1e999999999, 1.10, 7]") == ["1e999999999", Decimal("1.10"), 7]  # type: ignore[operator]
    assert records._parts.decode(b"[1e999999999]") == ["1e999999999"]
