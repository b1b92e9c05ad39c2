"""Stories of systems on their bad days: answers lost, writes refused, values rewritten, hands in between."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import NotSent, Write
from daemon.core.rules import Cases
from daemon.engine.report import Report
from tests.engine import quirks
from tests.engine.quirks import Quirky
from tests.engine.world import World, people_sync, person, rule


class QuirkyWorld(World):
    """A world whose right side can have bad days."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        self.crm = Quirky(self.right)

    @property
    def drivers(self) -> Any:
        return {"left": self.left, "right": self.crm}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[QuirkyWorld]:
    made = QuirkyWorld(tmp_path, left={"L1": person(1), "L2": person(2)}, right={"R1": person(1), "R2": person(2)})
    made.adopted()
    made.crm.writes.clear()
    yield made
    made.close()


def outcomes(world: World) -> list[str]:
    return [entry["result"] for entry in world.entries("outcome")]


def quiet(world: World) -> Report:
    report = world.run(full=True)
    assert report.counts.get("written", 0) == 0, report.lines
    return report


def test_a_create_whose_answer_is_lost_makes_one_record(world: QuirkyWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.crm.fates = [quirks.done_but_lost]

    assert world.run().counts["unknown"] == 1
    world.run()

    assert [fields["number"] for fields in world.records("right").values()].count("7") == 1
    assert outcomes(world)[-1] == "done"
    quiet(world)
    world.right.edit("person", "person-1", {"tag": "it is one pair"})
    world.run()
    assert world.records("left")["L7"]["tag"] == "it is one pair"


def test_a_create_that_never_arrived_is_made_once_later(world: QuirkyWorld) -> None:
    world.left.put("person", person(7), "L7")
    world.crm.fates = [quirks.lost]

    world.run()
    world.run()

    assert [fields["number"] for fields in world.records("right").values()].count("7") == 1
    assert len(world.crm.writes) == 2
    assert world.crm.writes[0].key == world.crm.writes[1].key
    quiet(world)


def test_a_lost_create_is_not_probed_while_the_server_may_still_work(world: QuirkyWorld) -> None:
    world.crm._capabilities = {"processing_window": 300.0}
    world.left.put("person", person(7), "L7")
    world.crm.fates = [quirks.lost]

    world.run()
    for _ in range(3):
        assert world.run().state == "held"
        assert len(world.crm.writes) == 1
    assert world.held()[0]["reason"] == "unknown"

    world.now += 300
    world.run()
    assert len(world.crm.writes) == 2


def test_what_a_lost_create_made_is_not_matched_before_the_probe_tells(world: QuirkyWorld) -> None:
    world.crm._capabilities = {"processing_window": 300.0}
    world.left.put("person", person(7), "L7")
    world.crm.fates = [quirks.done_but_lost]
    world.run()
    world.left.put("person", person(8, email="p7@corp.example"), "L8")

    assert world.run().state == "held"
    (told,) = world.held()

    assert (told["left"], told["right"], told["reason"]) == ("L7", None, "unknown")
    world.now += 300
    world.run()
    assert world.why("L7")["right"] == "person-1"
    assert len([1 for fields in world.records("right").values() if fields["number"] == "7"]) == 1


def test_a_create_that_can_never_be_found_again_is_not_tried(world: QuirkyWorld) -> None:
    world.crm._capabilities = {"find": frozenset()}
    world.left.put("person", person(7), "L7")

    report = world.run()

    assert report.state == "held"
    assert world.crm.writes == []
    assert "can neither repeat a create safely nor find it again" in report.problems[0]


def test_an_update_whose_answer_is_lost_is_written_once(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.crm.fates = [quirks.done_but_lost]

    world.run()
    world.run()

    assert len(world.crm.writes) == 1
    assert outcomes(world)[-1] == "done"
    quiet(world)


def test_an_update_that_never_arrived_is_written_again(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.crm.fates = [quirks.lost]

    world.run()
    world.run()

    assert world.records("right")["R1"]["email"] == "new@corp.example"
    assert outcomes(world)[-2:] == ["not_done", "done"]
    quiet(world)


def test_a_problem_names_its_system_once(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.crm.fates = [lambda driver, entity, write: NotSent("crm PATCH /person: 429 later")]

    assert world.run().problems == ("crm PATCH /person: 429 later",)


def test_a_failed_write_never_loses_the_edit(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.crm.fates = [quirks.away]

    report = world.run()

    assert report.state == "postponed"
    assert report.problems == ("crm: connection refused",)
    world.run()
    assert world.records("right")["R1"]["email"] == "new@corp.example"
    assert world.records("left")["L1"]["email"] == "new@corp.example"


def test_a_system_that_lets_us_not_write_fails_the_run_with_the_remedy(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.crm.fates = [quirks.forbidden]

    report = world.run()

    assert report.state == "failed"
    assert "give the user the role Editor" in report.problems[0]


def test_a_system_that_is_away_postpones_the_run(world: QuirkyWorld) -> None:
    world.crm.down = True

    report = world.run()

    assert report.state == "postponed"
    assert report.problems == ("hr: connection refused; the run is postponed",)


def test_one_refused_record_does_not_stop_the_others(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"email": "one@corp.example"})
    world.left.edit("person", "L2", {"email": "two@corp.example"})
    world.crm.fates = [quirks.refused]

    report = world.run()

    assert report.counts["refused"] == 1
    assert report.counts["written"] == 1
    (told,) = world.held()
    assert told["why"] == "422 phone is not a number we like"


def test_a_refused_write_is_not_repeated_unchanged_but_goes_when_the_record_changes(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"email": "one@corp.example"})
    world.crm.fates = [quirks.refused]
    world.run()

    world.run()
    world.run(full=True)
    assert len(world.crm.writes) == 1

    world.left.edit("person", "L1", {"email": "better@corp.example"})
    assert world.run().state == "done"
    assert world.records("right")["R1"]["email"] == "better@corp.example"


def test_a_record_edited_while_we_write_is_merged_again(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    edits = iter([{"tag": "meanwhile"}])

    def somebody(write: Write) -> None:
        for edit in edits:
            world.right.edit("person", "R1", edit)

    world.crm.before_write = somebody
    report = world.run()

    assert report.state == "done"
    assert (
        world.records("right")["R1"]
        == world.records("left")["L1"]
        == person(1, email="new@corp.example", tag="meanwhile")
    )
    assert outcomes(world)[:2] == ["stale", "done"]
    quiet(world)


def test_an_edit_between_our_write_and_the_next_reading_is_still_an_edit(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"email": "new@corp.example"})
    world.crm.after_write = lambda write: world.right.edit("person", "R1", {"phone": "typed by a user"})
    world.crm.read_back = False

    world.run()
    world.crm.after_write = None
    world.run()

    assert world.records("left")["L1"]["phone"] == "typed by a user"
    assert world.records("right")["R1"]["email"] == "new@corp.example"
    quiet(world)


def test_an_edit_of_the_written_field_itself_before_we_read_back_wins_over_our_memory(world: QuirkyWorld) -> None:
    world.left.edit("person", "L1", {"phone": "ours"})
    world.crm.after_write = lambda write: world.right.edit("person", "R1", {"phone": "theirs"})
    world.crm.read_back = False

    world.run()
    world.crm.after_write = None
    world.run()

    assert world.records("left")["L1"]["phone"] == world.records("right")["R1"]["phone"] == "theirs"
    quiet(world)


def test_a_system_that_rewrites_what_it_is_given_is_stable(world: QuirkyWorld) -> None:
    def cut(fields: dict[str, Any]) -> dict[str, Any]:
        return fields | {"phone": str(fields["phone"])[:5]} if "phone" in fields else fields

    world.crm.always = quirks.rewriting(cut)
    world.left.edit("person", "L1", {"phone": "+49 30 123456"})

    world.run()

    assert world.records("right")["R1"]["phone"] == "+49 3"
    assert world.records("left")["L1"]["phone"] == "+49 30 123456"
    quiet(world)


def test_a_system_that_still_shows_the_old_value_is_not_taken_for_an_edit(world: QuirkyWorld) -> None:
    world.crm.read_back = False
    world.left.edit("person", "L1", {"phone": "new"})
    world.run()
    world.right.edit("person", "R1", {"phone": "1"})  # what a lagging replica would show

    report = world.run()

    assert report.state == "held"
    assert world.records("left")["L1"]["phone"] == "new"


def test_deleting_what_is_gone_already_is_done(world: QuirkyWorld) -> None:
    world.left.remove("person", "L1")
    world.crm.before_write = lambda write: world.right.remove("person", "R1")

    world.run()

    assert "R1" not in world.records("right")
    world.crm.before_write = None
    quiet(world)


def test_a_delete_whose_answer_is_lost_ends_the_pair(world: QuirkyWorld) -> None:
    world.left.remove("person", "L1")
    world.crm.fates = [quirks.done_but_lost]

    world.run()
    report = world.run()

    assert report.state == "done"
    assert "R1" not in world.records("right")
    quiet(world)


def test_a_deactivate_whose_answer_is_lost_is_seen_to_have_happened(world: QuirkyWorld) -> None:
    world.right._deactivate["person"] = {"status": {"active": False}}
    world.sync = replace(world.sync, cases=Cases(gone_left="deactivate"))
    world.left.remove("person", "L1")
    world.crm.fates = [quirks.done_but_lost]

    assert world.run().counts["unknown"] == 1
    report = world.run()

    assert report.state == "done"
    assert [write.op for write in world.crm.writes] == ["deactivate"]
    assert outcomes(world)[-1] == "done"
    assert world.records("right")["R1"]["status"] == {"active": False}
    quiet(world)
    assert len(world.crm.writes) == 1


@pytest.mark.parametrize("status", [None, {"active": True}, False])
def test_a_deactivate_that_never_arrived_is_sent_again(world: QuirkyWorld, status: Any) -> None:
    world.right._deactivate["person"] = {"status": {"active": False}}
    world.right.edit("person", "R1", {"status": status})
    world.sync = replace(world.sync, cases=Cases(gone_left="deactivate"))
    world.left.remove("person", "L1")
    world.crm.fates = [quirks.lost]

    world.run()
    world.run()

    assert [write.op for write in world.crm.writes] == ["deactivate", "deactivate"]
    assert outcomes(world) == ["not_done", "done"]
    assert world.records("right")["R1"]["status"] == {"active": False}
    quiet(world)


def test_a_lost_deactivate_of_what_does_not_tell_its_looks_is_sent_again(world: QuirkyWorld) -> None:
    world.right._deactivate["person"] = {"active": False}
    world.crm._capabilities = {"deactivated": None}
    world.sync = replace(world.sync, cases=Cases(gone_left="deactivate"))
    world.left.remove("person", "L1")
    world.crm.fates = [quirks.done_but_lost]

    world.run()
    world.run()

    assert [write.op for write in world.crm.writes] == ["deactivate", "deactivate"]
    quiet(world)


def test_a_record_that_left_the_scope_and_was_deactivated_unheard_stays_its_pairs_own(world: QuirkyWorld) -> None:
    world.right._deactivate["person"] = {"active": False}
    left = replace(world.sync.left, scope=lambda fields, at: fields["tag"] != "out", scope_paths=("tag",))
    world.sync = replace(world.sync, left=left, cases=Cases(out_of_scope_left="deactivate"))
    world.left.edit("person", "L1", {"tag": "out"})
    world.crm.fates = [quirks.done_but_lost]

    world.run()
    assert world.run().state == "done"

    assert [write.op for write in world.crm.writes] == ["deactivate"]
    assert world.why("L1")["state"] == "retired"
    assert world.why("L1")["reason"] == "scope"
    quiet(world)
    world.left.edit("person", "L1", {"tag": "out", "phone": "still out"})
    quiet(world)


def test_a_driver_that_breaks_leaves_the_write_unknown_not_forgotten(world: QuirkyWorld) -> None:
    def broken(driver: Any, entity: str, write: Write) -> Any:
        driver.write(entity, [write]).__next__()
        raise RuntimeError("a bug")

    world.left.put("person", person(7), "L7")
    world.crm.fates = [broken]

    report = world.run()
    world.run()

    assert "the driver broke while writing: RuntimeError: a bug" in report.problems[0]
    assert [fields["number"] for fields in world.records("right").values()].count("7") == 1


def test_a_path_that_matches_nothing_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    rules = (rule("number", owner="left"), rule("phone", right="fone", wins="left"))
    sync = people_sync(rules=rules, match_on=people_sync().match_on[:1])
    world = World(tmp_path, left={"L1": person(1)}, right={"R1": person(1)}, sync=sync)

    report = world.plan()

    assert world.adopted().state == "done"
    assert "phone: `fone` is empty in all 1 records of crm.person; is the path right?" in report.problems[0]
    world.close()
