"""Answers that say the same again and again, as a model does that cannot stop. How repeats are found: `repeats`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from studio.data.checks.answers import AnswerCheck
from studio.data.checks.base import Mark, code_spans
from studio.data.checks.repeats import CHINESE, Run, Token, runs, says_again, seq_rep, stutters, tokens, zlib_ratio

__all__ = ["Loops"]

#: Letters of a block (a Chinese one counts three) and the copies in a row from which on it is a loop. What people do say
#: several times, such as "tick tock" and 加油, is short.
_LONG, _LONG_COPIES = 60, 2
_BLOCK, _BLOCK_WORDS, _BLOCK_COPIES = 12, 3, 3
_COUNTED_COPIES, _VERSE_COPIES, _SHORT_COPIES, _ONE_WORD_COPIES, _LAUGHTER_COPIES = 4, 5, 6, 10, 20

#: Letters of a paragraph that nobody writes twice, and what a whole text is when nothing but the share of repeats tells.
_PARAGRAPH = 180
_SEQ_REP, _FROM_TOKENS = 0.6, 50
_ZLIB, _FROM_LETTERS = 6.0, 400

#: A word of so many letters that is one syllable over and over: nononono.
_LONG_WORD, _SYLLABLE = 40, 6

_CLAUSE_COPIES = 6

#: One sign 24 times, or up to 4 signs between spaces 10 times: no words, so that they are in no run.
_SIGNS = re.compile(
    r"(?P<sign>\w)(?P=sign){23,}|(?P<pair>(?P<first>[^\w\s|])(?!(?P=first))[^\s|])(?P=pair){23,}"
    r"|(?<!\S)(?P<unit>[^\s|\-=_*#]{1,4}) (?:(?P=unit) ?){9,}(?:(?P=unit)|(?=\s|\Z))"
)

_FOUR = re.compile(r"(.)\1{3}", re.DOTALL)

_PASSES = 5

#: A text that still repeats itself so much when its runs are gone is not mended. Prose is below 0.1.
_MENDED_SEQ_REP = 0.3


class Loops(AnswerCheck):
    """Found are, outside of fenced code, tables and quoted lines:

    `run`: a block that stands several times in a row, whatever its punctuation: 3 times from 3 words and 12 letters on (a Chinese
    letter counts three), twice if it is whole sentences of 60 letters, 6 times if it is shorter, 10 times a single word or a few
    signs (1. 1. 1.), 24 times one sign or two (=+=+) behind words; 4 times if the copies differ in a number at their head that
    counts up, 5 times lines of verse, 20 times laughter. Also a word of 40 letters that is one syllable over and over.
    `copy`: a paragraph of two sentences and 180 letters that comes again elsewhere.
    `share`: a text of which one clause that stands in it 6 times makes up half; or in which 60 % of the 4-grams have been there
    before (seq-rep-4), from 50 tokens on; or whose words zlib packs to a sixth, from 400 letters on.

    Mended: of a run one copy stays, also where the last one is cut off. Where more than runs is found, a person decides.
    """

    key = "loops"
    params = {
        "copies": _BLOCK_COPIES,
        "letters": _LONG,
        "short_copies": _SHORT_COPIES,
        "paragraph": _PARAGRAPH,
        "share": round(100 * _SEQ_REP),
        "zlib": round(_ZLIB),
    }

    def marks(self, text: str) -> Sequence[Mark]:
        hint = _hint(text)
        signs = _may_have_signs(text) and _SIGNS.search(text)
        if hint is None and not signs:
            return []
        parts = list(_prose(text))
        found = [Mark(*match.span(), "run") for match in _signs(text, parts)] if signs else []
        if hint is None:
            return found
        if hint.runs:
            found += [Mark(loop.again, loop.end, "run") for loop in _loops(text, parts)]
            found += [Mark(*span, "run") for span in _syllables(text, parts)]
        if hint.copies:
            found += [Mark(*span, "copy") for span in _copied(text, parts) if not any(span[0] < mark.end for mark in found)]
        if hint.share and not found and _has_one_clause("\n".join(text[start:end] for start, end in parts)):
            found.append(Mark(0, 0, "share"))
        if hint.share and not found and _is_repeated(" ".join(token.text for part in parts for token in tokens(text, *part))):
            found.append(Mark(0, 0, "share"))
        return found

    def mend(self, text: str) -> str:
        new = text
        for found in reversed(list(_signs(text, list(_prose(text))))):
            new = new[: found.start()] + (found["sign"] or found["unit"] or "") + new[found.end() :]
        for _ in range(_PASSES):  # one may stand inside another
            loops = list(_loops(new, list(_prose(new)))) if _hint(new) else []
            for loop in reversed(loops):
                new = new[: loop.cut_from] + new[loop.cut_to :]
            if not loops:
                break
        return new if seq_rep(new, 4) < _MENDED_SEQ_REP else text


# --- what is looked at ------------------------------------------------------------------------------------------------

_CHINESE_LETTER = re.compile(f"[{CHINESE}]")
_PAUSE = r"。！？…；，、：.!?;,:|\n0-9"
_CLAUSE = re.compile(rf"[{CHINESE}][^{_PAUSE}]{{3,}}|[^\s{_PAUSE}][^{_PAUSE}]{{9,}}")
_LONG_WORDS = re.compile(f"[A-Za-z]{{{_LONG_WORD},}}")

#: Repeated clauses are a smaller part of a text than repeated 4-grams: from here on those are counted.
_HINTED_SHARE = 0.2


class _Hint(NamedTuple):
    runs: bool
    copies: bool
    share: bool


def _hint(text: str) -> _Hint | None:
    """A quick look at what may be found; None for most texts."""
    clauses: list[str] = _CLAUSE.findall(text)
    different = set(clauses)
    if len(different) == len(clauses):
        return _Hint(True, False, False) if stutters(text) or _has_long_word(text) else None
    lines = [line for line in text.split("\n") if len(line) >= _PARAGRAPH // 3]
    again = sum(map(len, clauses)) - sum(map(len, different))
    runs_on = says_again(clauses) or stutters(text) or _has_long_word(text)
    hint = _Hint(runs_on, len(set(lines)) < len(lines), again >= _HINTED_SHARE * len(text))
    return hint if any(hint) else None


def _has_long_word(text: str) -> bool:
    return max(map(len, text.split()), default=0) >= _LONG_WORD and _LONG_WORDS.search(text) is not None


#: Lines of tables and quoted ones.
_FIXED_LINE = re.compile(r"^[ \t]*[|>].*$|^.*(?:\|.*\||\t.*\t).*$", re.MULTILINE)


def _prose(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text between fenced code, tables and quoted lines. Code between back ticks is a word like others."""
    fenced = [(start, end) for start, end in code_spans(text) if text[start : start + 2] in ("``", "~~")]
    after = 0
    for start, end in sorted([*fenced, *(line.span() for line in _FIXED_LINE.finditer(text))]):
        if start > after:
            yield after, start
        after = max(after, end)
    if after < len(text):
        yield after, len(text)


# --- runs -------------------------------------------------------------------------------------------------------------


class _Loop(NamedTuple):
    """Places in a text: what comes `again`, from the second copy on to the `end`, and what of it to cut out."""

    again: int
    end: int
    cut_from: int
    cut_to: int


def _loops(text: str, parts: Sequence[tuple[int, int]]) -> Iterator[_Loop]:
    for start, end in parts:
        words = tokens(text, start, end)
        for run in runs(["0" if word.text.isdecimal() else word.text for word in words]):
            found = _Found(text, words, run).from_its_head()
            if found.is_loop():
                yield found.loop()


_HEADS = (re.compile(r"\n[\W_]*\Z"), re.compile(r"[。！？…；.!?;][\W_]*\Z"), re.compile(r"[，、：,:][\W_]*\Z"))
_LINE, _SENTENCE, _INSIDE = 0, 1, 3
_ENDING = re.compile(r"[^\w\s]*[。！？….!?~～][^\w\s]*")

_WORD = re.compile(r"\w")
_CODE = re.compile(r"[<>{}=\\\[\]]|\":|\w\(\w")
_ITEM = re.compile(r"\n[ \t]*(?:[-*+•]\s|[(（]?\d)")
_NUMBERS_END = (".", ":", "：", "、", ")", "）")
_LAUGHTER = re.compile(r"[哈呵嘿嘻啊哦嗯呜嗷喵汪咚嘟滴啦哒嘀嗒]|ha|he|la|na|oh|ho|hee|bla|blah", re.IGNORECASE)


def _letters(text: str) -> int:
    return sum(3 if _CHINESE_LETTER.match(token.text) else len(token.text) for token in tokens(text))


class _Found(NamedTuple):
    """A run in the words of a text."""

    text: str
    words: Sequence[Token]
    run: Run

    def gap(self, at: int) -> str:
        """What stands before a word."""
        return self.text[self.words[at - 1].end if at else 0 : self.words[at].start]

    def head(self, at: int) -> int:
        """How much begins with a word: a line, a sentence, a clause, nothing."""
        if at in (0, len(self.words)):
            return _LINE
        gap = self.gap(at)
        return next((rank for rank, pattern in enumerate(_HEADS) if pattern.search(gap)), _INSIDE)

    def from_its_head(self) -> _Found:
        """The same run from the first of its words on that begins the most, with as many copies as that allows."""
        start, end, period = self.run
        spare = (end - start) % period if self.run.copies == _LONG_COPIES else period - 1
        best = min(range(start, start + spare + 1), key=lambda at: (self.head(at), at))
        return self._replace(run=Run(best, end, period))

    def is_loop(self) -> bool:
        start, _, period = self.run
        copies = self.run.copies
        block = [word.text for word in self.words[start : start + period]]
        letters = [word for word in block if word.isalpha()]
        last = start + copies * period
        written = self.text[self.words[start].start : self.words[last - 1].end]
        counts = self._counts()
        if not letters or counts is None or _CODE.search(written) or self._is_inside_code(written):
            return False
        size = _letters(" ".join(letters))
        if all(_LAUGHTER.fullmatch(word) for word in letters):
            return copies >= _LAUGHTER_COPIES
        if self._is_verse():
            return copies >= _VERSE_COPIES
        if size >= _BLOCK and len(letters) >= _BLOCK_WORDS:
            is_whole = size >= _LONG and not counts and max(self.head(start), self.head(last)) <= _SENTENCE
            return copies >= (_COUNTED_COPIES if counts else _LONG_COPIES if is_whole else _BLOCK_COPIES)
        return not counts and len(letters) == period and copies >= (_SHORT_COPIES if period > 1 else _ONE_WORD_COPIES)

    def _counts(self) -> bool | None:
        """Whether the copies are the same but for one number near their head that counts up. None where other numbers differ."""
        start, _, period = self.run
        heads = range(start, start + self.run.copies * period, period)
        columns = [[self.words[head + place].text for head in heads] for place in range(period)]
        moving = [place for place, column in enumerate(columns) if len(set(column)) > 1]
        if not moving:
            return False
        counter = columns[moving[0]]
        is_one = all(columns[place] == counter for place in moving)
        counts_up = all(int(after) - int(before) == 1 for before, after in pairwise(counter))
        numbered = self.words[start + moving[0]]
        is_at_head = moving[0] < 2 or (moving[0] == 2 and self.text[numbered.end : numbered.end + 1] in _NUMBERS_END)
        return True if is_one and counts_up and is_at_head else None

    def _is_inside_code(self, written: str) -> bool:
        """Whether it stands between two back ticks."""
        first = self.words[self.run.start].start
        return "`" not in written and self.text.count("`", self.text.rfind("\n", 0, first) + 1, first) % 2 == 1

    def _is_verse(self) -> bool:
        """Whether the copies are short lines and no items of a list; a line alone ends without a full stop."""
        start, _, period = self.run
        gap = self.gap(start + period)
        block = self.text[self.words[start].start : self.words[start + period].start].strip()
        lines = block.count("\n") + 1
        is_line = "\n" in gap and not _ITEM.search(gap) and (lines > 1 or not _ENDING.match(gap))
        return is_line and _letters(block) < _LONG * lines

    def loop(self) -> _Loop:
        start, end, period = self.run
        again, last = start + period, start + self.run.copies * period
        cut_from, cut_to = self.words[again - 1].end, self.words[last - 1].end
        if self._begins_another(last) or not self.text[cut_to:].strip():
            # Nothing of its own is left of the text: the copy that stays keeps its own full stop.
            ending = _ENDING.match(self.gap(again))
            cut_from, cut_to = cut_from + (ending.end() if ending else 0), len(self.text)
        return _Loop(self.words[again].start, self.words[end - 1].end, cut_from, cut_to)

    def _begins_another(self, last: int) -> bool:
        """Whether the words behind the last whole copy, to the end of the text, are the beginning of one more."""
        rest = [word.text for word in self.words[last:]]
        copy = [word.text for word in self.words[last - self.run.period : last]]
        if not 0 < len(rest) <= len(copy) or _WORD.search(self.text, self.words[-1].end):
            return False
        return rest[:-1] == copy[: len(rest) - 1] and copy[len(rest) - 1].startswith(rest[-1])


# --- what is no run ---------------------------------------------------------------------------------------------------


def _may_have_signs(text: str) -> bool:
    """Cheaper than the pattern, which looks at every place: of 24 equal signs, four stand six places apart."""
    return _FOUR.search(text[::6]) is not None or any(word == after for word, after in pairwise(text.split()))


def _signs(text: str, parts: Sequence[tuple[int, int]]) -> Iterator[re.Match[str]]:
    for part in parts:
        for found in _SIGNS.finditer(text, *part):
            line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
            if found["pair"] is None or _WORD.search(line):  # alone on its line it is an ornament
                yield found


def _syllables(text: str, parts: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for part in parts:
        for found in _LONG_WORDS.finditer(text, *part):
            if any(found[0][size:] == found[0][:-size] for size in range(1, _SYLLABLE + 1)):
                yield found.span()


_SENTENCE_END = re.compile(r"[。！？!?]|\.(?=\s|$)")


def _copied(text: str, parts: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Paragraphs that stand somewhere before in the text. Forms repeat what they say in lists."""
    seen: set[str] = set()
    for start, end in parts:
        for line in text[start:end].splitlines(keepends=True):
            words = line.strip()
            if words in seen and _is_paragraph(words):
                yield start, start + len(line.rstrip())
            seen.add(words)
            start += len(line)


def _is_paragraph(line: str) -> bool:
    if _ITEM.match("\n" + line) or _CODE.search(line) or len(_SENTENCE_END.findall(line)) < 2:
        return False
    return _letters(line) >= _PARAGRAPH


def _has_one_clause(text: str) -> bool:
    """Whether half of it is one clause, with changing words behind it."""
    counted = Counter(_CLAUSE.findall(text)).most_common(1)
    return any(n >= _CLAUSE_COPIES and 2 * n * len(clause) >= len(text) for clause, n in counted)


def _is_repeated(words: str) -> bool:
    """Whether a text, of which only the words are given, is mostly what it has said before."""
    many = len(tokens(words)) >= _FROM_TOKENS and seq_rep(words, 4) >= _SEQ_REP
    return many or (len(words) >= _FROM_LETTERS and zlib_ratio(words) >= _ZLIB)
