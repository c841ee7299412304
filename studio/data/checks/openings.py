"""Questions, or answers, of which too many begin with the same words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

from studio.data.checks.base import Area, Context, Group, RowView, SetCheck, Words, is_chinese, with_words, words_of
from studio.data.rows import NewRow

__all__ = ["Openings", "openings_of"]

#: Words, or characters in Chinese, of an opening: of fewer nearly all texts begin alike, of more none do.
_SHORTEST, _LONGEST = 2, 6

#: A longer opening is told instead of a shorter one, as long as it keeps so much of its rows.
_KEEPS = 0.9

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_SIGNS = re.compile(r"[\W_]+")

#: Words of courtesy without which a sentence is as whole as with them.
_COURTESY = re.compile(
    r"(?:(?:请问(?:一下)?|麻烦(?:您|你)?问一下|想请问(?:一下)?|(?:你|您)好(?:啊|呀)?|当然(?:可以)?|好的|没问题)[\s，,、。！!：:~～]*)+(?=\S)"
    r"|(?:could|can|would) you(?: [a-z]+){1,5}:\s+(?=\S)"
    r"|(?:(?:hi|hello|hey)(?: there)?|dear (?:sir|madam|assistant)|please|sure(?: thing)?|certainly|of course|absolutely"
    r"|great question)(?:[\s,.!:]+)(?=\S)",
    re.IGNORECASE,
)


def openings_of(text: str) -> list[str]:
    """How a text begins, the shortest first: 2 to 6 words, or characters in Chinese; case and punctuation aside."""
    start = text[:200]
    if is_chinese(start):
        letters = _SIGNS.sub("", start).casefold()
        return [letters[:n] for n in range(_SHORTEST, min(_LONGEST, len(letters)) + 1)]
    words = _WORD.findall(start.casefold())
    first = [words[0]] if words and _COURTESY.match(start) else []
    return first + [" ".join(words[:n]) for n in range(_SHORTEST, min(_LONGEST, len(words)) + 1)]


class Openings(SetCheck):
    """Of at least 20 first questions (or last answers) 30 % or more begin with the same 2 to 6 words, or characters in Chinese.
    Mended, words of courtesy at the beginning are left out; other openings a person has to vary.
    """

    key = "openings"
    area: ClassVar[Area] = "diversity"
    params: ClassVar[dict[str, Any]] = {"share": 30, "fewest": 20}

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(context)
        self._texts: dict[str, list[tuple[int, list[str]]]] = {"user": [], "assistant": []}

    def add(self, number: int, view: RowView) -> None:
        for words in _judged(view.words):
            self._texts[words.role].append((number, openings_of(words.text)))

    def groups(self, on_step: Callable[[], None]) -> Iterable[Group]:
        for texts in self._texts.values():
            on_step()
            opening = self._common(texts)
            if opening is not None:
                yield Group([number for number, openings in texts if opening in openings])

    def _common(self, texts: list[tuple[int, list[str]]]) -> str | None:
        """The longest opening that enough texts share."""
        if len(texts) < self.params["fewest"]:
            return None
        counted = Counter(opening for _, openings in texts for opening in openings)
        enough = self.params["share"] / 100 * len(texts)
        common = [opening for opening, count in counted.items() if count >= enough]
        if not common:
            return None
        most = max(counted[opening] for opening in common)
        return max((opening for opening in common if counted[opening] >= _KEEPS * most), key=len)

    def mended(self, row: NewRow) -> list[NewRow]:
        judged = {words.where for words in _judged(words_of(row.content))}

        def swap(words: Words) -> str:
            return _plain(words.text) if words.where in judged else words.text

        return [replace(row, content=with_words(row.content, swap))]


def _judged(all_words: list[Words]) -> list[Words]:
    """The first question and the last answer."""
    asked = [words for words in all_words if words.role == "user"][:1]
    answered = [words for words in all_words if words.role == "assistant"][-1:]
    return asked + answered


def _plain(text: str) -> str:
    found = _COURTESY.match(text)
    if found is None:
        return text
    rest = text[found.end() :]
    return rest[:1].upper() + rest[1:]
