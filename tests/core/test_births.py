"""What only a new record is given: which candidates, in which order, and what is refused at load."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.paths import ABSENT
from daemon.core.births import born_on, compile_birth, full, likely, shared_values, unfindable
from daemon.core.mapping import MappingError, Place
from daemon.core.rules import Birth
from tests.core.things import item, rule, sync

AT = datetime(2026, 3, 28, tzinfo=UTC)
KNOWN = ("first", "last")
ADA = {"first": "Ada", "last": "King"}

NOTHING = ().__contains__
"""What a side can look up that can look up nothing."""


def birth(name: str = "login", **more: Any) -> Birth:
    settings: dict[str, Any] = {"known": KNOWN, "right": Place(more.pop("at", name))}
    return compile_birth(name, **(settings | more))


def candidates(made: Birth, values: Any = None) -> list[Any]:
    return list(full(made, ADA if values is None else values, AT))


def fault(**more: Any) -> tuple[str, str, str | None]:
    with pytest.raises(MappingError) as found:
        birth(**more)
    return found.value.part, str(found.value), found.value.help


def test_candidates_come_in_the_order_in_which_they_are_written_and_count_from_two() -> None:
    made = birth(tries=["first", "concat(first, n)", "last"], last=4)

    assert candidates(made) == ["Ada", "Ada2", "Ada3", "Ada4", "King"]
    assert (made.unique, made.copied, made.password) == (True, False, 0)
    assert candidates(birth(tries=["concat(first, n)"]))[-1] == "Ada20"


def test_a_candidate_that_says_nothing_is_left_out() -> None:
    made = birth(tries=["first", "trim(last)"])

    assert candidates(made, {"first": None, "last": "  "}) == []
    assert candidates(made, {"first": "", "last": "King"}) == ["King"]


def test_a_value_is_made_once_and_typed() -> None:
    tried = birth(tries=["first", "last"], type="integer")
    made = birth(value="concat(first, '.50')", type="decimal")

    assert candidates(tried, {"first": "007", "last": 8}) == [7, 8]
    assert candidates(made, {"first": "1", "last": None}) == [Decimal("1.50")]
    assert candidates(birth(value="today()")) == ["2026-03-28"]
    assert (made.unique, made.copied, made.why) == (False, False, "set at birth")


def test_a_phone_made_at_birth_is_read_in_its_region() -> None:
    made = birth(value="first", type="phone", region="DE")

    assert candidates(made, {"first": "030 123456", "last": None}) == ["+4930123456"]


def test_what_is_copied_or_random_has_no_candidates() -> None:
    copied, random = birth(left=Place("nick")), birth(password=24, audit="none", secret=True)

    assert (copied.candidates, copied.copied, copied.why) == (None, True, "set at birth")
    assert (random.candidates, random.copied, random.password, random.why) == (None, False, 24, "generated at birth")
    assert (random.rule.audit, random.rule.secret, random.rule.once) == ("none", True, True)
    assert (birth().rule.audit, birth().rule.secret) == ("value", False)


def test_a_name_is_free_in_every_place_that_is_named_and_compared_in_its_shape() -> None:
    made = birth(tries=["first"], at="uid", also=["alias", "mail"], normalise=["casefold"])

    assert made.places("right") == ("uid", "alias", "mail")
    assert made.places("left") == ()
    assert birth(value="first", at="uid").places("right") == ()
    assert made.rule.shape("ADA") == "ada"


EXPRESSIONS = [({"tries": ["{0}"]}, "generate"), ({"value": "{0}"}, "value")]


@pytest.mark.parametrize(("where", "part"), EXPRESSIONS)
def test_an_expression_asks_only_for_what_is_there(where: Any, part: str) -> None:
    known = ("b", "a.b")

    told = fault(**_filled(where, "concat(b, nick.name)"), known=known)
    nothing = fault(**_filled(where, "first"), known=())
    whole = fault(**_filled(where, "length(@)"), known=known)

    may = "it may ask for {}: shared fields, and births that stand above"
    some = "a.b, b, n" if part == "generate" else "a.b, b"
    none = "n" if part == "generate" else "nothing"
    assert told == (part, "'concat(b, nick.name)' asks for 'nick'", may.format(some))
    assert nothing == (part, "'first' asks for 'first'", may.format(none))
    assert whole[1] == "'length(@)' asks for '@'"


@pytest.mark.parametrize(("where", "part"), EXPRESSIONS)
def test_a_text_that_is_no_expression_is_told_with_its_place(where: Any, part: str) -> None:
    told = fault(**_filled(where, "shout(first)"))

    assert told == (part, "'shout(first)' is no expression: unknown function shout()", None)


def _filled(where: Any, text: str) -> Any:
    return {key: [text] if isinstance(value, list) else text for key, value in where.items()}


def test_a_field_that_hides_the_number_is_refused() -> None:
    told = fault(tries=["n"], known=("n",))

    assert told == ("generate", "the field 'n' hides the number of the same name", "rename the field")
    assert candidates(birth(value="n", known=("n",)), {"n": 1}) == [1]


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_is_made_needs_a_place_to_be_written_to(side: str) -> None:
    with pytest.raises(MappingError) as told:
        compile_birth("x", known=KNOWN, value="first", **{side: Place("upper(x)")})  # type: ignore[arg-type]

    assert (told.value.part, str(told.value)) == (side, "what is made at birth needs a path to be written to")


@pytest.mark.parametrize(("key", "value"), [("type", "colour"), ("normalise", ["shout"])])
def test_the_faults_of_a_field_are_those_of_any_field(key: str, value: Any) -> None:
    assert fault(**{key: value}, value="first")[0] == key


def test_each_side_gives_its_own_newborns_what_can_be_written_there() -> None:
    both = birth("nick", left=Place("nick"), value="first")
    only_right, only_left = birth("uid"), compile_birth("no", known=KNOWN, left=Place("no"), value="first")
    law = sync(births=(both, only_right, only_left))

    assert [one.rule.name for one in born_on(law, "right")] == ["nick", "uid"]
    assert [one.rule.name for one in born_on(law, "left")] == ["nick", "no"]
    reading = compile_birth("sum", known=KNOWN, left=Place("upper(x)"), right=Place("x"), value="first")
    assert born_on(sync(births=(reading,)), "left") == ()


def test_absent_is_null_to_whoever_is_made_of_it() -> None:
    assert shared_values(item({"a": 1, "b": ABSENT, "c": None})) == {"a": 1, "b": None, "c": None}


def test_a_plan_foretells_names_from_those_that_stand_above() -> None:
    login = birth(tries=["lower(first)"])
    mail = birth("mail", known=(*KNOWN, "login"), value="concat(login, '@x')")
    law = sync(births=(login, mail, birth("nick", left=Place("nick")), birth("start", password=9, secret=True)))

    assert list(likely(law, "right", item(ADA), AT)) == [
        ("login", "ada", "generated at birth"),
        ("mail", "ada@x", "set at birth"),
        ("nick", "", "set at birth"),
        ("start", "", "generated at birth"),
    ]


def test_a_plan_tells_what_cannot_be_made_and_goes_on() -> None:
    day = birth("day", value="date_add(first, '1d')")
    none = birth("none", value="first")
    law = sync(births=(day, none))

    assert next(likely(law, "right", item(ADA), AT)) == (
        "day", "(a text of 3 characters is not an ISO date or time)", "set at birth",
    )  # fmt: skip
    assert list(likely(law, "right", item({"first": None}), AT))[1] == ("none", "", "set at birth")


def test_the_places_that_a_side_cannot_look_up_are_named() -> None:
    law = sync(rule("f"), births=(birth(tries=["first"], at="uid", also=["alias"]), birth("v", value="first")))

    assert unfindable(law, "right", {"uid"}.__contains__) == ["alias"]
    assert unfindable(law, "right", {"alias", "uid"}.__contains__) == []
    assert unfindable(law, "right", NOTHING) == ["uid", "alias"]
    assert unfindable(law, "left", NOTHING) == []


def test_a_copied_value_is_read_as_its_type_in_its_region() -> None:
    made = birth("tel", left=Place("tel"), type="phone", region="DE")

    assert made.rule.left is not None
    assert made.rule.left.read({"tel": "030 123456"}, AT) == "+4930123456"


def test_a_date_made_at_birth_is_one() -> None:
    assert candidates(birth(value="today()", type="date")) == [AT.date()]
    assert candidates(birth(tries=["today()", "concat(today(), n)"], last=2)) == ["2026-03-28", "2026-03-282"]


def test_a_left_newborn_is_foretold_and_looked_up_on_the_left() -> None:
    login = compile_birth("no", known=KNOWN, left=Place("no"), tries=["first"])
    day = compile_birth("day", known=KNOWN, left=Place("day"), value="today()")
    law = sync(births=(login, day))

    assert list(likely(law, "left", item(ADA), AT)) == [
        ("no", "Ada", "generated at birth"), ("day", "2026-03-28", "set at birth"),
    ]  # fmt: skip
    assert list(likely(law, "right", item(ADA), AT)) == []
    assert unfindable(law, "left", NOTHING) == ["no"]
    assert unfindable(law, "right", NOTHING) == []
