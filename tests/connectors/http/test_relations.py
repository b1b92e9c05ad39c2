"""This is where members are told apart by what systems answer: added, there already, refused, lost, or never sent."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.base import Done, Gone, Lost, Members, NotSent, Outcome, Permanent, Record, Refused, Stale, Write
from connectors.drivers.http import HttpDriver
from connectors.http.facts import Entity, Relation
from tests.connectors.http.connected import TEAMS, mocked, person, write

Answer = httpx.Response | Exception


class Api:
    """People p1 and p2, and whatever the test answers to the rest; every request is kept."""

    def __init__(self, **answers: Answer | Callable[[httpx.Request], Answer]) -> None:
        self.answers = answers
        self.seen: list[str] = []
        self.bodies: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        place = request.url.path.removeprefix("/api")
        self.seen.append(f"{request.method} {place}")
        self.bodies.append(request.read())
        answer = self.answers.get(request.method.lower(), httpx.Response(204))
        if request.method == "GET":
            answer = self.answers.get("teams" if place.endswith("/teams") else "get", answer)
        found = answer(request) if callable(answer) else answer
        if isinstance(found, Exception):
            raise found
        return found


def people(api: Api, **relation: Any) -> HttpDriver:
    return mocked(api, person(relations={"teams": {**TEAMS, **relation}}))


def record(id: str = "p1", **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"id": id, "rev": 1, "name": "Ada", **more})


def moving(*add: str, remove: tuple[str, ...] = (), **fields: Any) -> Write:
    return Write("update", "p1", fields, version="1", members={"@teams": Members(add, remove)})


# Reading


def test_a_list_that_the_record_shows_costs_no_request() -> None:
    api = Api(get=record(links={"teams": [{"id": 7}, {"id": "12"}]}))
    driver = people(api, read=None, path="links.teams", take="id")

    (found,) = driver.get("person", ["p1"], fields=["name", "@teams"])
    (whole,) = driver.get("person", ["p1"])

    assert found == Record("p1", {"name": "Ada", "@teams": ["12", "7"]}, "1")
    assert isinstance(whole, Record)
    assert whole.fields["@teams"] == ["12", "7"]
    assert api.seen == ["GET /people/p1"] * 2


@pytest.mark.parametrize("shown", [{}, {"links": None}, {"links": {"teams": []}}])
def test_a_record_that_shows_no_list_has_no_members(shown: dict[str, Any]) -> None:
    driver = people(Api(get=record(**shown)), read=None, path="links.teams", take="id")

    (found,) = driver.get("person", ["p1"], fields=["@teams"])

    assert found == Record("p1", {"@teams": []}, "1")


@pytest.mark.parametrize(
    ("teams", "words"), [("red", "no list at 'teams' in the record"), ([{"name": "red"}], "no member's id at 'id'")]
)
def test_a_list_in_another_shape_is_an_error_and_never_empty(teams: Any, words: str) -> None:
    driver = people(Api(get=record(teams=teams)), read=None, path="teams", take="id")

    with pytest.raises(Permanent, match=words):
        list(driver.get("person", ["p1"], fields=["@teams"]))


def test_the_place_of_the_list_is_asked_for_where_fields_are_selected() -> None:
    asked: list[Any] = []

    def get(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return record()

    entity = person(
        relations={"teams": {**TEAMS, "read": None, "path": "links.teams"}},
        read__get={"get": "/people/{id}", "select": {"param": "fields"}},
    )
    list(mocked(Api(get=get), entity).get("person", ["p1"], fields=["name", "@teams"]))

    assert asked == [{"fields": "links,name"}]


def test_who_is_deleted_while_the_teams_are_asked_for_is_gone_and_nobody_has_none() -> None:
    people_shown = {"items": [{"id": "p1", "rev": 1}, {"id": "p2", "rev": 2}]}

    def teams(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404) if "/p1/" in request.url.path else httpx.Response(200, json={"items": []})

    def get(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/people"):
            return httpx.Response(200, json=people_shown)
        return httpx.Response(404)

    driver = people(Api(get=get, teams=teams))

    (page,) = driver.read("person", fields=["@teams"])
    assert page.records == (Record("p2", {"@teams": []}, "2"),)
    assert page.complete  # absence is a question that only `get` answers, and it says:
    assert list(driver.get("person", ["p1"], fields=["@teams"])) == [Gone("p1")]


def test_who_vanishes_between_two_answers_is_gone() -> None:
    answers = iter([record(), httpx.Response(404)])
    driver = people(Api(get=lambda _: next(answers), teams=httpx.Response(404)))

    assert list(driver.get("person", ["p1"], fields=["@teams"])) == [Gone("p1")]


def test_a_relation_that_is_nowhere_is_never_taken_for_an_empty_one() -> None:
    driver = people(Api(get=record(), teams=httpx.Response(404)))

    with pytest.raises(Permanent, match="crm person p1: it is there, and its relation is not; check the path"):
        list(driver.get("person", ["p1"], fields=["@teams"]))


def test_a_read_back_whose_teams_cannot_be_had_tells_no_record() -> None:
    driver = people(Api(patch=record(), teams=httpx.Response(500)))

    (done,) = driver.write("person", [Write("update", "p1", {"name": "Ada"})], fields=["name", "@teams"])

    assert done == Done("p1", "1")


# Writing


def test_one_request_takes_as_many_as_its_body_holds() -> None:
    api = Api()
    many = {"post": "/people/{id}/teams/batch", "body": {"inputs": "{members}"}}
    driver = people(api, add=many, item={"to": "{member}", "of": "{id}"}, size=2)

    assert write(driver, moving("red", "blue", "green")) == Done("p1")

    assert api.seen == ["POST /people/p1/teams/batch"] * 2
    assert api.bodies[0] == b'{"inputs":[{"to":"red","of":"p1"},{"to":"blue","of":"p1"}]}'
    assert api.bodies[1] == b'{"inputs":[{"to":"green","of":"p1"}]}'


def test_members_alone_make_no_request_on_the_record_and_fields_come_first() -> None:
    api = Api(patch=record())
    driver = people(api)

    assert write(driver, moving("red", remove=("blue",))) == Done("p1")
    assert write(driver, moving("red", name="Ada")) == Done("p1", "1")

    assert api.seen == [
        "PUT /people/p1/teams/red",
        "DELETE /people/p1/teams/blue",
        "PATCH /people/p1",
        "PUT /people/p1/teams/red",
    ]


def test_a_record_that_is_refused_gets_no_members() -> None:
    api = Api(patch=httpx.Response(422, json={"message": "name is no name"}))

    assert isinstance(write(people(api), moving("red", name="?")), Refused)

    assert api.seen == ["PATCH /people/p1"]


ALONE: list[tuple[Answer, type[Outcome]]] = [
    (httpx.Response(409), Done),
    (httpx.Response(422, json={"message": "the team is full"}), Refused),
    (httpx.Response(404), Refused),
    (httpx.Response(412), Stale),
    (httpx.Response(403), NotSent),
    (httpx.Response(429), NotSent),
    (httpx.Response(503), Lost),
    (httpx.ReadTimeout("slow"), Lost),
    (httpx.ConnectError("no"), NotSent),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "expected"), ALONE)
def test_an_answer_about_a_member_has_its_meaning(answer: Answer, expected: type[Outcome]) -> None:
    outcome = write(people(Api(put=answer)), moving("red"))

    assert isinstance(outcome, expected), outcome
    if isinstance(outcome, Refused):
        assert "PUT /api/people/p1/teams/red: red: " in outcome.message


@pytest.mark.parametrize(("answer", "expected"), [
    (httpx.Response(403), Refused), (httpx.Response(429), Lost), (httpx.ConnectError("no"), Lost),
    (httpx.Response(422), Refused), (httpx.ReadTimeout("slow"), Lost),
])  # fmt: skip
@pytest.mark.parametrize("fields", [{}, {"name": "Ada"}])
def test_what_was_begun_is_never_called_not_sent(answer: Answer, expected: type[Outcome], fields: Any) -> None:
    api = Api(patch=record(), delete=answer)

    outcome = write(people(api), moving("red", remove=("blue",), **fields))

    assert isinstance(outcome, expected), outcome


@pytest.mark.parametrize(
    "answer", [httpx.Response(422, json={"message": "full"}), httpx.ReadTimeout("slow"), httpx.ConnectError("no")]
)
def test_a_newborn_record_is_not_lost_with_its_teams(answer: Answer) -> None:
    api = Api(post=record("p9"), put=answer)
    born = Write("create", fields={"name": "Ada"}, members={"@teams": Members(("red", "blue"))})

    (done,) = people(api).write("person", [born], fields=["name", "@teams"])

    assert isinstance(done, Done)
    assert (done.id, done.record, set(done.without)) == ("p9", None, {"@teams"})


def test_a_write_with_members_leaves_the_batch() -> None:
    results = {"at": "results", "ok": "ok", "record": "record"}
    batch = {"post": "/people/batch", "body": "{items}", "size": 10, "results": results}
    api = Api(
        post=lambda request: httpx.Response(
            200, json={"results": [{"ok": True, "record": {"id": f"p{n}", "rev": 1}} for n in (7, 8)]}
        ) if request.url.path.endswith("batch") else record("p9"),
        teams=httpx.Response(200, json={"items": [{"to": "red"}]}),
    )  # fmt: skip
    driver = mocked(api, person(relations={"teams": TEAMS}, write__batch=batch))
    plain, related = Write("create", fields={"name": "A"}), Write("create", members={"@teams": Members(("red",))})

    outcomes = list(driver.write("person", [plain, plain, related], fields=["@teams"]))

    assert [outcome.id for outcome in outcomes if isinstance(outcome, Done)] == ["p7", "p8", "p9"]
    assert isinstance(outcomes[0], Done)
    assert outcomes[0].record == Record("p7", {"@teams": ["red"]}, "1")


@pytest.mark.parametrize(
    ("relation", "write_"),
    [({"add": None}, moving("red")), ({"remove": None}, moving(remove=("red",))), ({}, None)],
)
def test_what_the_definition_does_not_say_is_refused_by_name(relation: Any, write_: Write | None) -> None:
    asked = write_ or Write("update", "p1", members={"@clubs": Members(("chess",))})

    outcome = write(people(Api(), **relation), asked)

    assert isinstance(outcome, Refused)
    assert f"does not say how {next(iter(asked.members))} is written" in outcome.message


def test_a_member_that_would_change_the_path_is_refused() -> None:
    outcome = write(people(Api()), moving(".."))

    assert isinstance(outcome, Refused)
    assert "crm person p1: ..: '..' cannot stand for {member}" in outcome.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"path": "teams"}, "either `path` or `read`"),
        ({"read": None}, "either `path` or `read`"),
        ({"read": None, "path": "a["}, "is not a path"),
        ({"add": {"put": "/people/{id}/teams"}}, "add: nothing says who, {member} or {members}"),
        ({"remove": {"delete": "/x", "body": "{id}"}}, "remove: nothing says who"),
    ],
)
def test_a_relation_that_cannot_work_is_a_load_error(wrong: dict[str, Any], words: str) -> None:
    Relation.model_validate(TEAMS)

    with pytest.raises(ValidationError, match=words):
        Relation.model_validate({**TEAMS, **wrong})


def test_members_cannot_follow_what_is_done_later() -> None:
    job = {"id": "job", "poll": {"get": "/jobs/{job}"}, "state": "state", "done": ["ok"]}
    entity = person(relations={"teams": TEAMS})
    entity["write"]["create"] = {"post": "/people", "job": job}

    with pytest.raises(ValidationError, match="cannot be followed by members"):
        Entity.model_validate(entity)
