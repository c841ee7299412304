"""Damage of PDF and web extraction: hard line breaks, radicals and ligatures, wrongly decoded characters."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from random import Random

from .compose import HAN, Draft
from .damage import Damaged, Turns, damaged, last_place, pick_place, sentences

SUPPLEMENT = {
    "民": "⺠",
    "长": "⻓",
    "见": "⻅",
    "车": "⻋",
    "门": "⻔",
    "马": "⻢",
    "鱼": "⻥",
    "鸟": "⻦",
    "黄": "⻩",
    "齐": "⻬",
    "龙": "⻰",
    "母": "⺟",
}
KANGXI = {unicodedata.normalize("NFKC", chr(code)): chr(code) for code in range(0x2F00, 0x2FD6)}
RADICALS = {**KANGXI, **SUPPLEMENT}
LIGATURES = (("ffi", "\ufb03"), ("ffl", "\ufb04"), ("ff", "\ufb00"), ("fi", "\ufb01"), ("fl", "\ufb02"))


def can_ligate(text: str) -> bool:
    return "```" not in text and "http" not in text and "`" not in text and any(plain in text for plain, _ in LIGATURES)


def replace_some(text: str, rng: Random, share: float, table: dict[str, str]) -> str:
    """Replaces a share of the occurrences, at least one."""
    spots = [m.start() for m in re.finditer("|".join(sorted(table, key=len, reverse=True)), text)]
    chosen = {rng.choice(spots)} | {spot for spot in spots if rng.random() < share}
    result, at = [], 0
    while at < len(text):
        size = next((len(plain) for plain in sorted(table, key=len, reverse=True) if text.startswith(plain, at)), 0)
        if size and at in chosen:
            result.append(table[text[at : at + size]])
            at += size
        else:
            result.append(text[at])
            at += 1
    return "".join(result)


class Radicals:
    """Look-alike radicals (zh) and ligatures (both languages) as PDF extraction yields them."""

    def __init__(self, lang: str) -> None:
        self._lang = lang

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        share = rng.choice((0.0, 0.0, 0.2, 0.5, 1.0))
        latin = [i for i, (role, text) in enumerate(draft.messages) if role != "system" and can_ligate(text)]
        if latin and self._lang == "en":
            place = latin[-1] if rng.random() < 0.6 else rng.choice(latin)
            text = draft.messages[place][1]
            return damaged(draft, place, replace_some(text, rng, share, dict(LIGATURES)), f"ligatures, share {share}")
        if self._lang == "en":
            return None
        place = pick_place(draft, rng, 0.25)
        text = draft.messages[place][1]
        table = rng.choice((RADICALS, KANGXI, KANGXI, SUPPLEMENT))
        if not any(char in table for char in text):
            return None
        name = {id(RADICALS): "both blocks", id(KANGXI): "Kangxi", id(SUPPLEMENT): "supplement"}[id(table)]
        return damaged(draft, place, replace_some(text, rng, share, table), f"{name}, share {share}")


def wrap_latin(text: str, width: int, hyphens: bool) -> str:
    if not hyphens:
        return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))
    lines, line = [], ""
    for word in text.split(" "):
        room = width - len(line) - 1
        if len(line) + 1 + len(word) <= width or not line:
            line = f"{line} {word}".strip()
        elif len(word) >= 7 and word.isalpha() and 3 < room < len(word) - 1:
            lines.append(f"{line} {word[: room - 1]}-")
            line = word[room - 1 :]
        else:
            lines.append(line)
            line = word
    return "\n".join([*lines, line])


def wrap_han(text: str, width: int) -> str:
    return "\n".join(text[i : i + width] for i in range(0, len(text), width))


def broken_sentences(text: str) -> int:
    """How many line ends stand in the middle of a sentence."""
    return sum(1 for line in text.split("\n")[:-1] if line and line[-1] not in ".!?。！？：:")


class HardWraps:
    """Prose whose lines are broken at a fixed width."""

    def __init__(self, lang: str) -> None:
        self._lang = lang

    def _wrap(self, paragraphs: list[str], width: int, hyphens: bool) -> str:
        return "\n\n".join(wrap_latin(p, width, hyphens) if self._lang == "en" else wrap_han(p, width) for p in paragraphs)

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        text = draft.answer.replace("\n\n", " " if self._lang == "en" else "") if rng.random() < 0.5 else draft.answer
        paragraphs = text.split("\n\n")
        longest = max(len(paragraph) for paragraph in paragraphs)
        low, high = (30, 90) if self._lang == "en" else (15, 45)
        high = min(high, int(longest / 2.6))
        if (
            re.search(r"[^\n]\n[^\n]", draft.answer)
            or high <= low
            or any(mark in text for mark in ("|", "```", "- ", "1. ", "http"))
        ):
            return None
        width = rng.randint(low, high)
        hyphens = self._lang == "en" and rng.random() < 0.4
        wrapped = self._wrap(paragraphs, width, hyphens)
        for _ in range(8):
            if not hyphens or "-\n" in wrapped:
                break
            width = rng.randint(low, high)
            wrapped = self._wrap(paragraphs, width, hyphens)
        if max(p.count("\n") for p in wrapped.split("\n\n")) < 2 or broken_sentences(wrapped) < 2:
            return None
        how = f"width {width}" + (", hyphens" if hyphens and "-\n" in wrapped else "")
        return damaged(draft, last_place(draft), wrapped, how)


def typographic(text: str, rng: Random) -> str:
    """English text with the curly quotes, dashes and accents that break when it is decoded wrongly."""
    text = re.sub(r"(\w)'(\w)", "\\1’\\2", text)
    text = re.sub(r'"([^"]+)"', "“\\1”", text).replace(" - ", " — ")
    if text.isascii():
        for plain, rich in (
            ("cafe", "café"),
            (", and ", " — and "),
            (": ", " – "),
            (" euros", " €"),
            (", ", " – "),
            (" ", "\u00a0"),
        ):
            if plain in text:
                return text.replace(plain, rich, 1)
    return text


def as_cp1252(text: str) -> str:
    """UTF-8 bytes read as Windows-1252; the five bytes without a character there come out as in browsers."""
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode("utf-8"))


def as_latin1(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")


def as_gbk(text: str) -> str:
    return text.encode("utf-8").decode("gbk", "replace")


def gbk_as_latin1(text: str) -> str:
    return text.encode("gbk", "ignore").decode("latin-1")


def kun_jin_kao(text: str) -> str:
    """The well-known trace of replacement characters that were read as GBK."""
    return ("\ufffd" * (2 * max(1, len(text) // 2))).encode("utf-8").decode("gbk")


def replacement_characters(text: str, rng: Random, lang: str) -> str:
    spots = [i for i, char in enumerate(text) if (HAN.match(char) if lang == "zh" else not char.isascii() or char in "'\"-,")]
    if not spots:
        return text
    chosen = set(rng.sample(spots, min(len(spots), rng.choice((1, 2, 3, 8)))))
    return "".join(
        "\ufffd" * (rng.choice((1, 2, 3)) if lang == "zh" else 1) if i in chosen else char for i, char in enumerate(text)
    )


class Mojibake:
    """Text that was decoded with the wrong table, in part or as a whole."""

    def __init__(self, lang: str) -> None:
        self._lang = lang
        english = {"cp1252": as_cp1252, "latin-1": as_latin1, "double": lambda t: as_cp1252(as_cp1252(t)), "GBK": as_gbk}
        chinese = {**english, "double GBK": lambda t: as_gbk(as_gbk(t)), "GBK as latin-1": gbk_as_latin1}
        self._ways = english if lang == "en" else chinese
        self._turns = Turns({**dict.fromkeys(self._ways, 2), "U+FFFD": 2, **({"锟斤拷": 1} if lang == "zh" else {})})

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        place = pick_place(draft, rng, 0.25)
        text = draft.messages[place][1]
        if self._lang == "en":
            text = typographic(text, rng)
        how = self._turns.current(rng)
        parts = sentences(text, self._lang)
        whole = rng.random() < 0.4
        target = text if whole else rng.choice(parts)
        if how == "U+FFFD":
            broken = replacement_characters(target, rng, self._lang)
        elif how == "锟斤拷":
            start = rng.randrange(max(1, len(target) - 4))
            broken = target[:start] + kun_jin_kao(target[start : start + rng.randint(2, 9)]) + target[start + rng.randint(2, 9) :]
        else:
            broken = self._ways[how](target)
        if broken == target or (self._lang == "en" and target.isascii() and how != "U+FFFD"):
            return None
        self._turns.done()
        return damaged(draft, place, text.replace(target, broken, 1), f"{how}, {'all' if whole else 'part'}")
