"""What LLaMA-Factory reads (0.9.5, data/parser.py and data/converter.py): shapes, and the entries of `dataset_info.json`.

It skips a conversation whose turns do not alternate, and says so only in a log. Such rows are `Unfit` here, so that a person
hears of them before. Its formatting "openai" would add words to every system prompt ("detailed thinking off"): conversations
are written for "sharegpt", with the role names of OpenAI given as tags.
"""

from __future__ import annotations

import json
from typing import Any

from studio.data.export_shapes import Content, Message, Record, Shape, Unfit

__all__ = ["LLAMA_SHAPES", "entry"]

#: All of them, because naming one takes the others' defaults away.
_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}


def _turn(message: Message) -> Message:
    """Role and text. Ids of tool calls are left out: it pairs calls and results by their order."""
    text, calls = str(message["content"]), message.get("tool_calls")
    if "name" in message and message["role"] != "tool":
        raise Unfit("data.unfit.message_fields")
    if calls:
        if text.strip() or "reasoning_content" in message:
            raise Unfit("data.unfit.text_beside_call")
        return {"role": "function_call", "content": json.dumps([_call(call) for call in calls], ensure_ascii=False)}
    if "reasoning_content" in message:
        text = f"<think>\n{message['reasoning_content']}\n</think>\n\n{text}"
    return {"role": message["role"], "content": text}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    """OpenAI keeps the arguments as JSON text, LLaMA-Factory as an object."""
    function = call.get("function", call)
    if not isinstance(function, dict) or "name" not in function or "arguments" not in function:
        raise Unfit("data.unfit.tool_turns")
    arguments = function["arguments"]
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            raise Unfit("data.unfit.tool_turns") from None
    return {"name": function["name"], "arguments": arguments}


def _turns(messages: list[Message]) -> list[Message]:
    turns = [_turn(message) for message in messages]
    spoken = [turn["role"] for turn in turns if turn["role"] != "system"]
    sides = [role in ("assistant", "function_call") for role in spoken]
    if sides != [index % 2 == 1 for index in range(len(sides))]:
        raise Unfit("data.unfit.turn_order")
    return turns


def _one(messages: list[Message]) -> Message:
    if len(messages) > 1:
        raise Unfit("data.unfit.several_answers")
    return _turn(messages[0])


def _chat(content: Content) -> Record:
    tools = json.dumps(content["tools"], ensure_ascii=False) if "tools" in content else ""
    return {"messages": _turns(content["messages"]), "tools": tools}


def _preference(content: Content) -> Record:
    sides = {name: _one(content[name]) for name in ("chosen", "rejected")}
    return {"messages": _turns(content["messages"]), **sides}


def _feedback(content: Content) -> Record:
    return {"messages": _turns(content["messages"]), "label": content["label"]}


def _text(content: Content) -> Record:
    return {"text": content["text"]}


def _prompt(content: Content) -> Record:
    """In the columns of Alpaca: a conversation of "sharegpt" must end with an answer."""
    turns = _turns(content["messages"])
    system = turns.pop(0)["content"] if turns[0]["role"] == "system" else ""
    if any(turn["role"] not in ("user", "assistant") for turn in turns):
        raise Unfit("data.unfit.tool_turns")
    texts = [turn["content"] for turn in turns]
    history = [texts[index : index + 2] for index in range(0, len(texts) - 1, 2)]
    return {"instruction": texts[-1], "output": content.get("answer", ""), "system": system, "history": history}


def _nothing(content: Content) -> Record:
    raise Unfit("data.unfit.kind")


LLAMA_SHAPES: dict[str, Shape] = {
    "chat": Shape("llama_factory", "chat", {"messages": "turns", "tools": "text"}, _chat),
    "preference": Shape(
        "llama_factory", "preference", {"messages": "turns", "chosen": "json", "rejected": "json"}, _preference
    ),
    "feedback": Shape("llama_factory", "feedback", {"messages": "turns", "label": "truth"}, _feedback),
    "text": Shape("llama_factory", "text", {"text": "text"}, _text),
    "prompt": Shape(
        "llama_factory", "prompt", {"instruction": "text", "output": "text", "system": "text", "history": "pairs"}, _prompt
    ),
    "choice": Shape("llama_factory", "choice", {}, _nothing),
    "label": Shape("llama_factory", "label", {}, _nothing),
}

_CONVERSATION = {"formatting": "sharegpt", "tags": _TAGS}

_ENTRIES: dict[str, dict[str, Any]] = {
    "chat": _CONVERSATION | {"columns": {"messages": "messages", "tools": "tools"}},
    "preference": _CONVERSATION
    | {"ranking": True, "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"}},
    "feedback": _CONVERSATION | {"columns": {"messages": "messages", "kto_tag": "label"}},
    "text": {"formatting": "alpaca", "columns": {"prompt": "text"}},
    "prompt": {
        "formatting": "alpaca",
        "columns": {"prompt": "instruction", "response": "output", "system": "system", "history": "history"},
    },
}


def entry(kind: str, file_name: str) -> dict[str, Any]:
    """What `dataset_info.json` says of one file with rows of one kind."""
    return {"file_name": file_name} | _ENTRIES[kind]
