"""Real files of every format, written as the programs of this world write them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

import docx
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

Cells = Mapping[str, str | int | float]
"""Cells of a sheet by their names, such as B2."""

_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def xlsx(sheets: Mapping[str, Cells], merged: tuple[str, ...] = (), dates: tuple[str, ...] = ()) -> bytes:
    """A workbook (ECMA-376, part 1). `dates` are cells whose number is shown as a date."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'/>")
        book = f"<Relationship Id='b' Type='{_OFFICE}/officeDocument' Target='xl/workbook.xml'/>"
        archive.writestr("_rels/.rels", f"<Relationships xmlns='{_RELATIONS}'>{book}</Relationships>")
        named = "".join(f"<sheet name='{escape(name)}' sheetId='{n}' r:id='r{n}'/>" for n, name in enumerate(sheets, 1))
        archive.writestr("xl/workbook.xml", f"<workbook xmlns='{_SHEET}' xmlns:r='{_OFFICE}'><sheets>{named}</sheets></workbook>")
        sheet = "<Relationship Id='r{n}' Type='{kind}/worksheet' Target='worksheets/{n}.xml'/>"
        related = "".join(sheet.format(n=n, kind=_OFFICE) for n in range(1, len(sheets) + 1))
        related += f"<Relationship Id='s' Type='{_OFFICE}/styles' Target='styles.xml'/>"
        archive.writestr("xl/_rels/workbook.xml.rels", f"<Relationships xmlns='{_RELATIONS}'>{related}</Relationships>")
        formats = "<cellXfs><xf numFmtId='0'/><xf numFmtId='14'/></cellXfs>"
        archive.writestr("xl/styles.xml", f"<styleSheet xmlns='{_SHEET}'>{formats}</styleSheet>")
        for number, cells in enumerate(sheets.values(), start=1):
            rows: dict[int, str] = {}
            for place, value in cells.items():
                row = int(place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
                style = " s='1'" if place in dates else ""
                text = f"<is><t>{escape(value)}</t></is>" if isinstance(value, str) else f"<v>{value}</v>"
                kind = " t='inlineStr'" if isinstance(value, str) else ""
                rows[row] = rows.get(row, "") + f"<c r='{place}'{kind}{style}>{text}</c>"
            data = "".join(f"<row r='{row}'>{inner}</row>" for row, inner in sorted(rows.items()))
            ranges = "".join(f"<mergeCell ref='{area}'/>" for area in merged)
            tail = f"<mergeCells>{ranges}</mergeCells>" if merged else ""
            body = f"<worksheet xmlns='{_SHEET}'><sheetData>{data}</sheetData>{tail}</worksheet>"
            archive.writestr(f"xl/worksheets/{number}.xml", body)
    return out.getvalue()


def pdf(pages: list[str | None]) -> bytes:
    """A PDF (ISO 32000-1) whose letters are named by a ToUnicode map, as Chinese ones are; None is a scanned page."""
    signs = sorted({sign for text in pages for sign in text or ""})
    codes = {sign: code for code, sign in enumerate(signs, start=1)}
    lines = "\n".join(f"<{code:04X}> <{sign.encode('utf-16-be').hex().upper()}>" for sign, code in codes.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def 1 begincodespacerange <0000> <FFFF> "
        f"endcodespacerange\n{len(codes)} beginbfchar\n{lines}\nendbfchar endcmap end end"
    )
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        3: "<< /Type /Font /Subtype /Type0 /BaseFont /F /Encoding /Identity-H /DescendantFonts [4 0 R] /ToUnicode 5 0 R >>",
        4: "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /F >>",
        5: f"<< /Length {len(cmap)} >> stream\n{cmap}\nendstream",
        6: "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /Length 1 >> stream\n0\nendstream",
    }
    kids = []
    for number, text in enumerate(pages):
        page, content = 10 + 2 * number, 11 + 2 * number
        shown = "".join(f"{codes[sign]:04X}" for sign in text or "")
        drawn = f"BT /F 12 Tf 50 700 Td <{shown}> Tj ET" if text else "/I Do" if text is None else ""
        objects[content] = f"<< /Length {len(drawn)} >> stream\n{drawn}\nendstream"
        resources = "<< /XObject << /I 6 0 R >> >>" if text is None else "<< /Font << /F 3 0 R >> >>"
        objects[page] = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {content} 0 R /Resources {resources} >>"
        kids.append(f"{page} 0 R")
    objects[2] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out = b"%PDF-1.7\n"
    places = {}
    for number, body in sorted(objects.items()):
        places[number] = len(out)
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(out)
    table = "".join(f"{number} 1\n{place:010d} 00000 n \n" for number, place in places.items())
    return out + f"xref\n0 1\n0000000000 65535 f \n{table}trailer << /Size 99 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()


def word(path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("序言")
    document.add_heading("第一章", level=1)
    document.add_paragraph("什么是高血压？")
    document.add_heading("症状", level=2)
    document.add_paragraph("头晕。")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip((cell for row in table.rows for cell in row.cells), ("药", "剂量", "甲", "5 mg"), strict=True):
        cell.text = text
    document.add_heading("第二章", level=1)
    document.add_paragraph("结束。")
    document.save(str(path))


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def arrow_file(table: pa.Table) -> bytes:
    out = io.BytesIO()
    feather.write_feather(table, out)
    return out.getvalue()


def arrow_stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()
