"""What every reader gives: records as the file has them, or why there is none, and what the file turned out to be.

Knows no shape and no row. A reader is a function from a path to `Opened`; its records come one by one.
"""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from studio.errors import DataError

__all__ = [
    "MAX_COLUMNS",
    "MAX_RECORD_CHARS",
    "WORDS",
    "FileReason",
    "Found",
    "Opened",
    "ReadOptions",
    "Refused",
    "column_names",
    "excerpt_of",
    "refused",
]

MAX_RECORD_CHARS = 8_000_000  # a longer "record" is a broken file, and must not fill the memory: it is copied often
MAX_COLUMNS = 1_000  # a wider table holds measurements and no training data

_EXCERPT_CHARS = 200

#: What people call a format; the same in every language.
WORDS = {"parquet": "Parquet", "arrow": "Arrow", "docx": "Word (docx)", "pdf": "PDF", "html": "HTML"} | dict.fromkeys(
    ("xlsx", "xlsb", "xls"), "Excel"
)

# Text encodings of Python's that are no encodings of files.
_NO_FILE_ENCODINGS = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem")


class FileReason(NamedTuple):
    """A message about a file: what it is, and which sign says so."""

    key: str
    params: dict[str, Any]


class Found(NamedTuple):
    """One record as the file gives it. `text` is how it stands there, as far as the format is text; `place` is where in a
    document it stands (page, heading, span); None for records of a table.
    """

    line: int
    value: Any
    text: str = ""
    place: dict[str, Any] | None = None


@dataclass(frozen=True)
class Refused:
    """A record that became no row: its line (or number, or page), the reason, how it begins."""

    line: int
    key: str
    params: dict[str, Any]
    excerpt: str


@dataclass(frozen=True)
class ReadOptions:
    """What a person has decided about a file's reading; None leaves it to the content. `quote` is "" where nothing is quoted,
    `header` says whether the first line names the columns.
    """

    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None
    sheet: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    def check(self) -> None:
        """Raise DataError for what no file can be read with."""
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in "\r\n\0\""):
            raise DataError("error.data.bad_delimiter", field="delimiter", found=self.delimiter[:20])
        if self.quote and (len(self.quote) != 1 or self.quote in "\r\n\0" or self.quote == self.delimiter):
            raise DataError("error.data.bad_quote", field="quote", found=self.quote[:20])
        if self.encoding is not None and not _is_file_encoding(self.encoding):
            raise DataError("error.data.unknown_encoding", field="encoding", encoding=self.encoding[:40])


def _is_file_encoding(name: str) -> bool:
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    is_text = getattr(codec, "_is_text_encoding", True)
    return bool(is_text) and codec.name.replace("_", "-") not in _NO_FILE_ENCODINGS


@dataclass
class Opened:
    """A file whose first bytes were good. `used` are the options as they were decided in the end, `sheets` a workbook's."""

    records: Iterator[Found | Refused]
    reasons: list[FileReason] = field(default_factory=list)
    used: ReadOptions = field(default_factory=ReadOptions)
    sheets: tuple[str, ...] = ()


def refused(line: int, error: DataError, text: str) -> Refused:
    """What is kept must be storable: a lone surrogate or a NUL may stand in the text, and in what an error quotes of it."""
    params = {name: _storable(value) if isinstance(value, str) else value for name, value in error.params.items()}
    return Refused(line, error.key, params, _storable(text[:_EXCERPT_CHARS]))


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{SYMBOL FOR NULL}")


def excerpt_of(found: Found) -> str:
    """How a record begins. Made only for records that are refused."""
    if found.text:
        return found.text
    try:
        pieces = json.JSONEncoder(ensure_ascii=False).iterencode(found.value)
        return "".join(itertools.islice(pieces, 100))
    except RecursionError:
        return ""


def column_names(cells: list[str]) -> list[str]:
    """The names in a header line; what has none is counted. Raises DataError for two of the same name."""
    if len(cells) > MAX_COLUMNS:
        raise DataError("error.data.too_many_columns", field="file", found=len(cells), limit=MAX_COLUMNS)
    names = [cell.strip() or numbered(index) for index, cell in enumerate(cells)]
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise DataError("error.data.duplicate_column", field="file", column=name[:200])
        seen.add(name.lower())
    return names


def numbered(index: int) -> str:
    return f"column {index + 1}"


def looks_like_data(header: list[str]) -> bool:
    """Whether a first line without a single known name is data and no header.

    A name is short, there once, no number and no sentence; one cell that is none of this gives data away. Only asked
    where no name is known, so that a header such as `question, What a long remark this is.` is never refused.
    """
    names = [cell.strip() for cell in header]
    if not any(names) or "" in names or len(set(names)) < len(names):
        return True
    return any(
        len(name) > 64
        or "\n" in name
        or name.endswith((".", "!", "?", "\N{IDEOGRAPHIC FULL STOP}"))
        or any(sign in name for sign in (". ", "? ", "! ", "\uff0c", "\uff1f", "\uff01", "\uff1b", "\N{IDEOGRAPHIC FULL STOP}"))
        or name.replace(".", "", 1).lstrip("+-").isdigit()
        for name in names
    )


def n_known(header: list[str], known: frozenset[str]) -> int:
    return sum(cell.strip().lower() in known for cell in header)
