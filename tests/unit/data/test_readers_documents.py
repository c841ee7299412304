"""Documents of every kind become rows of text that say where they stood."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pypdf import PdfReader, PdfWriter

import studio.data.readers.guard as guard
from studio.data.importer import Inspection, ReadOptions, Refused, inspect_file, read_rows
from studio.data.rows import NewRow
from studio.errors import DataError

from .files import arrow_stream, pdf, word, xlsx

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(data: bytes | str, name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write_file


def pieces(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Text and origin of each row, without what all origins share."""
    found = []
    for row in read_rows(path, path.name):
        assert isinstance(row, NewRow), row
        origin = dict(row.origin or {})
        assert (origin.pop("type"), origin.pop("ref")) == ("document", path.name)
        found.append((row.content["text"], origin))
    return found


def keys(look: Inspection) -> set[str]:
    return {reason.key for reason in look.reasons}


# --- text -------------------------------------------------------------------------------------------------------------


def test_blocks_of_plain_text_are_joined_up_to_four_thousand_characters(write: Write) -> None:
    blocks = [f"{number}。" + "字" * 1500 + "\n第二行" for number in range(5)]
    text = "\n" + "\n\n \n".join(blocks) + "\n"
    found = pieces(write(text, "a.txt"))
    assert [piece for piece, _ in found] == ["\n\n".join(blocks[:2]), "\n\n".join(blocks[2:4]), blocks[4]]
    for piece, origin in found:
        start, end = origin["span"]
        assert text[start:end].split() == piece.split()


def test_a_block_without_blank_lines_is_divided_at_line_ends(write: Write) -> None:
    lines = [f"{number:04}" + "字" * 996 for number in range(10)]
    found = pieces(write("\n".join(lines), "novel.txt"))
    assert [line for piece, _ in found for line in piece.split("\n")] == lines
    assert all(len(piece) <= 4_000 for piece, _ in found)


def test_markdown_becomes_one_row_a_heading_with_the_titles_above(write: Write) -> None:
    text = "序\n\n# 书\n\n## 一章 ##\n正文\n```\n# 不是标题\n```\n\n## 二章\n结束\n# 空\n"
    path = write(text, "a.md")
    found = pieces(path)
    assert found == [
        ("序", {"span": [0, 1]}),
        ("## 一章 ##\n正文\n```\n# 不是标题\n```", {"heading": "书 / 一章", "span": [8, 34]}),
        ("## 二章\n结束", {"heading": "书 / 二章", "span": [36, 44]}),
    ]
    assert all(text[slice(*origin["span"])] == piece for piece, origin in found)
    extras = [row.extra for row in read_rows(path, "a.md") if isinstance(row, NewRow)]
    assert extras == [None, {"title": "书 / 一章"}, {"title": "书 / 二章"}]


def test_a_text_of_sentences_is_no_table_and_a_table_without_a_name_is_one(write: Write) -> None:
    assert inspect_file(write("Hello, world.\nAnd, then, more.\n", "a.txt"), "a.txt").file_format == "text"
    assert inspect_file(write("name;age\nA;1\nB;2\n", "b.txt"), "b.txt").file_format == "csv"
    assert inspect_file(write("[1] A footnote.\n", "c.txt"), "c.txt").file_format == "text"


# --- documents --------------------------------------------------------------------------------------------------------


def test_a_word_document_becomes_one_row_a_heading(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    word(path)
    assert pieces(path) == [
        ("序言", {"span": [0, 2]}),
        ("第一章\n什么是高血压？", {"heading": "第一章", "span": [3, 14]}),
        ("症状\n头晕。\n药 | 剂量\n甲 | 5 mg", {"heading": "第一章 / 症状", "span": [15, 37]}),
        ("第二章\n结束。", {"heading": "第二章", "span": [38, 45]}),
    ]


def test_a_pdf_becomes_one_row_a_page_and_says_which_pages_were_scanned(write: Write) -> None:
    path = write(pdf(["什么是高血压", None, "", "The end"]), "a.pdf")
    look = inspect_file(path, "a.pdf")
    assert [(row.content["text"], row.origin) for row in look.preview] == [
        ("什么是高血压", {"type": "document", "ref": "a.pdf", "page": 1, "span": [0, 6]}),
        ("The end", {"type": "document", "ref": "a.pdf", "page": 4, "span": [7, 14]}),
    ]
    assert look.refused == (Refused(2, "error.data.pdf_page_scanned", {"page": 2}, ""),)


def test_a_page_too_heavy_to_be_read_costs_no_other_page(write: Write) -> None:
    look = inspect_file(write(pdf(["first", "A" * 300_000, "last"]), "a.pdf"), "a.pdf")
    assert [row.content["text"] for row in look.preview] == ["first", "last"]
    assert look.refused == (Refused(2, "error.data.pdf_page_heavy", {"page": 2}, ""),)


def test_a_pdf_with_a_password_is_refused_in_words(write: Write, tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(write(pdf(["secret"]), "open.pdf")))
    writer.encrypt("password", algorithm="RC4-128")
    path = tmp_path / "closed.pdf"
    writer.write(path)
    with pytest.raises(DataError) as caught:
        inspect_file(path, path.name)
    assert (caught.value.key, caught.value.params) == ("error.data.locked_document", {"name": "closed.pdf"})


def test_a_web_page_becomes_one_row_a_heading_without_scripts(write: Write) -> None:
    page = (
        "<!DOCTYPE html><html><head><title>T</title><style>p {}</style></head><body><p>A <b>bold</b> word</p><h1>One</h1>"
        "<script>alert('x')</script><p>first<br>second</p><p hidden>no</p><table><tr><td>a</td><td>b</td></tr></table>"
        "<h2>Deep <i>er</i></h2><ul><li>x</li><li>y</li></ul><pre>  if x:\n    y</pre></body></html>"
    )
    assert pieces(write(page, "a.html")) == [
        ("A bold word", {"span": [0, 11]}),
        ("One\nfirst\nsecond\na | b", {"heading": "One", "span": [12, 34]}),
        ("Deep er\nx\ny\n  if x:\n    y", {"heading": "One / Deep er", "span": [35, 60]}),
    ]


# --- names and contents -----------------------------------------------------------------------------------------------


def test_the_content_decides_and_a_contradicting_name_is_said(write: Write) -> None:
    look = inspect_file(write(pdf(["text"]), "a.csv"), "a.csv")
    assert look.file_format == "pdf"
    assert ("data.file.other_suffix", {"suffix": ".csv", "what": "PDF"}) in look.reasons
    assert "data.file.other_suffix" not in keys(inspect_file(write("question,answer\nq,a\n", "b.csv"), "b.csv"))


def test_a_gbk_text_says_by_which_signs_it_was_told(write: Write) -> None:
    look = inspect_file(write("问题,回答\n什么是高血压？,一种慢性病。\n".encode("gbk"), "a.csv"), "a.csv")
    assert (look.encoding, look.options.encoding) == ("gb18030", "gb18030")
    assert "data.file.encoding_gbk" in keys(look)


@pytest.mark.parametrize("encoding", ["euc_kr", "shift_jis", "koi8_r", "big5"])
def test_other_double_byte_texts_are_not_taken_for_chinese(encoding: str, write: Write) -> None:
    text = {
        "euc_kr": "고혈압은 어떤 병입니까? 혈압이 계속 높은 상태를 말합니다.\n",
        "shift_jis": "高血圧とはどのような病気ですか。血圧が高い状態が続くことです。\n",
        "koi8_r": "Что такое гипертония? Это когда давление долго повышено.\n",
        "big5": "什麼是高血壓？高血壓是一種慢性疾病，需要長期治療。\n",
    }[encoding]
    look = inspect_file(write((text * 5).encode(encoding), "a.txt"), "a.txt")
    assert "data.file.encoding_gbk" not in keys(look)


# --- the guard --------------------------------------------------------------------------------------------------------


def test_a_reader_that_says_nothing_is_given_up(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SILENCE_S", 0.0)
    with pytest.raises(DataError) as caught:
        inspect_file(write(pdf(["text"]), "a.pdf"), "a.pdf")
    assert (caught.value.key, caught.value.params) == ("error.data.reader_time", {"name": "a.pdf", "what": "PDF"})


def test_a_sheet_that_claims_the_whole_grid_needs_too_much_memory_and_harms_nobody(write: Write) -> None:
    cells = {"A1": "question", "B1": "answer", "XFD1048576": "x"}
    with pytest.raises(DataError) as caught:
        inspect_file(write(xlsx({"a": cells}), "a.xlsx"), "a.xlsx")
    assert caught.value.key in ("error.data.reader_died", "error.data.reader_memory", "error.data.too_many_columns")


def test_a_reader_ends_when_nobody_takes_its_records(write: Write) -> None:
    table = pa.table({"question": ["q" * 100] * 50_000, "answer": ["a"] * 50_000})
    rows = read_rows(write(arrow_stream(table), "a.arrow"), "a.arrow")
    row = next(rows)
    assert isinstance(row, NewRow) and row.origin == {"type": "file", "ref": "a.arrow", "line": 1}
    look = inspect_file(write(arrow_stream(table), "b.arrow"), "b.arrow", limit_rows=10)
    assert (look.n_read, look.truncated) == (10, True)


@pytest.mark.parametrize(
    "options", [{"encoding": "base64"}, {"encoding": "no-such"}, {"delimiter": "ab"}, {"delimiter": "\n"}, {"quote": "''"}]
)
def test_impossible_options_are_refused_with_their_field(options: dict[str, str], write: Write) -> None:
    with pytest.raises(DataError) as caught:
        inspect_file(write("question,answer\nq,a\n", "a.csv"), "a.csv", options=ReadOptions(**options))
    assert caught.value.field == next(iter(options))


# --- hostile files ----------------------------------------------------------------------------------------------------


def damaged(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    match chance.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + chance.randbytes(8) + data[at + 8 :]
        case 2:
            return data[:at] + b"\0" * 50 + data[at:]
        case 3:
            return data[:at] + data[at // 2 :]
        case _:
            return data[: at // 2] + data[at:]


@pytest.mark.parametrize("name", ["a.docx", "a.pdf", "a.xlsx", "a.arrow", "a.html", "a.md", "a.json", "a.csv"])
def test_damaged_files_end_in_rows_or_words(name: str, write: Write, tmp_path: Path) -> None:
    if name == "a.docx":
        word(tmp_path / name)
    whole = {
        "a.docx": lambda: (tmp_path / "a.docx").read_bytes(),
        "a.pdf": lambda: pdf(["什么", "two"]),
        "a.xlsx": lambda: xlsx({"a": {"A1": "question", "B1": "answer", "A2": "q", "B2": 1}}),
        "a.arrow": lambda: arrow_stream(pa.table({"question": ["q"], "answer": ["a"]})),
        "a.html": lambda: b"<html><body><h1>A</h1><p>text</p></body></html>",
        "a.md": lambda: "# 一\n正文\n".encode("gbk"),
        "a.json": lambda: b'[{"question": "q", "answer": "a"}, {"question": "r", "answer": "b"}]',
        "a.csv": lambda: 'question,answer\n"多\n行","a"\n'.encode("gb18030"),
    }[name]()
    chance = random.Random(name)
    for _ in range(6):
        path = write(damaged(whole, chance), name)
        try:
            results = list(read_rows(path, name))
        except DataError as error:
            assert error.key.startswith("error.data."), error
        else:
            assert all(isinstance(result, NewRow | Refused) for result in results)
