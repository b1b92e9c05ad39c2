"""This is where the verbs are tested without a daemon, on the small configuration that `init` lays out."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.cli.calling import call as call_alone
from tests.cli.calling import call_here as call


@pytest.fixture
def example(tmp_path: Path) -> Path:
    assert call("init", "example", folder=tmp_path).returncode == 0
    return tmp_path / "example"


@pytest.fixture
def running(example: Path) -> Path:
    """The example after its first run."""
    assert call("approve", "people", folder=example).returncode == 0
    assert call("run", "people", folder=example).returncode == 0
    return example


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def test_init_overwrites_nothing(example: Path) -> None:
    (example / "staff.csv").write_text("mine\n")

    done = call("init", "example", folder=example.parent)

    assert done.returncode == 73
    assert (example / "staff.csv").read_text() == "mine\n"


def test_check_tells_systems_syncs_and_the_next_three_times(example: Path) -> None:
    text = call("check", "--connect", folder=example)
    told = json.loads(call("check", "-o", "json", folder=example).stdout)

    assert text.returncode == 0
    assert text.stdout.startswith("ok: 2 systems, 1 sync\n  people: next ")
    assert "  staff: " in text.stdout
    assert len(told["syncs"][0]["next"]) == 3


def test_a_guard_that_does_not_exist_cannot_be_approved(example: Path) -> None:
    done = call("approve", "people", "--kind", "delete", folder=example)

    assert done.returncode == 64
    assert "'deletes'" in done.stderr


def test_check_connect_finds_a_file_that_is_not_there(example: Path) -> None:
    edit(example / "systems" / "staff.yaml", "staff.csv", "stuff.csv")

    done = call("check", "--connect", folder=example)

    assert done.returncode == 69
    assert "  staff: stuff.csv: " in done.stdout
    assert "No such file" in done.stdout


def test_check_shows_every_mistake_with_its_caret(example: Path) -> None:
    edit(example / "syncs" / "people.yaml", "wins: left}", "wins: lefft}")
    edit(example / "systems" / "staff.yaml", "connector: csv", "connector: cvs")

    done = call("check", folder=example)

    assert done.returncode == 78
    assert "syncs/people.yaml:11:" in done.stdout
    assert "did you mean 'left'?" in done.stdout
    assert "did you mean 'csv'" in done.stdout
    assert done.stdout.rstrip().endswith(f"2 problems in {example}") or "2 problems in" in done.stdout


def test_check_names_a_missing_secret_and_an_absent_system(example: Path) -> None:
    (example / "systems" / "shop.yaml").write_text(
        "version: 1\nname: shop\nconnector: rest\nbase_url: http://127.0.0.1:9\n"
        "auth: {kind: bearer, token: {secret: shop-token}}\nretry: {within: 100ms}\n"
        "entities: {order: {read: {list: {get: /orders}}}}\n"
    )

    missing = call("check", folder=example)
    secret = example / "secrets.d" / "shop-token"
    secret.write_text("s3cr3t-of-the-shop\n")
    secret.chmod(0o600)
    absent = call("check", "--connect", folder=example)

    assert missing.returncode == 78
    assert "systems/shop.yaml:5:" in missing.stdout
    assert "the secret 'shop-token' does not exist" in missing.stdout
    assert absent.returncode == 69
    assert "shop" in absent.stdout
    assert "s3cr3t" not in absent.stdout + absent.stderr


def test_nothing_is_written_before_the_census_is_approved(example: Path) -> None:
    before = (example / "phonebook.jsonl").read_bytes()

    adopted = call("adopt", "people", "--csv", "census.csv", folder=example)
    ran = call("run", "people", folder=example)

    assert adopted.returncode == 0
    assert "matched 1   only left 2   only right 0" in adopted.stdout
    with (example / "census.csv").open(newline="", encoding="utf-8") as file:
        assert {row["kind"] for row in csv.DictReader(file)} == {"create", "update"}
    assert ran.returncode == 5
    assert "tallystick approve people --kind adopt" in ran.stdout
    assert (example / "phonebook.jsonl").read_bytes() == before


def test_a_plan_tells_by_its_exit_code_whether_it_would_write(running: Path) -> None:
    quiet = call("plan", "people", "--exit-code", folder=running)
    edit(running / "staff.csv", "Hopper", "Murray")
    loud = call("plan", "people", "--exit-code", "--csv", "plan.csv", folder=running)

    assert quiet.returncode == 0
    assert loud.returncode == 2
    assert 'name  "Grace Hopper" -> "Grace Murray"   right: changed on left, owner: left' in loud.stdout
    assert "Grace Murray" in (running / "plan.csv").read_text()
    assert "Murray" not in (running / "phonebook.jsonl").read_text()


def test_a_clash_is_held_explained_and_decided(running: Path) -> None:
    edit(running / "staff.csv", "+49 30 1234502", "+49 30 1")
    edit(running / "phonebook.jsonl", "+49 30 1234502", "+49 30 2")

    ran = call("run", "people", folder=running)
    listed = call("conflicts", "people", folder=running)
    why = call("why", "people", "102", folder=running)
    resolved = call("conflicts", "resolve", "people", "102", "--take", "right", folder=running)
    again = call("run", "people", folder=running)

    assert ran.returncode == 4
    assert "phone: held, changed on both sides" in ran.stdout
    assert "people  102" in listed.stdout
    assert "left and right" in why.stdout
    assert resolved.returncode == again.returncode == 0
    assert "+49 30 2" in (running / "staff.csv").read_text()
    assert "no conflicts" in call("conflicts", folder=running).stdout
    assert "nothing is held" in call("held", "people", folder=running).stdout


def test_what_is_not_there_is_said_with_its_own_number(running: Path) -> None:
    for words in (["run", "nosuch"], ["plan", "nosuch"], ["why", "people", "999"], ["held", "retry", "people", "999"]):
        done = call(*words, folder=running)

        assert done.returncode == 3, (words, done.stdout, done.stderr)
        assert len(done.stderr.splitlines()) == 1


def test_a_run_of_a_record_that_nobody_knows_is_no_failed_run(running: Path) -> None:
    done = call("run", "people", "--only", "999", folder=running)

    assert done.returncode == 3
    assert "people knows no record '999'" in done.stderr
    runs = json.loads(call("runs", "-o", "json", folder=running).stdout)
    assert [one["state"] for one in runs["runs"]] == ["done", "done"]


def test_a_system_that_is_away_postpones_or_fails_and_is_named(running: Path) -> None:
    (running / "phonebook.jsonl").rename(running / "elsewhere.jsonl")

    done = call("run", "people", folder=running)

    assert done.returncode in (1, 75)
    assert "phonebook" in done.stdout


def test_the_audit_log_is_begun_once_verified_and_shown(example: Path) -> None:
    begun = call("audit", "init", folder=example)
    twice = call("audit", "init", folder=example)
    call("approve", "people", folder=example)
    call("run", "people", folder=example)
    shown = call("audit", "show", "--record", "102", "-o", "json", folder=example)
    sound = call("audit", "verify", folder=example)
    copy = example / "copy"
    shutil.copytree(example / "state" / "audit", copy)
    segment = max((copy / "seg").glob("*.seg"), key=lambda file: file.stat().st_size)
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 4
    segment.write_bytes(raw)
    damaged = call("audit", "verify", "--log", "copy", folder=example)
    short = call("audit", "verify", "--expect-size", "100000", folder=example)

    assert begun.returncode == 0
    assert "signed by" in begun.stdout
    assert twice.returncode == 73
    bodies = json.loads(shown.stdout)["entries"]
    assert [body["action"] for body in bodies] == ["intent", "outcome"]
    assert bodies[0]["fields"]["name"]["after"] == "Grace Hopper"
    assert sound.returncode == 0
    assert damaged.returncode == 1
    assert "DAMAGED" in damaged.stdout
    assert short.returncode == 2


def test_the_runs_of_the_past_are_listed(running: Path) -> None:
    assert "create 2" in call("runs", "people", folder=running).stdout
    (told,) = json.loads(call("runs", "-o", "json", "--limit", "1", folder=running).stdout)["runs"]

    assert told["state"] == "done"
    assert told["actor"].startswith("uid:")


def pair_up(folder: Path, *lines: str) -> str:
    (folder / "pairs.csv").write_text("\n".join(["left,right", *lines]) + "\n")
    return "pairs.csv"


def test_pairs_are_listed_taken_apart_and_imported_again(running: Path) -> None:
    listed = json.loads(call("pairs", "list", "people", "-o", "json", folder=running).stdout)["pairs"]
    partner = {pair["left"]: pair["right"] for pair in listed}
    shown = call("pairs", "show", "people", "102", folder=running)
    unlinked = call("pairs", "unlink", "people", "102", "--reason", "two people", folder=running)
    quiet = call("run", "people", "--full", folder=running)
    table = pair_up(running, f"102,{partner['102']}")
    dry = call("pairs", "import", "people", table, "--dry-run", folder=running)
    imported = call("pairs", "import", "people", table, "--reason", "it was right", folder=running)
    again = call("run", "people", folder=running)

    assert "  left: 102" in shown.stdout
    assert "agreed: " in shown.stdout
    assert "Hopper" not in shown.stdout
    assert "are no pair any more" in unlinked.stdout
    assert "nothing to do" in quiet.stdout
    assert dry.stdout == "all good: 1 pair would be imported\n"
    assert imported.stdout.startswith("imported: 1 pair\n")
    assert again.returncode == 0
    paged = call("pairs", "list", "people", "--limit", "2", folder=running).stdout
    assert paged.splitlines()[-1] == "more: tallystick pairs list people --after 3"
    history = json.loads(call("why", "people", "102", "-o", "json", folder=running).stdout)["history"]
    assert [entry["action"] for entry in history] == ["outcome", "pair.unlinked", "pairs.imported"]
    assert history[1]["reason"] == "two people"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (["102,nobody"], "line 2: phonebook.person has no record 'nobody'\nnothing is imported: 1 fault\n"),
        (["102,"], "pairs.csv:2: right is empty"),
        ([",7"], "pairs.csv:2: left is empty"),
    ],
)
def test_a_table_of_pairs_with_a_fault_imports_nothing(example: Path, table: list[str], words: str) -> None:
    done = call("pairs", "import", "people", pair_up(example, *table), folder=example)

    assert done.returncode == 1
    assert words in done.stdout + done.stderr
    assert call("pairs", "list", "people", folder=example).stdout == "no pairs\n"


def test_a_table_without_the_two_columns_or_with_other_bytes_is_refused(example: Path) -> None:
    (example / "a.csv").write_text("links,rechts\n1,2\n")
    (example / "b.csv").write_bytes(b"left,right\n\xff\xfe,2\n")

    first = call("pairs", "import", "people", "a.csv", folder=example)
    second = call("pairs", "import", "people", "b.csv", folder=example)

    assert "a.csv:1: no column 'left'" in first.stderr
    assert "b.csv:" in second.stderr
    assert "not a table" in second.stderr
    assert first.returncode == second.returncode == 1


def test_a_conflict_is_shown_and_given_up(running: Path) -> None:
    edit(running / "staff.csv", "+49 30 1234502", "+49 30 1")
    edit(running / "phonebook.jsonl", "+49 30 1234502", "+49 30 2")
    call("run", "people", folder=running)

    listed = call("held", "list", folder=running)
    shown = call("conflicts", "show", "people", "102", folder=running)
    dropped = call("held", "drop", "people", "102", "--reason", "both are right", folder=running)
    after = call("run", "people", "--full", folder=running)

    assert "conflict: decide: tallystick conflicts resolve people 102 --take left|right" in listed.stdout
    assert "decide: tallystick conflicts resolve people 102 --take left|right" in shown.stdout
    assert shown.returncode == call("held", "show", "people", "102", folder=running).returncode == 0
    assert "102 is given up (conflict): both sides keep what they show" in dropped.stdout
    assert "  fields: phone" in dropped.stdout
    assert after.returncode == 0
    assert "nothing is held" in call("held", folder=running).stdout


def test_a_secret_that_no_header_can_carry_is_a_fault_of_the_configuration(example: Path) -> None:
    web = "version: 1\nname: web\nconnector: rest\ntype: crm\nbase_url: http://127.0.0.1:1\n"
    (example / "systems" / "web.yaml").write_text(web + "auth: {kind: bearer, token: {secret: web-token}}\n")
    secret = example / "secrets.d" / "web-token"
    secret.touch(mode=0o600)
    secret.write_text("hunter2\nhunter3")

    told = [call("check", folder=example), call("plan", "people", folder=example), call_alone("serve", folder=example)]

    assert [done.returncode for done in told] == [78, 78, 78]
    for done in told:
        assert "systems/web.yaml: error[unusable]: a secret that goes into a header" in done.stdout + done.stderr
        assert "store it anew, in one line" in done.stdout + done.stderr
        assert "hunter" not in done.stdout + done.stderr


def test_an_address_from_the_environment_that_is_none_is_a_fault_of_the_configuration(example: Path) -> None:
    web = "version: 1\nname: web\nconnector: rest\ntype: crm\nbase_url: {env: WEB_URL, default: 'ftp://example.com'}\n"
    (example / "systems" / "web.yaml").write_text(web)

    done = call("check", folder=example)

    assert done.returncode == 78
    assert "systems/web.yaml: error[unusable]: base_url is not an http or https address" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["approve", "people", "--expires", "9999999999d"], 64, "is not between 1s and 3660d"),
        (["approve", "people", "--expires", "0s"], 64, "is not between 1s and 3660d"),
        (["pairs", "list", "people", "--after", "9" * 25], 64, "is not a number from 0 to 92233720368"),
        (["audit", "show", "--start", "-1"], 64, "'-1' is not a number from 0"),
        (["pairs", "show", "people", "9" * 25], 3, "people knows no record '999"),
        (["why", "people", "\udcff"], 64, "\\udcff: an argument that is not UTF-8"),
        (["demo", "nowhere", "--again"], 3, "nowhere: no demo was told here; tell one: tallystick demo nowhere"),
    ],
)  # fmt: skip
def test_what_nobody_would_type_is_told_in_a_sentence(running: Path, words: list[str], code: int, told: str) -> None:
    done = call(*words, folder=running)

    assert done.returncode == code
    assert told in done.stderr
