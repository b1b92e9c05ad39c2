"""This is where strict YAML is held to its word: what is a number, what is a fault, and where the fault is."""

import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from connectors.definition import Duration, Facts, Secret
from connectors.yamlfile import Document, YamlError, check, read

HERE = Path("crm.yaml")


def doc(text: str) -> Document:
    return read(HERE, text)


def told(text: str, model: type[Facts] | None = None) -> str:
    """What is said about *text*, which must have a fault."""
    with pytest.raises(YamlError) as caught:
        check(doc(text), model) if model else doc(text)
    return "\n".join(problem.render() for problem in caught.value.problems)


# --- scalars ---


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("1234567890123456789012345", 1234567890123456789012345),
        ("1.10", Decimal("1.10")),
        ("-0.5", Decimal("-0.5")),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
    ],
)
def test_json_words_and_numbers_are_exact(written: str, meant: Any) -> None:
    value = doc(f"a: {written}\n").data["a"]

    assert value == meant
    assert type(value) is type(meant)
    assert str(value) == str(meant)


TEXTS = (
    "no yes on off y n No NO True TRUE False Null NULL 012 0o17 0x1f 0b1 1_000 +49 +5 1e3 1.5e3 .5 5. .inf .nan -.inf "
    "12:30 22:30:45 2024-01-01 2024-01-01T10:00:00Z 1.2.3 -x 7% <x"
)


@pytest.mark.parametrize("written", TEXTS.split())
def test_everything_else_stays_the_text_it_is(written: str) -> None:
    assert doc(f"a: {written}\n").data == {"a": written}


@pytest.mark.parametrize("written", ['"true"', "'12'", '"null"', '""', "|\n  12\n", ">\n  true\n"])
def test_quoted_values_are_text(written: str) -> None:
    assert isinstance(doc(f"a: {written}\n").data["a"], str)


def test_keys_that_trap_others_are_plain_text_here() -> None:
    assert doc("on: 1\nno: 2\ny: 3\n012: 4\n").data == {"on": 1, "no": 2, "y": 3, "012": 4}


def test_anchors_and_aliases_inside_one_file_work() -> None:
    assert doc("a: &x {b: [1, 2]}\nc: *x\n").data == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


def test_windows_line_ends_change_nothing() -> None:
    document = doc("a: 1\r\nb:\r\n  c: x\r\n")

    assert document.data == {"a": 1, "b": {"c": "x"}}
    assert document.at(("b", "c")).line == 3


# --- faults of the file ---


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("a: 1\na: 2\n", "2:1", "duplicate-key"),
        ("a: {b: 1, b: 2}\n", "1:11", "duplicate-key"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", "2:5", "merge-key"),
        ("a: !secret x\n", "1:4", "custom-tag"),
        ("a: !!str 12\n", "1:4", "custom-tag"),
        ("a: !!python/object/apply:os.system [ls]\n", "1:4", "custom-tag"),
        ("a: 1\n---\nb: 2\n", "2:1", "several-documents"),
        ("a: &x [*x]\n", "1:4", "recursive-alias"),
        ("a:\n\tb: 1\n", "2:1", "tab"),
        ("a: 1\nb: \x00\n", "2:4", "control-character"),
        ("a: \x1b[31m\n", "1:4", "control-character"),
        ("\ufeffa: 1\n", "1:1", "bom"),
        ("1: a\n", "1:1", "key-not-text"),
        ("true: a\n", "1:1", "key-not-text"),
        ("~: a\n", "1:1", "key-not-text"),
        ("? [a, b]\n: c\n", "1:3", "key-not-text"),
        ("a: b: c\n", "1:5", "syntax"),
        ("a: @b\n", "1:4", "syntax"),
        ("a: %b\n", "1:4", "syntax"),
        ("a: *b\n", "1:4", "syntax"),
        ("a: 'b\nc: d\n", "1:4", "syntax"),
        ("a: [b, c\n", "2:1", "syntax"),
        ("a: {b: c d: e}\n", "1:11", "syntax"),
        ("a:\n  b: 1\n c: 2\n", "3:2", "syntax"),
        ("[" * 900, "1:64", "too-deep"),
        ("- " * 900, "1:127", "too-deep"),
        ("\n".join(" " * n + "a:" for n in range(200)), "64:64", "too-deep"),
    ],
)
def test_a_fault_of_the_file_has_a_place_and_a_code(text: str, place: str, code: str) -> None:
    first = told(text).splitlines()[0]

    assert first.startswith(f"crm.yaml:{place}: error[{code}]: ")


@pytest.mark.parametrize("text", ["[" * 10_000, "{a: " * 10_000, "- " * 100_000])
def test_what_yaml_itself_finds_too_deep_is_told_alike(text: str) -> None:
    assert "error[too-deep]: nested deeper than 64 levels" in told(text).splitlines()[0]


def test_bytes_that_are_not_utf8_are_placed() -> None:
    with pytest.raises(YamlError) as caught:
        read(HERE, b"a: 1\nb: M\xfcller\n")

    assert caught.value.problems[0].render().startswith("crm.yaml:2:5: error[not-utf8]: byte 0xfc is not UTF-8")


def test_a_file_that_cannot_be_read_is_a_problem_too(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match="unreadable"):
        read(tmp_path / "absent.yaml")


def test_every_duplicate_is_told_not_only_the_first() -> None:
    assert told("a: 1\nb: 1\na: 2\nb: 2\n").count("duplicate-key") == 2


def test_a_bomb_of_aliases_is_refused_before_it_unfolds() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]" for n in range(20)]

    began = time.perf_counter()
    said = told("\n".join(lines))

    assert "too-big" in said
    assert time.perf_counter() - began < 0.2


def test_too_many_aliases_and_too_much_text_are_refused() -> None:
    assert "too-many-aliases" in told("a: &a x\nb: [" + ", ".join(["*a"] * 1001) + "]\n")
    assert "too-big" in told("a: " + "x" * 5_000_001)


def test_a_chain_of_aliases_does_not_get_around_the_depth() -> None:
    chain = "\n".join(f"k{n}: &k{n} [*k{n - 1}]" for n in range(1, 100))

    assert "too-deep" in told(f"k0: &k0 [x]\n{chain}\n")


# --- places ---


def test_a_place_is_the_value_or_its_key() -> None:
    document = doc("a:\n  b: [x, {c: long}]\n")

    assert (document.at(("a", "b", 1, "c")).line, document.at(("a", "b", 1, "c")).column) == (2, 14)
    assert document.at(("a", "b", 1, "c")).width == 4
    assert document.at(("a", "b"), key=True).column == 3
    assert document.at(("a", "nothing", "here")).line == 2
    assert not document.holds(("a", "nothing"))


def test_a_problem_shows_the_line_and_the_remedy() -> None:
    problem = doc("auth:\n  client_idd: abc\n").problem(
        ("auth", "client_idd"), "unknown-key", "unknown key 'client_idd' in auth", "did you mean 'client_id'?", key=True
    )

    assert problem.render() == (
        "crm.yaml:2:3: error[unknown-key]: unknown key 'client_idd' in auth\n"
        "  2 |   client_idd: abc\n"
        "    |   ^^^^^^^^^^ did you mean 'client_id'?"
    )


def test_a_very_long_line_is_cut_around_the_fault() -> None:
    text = told("a: [" + "x, " * 5_000 + "b: c: d]\n")

    assert max(len(line) for line in text.splitlines()) < 250
    assert "b: c: d" in text


# --- models ---


class OAuth(Facts):
    kind: Literal["oauth2"]
    client_id: str
    client_secret: Secret


class Basic(Facts):
    kind: Literal["basic"]
    username: str
    password: Secret


class Limit(Facts):
    share: Decimal = Decimal(0)
    floor: int = 0


class Conn(Facts):
    name: str
    auth: Annotated[OAuth | Basic, Field(discriminator="kind")] | None = None
    timeout: Duration = 30.0
    enabled: bool = True
    port: int = 443
    ratio: float = 0.5
    exact: Decimal = Decimal(0)
    limit: int | str | Limit = 0
    wins: Literal["left", "right", "ask"] = "ask"
    tags: tuple[str, ...] = ()
    either: tuple[tuple[str, ...] | Limit, ...] = ()
    extra: Mapping[str, Any] = {}

    @field_validator("extra")
    @classmethod
    def _no_ghosts(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if "ghost" in value:
            raise PydanticCustomError("no-ghosts", "no ghosts", {"at": "ghost", "key": True, "help": "be brave"})
        return value


def test_a_good_document_becomes_its_model() -> None:
    text = "name: a\nratio: 1.5\nexact: 3\nenabled: false\nextra: {price: 1.10}\neither: [[a], {floor: 1}]\n"

    conn = check(doc(text), Conn)

    assert (conn.ratio, conn.exact, conn.enabled) == (1.5, Decimal(3), False)
    assert str(conn.extra["price"]) == "1.10"
    assert conn.either == (("a",), Limit(floor=1))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("enabled: no", "3:10|wrong-type|'no' is text here; booleans are true and false"),
        ("enabled: True", "3:10|wrong-type|'True' is text here; booleans are true and false"),
        ("enabled: 1", "3:10|wrong-type|1 is a number here; booleans are true and false"),
        ("port: 012", "3:7|wrong-type|'012' is text here; a whole number is wanted"),
        ('port: "443"', "3:7|wrong-type|'443' is text here; a whole number is wanted"),
        ("port: 12:30", "3:7|wrong-type|'12:30' is text here; a whole number is wanted"),
        ("port: 1.0", "3:7|wrong-type|1.0 is a number here; a whole number is wanted"),
        ("port: true", "3:7|wrong-type|true is a boolean here; a whole number is wanted"),
        ("port:", "3:6|wrong-type|nothing stands here; a whole number is wanted"),
        ("ratio: 1e3", "3:8|wrong-type|'1e3' is text here; a number is wanted"),
        ("exact: '1'", "3:8|wrong-type|'1' is text here; a number is wanted"),
        ("tags: a", "3:7|wrong-type|'a' is text here; a list is wanted"),
        ("tags: [a, 3]", "3:11|wrong-type|3 is a number here; text is wanted"),
        ("limit: [1]", "3:8|wrong-type|a list stands here; a whole number, text or a mapping is wanted"),
        ("limit: {flor: 1}", "3:9|unknown-key|unknown key 'flor' in limit"),
        ("limit: {floor: x}", "3:16|wrong-type|'x' is text here; a whole number is wanted"),
        ("either: [[a], {floor: x}]", "3:23|wrong-type|'x' is text here; a whole number is wanted"),
        ("either: [[a, 1]]", "3:14|wrong-type|1 is a number here; text is wanted"),
        ("timeout: 15", "3:10|bad-value|write a unit: 15s, 15m or 15h"),
        ("wins: lefft", "3:7|not-allowed|'lefft' is not one of left, right or ask"),
        ("auth: x", "3:7|wrong-type|'x' is text here; a mapping is wanted"),
        ("auth: {}", "3:1|missing-key|the key 'kind' is missing in auth"),
        ("auth: {kind: basik}", "3:14|not-allowed|'basik' is not one of oauth2 or basic"),
        ("auth: {kind: basic, username: a}", "3:1|missing-key|the key 'password' is missing in auth"),
        ("extra: {ghost: 1}", "3:9|no-ghosts|no ghosts"),
        ("naem: x", "3:1|unknown-key|unknown key 'naem'"),
    ],
)
def test_a_fault_of_the_model_is_told_once_in_the_words_of_the_file(line: str, said: str) -> None:
    with pytest.raises(YamlError) as caught:
        check(doc(f"name: a\n# one fault below\n{line}\n"), Conn)

    assert [f"{p.line}:{p.column}|{p.code}|{p.message}" for p in caught.value.problems] == [said]


def test_did_you_mean_asks_the_model_of_that_place() -> None:
    text = told("name: a\nauth: {kind: oauth2, client_idd: abc, client_secret: {secret: s}}\n", Conn)

    assert "did you mean 'client_id'?" in text


def test_a_key_without_a_likeness_lists_what_is_known_there() -> None:
    assert "known here: share, floor" in told("name: a\nlimit: {zzz: 1}\n", Conn)


def test_all_faults_come_in_the_order_of_the_file() -> None:
    with pytest.raises(YamlError) as caught:
        check(doc("port: x\nenabled: no\nwins: up\nzzz: 1\n"), Conn)

    assert [p.line for p in caught.value.problems] == [1, 1, 2, 3, 4]


def test_an_empty_file_and_a_list_are_no_mapping() -> None:
    assert "error[empty]" in told("# nothing\n", Conn)
    assert "a mapping is wanted" in told("- a\n", Conn)


@pytest.mark.parametrize(
    "auth",
    [
        "{kind: basic, username: u, password: hunter2x}",
        "{kind: basic, username: u, password: 'hunter2x', more: 1}",
        "{kind: basic, username: u, passwort: hunter2x}",
        "{kind: basik, password: hunter2x}",
        "{kind: basic, username: u, password: {env: PW, default: hunter2x}}",
        "{kind: basic, username: u, password: [hunter2x]}",
        "{kind: oauth2, client_id: 7, client_secret: hunter2x}",
    ],
)
def test_a_secret_written_out_is_refused_and_not_repeated(auth: str) -> None:
    text = told(f"name: a\nauth: {auth}\n", Conn)

    assert "hunter2x" not in text


def test_neither_document_nor_error_chain_repeats_the_file() -> None:
    document = doc("name: a\nauth: {kind: basic, username: u, password: hunter2x}\n")

    with pytest.raises(YamlError) as caught:
        check(document, Conn)

    assert "hunter2x" not in repr(document)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
