"""Paragraphs and headings of a document to one record a heading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from studio.data.readers import base
from studio.data.readers.base import Found, Refused, refused
from studio.data.readers.prose import Headings
from studio.errors import DataError

__all__ = ["sections"]


def sections(pieces: Iterable[tuple[int, str]]) -> Iterator[Found | Refused]:
    """Takes (level, text) in order; level 0 is no heading. `span` counts in the document's text: all pieces, a line each."""
    headings = Headings()
    parts: list[str] = []
    at, start, number, n_body = 0, 0, 0, 0
    for level, text in pieces:
        if level:
            if n_body:
                number += 1
                yield _record(number, parts, start, headings.path)
            parts, n_body = [], 0
            headings.enter(level, text.strip())
        if not parts:
            start = at
        parts.append(text)
        n_body += 0 if level else len(text)
        at += len(text) + 1
        if n_body > base.MAX_RECORD_CHARS:
            number += 1
            yield refused(number, DataError("error.data.record_too_long", limit=base.MAX_RECORD_CHARS), text)
            parts, n_body = [], 0
    if n_body:
        yield _record(number + 1, parts, start, headings.path)


def _record(number: int, parts: list[str], start: int, title: str) -> Found:
    text = "\n".join(parts)
    value = {"text": text, "title": title} if title else {"text": text}
    place = {"heading": title} if title else {}
    return Found(number, value, "", {**place, "span": [start, start + len(text)]})
