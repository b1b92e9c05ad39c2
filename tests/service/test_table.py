"""Who works on a sync, and who waits: one at a time, one run in line."""

import pytest

from daemon.engine.report import Request
from daemon.errors import Busy
from daemon.service.table import AT_ONCE, IN_LINE, SCHEDULE, Table, Task


class Room:
    """A table that remembers who began, in order."""

    def __init__(self) -> None:
        self.began: list[Task] = []
        self.table = Table(self.began.append)

    def run(self, sync: str = "people", run: str = "", *, actor: str = SCHEDULE, only: str | None = None,
            full: bool = False) -> Task:  # fmt: skip
        return self.table.add(Task(sync, "run", run, Request("run", full, only, actor)))

    def plan(self, sync: str = "people") -> Task:
        return self.table.add(Task(sync, "plan", job=lambda generation, stop: {}))


def test_one_sync_is_worked_on_by_one_at_a_time() -> None:
    room = Room()
    first, second, other = room.run(run="1"), room.plan(), room.run("orders", "2")

    assert room.began == [first, other]

    room.table.end(first)

    assert room.began == [first, other, second]


def test_ticks_during_a_long_run_queue_one_run_and_no_more() -> None:
    room = Room()
    first = room.run(run="1")
    waiting = [room.run(run=str(n)) for n in range(2, 10)]

    assert len({id(task) for task in waiting}) == 1

    room.table.end(first)
    room.table.end(waiting[0])

    assert room.began == [first, waiting[0]]
    assert room.table.idle


def test_a_person_who_joins_a_waiting_run_is_its_actor_and_full_wins() -> None:
    room = Room()
    room.run(run="1")
    waiting = room.run(run="2", full=True)

    joined = room.run(run="3", actor="uid:1000")

    assert joined is waiting
    assert joined.request == Request("run", True, None, "uid:1000")


def test_a_tick_does_not_take_a_waiting_run_from_its_person() -> None:
    room = Room()
    room.run(run="1")
    waiting = room.run(run="2", actor="uid:1000")

    room.run(run="3", full=True)

    assert waiting.request == Request("run", True, None, "uid:1000")


def test_a_run_of_one_record_is_not_mistaken_for_a_run_of_all() -> None:
    room = Room()
    room.run(run="1")
    everything, one, same = room.run(run="2"), room.run(run="3", only="c-1"), room.run(run="4", only="c-1")

    assert everything is not one
    assert same is one


def test_a_run_of_one_collection_that_joins_a_run_of_all_is_a_run_of_all() -> None:
    room = Room()
    room.run(run="1")
    waiting = room.table.add(Task("people", "run", "2", Request("run", collection="people.phones")))
    again = room.table.add(Task("people", "run", "3", Request("run", collection="people.phones")))
    assert again is waiting
    assert waiting.request
    assert waiting.request.collection == "people.phones"

    room.run(run="4")

    assert waiting.request.collection == ""


def test_a_line_has_an_end() -> None:
    room = Room()
    room.plan()
    for _ in range(IN_LINE):
        room.plan()

    with pytest.raises(Busy, match="people"):
        room.plan()

    room.plan("orders")  # another sync has its own line


def test_many_syncs_share_the_threads() -> None:
    room = Room()
    tasks = [room.run(f"s{n}") for n in range(AT_ONCE + 3)]

    assert room.began == tasks[:AT_ONCE]

    room.table.end(tasks[4])

    assert room.began[-1] is tasks[AT_ONCE]


def test_when_the_daemon_stops_those_who_wait_are_sent_home() -> None:
    room = Room()
    first, waiting = room.run(), room.plan()

    room.table.refuse_all(Busy("stopping"))

    assert room.table.doing == {"people": "run"}
    with pytest.raises(Busy):
        waiting.future.result(0)
    room.table.end(first)
    assert room.table.idle
