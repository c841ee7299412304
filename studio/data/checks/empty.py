"""Questions and answers that say nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from studio.data.checks.base import RowCheck, RowView, Spot
from studio.data.rows import NewRow

__all__ = ["Empty"]

#: Longer texts are no placeholders.
_LONGEST = 40

_NOTHING = re.compile(
    r"[\s\u00ad\u180e\u200b-\u200f\u2060-\u2064\ufeff.\u2026\u22ef\u3002\u00b7\u2022\-\u2013\u2014_~\uff5e*#=/\\|,\uff0c\u3001;\uff1b:\uff1a!\uff01?\uff1f'\"“”‘’()\[\]{}（）【】<>《》]*"
)
_PLACEHOLDER = re.compile(
    r"n\s*/?\s*a|nan|null|nil|undefined|empty|blank|to ?do\b.*|t\.?b\.?[ad]\b.*|fix ?me\b.*|xxx+|placeholder|lorem ipsum.*"
    r"|(?:no|missing) ?(?:question|prompt|input|output|answer|response|content|data|text)|none given"
    r"|not (?:available|applicable|provided|given|answered)"
    r"|ditto|(?:as|see|same as) (?:above|before|below)|to be (?:added|done|defined|completed|written|filled in?)"
    r"|(?:no|insert|your|enter|type|add|put|missing) (?:the |your )?(?:answer|response|reply|text|content|output|data)(?: here)?"
    r"|(?:answer|response|text|content) (?:goes here|here|missing|pending|to follow|to be added)|coming soon|see above"
    r"|空|空白|(?:答案|回答|内容|过程|此处|以下)?(?:从?略|省略)|此处(?:为空|待补|填写\w{0,4})|[同见如](?:上|前)(?:题|文|述|例|面)?|待(?:补|定|填|录|完|更|回|添|续|编|写)\w{0,2}|暂(?:无|缺)(?:内容|回答|答案|数据)?"
    r"|未(?:填写?|回答|提供|完成)|(?:无|没有|缺少|缺)(?:内容|回答|答案|回复|数据|文本)|(?:请)?在?(?:这里|此处|此)(?:填写|输入)\w{0,6}|占位符?|测试",
    re.IGNORECASE,
)
#: Nothing by themselves, and an answer to a question that can be answered by them.
_SHORT_ANSWER = re.compile(r"none|无|没有", re.IGNORECASE)
_ASKS_FOR_ANY = re.compile(
    r"\b(?:any|which|what|who|how many|is there|are there|list|name|allerg|side effect|else)\b"
    r"|哪|什么|几|多少|有没有|有无|是否|吗|是不是|过敏|病史|既往",
    re.IGNORECASE,
)
_ASKS_FOR_SIGNS = re.compile(
    r"\b(?:which|what) (?:\w+ ){0,2}(?:symbol|sign|punctuation|operator|character|emoji)|符号|标点|运算符|表情|字符",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:the )?(?:answer|response|output|reply|assistant|solution|question|q|a|user|instruction|prompt|input"
    r"|回答|答案|答复|答|回复|输出|解答|助手|问题|问|提问|用户|指令|输入)\s*[:：]?",
    re.IGNORECASE,
)
_WRAPPED = "()[]{}<>（）【】《》「」\"'“”‘’*_`. 。…!！-—\n\t"


class Empty(RowCheck):
    """A question or an answer of punctuation only, a placeholder (N/A, null, TODO, 待补充, 略 …) or a bare label ("Answer:").
    "None" and 无 are answers where the question can be answered by them. Mended, the row goes.
    """

    key = "empty"
    certain = True

    def spots(self, view: RowView) -> Sequence[Spot]:
        asked = ""
        found = []
        for words in view.words:
            if words.role not in ("user", "assistant", "text") or words.where.endswith("reasoning_content"):
                continue
            is_nothing = len(words.text) <= _LONGEST and _says_nothing(words.text.strip(), asked)
            if is_nothing and not (words.role == "assistant" and _calls_a_tool(view.row, words.where)):
                found.append(Spot(words.where, 0, len(words.text)))
            if words.role == "user":
                asked = words.text
        return found

    def mended(self, row: NewRow) -> list[NewRow]:
        return []


def _says_nothing(text: str, asked: str) -> bool:
    if _NOTHING.fullmatch(text):
        return not _ASKS_FOR_SIGNS.search(asked)
    if _LABEL.fullmatch(text) and text[-1] in ":：":
        return True
    bare = text.strip(_WRAPPED)
    if _SHORT_ANSWER.fullmatch(bare):
        return not _ASKS_FOR_ANY.search(asked)
    return _PLACEHOLDER.fullmatch(bare) is not None


def _calls_a_tool(row: NewRow, where: str) -> bool:
    """An assistant that calls a tool need not say anything."""
    name, _, rest = where.partition("[")
    at = rest.partition("]")[0]
    return at.isdecimal() and bool(row.content[name][int(at)].get("tool_calls"))
