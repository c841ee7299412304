"""Sentences that only a model writes: that it is one, what it was trained on, that it hopes to have helped.

The phrases are in `boilerplate_phrases`; here is where they count and what is cut out with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from studio.data.checks.answers import AnswerCheck
from studio.data.checks.base import Mark, code_spans
from studio.data.checks.boilerplate_phrases import CLAUSES, CLOSINGS, HINTS, IDLE, SENTENCES
from studio.data.checks.sentences import sentences

__all__ = ["Boilerplate"]


class Boilerplate(AnswerCheck):
    """Found are in answers, outside of code and quotation marks:

    `self`: what a model says of itself: "As an AI language model, I …", "I am ChatGPT", "I don't have personal opinions".
    `training`: by whom and until when it was trained: "as of my last update", "I was trained by OpenAI", 我的知识截止于.
    `closing`: the last sentences of a longer answer when they say nothing: "I hope this helps", "Let me know if you have any
    other questions", 希望以上信息对您有帮助. In a letter the signature is last.

    What is said about AI is not meant: every phrase is in the first person. Mended: a clause is taken off the sentence that is
    good without it; else the sentence goes, up to a "but" where one follows, with a "However" that only answered it. An answer of
    which nothing remains is left for a person, and so is a sentence of more than 250 characters or in a table.
    """

    key = "boilerplate"
    area = "bias"

    def marks(self, text: str) -> Sequence[Mark]:
        return [cut.mark for cut in _cuts(text)]

    def mend(self, text: str) -> str:
        new = text
        for cut in reversed(list(_cuts(text))):
            new = cut.out_of(new)
        return new if new == text or _SAYS_SOMETHING.search(_INTERJECTIONS.sub("", new)) else text


#: Characters of the longest sentence that a mend takes out; what is longer, and a row of a table, is for a person to look at.
_LONGEST = 250

_SAYS_SOMETHING = re.compile(r"\w\w")
_INTERJECTIONS = re.compile(
    r"\b(?:sure|yes|no|of course|certainly|absolutely|great|hello|hi|hey|(?:i(?:['’]m| am) )?(?:very |so )?sorry|thank you|thanks"
    r"|okay|ok)\b"
    r"|当然可?以?|好的|您好|你好|非常|抱歉|对不起|是的|没问题|谢谢",
    re.IGNORECASE,
)


class _Cut(NamedTuple):
    """What was found, and the characters that a mend takes out: none where more stands in the line than a sentence."""

    mark: Mark
    start: int
    end: int

    def out_of(self, text: str) -> str:
        if self.start == self.end:
            return text
        before, after = text[: self.start], text[self.end :]
        line = before[before.rfind("\n") + 1 :]
        begins_line = _MARKER.fullmatch(line) is not None
        if not after.strip(" ") or after.lstrip(" ").startswith("\n"):
            if begins_line:  # nothing stays of the line
                before, after = before[: len(before) - len(line)], after.lstrip()
            return before.rstrip() if not after else before.rstrip(" ") + after
        if after[0] in ".,;:!?)，。；：！？":
            return before.rstrip(" ,，") + after
        if begins_line or before[-1:].isspace():
            after = after.lstrip(" ")
        if begins_line:
            after = _ANSWERING.sub("", after)
        if begins_line or _SENTENCE_BEGINS.search(before):
            after = after[:1].upper() + after[1:]
        return before + after


#: What may stand in a line before its first sentence.
_MARKER = re.compile(r"[ \t>]*(?:(?:[-*+•]|\d{1,3}[.)、]|[(（]\d{1,3}[)）])[ \t]*)?")
_ANSWERING = re.compile(r"\A(?:However|But|That said|That being said|Nevertheless|Nonetheless|但是?|不过|然而|可是)[,，]?\s*")
_SENTENCE_BEGINS = re.compile(r"[.!?:。！？：][\"'”’)）*_]*\s*\Z")
_CONTRAST = re.compile(r"[,;，；—]\s*(?:but|however|though|yet|但是?|不过|然而|可是)[,，]?\s*(?=.{8})")


def _cuts(text: str) -> Iterator[_Cut]:
    hints = [hint for hint in HINTS if hint in text]
    if not hints:
        return
    is_code = bytearray(len(text))
    for start, end in code_spans(text):
        is_code[start:end] = b"\1" * (end - start)
    parts = [part for part in sentences(text) if not is_code[part[0]]]
    closing = _first_closing(text, parts)
    for at, (start, end) in enumerate(parts):
        if not any(hint in text[start:end] for hint in hints):
            continue
        start = end - len(_MARKER.sub("", text[start:end], count=1))
        cuts = list(_in_sentence(text[start:end], start))
        if not cuts and at >= closing and _search(CLOSINGS, text[start:end]):
            cuts = [_Cut(Mark(start, end, "closing"), start, end)]
        if end - start > _LONGEST or text.startswith("|", start):
            cuts = [cut._replace(end=cut.start) for cut in cuts]
        yield from cuts


def _in_sentence(sentence: str, start: int) -> Iterator[_Cut]:
    clauses = [
        (what, found)
        for what, patterns in CLAUSES.items()
        for pattern in patterns
        for found in pattern.finditer(sentence)
        if not _is_quoted(sentence, found.start())
    ]
    rest = sentence
    for _, found in clauses:
        rest = rest[: found.start()] + " " * len(found[0]) + rest[found.end() :]
    whole = {what: _search(patterns, rest) for what, patterns in SENTENCES.items()}
    if clauses:
        whole[clauses[0][0]] = whole[clauses[0][0]] or _search(IDLE, rest)
    for what, phrase in whole.items():
        if phrase:
            contrast = _CONTRAST.search(rest, phrase.end())
            last = contrast.end() if contrast and not _search(SENTENCES["self"], rest[contrast.end() :]) else len(sentence)
            yield _Cut(Mark(start, start + last, what), start, start + last)
            return
    for what, found in clauses:
        first, last = found.span()
        is_loose = what == "self" or _is_loose(sentence[:first].rstrip(), sentence[last:])
        yield _Cut(Mark(start + first, start + last, what), start + first, start + (last if is_loose else first))


_LEANING = re.compile(r"\b(?:is|are|was|were|be|been|due|only)\Z", re.IGNORECASE)


def _is_loose(before: str, after: str) -> bool:
    """Whether a clause stands at the head of its sentence, behind a comma, or at the end where nothing leans on it."""
    return not before or before[-1] in ",，" or (after[:1] in ("", ".", ":", ";", "!", "?", ")") and not _LEANING.search(before))


def _search(patterns: Sequence[re.Pattern[str]], sentence: str) -> re.Match[str] | None:
    matches = (found for pattern in patterns for found in pattern.finditer(sentence))
    return next((found for found in matches if not _is_quoted(sentence, found.start())), None)


def _is_quoted(sentence: str, at: int) -> bool:
    before = sentence[:at]
    is_open = any(before.count(opening) > before.count(closing) for opening, closing in ("“”", "「」", "『』", "《》"))
    return is_open or before.count('"') % 2 == 1 or before.count("`") % 2 == 1


#: What may stand behind a closing phrase: wishes. Behind a letter's stands its signature.
_WISH = re.compile(r"\W*(?:good luck|have a|enjoy|happy|best of luck|thank|祝|加油|谢谢|感谢)[^\n]{0,40}\Z|\W+\Z", re.IGNORECASE)


def _first_closing(text: str, parts: Sequence[tuple[int, int]]) -> int:
    """The number of the sentence from which on an answer takes its leave; behind the last one where it does not, or does nothing
    else.
    """
    first = len(parts)
    for at in range(len(parts) - 1, -1, -1):
        sentence = text[slice(*parts[at])]
        if _search(CLOSINGS, sentence):
            first = at
        elif not _WISH.match(sentence):
            return first
    return len(parts)
