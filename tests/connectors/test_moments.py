"""This is where cursors are compared and moved without being written in another way."""

import pytest

from connectors.moments import after, later, moved


@pytest.mark.parametrize(
    ("cursor", "seconds", "there"),
    [
        ("2026-01-01T00:00:00Z", -60, "2025-12-31T23:59:00Z"),
        ("2026-01-01T00:00:00.123Z", -60, "2025-12-31T23:59:00.123Z"),
        ("2026-01-01T00:00:00.1234567Z", -60, "2025-12-31T23:59:00.1234560Z"),
        ("2026-01-01 00:00:00,5+02:00", 1, "2026-01-01 00:00:01,5+02:00"),
        ("2026-01-01T00:00:00-0330", 1, "2026-01-01T00:00:01-0330"),
        ("2026-01-01 00:00:00", -0.5, "2025-12-31 23:59:59.500"),
        ("2026-01-01T00:00:00.999Z", 0.001, "2026-01-01T00:00:01.000Z"),
        ("20260101000000Z", 60, "20260101000100Z"),
        ("20260101000000.0Z", -60, "20251231235900Z"),
        ("1780000000", -60, "1779999940"),
        ("1780000000123", -60, "1779999940123"),
        ("2026-13-01T00:00:00Z", 1, "2026-13-01T00:00:00Z"),
        ("opaque", 3, "opaque"),
        ("12", 3, "12"),
    ],
)
def test_a_cursor_is_moved_in_its_own_way_of_writing(cursor: str, seconds: float, there: str) -> None:
    assert moved(cursor, seconds) == there


@pytest.mark.parametrize(
    ("earlier", "later_one"),
    [
        ("9", "10"),
        ("9007199254740992", "9007199254740993"),
        ("1.5", "1.50001"),
        ("2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00.1234568Z"),
        ("2026-01-01T01:00:00+02:00", "2025-12-31T23:30:00Z"),
        ("2026-01-01 00:00:00", "2026-01-01T00:00:00.001Z"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:01"),
        ("20260101000000Z", "20260101000000.5Z"),
        ("20260101000000Z", "2026-01-01T00:00:01Z"),
        ("a", "b"),
        ("2026-13-01T00:00:00Z", "2026-13-02T00:00:00Z"),
        ("10", "nan"),
    ],
)
def test_one_cursor_lies_after_another(earlier: str, later_one: str) -> None:
    assert later(later_one, earlier)
    assert not later(earlier, later_one)
    assert not later(earlier, earlier)


@pytest.mark.parametrize(
    ("cursor", "step", "following"),
    [
        ("9", 0, "10"),
        ("1780000000123", 0, "1780000000124"),
        ("2026-01-01T00:00:00.123Z", 0.001, "2026-01-01T00:00:00.124Z"),
        ("2026-01-01T00:00:00Z", 1, "2026-01-01T00:00:01Z"),
        ("2026-01-01T00:00:00Z", 0, "2026-01-01T00:00:00Z"),
    ],
)
def test_the_next_possible_cursor(cursor: str, step: float, following: str) -> None:
    assert after(cursor, step) == following
