"""Parts of a record as values: texts, turns, yes and no, numbers. Every function raises DataError that names the column."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from studio.data.rows import MESSAGE_FIELDS, shown
from studio.errors import DataError

__all__ = [
    "ROLE_NAMES",
    "Message",
    "Record",
    "Turned",
    "first_of",
    "from_json",
    "history",
    "is_text_or_turns",
    "is_turns",
    "message",
    "number",
    "optional_text",
    "side",
    "system",
    "text",
    "tools",
    "truth",
    "turn_keys",
    "turns",
]

Record = Mapping[str, Any]
"""One record by normalised column name, as `normalised` gives it."""

Message = dict[str, Any]
Turned = tuple[list[Message], list[Record]]
"""Messages, and for each of them the fields that a message does not keep."""

ROLE_NAMES = {
    **dict.fromkeys(("system", "developer", "系统"), "system"),
    **dict.fromkeys(("user", "human", "用户"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "助手", "function_call"), "assistant"),
    **dict.fromkeys(("tool", "observation", "function"), "tool"),
}
_PLAIN_ROLES = {name: role for name, role in ROLE_NAMES.items() if name != "function_call"}

_TRUTHS = {
    **dict.fromkeys(("true", "1", "1.0", "yes", "\N{THUMBS UP SIGN}", "是"), True),
    **dict.fromkeys(("false", "0", "0.0", "no", "\N{THUMBS DOWN SIGN}", "否"), False),
}
_VARIATION = "\N{VARIATION SELECTOR-16}"  # what some keyboards write behind a thumb

_REASONING_FIELDS = ("reasoning", "thinking")
_OPTIONAL_FIELDS = MESSAGE_FIELDS - {"role", "content"}


# --- single values ----------------------------------------------------------------------------------------------------


def text(record: Record, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise DataError("error.data.not_text", field=name, where=name, found=shown(value))
    return value


def optional_text(record: Record, name: str | None) -> str:
    return "" if name is None or record.get(name) is None else text(record, name)


def first_of(record: Record, names: Iterable[str]) -> str | None:
    """The first of several names for the same part that the record has."""
    for name in names:
        if name in record:
            return name
    return None


def from_json(value: Any) -> Any:
    """A list or an object that a cell holds as JSON; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def truth(record: Record, name: str) -> bool:
    """A judgement: true or false, 1 or 0, a thumb."""
    value = record.get(name)
    if isinstance(value, bool):
        return value
    found = None
    if isinstance(value, int | float):
        found = bool(value) if value in (0, 1) else None
    elif isinstance(value, str):
        found = _TRUTHS.get(value.strip().rstrip(_VARIATION).lower())
    if found is None:
        raise DataError("error.data.wrong_type", field=name, where=name, found=shown(value), expected="true / false")
    return found


def number(value: Any, where: str) -> float | int | None:
    """A number, also one that a cell holds as text; None for nothing."""
    if isinstance(value, str):
        if not value.strip():
            return None
        with contextlib.suppress(ValueError):
            value = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise DataError("error.data.wrong_type", field=where, where=where, found=shown(value), expected="number")
    return value


# --- turns ------------------------------------------------------------------------------------------------------------


def message(role: str, words: str) -> Message:
    return {"role": role, "content": words}


def system(record: Record, name: str | None) -> list[Message]:
    words = optional_text(record, name)
    return [message("system", words)] if words.strip() else []


def tools(record: Record) -> dict[str, Any]:
    value = from_json(record.get("tools"))
    return {} if value in (None, "") else {"tools": value}


def history(record: Record, name: str | None) -> list[Message]:
    """Alpaca's `history`: a list of earlier [question, answer] pairs."""
    value = from_json(record.get(name)) if name else None
    messages: list[Message] = []
    for pair in value or []:
        if not isinstance(value, list) or not isinstance(pair, list) or len(pair) != 2:
            raise DataError("error.data.bad_history", field=name, where=name)
        messages += [message("user", pair[0]), message("assistant", pair[1])]
    return messages


def is_turns(value: Any) -> bool:
    """Whether a value begins as a list of turns."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and turn_keys(value[0]) is not None


def is_text_or_turns(value: Any) -> bool:
    return isinstance(value, str) or is_turns(value)


def turn_keys(turn: Mapping[str, Any]) -> tuple[str, str] | None:
    """Under which keys a turn has its role and its text: OpenAI's, or ShareGPT's."""
    return ("role", "content") if "role" in turn else ("from", "value") if "from" in turn else None


def side(record: Record, name: str, role: str) -> Turned:
    """One side of a conversation: a text, a turn, or a list of turns."""
    value = record.get(name)
    unpacked = from_json(value)
    if isinstance(unpacked, dict) and turn_keys(unpacked):
        unpacked = [unpacked]
    if is_turns(unpacked):
        return turns(unpacked, name, *(turn_keys(unpacked[0]) or ("", "")))
    words = text(record, name)
    if not words.strip():
        raise DataError(f"error.data.empty_{'question' if role == 'user' else 'answer'}", field=name, where=name)
    return [message(role, words)], [{}]


def turns(value: Any, where: str, role_key: str, text_key: str) -> Turned:
    """The turns as messages, and for each turn the fields that a message does not keep."""
    if not isinstance(value, list):
        raise DataError("error.data.no_messages", field=where, where=where, found=shown(value))
    messages: list[Message] = []
    others: list[Record] = []
    for index, turn in enumerate(value):
        if type(turn) is dict and len(turn) == 2:  # nearly every turn there is
            name, words = turn.get(role_key), turn.get(text_key)
            if type(name) is str and type(words) is str and name in _PLAIN_ROLES:
                messages.append({"role": _PLAIN_ROLES[name], "content": words})
                others.append({})
                continue
        read, more = _turn(turn, f"{where}[{index}]", role_key, text_key)
        messages.append(read)
        others.append(more)
    return messages, others


def _turn(turn: Any, where: str, role_key: str, text_key: str) -> tuple[Message, dict[str, Any]]:
    if not isinstance(turn, dict):
        raise DataError("error.data.not_an_object", field=where, where=where, found=shown(turn))
    name = turn.get(role_key)
    spelled = name.strip().lower() if isinstance(name, str) else ""
    role = ROLE_NAMES.get(spelled)
    if role is None:
        at = f"{where}.{role_key}"
        raise DataError("error.data.unknown_role", field=at, where=at, found=shown(name), expected=", ".join(ROLE_NAMES))
    if spelled == "function_call":
        read = message(role, "") | {"tool_calls": _calls(turn.get(text_key), f"{where}.{text_key}")}
    else:
        read = message(role, _words(turn, f"{where}.{text_key}", text_key))
    taken = {role_key, text_key}
    for key, value in turn.items():
        if key in _OPTIONAL_FIELDS and value is not None:
            read[key] = from_json(value) if key == "tool_calls" else value
            taken.add(key)
    for key in _REASONING_FIELDS:
        if role == "assistant" and isinstance(turn.get(key), str) and "reasoning_content" not in read:
            read["reasoning_content"] = turn[key]
            taken.add(key)
    others = {key: value for key, value in turn.items() if key not in taken and key not in _OPTIONAL_FIELDS}
    return read, others


def _words(turn: Message, where: str, text_key: str) -> str:
    """The text of a turn. OpenAI has two other spellings: a list of text parts, and null beside tool calls."""
    value = turn.get(text_key)
    if value is None and turn.get("tool_calls"):
        return ""
    if isinstance(value, list) and value and all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        texts = [part.get("text") for part in value]
        value = "".join(texts) if all(isinstance(part, str) for part in texts) else value
    if not isinstance(value, str):
        raise DataError("error.data.not_text", field=where, where=where, found=shown(value))
    return value


def _calls(value: Any, where: str) -> list[Message]:
    """ShareGPT's function calls, `{"name": …, "arguments": …}` or a list of these, as OpenAI's `tool_calls`."""
    found = from_json(value)
    calls = found if isinstance(found, list) else [found]
    is_call = [isinstance(call, dict) and isinstance(call.get("name"), str) and "arguments" in call for call in calls]
    if not calls or not all(is_call):
        raise DataError("error.data.bad_function_call", field=where, where=where, found=shown(value))
    return [{"type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}} for call in calls]
