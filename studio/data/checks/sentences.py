"""Sentences of Chinese and English text: where they end. Knows no grammar, only marks and the few words that are written with a
full stop inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

__all__ = ["CLOSERS", "ENDS", "sentence_ends", "sentences"]

#: Marks that end a sentence, and what may stand behind them and still belong to it.
ENDS = ".!?。！？…⋯"
CLOSERS = "\"'”’」』）)】]〉》*_~～"

_MARKS = re.compile(f"[{ENDS}]+")
_CLOSED = re.compile(f"[{re.escape(CLOSERS)}]*")

#: A mark of ASCII ends a sentence before a space, a Chinese letter or nothing; not inside of addresses and numbers.
_WIDE = re.compile("[。！？…⋯]")
_FREE = re.compile(r"\s|\Z|[\u3400-\u9fff]")

#: What stands before a full stop that ends none: the number of an item, an abbreviation, an initial.
_NO_END = re.compile(
    r"(?:^[ \t>]*(?:[-*+•]\s+)?[(（]?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})"
    r"|\b(?:e\.g|i\.e|vs|cf|al|Mr|Mrs|Ms|Dr|Prof|St|Fig|Vol|pp|approx|Inc|Ltd|Co|Jr|Sr|U\.S|[A-Z]))\Z",
    re.MULTILINE,
)

_LINE = re.compile(r"[^\n]+")


def sentence_ends(text: str, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Places right behind each sentence, its marks and its closing quotation marks."""
    last = len(text) if end is None else end
    for found in _MARKS.finditer(text, start, last):
        closed = _CLOSED.match(text, found.end(), last)
        after = closed.end() if closed else found.end()
        is_free = _FREE.match(text, after, last) is not None
        if _WIDE.search(found[0]) or (is_free and _can_end(text[max(0, found.start() - 24) : found.start()], found[0])):
            yield after


def _can_end(before: str, mark: str) -> bool:
    """Whether a mark of ASCII ends a sentence behind what stands before it."""
    return bool(before) and not before[-1].isspace() and not (mark == "." and _NO_END.search(before))


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text from sentence to sentence; a line break ends one, too. White space stands at none of their edges."""
    for line in _LINE.finditer(text):
        start = line.start()
        for end in chain(sentence_ends(text, *line.span()), (line.end(),)):
            if bare := text[start:end].strip():
                first = text.index(bare[0], start)
                yield first, first + len(bare)
            start = end
