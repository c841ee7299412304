"""Look-alike characters that a tokenizer does not know: radicals and ligatures, as PDFs are full of."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import ClassVar

from studio.data.checks.base import Mark, TextCheck

__all__ = ["Radicals"]

#: U+2E80–2EFF and the ideographs that Unicode calls their equivalents: EquivalentUnifiedIdeograph.txt, Unicode 14.0. The block's
#: other characters have none and are left.
_SUPPLEMENT = (
    "⺁⺂⺃⺄⺅⺆⺇⺈⺉⺊⺋⺌⺍⺎⺏⺐⺑⺒⺓⺔⺕⺖⺗⺘⺙⺛⺜⺝⺞⺟⺠⺡⺢⺣⺤⺥⺦⺧⺨⺩"
    "⺪⺫⺬⺭⺮⺯⺰⺱⺲⺳⺴⺵⺶⺷⺸⺹⺺⺻⺼⺽⺾⺿⻀⻁⻂⻃⻄⻅⻆⻇⻈⻉⻊⻋⻌⻍⻎⻏⻐⻑"
    "⻒⻓⻔⻕⻖⻗⻘⻙⻚⻛⻜⻝⻞⻟⻠⻡⻢⻣⻤⻥⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲⻳"
)
_IDEOGRAPHS = (
    "厂乛乚乙亻冂𠘨刀刂卜㔾小小兀尣尢𡯂巳幺彑彐忄心扌攵旡日月歺母民氵氺灬爫爫丬牛犭王"
    "𤴔目示礻𥫗糹纟罓罒㓁冗𦉫羊𦍌𦍋耂肀聿肉𦥑艹艹艹虎衤覀西见角𧢲讠贝𧾷车辶辶辶邑钅長"
    "镸长门𨸏阝雨青韦页风飞食𩙿飠饣𩠐马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀龟"
)

#: U+2F00–2FD5 (Kangxi radicals) and U+FB00–FB06 (Latin ligatures) by NFKC, which nothing else in the text goes through:
#: full-width punctuation stays as it was written.
_PLAIN: dict[int, str] = {ord(old): new for old, new in zip(_SUPPLEMENT, _IDEOGRAPHS, strict=True)}
_PLAIN |= {code: unicodedata.normalize("NFKC", chr(code)) for code in (*range(0x2F00, 0x2FD6), *range(0xFB00, 0xFB07))}

_FOUND = re.compile(f"(?P<radical>[{_SUPPLEMENT}\u2f00-\u2fd5]+)|(?P<ligature>[\ufb00-\ufb06]+)")


class Radicals(TextCheck):
    """Characters of the blocks Kangxi Radicals and CJK Radicals Supplement where an ideograph is meant, and Latin ligatures such
    as ﬁ. They look the same on paper; to a tokenizer they are three bytes each that it has hardly seen. In code as well: nobody
    types them.
    """

    key = "radicals"
    certain = True
    roles: ClassVar[frozenset[str]] = frozenset({"system", "user", "assistant", "tool", "text", "rejected"})

    def marks(self, text: str) -> Sequence[Mark]:
        if text.isascii():
            return []
        return [Mark(*found.span(), str(found.lastgroup)) for found in _FOUND.finditer(text)]

    def mend(self, text: str) -> str:
        return text if text.isascii() else text.translate(_PLAIN)
