"""Answers that were cut off, and answers that run in circles."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from .compose import HAN, Draft
from .damage import Damaged, Turns, damaged, gap, last_place, places, sentences

OPEN_WORDS = {
    "en": (
        "the",
        "a",
        "an",
        "and",
        "of",
        "to",
        "with",
        "or",
        "in",
        "for",
        "from",
        "because",
        "that",
        "which",
        "but",
        "if",
        "at",
        "by",
        "is",
        "are",
        "your",
    ),
    "zh": (
        "在",
        "把",
        "和",
        "与",
        "或",
        "因为",
        "如果",
        "例如",
        "比如",
        "以及",
        "并",
        "但",
        "而",
        "从",
        "对",
        "将",
        "被",
        "让",
        "给",
        "最",
        "很",
        "不",
    ),
}
OPENERS = {
    "en": (
        " For example,",
        " In addition, you",
        " However, it is important to",
        " Another thing is that the",
        " First of all, make sure that",
        " There are three reasons for this: first,",
        " This means that",
        " To sum up, the",
        " Besides that, we recommend to",
        " Finally, you should",
    ),
    "zh": (
        "例如",
        "另外，您",
        "不过需要注意的是，",
        "还有一点就是，在",
        "首先要确保",
        "原因有三个：第一，",
        "这意味着如果",
        "总之，最",
        "除此以外，我们建议",
        "最后，并且",
        "具体来说，比如",
    ),
}
BRACKETS = {
    "en": (" (for instance", " (see", " (about 20 to", " (which is why", ' "as long as', " (e.g."),
    "zh": ("（例如", "（参见", "（大约二十到", "（所以", "“只要", "（比如说"),
}
DANGLING = {
    "en": (
        "\n\n1. Prepare everything in advance.\n2. Take your time.\n3.",
        "\n\n**Tips:**\n\n- Start early\n- Keep notes\n-",
        "\n\n## Further steps\n\n1. **",
        "\n\nHere are some more points:\n\n1. Check the date and the",
        "\n\n- Cost: moderate\n- Effort: low to",
        "\n\n| Step | Time |\n| --- | --- |\n| Begin | 10",
    ),
    "zh": (
        "\n\n1. 提前准备好。\n2. 不要着急。\n3.",
        "\n\n**小贴士：**\n\n- 早点开始\n- 做好记录\n-",
        "\n\n## 后续步骤\n\n1. **",
        "\n\n另外还有几点：\n\n1. 核对日期和",
        "\n\n- 费用：适中\n- 难度：较",
        "\n\n| 步骤 | 时间 |\n| --- | --- |\n| 开始 | 10",
    ),
}
WORDS_ZH = [
    "时间",
    "需要",
    "注意",
    "检查",
    "如果",
    "因为",
    "可以",
    "医生",
    "一般",
    "原因",
    "办法",
    "方法",
    "工具",
    "准备",
    "问题",
    "早上",
    "晚上",
    "温水",
    "冷藏",
    "地铁",
    "公交",
    "步行",
    "材料",
    "合同",
    "记录",
    "银行",
    "存款",
    "账款",
    "费用",
    "收入",
    "凭证",
    "发票",
    "电池",
    "充电",
    "密封",
    "时候",
    "分钟",
    "小时",
    "情况",
    "方式",
    "推荐",
    "地方",
    "步骤",
    "关键",
    "建议",
    "避免",
    "习惯",
    "症状",
    "加重",
    "护理",
    "浇水",
    "播种",
    "收获",
    "例子",
    "作用",
    "命令",
    "版本",
    "数据",
    "用户",
    "服务",
    "配置",
    "技术",
    "产品",
    "购买",
    "客服",
    "专业",
    "培训",
    "练习",
    "节奏",
    "动物",
    "食物",
    "环境",
    "清洗",
    "安装",
    "拍照",
    "证明",
    "身份",
    "规定",
    "法律",
    "权利",
    "期限",
    "投诉",
    "退货",
    "保修",
    "音乐",
    "颜色",
    "皮肤",
    "疼痛",
    "恶心",
    "睡觉",
    "起床",
    "喝水",
    "鸡蛋",
    "番茄",
    "土豆",
    "牛肉",
    "豆腐",
    "米饭",
    "白糖",
    "酱油",
    "面粉",
    "蔬菜",
    "植物",
    "温度",
    "空气",
    "能量",
    "物体",
    "分子",
    "价格",
    "概念",
    "学生",
    "老师",
    "孩子",
    "朋友",
    "邻居",
    "房东",
    "公司",
    "单位",
    "工资",
    "劳动",
    "保险",
    "城市",
    "博物",
    "公园",
    "旅行",
    "季节",
    "车站",
    "房间",
    "窗户",
    "水管",
    "开关",
    "电器",
]
CODE_STARTS = {"en": "Here is an example:", "zh": "示例如下："}
SHORTEST = 40


def words_of(drafts: list[Draft]) -> set[str]:
    return {word for draft in drafts for word in re.findall(r"[a-z]+", draft.text.lower())}


def cut_at(text: str, ends: list[int], rng: Random) -> str | None:
    usable = [end for end in ends if end >= SHORTEST]
    return text[: rng.choice(usable)].rstrip() if usable else None


def after_comma(text: str, lang: str, rng: Random) -> str | None:
    return cut_at(text, [m.end() for m in re.finditer("[，、；：]" if lang == "zh" else "[,;:]", text[:-3])], rng)


def after_open_word(text: str, lang: str, rng: Random) -> str | None:
    pattern = "(?:" + "|".join(OPEN_WORDS[lang]) + ")"
    if lang == "en":
        return cut_at(text, [m.end() for m in re.finditer(rf"\b{pattern}\b(?= [a-z])", text)], rng)
    return cut_at(text, [m.end() for m in re.finditer(rf"{pattern}(?=[\u4e00-\u9fff]{{2}})", text)], rng)


class MidWord:
    """Cuts inside a word; the stump must not be a word of its own."""

    def __init__(self, known: set[str]) -> None:
        self._known = known

    def __call__(self, text: str, lang: str, rng: Random) -> str | None:
        if lang == "zh":
            ends = [m.start() + 1 for word in WORDS_ZH for m in re.finditer(word, text)]
            return cut_at(text, [end for end in ends if HAN.match(text[end - 2])], rng)
        ends = []
        for match in re.finditer(r"[a-z]{6,}", text):
            stops = [n for n in range(3, len(match.group()) - 1) if match.group()[:n] not in self._known]
            ends += [match.start() + rng.choice(stops)] if stops else []
        return cut_at(text, ends, rng)


def after_opener(text: str, lang: str, rng: Random) -> str | None:
    parts = sentences(text, lang)
    keep = gap(lang).join(parts[: rng.randint(1, len(parts))])
    return keep + rng.choice(OPENERS[lang]) if len(keep) >= 25 else None


def in_bracket(text: str, lang: str, rng: Random) -> str | None:
    parts = sentences(text, lang)
    keep = gap(lang).join(parts[: rng.randint(1, len(parts))]).rstrip("。.!！?？")
    return keep + rng.choice(BRACKETS[lang]) if len(keep) >= 30 else None


def in_list(text: str, lang: str, rng: Random) -> str | None:
    return text + rng.choice(DANGLING[lang]) if len(text) >= 20 else None


def in_fence(draft: Draft, lang: str, rng: Random) -> str | None:
    """An answer with code whose fence was never closed."""
    match = re.search(r"```\w*\n(.+?)\n```", draft.answer, re.DOTALL)
    if not match or len(match.group(1)) < 30:
        return None
    end = match.start(1) + rng.randint(len(match.group(1)) // 2, len(match.group(1)) - 4)
    text = draft.answer[:end].rstrip()
    return text if len(text) >= SHORTEST else f"{CODE_STARTS[lang]}\n\n{text}"


def in_table(draft: Draft, rng: Random) -> str | None:
    lines = draft.answer.split("\n")
    rows = [i for i, line in enumerate(lines) if line.startswith("| ") and i > 2]
    if len(rows) < 2:
        return None
    row = rng.choice(rows[1:])
    return "\n".join([*lines[:row], lines[row][: max(5, len(lines[row]) * 2 // 3)].rstrip(" |")])


class Truncate:
    """Cuts answers in many ways, in turn."""

    def __init__(self, lang: str, known: set[str]) -> None:
        self._lang = lang
        self._ways: dict[str, Callable[[str, str, Random], str | None]] = {
            "mid-word": MidWord(known),
            "after a comma": after_comma,
            "after an open word": after_open_word,
            "after an opener": after_opener,
            "inside a bracket": in_bracket,
            "inside a list": in_list,
        }
        self._turns = Turns(
            {
                "mid-word": 7,
                "after a comma": 4,
                "after an open word": 6,
                "after an opener": 3,
                "inside a bracket": 2,
                "inside a list": 3,
            }
        )

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        if "```" in draft.answer:
            text, how = in_fence(draft, self._lang, rng), "inside a code fence"
        elif "\n| " in draft.answer:
            text, how = in_table(draft, rng), "inside a table"
        else:
            return self._cut_prose(draft, rng)
        return damaged(draft, last_place(draft), text, how) if text and len(text) >= SHORTEST else None

    def _cut_prose(self, draft: Draft, rng: Random) -> Damaged | None:
        how = self._turns.current(rng)
        answers = places(draft, "assistant")
        place = answers[0] if len(answers) > 1 and rng.random() < 0.25 else answers[-1]
        source = draft.messages[place][1]
        text = None if "```" in source or "|" in source else self._ways[how](source, self._lang, rng)
        if not text or len(text) < SHORTEST:
            return None
        self._turns.done()
        return damaged(draft, place, text, how)


FILLERS = {
    "en": (
        "and so on and ",
        "the best way to ",
        "very ",
        "it is important to note that ",
        "you can also ",
        "of the ",
        "yes ",
        "make sure to ",
        "as well as ",
        "one of the most ",
        "I think that ",
    ),
    "zh": (
        "非常",
        "的",
        "并且可以",
        "需要注意的是，",
        "您也可以",
        "以及其他",
        "为了更好地",
        "最重要的是",
        "方面的",
        "等等，",
        "我们应该",
        "了",
    ),
}
COUNTED = {
    "en": (
        "{i}. Make sure that everything is in order.",
        "Step {i}: Repeat the previous step.",
        "- Tip {i}: Stay calm and keep going.",
        "{i}. The {i}th point is that you should be careful.",
    ),
    "zh": ("{i}. 确保一切准备就绪。", "第{i}步：重复上一步。", "- 建议{i}：保持冷静，继续努力。", "{i}、第{i}点是要注意安全。"),
}
SWAPS = {
    "en": (("good", "better"), ("first", "second"), ("day", "night")),
    "zh": (("好", "更好"), ("先", "后"), ("早上", "晚上")),
}
PAIRS = {
    "en": (
        "It depends on the situation.",
        "In other situations it is different.",
        "You should check this.",
        "After checking this, check it again.",
    ),
    "zh": ("这要看具体情况。", "情况不同，做法也不同。", "您应该先检查一下。", "检查完之后再检查一遍。"),
}


def loop_sentence(text: str, lang: str, rng: Random) -> str:
    parts = sentences(text, lang)
    last = rng.choice(parts)
    return gap(lang).join([*parts, *[last] * rng.randint(4, 14)])


def loop_whole(text: str, lang: str, rng: Random) -> str:
    first = sentences(text, lang)[0]
    return gap(lang).join([first] * rng.randint(5, 20))


def loop_phrase(text: str, lang: str, rng: Random) -> str:
    filler = rng.choice(FILLERS[lang])
    times = rng.randint(12, 60) if len(filler) < 8 else rng.randint(7, 25)
    body = text if rng.random() < 0.6 else sentences(text, lang)[0]
    return (body + gap(lang) + filler * times).rstrip()


def loop_characters(text: str, lang: str, rng: Random) -> str:
    piece = rng.choice(
        ("ha", "0", "la", "1. ", "no", "=+", "abc") if lang == "en" else ("的", "一", "好的", "0", "是是", "啦", "吗")
    )
    return text + gap(lang) + piece * rng.randint(30, 150)


def loop_counter(text: str, lang: str, rng: Random) -> str:
    line = rng.choice(COUNTED[lang])
    first = rng.randint(1, 4)
    return text + "\n\n" + "\n".join(line.format(i=i) for i in range(first, first + rng.randint(8, 30)))


def loop_paragraph(text: str, lang: str, rng: Random) -> str:
    often = rng.choice((2, 3, 3, 4, 5))
    long_enough = len(text) >= (50 if lang == "zh" else 120)
    return "\n\n".join([text] * (often if long_enough else often + 1))


def loop_items(text: str, lang: str, rng: Random) -> str:
    items = [part.rstrip("。.") for part in sentences(text, lang)][:2]
    return sentences(text, lang)[0] + "\n\n" + "\n".join(f"- {items[i % len(items)]}" for i in range(rng.randint(9, 24)))


def loop_alternating(text: str, lang: str, rng: Random) -> str:
    start = rng.choice((0, 2))
    pair = PAIRS[lang][start : start + 2]
    return gap(lang).join([text, *[pair[i % 2] for i in range(rng.randint(8, 20))]])


def loop_varied(text: str, lang: str, rng: Random) -> str:
    """The same sentence again and again with small changes."""
    last = sentences(text, lang)[-1].rstrip("。.!！")
    one, two = rng.choice(SWAPS[lang])
    ends = (
        (f", which is {one}.", f", which is {two}.", ", too.", " again.")
        if lang == "en"
        else (f"，{one}。", f"，{two}。", "，也是。", "，再来一次。")
    )
    return gap(lang).join([text, *[last + ends[i % len(ends)] for i in range(rng.randint(8, 20))]])


class Loop:
    """Lets answers degenerate into repetition."""

    def __init__(self, lang: str) -> None:
        self._lang = lang
        self._ways = {
            "sentence": loop_sentence,
            "whole answer": loop_whole,
            "phrase": loop_phrase,
            "characters": loop_characters,
            "counter": loop_counter,
            "paragraph": loop_paragraph,
            "list items": loop_items,
            "alternating": loop_alternating,
            "varied sentence": loop_varied,
        }

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        how = rng.choice(list(self._ways))
        text = self._ways[how](draft.answer, self._lang, rng)
        if how in ("sentence", "phrase", "whole answer") and rng.random() < 0.4:
            text = text[: -rng.randint(2, 6)].rstrip()
        return damaged(draft, last_place(draft), text, how)
