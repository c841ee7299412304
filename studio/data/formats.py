"""Shapes of records, and how each becomes a row: Alpaca, ShareGPT, OpenAI messages, prompt/completion, question/answer.

A record is one JSON object or one CSV line. A shape is recognised by exact column names (lower-cased, stripped) and by
what their values are, never by a part of a name. Knows no file. A new shape is one class and one line in `FORMATS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from studio.data.rows import MAX_LABEL, MESSAGE_FIELDS, SPLITS, NewRow, check_content, check_storable, shown
from studio.errors import DataError

__all__ = [
    "CARRIED",
    "FORMATS",
    "Format",
    "Record",
    "expected_shapes",
    "find_format",
    "known_columns",
    "mapped",
    "normalised",
    "to_row",
]

Record = Mapping[str, Any]
"""One record by normalised column name, as `normalised` gives it."""

Message = dict[str, Any]

CARRIED = ("split", "topic", "tags", "group_key")
"""Columns that any shape may carry beside its own."""

_SPLIT_NAMES = {**{name: name for name in SPLITS}, **dict.fromkeys(("valid", "val", "dev", "eval"), "validation")}

_ROLE_NAMES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt"), "assistant"),
    **dict.fromkeys(("tool", "observation"), "tool"),
}


class Format(Protocol):
    """One shape. `required` are the columns without which it is another shape; `columns` all those it reads."""

    @property
    def name(self) -> str: ...
    @property
    def required(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> frozenset[str]: ...

    def detect(self, record: Record) -> bool:
        """Whether names and kinds of values are those of this shape. Says nothing yet about empty or wrong contents."""

    def row(self, record: Record) -> NewRow:
        """The row without carried columns, not checked yet. Raises DataError where a value cannot be read at all."""


@dataclass(frozen=True)
class Pair:
    """A question and an answer in two columns; `joined` columns belong to the question and follow it on a new line.

    Joining by one newline is what LLaMA-Factory does with Alpaca's `input`, so that old data gives old prompts.
    """

    name: str
    question: str
    answer: str
    joined: tuple[str, ...] = ()
    system: str = "system"
    history: str | None = None

    @property
    def required(self) -> tuple[str, ...]:
        return (self.question, self.answer)

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(name for name in (*self.required, *self.joined, self.system, self.history) if name)

    def detect(self, record: Record) -> bool:
        return all(name in record and not isinstance(record[name], dict | list) for name in self.required)

    def row(self, record: Record) -> NewRow:
        parts = [_text(record, self.question), *(_text(record, name, optional=True) for name in self.joined)]
        question = "\n".join(part for part in parts if part.strip())
        if not question:
            raise DataError("error.data.empty_question", field=self.question, where=self.question)
        answer = _text(record, self.answer)
        if not answer.strip():
            raise DataError("error.data.empty_answer", field=self.answer, where=self.answer)
        turns = [*_history(record, self.history), _message("user", question), _message("assistant", answer)]
        return NewRow("chat", {"messages": _system(record, self.system) + turns})


@dataclass(frozen=True)
class MappedPair(Pair):
    """A pair whose columns a person has named. The names are exact promises: no value is looked at to recognise it."""

    def detect(self, record: Record) -> bool:
        return all(name in record for name in self.required)


@dataclass(frozen=True)
class Turns:
    """A whole conversation in one column: a list of turns, each with a role and a text under the keys given."""

    name: str
    column: str
    role_key: str
    text_key: str

    @property
    def required(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def columns(self) -> frozenset[str]:
        return frozenset({self.column, "system", "tools"})

    def detect(self, record: Record) -> bool:
        turns = _unpacked(record.get(self.column))
        return isinstance(turns, list) and bool(turns) and isinstance(turns[0], dict) and self.role_key in turns[0]

    def row(self, record: Record) -> NewRow:
        turns = _unpacked(record.get(self.column))
        messages, others = _read_turns(turns, self.column, self.role_key, self.text_key)
        if not any(message["role"] == "system" for message in messages):
            messages = _system(record, "system") + messages
        content = {"messages": messages, **_tools(record)}
        return NewRow("chat", content, extra={"message_fields": others} if any(others) else None)


@dataclass(frozen=True)
class PromptCompletion:
    """`prompt` and `completion`, each a text or a list of messages."""

    name: str = "prompt_completion"
    required: tuple[str, ...] = ("prompt", "completion")
    columns: frozenset[str] = frozenset({"prompt", "completion", "system", "tools"})

    def detect(self, record: Record) -> bool:
        return all(name in record and _is_text_or_turns(_unpacked(record[name])) for name in self.required)

    def row(self, record: Record) -> NewRow:
        prompt, others = self._side(record, "prompt", "user")
        completion, more = self._side(record, "completion", "assistant")
        messages = prompt + completion
        if not any(message["role"] == "system" for message in messages):
            messages = _system(record, "system") + messages
        others += more
        content = {"messages": messages, **_tools(record)}
        return NewRow("chat", content, extra={"message_fields": others} if any(others) else None)

    def _side(self, record: Record, name: str, role: str) -> tuple[list[Message], list[Record]]:
        value = _unpacked(record.get(name))
        if isinstance(value, list):
            return _read_turns(value, name, "role", "content")
        text = _text(record, name)
        if not text.strip():
            raise DataError(f"error.data.empty_{'question' if role == 'user' else 'answer'}", field=name, where=name)
        return [_message(role, text)], [{}]


FORMATS: tuple[Format, ...] = (
    Turns("messages", "messages", "role", "content"),
    Turns("messages_in_conversations", "conversations", "role", "content"),
    Turns("sharegpt", "conversations", "from", "value"),
    Turns("sharegpt_conversation", "conversation", "from", "value"),
    Pair("alpaca", "instruction", "output", joined=("input",), history="history"),
    PromptCompletion(),
    Pair("question_answer", "question", "answer"),
    Pair("q_a", "q", "a"),
    Pair("question_answer_zh", "问题", "回答"),
    Pair("q_a_zh", "问", "答"),
    # Dolly's name for what Alpaca calls input is context.
    Pair("instruction_response", "instruction", "response", joined=("input", "context")),
    Pair("query_response", "query", "response"),
)


# --- from records to rows ---------------------------------------------------------------------------------------------


def normalised(record: Mapping[Any, Any]) -> dict[str, Any]:
    """The record by lower-cased, stripped names. Raises DataError where two columns become one."""
    values: dict[str, Any] = {}
    for column, value in record.items():
        name = str(column).strip().lower()
        if name in values:
            raise DataError("error.data.duplicate_column", field=name, column=name)
        values[name] = value
    return values


def known_columns() -> frozenset[str]:
    """Every name that some shape reads: what a header line may consist of."""
    return frozenset(CARRIED).union(*(shape.columns for shape in FORMATS))


def expected_shapes() -> str:
    """The shapes in one line, for the message that none of them fits."""
    return " · ".join(dict.fromkeys(" + ".join(shape.required) for shape in FORMATS))


def find_format(record: Mapping[Any, Any]) -> Format:
    """The one shape that fits.

    Raises DataError: `unknown_shape` where none fits, `ambiguous_shape` where more than one does (a guess would train
    on the wrong column silently).
    """
    values = normalised(record)
    found = [shape for shape in FORMATS if shape.detect(values)]
    if len(found) > 1:
        raise DataError("error.data.ambiguous_shape", columns=_names(record), shapes=", ".join(shape.name for shape in found))
    if not found:
        raise DataError("error.data.unknown_shape", columns=_names(record), shapes=expected_shapes())
    return found[0]


def mapped(mapping: Mapping[str, str | None]) -> Format:
    """The shape of a file whose columns have other names: `{"question": column, "answer": column, "system": column | None}`.

    Raises DataError for a part that is not one of the three, and where question or answer is missing or the same.
    """
    for part in mapping:
        if part not in ("question", "answer", "system"):
            raise DataError("error.data.unknown_field", field=part, where=part, expected="question, answer, system")
    columns = {part: (column or "").strip().lower() for part, column in mapping.items()}
    for part in ("question", "answer"):
        if not columns.get(part):
            raise DataError("error.data.mapping_incomplete", field=part, part=part)
    if columns["question"] == columns["answer"]:
        raise DataError("error.data.mapping_same_column", field="answer", column=columns["answer"])
    return MappedPair("mapped", columns["question"], columns["answer"], system=columns.get("system", ""))


def to_row(record: Mapping[Any, Any], shape: Format, *, origin: dict[str, Any] | None = None) -> NewRow:
    """One record as a checked row; columns that no part of the row uses go into `extra` under their own names.

    Raises DataError that names the field at fault.
    """
    values = normalised(record)
    if missing := [name for name in shape.required if name not in values]:
        raise DataError(
            "error.data.missing_columns", field=missing[0], missing=", ".join(missing), columns=_names(record), shape=shape.name
        )
    row = shape.row(values)
    check_content(row.kind, row.content)
    used = shape.columns | set(CARRIED)
    extra = {str(name).strip(): value for name, value in record.items() if str(name).strip().lower() not in used}
    extra |= row.extra or {}
    check_storable(extra)
    tags, topic, group_key = _tags(values), _carried_text(values, "topic"), _carried_text(values, "group_key")
    check_storable({"tags": list(tags), "topic": topic, "group_key": group_key})
    split = _split(values)
    return replace(row, split=split, tags=tags, topic=topic, group_key=group_key, extra=extra or None, origin=origin)


def _split(record: Record) -> str | None:
    value = record.get("split")
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found = _SPLIT_NAMES.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise DataError("error.data.unknown_split", field="split", found=shown(value), expected=", ".join(_SPLIT_NAMES))
    return found


def _tags(record: Record) -> tuple[str, ...]:
    """A list of texts, or one text divided at commas and semicolons of either script."""
    value = record.get("tags")
    if value is None:
        return ()
    if isinstance(value, str):
        value = re.split("[,;\uff0c\uff1b\u3001]", value)
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise DataError("error.data.not_text", field="tags", where="tags", found=shown(value))
    return tuple(dict.fromkeys(tag.strip() for tag in value if tag.strip()))


def _carried_text(record: Record, name: str) -> str | None:
    value = record.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise DataError("error.data.not_text", field=name, where=name, found=shown(value))
    value = (value or "").strip()
    if len(value) > MAX_LABEL:
        raise DataError("error.data.label_too_long", field=name, where=name, n=len(value), limit=MAX_LABEL)
    return value or None


# --- parts of a conversation ------------------------------------------------------------------------------------------


def _message(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def _text(record: Record, name: str, *, optional: bool = False) -> str:
    value = record.get(name)
    if optional and value is None:
        return ""
    if not isinstance(value, str):
        raise DataError("error.data.not_text", field=name, where=name, found=shown(value))
    return value


def _system(record: Record, name: str) -> list[Message]:
    text = _text(record, name, optional=True)
    return [_message("system", text)] if text.strip() else []


def _tools(record: Record) -> dict[str, Any]:
    tools = _unpacked(record.get("tools"))
    return {} if tools in (None, "", []) else {"tools": tools}


def _history(record: Record, name: str | None) -> list[Message]:
    """Alpaca's `history`: a list of earlier [question, answer] pairs."""
    value = _unpacked(record.get(name)) if name else None
    messages: list[Message] = []
    for pair in value or []:
        if not isinstance(value, list) or not isinstance(pair, list) or len(pair) != 2:
            raise DataError("error.data.bad_history", field=name, where=name)
        messages += [_message("user", pair[0]), _message("assistant", pair[1])]
    return messages


def _read_turns(value: Any, where: str, role_key: str, text_key: str) -> tuple[list[Message], list[Record]]:
    """The turns as messages, and for each turn the fields that a message does not keep."""
    if not isinstance(value, list):
        raise DataError("error.data.no_messages", field=where, where=where, found=shown(value))
    read = [_read_turn(turn, f"{where}[{index}]", role_key, text_key) for index, turn in enumerate(value)]
    return [message for message, _ in read], [others for _, others in read]


def _read_turn(turn: Any, where: str, role_key: str, text_key: str) -> tuple[Message, Record]:
    if not isinstance(turn, dict):
        raise DataError("error.data.not_an_object", field=where, where=where, found=shown(turn))
    name = turn.get(role_key)
    role = _ROLE_NAMES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        raise DataError(
            "error.data.unknown_role",
            field=f"{where}.{role_key}",
            where=f"{where}.{role_key}",
            found=shown(name),
            expected=", ".join(_ROLE_NAMES),
        )
    message = _message(role, _joined_parts(turn.get(text_key), turn))
    if not isinstance(message["content"], str):
        at = f"{where}.{text_key}"
        raise DataError("error.data.not_text", field=at, where=at, found=shown(message["content"]))
    optional = MESSAGE_FIELDS - {"role", "content", role_key, text_key}
    message |= {key: value for key, value in turn.items() if key in optional and value is not None}
    others = {key: value for key, value in turn.items() if key not in optional and key not in (role_key, text_key)}
    return message, others


def _joined_parts(value: Any, turn: Message) -> Any:
    """OpenAI's two other spellings of a text: a list of text parts, and null beside tool calls."""
    if value is None and turn.get("tool_calls"):
        return ""
    if isinstance(value, list) and value and all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        texts = [part.get("text") for part in value]
        return "".join(texts) if all(isinstance(text, str) for text in texts) else value
    return value


def _unpacked(value: Any) -> Any:
    """A list that a CSV cell holds as JSON; any other value as it is."""
    if isinstance(value, str) and value.lstrip().startswith(("[{", "[[")):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _is_text_or_turns(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _names(record: Mapping[Any, Any]) -> str:
    return ", ".join(shown(str(name).strip()) for name in list(record)[:40])
