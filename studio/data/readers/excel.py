"""Workbooks (xlsx, xlsb, xls, ods) to records of text, as the cells are seen. Runs in a process of its own (`guard`)."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from python_calamine import CalamineSheet, CalamineWorkbook, PasswordError

from studio.data.readers import base
from studio.data.readers.base import MAX_COLUMNS, FileReason, Found, Opened, ReadOptions, Refused, column_names
from studio.errors import DataError

__all__ = ["open_file"]

_HEAD_ROWS = 30
_MAX_SHEETS = 100  # that a person can choose from
_MAX_MERGED = 10_000

Row = tuple[int, list[str]]
"""A row's number as the spreadsheet shows it, and its cells."""


def open_file(path: Path, name: str, form: str, options: ReadOptions, known: frozenset[str]) -> Opened:
    """The sheet that was asked for, or the first one that holds anything."""
    try:
        book = CalamineWorkbook.from_path(str(path))
    except PasswordError:
        raise DataError("error.data.locked_document", field="file", name=name) from None
    names = list(book.sheet_names)
    if options.sheet is not None and options.sheet not in names:
        raise DataError("error.data.no_sheet", field="sheet", name=name, sheet=options.sheet[:100], sheets=", ".join(names[:50]))
    for sheet_name in [options.sheet] if options.sheet is not None else names:
        sheet = book.get_sheet_by_name(sheet_name)
        rows = _rows(sheet)
        head = list(itertools.islice(rows, _HEAD_ROWS))
        if head:
            break
    else:
        raise DataError("error.data.empty_file", field="file", name=name)
    reason = FileReason("data.file.excel", {"n_sheets": len(names), "sheet": sheet_name, "sheets": ", ".join(names[:20])})
    at, is_header = _header(head, known, options.header)
    width = max(len(cells) for _, cells in head)
    header = head[at][1] if is_header else [""] * width
    reasons = [reason, FileReason("data.file.header_row", {"row": head[at][0]})] if is_header else [reason, _no_header(head[at])]
    records = _records(column_names(header), itertools.chain(head[at + is_header :], rows))
    return Opened(records, reasons, replace(options, sheet=sheet_name, header=is_header), tuple(names[:_MAX_SHEETS]))


def _no_header(first: Row) -> FileReason:
    return FileReason("data.file.no_header", {"found": " | ".join(cell[:40] for cell in first[1][:10])})


def _rows(sheet: CalamineSheet) -> Iterator[Row]:
    """The rows that hold anything. A cell that is merged over several rows counts for all of them; a row that is merged into a
    single cell is a title and no row of a table.
    """
    if sheet.width > MAX_COLUMNS:
        raise DataError("error.data.too_many_columns", field="file", found=sheet.width, limit=MAX_COLUMNS)
    merged = (sheet.merged_cell_ranges or [])[:_MAX_MERGED]
    titles = {start[0] for start, end in merged if end[1] > start[1]}
    tall = {start: end[0] for start, end in merged if end[0] > start[0] and end[1] == start[1]}
    left = sheet.start[1] if sheet.start else 0  # cells count from the first column that holds anything, rows from the top
    held: dict[int, tuple[int, str]] = {}  # by column: up to which row, and what
    for row, cells in enumerate(sheet.iter_rows()):
        if cells.count("") == len(cells):  # a sheet with one cell in its last row has a million of these
            continue
        texts = [_text(cell) for cell in cells]
        n_filled = sum(bool(text.strip()) for text in texts)
        for column, text in enumerate(texts) if tall else ():
            if (last := tall.get((row, column + left))) is not None:
                held[column] = (last, text)
            elif row <= held.get(column, (-1, ""))[0] and n_filled:
                texts[column] = held[column][1]
        if n_filled > (row in titles):
            yield row + 1, texts


def _text(value: Any) -> str:
    """A cell as it is seen: whole numbers without a point, dates without a midnight."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return "" if value is None else str(value)


def _header(head: list[Row], known: frozenset[str], wanted: bool | None) -> tuple[int, bool]:
    """Which row names the columns, and whether any does.

    A row with a known name; else the first that is at least half as full as the fullest and does not look like data.
    """
    if wanted is False:
        return 0, False
    counts = [sum(bool(cell.strip()) for cell in cells) for _, cells in head]
    first_full = next(index for index, count in enumerate(counts) if count * 2 >= max(counts))
    with_names = (index for index, (_, cells) in enumerate(head[:10]) if base.n_known(cells, known))
    at = next(with_names, None)
    if at is not None:
        return at, True
    names = [cell for cell in head[first_full][1] if cell.strip()]
    if wanted is None and base.looks_like_data(names):
        return first_full, False
    return first_full, True


def _records(names: list[str], rows: Iterator[Row]) -> Iterator[Found | Refused]:
    """Cells without a name are kept where they hold something."""
    width = len(names)
    named = [name != base.numbered(index) for index, name in enumerate(names)]
    for number, cells in rows:
        names_here = names + [base.numbered(index) for index in range(width, len(cells))]
        record = {
            name: cell
            for index, (name, cell) in enumerate(zip(names_here, cells, strict=False))
            if cell.strip() or (index < width and named[index])
        }
        yield Found(number, record)
