"""This is where every driver that has relations is asked whether adding and removing do what they say, and no more."""

from collections.abc import Sequence
from typing import Any

from connectors.base import Done, Gone, Members, Record, Refused, Stale, Write
from tests.connectors.subject import Subject, fill, get, listing, value, write


def related(subject: Subject, id: str) -> list[Any]:
    found: list[Any] = value(subject, id, subject.relation or "")
    return found


def move(subject: Subject, id: str, *, add: Sequence[str] = (), remove: Sequence[str] = (), **more: Any) -> Any:
    """One write that has nothing but members."""
    members = {subject.relation or "": Members(tuple(add), tuple(remove))}
    (outcome,) = write(subject, Write("update", id, members=members, **more))
    return outcome


class RelationContract:
    """A driver without a relation passes by having nothing to say."""

    def test_a_relation_is_declared_and_starts_empty(self, subject: Subject) -> None:
        if subject.relation is None:
            assert not any(path.startswith("@") for path in subject.says.relations)
            return
        (id,) = fill(subject, 1)

        assert subject.relation in subject.says.relations
        assert related(subject, id) == []

    def test_members_join_and_leave_and_strangers_stay(self, subject: Subject) -> None:
        if subject.relation is None:
            return
        one, two, three = subject.members
        ids = fill(subject, 2)
        assert isinstance(move(subject, ids[1], add=[three]), Done)
        assert isinstance(move(subject, ids[0], add=[three]), Done)

        assert isinstance(move(subject, ids[0], add=[one, two]), Done)
        assert isinstance(move(subject, ids[0], remove=[one]), Done)

        assert related(subject, ids[0]) == sorted([two, three])
        assert related(subject, ids[1]) == [three]

    def test_saying_it_again_changes_nothing_and_is_no_fault(self, subject: Subject) -> None:
        if subject.relation is None:
            return
        one, two, _ = subject.members
        (id,) = fill(subject, 1)

        outcomes = [move(subject, id, add=[one], remove=[two]) for _ in range(2)]

        assert [type(outcome) for outcome in outcomes] == [Done, Done], outcomes
        assert related(subject, id) == [one]

    def test_a_record_is_born_with_its_members(self, subject: Subject) -> None:
        if subject.relation is None:
            return
        members = {subject.relation: Members(add=subject.members)}

        (born,) = write(subject, Write("create", fields=subject.make(1), key="k", members=members))

        assert isinstance(born, Done), born
        assert born.without == {}
        assert related(subject, born.id) == sorted(subject.members)
        assert value(subject, born.id, subject.text) == subject.make(1)[subject.text]

    def test_fields_and_members_are_one_write_with_one_outcome(self, subject: Subject) -> None:
        if subject.relation is None:
            return
        one, *_ = subject.members
        (id,) = fill(subject, 1)
        seen = get(subject, id, subject.text)
        assert isinstance(seen, Record)

        moving = {subject.relation: Members(add=(one,))}
        (done,) = write(
            subject,
            Write("update", id, {subject.text: "Ada"}, dict(seen.fields), seen.version, members=moving),
            fields=[subject.text, subject.relation],
        )

        assert isinstance(done, Done), done
        assert (value(subject, id, subject.text), related(subject, id)) == ("Ada", [one])
        assert done.record is None or done.exact  # no version speaks of relations

    def test_read_get_find_and_a_read_back_show_the_same_members(self, subject: Subject) -> None:
        if subject.relation is None:
            return
        one, two, _ = subject.members
        ids = fill(subject, 4)
        move(subject, ids[2], add=[two, one])
        wanted = [subject.text, subject.relation]

        (done,) = write(subject, Write("update", ids[2], {subject.text: "Ada"}), fields=wanted)

        shown = listing(subject, fields=wanted)
        assert shown[ids[2]].fields == {subject.text: "Ada", subject.relation: sorted([one, two])}
        assert shown[ids[1]].fields[subject.relation] == []
        assert get(subject, ids[2], *wanted) == shown[ids[2]]
        found = subject.driver.find(
            subject.entity, {subject.lookup: subject.make(2)[subject.lookup]}, fields=[subject.relation]
        )
        assert [record.fields[subject.relation] for record in found] == [sorted([one, two])]
        if done.record is not None:
            assert done.record.fields[subject.relation] == sorted([one, two])

    def test_members_of_a_missing_record_are_written_nowhere(self, subject: Subject) -> None:
        if subject.relation is None:
            return

        outcome = move(subject, subject.absent_id, add=subject.members[:1])

        assert isinstance(outcome, Stale | Refused), outcome

    def test_a_member_that_is_refused_is_named_and_the_record_is_not_lost(self, subject: Subject) -> None:
        if subject.relation is None or subject.refused_member is None:
            return
        (id,) = fill(subject, 1)
        bad = Members(add=(subject.refused_member,))

        outcome = move(subject, id, add=bad.add)
        (born,) = write(subject, Write("create", fields=subject.make(7), members={subject.relation: bad}))

        assert isinstance(outcome, Refused), outcome
        assert subject.refused_member in outcome.message
        assert related(subject, id) == []
        if isinstance(born, Done):
            assert subject.refused_member in born.without[subject.relation]
            assert isinstance(get(subject, born.id), Record)
        else:
            assert isinstance(born, Refused), born
            assert list(listing(subject)) == [id]

    def test_who_is_deleted_is_related_to_nobody(self, subject: Subject) -> None:
        if subject.relation is None:
            return
        (id,) = fill(subject, 1)
        move(subject, id, add=subject.members)

        (done,) = write(subject, Write("delete", id))

        assert isinstance(done, Done), done
        assert isinstance(get(subject, id), Gone)
        assert subject.holding() == dict.fromkeys(subject.members, 0)
