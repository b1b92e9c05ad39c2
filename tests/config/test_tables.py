"""This is where tables are read from CSV and turned into lookups."""

import pytest

from connectors.yamlfile import YamlError
from daemon.config.tables import Table, TableError, read_table


def table(text: str) -> Table:
    return read_table("t", text.encode(), file="tables/t.csv", digest="d")


def test_cells_stay_the_text_they_are() -> None:
    found = table('code,name\n007,"Bond, James"\nno,Norway\n1e3,\n')

    assert found.index(("code",), "name") == {("007",): "Bond, James", ("no",): "Norway", ("1e3",): ""}


def test_several_columns_make_a_key() -> None:
    found = table("country,dept,unit\nDE,IT,1\nAT,IT,2\n")

    assert found.index(("country", "dept"), "unit") == {("DE", "IT"): "1", ("AT", "IT"): "2"}


def test_the_mark_of_a_spreadsheet_and_empty_lines_are_no_fault() -> None:
    assert table("\ufeffa,b\r\n1,2\r\n\r\n3,4\r\n").index(("a",), "b") == {("1",): "2", ("3",): "4"}


def test_a_row_that_comes_twice_is_no_fault_but_a_second_value_is() -> None:
    assert table("a,b\n1,2\n1,2\n").index(("a",), "b") == {("1",): "2"}
    with pytest.raises(TableError, match=r"t\.csv:3 gives '1' a second value"):
        table("a,b\n1,2\n1,3\n").index(("a",), "b")


def test_every_row_of_another_width_is_told() -> None:
    with pytest.raises(YamlError) as caught:
        table("a,b\n1\n1,2\n1,2,3\n")

    assert [(p.line, p.message) for p in caught.value.problems] == [
        (2, "1 cells; the header has 2"),
        (4, "3 cells; the header has 2"),
    ]


@pytest.mark.parametrize("raw", [b"", b"a,a\n", b"a,\n", b'a,b\n"x', b"a,b\n\xff,1\n"])
def test_what_is_no_table_is_refused(raw: bytes) -> None:
    with pytest.raises(YamlError) as caught:
        read_table("t", raw, file="tables/t.csv", digest="d")

    assert len(caught.value.problems) == 1
