"""Lines broken at a fixed column in the middle of sentences, as text comes out of PDFs and old mails."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

from studio.data.checks.base import Mark, TextCheck, code_spans

__all__ = ["HardWraps"]

_STOP = re.compile(r"[.!?:;\u2026\u3002\uff01\uff1f\uff1a\uff1b,\uff0c\u3001][\"'”’」』）)\]*_]*\s*\Z")
#: Lines that begin something of their own: items, headings, quotations, rows of tables.
_OWN = re.compile(
    r"\s*(?:[-*+•·●○■□◆▪>|#=~]|\(?\d{1,3}[.)、）]\s*\D|[(（][\da-zA-Z一二三四五六七八九十]{1,3}[)）]|[a-zA-Z][.)]\s"
    r"|[①-⑳]|第[一二三四五六七八九十百\d]+[条章节步天周]|[一二三四五六七八九十]{1,3}[、.．]|【)"
)
#: Fields of a form, speakers of a dialogue: where half of the lines begin so, it is one.
_FIELD = re.compile(r"\s*(?:[A-Z][\w' ]{0,20}|[\u3400-\u9fff]{1,8})[:：]")
#: Lines as programs have them, and what prose is not without.
_CODE = re.compile(
    r"[{};\\]\s*\Z|[)\]]:\s*\Z|\s(?:[=!<>+*/-]?=|=>|->|&&|\|\|)\s|\w\([^()\s]*\)\s*\Z|(?<!:)//"
    r"|/\*|^\s*(?:import \w|from [\w.]+ import|def \w|class \w+[(:]|return\b.*[()]|for \w.* in .*:|else:|#include|SELECT )"
)
_PROSE = re.compile(r"[.!?,;\u2026\u3002\uff0c\u3001\uff1b\uff01\uff1f]")
_HYPHEN = re.compile(r"[^\W\d_]{2}-\Z")
#: A hyphen that belongs to the word: pre- and postoperative; well-known; over-the-counter; COVID-19.
_SUSPENDED = re.compile(r"\s*(?:and|or|to|nor|but|und|oder|bis)\b")
_COMPOUND = re.compile(
    r"(?:\w-\w+|\b(?:well|self|non|long|short|high|low|half|full|part|one|two|three|four|five|six|seven|eight|nine|ten|twenty"
    r"|thirty|forty|fifty|sixty|seventy|eighty|ninety|first|second|third|cross|large|small|hard|soft|open|close|early|late|old|new"
    r"|year|day|week|month|time|side|so|ill|all|ex|evidence|life|age|dose|risk))-\Z",
    re.IGNORECASE,
)
_SMALL = re.compile(r"\s*[\"'“‘(（]?[a-z\u00df-\u00ff]")
_FIRST_WORD = re.compile(r"\s*([\u2e80-\uffef]|[^\s\u2e80-\uffef]+)")
_WIDE = re.compile(r"[\u2e80-\uffef]")


class _Line(NamedTuple):
    start: int
    end: int
    words: str


class HardWraps(TextCheck):
    """Paragraphs whose lines have 28 columns or more (of two, the first: 40) and are all as full as they can be: the first word
    of the next one would have made a line longer than the longest; in Chinese, all have as many characters. At least a third of
    the breaks stand in mid-sentence, and as many lines go on in small letters. And words divided by a hyphen at a line's end.
    Items, tables, forms, code and verses are none.
    """

    key = "hard_wraps"
    params: ClassVar[dict[str, Any]] = {"columns": 28, "columns_of_two": 40}

    def marks(self, text: str) -> Sequence[Mark]:
        if "\n" not in text:
            return []
        broken = [pair for lines in _paragraphs(text) for pair in self._broken(lines)]
        code = code_spans(text) if broken else []
        return [Mark(line.end, after.start) for line, after in broken if not _within(line.end, code)]

    def mend(self, text: str) -> str:
        marks = self.marks(text)
        begins, ends = [0, *(mark.end for mark in marks)], [*(mark.start for mark in marks), len(text)]
        lines = [text[begin:end] for begin, end in zip(begins, ends, strict=True)]
        made = lines[:1]
        for line in lines[1:]:
            made[-1] = _continued(made[-1].rstrip(), line.lstrip())
            made.append(line.lstrip())
        return "".join(made)

    def _broken(self, lines: list[_Line]) -> list[tuple[_Line, _Line]]:
        """Pairs of lines between which the break is one too many."""
        pairs = list(pairwise(lines))
        return pairs if self._is_wrapped(lines, pairs) else [pair for pair in pairs if _is_divided(*pair)]

    def _is_wrapped(self, lines: list[_Line], pairs: list[tuple[_Line, _Line]]) -> bool:
        if not pairs or any(_OWN.match(line.words) for line in lines[1:]):
            return False
        if 2 * sum(_FIELD.match(line.words) is not None for line in lines) >= len(lines):
            return False
        if 3 * sum(_CODE.search(line.words) is not None for line in lines) >= len(lines):
            return False
        if not any(_PROSE.search(line.words) for line in lines):
            return False
        longest = max(_width(line.words) for line, _ in pairs)
        if longest < self.params["columns" if len(pairs) > 1 else "columns_of_two"] or _width(lines[-1].words) > longest + 4:
            return False
        inside = sum(not _STOP.search(line.words) for line, _ in pairs)
        going_on = sum(_goes_on(*pair) for pair in pairs)
        return 3 * inside >= len(pairs) and 3 * going_on >= len(pairs) and _are_full(pairs, longest)


def _continued(before: str, behind: str) -> str:
    """The first of two lines, with what stands between them when they are one."""
    if before[-1:] == "-" and before[-2:-1].isalnum():
        if _SUSPENDED.match(behind):
            return before + " "
        is_divided = _HYPHEN.search(before) and behind[:1].islower() and not _COMPOUND.search(before[-40:])
        return before[:-1] if is_divided else before
    return before if _WIDE.match(before[-1:]) or _WIDE.match(behind[:1]) else before + " "


def _within(at: int, spans: list[tuple[int, int]]) -> bool:
    """Of spans in order, none of which overlaps another."""
    before = bisect_right(spans, (at, sys.maxsize)) - 1
    return before >= 0 and at < spans[before][1]


def _is_divided(line: _Line, after: _Line) -> bool:
    """Whether a word is divided between the lines."""
    if not _HYPHEN.search(line.words) or _SUSPENDED.match(after.words) or _OWN.match(after.words):
        return False
    return after.words.lstrip()[:1].islower()


def _goes_on(line: _Line, after: _Line) -> bool:
    """In small letters; in Chinese, which has none, from the middle of a sentence."""
    if _WIDE.match(line.words.rstrip()[-1:]):
        return not _STOP.search(line.words) or bool(re.match(r"\s*[，。、；：！？”）]", after.words))
    return _SMALL.match(after.words) is not None or _WIDE.match(after.words.lstrip()[:1]) is not None


def _are_full(pairs: list[tuple[_Line, _Line]], longest: int) -> bool:
    if all(_width(line.words) + _needed(line, after) > longest for line, after in pairs):
        return True
    lengths = [len(line.words) for line, _ in pairs]  # some programs count characters and break wherever they are
    return len(lengths) > 1 and min(lengths) >= max(lengths) - 1 and all(_WIDE.search(line.words) for line, _ in pairs)


def _needed(line: _Line, after: _Line) -> int:
    """Columns that the next line's first word would have taken, with the space before it."""
    word = _FIRST_WORD.match(after.words)
    first = word[1] if word else ""
    is_apart = not (_WIDE.match(first) or _WIDE.match(line.words.rstrip()[-1:]))
    # A sign that may not begin a line takes the character before it along.
    return _width(first) + is_apart + 2 * bool(_WIDE.match(first))


def _paragraphs(text: str) -> Iterator[list[_Line]]:
    """Lines that stand together without an empty one between them."""
    lines: list[_Line] = []
    start = 0
    for piece in text.split("\n"):
        end = start + len(piece)
        if piece.strip():
            lines.append(_Line(start, end, piece))
        elif lines:
            yield lines
            lines = []
        start = end + 1
    if lines:
        yield lines


def _width(words: str) -> int:
    """Columns: a Chinese letter takes two."""
    return len(words) if words.isascii() else len(words) + len(_WIDE.findall(words))
