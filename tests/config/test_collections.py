"""Stories of child records in a configuration: what they become, and what is refused, at its place in the file."""

from pathlib import Path

import pytest

from connectors.base import PARENT
from daemon.config.hints import hints
from daemon.config.load import load
from daemon.core.rules import Nest, Sync
from daemon.errors import ConfigError

SYNC = """version: 1
name: people
left: {{system: hr, entity: person, where: {{status: active}}}}
right: {{system: crm, entity: contact}}
{more}match_on: [[name]]
fields:
  name: {{left: name, right: name, wins: left}}
{field}collections:
  phones:
{lines}
"""
FINE = {
    "left": "phones",
    "right": "{at: properties.numbers, id: [type]}",
    "match_on": "[[kind]]",
    "fields": "{kind: {left: kind, right: type}, number: {left: number, right: value, wins: left}}",
}


def written(folder: Path, *, more: str = "", field: str = "", **lines: str) -> Path:
    """A configuration whose sync has the collection `phones`, with *lines* in place of the fine ones."""
    for name, text in {
        "tallystick.yaml": "version: 1\n",
        "systems/hr.yaml": "version: 1\nname: hr\nconnector: memory\nentities: {person: {}, phone: {}}\n",
        "systems/crm.yaml": "version: 1\nname: crm\nconnector: memory\nentities: {contact: {}, number: {}}\n",
        "syncs/people.yaml": SYNC.format(
            more=more,
            field=field,
            lines="\n".join(f"    {key}: {text}" for key, text in (FINE | lines).items() if text),
        ),
    }.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)
    return folder


def child(folder: Path, **lines: str) -> Sync:
    """What the collection became."""
    (found,) = load(written(folder, **lines), env={}).syncs["people"].rules.collections
    return found


def faults(folder: Path, **lines: str) -> list[str]:
    """The first line of each fault."""
    with pytest.raises(ConfigError) as error:
        load(written(folder, **lines), env={})
    return [problem.splitlines()[0] for problem in error.value.problems]


def test_a_collection_becomes_a_sync_inside_its_parents(tmp_path: Path) -> None:
    sync = child(tmp_path)

    assert (sync.name, sync.short, sync.zone) == ("people.phones", "phones", "UTC")
    assert sync.family
    assert sync.family.sync == "people"
    assert sync.family.nests == {
        "left": Nest("person", "phones", ("kind",)),
        "right": Nest("contact", "properties.numbers", ("type",)),
    }
    assert (sync.left.entity, sync.left.where) == ("person.phones", {"status": "active"})
    assert [match.on for match in sync.match_on] == [(PARENT, "kind")]
    assert [rule.name for rule in sync.rules] == [PARENT, "kind", "number"]
    assert (sync.cases.gone_left, sync.cases.gone_right, sync.cases.gone_and_changed) == ("delete", "delete", "hold")


def test_children_may_be_records_of_an_entity(tmp_path: Path) -> None:
    sync = child(tmp_path, right="{entity: number, parent: contact.id, where: {active: true}, scope: '!fax'}")

    assert sync.family
    assert set(sync.family.nests) == {"left"}
    assert (sync.right.system, sync.right.entity, sync.right.where) == ("crm", "number", {"active": True})
    assert sync.right.scope_paths == ("fax",)
    lens = sync.rule(PARENT).right
    assert lens
    assert lens.text == "contact.id"
    assert sync.owner_of("right", {"contact": {"id": 17}}) == "17"
    assert sync.owner_of("right", {"contact": None}) is None


def test_one_way_children_are_owned_like_their_parents_and_nothing_is_taken_out_of_their_source(
    tmp_path: Path,
) -> None:
    fields = "{kind: {left: kind, right: type}, number: {left: number, right: value}}"
    sync = child(tmp_path, more="direction: left_to_right\n", fields=fields)

    assert {rule.owner for rule in sync.rules} == {"left"}
    assert (sync.cases.new_right, sync.cases.gone_left, sync.cases.gone_right) == ("ignore", "delete", "hold")


def test_another_place_for_children_is_another_agreement(tmp_path: Path) -> None:
    prints = {
        child(tmp_path / name, right=right).fingerprint
        for name, right in {"a": "{at: properties.numbers, id: [type]}", "b": "{at: properties.numbers, id: [no]}",
                            "c": "{at: properties.more, id: [type]}"}.items()
    }  # fmt: skip

    assert len(prints) == 3


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ({"left": ""}, "9:3: error[missing-key]: the key 'left' is missing"),
        ({"left": "{id: [kind]}"}, "10:11: error[contradiction]: children lie `at` a list"),
        ({"left": "{at: phones, entity: phone}"}, "10:16: error[contradiction]: children lie `at` a list"),
        ({"left": "{entity: phone}"}, "10:12: error[contradiction]: an entity of children says whose they are"),
        ({"left": "{at: phones, parent: x}"}, "10:24: error[contradiction]: 'parent' belongs to `entity`"),
        ({"left": "{entity: phone, parent: owner, id: [x]}"}, "10:42: error[contradiction]: 'id' belongs to `at`"),
        ({"left": "{entity: phones, parent: owner}"}, "10:20: error[unknown-entity]: the system 'hr'"),
        ({"left": "'phones[kind=x].y'"}, "10:11: error[mapping]: 'phones[kind=x].y' leads into a list"),
        ({"left": "'phones..x'"}, "10:11: error[mapping]: 'phones..x' is not a path"),
        ({"left": "{at: phones, id: ['a..b']}"}, "10:29: error[mapping]: 'a..b' is not a path"),
        ({"left": "{entity: phone, parent: 'a..b'}"}, "10:35: error[mapping]: 'a..b' is not a path"),
        ({"match_on": "[[knid]]"}, "12:17: error[unknown-field]: there is no field 'knid' in fields"),
        ({"direction": "right_to_left", "more": "direction: left_to_right\n"}, "error[contradiction]: the children go"),
        ({"cases": "{gone_left: remove}"}, "14:24: error[not-allowed]: 'remove' is not one of"),
        ({"cases": "{out_of_scope_left: delete}"}, "14:32: error[not-allowed]: what leaves the scope is never deleted"),
        ({"guards": "{deletes: many}"}, "error[bad-value]"),
        ({"collections": "{}"}, "14:5: error[unknown-key]: unknown key 'collections'"),
        ({"every": "5m"}, "14:5: error[unknown-key]: unknown key 'every'"),
    ],
)
def test_faults_of_a_collection_stand_where_they_are_written(tmp_path: Path, lines: dict[str, str], told: str) -> None:
    found = faults(tmp_path, **lines)

    assert any(told in text for text in found), found
    assert all(text.startswith("syncs/people.yaml:") for text in found)


def test_faults_of_its_fields_stand_where_they_are_written(tmp_path: Path) -> None:
    fields = "{kind: {left: 'upper(kind)', right: type}, number: {left: number, right: value, wins: newest}}"

    mapping, newest, *more = sorted(faults(tmp_path, fields=fields))

    assert mapping.startswith("syncs/people.yaml:13:27: error[mapping]")
    assert newest.startswith("syncs/people.yaml:13:99: error[untrusted-times]"), newest
    assert more == []


def test_members_have_no_times_of_their_own(tmp_path: Path) -> None:
    fields = "{kind: {left: kind, right: type}, number: {left: number, right: value, wins: newest}}"

    (told,) = faults(tmp_path, fields=fields)

    assert "the members of `phones` have no times of their own" in told


def test_by_what_a_member_is_known_has_to_be_said_where_match_on_does_not(tmp_path: Path) -> None:
    fields = '{kind: {left: "upper(kind)", right: type, owner: left}, number: {left: number, right: value, wins: left}}'

    (told,) = faults(tmp_path, fields=fields)

    assert told.startswith("syncs/people.yaml:10:11: error[contradiction]: by what the members of `phones` are known")


def test_a_list_is_written_by_one_collection_and_by_no_field(tmp_path: Path) -> None:
    field = "  work: {left: work, right: 'properties.numbers[type=work].value'}\n"

    (told,) = faults(tmp_path, field=field)

    assert "two-writers" in told
    assert "'properties.numbers'" in told


def test_two_collections_cannot_share_a_list(tmp_path: Path) -> None:
    folder = written(tmp_path)
    file = folder / "syncs/people.yaml"
    text = file.read_text()
    again = text[text.index("  phones:\n") :].replace("  phones:", "  faxes:").replace("left: phones", "left: faxes")
    file.write_text(text + again)

    with pytest.raises(ConfigError) as error:
        load(folder, env={})

    (told,) = error.value.problems
    assert (
        "'properties.numbers' of crm.contact is written by sync 'people.phones' too (syncs/people.yaml:11:12)" in told
    )
    assert "it belongs to one collection" in told


def test_a_list_that_is_only_read_may_be_read_by_many(tmp_path: Path) -> None:
    fields = "{kind: {left: kind, right: type}, number: {left: number, right: value}}"
    folder = written(tmp_path, more="direction: left_to_right\n", fields=fields)
    file = folder / "syncs/people.yaml"
    text = file.read_text()
    again = text[text.index("  phones:\n") :].replace("  phones:", "  faxes:").replace("properties.numbers", "faxes")
    file.write_text(text + again)

    assert len(load(folder, env={}).syncs["people"].rules.collections) == 2


def test_a_system_that_does_not_exist_is_told_once(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / "systems/hr.yaml").unlink()

    with pytest.raises(ConfigError) as error:
        load(folder, env={})

    assert len(error.value.problems) == 1


def test_guards_of_children_are_their_own_and_what_was_announced_for_them_is_told_when_it_is_over(
    tmp_path: Path,
) -> None:
    expect = "{deletes: {share: 1%, per_day: 7}, expect: [{from: 2026-01-01, to: 2026-01-02, deletes: 100%}]}"
    config = load(written(tmp_path, guards=expect), env={})
    (sync,) = config.syncs["people"].rules.collections

    (told,) = hints(config, 1_800_000_000.0)

    assert told.startswith("syncs/people.yaml: collections.phones.guards.expect: what was")
    assert (sync.guards.deletes.share, sync.guards.limit("deletes").daily) == (0.01, True)
    assert config.syncs["people"].rules.guards.expect == ()
