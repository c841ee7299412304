"""Files become rows; whatever is wrong with them is said with its place, and never as a traceback."""

from __future__ import annotations

import csv
import io
import json
import pickle
import random
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.data.importer import Inspection, Refused, inspect_file, read_rows
from studio.data.rows import NewRow
from studio.errors import DataError

Write = Callable[..., Path]

CSV_ZH = "问题,回答\n什么是高血压？,高血压是指血压持续升高的慢性疾病。\n感冒怎么办？,多喝水，注意休息。\n"
CSV_TRADITIONAL = "question,answer\n什麼是高血壓？,高血壓是一種慢性疾病，需要長期治療。\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(data: bytes | str, name: str = "data.bin", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode(encoding) if isinstance(data, str) else data)
        return path

    return write_file


def rows_of(path: Path, **options: Any) -> list[NewRow | Refused]:
    return list(read_rows(path, path.name, **options))


def good(path: Path, **options: Any) -> list[tuple[str, str]]:
    """Question and answer of each row; fails on a refused one."""
    pairs = []
    for row in rows_of(path, **options):
        assert isinstance(row, NewRow), row
        question, answer = row.content["messages"][-2:]
        pairs.append((question["content"], answer["content"]))
    return pairs


def error_of(path: Path, **options: Any) -> DataError:
    """The error of a whole file: from the inspection, and from the import before its first row."""
    with pytest.raises(DataError) as caught:
        inspect_file(path, path.name, **options)
    with pytest.raises(DataError) as again:
        read_rows(path, path.name, **options)
    assert again.value.as_dict() == caught.value.as_dict()
    return caught.value


# --- forms of files ---------------------------------------------------------------------------------------------------

QA = [("Q1", "A1"), ("Q2", "A2")]
RECORDS = [{"question": q, "answer": a} for q, a in QA]


@pytest.mark.parametrize(
    ("name", "data", "file_format"),
    [
        ("a.jsonl", "\n".join(map(json.dumps, RECORDS)), "jsonl"),
        ("a.json", "\n".join(map(json.dumps, RECORDS)) + "\n\n", "jsonl"),
        ("a", "\r\n".join(map(json.dumps, RECORDS)), "jsonl"),
        ("a.json", json.dumps(RECORDS), "json"),
        ("a.json", json.dumps(RECORDS, indent=2), "json"),
        ("a.jsonl", json.dumps(RECORDS, indent=2), "json"),
        ("a.txt", "\n  " + json.dumps(RECORDS), "json"),
        ("a.json", json.dumps({"question": ["Q1", "Q2"], "answer": ["A1", "A2"]}), "json"),
        ("a.json", json.dumps({"data": RECORDS}, indent=1), "json"),
        ("a.json", json.dumps({"rows": RECORDS}), "json"),
        ("a.csv", "question,answer\nQ1,A1\nQ2,A2\n", "csv"),
        ("a.csv", "question;answer\nQ1;A1\n\nQ2;A2", "csv"),
        ("a.tsv", "question\tanswer\r\nQ1\tA1\r\nQ2\tA2\r\n", "csv"),
        ("a.txt", "answer|question\nA1|Q1\nA2|Q2\n", "csv"),
    ],
)
def test_content_decides_what_a_file_is(name: str, data: str, file_format: str, write: Write) -> None:
    path = write(data, name)
    assert good(path) == QA
    look = inspect_file(path, name)
    assert (look.file_format, look.encoding, look.n_good, look.n_refused) == (file_format, "utf-8", 2, 0)


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": "Q1"}, {"role": "assistant", "content": "A1"}]},
        {"conversations": [{"from": "human", "value": "Q1"}, {"from": "gpt", "value": "A1"}]},
        {"prompt": [{"role": "user", "content": "Q1"}], "completion": [{"role": "assistant", "content": "A1"}]},
        {"question": "Q1", "answer": "A1"},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_single_record_is_not_taken_for_columns(record: dict[str, Any], indent: int | None, write: Write) -> None:
    assert good(write(json.dumps(record, indent=indent), "one.json")) == [("Q1", "A1")]


def test_lines_are_counted_as_an_editor_counts_them(write: Write) -> None:
    jsonl = (
        "\n" + json.dumps(RECORDS[0]) + "\n\n" + json.dumps({"question": "a\u2028b", "answer": "x"}, ensure_ascii=False) + "\n"
    )
    table = 'question,answer\n"two\nlines","also\r\ntwo"\n\nQ2,A2\n'
    lines = [row.origin for row in rows_of(write(jsonl, "a.jsonl")) if isinstance(row, NewRow)]
    assert lines == [{"type": "file", "ref": "a.jsonl", "line": 2}, {"type": "file", "ref": "a.jsonl", "line": 4}]
    assert [row.origin["line"] for row in rows_of(write(table, "a.csv")) if isinstance(row, NewRow) and row.origin] == [2, 6]
    array = write(json.dumps(RECORDS, indent=4), "a.json")
    assert [row.origin["line"] for row in rows_of(array) if isinstance(row, NewRow) and row.origin] == [1, 2]


def test_cells_keep_their_quotes_commas_and_line_breaks(write: Write) -> None:
    pairs = [('He said "hi", then left', "one\n\ntwo"), ("逗号,和；分号", '"')]
    out = io.StringIO()
    csv.writer(out).writerows([("question", "answer"), *pairs])
    assert good(write(out.getvalue(), "a.csv")) == pairs


def test_a_cell_may_be_longer_than_the_csv_module_allows_by_default(write: Write) -> None:
    text = "长" * 300_000
    assert good(write(f"question,answer\nQ1,{text}\n", "a.csv")) == [("Q1", text)]


# --- encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        (CSV_ZH, "utf-8-sig", "utf-8-sig"),
        (CSV_ZH, "utf-16", "utf-16"),
        (CSV_ZH, "utf-16-le", "utf-16-le"),
        (CSV_ZH, "utf-16-be", "utf-16-be"),
        (CSV_ZH, "utf-32", "utf-32"),
        (CSV_ZH, "utf-32-be", "utf-32-be"),
        (CSV_ZH, "gbk", "gb18030"),
        (CSV_ZH + "生僻字,㐂𠮷\n", "gb18030", "gb18030"),
        (CSV_TRADITIONAL, "big5", "big5"),
        ("question,answer\nL'été ?,Une saison où il fait très chaud à Paris.\n", "cp1252", "cp1252"),
    ],
)
def test_encodings_are_recognised(text: str, encoding: str, found: str, write: Write) -> None:
    path = write(text, "a.csv", encoding)
    assert inspect_file(path, "a.csv").encoding == found
    assert good(path) == [tuple(line.split(",")) for line in text.splitlines()[1:]]


def test_a_long_gbk_file_is_read_to_its_end(write: Write) -> None:
    lines = "".join(f"问题{number}，如何预防高血压？,少吃盐{'，多运动' * 40}。\n" for number in range(3000))
    assert len(good(write("问题,回答\n" + lines, "a.csv", "gbk"))) == 3000


def test_damaged_utf8_names_the_line_and_is_not_read_as_something_else(write: Write) -> None:
    data = CSV_ZH.encode() * 20
    broken = data[:700].rsplit(b"\n", 1)[0] + b"\n\xe4\xb8,x\n" + data
    error = error_of(write(broken, "a.csv"))
    line = broken[: broken.index(b"\xe4\xb8,x")].count(b"\n") + 1
    assert (error.key, error.params) == ("error.data.encoding", {"name": "a.csv", "encoding": "utf-8", "line": line})


def test_a_late_damage_is_found_before_the_first_row(write: Write) -> None:
    data = ("question,answer\n" + "什么,是的\n" * 40_000).encode("utf-16") + b"\x00"
    error = error_of(write(data, "a.csv"))
    assert (error.key, error.params["line"]) == ("error.data.encoding", 40_002)


# --- files that are no data -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"", b" \n\t\r\n ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", "\u3000\n".encode(), b"[]", b"question,answer\n"]
)
def test_files_without_data(data: bytes, write: Write) -> None:
    error = error_of(write(data, "a.txt"))
    assert (error.key, error.field, error.params) == ("error.data.empty_file", "file", {"name": "a.txt"})


def zipped(member: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(member, "question,answer")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (zipped("ppt/presentation.xml"), "PPTX (PowerPoint)"),
        (zipped("archive/data.pkl"), "PyTorch"),
        (pickle.dumps(RECORDS), "pickle"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "PNG"),
        (b"FEA1" + bytes(20), "Feather 1"),
        (b"a.csv" + bytes(252) + b"ustar" + bytes(9), "TAR"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"), "DOC (Word 97)"),
        (b"GGUF\x03" + bytes(20), "GGUF"),
        (b"\x40\0\0\0\0\0\0\0" + b'{"a":{}}' + bytes(20), "safetensors"),
        (b"question,answer\nQ\0,A\n", "NUL bytes"),
        (bytes(range(1, 256)) * 4, "control bytes"),
        (random.Random(7).randbytes(5000), "NUL bytes"),
    ],
)
def test_binary_files_are_named(data: bytes, what: str, write: Write) -> None:
    error = error_of(write(data, "data.csv"))
    assert (error.key, error.params) == ("error.data.binary_file", {"name": "data.csv", "what": what})


@pytest.mark.parametrize(
    ("data", "key", "params"),
    [
        (
            '[{"question": "Q1",\n "answer": }]',
            "json_broken",
            {"name": "a.json", "line": 2, "column": 12, "reason": "Expecting value"},
        ),
        ('{"question": "Q1"', "json_broken", {"name": "a.json", "line": 1, "column": 18, "reason": "Expecting ',' delimiter"}),
        ("hello", "json_broken", {"name": "a.json", "line": 1, "column": 1, "reason": "Expecting value"}),
        ("[" * 100_000, "json_too_deep", {}),
        ('[{"question": ' + "9" * 5000 + "}]", "number_too_long", {}),
        ('"hello"', "json_top_level", {"name": "a.json", "found": "string"}),
        ("[1, 2]", "record_not_an_object", {"found": "number"}),
        ('{"question": ["a", "b"], "answer": ["c"]}', "columns_unequal", {"name": "a.json", "found": "question: 2, answer: 1"}),
    ],
)
def test_broken_json_files(data: str, key: str, params: dict[str, Any], write: Write) -> None:
    error = error_of(write(data, "a.json"))
    assert (error.key, error.params) == (f"error.data.{key}", params)


def test_an_object_too_large_to_be_read_whole_is_refused_while_an_array_streams(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.data.readers.jsons.MAX_OBJECT_BYTES", 40)
    path = write(json.dumps({"question": ["Q1", "Q2"], "answer": ["A1", "A2"]}), "a.json")
    error = error_of(path)
    assert error.key == "error.data.json_too_large"
    assert error.params == {"name": "a.json", "size_bytes": path.stat().st_size, "limit_bytes": 40}
    assert good(write(json.dumps(RECORDS), "b.json")) == QA
    assert good(write(json.dumps({"data": RECORDS}), "c.json")) == QA


@pytest.mark.parametrize(
    ("name", "data", "columns"),
    [
        ("a.csv", "name,age\nAnna,7\n", "name, age"),
        ("a.jsonl", '{"title": "x", "body": "y"}\n', "title, body"),
        ("a.json", '{"title": 1}', "title"),
    ],
)
def test_wrong_columns_are_shown_with_what_was_expected(name: str, data: str, columns: str, write: Write) -> None:
    path = write(data, name)
    with pytest.raises(DataError) as caught:
        read_rows(path, name)
    error = caught.value
    assert (error.key, error.params["columns"]) == ("error.data.unknown_shape", columns)
    assert "instruction + output" in error.params["shapes"]


def test_an_unsure_shape_is_asked_for_with_columns_and_the_first_records(write: Write) -> None:
    lines = "".join(f"Anna {number},{number}\n" for number in range(9))
    look = inspect_file(write("name,age\n" + lines + "Anna\n", "a.csv"), "a.csv")
    assert (look.shape, look.n_read, look.n_good, look.n_refused) == ("", 10, 0, 1)
    assert look.columns == ("name", "age")
    assert look.records == tuple({"name": f"Anna {number}", "age": str(number)} for number in range(5))
    assert look.detection and not look.detection.is_sure
    assert look.preview == ()


@pytest.mark.parametrize(
    "first",
    ["什么是高血压？,一种慢性病。", "What is it? Tell me,It is a cat.", "yes,yes", "17,x", f"{'w' * 65},x", "b,"],
)
def test_csv_without_a_header_is_recognised_and_its_columns_are_numbered(first: str, write: Write) -> None:
    path = write(f"{first}\nmore text,and more\n", "a.csv")
    look = inspect_file(path, "a.csv")
    assert (look.shape, look.columns, look.options.header) == ("", ("column 1", "column 2"), False)
    found = {reason.key: reason.params for reason in look.reasons}["data.file.no_header"]
    assert found == {"found": " | ".join(cell[:40] for cell in first.split(","))}
    results = rows_of(path, mapping={"question": "column 1", "answer": "column 2"})
    assert isinstance(results[1], NewRow) and results[1].content["messages"][0]["content"] == "more text"


def test_one_known_name_makes_a_header_whatever_else_it_says(write: Write) -> None:
    path = write("question,answer,Is this remark. a long one?,\nQ1,A1,r,\n", "a.csv")
    assert good(path) == [("Q1", "A1")]
    assert inspect_file(path, "a.csv").columns == ("question", "answer", "Is this remark. a long one?", "column 4")


# --- single records ---------------------------------------------------------------------------------------------------


def test_a_broken_line_in_the_middle_is_refused_and_the_rest_goes_on(write: Write) -> None:
    lines = [json.dumps(RECORDS[0]), '{"question": "Q", "answer": "A"', json.dumps(RECORDS[1])]
    first, refused, last = rows_of(write("\n".join(lines), "a.jsonl"))
    assert isinstance(first, NewRow) and isinstance(last, NewRow)
    params = {"line": 2, "column": 32, "reason": "Expecting ',' delimiter"}
    assert refused == Refused(2, "error.data.line_not_json", params, lines[1])


@pytest.mark.parametrize("first", ['{"question": "Q", "answer": ', "oops"])
def test_even_the_first_line_may_be_broken(first: str, write: Write) -> None:
    look = inspect_file(write("\n".join([first, *map(json.dumps, RECORDS)]), "a.jsonl"), "a.jsonl")
    assert (look.file_format, look.n_good, look.refused_by_key) == ("jsonl", 2, {"error.data.line_not_json": 1})


@pytest.mark.parametrize(
    ("line", "key", "params"),
    [
        ("[1]", "record_not_an_object", {"found": "array"}),
        ("null", "record_not_an_object", {"found": "null"}),
        ('{"question": "Q", "answer": ""}', "empty_answer", {"where": "answer"}),
        ('{"question": "Q", "answer": 3}', "not_text", {"where": "answer", "found": "number"}),
        ('{"question": "Q", "answer": "A", "x": NaN}', "not_a_number", {"where": "x", "found": "nan"}),
        ('{"question": "Q", "answer": "A", "x": 1e999}', "not_a_number", {"where": "x", "found": "inf"}),
        ('{"question": "Q", "answer": "A\\ud83d"}', "lone_surrogate", {"where": "messages[1].content", "code": "U+D83D"}),
        ('{"question": "Q", "answer": "A\\u0000"}', "nul_character", {"where": "messages[1].content"}),
        ('{"question": "Q", "answer": "A", "split": "later"}', "unknown_split", None),
        ('{"q": "Q", "a": "A"}', "missing_columns", None),
        ('{"x": ' + "[" * 50_000 + "]" * 50_000 + "}", "json_too_deep", {}),
        ('{"question": "Q", "answer": "A", "x": ' + "[" * 500 + "]" * 500 + "}", "too_deep", {"where": "x", "limit": 64}),
        ('{"x": ' + "9" * 5000 + "}", "number_too_long", {}),
        ('{"question": "Q", "answer": "A", "answer": "B"}', "duplicate_key", {"column": "answer"}),
        ('{"messages": [{"role": "user", "role": "assistant"}]}', "duplicate_key", {"column": "role"}),
        (json.dumps({str(number): 1 for number in range(1001)}), "too_many_columns", {"found": 1001, "limit": 1000}),
        ('{"x": [' + "[]," * 334_000 + "[]]}", "too_many_parts", {"limit": 250_000}),
        ('{"x": [' + "0," * 500_000 + "0]}", "too_many_parts", {"limit": 250_000}),
    ],
)
def test_bad_records_are_refused_one_by_one(line: str, key: str, params: dict[str, Any] | None, write: Write) -> None:
    path = write("\n".join([json.dumps(RECORDS[0]), line, json.dumps(RECORDS[1])]), "a.jsonl")
    first, refused, last = rows_of(path)
    assert isinstance(first, NewRow) and isinstance(last, NewRow) and isinstance(refused, Refused)
    assert (refused.line, refused.key) == (2, f"error.data.{key}")
    assert params is None or refused.params == params
    assert line.startswith(refused.excerpt) and 0 < len(refused.excerpt) <= 200


def test_bad_elements_of_an_array_are_refused_by_their_number(write: Write) -> None:
    refused = rows_of(write(json.dumps([*RECORDS, 5, {"question": "Q", "answer": " "}]), "a.json"))[2:]
    assert [(row.line, row.key) for row in refused if isinstance(row, Refused)] == [
        (3, "error.data.record_not_an_object"),
        (4, "error.data.empty_answer"),
    ]


def test_rows_of_a_table_with_too_few_or_too_many_cells_are_refused(write: Write) -> None:
    results = rows_of(write("question,answer\nQ1,A1\nQ\nQ,A,more\nQ2,A2\n", "a.csv"))
    assert [(row.line, row.params["found"]) for row in results if isinstance(row, Refused)] == [(3, 1), (4, 3)]
    assert sum(isinstance(row, NewRow) for row in results) == 2


def test_a_quote_that_never_closes_is_refused_where_it_opens(write: Write) -> None:
    results = rows_of(write('question,answer\nQ1,A1\nQ,"A\nQ2,A2\n', "a.csv"))
    assert isinstance(results[0], NewRow)
    assert [(row.line, row.key) for row in results[1:] if isinstance(row, Refused)] == [(3, "error.data.csv_broken")]


def test_a_line_without_end_does_not_fill_the_memory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.data.readers.jsons.MAX_RECORD_CHARS", 100)
    lines = [json.dumps(RECORDS[0]), "x" * 250, json.dumps(RECORDS[1])]
    results = rows_of(write("\n".join(lines), "a.jsonl"))
    assert [getattr(row, "key", "good") for row in results] == ["good", "error.data.record_too_long", "good"]
    origin = results[2].origin if isinstance(results[2], NewRow) else None
    assert origin and origin["line"] == 3


# --- mapping and inspection -------------------------------------------------------------------------------------------


def test_odd_names_are_mapped_even_where_they_look_like_sentences(write: Write) -> None:
    path = write("What was asked?;What was answered?;Rolle\nQ1;A1;S\n", "a.csv")
    mapping = {"question": "What was asked?", "answer": "what was answered?", "system": "Rolle"}
    assert good(path, mapping=mapping) == [("Q1", "A1")]
    (row,) = rows_of(path, mapping=mapping)
    assert isinstance(row, NewRow) and row.content["messages"][0] == {"role": "system", "content": "S"}


def test_a_mapping_to_a_column_that_is_not_there(write: Write) -> None:
    error = error_of(write("a1,b1\nx,y\n", "a.csv"), mapping={"question": "a1", "answer": "c1"})
    assert (error.key, error.field) == ("error.data.mapping_unknown_column", "answer")
    assert error.params == {"part": "answer", "column": "c1", "columns": "a1, b1"}


def test_an_inspection_counts_what_an_import_would_do(write: Write) -> None:
    records = [
        {"question": f"Q{n}", "answer": "" if n % 3 == 0 else "A", "split": "test" if n % 3 == 1 else None} for n in range(240)
    ]
    look = inspect_file(write("\n".join(map(json.dumps, records)), "a.jsonl"), "a.jsonl")
    assert isinstance(look, Inspection)
    assert (look.n_read, look.n_good, look.n_refused, look.truncated) == (240, 160, 80, False)
    assert look.refused_by_key == {"error.data.empty_answer": 80}
    assert (len(look.refused), len(look.preview)) == (50, 20)
    assert look.splits == {"test": 80}
    assert (look.shape, look.columns) == ("question_answer", ("question", "answer", "split"))


@pytest.mark.parametrize(
    ("limits", "n_read"), [({"limit_rows": 5}, 5), ({"limit_bytes": 102}, 3), ({"limit_rows": 10}, 10), ({}, 10)]
)
def test_an_inspection_stops_at_its_limits_and_says_so(limits: dict[str, int], n_read: int, write: Write) -> None:
    record = json.dumps({"question": "Q", "answer": "A" * 20})
    assert len(record) == 51
    look = inspect_file(write("\n".join([record] * 10), "a.jsonl"), "a.jsonl", **limits)
    assert (look.n_read, look.truncated) == (n_read, n_read < 10)


# --- a law: what is written as JSONL comes back -----------------------------------------------------------------------

storable = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
words = storable.filter(lambda text: bool(text.strip()))
turn_pairs = st.lists(st.tuples(words, words), min_size=1, max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    messages = [{"role": "system", "content": text} for text in draw(st.lists(storable, max_size=1))]
    for question, answer in draw(turn_pairs):
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages}


@settings(deadline=None, max_examples=60)
@given(contents=st.lists(conversations(), min_size=1, max_size=4), ascii_only=st.booleans())
def test_messages_written_as_jsonl_come_back_unchanged(contents: list[dict[str, Any]], ascii_only: bool) -> None:
    lines = "\n".join(json.dumps(content, ensure_ascii=ascii_only) for content in contents)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text(lines, "utf-8", newline="")
        rows = list(read_rows(path, "rows.jsonl"))
    assert [row.content if isinstance(row, NewRow) else row for row in rows] == contents


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=300), name=st.sampled_from(["a.csv", "a.json", "a.jsonl", "a"]))
def test_no_file_whatsoever_ends_in_a_traceback(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            rows = list(read_rows(path, name))
        except DataError as error:
            assert error.key.startswith("error.data.")
        else:
            assert all(isinstance(row, NewRow | Refused) for row in rows)
