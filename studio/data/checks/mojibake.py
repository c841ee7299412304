"""Text that was read in another encoding than it was written in.

    UTF-8 read as Latin-1 or cp1252    schÃ¶n   ─► schön       ftfy's heuristic says whether it is so, and mends it
    UTF-8 read as GBK                  鐨勬椂鍊 ─► 的时候       back through GB 18030, if what comes out is common Chinese
    GBK read as Latin-1                ÄãºÃ    ─► 你好         the same the other way round
    what nobody can read any more      锟斤拷, � ─► found, and left for a person
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import ftfy
import ftfy.bad_codecs  # declares sloppy-windows-1252
from ftfy.badness import badness

from studio.data.checks.base import Mark, TextCheck, is_chinese

__all__ = ["Mojibake"]

#: Bytes that could not be read (U+FFFD, and its own UTF-8 read as GBK), and memory that was never written to, read as GBK.
_LOST = re.compile(r"\ufffd+|(?:锟斤拷|锟斤|斤拷锟)+|(?:烫{3,}|屯{3,})")

#: Runs of what Latin-1 and cp1252 know, from one of their signs beyond ASCII to the last in the line.
_BEYOND = "\x80-\xff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122"
_LATIN = re.compile(rf"[{_BEYOND}](?:[\x20-\x7e{_BEYOND}]*[{_BEYOND}])?")

#: Runs of Chinese. UTF-8 of Chinese, read as GBK, begins with a byte from E2 to EF and goes on with one from 80 to BF.
_CJK = re.compile(r"[\u20ac\u2460-\u24ff\u2e80-\u9fff\ue000-\ufaff\uff00-\uffef]+")
_SUSPECT = re.compile(
    "[" + "".join(bytes((lead, trail)).decode("gbk", "ignore") for lead in range(0xE2, 0xF0) for trail in range(0x80, 0xC0)) + "]"
)
#: Accents and hard spaces of other languages, read as GBK, are single Chinese characters beside Latin letters.
_AMONG_LETTERS = re.compile(
    r"(?<=[A-Za-z])[\u20ac\u3400-\u9fff]{1,3}(?=[A-Za-z\s.,;!?]|\Z)|(?<!\S)[\u3400-\u9fff]{1,2}(?=[a-z])"
)
_PUNCTUATION = re.compile(r"[\u2010-\u2027\u2030-\u205e\u3000-\u303f\uff01-\uff65\xa0-\xbf\s]")
_LATIN_LETTER = re.compile(r"[\xc0-\u024f]")

#: Two characters of three bytes or more, with an ASCII letter among them that was taken for a second byte.
_UTF8 = re.compile(rb"(?:[\xe2-\xef][\x80-\xbf]{2}[\x40-\x7e]?){2,}")

_ROUNDS = 3  # what was read wrongly twice


class Mojibake(TextCheck):
    """UTF-8 read as cp1252, Latin-1 or GBK, GBK read as Latin-1, and characters lost for good (U+FFFD, 锟斤拷). Accents, emoji
    and rare characters are clean: it counts only where ftfy's heuristic says so, or where going back gives common Chinese.
    """

    key = "mojibake"
    certain = True

    def marks(self, text: str) -> Sequence[Mark]:
        if text.isascii():
            return []
        found = [Mark(begin, end, "mends" if new is not None else "lost") for begin, end, new in _damaged(text)]
        lost = [Mark(*match.span(), "lost") for match in _LOST.finditer(text)]
        return sorted(found + [mark for mark in lost if not any(one.start < mark.end and mark.start < one.end for one in found)])

    def mend(self, text: str) -> str:
        """A text of which a part is lost stays as it is: a person sees the whole damage."""
        new = text
        for _ in range(_ROUNDS):
            pieces, position = [], 0
            for begin, end, meant in _damaged(new):
                if meant is not None:
                    pieces += [new[position:begin], meant]
                    position = end
            new = "".join(pieces) + new[position:]
            if not self.marks(new):
                return new
        return text


def _damaged(text: str) -> Iterator[tuple[int, int, str | None]]:
    """Damaged runs in order: begin, end, and what was meant; None where it cannot be known."""
    runs = [(match.start(), match.end(), *_from_latin(match.group())) for match in _LATIN.finditer(text)]
    if _SUSPECT.search(text):
        for match in _CJK.finditer(text):
            runs += [(match.start() + begin, match.start() + end, True, new) for begin, end, new in _from_gbk(match.group())]
    if not is_chinese(text):
        runs += [(*match.span(), *_accent(match.group())) for match in _AMONG_LETTERS.finditer(text)]
    reached = 0
    for begin, end, is_damaged, new in sorted(runs, key=lambda run: run[:2]):
        if is_damaged and begin >= reached:
            yield begin, end, new
            reached = end


def _from_latin(run: str) -> tuple[bool, str | None]:
    bad = badness(run)
    if not bad:
        return False, None
    for wrong in ("sloppy-windows-1252", "latin-1"):  # before ftfy, which may take some of these bytes for UTF-8
        chinese = _decoded(run, wrong, "gb18030")
        if chinese is not None and _n_chinese(chinese) >= 3 and _is_common(chinese, 0.9):
            return True, chinese
    new = ftfy.fix_encoding(run)
    if new != run:
        return True, None if "\ufffd" in new else new
    return bad > 1, None


def _from_gbk(run: str) -> Iterator[tuple[int, int, str | None]]:
    """Parts of a run of Chinese that are UTF-8, with what they meant: None where a byte of it is missing."""
    if not _SUSPECT.search(run):
        return
    data = run.encode("gb18030", "replace")
    place = {at: number for number, at in enumerate(itertools.accumulate((len(_gbk(sign)) for sign in run), initial=0))}
    for match in _UTF8.finditer(data):
        begin, end = match.span()
        if begin not in place:
            continue
        new = data[begin:end].decode("utf-8")
        if _is_meant(new) and (_n_chinese(new) > 3 or _is_common(new, 1)):
            whole = end if end in place else end + 1
            yield place[begin], place.get(whole, len(run)), new if end in place else None


def _gbk(sign: str) -> bytes:
    return sign.encode("gb18030", "replace")


def _accent(run: str) -> tuple[bool, str | None]:
    new = _decoded(run, "gb18030", "utf-8")
    is_one = new is not None and _n_chinese(new) == 0 and _is_meant(new) and new != run
    return is_one, new


def _decoded(run: str, wrong: str, right: str) -> str | None:
    try:
        return run.encode(wrong).decode(right)
    except UnicodeError:
        return None


def _is_meant(text: str) -> bool:
    """Whether somebody may have written it: common Chinese, or signs and accents that English and its neighbours use."""
    if _n_chinese(text):
        return _is_common(text, 0.7)
    return all(sign.isascii() or _PUNCTUATION.match(sign) or _LATIN_LETTER.match(sign) for sign in text)


def _n_chinese(text: str) -> int:
    return sum("\u4e00" <= sign <= "\u9fff" for sign in text)


def _is_common(text: str, share: float) -> bool:
    """Whether so many of its Chinese characters are among the 3,755 of GB 2312's first level, and it has no odd signs."""
    chinese = [sign for sign in text if "\u4e00" <= sign <= "\u9fff"]
    others = [sign for sign in text if not ("\u4e00" <= sign <= "\u9fff" or sign.isascii() or _PUNCTUATION.match(sign))]
    n_common = sum(0xB0 <= sign.encode("gb18030")[0] <= 0xD7 and sign.encode("gb18030")[1] >= 0xA1 for sign in chinese)
    return len(others) <= 0.1 * len(text) and n_common >= share * len(chinese)
