"""How much a text repeats itself, and where it says the same again and again. Knows neither rows nor code nor tables.

    tokens     A B C A B C A B C D      words; in Chinese, characters
    run        └─1st─┘└─2nd─┘└3rd─┘     period 3, found where four tokens have been seen before, followed as far as it goes
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

__all__ = ["CHINESE", "Run", "Token", "runs", "says_again", "seq_rep", "stutters", "tokens", "zlib_ratio"]

#: For a class of characters in a pattern: letters that are words by themselves.
CHINESE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

_CHINESE_LETTER = re.compile(f"[{CHINESE}]")

#: A Chinese character, a number, or a word.
_TOKEN = re.compile(rf"[{CHINESE}]|\d+|[^\W\d_{CHINESE}]+(?:['’\-][^\W\d_{CHINESE}]+)*")


class Token(NamedTuple):
    text: str
    start: int
    end: int


def tokens(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """Those between two places; their own places are those in the whole text."""
    found = _TOKEN.finditer(text, start, len(text) if end is None else end)
    return [Token(each[0], *each.span()) for each in found]


def seq_rep(text: str, n: int) -> float:
    """Share of n-grams that have been there before: 1 − different n-grams / n-grams, over words, in Chinese over characters.

    0 for a text of fewer than n tokens. Source: Welleck et al. 2019, arXiv:1908.04319, "seq-rep-n".
    """
    words = [token.text for token in tokens(text)]
    grams = list(zip(*(islice(words, at, None) for at in range(n)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def zlib_ratio(text: str) -> float:
    """Bytes of the text in UTF-8 for a byte that zlib makes of it; 1 for an empty text. Prose is at 1 to 2.5."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 1.0


class Run(NamedTuple):
    """Tokens `start` ≤ i < `end` of which each is the one `period` before, from the second copy on."""

    start: int
    end: int
    period: int

    @property
    def copies(self) -> int:
        return (self.end - self.start) // self.period


_SEEN = 4


def runs(words: Sequence[str]) -> Iterator[Run]:
    """Where something is said at least twice in a row, in order; of two that share tokens the first."""
    last_at: dict[tuple[str, ...], int] = {}
    at = end = period = 0
    while at + _SEEN <= len(words):
        gram = tuple(words[at : at + _SEEN])
        before = last_at.get(gram)
        last_at[gram] = at
        at += 1
        if before is None or (at - 1 - before == period and at + _SEEN - 1 <= end):  # a copy that was followed to its end before
            continue
        period, end = at - 1 - before, at + _SEEN - 1
        while end < len(words) and words[end] == words[end - period]:
            end += 1
        if end - before >= 2 * period:
            yield Run(before, end, period)
            at = end


# --- a quick look -----------------------------------------------------------------------------------------------------


def says_again(clauses: Sequence[str]) -> bool:
    """Whether some of them follow each other once more right behind."""
    last_at: dict[str, int] = {}
    for at, clause in enumerate(clauses):
        before = last_at.get(clause)
        if before is not None and clauses[before:at] == clauses[at : 2 * at - before]:
            return True
        last_at[clause] = at
    return False


def stutters(text: str) -> bool:
    """Whether there is a place from which on the same is said again, without a pause even.

    Steps are as wide as the blocks that matter, so that one of them meets the first copy of three.
    """
    step, size, reach = (7, 4, 64) if _CHINESE_LETTER.search(text) else (14, 8, 128)
    for at in range(0, len(text) - size, step):
        again = text.find(text[at : at + size], at + 1, at + reach)
        if again > 0 and text.startswith(text[at:again], again):
            return True
    return False
