"""Conversations: a question and an answer in two columns, turns in one, a prompt that waits for its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio.data.formats import parts
from studio.data.formats.base import Names, Shape
from studio.data.formats.names import REASONINGS, SYSTEMS
from studio.data.formats.parts import Message, Record
from studio.data.rows import NewRow
from studio.errors import DataError

__all__ = ["Pair", "Prompt", "PromptCompletion", "PromptTurns", "Turns", "question_turns"]

_USER_ROLES = ("user", "tool")


def question_turns(record: Record, question: str, joined: Names, system: Names, history: str | None) -> list[Message]:
    """A question as messages; `joined` columns belong to it and follow it on a new line.

    Joining by one newline is what LLaMA-Factory does with Alpaca's `input`, so that old data gives old prompts.
    """
    words = [parts.text(record, question), *(parts.optional_text(record, name) for name in joined)]
    asked = "\n".join(part for part in words if part.strip())
    if not asked:
        raise DataError("error.data.empty_question", field=question, where=question)
    before = parts.system(record, parts.first_of(record, system)) + parts.history(record, history)
    return [*before, parts.message("user", asked)]


@dataclass(frozen=True, eq=False)
class Pair(Shape):
    """A question and an answer in two columns.

    Reasoning in a column of its own becomes the `reasoning_content` of the answer's message. Reasoning inside the answer
    (`<think>…</think>`) stays where it is: every template reads it there, and many know no other place.
    """

    question: str
    answer: str
    joined: Names = ()
    history: str | None = None
    is_joined_required: bool = False
    system: Names = SYSTEMS
    reasoning: Names = REASONINGS

    @property
    def required(self) -> Names:
        return (self.question, *(self.joined if self.is_joined_required else ()), self.answer)

    @property
    def optional(self) -> tuple[Names, ...]:
        single = tuple((name,) for name in (*self.joined, self.history) if name)
        return (*single, self.system, self.reasoning)

    def detect(self, record: Record) -> bool:
        if any(name not in record or isinstance(record[name], dict | list) for name in self.required):
            return False
        return not parts.is_turns(parts.from_json(record[self.question]))

    def row(self, record: Record) -> NewRow:
        messages = question_turns(record, self.question, self.joined, self.system, self.history)
        answer = parts.message("assistant", parts.text(record, self.answer))
        if not answer["content"].strip():
            raise DataError("error.data.empty_answer", field=self.answer, where=self.answer)
        extra: dict[str, Any] | None = None
        column = parts.first_of(record, self.reasoning)
        reasoning = parts.optional_text(record, column)
        if column and reasoning.strip():
            if "</think>" in answer["content"]:  # said already: twice would train it twice
                extra = {column: reasoning}
            else:
                answer["reasoning_content"] = reasoning
        return NewRow("chat", {"messages": [*messages, answer]}, extra=extra)


@dataclass(frozen=True, eq=False)
class Turns(Shape):
    """A whole conversation in one column: a list of turns, each with a role and a text under the keys given.

    Without keys, each list is read by those of its first turn.
    """

    column: str
    role_key: str | None
    text_key: str | None
    system: Names = SYSTEMS

    @property
    def required(self) -> Names:
        return (self.column,)

    @property
    def optional(self) -> tuple[Names, ...]:
        return (self.system, ("tools",))

    def evidence(self) -> tuple[str, dict[str, Any]]:
        return "data.reason.turns", {"column": self.column, "role": self.role_key or "", "text": self.text_key or ""}

    def detect(self, record: Record) -> bool:
        turns = parts.from_json(record.get(self.column))
        return parts.is_turns(turns) and (self.role_key is None or self.role_key in turns[0])

    def row(self, record: Record) -> NewRow:
        value = record.get(self.column)
        turns = value if type(value) is list else parts.from_json(value)
        role_key, text_key = self.role_key, self.text_key
        if role_key is None or text_key is None:
            role_key, text_key = (parts.is_turns(turns) and parts.turn_keys(turns[0])) or ("role", "content")
        messages, others = parts.turns(turns, self.column, role_key, text_key)
        extra: dict[str, Any] = {"message_fields": others} if any(others) else {}
        content = {"messages": _with_system(messages, record, self.system, extra), **parts.tools(record)}
        return NewRow("chat", content, extra=extra or None)


def _with_system(messages: list[Message], record: Record, names: Names, extra: dict[str, Any]) -> list[Message]:
    """The messages behind the system prompt of a column; where they have their own, the column's goes into `extra`."""
    column = parts.first_of(record, names)
    found = parts.system(record, column)
    if not found or not any(message["role"] == "system" for message in messages):
        return found + messages
    if found[0]["content"] != messages[0]["content"]:
        extra[column or ""] = found[0]["content"]
    return messages


@dataclass(frozen=True, eq=False)
class PromptCompletion(Shape):
    """`prompt` and `completion`, each a text or a list of messages."""

    question: str = "prompt"
    answer: str = "completion"
    system: Names = SYSTEMS

    @property
    def required(self) -> Names:
        return (self.question, self.answer)

    @property
    def optional(self) -> tuple[Names, ...]:
        return (self.system, ("tools",))

    def detect(self, record: Record) -> bool:
        return all(name in record and parts.is_text_or_turns(parts.from_json(record[name])) for name in self.required)

    def row(self, record: Record) -> NewRow:
        prompt, others = parts.side(record, self.question, "user")
        completion, more = parts.side(record, self.answer, "assistant")
        others += more
        extra: dict[str, Any] = {"message_fields": others} if any(others) else {}
        messages = _with_system(prompt + completion, record, self.system, extra)
        return NewRow("chat", {"messages": messages, **parts.tools(record)}, extra=extra or None)


@dataclass(frozen=True, eq=False)
class Prompt(Shape):
    """A question alone, in a column of text. `answer` is a column with the answer that is expected, where a person named one."""

    question: str
    joined: Names = ()
    system: Names = SYSTEMS
    answer: str | None = None

    @property
    def required(self) -> Names:
        return (self.question,)

    @property
    def optional(self) -> tuple[Names, ...]:
        return (*((name,) for name in (*self.joined, self.answer) if name), self.system)

    @property
    def takes_all(self) -> bool:
        return True

    def detect(self, record: Record) -> bool:
        value = record.get(self.question)
        return isinstance(value, str) and not parts.is_turns(parts.from_json(value))

    def row(self, record: Record) -> NewRow:
        content = {"messages": question_turns(record, self.question, self.joined, self.system, None)}
        return NewRow("prompt", content | _expected(record, self.answer))


@dataclass(frozen=True, eq=False)
class PromptTurns(Shape):
    """A conversation that ends with the user's turn, and perhaps the answer that is expected, in `answer`."""

    column: str
    system: Names = SYSTEMS

    @property
    def required(self) -> Names:
        return (self.column,)

    @property
    def optional(self) -> tuple[Names, ...]:
        return (self.system, ("answer",))

    def evidence(self) -> tuple[str, dict[str, Any]]:
        return "data.reason.ends_with_user", {"column": self.column}

    def detect(self, record: Record) -> bool:
        turns = parts.from_json(record.get(self.column))
        if not parts.is_turns(turns) or not isinstance(turns[-1], dict):
            return False
        name = turns[-1].get("role")
        return isinstance(name, str) and parts.ROLE_NAMES.get(name.strip().lower()) in _USER_ROLES

    def row(self, record: Record) -> NewRow:
        messages, others = parts.side(record, self.column, "user")
        extra: dict[str, Any] = {"message_fields": others} if any(others) else {}
        content = {"messages": _with_system(messages, record, self.system, extra)}
        return NewRow("prompt", content | _expected(record, "answer"), extra=extra or None)


def _expected(record: Record, column: str | None) -> dict[str, Any]:
    answer = parts.optional_text(record, column)
    return {"answer": answer} if answer.strip() else {}
