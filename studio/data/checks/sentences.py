"""Sentences of Chinese and English text: where they end. Knows no grammar, only marks and the few words that are written with a
full stop inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["CLOSERS", "ENDS", "sentence_ends", "sentences"]

#: Marks that end a sentence, and what may stand behind them and still belong to it.
ENDS = ".!?。！？…⋯"
CLOSERS = "\"'”’」』）)】]〉》*_~～"

#: A mark of ASCII ends a sentence before a space, a Chinese letter or nothing; not inside of addresses and numbers.
_END = re.compile(
    rf"[。！？…⋯]+[.!?]*[{re.escape(CLOSERS)}]*"
    rf"|(?<=[^\s.!?])[.!?]{{1,6}}(?=[{re.escape(CLOSERS)}]*(?:\s|\Z|[\u3400-\u9fff]))[{re.escape(CLOSERS)}]*"
)

#: What stands before a full stop that ends none: the number of an item, an abbreviation, an initial.
_NO_END = re.compile(
    r"(?:^[ \t>]*(?:[-*+•]\s+)?[(（]?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})"
    r"|\b(?:e\.g|i\.e|vs|cf|al|Mr|Mrs|Ms|Dr|Prof|St|Fig|Vol|pp|approx|Inc|Ltd|Co|Jr|Sr|U\.S|[A-Z]))\Z",
    re.MULTILINE,
)


def sentence_ends(text: str, start: int = 0) -> Iterator[int]:
    """Places right behind each sentence, its marks and its closing quotation marks."""
    for found in _END.finditer(text, start):
        if found[0][0] != "." or not _NO_END.search(text[max(0, found.start() - 24) : found.start()]):
            yield found.end()


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text from sentence to sentence; a line break ends one, too. White space stands at none of their edges."""
    start = 0
    for end in sorted({*sentence_ends(text), *(found.start() for found in re.finditer("\n", text)), len(text)}):
        part = text[start:end]
        if bare := part.strip():
            first = start + part.index(bare[0])
            yield first, first + len(bare)
        start = end
