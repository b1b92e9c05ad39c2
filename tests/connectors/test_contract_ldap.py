"""This is where the LDAP driver passes the contract against a real OpenLDAP, and refuses to be fooled."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ldap3
import pytest
from pydantic import ValidationError

from connectors.base import Done, Fields, Gone, Lost, NotSent, Permanent, Record, Refused, Stale, Temporary, Write
from connectors.drivers.ldap import Entity, System, connect
from connectors.ldap import values
from connectors.ldap.session import Access, Sessions
from tests.connectors.contract import DriverContract, Subject, get, listing, write
from tests.connectors.directory import GROUPS, OPENED, admin, driver, form_groups, holding, person
from tests.connectors.gag import Gag
from tests.systems.slapd import Slapd, free_port


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd") / "server") as server:
        yield server


@pytest.fixture(autouse=True)
def close_what_was_opened() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture
def subject(slapd: Slapd) -> Iterator[Subject]:
    made = driver(slapd)
    for page in list(made.read("person")):
        list(made.write("person", [Write("delete", r.id) for r in page.records]))
    form_groups(slapd)
    yield Subject(
        made,
        "person",
        person,
        text="sn",
        lookup="employeeNumber",
        optional="telephoneNumber",
        big="employeeNumber",
        decimal="employeeType",
        refused={"uid": "bad", "cn": "Bad"},
        absent_id="00000000-0000-1041-90be-000000000000",
        relation="@groups",
        members=GROUPS,
        refused_member="no such group",
        holding=lambda: holding(slapd),
        unwell={
            "invalidCredentials": driver(slapd, password="wrong"),
            "password of": driver(slapd, password=""),
            "directory": driver(slapd, url=f"ldap://localhost:{free_port()}"),
            "certificate": driver(slapd, ca=None),
            "noSuchObject": driver(slapd, base="dc=nowhere", entity={"base": None}),
        },
    )
    made.close()


class TestLdapContract(DriverContract):
    @pytest.fixture
    def subject(self, subject: Subject) -> Subject:
        return subject


def create(subject: Subject, **fields: Any) -> Done:
    (done,) = write(subject, Write("create", fields={**person(1), **fields}))
    assert isinstance(done, Done), done
    return done


def fields_of(subject: Subject, id: str, *names: str) -> Fields:
    record = get(subject, id, *names)
    assert isinstance(record, Record)
    return record.fields


# Getting in


def test_every_effective_option_of_the_library_is_the_safe_one(slapd: Slapd) -> None:
    access = Access("directory", slapd.url, True, slapd.ca, slapd.admin, 5.0, 30.0)
    connection = Sessions(access, lambda: slapd.password).open()

    assert connection.tls_started
    assert connection.auto_referrals is False
    assert connection.raise_exceptions is False
    assert connection.receive_timeout == 30
    assert connection.server.connect_timeout == 5.0
    assert connection.server.allowed_referral_hosts == []
    assert connection.socket.context.check_hostname
    assert connection.socket.version() in ("TLSv1.2", "TLSv1.3")
    connection.strategy.close()


def test_ldaps_works_and_a_wrong_host_name_does_not(slapd: Slapd) -> None:
    right = driver(slapd, url=slapd.ldaps_url).check()
    wrong = driver(slapd, url=slapd.ldaps_url.replace("localhost", "127.0.0.2")).check()

    assert right.reachable, right
    assert not wrong.reachable


@pytest.mark.parametrize("password", ["", "   ", "a\x00b", "x" * 1025])
def test_a_password_that_is_none_never_reaches_the_network(slapd: Slapd, password: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        made = driver(slapd, password=password, url=f"ldap://127.0.0.1:{listener.getsockname()[1]}")

        with pytest.raises(Permanent, match="password"):
            list(made.read("person"))
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_missing_secret_is_named(slapd: Slapd) -> None:
    def nothing(ref: Any) -> str:
        raise KeyError(f"no secret '{ref.secret}'")

    made = driver(slapd)
    broken = connect(made._system, {}, check=None, reveal=nothing)

    assert broken.check().message == "directory: no password: no secret 'ldap'"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ldap://ldap.corp.example", "start_tls": False},
        {"url": "ldap://ldap.corp.example", "tls": "off_on_loopback"},
        {"url": "ldap://127.0.0.1", "start_tls": False},
        {"url": "http://127.0.0.1"},
        {"url": "ldap://127.0.0.1:99999999"},
        {"bind_dn": "cn=x", "password": None},
        {"bind_dn": ""},
        {"password": "in clear"},
    ],
)
def test_unsafe_settings_are_load_errors(settings: dict[str, Any]) -> None:
    good = {"name": "d", "version": 1, "connector": "openldap", "url": "ldap://h", "base": "dc=x"}
    System.model_validate(good)

    with pytest.raises(ValidationError):
        System.model_validate({**good, **settings})


@pytest.mark.parametrize("settings", [{"filter": "(uid=*"}, {"filter": "uid"}, {"protect": ["nonsense"]}, {"rdm": "x"}])
def test_malformed_entities_are_load_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Entity.model_validate(settings)


def test_plain_text_is_possible_on_loopback_where_it_is_asked_for(slapd: Slapd) -> None:
    made = driver(slapd, tls="off_on_loopback", start_tls=False)

    assert made.check().reachable


def test_a_server_that_never_answers_is_given_up(slapd: Slapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://localhost:{silent.getsockname()[1]}"
        made = driver(slapd, url=url, receive_timeout=1.0, tls="off_on_loopback")

        with pytest.raises(Temporary):
            list(made.read("person"))
        (outcome,) = made.write("person", [Write("create", fields=person(1))])
        assert isinstance(outcome, NotSent)


def test_a_create_whose_answer_is_lost_is_lost_and_not_repeated(slapd: Slapd, subject: Subject) -> None:
    gag = Gag(slapd.port)
    made = driver(slapd, url=f"ldap://localhost:{gag.port}")
    assert made.check().reachable  # a connection rests in the pool, bound and ready
    with made._sessions.connection() as connection:
        made._sessions.root(connection)
    gag.on.set()

    (outcome,) = made.write("person", [Write("create", fields=person(7))])

    assert isinstance(outcome, Lost), outcome
    assert len(listing(subject)) == 1
    gag.close()


def test_a_restarted_server_is_noticed_before_anything_is_sent(slapd: Slapd, subject: Subject) -> None:
    done = create(subject)
    slapd.stop()

    (refused,) = write(subject, Write("update", done.id, {"sn": "While down"}))
    slapd.start()
    (outcome,) = write(subject, Write("update", done.id, {"sn": "After"}))

    assert isinstance(refused, NotSent)
    assert not refused.permanent
    assert isinstance(outcome, Done)


# Reading


def test_a_size_limit_is_never_taken_for_the_end(slapd: Slapd, subject: Subject) -> None:
    """slapd gives everybody but its own admin 500 entries."""
    write(subject, *(Write("create", fields=person(n)) for n in range(510)))
    made = driver(slapd, password=slapd.reader_password, bind_dn=slapd.reader, page=200)

    seen = []
    with pytest.raises(Permanent, match="sizeLimitExceeded"):
        seen += list(made.read("person"))

    assert not any(page.complete for page in seen)


def test_a_missing_base_is_an_error_and_not_an_empty_listing(slapd: Slapd) -> None:
    made = driver(slapd, entity={"base": f"ou=nowhere,{slapd.base}"})

    with pytest.raises(Permanent, match="noSuchObject"):
        list(made.read("person"))


def test_an_entry_moved_out_of_the_listing_is_not_gone(slapd: Slapd, subject: Subject) -> None:
    done = create(subject)
    with admin(slapd) as connection:
        connection.modify_dn(f"uid=p1,{slapd.people}", "uid=p1", new_superior=slapd.groups)

    assert listing(subject) == {}
    assert isinstance(get(subject, done.id), Record)

    write(subject, Write("delete", done.id))
    assert isinstance(get(subject, done.id), Gone)


def test_names_keep_the_spelling_that_was_asked_for_and_dn_is_shown(slapd: Slapd, subject: Subject) -> None:
    done = create(subject, mail=["a@corp.example"])

    shown = fields_of(subject, done.id, "MAIL", "employeenumber", "dn", "telephoneNumber")

    assert shown == {
        "MAIL": ["a@corp.example"],
        "employeenumber": "1001",
        "dn": f"uid=p1,{slapd.people}",
        "telephoneNumber": None,
    }


def test_a_scalar_with_two_values_is_shown_as_a_list(subject: Subject) -> None:
    done = create(subject, telephoneNumber=["2", "1"])

    assert fields_of(subject, done.id, "telephoneNumber")["telephoneNumber"] == ["1", "2"]


def test_octets_travel_as_base64(subject: Subject) -> None:
    done = create(subject, jpegPhoto="/9j/AAEC")

    assert fields_of(subject, done.id, "jpegPhoto")["jpegPhoto"] == "/9j/AAEC"
    (bad,) = write(subject, Write("update", done.id, {"jpegPhoto": "not base64!"}))
    assert isinstance(bad, Refused)


# Names and filters that try to be more than values


@pytest.mark.parametrize(
    "value",
    ["*)(uid=*", "x,ou=groups", "a+sn=b", "#hash", " leading", "trailing ", 'q"uo\\te', "<a>;=b", "Ünï 🎻", "a/b"],
)
def test_a_name_is_data_in_dn_and_filter(slapd: Slapd, subject: Subject, value: str) -> None:
    create(subject, uid="bystander")

    done = create(subject, uid=value)

    shown = fields_of(subject, done.id, "uid", "dn")
    assert shown["uid"] == value
    assert shown["dn"].endswith(slapd.people)
    assert [r.id for r in subject.driver.find("person", {"uid": value})] == [done.id]


def test_a_name_with_nul_cannot_cut_the_name_short(subject: Subject) -> None:
    assert values.rdn("cn", "a\x00b") == "cn=a\\00b"

    (outcome,) = write(subject, Write("create", fields={**person(1), "uid": "a\x00b"}))

    shown = [r.fields["uid"] for r in listing(subject, fields=["uid"]).values()]
    assert (isinstance(outcome, Done) and shown == ["a\x00b"]) or (isinstance(outcome, Refused) and not shown)


@pytest.mark.parametrize("value", [["a", "b"], {"a": 1}, b"bytes", 1.5])
def test_only_scalars_can_be_looked_up(subject: Subject, value: Any) -> None:
    with pytest.raises(Permanent):
        subject.driver.find("person", {"uid": value})


def test_a_field_name_cannot_carry_a_filter(subject: Subject) -> None:
    with pytest.raises(Permanent):
        subject.driver.find("person", {'"uid=*)(cn"': "x"})


def test_an_empty_name_is_refused(subject: Subject) -> None:
    (outcome,) = write(subject, Write("create", fields={"cn": "Nameless", "sn": "X"}))

    assert isinstance(outcome, Refused)
    assert "uid" in outcome.message


# Writing


def test_a_new_name_renames_the_entry_and_keeps_its_id(slapd: Slapd, subject: Subject) -> None:
    done = create(subject)

    (renamed,) = write(subject, Write("update", done.id, {"uid": "new, name", "sn": "Lovelace"}, version=done.version))

    assert isinstance(renamed, Done), renamed
    record = get(subject, done.id, "uid", "sn", "dn")
    assert isinstance(record, Record)
    assert record.fields["uid"] == "new, name"
    assert record.fields["sn"] == "Lovelace"
    assert record.version == renamed.version


def test_a_rename_is_taken_back_when_the_rest_is_refused(subject: Subject) -> None:
    done = create(subject)

    (refused,) = write(subject, Write("update", done.id, {"uid": "other", "sn": None}))

    assert isinstance(refused, Refused), refused
    assert fields_of(subject, done.id, "uid", "sn") == {"uid": "p1", "sn": "Person"}


def test_the_dn_is_not_written_directly(subject: Subject) -> None:
    done = create(subject)

    (refused,) = write(subject, Write("update", done.id, {"dn": "cn=elsewhere"}))

    assert isinstance(refused, Refused)


def test_old_values_alone_are_enough_for_a_precondition(subject: Subject) -> None:
    done = create(subject, telephoneNumber="1")
    fresh = Write("update", done.id, {"telephoneNumber": "2"}, before={"telephoneNumber": "1"})

    first, again = write(subject, fresh), write(subject, fresh)

    assert isinstance(first[0], Done)
    assert isinstance(again[0], Stale)
    assert "telephoneNumber" in again[0].message


def test_an_edit_between_comparing_and_writing_is_caught_by_the_server(
    slapd: Slapd, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.ldap.writing import Writer

    done, compare = create(subject), Writer._moved

    def late_edit(self: Writer, entry: dict[str, Any], write: Write) -> str | None:
        found = compare(self, entry, write)
        with admin(slapd) as connection:
            assert connection.modify(entry["dn"], {"sn": [(ldap3.MODIFY_REPLACE, ["Someone else"])]})
        return found

    monkeypatch.setattr(Writer, "_moved", late_edit)
    (outcome,) = write(subject, Write("update", done.id, {"sn": "Ours"}, version=done.version))

    assert isinstance(outcome, Stale), outcome
    assert fields_of(subject, done.id, "sn") == {"sn": "Someone else"}


def test_a_large_group_changes_by_members(slapd: Slapd, subject: Subject) -> None:
    made = subject.driver
    members = [f"uid=m{n},{slapd.people}" for n in range(300)]
    (group,) = made.write("group", [Write("create", fields={"cn": "all", "member": members})])
    assert isinstance(group, Done), group

    (done,) = made.write("group", [Write("update", group.id, {"member": [*members[1:], "uid=new,dc=x"]})])

    assert isinstance(done, Done)
    (record,) = made.get("group", [group.id], fields=["member"])
    assert isinstance(record, Record)
    assert sorted(record.fields["member"]) == sorted([*members[1:], "uid=new,dc=x"])
    list(made.write("group", [Write("delete", group.id)]))


def test_values_are_written_in_the_directorys_spelling() -> None:
    moment = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)

    texts = [values.text_of("x", v) for v in (True, 12, Decimal("1.10"), moment, moment.date())]

    assert texts == ["TRUE", "12", "1.10", "20260301123000Z", "2026-03-01"]


def test_protected_entries_are_never_deleted(slapd: Slapd, subject: Subject) -> None:
    done = create(subject, employeeType="service")
    for rule in ("(employeeType=service)", f"UID=P1, {slapd.people}"):
        made = driver(slapd, entity={"protect": [rule]})

        (outcome,) = made.write("person", [Write("delete", done.id)])

        assert isinstance(outcome, Refused)
        assert "protected" in outcome.message
        made.close()
    assert len(listing(subject)) == 1


def test_a_login_that_may_only_read_is_a_persons_matter(slapd: Slapd, subject: Subject) -> None:
    done = create(subject)
    made = driver(slapd, password=slapd.reader_password, bind_dn=slapd.reader)

    (outcome,) = made.write("person", [Write("update", done.id, {"sn": "X"})])

    assert isinstance(outcome, NotSent)
    assert outcome.permanent
    assert "insufficientAccess" in outcome.message


def test_deactivate_and_marker_are_what_the_entity_says(slapd: Slapd, subject: Subject) -> None:
    made = driver(slapd, entity={"deactivate": {"employeeType": "left"}, "marker": "description"})
    (born,) = made.write("person", [Write("create", fields=person(1), marker="t-1")])
    assert isinstance(born, Done)

    (done,) = made.write("person", [Write("deactivate", born.id)], fields=["employeeType"])

    assert isinstance(done, Done)
    assert done.record is not None
    assert done.record.fields == {"employeeType": "left"}
    assert [r.id for r in made.find("person", {"description": "t-1"})] == [born.id]


def test_the_schema_tells_which_fields_there_are(slapd: Slapd) -> None:
    shapes = {shape.name: shape for shape in driver(slapd).discover()}

    fields = {field.path: field for field in shapes["person"].fields}
    assert fields["sn"].required
    assert "telephoneNumber" in fields
    assert "mail" in fields


def test_guids_of_active_directory_are_text_outside_and_octets_inside() -> None:
    shapes = values.Shapes.of([], [], [])
    raw = bytes.fromhex("33221100554477668899aabbccddeeff")

    assert shapes.value("objectGUID", [raw]) == "00112233-4455-6677-8899-aabbccddeeff"
    assert values.equals("objectGUID", "00112233-4455-6677-8899-aabbccddeeff").startswith(
        "(objectGUID=\\33\\22\\11\\00"
    )
    with pytest.raises(ValueError, match="GUID"):
        values.equals("objectGUID", "no-such-id")
