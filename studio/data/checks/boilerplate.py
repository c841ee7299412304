"""Sentences that only a model writes: that it is one, what it was trained on, that it hopes to have helped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from studio.data.checks.answers import AnswerCheck
from studio.data.checks.base import Mark, code_spans
from studio.data.checks.boilerplate_phrases import CLAUSES, CLOSINGS, HINTS, SENTENCES
from studio.data.checks.sentences import sentences

__all__ = ["Boilerplate"]


class Boilerplate(AnswerCheck):
    """..."""

    key = "boilerplate"
    area = "bias"

    def marks(self, text: str) -> Sequence[Mark]:
        return [cut.mark for cut in _cuts(text)]

    def mend(self, text: str) -> str:
        new = text
        for cut in reversed(list(_cuts(text))):
            new = cut.removed(new)
        new = new.strip() if new != text else text
        return new if _is_answer(new) else text


class _Cut(NamedTuple):
    """A phrase that was found, and the characters that go with it."""

    mark: Mark
    start: int
    end: int

    def removed(self, text: str) -> str:
        before, after = text[: self.start], text[self.end :]
        starts = not before or before[-1] == "\n" or before.rstrip()[-1:] in ".!?。！？:："
        if before.endswith("\n") or not before:
            after = after.lstrip(" ")
            if after.startswith("\n"):
                before, after = before.rstrip(), "\n\n" + after.lstrip("\n") if before.strip() else after.lstrip()
        if starts and after[:1].islower(): after = after[:1].upper() + after[1:]
        return before + after


def _cuts(text: str) -> Iterator[_Cut]:
    if not any(hint in text for hint in HINTS):
        return
    code = code_spans(text)
    parts = list(sentences(text))
    ended = len(parts)
    for at in reversed(range(len(parts))):
        start, end = parts[at]
        if any(p.search(text, start, end) for p in CLOSINGS): ended = at
        elif end-start > 40: break
    for at, (start, end) in enumerate(parts):
        if any(a <= start < b for a, b in code):
            continue
        sentence = text[start:end]
        for what in ("self", "training"):
            f = next((f for p in SENTENCES[what] for f in p.finditer(sentence) if not _is_quoted(sentence, f.start())), None)
            c = next((f for p in CLAUSES[what] for f in p.finditer(sentence) if not _is_quoted(sentence, f.start())), None)
            if f:
                yield _Cut(Mark(start, end, what), start, end + (text[end:end+1]==" "))
                break
            if c:
                yield _Cut(Mark(start+c.start(), start+c.end(), what), start+c.start(), start+c.end())
                break
        else:
            if at >= ended and any(p.search(sentence) for p in CLOSINGS):
                yield _Cut(Mark(start, end, "closing"), start, end + (text[end:end+1]==" "))


def _is_quoted(sentence, at):
    head = sentence[:at]
    return head.count('"')%2==1 or head.count("“")>head.count("”") or head.count("「")>head.count("」") or head.count("`")%2==1

def _is_answer(text: str) -> bool:
    return any(c.isalpha() for c in text)
