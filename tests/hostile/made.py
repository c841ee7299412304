"""Files that are made to harm one format's reader: bombs, loops, sizes that lie, ways out of a folder.

Each takes a generator and a mark: whatever is written outside of its place can be known by it.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.archives import GZIPS, ZIPS
from tests.hostile.seeds import FORMS, docx, encoded, pdf, pdf_page, pdf_stream, sheet_cells, word_body, xlsx

__all__ = ["MADE"]

Make = Callable[[Random, str], bytes]

_LAUGHS = "".join(f'<!ENTITY l{index} "{f"&l{index - 1};" * 10}">' for index in range(1, 10))
_LAUGHTER = f'<!DOCTYPE x [<!ENTITY l0 "ha">{_LAUGHS}]>'
_OUTSIDE = '<!DOCTYPE x [<!ENTITY l9 SYSTEM "file:///etc/passwd"><!ENTITY % dtd SYSTEM "http://127.0.0.1:9/x.dtd"> %dtd;]>'
_MIB = 2**20


def _good(name: str, rng: Random) -> bytes:
    form = FORMS[name]
    return form.pack(form.write(form.records(rng)))


# --- Excel ------------------------------------------------------------------------------------------------------------

_HEADER = (
    "<row>" + "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("instruction", "input", "output")) + "</row>"
)
_STRINGS = '<?xml version="1.0"?>{before}<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{strings}</sst>'


def _xlsx_laughs(rng: Random, mark: str) -> bytes:
    doctype = rng.choice((_LAUGHTER, _OUTSIDE))
    strings = _STRINGS.format(before=doctype, strings="<si><t>&l9;</t></si>")
    sheet = sheet_cells(_HEADER + '<row><c t="s"><v>0</v></c></row>')
    if rng.random() < 0.5:
        return xlsx(encoded(doctype) + sheet.replace(b"<v>0</v>", b"<v>&l9;</v>"))
    return xlsx(sheet, sharedStrings=encoded(strings))


def _xlsx_dimension(rng: Random, mark: str) -> bytes:
    """A sheet that claims 1,048,576 × 16,384 cells, or that has one in its last corner."""
    claims = '<dimension ref="A1:XFD1048576"/>'
    corner = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    more = rng.choice(
        (
            "",
            corner,
            '<row r="1048576"><c r="A1048576"><v>1</v></c></row>',
            '<row r="4294967295"><c r="ZZZZZZ1"><v>1</v></c></row>',
        )
    )
    return xlsx(sheet_cells(_HEADER + more, claims if not more or rng.random() < 0.5 else ""))


def _xlsx_strings(rng: Random, mark: str) -> bytes:
    """An index into shared strings that are not there."""
    index = rng.choice(("5", "-1", "99999999999999999999", "1e9", "x", ""))
    return xlsx(
        sheet_cells(f'{_HEADER}<row><c t="s"><v>{index}</v></c></row>'),
        sharedStrings=encoded(_STRINGS.format(before="", strings="")),
    )


def _xlsx_merged(rng: Random, mark: str) -> bytes:
    ranges = "".join(f'<mergeCell ref="A{index}:XFD{index + 1_000_000}"/>' for index in range(1, rng.choice((2, 30_000))))
    return xlsx(sheet_cells(_HEADER + "<row><c><v>1</v></c></row>", after=f"<mergeCells>{ranges}</mergeCells>"))


def _xlsx_bomb(rng: Random, mark: str) -> bytes:
    """A sheet of 150 MB that packs to next to nothing."""
    return xlsx(
        sheet_cells(_HEADER + "<row><c><v>1</v></c></row>" * (150_000_000 // 30))
        if rng.random() < 0.5
        else sheet_cells(" " * 150_000_000)
    )


# --- Word -------------------------------------------------------------------------------------------------------------

_PARAGRAPH = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"


def _docx_entities(rng: Random, mark: str) -> bytes:
    return docx(word_body(_PARAGRAPH.format("&l9;"), rng.choice((_LAUGHTER, _OUTSIDE))))


def _docx_tables(rng: Random, mark: str) -> bytes:
    """10,000 tables, each in a cell of the one before."""
    return docx(word_body("<w:tbl><w:tr><w:tc>" * 10_000 + _PARAGRAPH.format("deep") + "</w:tc></w:tr></w:tbl>" * 10_000))


def _docx_spans(rng: Random, mark: str) -> bytes:
    """Cells that claim to be as wide as a million others."""
    span = f'<w:tcPr><w:gridSpan w:val="{rng.choice((1_000_000, 2_000_000_000, -1))}"/></w:tcPr>'
    row = f"<w:tr><w:tc>{span}{_PARAGRAPH.format('wide')}</w:tc></w:tr>"
    return docx(word_body(f"<w:tbl><w:tblGrid/>{row * rng.choice((1, 100))}</w:tbl>"))


def _docx_bomb(rng: Random, mark: str) -> bytes:
    return docx(
        word_body(_PARAGRAPH.format("a") * (100_000_000 // 40))
        if rng.random() < 0.5
        else word_body(_PARAGRAPH.format("a" * 150_000_000))
    )


# --- PDF --------------------------------------------------------------------------------------------------------------

_CATALOGUE = b"<< /Type /Catalog /Pages 2 0 R >>"
_ONE_PAGE = {1: _CATALOGUE, 2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", 3: pdf_page(4)}
_TEXT = b"BT /F1 12 Tf 50 700 Td (A page with some text.) Tj ET"


def _pdf_loop(rng: Random, mark: str) -> bytes:
    """A tree of pages that contains itself; a table of places that comes before itself."""
    if rng.random() < 0.3:
        data = pdf({**_ONE_PAGE, 4: pdf_stream(_TEXT)})
        return data.replace(b"/Root", b"/Prev %d /Root" % data.rfind(b"xref\n0"))
    kids = rng.choice((b"[2 0 R]", b"[2 0 R 2 0 R]", b"[3 0 R]", b"2 0 R"))
    loop = b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 /Parent 2 0 R >>"
    return pdf({1: _CATALOGUE, 2: b"<< /Type /Pages /Kids %b /Count 2 >>" % kids, 3: loop})


def _pdf_lengths(rng: Random, mark: str) -> bytes:
    """Streams that claim more than the file has."""
    length = rng.choice((b"2147483647", b"99999999999999999999", b"-1", b"4 0 R", b"null"))
    stream = pdf_stream(_TEXT).replace(b"/Length %d" % len(_TEXT), b"/Length " + length)
    return pdf({**_ONE_PAGE, 4: stream})


def _pdf_pages(rng: Random, mark: str) -> bytes:
    """A million pages are claimed; or a thousand entries lead to one page."""
    kids = b"[%b]" % (b"3 0 R " * rng.choice((1, 1_000, 1_000_000)))
    return pdf({**_ONE_PAGE, 2: b"<< /Type /Pages /Kids %b /Count 1000000 >>" % kids, 4: pdf_stream(_TEXT)})


def _pdf_locked(rng: Random, mark: str) -> bytes:
    locked = b"<< /Filter /%b /V %d /R %d /Length 128 /O (%b) /U (%b) /P -1 >>"
    kind = rng.choice(((b"Standard", 2, 3), (b"Standard", 5, 6), (b"Standard", 99, 99), (b"Own", 1, 2)))
    encryption = locked % (*kind, b"o" * 32, b"u" * 32)
    return pdf({**_ONE_PAGE, 4: pdf_stream(_TEXT), 5: encryption}, b"/Encrypt 5 0 R /ID [<00> <00>]")


def _pdf_bomb(rng: Random, mark: str) -> bytes:
    """A page that unpacks to 1 GB, once or twice packed, or to as many commands."""
    packed = _zeros_packed() if rng.random() < 0.5 else zlib.compress(b"(a) Tj " * 10_000_000, 1)
    filters = b"/Filter /FlateDecode"
    if rng.random() < 0.5:
        packed, filters = zlib.compress(packed, 9), b"/Filter [/FlateDecode /FlateDecode]"
    return pdf({**_ONE_PAGE, 4: pdf_stream(packed, filters)})


@functools.cache
def _zeros_packed() -> bytes:
    return zlib.compress(bytes(1000 * _MIB), 1)


def _pdf_forms(rng: Random, mark: str) -> bytes:
    """A drawing that draws itself; arrays in arrays."""
    form = pdf_stream(b"/X Do /X Do", b"/Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources << /XObject << /X 5 0 R >> >>")
    page = _ONE_PAGE[3].replace(b"/Font", b"/XObject << /X 5 0 R >> /Font")
    if rng.random() < 0.5:
        page = page.replace(b"/MediaBox [0 0 600 800]", b"/MediaBox " + b"[" * 50_000 + b"]" * 50_000)
    return pdf({**_ONE_PAGE, 3: page, 4: pdf_stream(b"/X Do " + _TEXT), 5: form})


# --- HTML -------------------------------------------------------------------------------------------------------------


def _html_deep(rng: Random, mark: str) -> bytes:
    tag = rng.choice(("div", "table><tr><td", "b", "ul><li", "font", "a", "select", "svg"))
    return encoded(f"<!doctype html><html><body>{f'<{tag}>' * 100_000}deep")


def _html_active(rng: Random, mark: str) -> bytes:
    """Scripts, handlers, frames of other files: text at most, never run, never fetched."""
    parts = (
        "<p onclick=alert(1)>Text.</p><script>document.title = 'ran'</script><iframe src=file:///etc/passwd></iframe>",
        "<!doctype html SYSTEM 'file:///etc/passwd'><link rel=import href=/etc/passwd><p>Text.</p>",
        f"<?xml version='1.0'?>{_OUTSIDE}<html><body><p>&l9;</p></body></html>",
        "<object data=file:///etc/passwd></object><p>Text.</p><meta http-equiv=refresh content='0;url=file:///etc/passwd'>",
    )
    return encoded(f"<html><body>{rng.choice(parts)}</body></html>")


def _html_wide(rng: Random, mark: str) -> bytes:
    attributes = " ".join(f"a{index}=x" for index in range(200_000))
    return encoded(
        rng.choice(
            (
                f"<html><p {attributes}>Text.</p>",
                "<html>" + "<p>Text.&amp;&#1114112;&#xFFFFFFFFFF;" * 100_000,
                "<html><p>" + "<" * 3_000_000,
            )
        )
    )


# --- Parquet and Arrow ------------------------------------------------------------------------------------------------


def _parquet_footer(rng: Random, mark: str) -> bytes:
    """A length of the footer that lies, or a footer with bytes changed."""
    data = bytearray(_good("parquet", rng))
    if rng.random() < 0.4:
        data[-8:-4] = struct.pack("<I", rng.choice((0, 1, len(data), 2**31 - 1, 2**32 - 1)))
        return bytes(data)
    (length,) = struct.unpack("<I", data[-8:-4])
    for _ in range(rng.randint(1, 8)):
        data[len(data) - 8 - rng.randint(1, length)] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(data)


def _varint(value: int) -> bytes:
    """Thrift's way to write a whole number: zigzag, seven bits a byte."""
    value, out = value << 1, bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


_N_ROWS = 1_234_567  # its four bytes stand nowhere else in so small a file


@functools.cache
def _same_rows() -> bytes:
    out = io.BytesIO()
    values = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()).take(pa.array([0] * _N_ROWS, pa.int32())), pa.array(["a"]))
    pq.write_table(pa.table({"text": values}), out)
    return out.getvalue()


def _parquet_rows(rng: Random, mark: str) -> bytes:
    """A million equal rows in a few bytes; or as many as four bytes can claim."""
    data = _same_rows()
    return data if rng.random() < 0.3 else data.replace(_varint(_N_ROWS), _varint(2**27 - 1), rng.choice((-1, 1)))


def _parquet_sizes(rng: Random, mark: str) -> bytes:
    """A page that claims to unpack to gigabytes, in its header and in the footer."""
    out = io.BytesIO()
    text = "".join(rng.choices("abcdefgh", k=300_000))
    pq.write_table(
        pa.table({"text": [text]}),
        out,
        use_dictionary=False,
        compression=rng.choice(("snappy", "gzip", "zstd", "lz4")),
        write_statistics=False,
    )
    data = bytearray(out.getvalue())
    at = 4 + 3  # behind the magic, the page's type and the next field's sign
    end = next(index for index in range(at, at + 10) if data[index] < 0x80) + 1
    claimed = bytes(data[at:end])
    data[at:end] = _varint(2**31 - 1)
    return bytes(data) if rng.random() < 0.5 else bytes(data).replace(claimed, b"\xff" * (len(claimed) - 1) + b"\x7f")


def _arrow_lengths(rng: Random, mark: str) -> bytes:
    """Lengths of the schema, of a batch and of its buffers that lie."""
    data = bytearray(_good("arrow", rng))
    places = [12, len(data) - 10, *(rng.randrange(8, len(data) - 10) // 4 * 4 for _ in range(3))]
    for at in rng.sample(places, rng.randint(1, 3)):
        data[at : at + 4] = struct.pack("<i", rng.choice((0, -1, 2**31 - 1, -(2**31), 2**24 + 1, len(data))))
    return bytes(data)


def _arrow_bomb(rng: Random, mark: str) -> bytes:
    """One batch of 600 MB packed to next to nothing, as file or as stream."""
    values = pa.array(["a" * 30_000]).take(pa.array([0] * 20_000, pa.int32()))
    table, out = pa.table({"text": values}), io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    make = pa.ipc.new_file if rng.random() < 0.5 else pa.ipc.new_stream
    with make(out, table.schema, options=options) as file:
        file.write_table(table)
    return out.getvalue()


# --- text -------------------------------------------------------------------------------------------------------------


def _csv_wide(rng: Random, mark: str) -> bytes:
    """A million commas, empty names, a header and nothing, quotes in quotes."""
    good = _good("csv", rng)
    return rng.choice(
        (good + b"," * 1_000_000, b"," * 1_000_000 + b"\n" + good, good.splitlines()[0], good + b'"' * 999_999, b'"a""' * 500_000)
    )


def _json_parts(rng: Random, mark: str) -> bytes:
    """A record of a million empty parts; an array of a million empty records."""
    parts = rng.choice((b"{},", b"[],", b'"",', b"0,", b"[[]],")) * 1_000_000 + b"0"
    return rng.choice((b"[%b]", b'{"messages": [%b]}', b'{"a": [%b]}', b'[{"instruction": "Q?", "output": [%b]}]')) % parts


def _md_headings(rng: Random, mark: str) -> bytes:
    """100,000 headings; a fence that never ends; a million quotes."""
    return rng.choice(
        (
            b"# Heading\n" * 100_000 + b"text",
            b"```\n" + b"# a\n" * 100_000,
            b"> " * 1_000_000,
            b"#" * 1_000_000,
            b"## a\n\nb\n" * 20_000,
        )
    )


MADE: dict[str, dict[str, Make]] = {
    "xlsx": {
        "laughs": _xlsx_laughs,
        "dimension": _xlsx_dimension,
        "strings": _xlsx_strings,
        "merged": _xlsx_merged,
        "bomb": _xlsx_bomb,
    },
    "docx": {"entities": _docx_entities, "tables": _docx_tables, "spans": _docx_spans, "bomb": _docx_bomb},
    "pdf": {
        "loop": _pdf_loop,
        "lengths": _pdf_lengths,
        "pages": _pdf_pages,
        "locked": _pdf_locked,
        "bomb": _pdf_bomb,
        "forms": _pdf_forms,
    },
    "html": {"deep": _html_deep, "active": _html_active, "wide": _html_wide},
    "parquet": {"footer": _parquet_footer, "rows": _parquet_rows, "sizes": _parquet_sizes},
    "arrow": {"lengths": _arrow_lengths, "bomb": _arrow_bomb},
    "csv": {"wide": _csv_wide},
    "jsonl": {"parts": _json_parts},
    "json array": {"parts": _json_parts},
    "markdown": {"headings": _md_headings},
    "zip": ZIPS,
    "gzip": GZIPS,
}
