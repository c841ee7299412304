"""Shapes out: how the content of a row is spelled as a record, the inverse of `formats`.

The first shape of a kind is its own spelling and holds everything; another one refuses (`Unfit`) what it could only hold with
a loss, so that nothing is dropped silently. Knows no file and no database. A new shape is one function and one line in `SHAPES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["MOST_OPTIONS", "SHAPES", "Content", "Holds", "Message", "Record", "Shape", "Unfit", "shape_of"]

Content = dict[str, Any]
Message = dict[str, Any]
Record = dict[str, Any]

Holds = Literal["text", "texts", "words", "turns", "pairs", "number", "whole", "truth", "json"]
"""What a column holds: a text, a list of texts, a list of short ones, a list of turns, of [question, answer] pairs, a number, a
whole number, true or false, any JSON."""

#: Letters for the answers of a multiple choice.
MOST_OPTIONS = 26

_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


class Unfit(Exception):
    """The row cannot be written in this shape without a loss; `reason` is a message key `data.unfit.*`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Shape:
    """One spelling of one kind. `columns` in the order of a table; `record` gives those of a row, None where there is nothing."""

    name: str
    kind: str
    columns: dict[str, Holds]
    record: Callable[[Content], Record]


def shape_of(kind: str, name: str = "auto") -> Shape | None:
    """The shape of that name, or None where the kind has none; `auto` is the kind's own spelling."""
    return next((shape for shape in SHAPES[kind] if name in ("auto", shape.name)), None)


# --- what a narrow shape can hold -------------------------------------------------------------------------------------


def _bare(message: Message) -> str:
    """The text of a message that has nothing besides. Raises Unfit for what would be lost."""
    if message["role"] == "tool" or message.get("tool_calls"):
        raise Unfit("data.unfit.tool_turns")
    if "reasoning_content" in message:
        raise Unfit("data.unfit.reasoning")
    if len(message) > 2:
        raise Unfit("data.unfit.message_fields")
    return str(message["content"])


def _exchanges(messages: list[Message]) -> tuple[str | None, list[list[str]]]:
    """The system prompt and the [question, answer] pairs of a strictly alternating conversation."""
    system = None
    if messages[0]["role"] == "system":
        system, messages = _bare(messages[0]), messages[1:]
        if not system.strip():
            raise Unfit("data.unfit.empty_system")
    texts = [_bare(message) for message in messages]
    roles = [message["role"] for message in messages]
    if roles != ["user", "assistant"] * (len(roles) // 2):
        raise Unfit("data.unfit.turn_order")
    return system, [texts[index : index + 2] for index in range(0, len(texts), 2)]


def _one_exchange(content: Content) -> tuple[str | None, str, str]:
    if "tools" in content:
        raise Unfit("data.unfit.tools")
    system, pairs = _exchanges(content["messages"])
    if len(pairs) > 1:
        raise Unfit("data.unfit.several_turns")
    question, answer = pairs[0]
    return system, question, answer


def _one_text(messages: list[Message]) -> str:
    """The text of a list that is one message. Raises Unfit where a reader would take the text itself for a list."""
    if messages[0]["role"] == "system":
        raise Unfit("data.unfit.system")
    if len(messages) > 1:
        raise Unfit("data.unfit.several_turns")
    return _plain(_bare(messages[0]))


def _plain(text: str) -> str:
    if text.lstrip().startswith(("[", "{")):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return text
        raise Unfit("data.unfit.looks_like_json")
    return text


# --- chat -------------------------------------------------------------------------------------------------------------


def _messages(content: Content) -> Record:
    return {"messages": content["messages"], "tools": content.get("tools")}


def _sharegpt(content: Content) -> Record:
    turns = [{"from": _SHAREGPT[message["role"]], "value": _spoken(message)} for message in content["messages"]]
    return {"conversations": turns, "tools": content.get("tools")}


def _spoken(message: Message) -> str:
    return str(message["content"]) if message["role"] == "tool" and len(message) == 2 else _bare(message)


def _alpaca(content: Content) -> Record:
    if "tools" in content:
        raise Unfit("data.unfit.tools")
    system, pairs = _exchanges(content["messages"])
    question, answer = pairs[-1]
    return {"system": system, "instruction": question, "input": "", "output": answer, "history": pairs[:-1] or None}


def _prompt_completion(content: Content) -> Record:
    system, question, answer = _one_exchange(content)
    return {"system": system, "prompt": _plain(question), "completion": _plain(answer)}


def _question_answer(content: Content) -> Record:
    system, question, answer = _one_exchange(content)
    return {"system": system, "question": question, "answer": answer}


# --- the other kinds --------------------------------------------------------------------------------------------------


def _dpo(content: Content) -> Record:
    sides = {name: content[name] for name in ("chosen", "rejected")}
    return {"prompt": content["messages"], **sides, "margin": _margin(content)}


def _dpo_texts(content: Content) -> Record:
    lists = {"prompt": content["messages"], "chosen": content["chosen"], "rejected": content["rejected"]}
    return {name: _one_text(messages) for name, messages in lists.items()} | {"margin": _margin(content)}


def _margin(content: Content) -> int | float | None:
    """Larger whole numbers change in most programs, which hold them as floating point."""
    margin: int | float | None = content.get("margin")
    if isinstance(margin, int) and abs(margin) > 2**53:
        raise Unfit("data.unfit.large_number")
    return margin


def _kto(content: Content) -> Record:
    """As TRL spells it. The last message of a feedback row is the answer that was judged."""
    return {"prompt": content["messages"][:-1], "completion": content["messages"][-1:], "label": content["label"]}


def _text(content: Content) -> Record:
    return {"text": content["text"]}


def _prompt(content: Content) -> Record:
    return {"prompt": content["messages"], "answer": content.get("answer")}


def _prompt_text(content: Content) -> Record:
    """Beside a prompt in plain words, an answer would be read as the answer of a conversation."""
    if "answer" in content:
        raise Unfit("data.unfit.answer")
    return {"prompt": _one_text(content["messages"])}


def _choice(content: Content) -> Record:
    if len(content["options"]) > MOST_OPTIONS:
        raise Unfit("data.unfit.many_options")
    return {"question": content["question"], "options": content["options"], "answer": chr(ord("A") + content["answer"])}


def _label(content: Content) -> Record:
    return {"text": content["text"], "label": content["label"]}


_PAIR: dict[str, Holds] = {"prompt": "turns", "chosen": "turns", "rejected": "turns", "margin": "number"}
_PAIR_TEXTS: dict[str, Holds] = {"prompt": "text", "chosen": "text", "rejected": "text", "margin": "number"}
_ALPACA: dict[str, Holds] = {"system": "text", "instruction": "text", "input": "text", "output": "text", "history": "pairs"}

#: The shapes of each kind, its own spelling first.
SHAPES: dict[str, tuple[Shape, ...]] = {
    "chat": (
        Shape("messages", "chat", {"messages": "turns", "tools": "json"}, _messages),
        Shape("sharegpt", "chat", {"conversations": "turns", "tools": "json"}, _sharegpt),
        Shape("alpaca", "chat", _ALPACA, _alpaca),
        Shape("prompt_completion", "chat", {"system": "text", "prompt": "text", "completion": "text"}, _prompt_completion),
        Shape("question_answer", "chat", {"system": "text", "question": "text", "answer": "text"}, _question_answer),
    ),
    "preference": (Shape("dpo", "preference", _PAIR, _dpo), Shape("dpo_texts", "preference", _PAIR_TEXTS, _dpo_texts)),
    "feedback": (Shape("kto", "feedback", {"prompt": "turns", "completion": "turns", "label": "truth"}, _kto),),
    "text": (Shape("text", "text", {"text": "text"}, _text),),
    "prompt": (
        Shape("prompt", "prompt", {"prompt": "turns", "answer": "text"}, _prompt),
        Shape("prompt_text", "prompt", {"prompt": "text"}, _prompt_text),
    ),
    "choice": (Shape("choice", "choice", {"question": "text", "options": "texts", "answer": "text"}, _choice),),
    "label": (Shape("classification", "label", {"text": "text", "label": "text"}, _label),),
}
