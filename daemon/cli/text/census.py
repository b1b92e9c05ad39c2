"""This is where a plan becomes a table that a spreadsheet opens."""

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from daemon.cli.text.lines import quoted

HEADS: Final = ("kind", "left", "right", "side", "field", "before", "after", "why", "collection")


def write_census(report: Mapping[str, Any], path: Path) -> int:
    """Writes one row a field that would change, and one a record that would only be paired or held: how many."""
    count = 0
    with open(path, "w", newline="", encoding="utf-8", opener=_for_us_alone) as file:  # Path has no opener
        writer = csv.writer(file)
        writer.writerow(HEADS)
        for row in _rows(report):
            writer.writerow([_harmless(cell) for cell in row])
            count += 1
    return count


def _for_us_alone(path: str, flags: int) -> int:
    """A new file holds people's data, which are nobody else's business."""
    return os.open(path, flags, 0o600)


def _rows(report: Mapping[str, Any]) -> Iterator[list[Any]]:
    for line in report.get("lines", ()):
        start, whose = [line.get("kind"), line.get("left"), line.get("right")], line.get("collection") or ""
        moves = [(c["side"], name, m) for c in line.get("changes", ()) for name, m in (c.get("fields") or {}).items()]
        for side, name, move in moves:
            yield [*start, side, name, move.get("before"), move.get("after"), move.get("why"), whose]
        if not moves:
            yield [*start, "", "", "", "", line.get("reason") or "", whose]


def _harmless(cell: Any) -> str:
    """Text that a spreadsheet shows instead of computing it."""
    text = "" if cell is None else cell if isinstance(cell, str) else quoted(cell)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
