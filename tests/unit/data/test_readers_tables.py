"""Workbooks, Parquet, Arrow, CSV and JSON to records: what a cell becomes, which row names the columns, what is refused."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import studio.data.readers.jsons as jsons
from studio.data.importer import ReadOptions, Refused, inspect_file, read_rows
from studio.data.readers.base import Found
from studio.data.rows import NewRow
from studio.errors import DataError

from .files import arrow_file, arrow_stream, parquet, xlsx

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(data: bytes | str, name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write_file


def pairs(path: Path, **options: Any) -> list[tuple[str, str]]:
    found = []
    for row in read_rows(path, path.name, **options):
        assert isinstance(row, NewRow), row
        found.append((row.content["messages"][-2]["content"], row.content["messages"][-1]["content"]))
    return found


# --- workbooks --------------------------------------------------------------------------------------------------------

STUDENTS = {
    "B2": "A title over all", "B4": "question", "C4": "answer", "D4": "when",
    "B5": "q1", "C5": 3.0, "D5": 45000, "C6": 2.5, "E6": "no name",
    "B8": "q3", "C8": "a3",
}


def test_a_workbook_is_read_from_its_first_sheet_with_data_below_its_title(write: Write) -> None:
    path = write(xlsx({"空": {}, "学生": STUDENTS}, ("B2:D2", "B5:B6"), ("D5",)), "a.xlsx")
    look = inspect_file(path, "a.xlsx")
    assert [(row.origin or {})["line"] for row in look.preview] == [5, 6, 8]
    assert pairs(path) == [("q1", "3"), ("q1", "2.5"), ("q3", "a3")]
    assert [row.extra for row in look.preview] == [{"when": "2023-03-15"}, {"when": "", "column 4": "no name"}, {"when": ""}]
    assert (look.options.sheet, look.options.header) == ("学生", True)
    assert ("data.file.excel", {"n_sheets": 2, "sheet": "学生", "sheets": "空, 学生"}) in look.reasons
    assert ("data.file.header_row", {"row": 4}) in look.reasons


def test_a_person_may_choose_the_sheet(write: Write) -> None:
    cells = {"A1": "question", "B1": "answer", "A2": "q", "B2": "a"}
    path = write(xlsx({"one": {"A1": "x"}, "two": cells}), "a.xlsx")
    assert pairs(path, options=ReadOptions(sheet="two")) == [("q", "a")]
    with pytest.raises(DataError) as caught:
        inspect_file(path, "a.xlsx", options=ReadOptions(sheet="three"))
    assert caught.value.key == "error.data.no_sheet"
    assert caught.value.params == {"name": "a.xlsx", "sheet": "three", "sheets": "one, two"}


def test_a_sheet_without_a_header_gets_numbered_columns(write: Write) -> None:
    path = write(xlsx({"a": {"A1": "What is it? Tell me.", "B1": "A cat.", "A2": "And that?", "B2": "A dog."}}), "a.xlsx")
    look = inspect_file(path, "a.xlsx")
    assert (look.columns, look.options.header) == (("column 1", "column 2"), False)
    mapping = {"question": "column 1", "answer": "column 2"}
    assert pairs(path, mapping=mapping) == [("What is it? Tell me.", "A cat."), ("And that?", "A dog.")]


# --- Parquet and Arrow ------------------------------------------------------------------------------------------------

TABLE = pa.table(
    {
        "messages": [[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]] * 2,
        "when": [datetime.datetime(2024, 1, 2, 3)] * 2,
        "price": [decimal.Decimal("1.20"), None],
        "class": pa.array(["a", "b"]).dictionary_encode(),
        "score": [1.5, float("nan")],
        "exact": pa.array([1001, 2], pa.timestamp("ns")),
    }
)


@pytest.mark.parametrize("written", [parquet, arrow_file, arrow_stream])
def test_typed_tables_keep_their_nesting_and_become_plain_values(written: Callable[[pa.Table], bytes], write: Write) -> None:
    first, second = (row for row in read_rows(write(written(TABLE), "t"), "t") if isinstance(row, NewRow))
    assert first.content == {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}
    exact = "1970-01-01T00:00:00.000001"
    assert first.extra == {"when": "2024-01-02T03:00:00", "price": "1.20", "class": "a", "score": 1.5, "exact": exact}
    assert second.extra == {
        "when": "2024-01-02T03:00:00", "price": None, "class": "b", "score": None, "exact": "1970-01-01T00:00:00"
    }


def test_bytes_that_are_no_text_are_refused_by_row(write: Write) -> None:
    table = pa.table({"question": ["q", "q"], "answer": ["a", "a"], "image": [b"abc", b"\xff\xd8"]})
    good, refused = read_rows(write(parquet(table), "a.parquet"), "a.parquet")
    assert isinstance(good, NewRow) and good.extra == {"image": "abc"}
    assert isinstance(refused, Refused)
    assert (refused.line, refused.key, refused.params) == (2, "error.data.bytes_value", {"where": "image", "n_bytes": 2})


# --- CSV --------------------------------------------------------------------------------------------------------------


def test_single_quotation_marks_are_recognised_and_said(write: Write) -> None:
    path = write("'question';'answer'\n'a;b';'it''s'\n", "a.csv")
    assert pairs(path) == [("a;b", "it's")]
    assert ("data.file.csv", {"delimiter": ";", "quote": "'"}) in inspect_file(path, "a.csv").reasons


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ('question#answer\nq#"\n', {"delimiter": "#", "quote": ""}, [("q", '"')]),
        ("What is it?,Tell me!\nq,a\n", {"header": True}, None),
        ("question,answer\nq,a\n", {"header": False}, None),
    ],
)
def test_what_a_person_says_counts(text: str, options: dict[str, Any], expected: list[Any] | None, write: Write) -> None:
    path = write(text, "a.csv")
    look = inspect_file(path, "a.csv", options=ReadOptions(**options))
    assert {**look.options.as_dict(), **options} == look.options.as_dict()
    if expected:
        assert pairs(path, options=ReadOptions(**options)) == expected
    else:
        assert (look.columns[0] == "column 1") is not options["header"]


def test_the_encoding_that_a_person_chose_is_used_or_refused(write: Write) -> None:
    path = write("question,answer\nq,é\n".encode("cp1252"), "a.csv")
    assert pairs(path, options=ReadOptions(encoding="latin-1")) == [("q", "é")]
    with pytest.raises(DataError) as caught:
        inspect_file(path, "a.csv", options=ReadOptions(encoding="utf-8"))
    assert (caught.value.key, caught.value.params["line"]) == ("error.data.encoding", 2)


def test_a_table_of_too_many_columns_is_refused(write: Write) -> None:
    header = ",".join(["question", "answer", *map(str, range(20_000))])
    with pytest.raises(DataError) as caught:
        inspect_file(write(f"{header}\nq,a\n", "a.csv"), "a.csv")
    assert (caught.value.key, caught.value.params) == ("error.data.too_many_columns", {"found": 20_002, "limit": 1000})


def test_a_line_longer_than_a_record_is_refused_and_the_rest_goes_on(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.data.readers.base.MAX_RECORD_CHARS", 50)
    path = write(f"question,answer\nq,{'x' * 200}\nr,b\n", "a.csv")
    refused, good = read_rows(path, "a.csv")
    assert isinstance(refused, Refused) and (refused.line, refused.key) == (2, "error.data.record_too_long")
    assert isinstance(good, NewRow) and good.origin == {"type": "file", "ref": "a.csv", "line": 3}


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_a_wrapper_may_say_other_things_behind_its_records(write: Write) -> None:
    record = {"question": "q", "answer": "a"}
    assert pairs(write(json.dumps({"data": [record], "version": [1, {"x": 2}]}), "a.json")) == [("q", "a")]


def test_an_array_that_breaks_off_is_told_with_its_place_in_the_whole_file(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsons, "_CHUNK_CHARS", 64)
    records = [json.dumps({"question": f"q{number}", "answer": "a" * 20}) for number in range(300)]
    text = "[" + ",\n".join(records) + ",\n {oops"
    with pytest.raises(DataError) as caught:
        list(read_rows(write(text, "a.json"), "a.json"))
    assert caught.value.key == "error.data.json_broken"
    assert (caught.value.params["line"], caught.value.params["column"]) == (301, 3)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=80)
@given(elements=st.lists(values, max_size=8), chunk=st.integers(1, 40), indent=st.sampled_from([None, 2]), ascii=st.booleans())
def test_an_array_read_in_windows_is_what_the_json_module_reads(
    elements: list[Any], chunk: int, indent: int | None, ascii: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(elements, indent=indent, ensure_ascii=ascii), "utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsons, "_CHUNK_CHARS", chunk)
        found = list(jsons.json_records(path, "utf-8", "a.json", lambda value: True))
    assert [record.value for record in found if isinstance(record, Found)] == elements
    assert [record.line for record in found] == list(range(1, len(elements) + 1))
