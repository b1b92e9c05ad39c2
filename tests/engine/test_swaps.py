"""Stories of values that no two records may have, and that change hands within one run."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Lost, NotSent, Stale, Write
from daemon.core.rules import Guards, Limit, Match
from daemon.engine import failpoints
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person, rule

MAILS = {1: "p1@corp.example", 2: "p2@corp.example", 3: "p3@corp.example"}


def strict_sync(*, unique: bool = True, **email: Any) -> Any:
    owner = email or {"wins": "left"}
    rules = (rule("number", owner="left"), rule("email", unique=unique, **owner), rule("tag", wins="right"))
    return people_sync(rules=rules, match_on=(Match(("number",)),))


class StrictWorld(World):
    """Three people; the right side has no address twice, and takes one write at a time."""

    def __init__(self, folder: Path, sync: Any = None) -> None:
        people = {"left": {f"L{n}": person(n) for n in MAILS}, "right": {f"R{n}": person(n) for n in MAILS}}
        super().__init__(folder, **people, sync=sync or strict_sync())
        self.crm = Quirky(self.right, batch=1)
        self.crm.always = quirks.unique("email")

    @property
    def drivers(self) -> Any:
        return {"left": self.left, "right": self.crm}

    def give(self, **mails: int) -> None:
        """On the left, each record gets the address of that number."""
        for id, number in mails.items():
            self.left.edit("person", id, {"email": MAILS[number]})

    def mails(self, side: Any = "right") -> list[Any]:
        return [fields["email"] for _, fields in sorted(self.records(side).items())]

    def written(self) -> list[tuple[Any, Any]]:
        return [(write.id, write.fields.get("email")) for write in self.crm.writes]

    def results(self) -> list[str]:
        return [entry["result"] for entry in self.entries("outcome")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[StrictWorld]:
    made = StrictWorld(tmp_path)
    made.adopted()
    made.crm.writes.clear()
    yield made
    failpoints.arm("", lambda: None)
    made.close()


def quiet(world: StrictWorld) -> None:
    writes = len(world.crm.writes)
    assert world.run(full=True).state == "done"
    assert len(world.crm.writes) == writes
    assert world.held() == []


def test_two_people_swap_their_addresses_in_one_run(world: StrictWorld) -> None:
    world.give(L1=2, L2=1)

    report = world.run()

    assert report.state == "done"
    assert report.counts.get("refused", 0) == 0
    assert world.mails() == [MAILS[2], MAILS[1], MAILS[3]]
    assert world.written() == [("R1", None), ("R2", MAILS[1]), ("R1", MAILS[2])]
    quiet(world)


def test_the_audit_log_tells_why_somebody_had_no_address_for_a_moment(world: StrictWorld) -> None:
    world.give(L1=2, L2=1)

    world.run()

    first, _, last = world.entries("outcome")
    assert first["reason"] == "makes room: its value goes to another record first"
    assert first["fields"]["email"] == {"before": MAILS[1], "after": None, "why": first["reason"]}
    assert last["fields"]["email"] == {"before": None, "after": MAILS[2], "why": "changed on left"}


def test_two_people_swap_where_nobody_may_be_without_an_address(world: StrictWorld) -> None:
    world.crm.always = quirks.unique("email", empty=False)
    world.give(L1=2, L2=1)

    report = world.run()

    assert report.state == "done"
    assert report.counts.get("refused", 0) == 0
    assert world.mails() == [MAILS[2], MAILS[1], MAILS[3]]
    stand_in = world.written()[1][1]
    assert stand_in.endswith("@tallystick.invalid")
    assert world.results() == ["refused", "done", "done", "done"]
    quiet(world)


def test_a_whole_circle_moves_on_by_one(world: StrictWorld) -> None:
    world.give(L1=2, L2=3, L3=1)

    assert world.run().state == "done"

    assert world.mails() == [MAILS[2], MAILS[3], MAILS[1]]
    assert len(world.written()) == 4
    quiet(world)


def test_in_a_chain_nobody_has_to_make_room(world: StrictWorld) -> None:
    world.give(L1=2, L2=3)
    world.left.edit("person", "L3", {"email": "new@corp.example"})

    assert world.run().state == "done"

    assert world.written() == [("R3", "new@corp.example"), ("R2", MAILS[3]), ("R1", MAILS[2])]
    assert world.results() == ["done"] * 3
    quiet(world)


def test_an_address_moves_from_a_leaver_to_a_joiner(world: StrictWorld) -> None:
    world.left.remove("person", "L1")
    world.left.put("person", person(7, email=MAILS[1]), "L7")

    assert world.run().state == "done"

    assert [write.op for write in world.crm.writes] == ["delete", "create"]
    assert world.results() == ["done", "done"]


def test_an_address_moves_from_a_leaver_to_somebody_who_stays(world: StrictWorld) -> None:
    world.left.remove("person", "L1")
    world.give(L2=1)

    assert world.run().state == "done"

    assert [write.op for write in world.crm.writes] == ["delete", "update"]


def test_a_swap_by_foreign_hands_is_put_back(tmp_path: Path) -> None:
    world = StrictWorld(tmp_path, strict_sync(owner="left"))
    world.adopted()
    world.right.edit("person", "R1", {"email": MAILS[2]})
    world.right.edit("person", "R2", {"email": MAILS[1]})

    assert world.run().state == "done"

    assert world.mails() == list(MAILS.values())
    quiet(world)
    world.close()


def test_other_fields_of_who_makes_room_arrive_with_the_last_step(world: StrictWorld) -> None:
    world.give(L1=2, L2=1)
    world.right.edit("person", "R1", {"tag": "vip"})

    assert world.run().state == "done"

    assert world.records("left")["L1"]["tag"] == "vip"
    quiet(world)


def test_a_swap_counts_as_two_updates_for_the_guards(world: StrictWorld) -> None:
    world.sync = replace(world.sync, guards=Guards(updates=Limit(count=1)))
    world.give(L1=2, L2=1)

    report = world.run()

    assert [(trip["kind"], trip["count"]) for trip in report.guards] == [("updates", 2)]
    assert world.written() == []
    world.approve()
    assert world.run().state == "done"
    assert world.mails() == [MAILS[2], MAILS[1], MAILS[3]]


def test_an_edit_while_somebody_has_no_address_is_not_lost(world: StrictWorld) -> None:
    world.give(L1=2, L2=1)

    def somebody(write: Write) -> None:
        if write.id == "R2":
            world.left.edit("person", "L1", {"email": "own@corp.example"})

    world.crm.after_write = somebody
    world.run()
    world.crm.after_write = None
    world.run()

    assert world.mails() == ["own@corp.example", MAILS[1], MAILS[3]]
    assert world.mails("left") == world.mails()
    quiet(world)


def test_who_cannot_be_emptied_nor_renamed_is_held_with_the_systems_words(world: StrictWorld) -> None:
    strict = quirks.unique("email")

    def firm(driver: Any, entity: str, write: Write) -> Any:
        mail = write.fields.get("email") or ""
        return strict(driver, entity, write) if mail.endswith("corp.example") else quirks.refused(driver, entity, write)

    world.crm.always = firm
    world.give(L1=2, L2=1)

    assert world.run().state == "held"

    assert world.mails() == list(MAILS.values())
    assert {told["reason"] for told in world.held()} == {"refused"}
    assert world.mails("left")[:2] == [MAILS[2], MAILS[1]]
    writes = len(world.crm.writes)
    world.run(full=True)
    assert len(world.crm.writes) == writes


@pytest.mark.parametrize("fate", [quirks.done_but_lost, quirks.lost])
def test_a_swap_whose_first_answer_is_lost_is_finished_by_the_next_runs(world: StrictWorld, fate: Any) -> None:
    world.give(L1=2, L2=1)
    world.crm.fates = [fate]

    world.run()
    for _ in range(3):
        world.now += 2 * 3600
        world.run()

    assert world.mails() == [MAILS[2], MAILS[1], MAILS[3]]
    quiet(world)


@pytest.mark.parametrize("outcome", [Stale("edited"), NotSent("connection refused"), Lost("no answer")])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_swap_that_is_interrupted_is_finished_by_the_next_runs(world: StrictWorld, outcome: Any, at: int) -> None:
    world.give(L1=2, L2=1)
    world.crm.fates = [*[world.crm.always] * at, lambda *_: outcome]

    world.run()
    for _ in range(3):
        world.now += 2 * 3600
        world.run()

    assert world.mails() == [MAILS[2], MAILS[1], MAILS[3]]
    quiet(world)


class Killed(BaseException):
    """The process dies here."""


def die() -> None:
    raise Killed


@pytest.mark.parametrize("passage", [1, 2, 3])
@pytest.mark.parametrize("point", failpoints.POINTS[:-1])
def test_killed_anywhere_in_a_swap_it_ends_the_same(world: StrictWorld, point: str, passage: int) -> None:
    world.give(L1=2, L2=1)
    failpoints.arm(f"{point}:{passage}", die)

    try:
        world.run()
    except Killed:
        world.close()
        world.open()
    failpoints.arm("", die)
    for _ in range(3):
        world.now += 2 * 3600
        world.run()

    assert world.mails() == [MAILS[2], MAILS[1], MAILS[3]]
    assert world.mails("left") == world.mails()
    quiet(world)
    intents = [entry["intent"] for entry in world.entries("intent")]
    assert sorted(intents) == sorted(entry["outcome"] for entry in world.entries("outcome"))


def test_a_system_that_goes_away_in_the_middle_postpones_the_rest(world: StrictWorld) -> None:
    world.give(L1=2, L2=1)

    def gone(write: Write) -> None:
        world.crm.down = write.id == "R2"

    world.crm.after_write = gone
    report = world.run()

    assert report.state == "postponed"
    assert "nobody can say how the records stand that others depend on" in report.problems[0]
    world.crm.after_write, world.crm.down = None, False
    assert world.run().state == "done"
    assert world.mails() == [MAILS[2], MAILS[1], MAILS[3]]


# Without `unique`


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[StrictWorld]:
    made = StrictWorld(tmp_path, strict_sync(unique=False))
    made.adopted()
    made.crm.writes.clear()
    yield made
    made.close()


def test_who_is_refused_a_value_tries_again_once_it_is_given_up(plain: StrictWorld) -> None:
    plain.give(L1=2, L2=3)
    plain.left.edit("person", "L3", {"email": "new@corp.example"})

    report = plain.run()

    assert report.state == "done"
    assert report.counts.get("refused", 0) == 0
    assert plain.mails() == [MAILS[2], MAILS[3], "new@corp.example"]
    quiet(plain)


def test_a_newcomer_that_is_refused_the_value_of_a_leaver_is_born_in_the_same_run(plain: StrictWorld) -> None:
    plain.left.remove("person", "L1")
    plain.left.put("person", person(7, email=MAILS[1]), "L7")
    early = [quirks.refused]

    def once(driver: Any, entity: str, write: Write) -> Any:
        return early.pop()(driver, entity, write) if write.op == "create" and early else None

    plain.crm.always = once
    report = plain.run()

    assert (report.state, report.counts.get("refused", 0)) == ("done", 0)
    assert [write.op for write in plain.crm.writes].count("create") == 2
    assert len({write.key for write in plain.crm.writes if write.op == "create"}) == 1
    quiet(plain)


def test_a_circle_that_nobody_declared_waits_with_the_systems_words(plain: StrictWorld) -> None:
    plain.give(L1=2, L2=1)

    assert plain.run().state == "held"

    assert [told["why"] for told in plain.held()] == ["409 email is taken"] * 2
    assert len(plain.crm.writes) == 2


def test_a_value_that_stays_taken_is_tried_once_more_and_not_for_ever(plain: StrictWorld) -> None:
    stubborn = quirks.unique("email")
    plain.crm.always = lambda d, e, w: quirks.refused(d, e, w) if w.id == "R1" else stubborn(d, e, w)
    plain.give(L1=2)
    plain.left.edit("person", "L2", {"email": "new@corp.example"})

    report = plain.run()

    assert report.counts["refused"] == 1
    assert [write.id for write in plain.crm.writes].count("R1") == 2
    (told,) = plain.held()
    assert (told["reason"], told["attempts"]) == ("refused", 1)


def test_what_grew_while_it_was_refused_is_judged_again(plain: StrictWorld) -> None:
    plain.give(L1=2)
    plain.left.edit("person", "L2", {"email": "new@corp.example"})

    def somebody(write: Write) -> None:
        if write.id == "R2":
            plain.right.edit("person", "R1", {"tag": "typed meanwhile"})

    plain.crm.after_write = somebody

    assert plain.run().state == "done"

    assert plain.records("left")["L1"]["tag"] == "typed meanwhile"
    assert plain.mails()[:2] == [MAILS[2], "new@corp.example"]


def test_a_system_that_goes_away_before_the_second_try_postpones_it(plain: StrictWorld) -> None:
    plain.give(L1=2)
    plain.left.edit("person", "L2", {"email": "new@corp.example"})
    plain.crm.after_write = lambda write: setattr(plain.crm, "down", write.id == "R2")

    assert plain.run().state == "postponed"
