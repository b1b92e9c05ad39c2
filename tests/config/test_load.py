"""This is where a good configuration folder is read: what comes out, how it stays the same, and how fast."""

import dataclasses
import random
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Page
from connectors.definition import Facts
from daemon.config import field_file, guard_file, sync_file
from daemon.config import models as models_module
from daemon.config.load import Config, check_secrets, load, read_daemon
from daemon.config.systems import connect_system
from daemon.core import revisions
from daemon.core.rules import Canary, Limit, Match
from tests.config.folders import change, good_folder, problems

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(good_folder(tmp_path), env={})


def test_a_sync_becomes_the_rules_of_the_engine(config: Config) -> None:
    sync = config.syncs["people"].rules

    assert [rule.name for rule in sync.rules] == ["employee_no", "email", "name", "phone", "grade", "active", "unit"]
    assert sync.match_on == (Match(("employee_no",)), Match(("email",)), Match(("name", "phone"), "ask"))
    assert sync.groups == {"region": ("active", "unit")}
    assert sync.birth["right"] == {"source": "hr", "properties": {"lifecycle": "lead"}}
    assert sync.left.where == {"status": "active"}
    assert sync.right.scope
    assert sync.right.scope({"type": "staff"}, NOON)
    assert not sync.right.scope({"type": "guest"}, NOON)
    assert sync.guards.deletes == Limit(share=0.05, count=None, floor=3, runs=2)
    assert sync.guards.creates == Limit(share=None, count=200, floor=0)
    assert sync.cases.gone_left == "deactivate"


def test_rules_read_what_the_file_says(config: Config) -> None:
    sync = config.syncs["people"].rules
    record = {"country": "DE", "department": "IT", "salaryGrade": "A", "firstName": "Ann", "lastName": "Lee"}

    shown = {rule.name: rule.left.read(record, NOON) for rule in sync.rules if rule.left}

    assert shown["unit"] == "EDV"
    assert shown["grade"] == "junior"
    assert shown["name"] == "Ann Lee"


def test_schedules_take_what_the_sync_leaves_out_from_the_defaults(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    change(folder, "syncs/people.yaml", 'cron: "0 6 * * 1-5"\ntimezone: Europe/Berlin\n', "")

    schedule = load(folder, env={}).syncs["people"].schedule

    assert (schedule.kind, schedule.every, schedule.timezone) == ("every", 300.0, "Europe/Berlin")
    assert schedule.reconcile == "0 3 * * *"


def test_paths_are_seen_from_the_folder_and_the_state_from_systemd(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)

    at_home = load(folder, env={}).daemon
    on_a_server = load(folder, env={"STATE_DIRECTORY": "/var/lib/tallystick:/var/lib/other"}).daemon

    assert at_home.state == folder / "state"
    assert at_home.socket == folder / "state/admin.sock"
    assert at_home.secrets.folder == folder / "secrets.d"
    assert at_home.origin == "tallystick/demo"
    assert on_a_server.state == Path("/var/lib/tallystick")


def test_the_state_folder_is_known_although_other_files_have_faults(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    change(folder, "syncs/people.yaml", "", "nonsense: [")

    assert read_daemon(folder, env={}).socket == folder / "state/admin.sock"
    assert read_daemon(folder, env={"STATE_DIRECTORY": "/srv/t"}).socket == Path("/srv/t/admin.sock")


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    shutil.rmtree(folder / "syncs")
    (folder / "syncs").write_text("a file where the folder should be")

    assert problems(folder) == ("syncs/: error[unreadable]: cannot be listed: Not a directory\n  make it a folder",)


def test_values_keep_their_kind(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    change(folder, "syncs/people.yaml", "{A: junior, B: senior}", '{A: true, B: 5, C: 1.10, D: null, E: "1", F: no}')

    values = load(folder, env={}).syncs["people"].config.fields["grade"].values

    assert values
    assert [repr(value) for value in values.values()] == ["True", "5", "Decimal('1.10')", "None", "'1'", "'no'"]


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_to_the_files_ends_in_anything_but_a_list_of_faults(tmp_path: Path, seed: int) -> None:
    folder = good_folder(tmp_path)
    chance = random.Random(seed)
    files = [path for path in sorted(folder.rglob("*.*")) if path.is_file()]
    refused = 0

    for _ in range(40):
        path = chance.choice(files)
        good = path.read_bytes()
        path.write_bytes(damaged(good, chance))
        refused += bool(problems(folder))
        path.write_bytes(good)

    assert refused > 10
    assert problems(folder) == ()


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """*raw* with a cut, a repeat, a foreign byte, or two words exchanged."""
    at, to = sorted(chance.sample(range(len(raw)), 2))
    words = raw.split(b" ")
    first, second = chance.randrange(len(words)), chance.randrange(len(words))
    words[first], words[second] = words[second], words[first]
    odd = chance.choice(
        [b"\x00", b"\xff", b"\t", b"\n", b"[", b"}", b"&a", b"*a", b"!x ", b": ", b"- ", b"'", b"~", b"7"]
    )
    return chance.choice(
        [raw[:at] + raw[to:], raw[:to] + raw[at:], raw[:at] + odd + raw[at:], b" ".join(words), raw[:at]]
    )


def test_a_written_state_folder_beats_the_one_of_systemd(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    change(folder, "tallystick.yaml", "", "state: here")

    assert load(folder, env={"STATE_DIRECTORY": "/var/lib/tallystick"}).daemon.state == folder / "here"


def test_a_configuration_cannot_be_changed(config: Config) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.digest = ""  # type: ignore[misc]  # the point
    with pytest.raises(Exception, match="frozen"):
        config.daemon.node = "other"  # type: ignore[misc]  # the point


def test_the_digest_follows_every_byte(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    before = load(folder, env={})

    again = load(folder, env={})
    change(folder, "tables/units.csv", "", "AT,IT,EDV")
    after = load(folder, env={})

    assert again.digest == before.digest
    assert after.digest != before.digest
    assert {n for n in after.files if after.files[n] != before.files[n]} == {"tables/units.csv"}


def test_another_table_or_field_is_another_mapping_and_the_rest_is_not(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    before = load(folder, env={}).syncs["people"].rules

    change(folder, "syncs/people.yaml", "creates: 200", "creates: 300")
    change(folder, "syncs/people.yaml", "wins: left", "wins: right, unique: true")
    guarded = load(folder, env={}).syncs["people"].rules
    change(folder, "tables/units.csv", "", "AT,IT,EDV")
    translated = load(folder, env={}).syncs["people"].rules
    change(folder, "syncs/people.yaml", "casefold]", "lower]")
    reshaped = load(folder, env={}).syncs["people"].rules
    change(folder, "syncs/people.yaml", "[email], ", "")
    rekeyed = load(folder, env={}).syncs["people"].rules

    assert [rule.name for rule in guarded.rules if rule.unique] == ["email"]
    assert guarded.rev == before.rev
    assert guarded.fingerprint == before.fingerprint
    assert translated.rev == before.rev
    assert translated.outlook != before.outlook
    assert translated.fingerprint == before.fingerprint
    assert reshaped.rev != translated.rev
    assert rekeyed.rev == reshaped.rev
    assert changed_parts(before.fingerprint, rekeyed.fingerprint) == {"match_on"}


def changed_parts(before: str, after: str) -> set[str]:
    old, new = (dict(part.split("=") for part in text.split(";")) for text in (before, after))
    assert old.keys() == new.keys() == {"match_on", "direction", "the left side", "the right side"}
    return {name for name in old if old[name] != new[name]}


def test_a_canary_is_no_other_scope_and_everything_is_looked_at_again(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    before = load(folder, env={}).syncs["people"].rules
    change(folder, "syncs/people.yaml", "entity: contact,", 'entity: contact, canary: {id: "0", fields: {a.b: ok}},')
    guarded = load(folder, env={}).syncs["people"].rules
    change(folder, "syncs/people.yaml", "type == 'staff'", "type == 'all'")
    rescoped = load(folder, env={}).syncs["people"].rules

    assert guarded.right.canary == Canary("0", {"a.b": "ok"})
    assert guarded.left.canary is None
    assert guarded.outlook != before.outlook
    assert changed_parts(before.fingerprint, guarded.fingerprint) == set()
    assert changed_parts(guarded.fingerprint, rescoped.fingerprint) == {"the right side"}


def test_a_side_whose_values_are_taken_after_a_changed_mapping_waits_for_approval(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    held = load(folder, env={}).syncs["people"].rules
    change(folder, "syncs/people.yaml", "ambiguous: hold}", "ambiguous: hold, mapping_changed: left}")
    taken = load(folder, env={}).syncs["people"].rules

    assert revisions.changed_parts(held.fingerprint, taken.fingerprint) == ["cases.mapping_changed"]
    assert revisions.changed_parts(taken.fingerprint, held.fingerprint) == []


def test_an_unchanged_system_keeps_its_fingerprint(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    before = load(folder, env={}).systems

    change(folder, "systems/hr.yaml", "", "page: 7")
    after = load(folder, env={}).systems

    assert after["crm"].fingerprint == before["crm"].fingerprint
    assert after["hr"].fingerprint != before["hr"].fingerprint


def test_a_configured_system_connects(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    change(folder, "systems/hr.yaml", "{records: {}}", '{records: {"7": {firstName: Ann}}}')
    config = load(folder, env={})

    driver = connect_system(config.systems["hr"], config.secrets({}))
    (page,) = driver.read("employee")
    driver.close()

    assert isinstance(page, Page)
    assert [record.fields["firstName"] for record in page.records] == ["Ann"]


def test_a_system_file_adds_to_a_definition_beside_it(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    change(folder, "systems/hr.yaml", "connector: memory", "connector: ./people_db.yaml")
    change(folder, "systems/hr.yaml", "{employee: {records: {}}}", "{employee: {marker: note}}")
    definition = "name: people_db\ndriver: memory\ntype: hr\ndefaults: {page: 9}\nentities: {employee: {find: [email]}}"
    change(folder, "systems/people_db.yaml", "", definition)

    hr = load(folder, env={}).systems["hr"]

    assert hr.system.model_dump()["page"] == 9
    assert hr.entities["employee"].model_dump(include={"marker", "find"}) == {"marker": "note", "find": ("email",)}
    assert "people_db" not in load(folder, env={}).systems


def test_one_way_syncs_create_on_one_side_only(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    change(folder, "syncs/people.yaml", "direction: both", "direction: left_to_right")
    change(folder, "syncs/people.yaml", "wins: left, ", "")
    change(folder, "syncs/people.yaml", "new_right: hold, ", "")

    sync = load(folder, env={}).syncs["people"].rules

    assert {rule.owner for rule in sync.rules} == {"left"}
    assert (sync.cases.new_left, sync.cases.new_right) == ("create", "ignore")


def test_missing_secrets_and_variables_are_named_at_their_place(config: Config) -> None:
    problems = check_secrets(config, config.secrets({}))

    assert [(p.file, p.line, p.column, p.code) for p in problems] == [
        ("systems/api.yaml", 5, 11, "missing-variable"),
        ("systems/api.yaml", 6, 29, "missing-secret"),
    ]
    assert "the secret 'api-token' does not exist" in problems[1].render()
    assert not check_secrets(config, config.secrets({"API_URL": "x", "TALLYSTICK_SECRET_API_TOKEN": "x"}))


def test_a_thousand_syncs_load_in_seconds(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    text = (folder / "syncs/people.yaml").read_text()
    entities = "\n".join(f"  contact{n}: {{records: {{}}}}" for n in range(1000))
    change(folder, "systems/crm.yaml", "entities: {contact: {records: {}}}", f"entities:\n  contact: {{}}\n{entities}")
    for n in range(1000):
        one = text.replace("name: people", f"name: people{n}", 1).replace("entity: contact", f"entity: contact{n}")
        one = one.replace("{left: workEmail, ", "{left: workEmail, owner: left, ").replace("wins: left, ", "")
        one = one.replace("phone: {left: mobilePhone, ", "phone: {owner: left, left: mobilePhone, ").replace(
            ", wins: ask", ""
        )
        (folder / f"syncs/people{n}.yaml").write_text(one)

    began = time.perf_counter()
    config = load(folder, env={})

    assert len(config.syncs) == 1001
    assert time.perf_counter() - began < 30  # four on a laptop


def test_every_setting_says_what_it_is_for() -> None:
    shapes = (models_module, sync_file, field_file, guard_file)
    models = [found for shape in shapes for found in vars(shape).values() if _is_model(found)]

    silent = [f"{m.__name__}.{name}" for m in models for name, f in m.model_fields.items() if not f.description]

    assert len(models) > 10
    assert silent == []


def _is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Facts) and value is not Facts
