"""Plain text and Markdown to sections: blocks of about 4,000 characters, or one section a heading. Streams line by line.

`span` counts characters of the decoded text, in which every line ends with one newline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from studio.data.readers import base
from studio.data.readers.base import Found, Refused, refused
from studio.errors import DataError

__all__ = ["Headings", "markdown_records", "text_records"]

#: A section of plain text; about a thousand tokens of Chinese.
SECTION_CHARS = 4_000

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_FENCE = re.compile(r" {0,3}(```|~~~)")


class Headings:
    """The titles above the place where one reads, outermost first."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        self._open = [(above, name) for above, name in self._open if above < level] + [(level, title[:200])]

    @property
    def path(self) -> str:
        return " / ".join(title for _, title in self._open)


@dataclass
class _Block:
    """Lines that belong together, and where they stand."""

    line: int
    start: int
    end: int = 0
    parts: list[str] = field(default_factory=list)
    n_chars: int = 0

    def add(self, text: str, at: int) -> None:
        self.parts.append(text)
        self.n_chars += len(text)
        if text.strip():
            self.end = at + len(text.rstrip())

    def record(self, title: str = "") -> Found:
        text = "".join(self.parts).strip()
        value = {"text": text, "title": title} if title else {"text": text}
        place = {"heading": title} if title else {}
        return Found(self.line, value, text, {**place, "span": [self.start, self.end]})


def _lines(file: TextIO) -> Iterator[tuple[int, int, str]]:
    """(number, offset, line) of every line; a line that is too long comes in pieces of the same number."""
    at, number = 0, 1
    while text := file.readline(base.MAX_RECORD_CHARS // 4):
        yield number, at, text
        at += len(text)
        number += text.endswith("\n")


def text_records(path: Path, encoding: str) -> Iterator[Found | Refused]:
    """Blocks between blank lines, joined by one such line up to about 4,000 characters; a longer one is divided at line ends."""
    section: _Block | None = None
    with path.open(encoding=encoding) as file:
        for block in _blocks(file):
            if section and section.n_chars + block.n_chars > SECTION_CHARS:
                yield section.record()
                section = None
            if section:
                section.parts += ["\n", *block.parts]
                section.n_chars += block.n_chars
                section.end = block.end
            else:
                section = block
    if section:
        yield section.record()


def _blocks(file: TextIO) -> Iterator[_Block]:
    block: _Block | None = None
    for number, at, text in _lines(file):
        is_blank = not text.strip()
        if block and (is_blank or block.n_chars + len(text) > SECTION_CHARS):
            yield block
            block = None
        if not is_blank:
            block = block or _Block(number, at + len(text) - len(text.lstrip()))
            block.add(text, at)
    if block:
        yield block


def markdown_records(path: Path, encoding: str) -> Iterator[Found | Refused]:
    """One record a heading with what stands under it, `title` naming those above. A heading with nothing under it is only a part
    of the titles below; `#` in code blocks is no heading.
    """
    section: _Block | None = None
    headings, fence, has_body = Headings(), "", False
    with path.open(encoding=encoding) as file:
        for number, at, text in _lines(file):
            is_blank = not text.strip()
            if mark := _FENCE.match(text):
                fence = "" if fence == mark[1] else fence or mark[1]
            heading = None if fence else _HEADING.match(text)
            if heading:
                if section and has_body:
                    yield section.record(headings.path)
                section, has_body = None, False
                headings.enter(len(heading[1]), heading[2].strip().rstrip("#").strip())
            if is_blank and (section is None or section.parts[-2:] == ["\n", "\n"]):
                continue
            section = section or _Block(number, at + len(text) - len(text.lstrip()))
            section.add("\n" if is_blank else text, at)
            has_body |= not (is_blank or heading)
            if section.n_chars > base.MAX_RECORD_CHARS:
                error = DataError("error.data.record_too_long", limit=base.MAX_RECORD_CHARS)
                yield refused(section.line, error, section.parts[0])
                section, has_body = None, False
    if section and has_body:
        yield section.record(headings.path)
