"""Names of columns, and which part of a row each stands for. Only whole names count, never a part of one.

Names are compared in one form (`column_name`): full-width letters as plain ones, lower case, no space around.
"""

from __future__ import annotations

import functools
import unicodedata

__all__ = [
    "ANSWERS",
    "ANSWER_LISTS",
    "CARRIED",
    "CHOICE_ANSWERS",
    "CHOICE_QUESTIONS",
    "CONTEXTS",
    "EXTRA",
    "FACTS",
    "LABELLED",
    "LABELS",
    "LETTERS",
    "OPTION_LISTS",
    "PART_NAMES",
    "PROMPTS",
    "QUESTIONS",
    "RANK_LISTS",
    "REASONINGS",
    "SCORE_LISTS",
    "SYSTEMS",
    "TEXTS",
    "TURNS",
    "column_name",
]

CARRIED = ("split", "topic", "tags", "group_key", "references", "flag")
"""Columns that any shape may carry beside its own."""

EXTRA = "extra"
"""A column whose objects are what else a row carries, as the studio's own files have it."""

QUESTIONS = (
    *("question", "q", "query", "instruction", "prompt", "input", "user"),
    *("问题", "问", "提问", "题目", "用户", "指令", "输入"),
)
ANSWERS = (
    *("answer", "a", "response", "output", "completion", "reply", "assistant", "target"),
    *("回答", "答", "答案", "回复", "输出", "助手"),
)
SYSTEMS = ("system", "system_prompt", "system_message", "系统", "系统提示", "系统提示词")
CONTEXTS = ("context", "passage", "document", "article", "上下文", "背景", "材料", "文章", "原文")
REASONINGS = (
    *("reasoning", "reasoning_content", "thought", "thinking", "cot", "complex_cot", "chain_of_thought"),
    *("思考", "思考过程", "推理", "推理过程", "思维链"),
)
PROMPTS = ("prompt", "question", "instruction", "query", "问题", "提问", "题目", "指令")
"""What may stand alone: a question that waits for an answer."""

TURNS = ("messages", "conversations", "conversation")
TEXTS = ("text", "content", "正文", "文本", "内容")
LABELLED = ("text", "sentence", "content", "文本", "句子", "正文", "内容")
LABELS = ("label", "标签", "类别")

CHOICE_QUESTIONS = ("question", "query", "q", "prompt", "问题", "题目")
CHOICE_ANSWERS = ("answer", "answer_idx", "answerkey", "correct_answer", "label", "答案", "正确答案")
OPTION_LISTS = ("options", "choices", "选项")
LETTERS = ("a", "b", "c", "d", "e", "f", "g", "h")

ANSWER_LISTS = ("responses", "answers", "completions", "outputs", "candidates")
SCORE_LISTS = ("scores", "ratings", "rewards")
RANK_LISTS = ("ranks", "ranking", "rank")

FACTS = (
    *("id", "uid", "index", "source", "url", "title", "category", "type", "subject", "domain", "language", "lang", "level"),
    *("difficulty", "author", "date", "timestamp", "license", "dataset", "编号", "序号", "来源", "标题", "类型", "科目", "学科"),
)
"""What tells about a row and is not a part of one."""

PART_NAMES = frozenset(
    (
        *(*QUESTIONS, *ANSWERS, *SYSTEMS, *CONTEXTS, *REASONINGS, *TURNS, *TEXTS, *LABELLED, *LABELS),
        *(*CHOICE_ANSWERS, "answer_index", *OPTION_LISTS, *ANSWER_LISTS, *SCORE_LISTS, *RANK_LISTS),
        *("chosen", "rejected", "kto_tag", "history"),
    )
)
"""Every name that says: this is a part of the row. Where a shape leaves such a column aside, it may be the wrong shape."""


@functools.lru_cache(4096)
def column_name(name: str) -> str:
    """The form in which names are compared."""
    return unicodedata.normalize("NFKC", name).strip().lower()
