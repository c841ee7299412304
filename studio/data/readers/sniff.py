"""What is this file? Its content decides; its name is a hint where the content allows both, and a contradiction is said."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

from studio.data.encodings import encoding_of
from studio.data.readers.base import FileReason, ReadOptions
from studio.data.readers.csvs import looks_like_a_table
from studio.data.readers.jsons import IsRecord, is_table
from studio.errors import DataError

__all__ = ["GUARDED", "Form", "archive_of", "form_of"]

#: Formats that other people's parsers read: in a process of their own.
GUARDED = frozenset({"parquet", "arrow", "xlsx", "xlsb", "xls", "ods", "docx", "pdf", "html"})

_SUFFIXES = {
    **dict.fromkeys(("jsonl", "ndjson"), "jsonl"),
    "json": "json",
    **dict.fromkeys(("csv", "tsv"), "csv"),
    **dict.fromkeys(("md", "markdown"), "markdown"),
    "txt": "text",
    **dict.fromkeys(("htm", "html", "xhtml"), "html"),
    **dict.fromkeys(("arrow", "feather", "ipc"), "arrow"),
    "xlsm": "xlsx",
    **{name: name for name in ("parquet", "xlsx", "xlsb", "xls", "ods", "docx", "pdf", "zip")},
    "gz": "gzip",
}

#: One member that only this kind of ZIP has.
_ZIPPED = {"xl/workbook.xml": "xlsx", "xl/workbook.bin": "xlsb", "word/document.xml": "docx"}
_ODS = b"application/vnd.oasis.opendocument.spreadsheet"
_OTHER_ZIPS = (("ppt/presentation.xml", "PPTX (PowerPoint)"), ("data.pkl", "PyTorch"), ("META-INF/container.xml", "EPUB"))

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: An archive's table of contents is read whole; ten thousand names fit into this.
_MAX_DIRECTORY_BYTES = 2**20

_HEAD_LINES = 50
_HEAD_CHARS = 1 << 20


class Form:
    """A format and, where it is text, its encoding; `reasons` say what it was told by."""

    def __init__(self, name: str, encoding: str = "", reasons: list[FileReason] | None = None) -> None:
        self.name = name
        self.encoding = encoding
        self.reasons = reasons or []


def form_of(
    path: Path, name: str, options: ReadOptions, known: frozenset[str], is_record: IsRecord
) -> Form:
    """The format of a file. `known` are column names that make a table, `is_record` tells a record from an object of columns.

    Raises DataError for an empty file, archives, binary files of other kinds, and text that no encoding decodes.
    """
    hint = _SUFFIXES.get(Path(name).suffix.lower().lstrip("."), "")
    found = binary_form(path, name)
    if found in ("zip", "gzip"):
        raise DataError("error.data.archive_inside", field="file", name=name, what="ZIP" if found == "zip" else "gzip")
    if found:
        return Form(found, "", _contradiction(hint, found, name))
    encoding, reason = encoding_of(path, name, options.encoding)
    head = _head(path, encoding)
    if not head:
        raise DataError("error.data.empty_file", field="file", name=name)
    form = _text_form(path, encoding, head, hint, known, is_record)
    return Form(form, encoding, [reason, *_contradiction(hint, form, name)])


def archive_of(path: Path) -> str | None:
    """`zip` or `gzip` where a file is an archive of other files; None for everything else, office documents too."""
    try:
        found = binary_form(path, "")
    except DataError:  # a document of some kind: its reader will say what is wrong with it
        return None
    return found if found in ("zip", "gzip") else None


def _contradiction(hint: str, form: str, name: str) -> list[FileReason]:
    if not hint or hint == form or {hint, form} == {"json", "jsonl"} or (hint == "text" and form in ("csv", "jsonl", "json")):
        return []
    return [FileReason("data.file.other_suffix", {"suffix": Path(name).suffix[:20], "what": form.upper()})]


# --- bytes ------------------------------------------------------------------------------------------------------------


def binary_form(path: Path, name: str) -> str | None:
    """The format that the first bytes promise, or None for what may be text."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_form(path, head, name)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1") or _is_arrow_stream(head):
        return "arrow"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if b"%PDF-" in head[:8] or (b"%PDF-" in head[:1024] and name.lower().endswith(".pdf")):
        return "pdf"
    return _ole_form(path, name) if head.startswith(_OLE) else None


def _is_arrow_stream(head: bytes) -> bool:
    """A continuation mark and the length of a schema: how `datasets` stores its tables."""
    return head.startswith(b"\xff\xff\xff\xff") and len(head) > 8 and 0 < struct.unpack_from("<i", head, 4)[0] < 2**24


def _ole_form(path: Path, name: str) -> str:
    """Word, Excel and others of 1997 share one container; names in it are UTF-16."""
    with path.open("rb") as file:
        data = file.read(64 * 2**20)
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise DataError("error.data.locked_document", field="file", name=name)
    if "WordDocument".encode("utf-16-le") in data:
        raise DataError("error.data.binary_file", field="file", name=name, what="DOC (Word 97)")
    return "xls"


def _zip_form(path: Path, head: bytes, name: str) -> str:
    if _ODS in head[:200]:
        return "ods"
    try:
        check_directory(path, name)
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except DataError:
        raise
    except Exception:  # a broken one: what its beginning looks like tells the reader that will say so
        return next((form for member, form in _ZIPPED.items() if member.split("/")[0].encode() + b"/" in head), "zip")
    if form := next((form for member, form in _ZIPPED.items() if member in members), None):
        return form
    if what := next((what for mark, what in _OTHER_ZIPS if any(member.endswith(mark) for member in members)), None):
        raise DataError("error.data.binary_file", field="file", name=name, what=what)
    return "zip"


def check_directory(path: Path, name: str) -> None:
    """Refuse an archive whose table of contents alone would fill the memory, before it is read."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 66_000))
        tail = file.read()
    at, at_64 = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    size = struct.unpack_from("<I", tail, at + 12)[0] if 0 <= at <= len(tail) - 16 else 0
    size_64 = struct.unpack_from("<Q", tail, at_64 + 40)[0] if 0 <= at_64 <= len(tail) - 48 else 0
    if max(size if size != 0xFFFFFFFF else 0, size_64) > _MAX_DIRECTORY_BYTES:
        raise DataError("error.data.archive_directory", field="file", name=name)


# --- text -------------------------------------------------------------------------------------------------------------


def _head(path: Path, encoding: str) -> list[str]:
    """The first 50 lines that are not blank, a mebibyte of characters at most."""
    lines: list[str] = []
    n_left = _HEAD_CHARS
    with path.open(encoding=encoding) as file:
        while len(lines) < _HEAD_LINES and (text := file.readline(_HEAD_CHARS)):
            if text.strip():
                n_left -= len(text)
                lines.append(text)
                if n_left <= 0:
                    break
    return lines


def _text_form(
    path: Path, encoding: str, head: list[str], hint: str, known: frozenset[str], is_record: IsRecord
) -> str:
    first = head[0].lstrip()
    if first[0] in "{[" and (hint not in ("markdown", "text", "csv") or _begins_json(first)):
        return _json_form(head, hint, is_record)
    if _is_html(first, head, hint):
        return "html"
    if hint in ("jsonl", "json", "csv", "markdown"):
        return hint
    if looks_like_a_table(path, encoding, known):
        return "csv"
    return "text"


def _begins_json(first: str) -> bool:
    """Whether a line that begins with a bracket goes on as JSON: `[1] is a footnote` and `{name}` do not."""
    rest = first[1:].lstrip()
    return not rest or rest[0] in '"{[]}' or first.rstrip().endswith(("]", "}"))


def _is_html(first: str, head: list[str], hint: str) -> bool:
    start = "".join(head)[:2000].lower()
    return start.lstrip().startswith(("<!doctype html", "<html")) or (
        first.startswith("<") and (hint == "html" or ("<html" in start and first.startswith(("<?xml", "<!--"))))
    )


def _json_form(head: list[str], hint: str, is_record: IsRecord) -> str:
    """`jsonl` or `json`.

    A text that begins with `{` may be JSONL or one pretty-printed object. If its first line is an object on its own,
    further lines make it JSONL; a single line is a record if some shape fits it, else an object of columns or of
    `data`. If its first line is broken, it is JSONL where most lines begin an object of their own.
    """
    first = head[0].lstrip()
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        if first[0] == "[":
            return "json"
        if not first.endswith("\n") and len(first) >= _HEAD_CHARS - 1000:
            return hint if hint == "jsonl" else "json"
        n_objects = sum(line.startswith("{") for line in head)
        return "jsonl" if n_objects * 2 > len(head) else "json"
    if len(head) > 1:
        return "jsonl"
    is_one = isinstance(value, dict) and (is_record(value) or (hint == "jsonl" and not is_table(value)))
    return "jsonl" if is_one else "json"


