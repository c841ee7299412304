"""What leads to a person: mail addresses, phone numbers, identity numbers, bank cards, addresses of their computers.

Found by form and check digit alone. Names, streets and dates of birth need a reader, and so do the arguments of tool calls.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from studio.data.checks.base import Mark, TextCheck, is_chinese, with_words, words_of
from studio.data.checks.personal_forms import places
from studio.data.checks.settled import settled
from studio.data.rows import NewRow

__all__ = ["PersonalData"]

_MASKS = {
    "mail": ("[EMAIL]", "[邮箱]"),
    "phone": ("[PHONE]", "[电话]"),
    "id": ("[ID]", "[身份证号]"),
    "card": ("[CARD]", "[银行卡号]"),
    "ip": ("[IP]", "[IP地址]"),
}

#: What every one of them has: an @, seven digits close together, three parts of an address. Nothing else is looked at.
_AT = ("@", "＠")
_HINT = re.compile(
    r"[0-9０-９](?:(?:[ .()（）．－\-]{0,2}[0-9０-９]){6}|[0-9]{0,2}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:)"
)

#: Full-width forms become what they mean, character for character, so that places stay.
_WIDE = re.compile("[０-９＠－]")
_NARROW = {ord(wide): ord(wide) - 0xFEE0 for wide in "０１２３４５６７８９＠＋－．（）"} | {
    code: code - 0xFEE0 for code in range(ord("Ａ"), ord("ｚ") + 1)
}

_LETTER = re.compile(r"[^\W\d_]")


class PersonalData(TextCheck):
    """Found are, in every text of a row and with full-width digits too:

    `mail`: mail addresses. Not those of placeholders (your.name@…, user@example.com), git@host and file names (icon@2x.png).
    `phone`: Chinese mobile numbers, landlines with an area code, +86, North American numbers with their marks, international ones
    with a plus, and 7 to 13 digits behind a word like "Tel" or 电话. Not hotlines (400, 800, 1-800), which are meant to be known.
    `id`: Chinese identity numbers with their check character, and old ones of 15 digits; province and day of birth must exist.
    `card`: 13 to 19 digits, also in groups, that an issuer may have given out, with Luhn's check digit.
    `ip`: IPv4 and IPv6 addresses of the public internet. Not where they are a version or the number of a section.

    Phone numbers and cards are not found as amounts, as numbers of orders and parcels, in links, and where all digits are the
    same. Mended: a mask in the language of the text.
    """

    key = "personal_data"
    certain = True
    roles = frozenset({"system", "user", "assistant", "tool", "text", "rejected"})

    def marks(self, text: str) -> Sequence[Mark]:
        if not any(at in text for at in _AT) and not _HINT.search(text):
            return []
        found: list[Mark] = []
        taken = bytearray(len(text))
        for place in places(text.translate(_NARROW) if _WIDE.search(text) else text):
            if not any(taken[place.start : place.end]):
                taken[place.start : place.end] = b"\1" * (place.end - place.start)
                found.append(place)
        return sorted(found)

    def mended(self, row: NewRow) -> list[NewRow]:
        whole = "\n".join(words.text for words in words_of(row.content))
        return settled(self, row, replace(row, content=with_words(row.content, lambda words: self._masked(words.text, whole))))

    def _masked(self, text: str, whole: str) -> str:
        """With masks in the language of what remains of the text; where that says nothing, in that of the whole row."""
        if not (marks := self.marks(text)):
            return text
        starts, ends = [0, *(mark.end for mark in marks)], [*(mark.start for mark in marks), len(text)]
        kept = [text[start:end] for start, end in zip(starts, ends, strict=True)]
        chinese = is_chinese("".join(kept) if any(map(_LETTER.search, kept)) else whole)
        masks = [_MASKS[mark.what][chinese] for mark in marks]
        return "".join(part for pair in zip(kept, [*masks, ""], strict=True) for part in pair)
