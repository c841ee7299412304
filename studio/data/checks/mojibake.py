"""Text that was read in another encoding than it was written in.

    UTF-8 read as Latin-1 or cp1252    schÃ¶n   ─► schön       ftfy's heuristic says whether it is so, and mends it
    UTF-8 read as GBK                  鐨勬椂鍊 ─► 的时候       back through GB 18030, if what comes out is common Chinese
    GBK read as Latin-1                ÄãºÃ    ─► 你好         the same the other way round
    what nobody can read any more      锟斤拷, � ─► found, and left for a person

Knows one text at a time, and no language: who wrote it, and what else it may have meant, are not asked.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import ftfy
import ftfy.bad_codecs  # declares sloppy-windows-1252
from ftfy.badness import badness

from studio.data.checks.base import Mark, TextCheck

__all__ = ["Mojibake"]


class _Damage(NamedTuple):
    """Characters `start` ≤ i < `end` of a text, and what was meant by them; None where that cannot be known."""

    start: int
    end: int
    meant: str | None


class Mojibake(TextCheck):
    """UTF-8 read as cp1252, Latin-1 or GBK, GBK read as Latin-1, and characters lost for good (U+FFFD, 锟斤拷). Accents, emoji
    and rare characters are clean: it counts only where ftfy's heuristic says so, or where going back gives common Chinese and
    what stands there is none. In code as well: nobody means it.
    """

    key = "mojibake"
    certain = True

    def marks(self, text: str) -> Sequence[Mark]:
        return [Mark(start, end, "lost" if meant is None else "mends") for start, end, meant in _damages(text)]

    def mend(self, text: str) -> str:
        """A text of which a part is lost stays as it is: a person sees the whole damage."""
        new = text
        for _ in range(_ROUNDS):
            damages = _damages(new)
            if not damages:
                return new
            pieces, position = [], 0
            for start, end, meant in damages:
                if meant is None:
                    return text
                pieces += [new[position:start], meant]
                position = end
            new = "".join(pieces) + new[position:]
        return text if _damages(new) else new


_ROUNDS = 3  # what was read wrongly twice


def _damages(text: str) -> list[_Damage]:
    """In order, none over another."""
    if text.isascii():
        return []
    found: list[_Damage] = []
    if _LOOKS_LATIN.search(text):
        for match in _LATIN.finditer(text):
            found += _from_latin(match)
    if _RARE.search(text):
        for match in _RUN.finditer(text):
            found += _from_gbk(match)
    if _ACCENT.search(text) or "鈥" in text:
        found += _accents(text, found)
    if any(sign in text for sign in _LOST_SIGNS):
        found += [_Damage(*match.span(), None) for match in _LOST.finditer(text)]
    return _apart(found) if len(found) > 1 else found


def _apart(damages: list[_Damage]) -> list[_Damage]:
    """Of two that overlap the one that begins first, and of those that begin alike the longer one."""
    kept: list[_Damage] = []
    for one in sorted(damages, key=lambda damage: (damage.start, -damage.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept


# --- read as Latin-1, cp1252 and their like ---------------------------------------------------------------------------

#: A first byte of UTF-8 (C2 to F4), as one-byte encodings show it, and what follows no letter in a word; or a control.
_LOOKS_LATIN = re.compile(
    "[\xc2-\xf4\u0102\u0139\u201a\u221a\u251c\u252c\u0420\u0413\u0432][^\0-\x7f\u0410-\u044f\u3000-\uffef]|[ÂÃ] |[\x80-\x9f]"
)

#: From one sign of such encodings beyond ASCII to the last in the line, with the letter and the spaces that belong to it.
_LATIN = re.compile("[A-Za-z0-9]? ?[\x80-\u2e7f](?:[\\x20-\\x7e\x80-\u2e7f]*[\x80-\u2e7f])?(?:(?<=[ÂÃ]) [A-Za-z0-9 ]{0,2})?")

#: The closing quotation mark is E2 80 9D; cp1252 has no 9D, and many programs drop it.
_CUT_QUOTE = re.compile(r"â€(?=[\s.,;:!?)\]—-]|\Z)")

#: Chinese whose A0, a hard space to Latin-1, became a plain one.
_PLAIN_SPACE = re.compile("(?<=[ã-é]) (?=[\x80-\u2e7f])|(?<=[ã-é][\x80-\u2e7f]) ")


def _from_latin(match: re.Match[str]) -> Iterator[_Damage]:
    run = match.group()
    bad = badness(run)
    if not bad:
        return
    new = _chinese_from_latin(run)
    if new is None:
        new = ftfy.fix_encoding(_CUT_QUOTE.sub("â€\x9d", run) if "â€œ" in run else run)
        if new == run:
            if bad > 1 or "â€" in run:
                yield _Damage(*match.span(), None)
            return
    before = _n_alike(run, new)
    after = _n_alike(run[before:][::-1], new[before:][::-1])
    is_lost = "\ufffd" in new or ("â€œ" not in run and _CUT_QUOTE.search(run) is not None)
    meant = new[before : len(new) - after].replace("\ufeff", "")
    yield _Damage(match.start() + before, match.end() - after, None if is_lost else meant)


def _n_alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _chinese_from_latin(run: str) -> str | None:
    """Before ftfy, which takes some bytes of GBK for UTF-8 and does not look for a lost hard space."""
    for wrong in ("sloppy-windows-1252", "latin-1"):
        for right, source in (("gb18030", run), ("utf-8", _PLAIN_SPACE.sub("\xa0", run))):
            chinese = _decoded(source, wrong, right)
            if chinese is not None and _n_ideographs(chinese) >= 2 and _is_chinese(chinese, 0.9):
                return chinese
    return None


def _decoded(run: str, wrong: str, right: str) -> str | None:
    try:
        return run.encode(wrong).decode(right)
    except UnicodeError:
        return None


# --- read as GBK ------------------------------------------------------------------------------------------------------

_IDEOGRAPHS = "".join(map(chr, range(0x4E00, 0xA000)))


def _between(encoding: str, first: int, last: int) -> frozenset[str]:
    """The ideographs whose first byte in an encoding lies between two."""
    return frozenset(sign for sign in _IDEOGRAPHS if first <= (sign.encode(encoding, "ignore") or b"\0")[0] <= last)


#: What Chinese is written with: the 3,755 characters of GB 2312's first level and the 5,401 of Big5's. Known are the second's too.
_COMMON = _between("gb2312", 0xB0, 0xD7) | _between("big5", 0xA4, 0xC6)
_KNOWN = _COMMON | _between("gb2312", 0xD8, 0xF7)

#: What it is not written with: half of what comes out when bytes are taken for GBK at random.
_STRANGE = frozenset(_IDEOGRAPHS) - _KNOWN
_RARE = re.compile("[" + "".join(sorted(_STRANGE)) + "\ue000-\uf8ff]")

#: UTF-8 of Chinese and its punctuation, of “ ’ — and of emoji. An ASCII letter after it may have been taken for a second byte.
_UTF8 = re.compile(rb"(?:(?:(?:[\xe3-\xe9\xef][\x80-\xbf]|\xe2\x80)[\x80-\xbf]|\xf0\x9f[\x8c-\xab][\x80-\xbf])[\x40-\x7e]?)+")


def _gbk(leads: Sequence[int], trails: Sequence[int]) -> str:
    return "".join(bytes((lead, trail)).decode("gbk", "ignore") for lead in leads for trail in trails)


_RUN = re.compile("[^\0-\x7f\ufffd]{2,}")
_START = re.compile(
    f"[{_gbk((*range(0xE3, 0xEA), 0xEF), range(0x80, 0xC0))}](?=[€{_gbk(range(0x81, 0xC0), (*range(0x40, 0x7F), *range(0xE2, 0xF1)))}])"
    f"|[鈥馃](?=[€{_gbk(range(0x81, 0xC0), range(0x40, 0xFF))}])"
)

#: Two of a character's three bytes.
_CUT = re.compile("[" + "".join(sorted(_STRANGE & {*_gbk((*range(0xE3, 0xEA), 0xEF), range(0x80, 0xC0))})) + "鈥]")


def _from_gbk(match: re.Match[str]) -> Iterator[_Damage]:
    """The parts of a run that are UTF-8. Where the last character lacks a byte, the part is lost with it."""
    run = match.group()
    if not (_RARE.search(run) and _START.search(run)):
        return
    signs = [b"\x80" if sign == "€" else sign.encode("gb18030") for sign in run]  # 80 is no first byte; many programs read €
    data, begins = b"".join(signs), [*accumulate(map(len, signs), initial=0)]
    reached = 0
    for start in _START.finditer(run):
        found = _UTF8.match(data, begins[start.start()]) if start.start() >= reached else None
        if found is None:
            continue
        reached = bisect_left(begins, found.end())
        new = found.group().decode()
        if _is_meant(new, run[start.start() : reached]):
            is_cut = begins[reached] != found.end()
            if not is_cut and reached < len(run) and _CUT.match(run, reached):
                is_cut, reached = True, reached + 1
            yield _Damage(match.start() + start.start(), match.start() + reached, None if is_cut else new)


def _is_meant(new: str, instead_of: str) -> bool:
    """Whether what comes out is common, and what stands there is not: by chance alone three characters of a rare name may be
    UTF-8 as well.
    """
    n_ideographs = _n_ideographs(new)
    n_common = sum(sign in _COMMON for sign in instead_of)
    if not _RARE.search(instead_of) or not _is_chinese(new, 1 if n_ideographs <= 3 else 0.7):
        return False
    return n_ideographs > 3 or 2 * n_common <= (len(instead_of) if n_ideographs > 1 else 0)


# --- single accents, read as GBK --------------------------------------------------------------------------------------

#: £ ° é ł and their like: two bytes, which are one Chinese character, and often a common one.
_SIGN = "[" + _gbk(range(0xC2, 0xC6), range(0x80, 0xC0)) + "]"
_LETTER = "[" + _gbk(range(0xC3, 0xC6), range(0x80, 0xC0)).replace("脳", "").replace("梅", "") + "]"  # × and ÷ are none
_ACCENT = re.compile(rf"{_LETTER}(?<=[a-z].)(?=[a-z])|掳(?<=\d.)(?=[CF]\b)")
_SIGNS = re.compile(_SIGN)
_IDEOGRAPH = re.compile("[\u3400-\u9fff]")


def _accents(text: str, found: Sequence[_Damage]) -> Iterator[_Damage]:
    """Where one stands in the midst of a word, or ’ and — are read as GBK too, and nothing else in the text is Chinese."""
    rest = [at.start() for at in _IDEOGRAPH.finditer(text) if not any(one.start <= at.start() < one.end for one in found)]
    if all(_SIGNS.match(text, at) for at in rest):
        yield from (_Damage(at, at + 1, text[at].encode("gbk").decode()) for at in rest)


# --- what is common ---------------------------------------------------------------------------------------------------

_PLAIN = re.compile("[\0-\x7f\xa0-\xbf×÷\u2010-\u206f\u2103\u3000-\u303f\uff00-\uff65\ufeff\U0001f300-\U0001faff]")


def _n_ideographs(text: str) -> int:
    return len(_IDEOGRAPH.findall(text))


def _is_chinese(text: str, share: float) -> bool:
    """Whether so many of its ideographs are common, and few of its other signs are odd ones."""
    ideographs = _IDEOGRAPH.findall(text)
    n_odd = len(text) - len(ideographs) - len(_PLAIN.findall(text))
    return n_odd <= 0.1 * len(text) and sum(sign in _COMMON for sign in ideographs) >= share * len(ideographs)


# --- lost for good ----------------------------------------------------------------------------------------------------

#: Bytes that could not be read (U+FFFD, and its own UTF-8 read as GBK), and memory that was never written to, read as GBK.
_LOST = re.compile(r"\ufffd+|(?:锟斤拷|锟斤|斤拷锟)+|烫{3,}|屯{3,}")
_LOST_SIGNS = ("\ufffd", "锟斤", "烫烫烫", "屯屯屯")
