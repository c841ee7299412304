"""CSV and TSV: delimiter, quotation mark and header found by looking at the beginning, records one by one with their lines."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from studio.data.cells import MARK, unescaped
from studio.data.readers import base
from studio.data.readers.base import MAX_COLUMNS, FileReason, Found, Opened, ReadOptions, Refused, column_names, refused
from studio.errors import DataError

__all__ = ["head_of", "looks_like_a_table", "open_csv"]

_DELIMITERS = (",", "\t", ";", "|")
_HEAD_CHARS = 200_000
_HEAD_RECORDS = 50

# The csv module knows only one limit for the whole process, 128 KiB by default: too little for a document in a cell.
csv.field_size_limit(base.MAX_RECORD_CHARS)


def open_csv(path: Path, name: str, encoding: str, options: ReadOptions, known: frozenset[str]) -> Opened:
    """`known` are the column names that make a first line a header, whatever else it says.

    Raises DataError for an empty table, two columns of one name, too many columns.
    """
    head = head_of(path, encoding)
    quote = _quote(head) if options.quote is None else options.quote
    lines, delimiter = _best(head, quote, known, options.delimiter)
    if not lines:
        raise DataError("error.data.csv_broken", field="file", line=1, reason="unexpected end of data")
    first = lines[0]
    is_header = options.header
    if is_header is None:
        is_header = bool(base.n_known(first, known)) or not base.looks_like_data(first)
    names = column_names(first if is_header else [""] * len(first))
    used = replace(options, encoding=encoding, delimiter=delimiter, quote=quote, header=is_header)
    return Opened(_records(path, names, used), [_what(delimiter, quote), *_header_reason(is_header, first)], used)


def _what(delimiter: str, quote: str) -> FileReason:
    return FileReason("data.file.csv", {"delimiter": "Tab" if delimiter == "\t" else delimiter, "quote": quote or "–"})


def _header_reason(is_header: bool, first: list[str]) -> list[FileReason]:
    if is_header:
        return []
    return [FileReason("data.file.no_header", {"found": " | ".join(cell.strip()[:40] for cell in first[:10])})]


# --- the beginning ----------------------------------------------------------------------------------------------------


def head_of(path: Path, encoding: str) -> list[str]:
    """The first lines, with their ends, blank ones too; a last line that is cut is left out, unless it is the only one."""
    with path.open(encoding=encoding, newline="") as file:
        text = file.read(_HEAD_CHARS)
        is_whole = not file.read(1)
    lines = list(io.StringIO(text, newline=""))  # splitlines would know more line ends than files do
    return lines if is_whole or len(lines) < 2 else lines[:-1]


def looks_like_a_table(path: Path, encoding: str, known: frozenset[str]) -> bool:
    """Whether a text whose name says nothing is a table: known names in the first line, or the same two or more cells in three
    lines under a line of names.
    """
    head = head_of(path, encoding)
    lines, _ = _best(head, _quote(head), known, None)
    if not lines or len(lines[0]) < 2:
        return bool(lines) and len(lines) > 1 and bool(base.n_known(lines[0], known))
    if base.n_known(lines[0], known):
        return True
    is_even = len(lines) >= 3 and len({len(line) for line in lines}) == 1
    return is_even and not base.looks_like_data(lines[0])


def _quote(head: list[str]) -> str:
    """The quotation mark: `'` only where every line has cells in it and none has cells in `"`."""
    text = "".join(head)
    n_single, n_double = (sum(text.count(f"{mark}{delimiter}{mark}") for delimiter in _DELIMITERS) for mark in "'\"")
    return "'" if n_single >= sum(bool(line.strip()) for line in head) > 0 == n_double else '"'


def _best(head: list[str], quote: str, known: frozenset[str], wanted: str | None) -> tuple[list[list[str]], str]:
    """The records under the delimiter by which most cells of the first line are known names, then most lines are alike, then
    most cells are made.
    """

    def score(choice: tuple[list[list[str]], str]) -> tuple[int, float, int]:
        lines, _ = choice
        width = len(lines[0]) if lines else 0
        same = sum(len(line) == width for line in lines) / max(1, len(lines))
        return base.n_known(lines[0] if lines else [], known), same if width > 1 else 0.0, width

    delimiters = (wanted,) if wanted else _DELIMITERS
    return max(((_head_records(head, delimiter, quote), delimiter) for delimiter in delimiters), key=score)


def _head_records(head: list[str], delimiter: str, quote: str) -> list[list[str]]:
    """Up to 50 records under one delimiter; those before the first that this delimiter breaks."""
    records: list[list[str]] = []
    try:
        for cells in csv.reader(head, **_dialect(delimiter, quote)):
            records += [cells] if any(cell.strip() for cell in cells) else []
            if len(records) == _HEAD_RECORDS:
                break
    except csv.Error:
        pass  # the reading proper reports it, with its line
    return records


def _dialect(delimiter: str, quote: str) -> dict[str, Any]:
    quoting: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    return {"delimiter": delimiter, "strict": True, **quoting}


# --- records ----------------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a file, none longer than a record may be: the csv module would take a line of gigabytes as it comes. Goes on
    behind a line that was too long.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.limit = base.MAX_RECORD_CHARS

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        text = self._file.readline(self.limit + 1)
        if not text:
            raise StopIteration
        if len(text) > self.limit:
            while text and not text.endswith(("\n", "\r")):
                text = self._file.readline(1 << 20)
            raise DataError("error.data.record_too_long", limit=self.limit)
        return text


def _records(path: Path, names: list[str], used: ReadOptions) -> Iterator[Found | Refused]:
    assert used.delimiter is not None and used.quote is not None
    is_header, is_escaped = bool(used.header), MARK in names
    n_lost = 0  # lines that were too long are not in the reader's own count
    with path.open(encoding=used.encoding, newline="") as file:
        reader = csv.reader(_Lines(file), **_dialect(used.delimiter, used.quote))
        while True:
            number = reader.line_num + 1 + n_lost
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield refused(number, DataError("error.data.csv_broken", line=number, reason=str(error)), "")
                continue
            except DataError as error:
                n_lost += 1
                yield refused(number, error, "")
                continue
            if len(cells) > MAX_COLUMNS or len(cells) != len(names):
                if any(cell.strip() for cell in itertools.islice(cells, MAX_COLUMNS)) or len(cells) > MAX_COLUMNS:
                    yield _uneven(names, cells, number, used.delimiter)
            elif any(cell.strip() for cell in cells):
                if is_header:
                    is_header = False
                else:
                    record = dict(zip(names, cells, strict=True))
                    yield Found(number, unescaped(record) if is_escaped else record, used.delimiter.join(cells))


def _uneven(names: list[str], cells: list[str], number: int, delimiter: str) -> Refused:
    error = DataError("error.data.csv_cells", line=number, found=len(cells), expected=len(names))
    return refused(number, error, delimiter.join(cells[:100]))
