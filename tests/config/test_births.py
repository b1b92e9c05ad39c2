"""This is where fields that are written at birth only are compiled, and where nonsense about them is refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.core.births import born_on, full
from tests.config.test_compile import code, compiled

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOGIN = "login: {right: uid, once: true, generate: {try: ['lower(no)', \"concat(no, n)\"], unique: [mail], max: 3}}"


def test_candidates_come_in_order_and_the_number_counts_from_two(tmp_path: Path) -> None:
    sync = compiled(tmp_path, LOGIN)

    (login,) = sync.births

    assert list(full(login, {"no": "A"}, NOON)) == ["a", "A2", "A3"]
    assert list(full(login, {"no": None}, NOON)) == []
    assert login.places("right") == ("uid", "mail")
    assert born_on(sync, "right") == (login,)
    assert born_on(sync, "left") == ()
    assert [rule.name for rule in sync.rules] == ["no"]
    assert sync.rule("login") is login.rule


def test_a_value_at_birth_may_ask_for_what_was_generated_above(tmp_path: Path) -> None:
    day = "day: {right: day, type: date, once: true, value: \"'2026-02-03'\"}"
    sync = compiled(tmp_path, LOGIN, "mail: {right: address, once: true, value: \"concat(login, '@x')\"}", day)

    _, mail, born = sync.births

    assert list(full(mail, {"no": "1", "login": "ada"}, NOON)) == ["ada@x"]
    assert list(full(born, {}, NOON)) == [datetime(2026, 2, 3).date()]
    assert mail.places("right") == ()
    assert mail.why == "set at birth"


def test_a_secret_is_copied_or_random_and_kept_nowhere(tmp_path: Path) -> None:
    pin = "pin: {left: pin, right: code, once: true, secret: true}"
    word = "word: {right: password, once: true, secret: true, generate: {password: 24}}"
    sync = compiled(tmp_path, pin, word)

    copied, random = sync.births

    assert copied.copied
    assert (random.password, random.copied, random.why) == (24, False, "generated at birth")
    assert [birth.rule.audit for birth in sync.births] == ["none", "none"]
    assert sync.wanted("left") == ("no", "pin")
    assert sync.wanted("right") == ("no", "code")


@pytest.mark.parametrize(
    "line",
    [
        "{left: x, right: x, secret: true}",
        "{left: x, right: x, secret: true, owner: left}",
        "{right: x, once: true, secret: true}",
        "{left: x, right: x, once: true, secret: true, audit: value}",
        "{left: x, right: x, once: true, generate: {try: [no]}}",
        "{left: x, right: x, once: true, value: no}",
        "{right: x, generate: {try: [no]}}",
        "{right: x, value: no}",
        "{right: x, once: true, value: no, generate: {try: [no]}}",
        "{right: x, once: true, generate: {password: 24}}",
        "{right: x, once: true, secret: true, generate: {password: 24, try: [no]}}",
        "{right: x, once: true, secret: true, generate: {password: 24, unique: true}}",
        "{right: x, once: true, generate: {}}",
        "{right: x, once: true, generate: {max: 3}}",
        "{right: x, once: true, owner: left, value: no}",
        "{right: x, once: true, wins: left, value: no}",
        "{right: x, once: true, first: left, value: no}",
        "{right: x, once: true, hold: record, value: no}",
        "{right: x, once: true, unique: true, value: no}",
        "{right: x, once: true, values: {a: b}, value: no}",
    ],
)
def test_what_contradicts_a_birth_is_refused(tmp_path: Path, line: str) -> None:
    assert code(tmp_path, f"x: {line}") == ["contradiction"]


@pytest.mark.parametrize(
    "line",
    [
        "{right: x, once: true, value: 'nobody'}",
        "{right: x, once: true, value: '@'}",
        "{right: x, once: true, value: 'n'}",
        "{right: x, once: true, value: 'lower('}",
        "{right: x, once: true, generate: {try: ['{no}{n}']}}",
        "{right: 'concat(a, b)', once: true, value: 'no'}",
        "{left: 'concat(a, b)', once: true, value: 'no'}",
        "{once: true, value: 'no'}",
    ],
)
def test_what_no_birth_can_be_made_of_is_refused(tmp_path: Path, line: str) -> None:
    assert code(tmp_path, f"x: {line}") == ["mapping"]


def test_a_secret_is_no_part_of_another_value(tmp_path: Path) -> None:
    pin = "pin: {left: pin, right: code, once: true, secret: true}"

    assert code(tmp_path, pin, "x: {right: x, once: true, value: pin}") == ["mapping"]


def test_a_field_of_the_counters_name_is_refused_beside_a_generated_one(tmp_path: Path) -> None:
    assert code(tmp_path, "n: {left: n, right: n}", LOGIN) == ["mapping"]


def test_a_birth_is_neither_matched_nor_grouped(tmp_path: Path) -> None:
    assert code(tmp_path, LOGIN, more="groups: {g: [no, login]}\n") == ["contradiction"]


def test_a_birth_and_another_field_do_not_write_one_place(tmp_path: Path) -> None:
    assert code(tmp_path, LOGIN, "uid: {left: uid, right: uid}") == ["two-writers"]
    assert code(tmp_path / "b", LOGIN, "uid: {left: uid, right: uid, owner: right}") == []


def test_another_way_to_make_names_asks_for_no_approval(tmp_path: Path) -> None:
    one, two = compiled(tmp_path, LOGIN), compiled(tmp_path / "b", LOGIN.replace("lower", "upper"))

    assert one.rev == two.rev
    assert one.outlook != two.outlook
