"""Good files of every format that the studio reads, from a few made-up records. The same generator makes the same bytes.

A record is a list of (name, value): a hostile one may hold the same name twice.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = [
    "FORMS",
    "Form",
    "Raw",
    "Record",
    "docx",
    "encoded",
    "gzipped",
    "pdf",
    "pdf_page",
    "pdf_stream",
    "sheet_cells",
    "word_body",
    "xlsx",
    "zipped",
]

Record = list[tuple[str, Any]]


class Raw(str):
    """What stands in JSON as it is, valid or not."""


@dataclass(frozen=True)
class Form:
    """A format: the text (or table) inside, and what is packed around it."""

    name: str
    suffix: str
    records: Callable[[Random], list[Record]]
    write: Callable[[list[Record]], bytes]
    pack: Callable[[bytes], bytes] = bytes


# --- records ----------------------------------------------------------------------------------------------------------

_QUESTIONS = ("What is hypertension?", "青光眼是什么？", "How often should eyes be checked?", "老花眼怎么办，需要手术吗？")
_ANSWERS = (
    "A lasting rise of blood pressure.",
    "一种损害视神经的眼病，应尽早检查眼压。",
    "Every two years.",
    "通常配一副合适的眼镜即可。",
)


def _pair(rng: Random, index: int) -> tuple[str, str]:
    at = rng.randrange(len(_QUESTIONS))
    return f"{_QUESTIONS[at]} ({index})", _ANSWERS[at]


def flat(rng: Random) -> list[Record]:
    """Alpaca's columns: what a table can hold."""
    return [
        [("instruction", question), ("input", ""), ("output", answer)]
        for question, answer in (_pair(rng, index) for index in range(rng.randint(3, 12)))
    ]


def nested(rng: Random) -> list[Record]:
    """One of the shapes that only JSON can hold, or a flat one."""
    shape = rng.choice((_chat, _sharegpt, _dpo, _alpaca))
    return [shape(*_pair(rng, index)) for index in range(rng.randint(3, 12))]


def _chat(question: str, answer: str) -> Record:
    return [("messages", [{"role": "user", "content": question}, {"role": "assistant", "content": answer}])]


def _sharegpt(question: str, answer: str) -> Record:
    return [("conversations", [{"from": "human", "value": question}, {"from": "gpt", "value": answer}])]


def _dpo(question: str, answer: str) -> Record:
    return [("prompt", question), ("chosen", answer), ("rejected", "No.")]


def _alpaca(question: str, answer: str) -> Record:
    return [("instruction", question), ("input", ""), ("output", answer)]


# --- text -------------------------------------------------------------------------------------------------------------


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def dumps(value: Any) -> str:
    """JSON with `Raw` as it stands and records as objects, names that are there twice too."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=any("\ud800" <= sign <= "\udfff" for sign in value[:1000]))
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return "{" + ", ".join(f"{dumps(name)}: {dumps(item)}" for name, item in value) + "}"
    return json.dumps(value, ensure_ascii=False)


def _jsonl(records: list[Record]) -> bytes:
    return encoded("".join(dumps(record) + "\n" for record in records))


def _json_array(records: list[Record]) -> bytes:
    return encoded("[\n" + ",\n".join(map(dumps, records)) + "\n]\n")


def _json_columns(records: list[Record]) -> bytes:
    columns = [(name, f"[{', '.join(dumps(record[index][1]) for record in records)}]") for index, name in _header(records)]
    return encoded(dumps([(name, Raw(cells)) for name, cells in columns]))


def _header(records: list[Record]) -> Iterable[tuple[int, str]]:
    """The names of the first record; the others have as many cells."""
    return [(index, name) for index, (name, _) in enumerate(records[0])]


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _separated(delimiter: str, encoding: str) -> Callable[[list[Record]], bytes]:
    def write(records: list[Record]) -> bytes:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter)
        writer.writerow([name for _, name in _header(records)])
        writer.writerows([_text_of(value) for _, value in record] for record in records)
        return encoded(out.getvalue()) if encoding == "utf-8" else out.getvalue().encode(encoding, "replace")

    return write


#: Documents know no columns: a record of a hundred thousand cells is as many pieces, which is long and not hostile.
_MAX_PIECES = 2_000


def _pieces(record: Record) -> Iterable[tuple[str, str]]:
    return ((name, _text_of(value)) for name, value in record[:_MAX_PIECES])


def _plain(records: list[Record]) -> bytes:
    return encoded("\n\n".join("\n".join(value for _, value in _pieces(record)) for record in records))


def _markdown(records: list[Record]) -> bytes:
    parts = (f"## {name}\n\n{value}\n" for record in records for name, value in _pieces(record))
    return encoded("# Notes\n\n" + "\n".join(parts))


def _html(records: list[Record]) -> bytes:
    parts = (f"<h2>{escape(name)}</h2><p>{escape(value)}</p>" for record in records for name, value in _pieces(record))
    return encoded("<!doctype html><html><head><meta charset=utf-8></head><body>" + "\n".join(parts) + "</body></html>")


# --- tables -----------------------------------------------------------------------------------------------------------


def _table(records: list[Record]) -> Any:
    columns = [
        # By way of bytes, since Arrow would refuse to make text that is no UTF-8; a file may hold it all the same.
        pa.array([encoded(_text_of(record[index][1])) for record in records], pa.binary()).view(pa.string())
        for index, _ in _header(records)
    ]
    return pa.Table.from_arrays(columns, [name.encode("utf-8", "replace").decode() for _, name in _header(records)])


def _parquet(records: list[Record]) -> bytes:
    out = io.BytesIO()
    pq.write_table(_table(records), out)
    return out.getvalue()


def _arrow(records: list[Record]) -> bytes:
    table, out = _table(records), io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as file:
        file.write_table(table)
    return out.getvalue()


# --- archives ---------------------------------------------------------------------------------------------------------


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # a ZipInfo of its own has no clock in it
    return out.getvalue()


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


# --- office -----------------------------------------------------------------------------------------------------------

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/{main}" ContentType="{type}"/></Types>'
)
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" Target="{target}"/></Relationships>'
)
_OFFICE = "application/vnd.openxmlformats-officedocument"
_SHEET_NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_WORD_NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_BOOK = (
    f'<workbook xmlns="{_SHEET_NAMESPACE}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
)


def xlsx(sheet: bytes, **more: bytes) -> bytes:
    """A workbook around one sheet's XML; `more` are parts of the folder `xl` by name, without their suffix."""
    main = _TYPES.format(main="xl/workbook.xml", type=f"{_OFFICE}.spreadsheetml.sheet.main+xml")
    return zipped(
        {
            "[Content_Types].xml": main.encode(),
            "_rels/.rels": _RELATIONS.format(kind="officeDocument", target="xl/workbook.xml").encode(),
            "xl/workbook.xml": _BOOK.encode(),
            "xl/_rels/workbook.xml.rels": _RELATIONS.format(kind="worksheet", target="worksheets/sheet1.xml").encode(),
            "xl/worksheets/sheet1.xml": sheet,
            **{f"xl/{name}.xml": part for name, part in more.items()},
        }
    )


def sheet_cells(rows: str, before: str = "", after: str = "") -> bytes:
    """A sheet's XML: `before` its data stands its dimension, `after` them its merged cells."""
    return encoded(
        f'<?xml version="1.0"?><worksheet xmlns="{_SHEET_NAMESPACE}">{before}<sheetData>{rows}</sheetData>{after}</worksheet>'
    )


def _sheet(records: list[Record]) -> bytes:
    lines = [[name for _, name in _header(records)], *([_text_of(value) for _, value in record] for record in records)]
    rows = (
        f'<row r="{number}">' + "".join(f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in line) + "</row>"
        for number, line in enumerate(lines, start=1)
    )
    return sheet_cells("".join(rows))


def docx(document: bytes, **more: bytes) -> bytes:
    main = _TYPES.format(main="word/document.xml", type=f"{_OFFICE}.wordprocessingml.document.main+xml")
    return zipped(
        {
            "[Content_Types].xml": main.encode(),
            "_rels/.rels": _RELATIONS.format(kind="officeDocument", target="word/document.xml").encode(),
            "word/document.xml": document,
            **{f"word/{name}.xml": part for name, part in more.items()},
        }
    )


def word_body(body: str, before: str = "") -> bytes:
    return encoded(f'<?xml version="1.0"?>{before}<w:document xmlns:w="{_WORD_NAMESPACE}"><w:body>{body}</w:body></w:document>')


def _document(records: list[Record]) -> bytes:
    texts = (text for record in records for piece in _pieces(record) for text in piece)
    return word_body("".join(f"<w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p>" for text in texts))


# --- PDF --------------------------------------------------------------------------------------------------------------


def pdf(objects: dict[int, bytes], trailer: bytes = b"") -> bytes:
    """Objects by number (1 is the catalogue) with a correct table of places."""
    out = bytearray(b"%PDF-1.4\n")
    places = {}
    for number, value in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, value)
    size, start = max(objects) + 1, len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    out += b"".join(b"%010d 00000 n \n" % places.get(number, 0) for number in range(1, size))
    return bytes(out) + b"trailer\n<< /Size %d /Root 1 0 R %b >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start)


def pdf_stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(data), more, data)


def pdf_page(contents: int, parent: int = 2) -> bytes:
    fonts = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    return b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 600 800] /Resources %b /Contents %d 0 R >>" % (parent, fonts, contents)


def _pages(records: list[Record]) -> bytes:
    """One stream of drawing commands a page, divided by form feeds."""
    return b"\f".join(
        b"BT /F1 12 Tf 50 700 Td 14 TL " + b" ".join(_shown(value) for _, value in _pieces(record)) + b" ET" for record in records
    )


def _shown(text: str) -> bytes:
    plain = text.encode("latin-1", "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"(%b) Tj T*" % plain


def _pdf_of_pages(streams: bytes) -> bytes:
    contents = streams.split(b"\f")[:200]
    numbers = range(3, 3 + 2 * len(contents), 2)
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(contents))}
    for number, content in zip(numbers, contents, strict=True):
        objects |= {number: pdf_page(number + 1), number + 1: pdf_stream(zlib.compress(content, 1), b"/Filter /FlateDecode")}
    return pdf(objects)


# --- all of them ------------------------------------------------------------------------------------------------------


def _in_zip(data: bytes) -> bytes:
    return zipped({"rows/train.jsonl": data, "rows/test.jsonl": data, "README.md": b"# Rows\n\nMade up.\n"})


FORMS = {
    form.name: form
    for form in (
        Form("jsonl", ".jsonl", nested, _jsonl),
        Form("json array", ".json", nested, _json_array),
        Form("json columns", ".json", flat, _json_columns),
        Form("csv", ".csv", flat, _separated(",", "utf-8")),
        Form("tsv", ".tsv", flat, _separated("\t", "utf-8")),
        Form("csv in gbk", ".csv", flat, _separated(";", "gbk")),
        Form("parquet", ".parquet", flat, _parquet),
        Form("arrow", ".arrow", flat, _arrow),
        Form("xlsx", ".xlsx", flat, _sheet, xlsx),
        Form("text", ".txt", flat, _plain),
        Form("markdown", ".md", flat, _markdown),
        Form("docx", ".docx", flat, _document, docx),
        Form("pdf", ".pdf", flat, _pages, _pdf_of_pages),
        Form("html", ".html", flat, _html),
        Form("zip", ".zip", nested, _jsonl, _in_zip),
        Form("zip in zip", ".zip", nested, _jsonl, lambda data: zipped({"inner.zip": _in_zip(data)})),
        Form("gzip", ".jsonl.gz", nested, _jsonl, gzipped),
    )
}
