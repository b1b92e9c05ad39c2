"""Faults of the machine: killed, full, damaged, restored from the wrong copy, set back. Nothing is lost by it."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import AuditError, Busy, StoreError, TallystickError
from tests.attacks import house
from tests.attacks.hostile import Hostile, in_crm, pages
from tests.attacks.house import House, approve, run
from tests.cli.calling import call
from tests.service.house import daemon, until

PIECE = 8192


def healed(victim: House, crm: Hostile) -> None:
    """Both sides end alike, nobody was doubled, and there is nothing left to do."""
    report: dict[str, Any] = {}
    for _ in range(4):
        report = victim.run()
        if report["state"] == "done" and not report["counts"].get("written"):
            break
        time.sleep(0.5 if report["state"] == "held" else 0)  # a lost answer is looked into after the system's window
    with victim.operations() as operations:
        held = operations.held("people")["held"]
    assert (report["state"], report["counts"].get("written", 0)) == ("done", 0), held
    assert in_crm(crm) == victim.hr()
    victim.sound_log()


def busy_day(victim: House) -> None:
    """Something of every kind to do."""
    victim.sql("UPDATE person SET name = 'Married' WHERE id = 1")
    victim.sql("DELETE FROM person WHERE id = 2")
    victim.hire(50, 51)


def run_apart(victim: House, *, point: str = "", largest: int = -1) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own, which dies at *point*, or may write no file beyond *largest* bytes."""
    code = (
        "import os, pathlib, resource, sys\n"
        "from daemon.service import foreground; from tests.attacks.house import run\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "with foreground.open(pathlib.Path(sys.argv[1]), os.environ) as operations: run(operations)"
    )
    words = [sys.executable, "-c", code, str(victim.folder), str(largest)]
    env = os.environ | {"TALLYSTICK_FAILPOINT": point}
    return subprocess.run(words, env=env, check=False, capture_output=True, text=True)


def test_a_daemon_killed_at_random_moments_beside_a_bad_system_ends_well(victim: House, crm: Hostile) -> None:
    chance = random.Random(2)  # the same deaths every time
    moods = ["500", "wait 0", "cut before", "cut after", "half", "empty 204", "html", None, None, None, None, None]
    crm.mood = lambda method, path: chance.choice(moods)
    for day in range(10):
        victim.hire(1000 + 100 * day, 1001 + 100 * day)
        victim.sql("UPDATE person SET name = ? WHERE id = 1", f"Name {day}")
        crm.edit("p3@corp.example", phone=f"day {day}")
        if day % 3 == 2:
            victim.sql("DELETE FROM person WHERE id = ?", 1000 + 100 * day)
        with daemon(victim.folder) as running:
            running.client().run("people", full=True, only=None, wait=False, **house.ASK)
            time.sleep(chance.random() * 0.25)
            running.process.kill()

    crm.mood = lambda method, path: None
    healed(victim, crm)
    assert ("p3@corp.example", "Person 3", "day 9") in victim.hr()
    assert ("p1@corp.example", "Name 9", "+49 30 0001") in in_crm(crm)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_full_disk_writes_to_no_system_and_goes_on_with_space(victim: House, crm: Hostile) -> None:
    state, kept = victim.folder / "state", victim.folder / "kept"
    state.rename(kept)
    state.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", state], check=False)
    if mounted.returncode:
        pytest.skip("may not mount here")
    try:
        shutil.copytree(kept, state, dirs_exist_ok=True)
        victim.hire(*range(100, 160))
        before = crm.asked.total()
        for free in (0, 8, 40):
            (state / "ballast").unlink(missing_ok=True)
            room = shutil.disk_usage(state).free
            (state / "ballast").write_bytes(b"x" * (room - free * 1024))
            with pytest.raises((AuditError, StoreError), match="free space"):
                victim.run()

        assert crm.asked.total() - before == crm.asked["GET"] - 2, "nothing but reading"
        (state / "ballast").unlink()
        healed(victim, crm)
        assert len(crm.people) == 63
    finally:
        subprocess.run(["umount", "-l", state], check=True)


@pytest.mark.parametrize("largest", [0, 6_000, 20_000, 60_000])
def test_files_that_may_not_grow_stop_the_writing_and_lose_nothing(victim: House, crm: Hostile, largest: int) -> None:
    victim.hire(*range(100, 140))
    busy_day(victim)

    done = run_apart(victim, largest=largest)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(("daemon.errors.AuditError", "daemon.errors.StoreError"))
    assert "free space" in done.stderr.splitlines()[-1]
    healed(victim, crm)
    assert len(crm.people) == 44


def refused(victim: House, crm: Hostile, *remedy: str) -> None:
    """No run, no request, and the way out is named."""
    busy_day(victim)
    before = crm.asked.total()
    with pytest.raises(TallystickError) as told:
        victim.run()
    assert crm.asked.total() == before
    assert isinstance(told.value, AuditError | StoreError)
    assert all(word in str(told.value) for word in remedy), told.value


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"",
        lambda raw: os.urandom(100) + raw[100:],
        lambda raw: raw[: len(raw) // 2] + os.urandom(PIECE) + raw[len(raw) // 2 + PIECE :],
        lambda raw: raw[:PIECE] + bytes(PIECE) + raw[2 * PIECE :],
        lambda raw: os.urandom(len(raw)),
    ],
    ids=["half", "nothing", "bad head", "bad middle", "zeros", "garbage"],
)
def test_a_damaged_store_is_refused_with_the_remedy(victim: House, crm: Hostile, damage: Any) -> None:
    file = victim.folder / "state/store.db"
    whole = file.read_bytes()

    file.write_bytes(damage(whole))

    refused(victim, crm, "restore it from the backup", "nothing is deleted by that")
    for left in victim.folder.glob("state/store.db*"):
        left.unlink()
    file.write_bytes(whole)
    healed(victim, crm)


@pytest.mark.parametrize("lost", ["state.key", "audit", "audit-keys", "audit-keys/audit-kek"])
def test_a_lost_part_of_the_state_is_refused_and_never_made_anew_in_silence(
    victim: House, crm: Hostile, lost: str
) -> None:
    (victim.folder / "state" / lost).rename(victim.folder / "aside")

    refused(victim, crm)

    (victim.folder / "aside").rename(victim.folder / "state" / lost)
    healed(victim, crm)


@pytest.mark.parametrize("key", ["kept", "lost"])
def test_a_lost_store_is_begun_anew_and_asks_before_it_writes(victim: House, crm: Hostile, key: str) -> None:
    victim.hire(70)
    victim.run()
    for lost in victim.folder.glob("state/st*" if key == "lost" else "state/store.db*"):
        lost.unlink()
    busy_day(victim)
    before = in_crm(crm)

    assert victim.run()["guards"][0]["kind"] == "adopt"

    assert in_crm(crm) == before
    with victim.operations() as operations:
        approve(operations)
        approve(operations, "bystanders")
    victim.run()
    gone = ("p2@corp.example", "Person 2", "+49 30 0002")
    assert in_crm(crm) == sorted([*victim.hr()], key=repr)
    assert gone in victim.hr()  # nobody knows any more that it was deleted: it is not deleted, but born again
    healed(victim, crm)


def test_a_write_ahead_log_without_its_store_is_not_made_a_store_of(victim: House, crm: Hostile) -> None:
    (victim.folder / "state/store.db").rename(victim.folder / "aside")
    (victim.folder / "state/store.db-wal").write_bytes(b"remains")

    refused(victim, crm, "bring it back", "nothing is deleted by that")

    (victim.folder / "state/store.db-wal").unlink()
    (victim.folder / "aside").rename(victim.folder / "state/store.db")
    healed(victim, crm)


def test_an_older_store_asks_before_it_writes(victim: House, crm: Hostile) -> None:
    shutil.copy(victim.folder / "state/store.db", victim.folder / "older.db")
    victim.hire(70, 71)
    victim.run()
    victim.sql("DELETE FROM person WHERE id = 70")
    before = in_crm(crm)
    shutil.copy(victim.folder / "older.db", victim.folder / "state/store.db")

    report = victim.run()

    assert report["guards"][0]["text"].startswith("after a restore nothing is taken for granted: ")
    assert in_crm(crm) == before
    with victim.operations() as operations:
        needs = operations.status()["attention"]
        assert "its memory was restored from an older copy" in needs[0]["what"]
        approve(operations)
    victim.run()
    assert in_crm(crm) == victim.hr()  # 70 was born again: that it was deleted, only the newer store knew
    healed(victim, crm)


@pytest.mark.parametrize("end", ["", "saved", "outcome"], ids=["after a clean end", "after a kill", "amid a kill"])
def test_an_older_audit_log_is_refused(victim: House, crm: Hostile, end: str) -> None:
    shutil.copytree(victim.folder / "state/audit", victim.folder / "older")
    victim.hire(70, 71)
    if end:
        assert run_apart(victim, point=end).returncode == -9
    else:
        victim.run()

    shutil.rmtree(victim.folder / "state/audit")
    (victim.folder / "older").rename(victim.folder / "state/audit")

    refused(victim, crm, "newer", "`tallystick audit init`")


def test_a_lost_audit_log_is_begun_anew_only_by_a_person(victim: House, crm: Hostile) -> None:
    (victim.folder / "state/audit").rename(victim.folder / "evidence")
    refused(victim, crm, "`tallystick audit init` begins one")

    begun = call("audit", "init", folder=victim.folder)

    assert begun.returncode == 0, begun.stderr
    healed(victim, crm)


def test_a_lost_state_folder_pairs_again_and_deletes_nobody(victim: House, crm: Hostile) -> None:
    shutil.rmtree(victim.folder / "state")
    busy_day(victim)

    report = victim.run()

    assert report["state"] == "held"
    assert report["guards"][0]["kind"] == "adopt"
    victim.adopt("people")
    assert crm.asked["DELETE"] == 0
    assert sorted(p["email"] for p in crm.people.values()) == [f"p{n}@corp.example" for n in (1, 2, 3, 50, 51)]


def test_a_clock_set_back_an_hour_neither_loses_nor_doubles(
    victim: House, crm: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim.swap("systems/crm.yaml", "processing_window: 0s", "processing_window: 1s")
    busy_day(victim)
    crm.mood = lambda method, path: "cut after" if method == "POST" else None
    victim.run()
    crm.mood = lambda method, path: None
    now = time.time

    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    victim.hire(60)
    assert victim.run()["counts"]["written"] == 1
    monkeypatch.undo()

    time.sleep(1)
    healed(victim, crm)
    assert len(crm.people) == 5


def test_a_sync_removed_and_added_again_knows_its_pairs(victim: House, crm: Hostile) -> None:
    text = (victim.folder / "syncs/people.yaml").read_text()
    (victim.folder / "syncs/people.yaml").unlink()
    with pytest.raises(TallystickError, match="no sync 'people'"):
        victim.run()
    busy_day(victim)
    crm.edit("p3@corp.example", phone="meanwhile")

    victim.write("syncs/people.yaml", text)

    assert victim.run()["counts"]["written"] == 5
    healed(victim, crm)
    assert ("p3@corp.example", "Person 3", "meanwhile") in victim.hr()


def test_a_renamed_system_is_a_plan_to_be_approved(victim: House, crm: Hostile) -> None:
    (victim.folder / "systems/crm.yaml").rename(victim.folder / "systems/sales.yaml")
    victim.swap("systems/sales.yaml", "name: crm", "name: sales")
    victim.swap("syncs/people.yaml", "system: crm", "system: sales")
    busy_day(victim)

    report = victim.run()

    assert (report["state"], report["guards"][0]["kind"]) == ("held", "adopt")
    assert crm.asked["DELETE"] + crm.asked["PATCH"] == 0
    with victim.operations() as operations:
        approve(operations)
    healed(victim, crm)


def test_a_cut_table_is_refused_or_holds_its_field(victim: House, crm: Hostile) -> None:
    (victim.folder / "tables").mkdir()
    whole = "name,unit\n" + "".join(f"Person {n},U{n}\n" for n in (1, 2, 3))
    victim.write("tables/units.csv", whole)
    lookup = "unit: {right: unit, owner: left, lookup: {table: units, by: [name], else: hold}}"
    victim.swap("syncs/people.yaml", "  phone:", f"  {lookup}\n  phone:")
    victim.adopt("people")

    for cut in ("", whole[:19], whole[:28], whole[:30]):
        victim.write("tables/units.csv", cut)
        with pytest.raises(TallystickError, match=r"tables/units\.csv"):
            victim.run()
    victim.write("tables/units.csv", whole[:22])
    assert victim.run()["state"] == "held"

    assert {p.get("unit") for p in crm.people.values()} == {"U1", "U2", "U3"}
    victim.write("tables/units.csv", whole)
    healed(victim, crm)


def test_a_deleted_and_a_garbled_configuration_leave_the_daemon_as_it_was(victim: House, crm: Hostile) -> None:
    with daemon(victim.folder) as running:
        files = [victim.folder / name for name in ("tallystick.yaml", "systems", "syncs")]
        for file in files:
            file.rename(f"{file}.aside")
        busy_day(victim)

        deleted = running.client().reload(actor="")
        for file in files:
            Path(f"{file}.aside").rename(file)
        good = (victim.folder / "syncs/people.yaml").read_text()
        garbled = []
        for text in (good[:150], "\x00" * 100, "a: [", good.replace("left", "\xff"), "- x", "&a [*a]"):
            victim.write("syncs/people.yaml", text)
            garbled.append(running.client().reload(actor=""))
        (victim.folder / "syncs/people.yaml").write_bytes(b"\xff\xfe" + os.urandom(300))
        garbled.append(running.client().reload(actor=""))

        assert not deleted["applied"]
        assert "tallystick.yaml" in deleted["problems"][0]
        assert all(not answer["applied"] and "syncs/people.yaml" in str(answer["problems"]) for answer in garbled)
        assert run(running.client())["counts"]["written"] == 4
        victim.write("syncs/people.yaml", good)
        assert running.client().reload(actor="")["applied"]
        assert running.stop() == 0
    healed(victim, crm)


def test_two_configurations_with_one_state_folder_take_turns(victim: House, crm: Hostile) -> None:
    other = victim.folder.parent / "other"
    shutil.copytree(victim.folder, other, ignore=shutil.ignore_patterns("state"))
    main = (other / "tallystick.yaml").read_text()
    (other / "tallystick.yaml").write_text(f"{main}state: {victim.folder}/state\n")
    with daemon(victim.folder) as running:
        from daemon.service import foreground

        with pytest.raises(Busy, match=f"is held by .*{running.process.pid}"), foreground.open(other, os.environ):
            pass

        assert run(running.client())["state"] == "done"
    healed(victim, crm)


def test_a_listing_without_end_does_not_keep_the_daemon_from_stopping(victim: House, crm: Hostile) -> None:
    turn = iter(range(10**9))

    def endless(people: list[Any], cursor: str | None) -> tuple[list[Any], str | None]:
        now = f"z{next(turn)}"
        return [{"id": now, "name": now, "email": now, "phone": "1", "rev": 1}], now

    crm.listing = endless
    with daemon(victim.folder) as running:
        running.client().run("people", full=True, only=None, wait=False, **house.ASK)
        until(lambda: crm.asked["GET"] > 20)
        assert run(running.client(), "bystanders")["state"] == "done"

        assert running.stop() == 0

    crm.listing = pages
    healed(victim, crm)
    assert len(crm.people) == 3
