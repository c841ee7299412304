"""Word documents (docx) to one section a heading; tables as lines. Runs in a process of its own (`guard`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import docx
from docx.table import Table
from docx.text.paragraph import Paragraph

from studio.data.readers.base import FileReason, Opened, ReadOptions
from studio.data.readers.sections import sections

__all__ = ["open_file"]

_LEVEL = re.compile(r"(?:heading|标题|標題) ?(\d)")


def open_file(path: Path, name: str, form: str, options: ReadOptions, known: frozenset[str]) -> Opened:
    document = docx.Document(str(path))
    return Opened(sections(_pieces(document.iter_inner_content())), [FileReason("data.file.docx", {})], options)


def _pieces(blocks: Iterator[Paragraph | Table]) -> Iterator[tuple[int, str]]:
    """(level of a heading or 0, text) of every paragraph and every line of a table, in order."""
    levels: dict[str | None, int] = {}  # by style: to look one up takes longer than to read a paragraph
    for block in blocks:
        if isinstance(block, Paragraph):
            if (text := block.text).strip():
                style = block._p.style
                if style not in levels:
                    levels[style] = _level(block)
                yield levels[style], text
        else:
            for row in block.rows:
                # a merged cell comes once for every column that it covers
                cells = list({id(cell._tc): cell.text.strip() for cell in row.cells}.values())
                if any(cells):
                    yield 0, " | ".join(cells)


def _level(paragraph: Paragraph) -> int:
    style = ((paragraph.style and paragraph.style.name) or "").lower()
    if style == "title":
        return 1
    found = _LEVEL.match(style)
    return int(found[1]) if found else 0
