"""Chinese topics and manner of speaking, put together."""

from __future__ import annotations

from functools import cache

from . import patterns_zh, patterns_zh_more, texts_zh
from .compose import Topic, Voice, make_topic
from .hard_zh import ambient

VOICE = Voice(
    lang="zh",
    space="",
    ambient=ambient,
    bullet_tails=("请分点回答。", "列成清单就行。", "用要点形式。", "分条写。"),
    number_tails=("请编号。", "按顺序一二三列出来。", "用数字标出步骤。"),
    short_tails=("只要答案。", "一句话就好。", "不用解释。", "简短回答。"),
    table_tails=(),
    stops="。！？",
    systems=(
        "你是一位耐心的家教。",
        "请用通俗的语言回答。",
        "你在消费者协会值班，回答要简短友好。",
        "你是网店客服。",
        "你为一家地方杂志回复读者来信。",
        "你是不说行话的专家。",
        "回答不超过两百字。",
        "你叫小助，负责社区咨询。",
    ),
    greetings=("您好！请问有什么可以帮您？", "你好呀，今天想聊点什么？", "早上好！想了解什么？", "欢迎回来，有什么问题尽管说。"),
)


@cache
def topics() -> tuple[Topic, ...]:
    patterns = {**vars(patterns_zh), **vars(patterns_zh_more)}
    return tuple(make_topic(name, columns, facts, patterns[name.upper()]) for name, (columns, facts) in texts_zh.TABLES.items())
