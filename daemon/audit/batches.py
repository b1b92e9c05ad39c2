"""This is where callers at the same time come to share a batch: whoever has the turn writes what has gathered.

There is no timer. The next batch is whatever arrived while the former one was being synced. A caller that finds the
turn taken sleeps; who gives the turn back wakes those whose entries are durable, and the first of those who still
wait. A caller lines up before it looks for the turn, and the turn is given back before the line is looked at, so
nobody is forgotten.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from daemon.audit.entries import Entry, Text, encode_entry

BATCH_ENTRIES: Final = 1024
BATCH_BYTES: Final = 1024 * 1024


@dataclass(slots=True)
class Ticket:
    """Some entries of one call, waiting for their batch. *first* is their sequence once they are durable.

    *awake* is shared by the tickets of a call.
    """

    awake: threading.Event
    texts: list[Text]
    size: int
    first: int | None = None


class Waiting:
    """The tickets that wait, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: deque[Ticket] = deque()

    def add(self, tickets: Sequence[Ticket]) -> None:
        """Lines up a call's tickets, with none of another call between them."""
        with self._lock:
            self._tickets.extend(tickets)

    def next_batch(self) -> list[Ticket]:
        """At least one ticket, and no more than a batch holds. The caller knows that one waits."""
        with self._lock:
            batch = [self._tickets.popleft()]
            count, size = len(batch[0].texts), batch[0].size
            while self._tickets:
                count += len(self._tickets[0].texts)
                size += self._tickets[0].size
                if count > BATCH_ENTRIES or size > BATCH_BYTES:
                    break
                batch.append(self._tickets.popleft())
        return batch

    def put_back(self, batch: Sequence[Ticket]) -> None:
        """Puts a batch that failed before those who wait."""
        with self._lock:
            self._tickets.extendleft(reversed(batch))

    def wake_next(self, *, everyone: bool) -> None:
        """Wakes the first who waits, so that it takes the turn; or *everyone*, to hear that there will be none."""
        with self._lock:
            if self._tickets:
                self._tickets[0].awake.set()
            while everyone and self._tickets:
                self._tickets.popleft().awake.set()


def make_tickets(entries: Sequence[Entry]) -> list[Ticket]:
    """The entries of a call as texts, in portions of at most a batch. A text larger than that goes alone."""
    tickets: list[Ticket] = []
    awake = threading.Event()
    for text in map(encode_entry, entries):
        size = len(text.json)
        last = tickets[-1] if tickets else None
        if last is None or len(last.texts) >= BATCH_ENTRIES or last.size + size > BATCH_BYTES:
            tickets.append(Ticket(awake, [text], size))
        else:
            last.texts.append(text)
            last.size += size
    return tickets
