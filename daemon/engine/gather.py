"""This is where both sides are read: every record costs one digest and one look-up, and only what moved is kept."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from connectors.base import CursorExpired, Driver, Page, Permanent, Record
from connectors.moments import later
from daemon.core.bits import Bits
from daemon.core.rules import SIDES, Side
from daemon.engine.cursors import read_from
from daemon.engine.lookers import Lookers
from daemon.engine.overflow import Shelf
from daemon.engine.view import View
from daemon.store.store import Store, SyncRow

CIRCLE = 1000
"""Pages in a row without a record that was not shown before: the end of such a listing never comes."""


@dataclass(slots=True)
class Sight:
    """What one side showed."""

    moved: Shelf[Record]
    """Records of known pairs that look different, by pair key; held pairs always."""
    outside: Shelf[Record]
    """Records of known pairs that left the scope."""
    fresh: Lookers
    """Records that no pair knows."""
    gone: set[int] = field(default_factory=set)
    """Pairs whose record the system itself calls deleted."""
    present: Bits = field(default_factory=Bits)
    whole: set[str] = field(default_factory=set)
    """Of a look at some records only: those that showed all members of their list."""
    complete: bool = False
    full: bool = True
    pages: int = 0
    count: int = 0
    """Records that were shown, each once."""
    edited: int = 0
    """Known records that show something else than when they were last seen."""
    circling: int = 0
    """Pages in a row that showed nothing new."""
    cursor: str | None = None
    server_time: str | None = None


class Stopped(Exception):  # it is no error: somebody asked for it
    """The reading was ended at a page, because we are asked to stop."""


def gather(
    views: Mapping[Side, View],
    drivers: Mapping[Side, Driver],
    store: Store,
    row: SyncRow,
    *,
    full: bool,
    stop: Callable[[], bool] = lambda: False,
) -> dict[Side, Sight]:
    """Read both sides at once, a thread each. Raises what a driver raises, and Stopped."""
    with ThreadPoolExecutor(2, thread_name_prefix="gather") as pool:
        futures = {s: pool.submit(_look, views[s], drivers[s], store, row, full, stop) for s in SIDES}
        return {side: future.result() for side, future in futures.items()}


def _look(view: View, driver: Driver, store: Store, row: SyncRow, full: bool, stop: Callable[[], bool]) -> Sight:
    rule = view.capabilities.cursor
    stored = row.cursors.get(view.side)
    if full or rule is None or stored is None:
        return _read_all(view, driver, store, row, None, stop)
    try:
        sight = _read_all(view, driver, store, row, read_from(rule, stored), stop)
        if rule.kind == "token" or sight.cursor is not None:
            return sight
    except CursorExpired:
        pass
    # the record at which we stopped is gone, or the cursor means nothing any more: only all of it can tell
    return _read_all(view, driver, store, row, None, stop)


def _read_all(
    view: View, driver: Driver, store: Store, row: SyncRow, cursor: str | None, stop: Callable[[], bool]
) -> Sight:
    shelves = Shelf[Record](store.folder), Shelf[Record](store.folder)
    sight = Sight(*shelves, Lookers(view.side, store.folder), full=cursor is None)
    pages = driver.read(view.end.entity, cursor=cursor, fields=view.wanted, where=view.end.where or None)
    for page in pages:
        if stop():
            raise Stopped
        _take_page(sight, page, view, store, row.id)
    return sight


def _take_page(sight: Sight, page: Page, view: View, store: Store, sync: int) -> None:
    before, sight.pages = sight.count, sight.pages + 1
    sight.complete = page.complete and sight.full
    if page.cursor is not None and (sight.cursor is None or _ahead(view, page.cursor, sight.cursor)):
        sight.cursor = page.cursor
    sight.server_time = sight.server_time or page.server_time
    sight.whole.update(() if sight.full else page.whole)
    known = store.pairs.known(sync, view.side, [record.id for record in page.records])
    view.expect(page.records)
    for record in page.records:
        half = known.get(record.id)
        if half is None:
            if view.in_scope(record):
                sight.count += sight.fresh.meet(view.item(record))
            else:
                sight.count += 1
            continue
        sight.count += half.key not in sight.present
        sight.present.add(half.key)
        if half.state == "retired" and half.seen and half.seen == view.seen(record):
            continue  # it ended, and its record stands where it stood
        if not view.in_scope(record):
            sight.outside[half.key] = record
        elif half.state in ("held", "retired") or half.seen != view.seen(record):
            sight.moved[half.key] = record
            sight.edited += half.state == "active" and bool(half.seen)
    sight.circling = sight.circling + 1 if page.records and sight.count == before else 0
    if sight.circling >= CIRCLE:
        end = f"{view.end.system}.{view.end.entity}"
        raise Permanent(f"{end}: {CIRCLE} pages in a row showed only records seen before: the pages go in circles")
    if page.gone:
        sight.gone |= {half.key for half in store.pairs.known(sync, view.side, page.gone).values()}


def _ahead(view: View, cursor: str, than: str) -> bool:
    rule = view.capabilities.cursor
    return rule is None or rule.kind == "token" or later(cursor, than)


def missing(sight: Sight, store: Store, row: SyncRow, side: Side) -> Iterator[tuple[int, str]]:
    """Pairs whose record a complete listing did not show. Their absence still has to be confirmed by a `get`."""
    expected = (
        store.pairs.standing(row.id, side) if sight.complete else store.families.members(row.id, side, sight.whole)
    )
    for key, id in expected:
        if key not in sight.present:
            yield key, id
