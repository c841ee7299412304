"""Turns out of order: two of one role in a row, a tool's result that nobody asked for, an answer before the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from studio.data.checks.base import RowCheck, RowView, Spot
from studio.data.checks.settled import settled
from studio.data.rows import NewRow

__all__ = ["RoleOrder"]

Message = dict[str, Any]

_LISTS = ("messages", "chosen", "rejected")

#: A tool call that stands in the words of an answer, as older formats write it.
_WRITTEN_CALL = re.compile(
    r"<\|?(?:tool|function|python)|functioncall|function_call|^Action:|\"(?:arguments|parameters)\"\s*:", re.MULTILINE
)

#: How an assistant opens a conversation: it greets, or asks.
_GREETING = re.compile(
    r"\b(?:hello|hi|hey|welcome|greetings|good (?:morning|afternoon|evening|day)|nice to meet you|how (?:can|may) I)\b"
    r"|您好|你好|大家好|嗨|哈喽|欢迎|早上好|上午好|中午好|下午好|晚上好|很高兴|请问|有什么",
    re.IGNORECASE,
)
_GREETED_WITHIN = 80
_ASKS = ("?", "？")


class RoleOrder(RowCheck):
    """Found are, in the messages of a row and in its chosen and rejected answers:

    `same`: a message of the role of the one before it. Results of tools may follow each other.
    `copy`: … that is the same message once more.
    `tool`: a tool's result where the turn before it holds no tool call, neither as a field nor in its words.
    `early`: an answer before the first question, unless it greets in its first 80 characters or ends with a question.

    Mended: copies become one message; neighbours of one role become one, with a blank line between their texts. A message
    with tool calls or reasoning is not merged, nor are two with different names. A row in which anything else is found, too, is
    left as it is.
    """

    key = "role_order"
    area = "consistency"
    certain = True
    params = {"greeting": _GREETED_WITHIN}

    def spots(self, view: RowView) -> Sequence[Spot]:
        found: list[Spot] = []
        for name in _LISTS:
            if messages := view.row.content.get(name):
                found += [Spot(f"{name}[{at}].content", 0, 0, what) for at, what in _disorder(messages, name == "messages")]
        return found

    def mended(self, row: NewRow) -> list[NewRow]:
        content = {name: _merged(value) if name in _LISTS else value for name, value in row.content.items()}
        return settled(self, row, replace(row, content=content))


def _disorder(messages: list[Message], is_whole: bool) -> list[tuple[int, str]]:
    """Messages that stand where they should not, with the reason."""
    found: list[tuple[int, str]] = []
    if is_whole and (early := _early_answer(messages)) is not None:
        found.append((early, "early"))
    before: Message = {"role": ""}
    for at, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            if before["role"] != "tool" and not _calls(before) and (at or is_whole):
                found.append((at, "tool"))
        elif role == before["role"]:
            found.append((at, "copy" if message == before else "same"))
        before = message
    return found


def _early_answer(messages: list[Message]) -> int | None:
    first = 1 if messages[0]["role"] == "system" else 0
    if first == len(messages) or messages[first]["role"] != "assistant":
        return None
    text: str = messages[first]["content"]
    is_opening = _GREETING.search(text, 0, _GREETED_WITHIN) or text.rstrip().endswith(_ASKS)
    return None if is_opening else first


def _calls(message: Message) -> bool:
    if message["role"] != "assistant":
        return False
    return bool(message.get("tool_calls")) or _WRITTEN_CALL.search(message["content"]) is not None


def _merged(messages: list[Message]) -> list[Message]:
    new = messages[:1]
    for before, message in pairwise(messages):
        if message["role"] == "tool" or not (message == before or _can_merge(before, message)):
            new.append(message)
        elif message != before:
            new[-1] = new[-1] | {"content": _joined(new[-1]["content"], message["content"])}
    return new


def _can_merge(one: Message, other: Message) -> bool:
    """Role and name are the same, and there is nothing else beside the words."""
    fields = [{name: value for name, value in message.items() if name != "content"} for message in (one, other)]
    return fields[0] == fields[1] and not {"tool_calls", "reasoning_content"} & fields[0].keys()


def _joined(one: str, other: str) -> str:
    return "\n\n".join(part for part in (one.rstrip(), other.lstrip("\n")) if part)

