"""This is where every driver's promises are put to the test: one suite, run against memory, SQL, LDAP, files and HTTP.

A driver's test file subclasses DriverContract and overrides the `subject` fixture; the rest is asked of the driver.
"""

from decimal import Decimal
from typing import Any

import pytest

from connectors.base import Done, Gone, NotSent, Permanent, Record, Refused, Stale, Write
from tests.connectors.contract_relations import RelationContract
from tests.connectors.subject import BIG, Subject, fill, get, listing, pages, value, write

__all__ = ["BIG", "DriverContract", "Subject", "fill", "get", "listing", "pages", "value", "write"]


class DriverContract(RelationContract):
    """Subclass me and give me a `subject`."""

    @pytest.fixture
    def subject(self) -> Subject:
        raise NotImplementedError("override the subject fixture")

    # Reading

    def test_an_empty_entity_is_one_complete_page_without_records(self, subject: Subject) -> None:
        found = pages(subject)

        assert [p.records for p in found] == [()]
        assert found[-1].complete

    def test_every_record_comes_once_over_several_pages(self, subject: Subject) -> None:
        ids = fill(subject, 10)

        found = pages(subject)

        assert len(found) > 2
        assert sorted(r.id for p in found for r in p.records) == sorted(ids)

    def test_only_the_last_page_is_complete(self, subject: Subject) -> None:
        fill(subject, 7)

        found = pages(subject)

        assert [p.complete for p in found] == [False] * (len(found) - 1) + [True]

    def test_an_abandoned_read_leaves_the_driver_usable(self, subject: Subject) -> None:
        fill(subject, 7)
        reading = iter(subject.driver.read(subject.entity))

        next(reading)
        del reading

        assert len(listing(subject)) == 7

    def test_requested_fields_that_are_empty_are_null_not_absent(self, subject: Subject) -> None:
        (id,) = fill(subject, 1)

        record = listing(subject, fields=[subject.text, subject.optional])[id]

        assert record.fields[subject.optional] in (None, "")
        assert (record.fields[subject.optional] is None) == (subject.says.empty != "")
        assert record.fields[subject.text] == subject.make(0)[subject.text]

    def test_where_is_equality(self, subject: Subject) -> None:
        ids = fill(subject, 3)

        found = listing(subject, where={subject.lookup: subject.make(1)[subject.lookup]})

        assert list(found) == [ids[1]]

    def test_an_incremental_read_shows_what_changed_and_is_never_complete(self, subject: Subject) -> None:
        if subject.says.cursor is None:
            with pytest.raises(Permanent):
                pages(subject, cursor="1")
            return
        ids = fill(subject, 4)
        cursors = [p.cursor for p in pages(subject) if p.cursor is not None]
        write(subject, Write("update", ids[1], {subject.text: "Edited"}))

        found = pages(subject, cursor=cursors[-1])

        assert ids[1] in {r.id for p in found for r in p.records}
        assert not any(p.complete for p in found)

    def test_a_cursor_is_inclusive(self, subject: Subject) -> None:
        if subject.says.cursor is None or subject.says.cursor.kind == "token":
            return
        ids = fill(subject, 4)
        last = [p.cursor for p in pages(subject) if p.cursor is not None][-1]

        again = pages(subject, cursor=last)

        assert {r.id for p in again for r in p.records} & set(ids)
        assert again[-1].cursor == last

    def test_a_deletion_leaves_a_tombstone_where_they_are_promised(self, subject: Subject) -> None:
        if not subject.says.tombstones:
            return
        ids = fill(subject, 3)
        last = [p.cursor for p in pages(subject) if p.cursor is not None][-1]

        write(subject, Write("delete", ids[0]))

        assert ids[0] in [id for p in pages(subject, cursor=last) for id in p.gone]

    def test_a_field_that_does_not_exist_is_no_crash(self, subject: Subject) -> None:
        """A system may know its fields (then it refuses by name) or not (then the value is null)."""
        (id,) = fill(subject, 1)

        try:
            shown = str(listing(subject, fields=["nosuchfield"])[id].fields["nosuchfield"])
        except Permanent as error:
            shown = str(error)

        assert shown == "None" or "nosuchfield" in shown

    def test_an_unknown_entity_is_named(self, subject: Subject) -> None:
        wrong = subject.entity + "s"

        for ask in (
            lambda: subject.driver.describe(wrong),
            lambda: list(subject.driver.read(wrong)),
            lambda: list(subject.driver.get(wrong, ["1"])),
            lambda: subject.driver.find(wrong, {subject.lookup: "x"}),
        ):
            with pytest.raises(Permanent, match=wrong):
                ask()  # type: ignore[no-untyped-call]  # a lambda

    def test_a_write_to_an_unknown_entity_is_not_sent(self, subject: Subject) -> None:
        (outcome,) = subject.driver.write(subject.entity + "s", [Write("create", fields=subject.make(0))])

        assert isinstance(outcome, NotSent)
        assert outcome.permanent

    # Getting and finding

    def test_get_answers_in_order_found_and_gone(self, subject: Subject) -> None:
        ids = fill(subject, 3)

        answers = list(subject.driver.get(subject.entity, [ids[2], subject.absent_id, ids[0]]))

        assert [type(a) for a in answers] == [Record, Gone, Record]
        assert [a.id for a in answers] == [ids[2], subject.absent_id, ids[0]]

    def test_get_and_read_show_the_same_record(self, subject: Subject) -> None:
        (id,) = fill(subject, 1)
        wanted = [subject.text, subject.lookup, subject.optional]

        assert get(subject, id, *wanted) == listing(subject, fields=wanted)[id]

    def test_find_looks_up_exactly_one(self, subject: Subject) -> None:
        ids = fill(subject, 3)
        assert subject.says.finds(subject.lookup)

        found = subject.driver.find(subject.entity, {subject.lookup: subject.make(2)[subject.lookup]})

        assert [r.id for r in found] == [ids[2]]
        assert subject.driver.find(subject.entity, {subject.lookup: "nobody@corp.example"}) == []

    @pytest.mark.parametrize("attack", ["*", "*)(uid=*", "' OR '1'='1", "a\\b", "x,y=z", "%", '"'])
    def test_a_looked_up_value_is_data_and_never_part_of_the_question(self, subject: Subject, attack: str) -> None:
        fill(subject, 2)

        assert subject.driver.find(subject.entity, {subject.lookup: attack}) == []

    # Writing

    def test_a_create_is_read_back_as_written(self, subject: Subject) -> None:
        fields = subject.make(1)

        (done,) = write(subject, Write("create", fields=fields, key="k-1"))

        assert isinstance(done, Done)
        record = get(subject, done.id, *fields)
        assert isinstance(record, Record)
        assert dict(record.fields) == dict(fields)
        assert record.version == done.version

    def test_an_update_changes_only_what_it_names(self, subject: Subject) -> None:
        ids = fill(subject, 2)
        before = listing(subject)

        (done,) = write(subject, Write("update", ids[0], {subject.text: "Ada"}))

        assert isinstance(done, Done)
        assert value(subject, ids[0], subject.text) == "Ada"
        assert value(subject, ids[0], subject.lookup) == before[ids[0]].fields[subject.lookup]
        assert listing(subject)[ids[1]] == before[ids[1]]

    def test_an_update_leaves_alone_what_somebody_else_set_since(self, subject: Subject) -> None:
        """Only what changes is sent: whatever a driver compares before it writes, the other fields are not written."""
        (id,) = fill(subject, 1)
        seen = get(subject, id, subject.text)
        assert isinstance(seen, Record)
        write(subject, Write("update", id, {subject.optional: "theirs"}))

        for how in ({}, {"before": dict(seen.fields)}, {"before": dict(seen.fields), "version": seen.version}):
            (outcome,) = write(subject, Write("update", id, {subject.text: "Ours"}, **how))
            assert isinstance(outcome, Done | Stale), outcome
            assert value(subject, id, subject.optional) == "theirs"

    def test_the_record_read_back_has_the_version_of_the_write(self, subject: Subject) -> None:
        (id,) = fill(subject, 1)

        (done,) = write(subject, Write("update", id, {subject.text: "Ada"}), fields=[subject.text])

        assert isinstance(done, Done)
        if done.record is not None:
            assert done.record.fields == {subject.text: "Ada"}
            assert done.record.version == done.version
        again = get(subject, id)
        assert isinstance(again, Record)
        assert again.version == done.version

    def test_what_is_promised_to_be_read_back_is(self, subject: Subject) -> None:
        if not subject.says.read_back:
            return
        (born,) = write(subject, Write("create", fields=subject.make(1), key="k-1"), fields=[subject.text])
        assert isinstance(born, Done)
        (done,) = write(subject, Write("update", born.id, {subject.text: "Ada"}), fields=[subject.text])
        assert isinstance(done, Done)

        for answer in (born, done):
            assert answer.record is not None
            assert answer.version is not None or answer.exact
        assert done.record is not None
        assert done.record.fields == {subject.text: "Ada"}

    def test_a_cleared_value_travels(self, subject: Subject) -> None:
        (id,) = fill(subject, 1)
        write(subject, Write("update", id, {subject.optional: "+49 30 1234"}))
        assert value(subject, id, subject.optional) == "+49 30 1234"

        (done,) = write(subject, Write("update", id, {subject.optional: None}))

        assert isinstance(done, Done)
        assert value(subject, id, subject.optional) in (None, "")

    def test_a_deleted_record_is_gone_and_deleting_again_is_done(self, subject: Subject) -> None:
        ids = fill(subject, 2)

        first, again = write(subject, Write("delete", ids[0])), write(subject, Write("delete", ids[0]))

        assert isinstance(first[0], Done)
        assert isinstance(again[0], Done)
        assert isinstance(get(subject, ids[0]), Gone)
        assert list(listing(subject)) == [ids[1]]

    def test_an_update_of_a_missing_record_writes_nothing(self, subject: Subject) -> None:
        (outcome,) = write(subject, Write("update", subject.absent_id, {subject.text: "Ada"}))

        assert isinstance(outcome, Stale | Refused)
        assert listing(subject) == {}

    @pytest.mark.parametrize("op", ["update", "delete"])
    def test_a_record_that_changed_meanwhile_is_stale_and_left_alone(self, subject: Subject, op: Any) -> None:
        if not subject.says.precondition:
            return
        (id,) = fill(subject, 1)
        seen = get(subject, id, subject.text)
        assert isinstance(seen, Record)
        write(subject, Write("update", id, {subject.text: "Someone else"}))

        change = {subject.text: "Ours"} if op == "update" else {}
        (outcome,) = write(subject, Write(op, id, change, before=dict(seen.fields), version=seen.version))

        assert isinstance(outcome, Stale), outcome
        assert value(subject, id, subject.text) == "Someone else"

    def test_an_unchanged_record_passes_its_precondition(self, subject: Subject) -> None:
        (id,) = fill(subject, 1)
        seen = get(subject, id, subject.text, subject.optional)
        assert isinstance(seen, Record)

        (outcome,) = write(
            subject,
            Write(
                "update",
                id,
                {subject.text: "Ours", subject.optional: "1"},
                before=dict(seen.fields),
                version=seen.version,
            ),
        )

        assert isinstance(outcome, Done), outcome
        assert value(subject, id, subject.text) == "Ours"

    def test_one_bad_write_does_not_fail_its_neighbours(self, subject: Subject) -> None:
        if subject.refused is None or subject.says.atomic_batch:
            return

        outcomes = write(
            subject,
            Write("create", fields=subject.make(1)),
            Write("create", fields=subject.refused),
            Write("create", fields=subject.make(2)),
        )

        assert [type(o) for o in outcomes] == [Done, Refused, Done], outcomes
        assert outcomes[1].message
        assert sorted(listing(subject)) == sorted(o.id for o in outcomes if isinstance(o, Done))

    # Values

    @pytest.mark.parametrize(
        "text",
        ["Zoë Čapek", "日本語 テスト", "O'Brien; DROP--", 'say "hi", ok', "=1+1", "@x", "a\\b/c", "🎻", "ß" * 60],
    )
    def test_any_text_comes_back_as_it_was(self, subject: Subject, text: str) -> None:
        (id,) = fill(subject, 1)

        (done,) = write(subject, Write("update", id, {subject.text: text}))

        assert isinstance(done, Done), done
        assert value(subject, id, subject.text) == text

    def test_a_25_digit_integer_stays_exact_or_is_refused(self, subject: Subject) -> None:
        (id,) = fill(subject, 1)
        if subject.big is None:
            return

        (done,) = write(subject, Write("update", id, {subject.big: BIG}))

        assert isinstance(done, Done), done
        assert value(subject, id, subject.big) in (BIG, str(BIG))

    def test_a_decimal_stays_exact(self, subject: Subject) -> None:
        if subject.decimal is None:
            return
        (id,) = fill(subject, 1)

        (done,) = write(subject, Write("update", id, {subject.decimal: Decimal("12.10")}))

        assert isinstance(done, Done), done
        shown = value(subject, id, subject.decimal)
        assert isinstance(shown, Decimal | str)
        assert Decimal(shown) == Decimal("12.10")

    # Living

    def test_check_says_that_all_is_well(self, subject: Subject) -> None:
        for health in (subject.driver.check(), subject.driver.check(subject.entity)):
            assert health.reachable, health

    def test_check_says_what_is_wrong_and_never_raises(self, subject: Subject) -> None:
        for words, driver in subject.unwell.items():
            health = driver.check()

            assert not health.reachable, words
            assert words in health.message
            driver.close()

    def test_an_unwell_system_fails_reads_aloud_and_takes_no_write(self, subject: Subject) -> None:
        for driver in subject.unwell.values():
            with pytest.raises(Exception) as caught:  # Temporary or Permanent, by what is wrong
                list(driver.read(subject.entity))
            assert type(caught.value).__name__ in ("Temporary", "Permanent")
            (outcome,) = driver.write(subject.entity, [Write("create", fields=subject.make(1))])
            assert isinstance(outcome, NotSent | Refused), outcome
            driver.close()

    def test_the_system_describes_the_entity_or_stays_silent(self, subject: Subject) -> None:
        shapes = subject.driver.discover()

        assert all(shape.name for shape in shapes)

    def test_closing_twice_is_fine(self, subject: Subject) -> None:
        subject.driver.close()
        subject.driver.close()
