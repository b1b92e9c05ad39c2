"""Stories of the daemon's memory: what it keeps, what it refuses to keep, and what it never tells."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core.merge import Ruling
from daemon.core.model import Half, Members, Pair
from daemon.errors import StoreError
from daemon.store.rows import to_pair, to_row
from daemon.store.store import Store

FIELDS = ("email", "name", "phone", "tag")
digests = st.binary(min_size=8, max_size=8).filter(any)
keys = st.none() | st.binary(min_size=16, max_size=16).filter(any)
halves = st.builds(
    Half,
    id=st.text(min_size=1),
    version=st.none() | st.text(),
    seen=st.just(b"") | st.binary(min_size=16, max_size=16),
    agreed=st.dictionaries(st.sampled_from(FIELDS), digests),
    sent=st.dictionaries(st.sampled_from(FIELDS), digests),
    keys=st.lists(keys, max_size=3).map(tuple),
)
groups = st.frozensets(digests, max_size=3)
sets = st.builds(
    Members,
    agreed=groups,
    sent=st.dictionaries(st.sampled_from(["left", "right"]), groups.filter(bool)),
)
pairs = st.builds(
    Pair,
    key=st.integers(1, 2**62),
    left=st.none() | halves,
    right=st.none() | halves,
    state=st.sampled_from(["active", "single", "held", "retired"]),
    reason=st.sampled_from(["", "conflict", "gone", "refused"]),
    detail=st.dictionaries(st.text(), st.text() | st.integers(0, 9), max_size=2),
    born=st.sampled_from(["created", "matched"]),
    since=st.floats(0, 2e9),
    next_try=st.floats(0, 2e9),
    attempts=st.integers(0, 99),
    line=st.binary(max_size=16),
    members=st.dictionaries(st.sampled_from(FIELDS), sets, max_size=2),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store.db")
    yield made
    made.close()


@pytest.fixture
def sync(store: Store) -> int:
    return store.sync("people").id


def half(id: str, *keys: bytes, **agreed: bytes) -> Half:
    return Half(id, "v1", b"s" * 16, agreed, {}, keys)


def pair(key: int, left: Half | None = None, right: Half | None = None, **more: Any) -> Pair:
    return Pair(key, left, right, **({"since": 1.0} | more))


def key(letter: str) -> bytes:
    return letter.encode() * 16


@given(pairs)
def test_a_pair_survives_its_row(one: Pair) -> None:
    names = tuple(sorted({n for h in (one.left, one.right) if h for n in (*h.agreed, *h.sent)} | one.members.keys()))

    assert to_pair(to_row(one, 1, 1, names, None), names, one.detail) == one


@given(st.lists(pairs, max_size=5, unique_by=lambda one: one.key))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_pairs_come_back_as_they_were_remembered(tmp_path_factory: pytest.TempPathFactory, some: list[Pair]) -> None:
    some = [replace(one, left=_named(one.left, one), right=_named(one.right, one)) for one in some]
    folder = tmp_path_factory.mktemp("store")
    first = Store(folder / "store.db")
    first.pairs.remember(first.sync("people").id, some)
    first.close()

    again = Store(folder / "store.db")

    assert again.pairs.get(one.key for one in some) == {one.key: one for one in some}
    again.close()


def _named(one: Half | None, of: Pair) -> Half | None:
    return replace(one, id=str(of.key)) if one else None


def test_fields_may_come_and_go_between_two_versions_of_a_mapping(store: Store, sync: int) -> None:
    store.pairs.remember(sync, [pair(1, half("L1", a=b"1" * 8, b=b"2" * 8))])
    store.pairs.remember(sync, [pair(2, half("L2", b=b"3" * 8, c=b"4" * 8))])
    store.pairs.remember(sync, [pair(3, half("L3"))])

    found = store.pairs.get([1, 2, 3])

    assert [dict(one.left.agreed) for one in found.values() if one.left] == [
        {"a": b"1" * 8, "b": b"2" * 8}, {"b": b"3" * 8, "c": b"4" * 8}, {},
    ]  # fmt: skip


def test_a_second_pair_for_one_record_is_an_error_and_replaces_nothing(store: Store, sync: int) -> None:
    store.pairs.remember(sync, [pair(1, half("L1"), half("R1"))])

    for rival in (pair(2, half("L1")), pair(2, None, half("R1")), pair(2, half("L1"), state="retired")):
        with pytest.raises(sqlite3.IntegrityError):
            store.pairs.remember(sync, [pair(3, half("L3")), rival])

    assert set(store.pairs.get([1, 2, 3])) == {1}
    store.pairs.remember(store.sync("other").id, [pair(4, half("L1"), half("R1"))])


def test_a_retired_pair_still_claims_its_records(store: Store, sync: int) -> None:
    store.pairs.remember(sync, [pair(1, half("L1"), half("R1"), state="retired", reason="gone")])

    assert store.pairs.known(sync, "left", ["L1", "L2"])["L1"].state == "retired"
    assert list(store.pairs.standing(sync, "left")) == []


def test_one_pair_may_take_the_place_of_another_in_one_transaction(store: Store, sync: int) -> None:
    store.pairs.remember(sync, [pair(1, half("L1")), pair(2, None, half("R1", key("r")))])

    store.pairs.remember(sync, [pair(1, half("L1"), half("R1", key("r")))], drop=[2])

    assert set(store.pairs.get([1, 2])) == {1}
    assert store.pairs.taken(sync, "right", [key("r")]) == {key("r"): [1]}


def test_match_keys_follow_every_change(store: Store, sync: int) -> None:
    store.pairs.remember(sync, [pair(1, half("L1", key("a"), key("b"))), pair(2, half("L2", key("b")))])
    assert store.pairs.taken(sync, "left", [key("a"), key("b"), key("c")]) == {key("a"): [1], key("b"): [1, 2]}

    store.pairs.remember(sync, [pair(1, half("L1", key("c")), half("R1", key("a")))])

    assert store.pairs.taken(sync, "left", [key("a"), key("b"), key("c")]) == {key("b"): [2], key("c"): [1]}
    assert store.pairs.taken(sync, "right", [key("a")]) == {key("a"): [1]}
    store.pairs.remember(sync, [], drop=[1, 2])
    assert store.pairs.taken(sync, "left", [key("b"), key("c")]) == {}


def items(*numbers: int) -> list[Mapping[str, Any]]:
    return [{"pair": number, "side": "right", "op": "update", "value": f"canary {number}"} for number in numbers]


def test_a_flight_is_planned_sent_settled_and_forgotten(store: Store, sync: int) -> None:
    flight = store.flights.plan(sync, "r1", items(1, 2))
    assert (flight.state, list(flight.intents)) == ("planned", [1, 2])

    store.flights.mark_sent(flight, 99.0)
    (sent,) = store.flights.open(sync)
    assert (sent.state, sent.not_before, sent.items) == ("sent", 99.0, items(1, 2))

    store.flights.settle(flight, [{"result": "done"}, {"result": "refused"}], [pair(1, half("L1"))], 7)
    (done,) = store.flights.open()
    assert (done.state, done.audit_size, done.outcomes) == ("settled", 7, [{"result": "done"}, {"result": "refused"}])
    assert set(store.pairs.get([1])) == {1}

    store.flights.finish([done])
    assert store.flights.open() == []


def test_an_unknown_outcome_stays_open_under_its_own_intent(store: Store, sync: int) -> None:
    flight = store.flights.plan(sync, "r1", items(1, 2, 3))

    store.flights.settle(flight, [{"result": "done"}, None, None], [], 7, not_before=50.0)

    settled, *unknown = store.flights.open(sync)
    assert settled.outcomes == [{"result": "done"}, None, None]
    assert [(list(f.intents), f.items, f.state, f.not_before) for f in unknown] == [
        ([2], items(2), "sent", 50.0), ([3], items(3), "sent", 50.0),
    ]  # fmt: skip


def test_a_pair_has_one_write_at_a_time_on_its_way_to_a_side(store: Store, sync: int) -> None:
    flight = store.flights.plan(sync, "r1", items(1, 2))
    with pytest.raises(StoreError, match="a pair would have two writes on their way to one side at once"):
        store.flights.plan(sync, "r1", items(3, 2))
    assert store.flights.last_intent == 2
    store.flights.plan(sync, "r1", [{"pair": 2, "side": "left", "op": "update"}])

    store.flights.settle(flight, [None, {"result": "done"}], [], 7)
    store.flights.plan(sync, "r1", items(2))
    with pytest.raises(StoreError):
        store.flights.plan(sync, "r1", items(1))

    settled, _, unknown, _ = store.flights.open(sync)
    store.flights.settle(unknown, [{"result": "done"}], [], 7)
    store.flights.finish([settled, unknown])
    assert store.flights.plan(sync, "r1", items(1)).first == 5


def test_settling_is_all_or_nothing(store: Store, sync: int) -> None:
    store.pairs.remember(sync, [pair(1, half("L1"))])
    flight = store.flights.plan(sync, "r1", items(2))
    store.flights.mark_sent(flight)

    with pytest.raises(sqlite3.IntegrityError):
        store.flights.settle(flight, [None], [pair(2, half("L2")), pair(3, half("L1"))], 7)

    (still,) = store.flights.open()
    assert still.state == "sent"
    assert set(store.pairs.get([1, 2, 3])) == {1}


def test_what_the_audit_log_heard_is_erased_with_the_next_sending(store: Store, sync: int) -> None:
    first, second = (store.flights.plan(sync, "r1", items(n)) for n in (1, 2))

    store.flights.mark_sent(second, finished=[first])

    assert [flight.id for flight in store.flights.open()] == [second.id]


def test_intent_ids_only_rise_whatever_is_forgotten_or_reopened(tmp_path: Path) -> None:
    given: list[int] = []
    for _ in range(3):
        store = Store(tmp_path / "store.db")
        assert store.flights.last_intent == (given[-1] if given else 0)
        flight = store.flights.plan(store.sync("people").id, "r", items(1, 2))
        given += flight.intents
        store.flights.finish([flight])
        store.close()

    assert given == [1, 2, 3, 4, 5, 6]


def test_pair_keys_are_never_given_twice(store: Store, sync: int) -> None:
    given = [*store.pairs.new_keys(2), *store.pairs.new_keys(1)]
    store.pairs.remember(sync, [pair(given[0], half("L1"))])

    assert len({*given, store.pairs.new_keys(1)[0]}) == 4


def test_no_value_and_no_secret_is_in_the_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    sync = store.sync("people").id
    flight = store.flights.plan(sync, "r1", items(1))
    store.flights.settle(flight, [{"message": "canary told"}], [pair(1, half("L1"), detail={"why": "canary"})], 1)
    store.close()

    held = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))

    assert b"canary" not in held
    assert (tmp_path / "state.key").read_bytes() not in held
    assert (
        oct((tmp_path / "state.key").stat().st_mode)[-3:] == oct((tmp_path / "store.db").stat().st_mode)[-3:] == "600"
    )


def closed(tmp_path: Path) -> Path:
    Store(tmp_path / "store.db").close()
    return tmp_path / "store.db"


def test_a_store_without_its_secret_says_what_to_restore(tmp_path: Path) -> None:
    path = closed(tmp_path)
    (tmp_path / "state.key").unlink()

    with pytest.raises(StoreError, match=r"state\.key is missing.*restore it from the backup"):
        Store(path)
    assert not (tmp_path / "state.key").exists()


@pytest.mark.parametrize(("secret", "told"), [(b"x" * 32, "another state secret"), (b"short", "5 bytes instead of 32")])
def test_a_store_with_another_secret_is_not_opened(tmp_path: Path, secret: bytes, told: str) -> None:
    path = closed(tmp_path)
    (tmp_path / "state.key").write_bytes(secret)

    with pytest.raises(StoreError, match=told):
        Store(path)


def test_a_store_of_another_version_is_not_touched(tmp_path: Path) -> None:
    path = closed(tmp_path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 99 WHERE name = 'version'")
    db.close()

    with pytest.raises(StoreError, match="format 99, this Tallystick knows 1"):
        Store(path)


def test_a_store_gets_what_came_since_it_was_made(tmp_path: Path) -> None:
    path = closed(tmp_path)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE pair DROP COLUMN members")
        db.execute("ALTER TABLE sync DROP COLUMN restored")
        db.execute("DROP INDEX pair_open")
        db.execute("DROP TABLE given")
    db.close()

    for _ in range(2):  # once to grow, once to find it grown
        store = Store(path)
        sync = store.sync("people")
        one = pair(1, half("L1"), members={"tags": Members(frozenset({b"m" * 8}))})
        store.pairs.remember(sync.id, [one])
        assert store.pairs.get([1]) == {1: one}
        assert not sync.restored
        assert store.names.owner(b"name") is None
        store.close()


def test_a_file_that_is_no_store_is_told_with_the_remedy(tmp_path: Path) -> None:
    path = closed(tmp_path)
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 100)

    with pytest.raises(StoreError, match=r"restore it from the backup, .* or move the whole state folder away"):
        Store(path)


def test_what_is_remembered_of_a_sync_comes_back(store: Store) -> None:
    row = store.sync("people")
    full = replace(
        row, rev="r", fingerprint="f", adopted=True, cursors={"left": "7", "right": None},
        counts={"left": 3, "right": None}, last_full=5.0, salt="s",
    )  # fmt: skip

    store.save_sync(full)

    assert store.sync("people") == full
    assert store.sync("other").id != full.id


def test_approvals_expire_and_rulings_go_with_their_pair(store: Store, sync: int) -> None:
    store.journal.approve(sync, {b"one": "deletes"}, "uid:0", expires=10.0)
    store.journal.approve(sync, {b"two": "deletes"}, "uid:0", expires=20.0)
    assert store.journal.approved(sync, 9.0) == {b"one", b"two"}
    assert store.journal.approved(sync, 10.0) == {b"two"}
    assert store.journal.approved(sync + 1, 9.0) == frozenset()

    store.pairs.remember(sync, [pair(1, half("L1"))])
    answer = {"phone": Ruling("left", b"l", b"r")}
    store.journal.rule(1, answer, "uid:0", 1.0)
    assert store.journal.rulings(sync) == {1: answer}
    store.pairs.remember(sync, [], drop=[1])
    assert store.journal.rulings(sync) == {}


def test_a_run_that_never_ended_is_killed(store: Store) -> None:
    store.journal.start_run("r1", "people", "uid:0", 1.0)
    store.journal.start_run("r2", "people", "uid:0", 2.0)
    store.journal.end_run("r2", "done", 3.0, {"counts": {"update": 1}})

    store.journal.close_runs(9.0)

    assert [(run["id"], run["state"], run["ended"]) for run in store.journal.runs("people")] == [
        ("r2", "done", 3.0), ("r1", "killed", 9.0),
    ]  # fmt: skip


def test_members_are_forgotten_with_what_was_agreed(store: Store, sync: int) -> None:
    store.pairs.remember(sync, [pair(1, half("L1", tags=b"1" * 8), members={"tags": Members(frozenset({b"m" * 8}))})])

    store.pairs.distrust(sync)

    assert not store.pairs.get([1])[1].members
