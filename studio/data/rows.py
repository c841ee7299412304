"""What a row is: its kinds, the rules its content must keep, its hashes and its searchable text.

Pure functions over plain JSON values. Knows no file, no database and no tokenizer. Start at `NewRow` and `check_content`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from studio.errors import DataError

__all__ = [
    "KINDS",
    "MAX_LABEL",
    "ROLES",
    "SPLITS",
    "Encoded",
    "NewRow",
    "check_content",
    "check_storable",
    "content_hash",
    "encoded",
    "is_plain_text",
    "json_type",
    "last_answer",
    "last_question",
    "prompt_hash",
    "search_text",
    "shown",
]

ROLES = ("system", "user", "assistant", "tool")
KINDS = ("chat", "preference", "feedback", "text", "prompt", "choice", "label")
SPLITS = ("train", "validation", "test")

# Beside role and content, what chat templates read from a message (transformers, "Tool use" and "Reasoning").
MESSAGE_FIELDS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content"})

#: Characters of a topic and of a group's key.
MAX_LABEL = 200

# Deeper values are no training data; the JSON parser itself gives up at about 1,000 levels.
MAX_DEPTH = 64

Content = dict[str, Any]

_PLAIN_TURN = {"role": "", "content": ""}.keys()


@dataclass(slots=True)
class NewRow:
    """A row that is not stored yet.

    `content` is what `check_content(kind, content)` accepts. `references` are accepted answers beside the first, `rule`
    holds checks for this row, `origin` says where it came from, `extra` what its file carried besides (CONTRACTS 2), `flag` why
    a person wants it looked at.
    """

    kind: str
    content: Content
    split: str | None = None
    group_key: str | None = None
    tags: Sequence[str] = ()
    topic: str | None = None
    references: Sequence[str] = ()
    rule: dict[str, Any] | None = None
    origin: dict[str, Any] | None = None
    extra: dict[str, Any] | None = None
    flag: str | None = None


# --- checks -----------------------------------------------------------------------------------------------------------


def check_content(kind: str, content: Any) -> None:
    """Accept the content of one row, or raise DataError with a key `error.data.*` and the field at fault.

    `field` (also the parameter `where`, for the words) is a path such as `messages[2].content`.
    """
    if kind not in KINDS:
        raise _bad("unknown_kind", "kind", found=shown(kind), expected=", ".join(KINDS))
    if not isinstance(content, dict):
        raise _bad("not_an_object", "content", found=json_type(content))
    if kind == "chat" and _is_plain_chat(content):
        _check_turns([message["role"] for message in content["messages"]])
        return
    check_storable(content)
    allowed = _FIELDS[kind]
    for name in content:
        if name not in allowed:
            raise _bad("unknown_field", str(name), expected=", ".join(allowed))
    _CHECKS[kind](content)


def _is_plain_chat(content: Content) -> bool:
    """Whether it is turns of texts that are surely good, as in most rows of large files; False means: look closer."""
    messages = content.get("messages")
    if len(content) != 1 or type(messages) is not list or not messages:
        return False
    for message in messages:
        if type(message) is not dict or message.keys() != _PLAIN_TURN or message["role"] not in ROLES:
            return False
        text = message["content"]
        if type(text) is not str or not text or text.isspace() or not is_plain_text(text):
            return False
    return True


def check_storable(value: Any, where: str = "") -> None:
    """Accept only what every database and UTF-8 can hold: JSON values of bounded depth.

    Raises DataError for lone surrogates, NUL characters, NaN and infinities, and for more than `MAX_DEPTH` levels.
    """
    if not _is_surely_storable(value):
        _check_every_value(value, where)


def is_plain_text(text: str) -> bool:
    """Whether a text can surely be stored; False means: look closer."""
    if "\0" in text:
        return False
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate
            return False
    return True


_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # json.dumps would build one anew for each call


def _is_surely_storable(value: Any) -> bool:
    """A quick look in C, right for nearly every row; False means: look closer."""
    try:
        text = _to_json(value)
        text.encode("utf-8")
    except (ValueError, RecursionError):
        return False
    return "\\u0000" not in text and text.count("{") + text.count("[") <= MAX_DEPTH


def _check_every_value(value: Any, where: str) -> None:
    waiting = [(value, where, 1)]  # a stack instead of recursion: a hostile row must not exhaust Python's own
    while waiting:
        item, path, depth = waiting.pop()
        if isinstance(item, str):
            _check_string(item, path)
        elif isinstance(item, float) and not math.isfinite(item):
            raise _bad("not_a_number", path, found=str(item))
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise _bad("too_deep", path.split(".")[0].split("[")[0], limit=MAX_DEPTH)
            pairs = item.items() if isinstance(item, dict) else enumerate(item)
            for name, inner in pairs:
                if isinstance(name, str):
                    _check_string(name, path)
                waiting.append((inner, _path(path, name), depth + 1))


def _check_string(text: str, where: str) -> None:
    if "\0" in text:
        raise _bad("nul_character", where)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _bad("lone_surrogate", where, code=f"U+{ord(text[error.start]):04X}") from None


def _check_chat(content: Content) -> None:
    _check_dialogue(content.get("messages"))
    if "tools" in content:
        _objects(content["tools"], "tools")


def _check_dialogue(value: Any) -> None:
    """A whole conversation: a question somewhere, an answer at the end, at most one system message, first."""
    _check_turns([message["role"] for message in _messages(value, "messages")])


def _check_turns(roles: list[str]) -> None:
    _check_system(roles)
    if "user" not in roles:
        raise _bad("no_question", "messages")
    if "assistant" not in roles:
        raise _bad("no_answer", "messages")
    if roles[-1] != "assistant":
        raise _bad("last_not_assistant", f"messages[{len(roles) - 1}].role", found=roles[-1])


def _check_prompt_messages(value: Any) -> None:
    """The beginning of a conversation, waiting for an answer."""
    messages = _messages(value, "messages")
    roles = [message["role"] for message in messages]
    _check_system(roles)
    if "user" not in roles:
        raise _bad("no_question", "messages")
    if roles[-1] not in ("user", "tool"):
        raise _bad("last_not_user", f"messages[{len(roles) - 1}].role", found=roles[-1])


def _check_system(roles: list[str]) -> None:
    if roles.count("system") > 1:
        raise _bad("two_system_messages", "messages", found=roles.count("system"))
    if "system" in roles[1:]:
        raise _bad("system_not_first", f"messages[{roles.index('system')}].role", position=roles.index("system") + 1)


def _messages(value: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise _bad("no_messages", where, found=json_type(value))
    for index, message in enumerate(value):
        _check_message(message, f"{where}[{index}]")
    return value


def _check_message(message: Any, where: str) -> None:
    if not isinstance(message, dict):
        raise _bad("not_an_object", where, found=json_type(message))
    role = message.get("role")
    if role not in ROLES:
        raise _bad("unknown_role", f"{where}.role", found=shown(role), expected=", ".join(ROLES))
    for name in message:
        if name not in MESSAGE_FIELDS:
            raise _bad("unknown_field", f"{where}.{name}", expected=", ".join(sorted(MESSAGE_FIELDS)))
    for name in ("name", "tool_call_id", "reasoning_content"):
        if name in message:
            _string(message[name], f"{where}.{name}")
    if "tool_calls" in message:
        _objects(message["tool_calls"], f"{where}.tool_calls")
    text = _string(message.get("content"), f"{where}.content")
    # An empty system message is a decision (it turns a template's default system prompt off); a tool may answer nothing.
    if not text.strip():
        if role == "user":
            raise _bad("empty_question", f"{where}.content")
        if role == "assistant" and not message.get("tool_calls"):
            raise _bad("empty_answer", f"{where}.content")


def _check_preference(content: Content) -> None:
    _check_prompt_messages(content.get("messages"))
    for name in ("chosen", "rejected"):
        answer = _messages(content.get(name), name)
        if answer[-1]["role"] != "assistant":
            raise _bad("last_not_assistant", f"{name}[{len(answer) - 1}].role", found=answer[-1]["role"])
    if content["chosen"] == content["rejected"]:
        raise _bad("same_answers", "rejected")
    if "margin" in content and (isinstance(content["margin"], bool) or not isinstance(content["margin"], int | float)):
        raise _bad("wrong_type", "margin", found=json_type(content["margin"]), expected="number")


def _check_feedback(content: Content) -> None:
    _check_dialogue(content.get("messages"))
    if not isinstance(content.get("label"), bool):
        raise _bad("wrong_type", "label", found=json_type(content.get("label")), expected="true / false")


def _check_text(content: Content) -> None:
    _filled(content, "text")


def _check_prompt(content: Content) -> None:
    _check_prompt_messages(content.get("messages"))
    if "answer" in content:
        _filled(content, "answer", key="empty_answer")


def _check_choice(content: Content) -> None:
    _filled(content, "question", key="empty_question")
    options = content.get("options")
    if not isinstance(options, list) or len(options) < 2:
        raise _bad("too_few_options", "options")
    for index, option in enumerate(options):
        if not _string(option, f"options[{index}]").strip():
            raise _bad("empty_text", f"options[{index}]")
    if len(set(options)) < len(options):
        raise _bad("same_options", "options")
    answer = content.get("answer")
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(options):
        raise _bad("answer_out_of_range", "answer", found=shown(answer), last=len(options) - 1)


def _check_label(content: Content) -> None:
    _filled(content, "text")
    _filled(content, "label")


_FIELDS: dict[str, tuple[str, ...]] = {
    "chat": ("messages", "tools"),
    "preference": ("messages", "chosen", "rejected", "margin"),
    "feedback": ("messages", "label"),
    "text": ("text",),
    "prompt": ("messages", "answer"),
    "choice": ("question", "options", "answer"),
    "label": ("text", "label"),
}

_CHECKS: dict[str, Callable[[Content], None]] = {
    "chat": _check_chat,
    "preference": _check_preference,
    "feedback": _check_feedback,
    "text": _check_text,
    "prompt": _check_prompt,
    "choice": _check_choice,
    "label": _check_label,
}


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _bad("not_text", where, found=json_type(value))
    return value


def _filled(content: Content, name: str, *, key: str = "empty_text") -> None:
    if not _string(content.get(name), name).strip():
        raise _bad(key, name)


def _objects(value: Any, where: str) -> None:
    if not isinstance(value, list):
        raise _bad("wrong_type", where, found=json_type(value), expected="array")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise _bad("not_an_object", f"{where}[{index}]", found=json_type(item))


def _bad(what: str, where: str, **params: Any) -> DataError:
    return DataError(f"error.data.{what}", field=where, where=where, **params)


def _path(where: str, name: Any) -> str:
    if isinstance(name, int):
        return f"{where}[{name}]"
    return f"{where}.{name}" if where else str(name)


def json_type(value: Any) -> str:
    """The JSON word for a value's type; the same in every language."""
    names = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), type(value).__name__)


def shown(value: Any) -> str:
    """A value short enough for a message: the start of a text, the type of anything else."""
    return value[:40] if isinstance(value, str) else json_type(value)


# --- hashes and words -------------------------------------------------------------------------------------------------


def content_hash(content: Any) -> str:
    """sha256 (hex) of canonical JSON: sorted keys, no spaces, UTF-8.

    No Unicode normalisation: é as one character and as two are two contents.
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _sha256(text)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class Encoded(NamedTuple):
    """What is stored of a content: compact JSON, the two hashes, the searchable text."""

    content: str
    content_hash: str
    prompt_hash: str
    search_text: str


def encoded(kind: str, content: Content) -> Encoded:
    """The four at once, for what `check_content` accepts."""
    if kind == "chat" and len(content) == 1 and all(message.keys() == _PLAIN_TURN for message in content["messages"]):
        return _encoded_chat(content["messages"])
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Encoded(text, content_hash(content), prompt_hash(kind, content), search_text(kind, content))


_quoted = json.encoder.encode_basestring  # a string as JSON, not escaped; in C


def _encoded_chat(messages: list[dict[str, Any]]) -> Encoded:
    """The same for plain conversations, which most rows of large files are: each text is quoted once instead of four times."""
    stored: list[str] = []
    canonical: list[str] = []
    last = len(messages)
    for at, message in enumerate(messages):
        role, text = message["role"], _quoted(message["content"])
        canonical.append(f'{{"content":{text},"role":"{role}"}}')
        stored.append(canonical[-1] if next(iter(message)) == "content" else f'{{"role":"{role}","content":{text}}}')
        if role == "assistant":
            last = at
    return Encoded(
        '{"messages":[' + ",".join(stored) + "]}",
        _sha256('{"messages":[' + ",".join(canonical) + "]}"),
        _sha256("[" + ",".join(canonical[:last]) + "]"),
        "\n".join([message["content"] for message in messages]),
    )


def prompt_hash(kind: str, content: Content) -> str:
    """Hash of what the model is given, before the answer that counts.

    The kinds with messages share one form, so that a locked `prompt` row of a test set is found again in a `chat` row.
    """
    if kind in ("chat", "feedback"):
        return content_hash(_before_last_answer(content["messages"]))
    if kind in ("preference", "prompt"):
        return content_hash(content["messages"])
    if kind == "choice":
        return content_hash({"question": content["question"], "options": content["options"]})
    return content_hash({"text": content["text"]})


def _before_last_answer(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = max((index for index, message in enumerate(messages) if message["role"] == "assistant"), default=len(messages))
    return messages[:last]


def last_answer(kind: str, content: Content) -> str | None:
    """The answer a model should give, or None where the row has none. Of a preference it is the chosen one."""
    if kind in ("chat", "feedback"):
        return _last_of(content["messages"])
    if kind == "preference":
        return _last_of(content["chosen"])
    if kind == "choice":
        return str(content["options"][content["answer"]])
    return {"prompt": content.get("answer"), "label": content.get("label")}.get(kind)


def last_question(kind: str, content: Content) -> str | None:
    """What the last answer answers; of a text the text itself, of an answer that nobody asked for None."""
    if kind == "choice":
        return str(content["question"])
    if "messages" not in content:
        return content.get("text")
    asked = [message["content"] for message in _before_last_answer(content["messages"]) if message["role"] == "user"]
    return asked[-1] if asked else None


def _last_of(messages: list[dict[str, Any]]) -> str | None:
    return next((message["content"] for message in reversed(messages) if message["role"] == "assistant"), None)


def search_text(kind: str, content: Content) -> str:
    """All words of a row that a person may look for, one part a line."""
    parts: list[str] = []
    for name in ("messages", "chosen", "rejected"):
        parts += [message["content"] for message in content.get(name, ())]
    parts += [content[name] for name in ("question", "text", "label") if isinstance(content.get(name), str)]
    parts += content.get("options", ())
    if kind == "prompt" and "answer" in content:
        parts.append(content["answer"])
    return "\n".join(parts)
