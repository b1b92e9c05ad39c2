"""This is where the audit log is asked what was done to one pair lately."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from daemon.audit.keys import Keys
from daemon.audit.log import AuditLog
from daemon.audit.reading import read_entries
from daemon.service.clock import as_text

BACK: Final = 5_000
"""Entries that are looked through, from the end of the log: a second at the most. The whole is `audit show`."""
TOLD: Final = 10
_FACTS: Final = ("action", "actor", "run", "op", "system", "result", "message", "reason", "means", "take", "means")


def recent(log: AuditLog, keys: Keys, sync: str, pair: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The last outcomes and answers about *pair* (its number, `left` and `right`), oldest first, without values."""
    ids = [(side, pair[side]) for side in ("left", "right") if pair.get(side) is not None]

    def about(body: Mapping[str, Any]) -> bool:
        if body.get("sync") != sync or body.get("action") == "intent":
            return False
        if body.get("pair") == pair.get("pair") or [pair.get("left"), pair.get("right")] in body.get("pairs", ()):
            return True
        return any(body.get(side) == id for side, id in ids)

    found = deque(read_entries(log.folder, keys, start=max(0, log.head.size - BACK), match=about), TOLD)
    return [
        {"seq": entry.seq, "time": as_text(entry.time)}
        | {name: entry.body[name] for name in _FACTS if entry.body.get(name) not in (None, "")}
        | {"fields": sorted(entry.body.get("fields") or ())}
        for entry in found
    ]
