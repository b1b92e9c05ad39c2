"""Stories of people who are born in four requests at a real server: each made once, whatever is lost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.drivers.http import HttpDriver
from daemon.core.rules import Cases, Match
from daemon.engine import failpoints
from tests.connectors.http.connected import driver_for
from tests.connectors.http.servers import Reply, Seen, served
from tests.engine.onboarding import ENTITY, MAKING, Office, is_step
from tests.engine.world import HOUR, World, people_sync, person, rule

ONE = (1, 1, 1, [True])
"""One of everything, released."""
STEPS = range(len(MAKING))


class OfficeWorld(World):
    """Ada is on the left; the right side is the office, empty, behind HTTP."""

    def __init__(self, folder: Path, office: Office, driver: HttpDriver) -> None:
        rules = (rule("number", owner="left"), rule("name", wins="left"), rule("phone", wins="left"))
        sync = people_sync(rules=rules, match_on=(Match(("number",)), Match(("name",))))
        super().__init__(folder, left={}, sync=sync)
        self.office, self.crm = office, driver

    @property
    def drivers(self) -> Any:
        return {"left": self.left, "right": self.crm}

    def until_quiet(self) -> None:
        for _ in range(4):
            self.now += 3 * HOUR
            self.run(full=True)
        requests = len(self.office.asked("POST", "PUT", "PATCH"))
        assert self.run(full=True).state == "done"
        assert len(self.office.asked("POST", "PUT", "PATCH")) == requests

    def results(self) -> list[str]:
        return [entry["result"] for entry in self.entries("outcome")]


@contextmanager
def office_world(folder: Path, entity: Mapping[str, Any] = ENTITY) -> Iterator[OfficeWorld]:
    office = Office()
    with served(office.answer) as address:
        driver = driver_for(address, entity, timeout={"connect": "1s", "read": "1s", "total": "2s"})
        made = OfficeWorld(folder, office, driver)
        made.adopted()
        office.seen.clear()
        made.left.put("person", person(7), "L7")
        try:
            yield made
        finally:
            driver.close()
            made.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[OfficeWorld]:
    with office_world(tmp_path) as made:
        yield made


def once(step: int, reply: Reply) -> Any:
    """The first request of that step is answered so."""
    left = [reply]

    def fault(seen: Seen) -> Reply | None:
        return left.pop() if left and is_step(seen, step) else None

    return fault


def test_each_step_uses_what_the_earlier_ones_answered_and_the_first_attempt_looks_for_nothing(
    world: OfficeWorld,
) -> None:
    assert world.run().state == "done"

    assert world.office.made() == ONE
    assert world.office.asked("POST", "PUT") == ["/versions", "/people", "/people/p1/badges", "/versions/v1/release"]
    assert [path for path in world.office.asked("GET") if path != "/people"] == []
    assert world.office.people["p1"]["in"] == "v1"
    (intent,) = world.entries("intent")
    (outcome,) = world.entries("outcome")
    assert outcome["steps"] == ["ver", "record", "badge", "release"]
    assert (intent["op"], outcome["record"]) == ("create", "p1")
    world.until_quiet()
    world.office._keep("p1", world.office.people["p1"] | {"phone": "typed there"})
    world.run(full=True)
    assert world.records("left")["L7"]["phone"] == "typed there"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("arrived", [False, True])
def test_a_step_whose_answer_is_lost_is_looked_for_and_made_once(world: OfficeWorld, step: int, arrived: bool) -> None:
    (world.office.late if arrived else world.office.faults).append(once(step, Reply(502)))

    assert world.run().counts["unknown"] == 1
    world.until_quiet()

    assert world.office.made() == ONE
    assert world.results() == ["done"]
    assert world.why("L7")["right"] == "p1"


class Killed(BaseException):
    """The process dies here."""


def die() -> None:
    raise Killed


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("arrived", [False, True])
def test_a_process_that_dies_between_two_steps_goes_on_with_the_first_that_is_not_there(
    world: OfficeWorld, monkeypatch: pytest.MonkeyPatch, step: int, arrived: bool
) -> None:
    ask, requests = world.crm._requester.ask, iter(range(100))

    def dying(*args: Any, repeatable: bool, **how: Any) -> Any:
        dies = not repeatable and next(requests) == step
        if dies and not arrived:
            raise Killed
        answer = ask(*args, repeatable=repeatable, **how)
        if dies:
            raise Killed
        return answer

    monkeypatch.setattr(world.crm._requester, "ask", dying)
    with pytest.raises(Killed):
        world.run()
    world.close()
    world.open()

    world.until_quiet()

    assert world.office.made() == ONE
    assert world.why("L7")["right"] == "p1"


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_is_refused_waits_with_the_systems_words_and_goes_on_there(world: OfficeWorld, step: int) -> None:
    world.office.faults.append(once(step, Reply(422, {"message": "not today"})))

    report = world.run()

    assert report.counts["refused"] == 1
    (told,) = world.held()
    assert (told["reason"], told["left"], told["right"]) == ("refused", "L7", None)
    assert "422 not today" in told["why"]
    assert told.get("steps", []) == ["ver", "record", "badge"][:step]
    world.run(full=True)
    assert len(world.office.asked("POST", "PUT")) == step + 1  # it is not sent again unchanged before its time
    world.until_quiet()
    assert world.office.made() == ONE
    assert world.results() == ["refused", "done"]


@pytest.mark.parametrize("step", [2, 3])
def test_a_half_made_record_is_nobodys_partner_and_nobodys_newcomer(world: OfficeWorld, step: int) -> None:
    world.office.faults.append(once(step, Reply(422, {"message": "not today"})))
    world.run()
    world.office._keep("p1", world.office.people["p1"] | {"number": "elsewhere", "name": "Nobody"})

    for _ in range(2):
        world.run(full=True)

    assert list(world.records("left")) == ["L7"]
    assert world.pairs() == [("L7", None, "held", "refused")]


def test_an_edit_while_the_record_was_half_made_travels_once_it_is_whole(world: OfficeWorld) -> None:
    world.office.faults.append(once(3, Reply(422, {"message": "not today"})))
    world.run()
    world.left.edit("person", "L7", {"phone": "typed since"})

    world.run()

    assert world.office.made() == ONE
    assert world.office.people["p1"]["phone"] == "typed since"
    assert world.records("left")["L7"]["phone"] == "typed since"
    world.until_quiet()


@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize("lost", [False, True])
def test_a_member_that_is_removed_while_the_record_was_half_made_stays_removed(
    world: OfficeWorld, step: int, lost: bool
) -> None:
    world.sync = replace(world.sync, rules=(*world.sync.rules, rule("tags", merge="set")))
    world.left.edit("person", "L7", {"tags": ["a", "b"]})
    world.office.faults.append(once(step, Reply(422, {"message": "no"})))
    assert world.run().counts["refused"] == 1

    world.left.edit("person", "L7", {"tags": ["a", "c"]})
    if lost:
        world.office.late.append(once(step, Reply(502)))
    world.until_quiet()

    assert world.office.people["p1"]["tags"] == world.records("left")["L7"]["tags"] == ["a", "c"]


def test_an_edit_of_the_half_made_record_itself_is_an_edit(world: OfficeWorld) -> None:
    world.office.faults.append(once(3, Reply(422, {"message": "not today"})))
    world.run()
    world.office._keep("p1", world.office.people["p1"] | {"phone": "typed there"})

    world.until_quiet()

    assert world.records("left")["L7"]["phone"] == "typed there"


def test_an_edit_survives_a_lost_answer_after_a_refusal(world: OfficeWorld) -> None:
    world.office.faults.append(once(2, Reply(422, {"message": "not today"})))
    world.run()
    world.left.edit("person", "L7", {"phone": "typed since"})
    world.office.late.append(once(3, Reply(502)))

    world.until_quiet()

    assert world.office.made() == ONE
    assert world.office.people["p1"]["phone"] == world.records("left")["L7"]["phone"] == "typed since"


@pytest.mark.parametrize("step", STEPS)
def test_a_system_that_says_later_postpones_the_rest(world: OfficeWorld, step: int) -> None:
    world.office.faults.append(lambda seen: Reply(403, {"message": "no"}) if is_step(seen, step) else None)

    assert world.run().state == "failed"
    world.office.faults.clear()

    assert world.run().state in ("done", "held")
    world.until_quiet()
    assert world.office.made() == ONE


def test_while_the_steps_cannot_be_looked_for_nothing_is_made(world: OfficeWorld) -> None:
    world.office.late.append(once(2, Reply(502)))
    world.run()
    world.office.faults.append(lambda seen: Reply(403) if seen.path.endswith("badges") else None)

    world.run()
    assert world.office.made() == (1, 1, 1, [False])
    assert world.held()[0]["reason"] == "unknown"
    world.office.faults.clear()
    world.until_quiet()

    assert world.office.made() == ONE


def test_after_a_lost_answer_a_step_that_is_refused_waits_like_any_other(world: OfficeWorld) -> None:
    world.office.late.append(once(1, Reply(502)))
    world.office.faults.append(once(2, Reply(422, {"message": "not today"})))
    world.run()

    world.run()

    (told,) = world.held()
    assert (told["reason"], told["steps"]) == ("refused", ["ver", "record"])
    world.left.edit("person", "L7", {"phone": "typed since"})
    world.until_quiet()
    assert world.office.made() == ONE
    assert world.office.people["p1"]["phone"] == "typed since"
    assert world.results()[:2] == ["refused", "done"]


@pytest.mark.parametrize("lost", [False, True])
def test_a_definition_that_lost_its_steps_makes_no_second_record(
    world: OfficeWorld, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    (world.office.late if lost else world.office.faults).append(once(2, Reply(502 if lost else 422)))
    world.run()
    usual = world.crm.describe
    monkeypatch.setattr(world.crm, "describe", lambda entity: replace(usual(entity), steps=()))

    world.now += 3 * HOUR
    report = world.run()

    assert world.office.made()[0] == 1
    told = world.held()[0]
    assert "put them back" in (report.problems[0] if lost else told["why"])
    monkeypatch.setattr(world.crm, "describe", usual)
    world.until_quiet()
    assert world.office.made() == ONE


def test_a_record_that_a_person_finished_by_hand_is_paired_by_import(world: OfficeWorld) -> None:
    world.office.faults.append(lambda seen: Reply(422) if is_step(seen, 3) else None)
    world.run()

    world.import_pairs(("L7", "p1"))
    world.until_quiet()

    assert world.pairs() == [("L7", "p1", "active", "")]
    assert world.office.made() == (1, 1, 1, [False])


def test_two_records_that_could_be_the_one_are_a_persons_business(world: OfficeWorld) -> None:
    world.office.late.append(once(1, Reply(502)))
    world.run()
    world.office._keep("p9", world.office.people["p1"])

    report = world.run()

    assert report.problems == ("L7: 2 records match; its last steps wait until one is left",)
    assert world.office.made()[2] == 0
    assert world.results() == []
    del world.office.people["p9"]
    world.until_quiet()
    assert world.office.made() == ONE


def test_one_birth_that_waits_does_not_keep_the_others_of_its_flight(
    world: OfficeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.left.put("person", person(8), "L8")
    failpoints.arm("sent", die)
    with pytest.raises(Killed):
        world.run()
    failpoints.arm("", die)
    world.close()
    world.open()
    for id in ("x1", "x2"):
        world.office._keep(id, person(7))

    world.run()

    assert world.why("L8")["right"] == "p3"
    assert world.held()[0]["left"] == "L7"
    assert world.results() == ["done"]


def test_a_half_made_record_waits_on_when_its_source_cannot_be_read(world: OfficeWorld) -> None:
    world.sync = replace(world.sync, rules=(*world.sync.rules[:2], rule("phone", type="phone", owner="left")))
    world.left.edit("person", "L7", {"phone": "+49 30 123456"})
    world.office.faults.append(once(3, Reply(422, {"message": "not today"})))
    world.run()
    world.left.edit("person", "L7", {"phone": "nonsense"})
    world.run()

    (told,) = world.held()
    assert (told["reason"], told["steps"]) == ("mapping", ["ver", "record", "badge"])
    world.left.edit("person", "L7", {"phone": "+49 30 999"})
    world.until_quiet()
    assert world.office.made() == ONE
    assert world.office.people["p1"]["phone"] == "+4930999"


def without_find(**create: Any) -> Mapping[str, Any]:
    """The office's definition without a way to look people up."""
    read = {name: part for name, part in ENTITY["read"].items() if name != "find"}
    write = ENTITY["write"] | {"create": ENTITY["write"]["create"] | create}
    return {**ENTITY, "read": read, "write": write}


@pytest.mark.parametrize("step", STEPS)
def test_where_nobody_can_be_looked_up_the_key_of_the_first_attempt_finds_the_record(tmp_path: Path, step: int) -> None:
    with office_world(tmp_path, without_find(idempotency={"header": "Idempotency-Key"})) as world:
        world.office.late.append(once(step, Reply(502)))
        world.run()

        world.until_quiet()

        assert world.office.made() == ONE


def test_where_nothing_can_tell_and_duplicates_are_allowed_it_is_made_again(tmp_path: Path) -> None:
    with office_world(tmp_path, without_find()) as world:
        world.sync = replace(world.sync, allow_duplicate_creates=True, cases=Cases(new_right="ignore"), match_on=())
        world.office.late.append(once(2, Reply(502)))
        world.approve()
        world.run()

        assert world.run().counts.get("written", 0) == 1
        assert world.results()[0] == "unknown"


def test_a_record_that_somebody_else_has_by_now_is_not_gone_on_with(world: OfficeWorld) -> None:
    world.office.late.append(once(1, Reply(502)))
    world.run()
    world.left.put("person", person(9), "L9")
    world.import_pairs(("L9", "p1"))

    report = world.run()

    assert report.problems[0] == "L7: the match is another pair's record; its last steps wait until one is left"
    assert world.office.made()[2] == 0


def test_a_first_step_that_turns_out_refused_leaves_nothing_half_made(world: OfficeWorld) -> None:
    world.office.faults.append(once(0, Reply(502)))
    world.run()
    world.office.faults.append(once(0, Reply(422, {"message": "not today"})))

    world.run()

    (told,) = world.held()
    assert (told["reason"], told.get("steps")) == ("refused", None)
    world.until_quiet()
    assert world.office.made() == ONE


def test_a_whole_record_that_cannot_be_read_yet_is_adopted_later(world: OfficeWorld) -> None:
    world.office.late.append(once(3, Reply(502)))
    world.run()
    world.office.faults.append(lambda seen: Reply(422) if (seen.method, seen.path) == ("GET", "/people/p1") else None)

    world.run()
    assert world.held()[0]["reason"] == "unknown"
    world.office.faults.clear()
    world.until_quiet()

    assert world.office.made() == ONE
    assert world.results() == ["done"]


def half_made_beside_another(world: OfficeWorld, step: int) -> None:
    """L7 came as far as *step*; L8 is whole, so that the left side is not empty without L7."""
    world.office.faults.append(once(step, Reply(422, {"message": "not today"})))
    world.run()
    world.left.put("person", person(8), "L8")
    world.run()


@pytest.mark.parametrize(("case", "people"), [("hold", 1), ("retire", 1), ("delete", 0)])
def test_a_half_made_record_whose_source_goes_away_is_a_case_like_any_other(
    world: OfficeWorld, case: Any, people: int
) -> None:
    world.sync = replace(world.sync, cases=Cases(gone_left=case))
    half_made_beside_another(world, 3)
    world.left.remove("person", "L7")

    world.run(full=True)
    world.run(full=True)

    assert list(world.records("left")) == ["L8"]
    assert len(world.office.people) == 1 + people
    assert world.pairs()[0][:3] == ("L7", "p1", "held" if case == "hold" else "retired")


def test_a_half_made_record_whose_source_goes_away_before_it_is_there_leaves_nothing(world: OfficeWorld) -> None:
    half_made_beside_another(world, 1)
    world.left.remove("person", "L7")

    assert world.run(full=True).state == "done"
    assert world.office.made()[0] == 1
