"""This is where definitions/scim2.yaml meets a SCIM server that nobody here wrote: scim2-server, over loopback."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.base import Done, Gone, Record, Refused, Stale, Write
from connectors.definition import driver_module, load_definition
from connectors.drivers.http import HttpDriver, connect
from tests.connectors.http.connected import TOKEN, Time, reveal


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    from scim2_models import ScimProvider
    from scim2_server.memory import InMemoryStorage
    from scim2_server.testserver.application import BearerTokenApplication
    from scim2_server.utils import (
        load_default_resource_types,
        load_default_schemas,
        load_default_service_provider_config,
    )

    class Threading(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args: Any) -> None: ...

    provider = ScimProvider.from_discovery(
        load_default_schemas().values(),
        load_default_resource_types().values(),
        config=load_default_service_provider_config(),
    )
    app = BearerTokenApplication(InMemoryStorage(), provider, bearer_tokens=[TOKEN])
    server = make_server("127.0.0.1", 0, app, server_class=Threading, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v2"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def idp(address: str) -> Iterator[HttpDriver]:
    definition = load_definition("scim2")
    facts = {"version": 1, "name": "idp", "connector": "scim2", "base_url": address, **definition.defaults}
    facts["auth"] = {"kind": "bearer", "token": {"secret": "token"}}
    system = driver_module(definition.driver).System.model_validate(facts)
    driver = connect(system, definition.entities, check=definition.check, reveal=reveal, around=Time().around())  # type: ignore[arg-type]  # the http driver's System
    yield driver
    everybody = [(entity, r.id) for entity in ("user", "group") for p in driver.read(entity) for r in p.records]
    for entity, id in everybody:
        assert isinstance(_only(driver, entity, Write("delete", id)), Done)
    driver.close()


def _only(driver: HttpDriver, entity: str, write: Write) -> Any:
    (outcome,) = driver.write(entity, [write])
    return outcome


def _user(n: int) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": f"user{n:03}",
        "name": {"givenName": "Zoë", "familyName": f"Čapek {n}"},
        "emails": [{"value": f"u{n}@corp.example", "type": "work"}],
        "active": True,
    }


def _get(idp: HttpDriver, id: str, *fields: str) -> Any:
    (answer,) = idp.get("user", [id], fields=fields)
    return answer


def test_check_proves_the_credentials(idp: HttpDriver, address: str) -> None:
    assert idp.check().reachable
    assert idp.check("user").permissions == {"read": True}


def test_every_user_comes_once_over_pages_of_a_hundred(idp: HttpDriver) -> None:
    created = [_only(idp, "user", Write("create", fields=_user(n))) for n in range(230)]

    pages = list(idp.read("user", fields=["userName", "title", "name.middleName"]))

    assert [len(page.records) for page in pages] == [100, 100, 30]
    assert [page.complete for page in pages] == [False, False, True]
    assert {r.id for page in pages for r in page.records} == {done.id for done in created}
    first = pages[0].records[0]
    assert first.fields["title"] is None
    assert first.fields["name"]["middleName"] is None
    assert first.version is not None


def test_a_user_is_born_edited_disabled_and_ends(idp: HttpDriver) -> None:
    born = _only(idp, "user", Write("create", fields=_user(1), marker="ours-1"))
    assert isinstance(born, Done)
    assert born.record is not None
    assert born.record.fields["externalId"] == "ours-1"

    change = {
        "name": {"givenName": "Ada"},
        "emails": [{"value": "ada@corp.example", "type": "work"}, {"value": "a@home.example", "type": "home"}],
        "nickName": "ada",
    }
    edited = _only(idp, "user", Write("update", born.id, change, version=born.version))
    assert isinstance(edited, Done), edited
    seen = _get(idp, born.id)
    assert seen.version == edited.version != born.version
    assert seen.fields["name"] == {"givenName": "Ada", "familyName": "Čapek 1"}
    assert [mail["value"] for mail in seen.fields["emails"]] == ["ada@corp.example", "a@home.example"]

    cleared = _only(idp, "user", Write("update", born.id, {"nickName": None, "emails": []}))
    assert isinstance(cleared, Done), cleared
    assert _get(idp, born.id, "nickName", "emails").fields == {"nickName": None, "emails": None}

    disabled = _only(idp, "user", Write("deactivate", born.id))
    assert isinstance(disabled, Done), disabled
    assert _get(idp, born.id).fields["active"] is False

    assert isinstance(_only(idp, "user", Write("delete", born.id)), Done)
    assert isinstance(_only(idp, "user", Write("delete", born.id)), Done)
    assert isinstance(_get(idp, born.id), Gone)


def test_the_enterprise_extension_is_written_by_its_name(idp: HttpDriver) -> None:
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    born = _only(idp, "user", Write("create", fields={**_user(1), urn: {"department": "Ops", "division": "EU"}}))

    outcome = _only(idp, "user", Write("update", born.id, {urn: {"department": "IT"}}))

    assert isinstance(outcome, Done), outcome
    assert _get(idp, born.id).fields[urn] == {"department": "IT", "division": "EU"}


@pytest.mark.parametrize("op", ["update", "delete", "deactivate"])
def test_an_edit_in_between_makes_our_write_stale(idp: HttpDriver, op: Any) -> None:
    born = _only(idp, "user", Write("create", fields=_user(1)))
    _only(idp, "user", Write("update", born.id, {"title": "theirs"}))

    outcome = _only(idp, "user", Write(op, born.id, {"title": "ours"} if op == "update" else {}, version=born.version))

    assert isinstance(outcome, Stale), outcome
    assert _get(idp, born.id).fields["title"] == "theirs"


def test_a_name_that_is_taken_is_refused_in_the_servers_words(idp: HttpDriver) -> None:
    _only(idp, "user", Write("create", fields=_user(1)))

    outcome = _only(idp, "user", Write("create", fields=_user(1)))

    assert isinstance(outcome, Refused)
    assert outcome.message.startswith("idp POST /v2/Users: 409 ")
    assert len(outcome.message) > len("idp POST /v2/Users: 409 ")


def test_find_is_by_declared_names_and_a_quote_cannot_leave_its_value(idp: HttpDriver) -> None:
    born = _only(idp, "user", Write("create", fields=_user(7) | {"externalId": 'a"b\\c'}))

    (found,) = idp.find("user", {"userName": "USER007"}, consistent=True)
    (by_key,) = idp.find("user", {"externalId": 'a"b\\c'})

    assert found.id == by_key.id == born.id
    assert idp.find("user", {"userName": 'x" or userName pr or userName eq "x'}) == []


def test_a_group_has_members(idp: HttpDriver) -> None:
    user = _only(idp, "user", Write("create", fields=_user(1)))
    group = _only(
        idp,
        "group",
        Write("create", fields={"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Ops"}),
    )

    outcome = _only(idp, "group", Write("update", group.id, {"members": [{"value": user.id}]}, version=group.version))

    assert isinstance(outcome, Done), outcome
    (record,) = idp.get("group", [group.id])
    assert isinstance(record, Record)
    assert [member["value"] for member in record.fields["members"]] == [user.id]
    assert [g.id for g in idp.find("group", {"displayName": "Ops"})] == [group.id]
