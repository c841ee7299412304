"""Answers that stop in the middle: of a sentence, a list, a table or code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from studio.data.checks.answers import AnswerCheck
from studio.data.checks.base import Mark
from studio.data.checks.sentences import ENDS, sentence_ends
from studio.data.checks.truncated_words import HANGING, HANGING_AFTER_SENTENCES, HANGING_IN_SENTENCE, PARTING

__all__ = ["Truncated"]

#: Share of an answer that a mend keeps at least, and how many places it tries from the end backwards.
_KEPT, _TRIES = 0.6, 30

#: From so many words, or letters of Chinese, on a line is a sentence rather than a title, a name or a value.
_WORDS, _LETTERS = 5, 8

#: Words of a sentence that stands alone.
_ALONE = 9

#: Shorter texts are no sentences: answers such as "Yes," say all there is.
_SHORT = 8


class Truncated(AnswerCheck):
    """Found is an answer of which the last line, but for white space and marks of bold letters,

    `sentence`: ends with a letter, although the sentences before it and the lines like it (items among items) end with marks; the
    line has words for a sentence and is no title, name or labelled value. A text of one sentence alone is found from nine words
    on, if a conjunction joins its clauses. Not in Chinese written in passing: with Latin commas, or a particle such as 了 last.
    `word`: ends with a word that asks for another: the, and, because, 以及; where sentences before it have marks, or from seven
    words on, also of, to, 较.
    `mark`: ends with a comma, colon, opening bracket or hyphen, other than the line before.
    `bracket`: ends with a letter inside of brackets or quotation marks.
    `item`, `table`, `fence`: is the number of an item that holds nothing, a row of a table without its end, code without a fence
    at its end.

    Not looked at are lines of code, headings, links and formulas, and what stands behind "Kind regards" or 此致. Mended: cut back
    to the last whole sentence, item or row where 60 % of the characters stay.
    """

    key = "truncated"
    params = {"kept": round(100 * _KEPT), "words": _ALONE}

    def marks(self, text: str) -> Sequence[Mark]:
        end = len(text.rstrip(_INVISIBLE))
        is_ended = end == 0 or (text[end - 1] in ENDS and not _UNFINISHED.search(text, max(0, end - 8), end))
        if is_ended and "```" not in text and "~~~" not in text:
            return []
        start, what = _Tail(text[:end]).break_()
        return [Mark(start, end, what)] if what else []

    def mend(self, text: str) -> str:
        if not self.marks(text):
            return text
        lines = (found.end() for found in _LIST_LINE.finditer(text))
        places = sorted({at for at in (*sentence_ends(text), *lines) if _KEPT * len(text) <= at < len(text)})
        for at in reversed(places[-_TRIES:]):
            new = text[:at]
            if not self.marks(new) and not _has_open_bracket(new[new.rfind("\n") + 1 :]):
                return new
        return text


#: Items and rows of tables are whole where their line ends, whatever stands there; the head of a table is not.
_LIST_LINE = re.compile(
    r"^[ \t]*(?:\|(?![ \t|:\-]+$).*$(?!\n[ \t|:\-]+(?:\n|\Z))|(?:[-*+•] |\d{1,3}[.)、]).*$)", re.MULTILINE
)

_INVISIBLE = " \t\r\n\u3000\u200b\u200c\u200d\ufeff\u00a0"
_DECORATION = _INVISIBLE + "*_"

#: Full stops that end no sentence: of an item that holds nothing, of an abbreviation.
_UNFINISHED = re.compile(r"(?:^|\n)[ \t>]*(?:\d{1,3}[.)、]|[-*+•])\Z|\b(?:e\.g|i\.e)\.\Z")
_EMPTY_ITEM = re.compile(r"[ \t>]*(?:\d{1,3}[.)、]|[-*+•])\Z")

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)(?!.*```)", re.MULTILINE)
_FENCED = re.compile(r"^[ \t]*(```|~~~).*?^[ \t]*\1[^\n]*$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]+`")

_BREAKS_OFF = re.compile(r"[,，、:：;；(（\[【{“‘「『《]\Z|[A-Za-z]-\Z|[^-—]——?\Z")
_REPEATED_MARKS = ",，:："

#: Headings, pictures, lines of code and formulas; addresses, numbers with a unit and tags at the end of a line.
_FIXED = re.compile(
    r"^\s*(?:#|!\[|@|\$ |(?:import|from|def|class|return|SELECT|FROM|WHERE)\b)|\t.*\t|[{}=<>\\|]|(?:\A|\n)\S*(?:\s\S+)?;\Z|\w\(\)"
    r"|(?:https?://|www\.)\S*\Z|\S[@/.]\w+\Z|#\w+\Z"
)
_ITEM = re.compile(r"\s*(?:[-*+•·–]\s|[(（]?\d{1,3}[.)、）]|[(（]?[a-zA-Z][.)）]\s|[一二三四五六七八九十]+、|[①-⑳])")

#: A label and what it says; no sentence either.
_LABELLED = re.compile(r"\s*(?:[-*+•]\s|\d+[.)、]\s*)?[^.。!?:：]{1,40}[:：]\s*\S.{0,60}\Z")

#: Two clauses: whoever writes so writes a full stop, too. In Chinese many do not.
_TWO_CLAUSES = re.compile(
    rf"[A-Z](?=\S*(?:\s+\S+){{{_ALONE - 1}}})(?:.*[,;:]\s(?:and|but|so|yet|or|with|which|who|while|because|as|when|where|then)\s"
    r"|.*;\s|.*\b(?:that|until|because|although|unless|while)\s).*"
)
_INNER_COMMA = re.compile(r"[,，]\s*\w")

#: Chinese as it is written in passing: the last full stop is left out, and particles say that a sentence is over.
_CASUAL = re.compile(r"[\u3400-\u9fff][,.][\u3400-\u9fff]|[。！？]{2}|[!?~～]{2}|呵呵|哈哈|嘿嘿")
_PARTICLE = re.compile(r"[了吧呢吗啊呀哦嘛哈啦哇噢喔咯呗哟]\Z")

_NUMBER = re.compile(r"\d{4}")
_CJK = re.compile("[\u3400-\u9fff]")
_LONG_WORD = re.compile(r"[A-Za-z][\w'’\-]{3,}")
_PAIRS = ("（）", "“”", "「」", "『』", "《》", "【】", "()", "[]")


def _has_open_bracket(text: str) -> bool:
    text = _INLINE_CODE.sub("", text)
    return any(text.count(pair[0]) > text.count(pair[1]) for pair in _PAIRS) or text.count('"') % 2 == 1


def _is_long(line: str) -> bool:
    return len(line.split()) >= _WORDS or len(_CJK.findall(line)) >= _LETTERS


def _is_title(line: str) -> bool:
    """Whether most of its longer words have capitals; the first one always has."""
    words = _LONG_WORD.findall(line)[1:]
    return _is_name(line) or (bool(words) and sum(word[0].isupper() for word in words) >= 0.6 * len(words))


def _is_name(words: str) -> bool:
    parts = words.split()
    return len(parts) > 1 and not any(part[0].islower() for part in parts) and any(part[0].isupper() for part in parts)


def _is_labelled_number(words: str) -> bool:
    """An account and whose it is, an address with its postcode: no sentence."""
    return (":" in words or "：" in words) and _NUMBER.search(words) is not None


def _ends_with_a_letter(line: str) -> bool:
    return line.rstrip(_DECORATION)[-1:].isalpha()


@dataclass
class _Tail:
    """The end of a text, which has no white space behind it."""

    text: str

    @cached_property
    def start(self) -> int:
        """Of the last line."""
        return self.text.rfind("\n") + 1

    @cached_property
    def line(self) -> str:
        """The last line, without the marks of bold letters at its end."""
        return self.text[self.start :].rstrip(_DECORATION)

    @cached_property
    def begun(self) -> int:
        """Where in the last line a sentence begins that has no end."""
        after = max([0, *(at for at in sentence_ends(self.line) if at < len(self.line))])
        return len(self.line) - len(self.line[after:].lstrip())

    @cached_property
    def fragment(self) -> str:
        return self.line[self.begun :]

    @cached_property
    def prose(self) -> str:
        return _FENCED.sub("", self.text)

    @cached_property
    def n_sentences(self) -> int:
        return sum(1 for _ in sentence_ends(self.prose))

    @cached_property
    def before(self) -> list[str]:
        """The lines before the last one, without empty ones and code."""
        return [line for line in self.prose.split("\n") if line.strip()][:-1]

    def break_(self) -> tuple[int, str]:
        """Where the broken part begins and what broke; an empty word if nothing did."""
        fences = [found.start() for found in _FENCE.finditer(self.text)]
        if len(fences) % 2:
            return fences[-1], "fence"
        if fences and _FENCE.match(self.text, self.start):
            return 0, ""
        if _EMPTY_ITEM.match(self.line):
            return self.start, "item"
        if self.line.startswith("|"):
            return self.start, "table" if self._is_open_row() else ""
        if not self.line or _FIXED.search(_INLINE_CODE.sub("", self.line)):
            return 0, ""
        return self.start + self.begun, self._broken_sentence()

    def _is_open_row(self) -> bool:
        return not self.line.endswith("|") and bool(self.before) and self.before[-1].rstrip().endswith("|")

    def _broken_sentence(self) -> str:
        if PARTING.match(self.fragment) or any(map(PARTING.match, self.before[-3:])) or len(self.text) < _SHORT:
            return ""
        if _BREAKS_OFF.search(self.line):
            return "" if self._ends_like_the_line_before() else "mark"
        if HANGING.search(self.fragment) and (self.n_sentences or _is_long(self.text)):
            return "word"
        if not self.line[-1].isalpha():
            return ""
        if self.n_sentences and HANGING_AFTER_SENTENCES.search(self.fragment):
            return "word"
        if not _is_title(self.line) and HANGING_IN_SENTENCE.search(self.fragment):
            return "word"
        if _has_open_bracket(self.fragment):
            return "bracket"
        return "sentence" if self._lacks_its_end() else ""

    def _ends_like_the_line_before(self) -> bool:
        """Forms to be filled in end line after line with a colon."""
        last = self.line[-1]
        return last in _REPEATED_MARKS and bool(self.before) and self.before[-1].rstrip(_DECORATION)[-1:] == last

    def _lacks_its_end(self) -> bool:
        """Whether the sentences before end with marks, in lines of the same kind, and this one does not."""
        is_item = _ITEM.match(self.line) is not None
        alike = [line for line in self.before if (_ITEM.match(line) is not None) == is_item and not _FIXED.search(line)]
        alike = [line for line in alike if _is_long(line) and not _is_title(line)]
        if not self.n_sentences:
            return not self.before and not _is_title(self.line) and _TWO_CLAUSES.fullmatch(self.line) is not None
        if any(map(_ends_with_a_letter, alike)) or _PARTICLE.search(self.line) or _CASUAL.search(self.prose):
            return False
        if self.begun:
            return not _is_name(self.fragment) and not _is_labelled_number(self.fragment)
        if self.n_sentences < 2 or _is_title(self.line) or _LABELLED.match(self.line):
            return False
        if is_item:
            return bool(alike) and _is_long(self.line)
        return _is_long(self.line) or _INNER_COMMA.search(self.line) is not None
