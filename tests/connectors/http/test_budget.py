"""This is where requests are rationed on a clock that nobody waits for."""

import threading
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from connectors.http.budget import BreakerRule, Budget, Limits, Retry, Ruling, retry_after, server_time
from connectors.http.client import AnswerLost, NotReached, Response
from tests.connectors.http.connected import Time


def answer(status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response("crm", "GET", "/people", status, "http://crm/people", named, b"")


def rule(response: Response) -> Ruling:
    return "later" if response.status == 429 else "failing" if response.status >= 500 else "done"


def script(*steps: Response | Exception) -> tuple[Callable[[], Response], list[int]]:
    left, calls = list(steps), [0]

    def send() -> Response:
        calls[0] += 1
        step = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(step, Exception):
            raise step
        return step

    return send, calls


def budget(time: Time, **how: Any) -> Budget:
    return Budget("crm", around=time.around(), **how)


def test_too_many_requests_waits_as_long_as_asked() -> None:
    time = Time()
    send, calls = script(answer(429, retry_after="7"), answer(200))

    got = budget(time).call(send, repeatable=False, rule=rule)

    assert got.status == 200
    assert calls == [2]
    assert 7 <= sum(time.naps) < 8


def test_patience_ends_and_the_last_answer_is_handed_back() -> None:
    time = Time()
    send, _ = script(answer(429, retry_after="3000"))

    assert budget(time).call(send, repeatable=True, rule=rule).status == 429
    assert sum(time.naps) <= 60


def test_a_write_is_not_repeated_after_a_fault_and_a_read_is() -> None:
    for fault in (answer(500), AnswerLost("cut")):
        once, writes = script(fault, answer(200))
        twice, reads = script(fault, answer(200))

        try:
            outcome: Any = budget(Time()).call(once, repeatable=False, rule=rule).status
        except AnswerLost as e:
            outcome = str(e)

        assert outcome in (500, "cut")
        assert writes == [1]
        assert budget(Time()).call(twice, repeatable=True, rule=rule).status == 200
        assert reads == [2]


def test_what_was_never_sent_is_tried_again_even_for_a_write() -> None:
    send, calls = script(NotReached("refused"), NotReached("refused"), answer(201))

    assert budget(Time()).call(send, repeatable=False, rule=rule).status == 201
    assert calls == [3]


def test_waits_double_up_to_their_limit_and_never_pass_the_total() -> None:
    time = Time()
    send, _ = script(answer(500))

    budget(time, breaker=BreakerRule(failures=99)).call(send, repeatable=True, rule=rule)

    assert time.naps[:7] == [0.5, 1, 2, 4, 8, 16, 20]
    assert sum(time.naps) <= 60


def test_no_window_holds_more_requests_than_allowed() -> None:
    time = Time()
    moments: list[float] = []
    shared = budget(time, limits=Limits(requests=3, per="10s"))

    def send() -> Response:
        moments.append(time.now)
        return answer(200)

    for _ in range(10):
        shared.call(send, repeatable=True, rule=rule)

    assert all(later - earlier >= 10 for earlier, later in zip(moments, moments[3:], strict=False))
    assert time.now - moments[0] == 30


def test_a_rate_that_cannot_be_met_in_time_is_not_sent_and_says_when() -> None:
    time = Time()
    shared = budget(time, limits=Limits(requests=1, per="1h"))
    send, calls = script(answer(200))
    shared.call(send, repeatable=True, rule=rule)

    with pytest.raises(NotReached) as caught:
        shared.call(send, repeatable=False, rule=rule)

    assert caught.value.retry_after == 3600
    assert calls == [1]


def test_no_more_requests_at_once_than_allowed() -> None:
    shared = budget(Time(), limits=Limits(concurrent=2))
    inside, most, lock = [0], [0], threading.Lock()
    full = threading.Barrier(2)

    def send() -> Response:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        full.wait(5)
        with lock:
            inside[0] -= 1
        return answer(200)

    threads = [threading.Thread(target=lambda: shared.call(send, repeatable=True, rule=rule)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [2]


def test_a_failing_system_is_left_alone_and_comes_back_carefully() -> None:
    time = Time()
    shared = budget(time, breaker=BreakerRule(failures=3, recovery="60s", successes=2), retry=Retry(within="0s"))
    send, calls = script(*[answer(500)] * 3, answer(500), answer(200))

    for _ in range(3):
        shared.call(send, repeatable=False, rule=rule)
    with pytest.raises(NotReached, match="left alone for 60 s; the last time: it answered 500"):
        shared.call(send, repeatable=False, rule=rule)
    assert calls == [3]

    time.now += 60
    shared.call(send, repeatable=False, rule=rule)  # the one that may try fails again
    with pytest.raises(NotReached, match="left alone"):
        shared.call(send, repeatable=False, rule=rule)

    time.now += 60
    for _ in range(4):
        assert shared.call(send, repeatable=False, rule=rule).status == 200


def test_refused_records_and_rate_limits_open_no_breaker() -> None:
    shared = budget(Time(), breaker=BreakerRule(failures=1), retry=Retry(within="0s"))
    for status in (422, 429, 404):
        send, _ = script(answer(status))
        assert shared.call(send, repeatable=False, rule=rule).status == status


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("0", 0), ("-5", 0), ("1000000000", 3600), ("soon", None), ("", None), ("1.5", 1.5), ("nan", None)],
)
def test_retry_after_in_seconds_is_kept_within_reason(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, 0) == seconds


def test_retry_after_as_a_date_is_measured_by_the_servers_own_clock() -> None:
    headers = {"retry-after": formatdate(5_000_090, usegmt=True), "date": formatdate(5_000_000, usegmt=True)}

    assert retry_after(headers, date=9_999_999) == 90
    assert retry_after({"retry-after": formatdate(100, usegmt=True)}, date=40) == 60
    assert server_time(headers) == "1970-02-27T20:53:20Z"
    assert server_time({}) is None
