"""This is where the file driver passes the contract on CSV and JSON lines, and refuses half a file."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Done, Fields, NotSent, Permanent, Refused, Stale, Write
from connectors.drivers import file
from connectors.drivers.file import Entity, FileDriver, System, connect
from tests.connectors.contract import BIG, DriverContract, Subject

HEADER = "id,name,email,phone,big,amount\n"


def driver(folder: Path, content: str | bytes | None, suffix: str = "csv", **entity: Any) -> FileDriver:
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / f"contact.{suffix}").write_bytes(data)
    system = System.model_validate(
        {"name": "files", "version": 1, "connector": "csv", "folder": "in", "page": 3},
        context={"folder": folder.parent},
    ).model_copy(update={"folder": folder})
    facts = {"path": f"contact.{suffix}", "format": suffix, "key": "id", **entity}
    return connect(system, {"contact": Entity.model_validate(facts)}, check=None, reveal=lambda ref: "")


def contact(n: int) -> Fields:
    return {"id": f"c{n}", "name": f"Person {n}", "email": f"p{n}@corp.example"}


def subject(folder: Path, content: str, suffix: str) -> Subject:
    refused = {"id": "bad", "name": ["a"]} if suffix == "csv" else {"name": "no key"}
    unwell = {"is no folder": driver(folder / "nowhere", None, suffix)}
    made = driver(folder, content, suffix, columns=["id", "email"])
    return Subject(
        made, "contact", contact, "name", "email", "phone", "big", "amount", refused=refused, unwell=unwell
    )  # fmt: skip


class TestCsvContract(DriverContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return subject(tmp_path, HEADER, "csv")


class TestJsonLinesContract(DriverContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return subject(tmp_path, "", "jsonl")


def test_an_empty_file_of_json_lines_can_look_up_any_path(tmp_path: Path) -> None:
    made = driver(tmp_path, "", "jsonl")

    assert made.describe("contact").finds("address.city")
    assert made.find("contact", {"address.city": "Graz"}) == []


def test_a_csv_file_can_look_up_its_columns_alone(tmp_path: Path) -> None:
    says = driver(tmp_path, HEADER).describe("contact")

    assert says.finds("email")
    assert not says.finds("alias")


# Half files


@pytest.mark.parametrize(
    ("suffix", "content", "where"),
    [
        ("csv", "", r"contact.csv:1: has no header"),
        ("csv", "id,name\n1,Ada\n2,Bo", r"contact.csv:3: the last line has no end"),
        ("csv", 'id,name\n1,"Ada\n2,Bob\n', r"contact.csv:2: .*a quote is not closed"),
        ("csv", "id,name\n1\n", r"contact.csv:2: has 1 cells where the header has 2"),
        ("csv", "id,name\n1,Ada,x\n", r"contact.csv:2: has 3 cells"),
        ("csv", 'id,name\n1,"A\nda"\n2,B\n1,Eve\n', r"contact.csv:5: the key 1 stands in line 2"),
        ("csv", "id,name\n,Ada\n", r"contact.csv:2: the key id is missing"),
        ("csv", "id,id\n1,2\n", r"contact.csv:1: a column has no name, or two"),
        ("csv", "ID,name\n1,Ada\n", r"contact.csv:1: no column 'id'"),
        ("csv", b"id,name\n1,Ada\n2,\xff\n", r"contact.csv:3: is not utf-8"),
        ("jsonl", '{"id": "1"}\n{"id": "2", "na\n', r"contact.jsonl:2: is not JSON"),
        ("jsonl", '{"id": "1"}\n{"id": "2"}', r"contact.jsonl:2: the last line has no end"),
        ("jsonl", '{"id": "1"}\n["2"]\n', r"contact.jsonl:2: is not a JSON object"),
        ("jsonl", '{"id": "1"}\n{"name": "x"}\n', r"contact.jsonl:2: the key id is missing"),
        ("jsonl", '{"id": 1}\n{"id": "1"}\n', r"contact.jsonl:2: the key 1 stands in line 1"),
    ],
)
def test_a_file_that_is_not_whole_is_an_error_and_never_a_short_listing(
    tmp_path: Path, suffix: str, content: str | bytes, where: str
) -> None:
    made = driver(tmp_path, content, suffix)
    before = (tmp_path / f"contact.{suffix}").read_bytes()

    with pytest.raises(Permanent, match=where):
        list(made.read("contact"))
    (outcome,) = made.write("contact", [Write("create", fields={"id": "9"})])

    assert isinstance(outcome, NotSent)
    assert outcome.permanent
    assert not made.check("contact").reachable
    assert (tmp_path / f"contact.{suffix}").read_bytes() == before


def test_a_csv_cut_anywhere_is_noticed_or_ends_after_a_whole_line(tmp_path: Path) -> None:
    whole = 'id,name\n1,"Ada, ""Countess"""\n2,"Two\nlines"\n3,Eve\n'
    for cut in range(len(whole)):
        made = driver(tmp_path, whole[:cut])
        try:
            seen = [r.fields for p in made.read("contact") for r in p.records]
        except Permanent:
            continue
        assert whole[:cut].endswith("\n")
        assert seen == [{"id": "1", "name": 'Ada, "Countess"'}, {"id": "2", "name": "Two\nlines"}][: len(seen)]


def test_a_missing_file_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="No such file"):
        list(driver(tmp_path, None).read("contact"))


# Rewriting


def rewritten(folder: Path, content: str | bytes, *writes: Write, suffix: str = "csv", **entity: Any) -> bytes:
    made = driver(folder, content, suffix, **entity)
    outcomes = list(made.write("contact", writes))
    assert all(isinstance(o, Done) for o in outcomes), outcomes
    return (folder / f"contact.{suffix}").read_bytes()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "contact.csv")
    before = len([*Path("/proc/self/fd").iterdir()])

    with pytest.raises(Permanent, match=r"contact\.csv: is no plain file"):
        list(driver(tmp_path, None).read("contact"))

    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_untouched_lines_stay_byte_for_byte(tmp_path: Path) -> None:
    content = '\ufeffid;name;note\r\n"1";"Ada" ;x\r\n\r\n2;Bob;"a\r\nb"\r\n'.replace('"Ada" ', '"Ada"').encode()

    after = rewritten(
        tmp_path, content, Write("update", "2", {"name": "B;ob"}), Write("create", fields={"id": "3"}), delimiter=";"
    )

    assert after == b'\xef\xbb\xbfid;name;note\r\n"1";"Ada";x\r\n\r\n2;"B;ob";"a\r\nb"\r\n3;;\r\n'


def test_cells_that_look_like_formulas_are_data(tmp_path: Path) -> None:
    after = rewritten(tmp_path, "id,name\n", Write("create", fields={"id": "1", "name": "=HYPERLINK(1)"}))

    assert after == b"id,name\n1,=HYPERLINK(1)\n"


def test_numbers_are_exact_in_both_formats(tmp_path: Path) -> None:
    fields = {"id": "1", "big": BIG, "amount": Decimal("12.10"), "flag": True}

    assert rewritten(tmp_path, "id,big,amount,flag\n", Write("create", fields=fields)).endswith(
        b"1,1234567890123456789012345,12.10,true\n"
    )
    assert rewritten(tmp_path, "", Write("create", fields=fields), suffix="jsonl") == (
        b'{"id":"1","big":1234567890123456789012345,"amount":12.10,"flag":true}\n'
    )


def test_nested_objects_merge_and_other_members_stay(tmp_path: Path) -> None:
    content = '{"id": 1, "address": {"city": "Bern", "zip": "1"}}\n{"id":2 , "x":1.10}\n'

    after = rewritten(tmp_path, content, Write("update", "1", {"address": {"city": "Basel"}}), suffix="jsonl")

    assert after == b'{"id":1,"address":{"city":"Basel","zip":"1"}}\n{"id":2 , "x":1.10}\n'


def test_what_the_encoding_cannot_hold_is_refused_alone(tmp_path: Path) -> None:
    made = driver(tmp_path, "id,name\n", encoding="latin-1")

    bad, good = made.write(
        "contact",
        [Write("create", fields={"id": "1", "name": "€"}), Write("create", fields={"id": "2", "name": "é"})],
    )

    assert isinstance(bad, Refused)
    assert isinstance(good, Done)
    assert (tmp_path / "contact.csv").read_bytes() == b"id,name\n2,\xe9\n"


@pytest.mark.parametrize(
    ("change", "words"), [({"nmae": "x"}, "did you mean name"), ({"id": "2"}, "is the key"), ({"name": []}, "list")]
)
def test_a_write_that_the_file_cannot_take_is_refused_by_name(tmp_path: Path, change: Fields, words: str) -> None:
    made = driver(tmp_path, "id,name\n1,Ada\n")

    (outcome,) = made.write("contact", [Write("update", "1", change)])

    assert isinstance(outcome, Refused)
    assert words in outcome.message


def test_an_edit_of_another_row_does_not_make_ours_stale(tmp_path: Path) -> None:
    made = driver(tmp_path, "id,name\n1,Ada\n2,Bob\n")
    seen = {r.id: r for p in made.read("contact") for r in p.records}
    (tmp_path / "contact.csv").write_text("id,name\n1,Ada\n2,Robert\n")

    ours, theirs = made.write(
        "contact",
        [
            Write("update", "1", {"name": "Lovelace"}, version=seen["1"].version),
            Write("update", "2", {"name": "Bobby"}, version=seen["2"].version),
        ],
    )

    assert isinstance(ours, Done)
    assert isinstance(theirs, Stale)
    assert (tmp_path / "contact.csv").read_text() == "id,name\n1,Lovelace\n2,Robert\n"


def test_an_edit_while_we_rewrite_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, edits = driver(tmp_path, "id,name\n1,Ada\n2,Bob\n"), ["id,name\n1,Ada\n2,Robert\n"]
    fsync = os.fsync

    def meanwhile(handle: int) -> None:
        fsync(handle)
        if edits:
            (tmp_path / "contact.csv").write_text(edits.pop())

    monkeypatch.setattr(file.os, "fsync", meanwhile)
    (outcome,) = made.write("contact", [Write("update", "1", {"name": "Lovelace"})])

    assert isinstance(outcome, Done)
    assert (tmp_path / "contact.csv").read_text() == "id,name\n1,Lovelace\n2,Robert\n"


def test_a_rewrite_keeps_mode_and_link_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("id,name\n1,Ada\n")
    (tmp_path / "real.csv").chmod(0o640)
    (tmp_path / "contact.csv").symlink_to("real.csv")

    list(driver(tmp_path, None).write("contact", [Write("update", "1", {"name": "Eve"})]))

    assert (tmp_path / "contact.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "id,name\n1,Eve\n"
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o640
    assert not list(tmp_path.glob(".*tmp"))


def test_another_writer_is_waited_for_and_then_left_in_peace(tmp_path: Path) -> None:
    made = driver(tmp_path, "id,name\n1,Ada\n")
    made._system = made._system.model_copy(update={"timeout": 0.05})

    with file.FileLock(f"{tmp_path / 'contact.csv'}.lock"):
        (outcome,) = made.write("contact", [Write("delete", "1")])

    assert isinstance(outcome, NotSent)
    assert not outcome.permanent


def test_a_composite_key_is_a_json_array(tmp_path: Path) -> None:
    made = driver(tmp_path, 'sku,qty,price\n"a,b",1,2\n', key=["sku", "qty"])

    (done,) = made.write("contact", [Write("create", fields={"sku": "c", "qty": 5, "price": "1"})])

    assert isinstance(done, Done)
    ids = [r.id for p in made.read("contact") for r in p.records]
    assert ids == ['["a,b","1"]', '["c","5"]']
    assert done.id == ids[1]


def test_marker_and_deactivate_are_what_the_entity_says(tmp_path: Path) -> None:
    made = driver(tmp_path, "id,mark,active\n", marker="mark", deactivate={"active": False})

    list(made.write("contact", [Write("create", fields={"id": "1"}, marker="t-1"), Write("deactivate", "1")]))

    assert (tmp_path / "contact.csv").read_text() == "id,mark,active\n1,t-1,false\n"


@pytest.mark.parametrize(
    "facts", [{"encoding": "utf-9"}, {"delimiter": ""}, {"key": []}, {"format": "xlsx"}, {"kye": 1}]
)
def test_malformed_entities_are_load_errors(facts: dict[str, Any]) -> None:
    Entity.model_validate({"path": "a.csv", "key": "id"})

    with pytest.raises(ValidationError):
        Entity.model_validate({"path": "a.csv", "key": "id", **facts})


def test_a_relative_folder_lies_beside_the_configuration(tmp_path: Path) -> None:
    facts = {"name": "files", "version": 1, "connector": "csv", "folder": "data"}

    assert System.model_validate(facts, context={"folder": tmp_path}).folder == tmp_path / "data"
    assert System.model_validate(facts).folder == Path("data")
