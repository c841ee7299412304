"""HTML to one section a heading, without scripts, styles and what is hidden. Runs in a process of its own (`guard`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree, html  # type: ignore[import-untyped]

from studio.data.readers.base import FileReason, Opened, ReadOptions
from studio.data.readers.sections import sections
from studio.errors import DataError

__all__ = ["open_file"]

_UNSEEN = frozenset({"script", "style", "noscript", "template", "svg", "head", "iframe", "object", "select", "textarea", "math"})
_INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "dfn", "em", "font", "i", "kbd", "label", "mark", "q", "s", "samp"}
    | {"small", "span", "strong", "sub", "sup", "time", "u", "var", "img", "ruby", "rb", "rt", "rp", "wbr", "tt", "del", "ins"}
)
_CELLS = frozenset({"td", "th"})
#: White space that is not one space: of pages of megabytes the single ones need not be touched.
_SPACES = re.compile(r" \s+|[^\S ]\s*")


def open_file(path: Path, name: str, form: str, options: ReadOptions, known: frozenset[str]) -> Opened:
    data = path.read_text(options.encoding or "utf-8").encode("utf-8")
    # What the page says of its own encoding was true before it was decoded.
    root = html.document_fromstring(data, parser=html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True))
    if root is None:
        raise DataError("error.data.empty_file", field="file", name=name)
    return Opened(sections(_pieces(root)), [FileReason("data.file.html", {})], options)


def _pieces(root: Any) -> Iterator[tuple[int, str]]:
    """(level of a heading or 0, text) of every block that is seen, in order; a table's row is one line."""
    parts: list[str] = []
    level = 0
    is_pre = 0
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, node in walk:
        tag = node.tag if isinstance(node.tag, str) else ""
        if event == "start" and (tag in _UNSEEN or node.get("hidden") is not None):
            walk.skip_subtree()
            continue
        is_heading = len(tag) == 2 and tag[0] == "h" and tag[1] in "123456"
        if tag == "br":
            parts.append("\n" if event == "start" else "")
        elif tag in _CELLS:
            parts.append(" | " if event == "end" else "")
        elif tag not in _INLINE:
            if parts and (text := _joined(parts, is_pre > 0)):
                yield level, text
            parts = []
            level = int(tag[1]) if is_heading and event == "start" else 0
        if event == "start":
            is_pre += tag == "pre"
            words = node.text
        else:
            is_pre -= tag == "pre"
            words = node.tail
        if words:
            parts.append(words if is_pre else _SPACES.sub(" ", words))
    if text := _joined(parts, False):
        yield level, text


def _joined(parts: list[str], is_pre: bool) -> str:
    text = "".join(parts)
    if is_pre:
        return text.strip("\n")
    text = text.removesuffix(" | ")
    if "\n" not in text:
        return text.strip()
    return "\n".join(line for line in map(str.strip, text.split("\n")) if line)
