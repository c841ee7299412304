"""PDF to one record a page. Runs in a process of its own (`guard`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError

from studio.data.readers.base import FileReason, Found, Opened, ReadOptions, Refused, refused
from studio.errors import DataError

__all__ = ["open_file"]

#: What is drawn on one page, unpacked. A printed page has some kilobytes; a million take a parser in Python half a second, and
#: a file is read more than once on its way in.
_MAX_PAGE_BYTES = 2**20


def open_file(path: Path, name: str, form: str, options: ReadOptions, known: frozenset[str]) -> Opened:
    reader = PdfReader(path)
    try:
        is_open = not reader.is_encrypted or bool(reader.decrypt(""))
        n_pages = len(reader.pages) if is_open else 0
    except (DependencyError, FileNotDecryptedError, NotImplementedError):
        is_open = False
    if not is_open:
        raise DataError("error.data.locked_document", field="file", name=name)
    if not n_pages:
        raise DataError("error.data.empty_file", field="file", name=name)
    return Opened(_records(reader, n_pages), [FileReason("data.file.pdf", {"n_pages": n_pages})], options)


def _records(reader: PdfReader, n_pages: int) -> Iterator[Found | Refused]:
    at = 0
    for index in range(n_pages):
        number = index + 1
        try:
            page = reader.pages[index]
            drawn = page.get_contents()
            if drawn is not None and len(drawn.get_data()) > _MAX_PAGE_BYTES:
                yield refused(number, DataError("error.data.pdf_page_heavy", page=number), "")
                continue
            text = page.extract_text().strip()
            is_picture = not text and _has_pictures(page)
        except MemoryError:
            raise
        except Exception:  # whatever a damaged page makes of a parser: the other pages are still good
            yield refused(number, DataError("error.data.pdf_page_broken", page=number), "")
            continue
        if text:
            yield Found(number, {"text": text}, "", {"page": number, "span": [at, at + len(text)]})
            at += len(text) + 1
        elif is_picture:
            yield refused(number, DataError("error.data.pdf_page_scanned", page=number), "")


def _has_pictures(page: Any) -> bool:
    """An empty page is nothing; one that shows a picture was scanned."""
    resources = page.get("/Resources")
    pictures = resources.get_object().get("/XObject") if resources else None
    return bool(pictures and pictures.get_object())
