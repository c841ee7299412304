"""Rows that are no conversation: plain text, a text with a label, a question with options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from studio.data.formats import parts
from studio.data.formats.base import Names, Shape
from studio.data.formats.parts import Record
from studio.data.rows import NewRow, shown
from studio.errors import DataError

__all__ = ["Choice", "Classification", "Spelling", "Text"]

Spelling = Literal["letter", "words", "from_zero", "from_one", "letter_or_words"]
"""How an answer names its option. `letter_or_words` refuses what could be both."""


@dataclass(frozen=True, eq=False)
class Text(Shape):
    """One column of running text."""

    column: str

    @property
    def required(self) -> Names:
        return (self.column,)

    @property
    def takes_all(self) -> bool:
        return True

    def detect(self, record: Record) -> bool:
        return isinstance(record.get(self.column), str)

    def row(self, record: Record) -> NewRow:
        return NewRow("text", {"text": parts.text(record, self.column)})


@dataclass(frozen=True, eq=False)
class Classification(Shape):
    """A text and its class: a name, or a number, which is kept as text."""

    text: str
    label: str

    @property
    def required(self) -> Names:
        return (self.text, self.label)

    def evidence(self) -> tuple[str, dict[str, Any]]:
        return "data.reason.label", {"column": self.label}

    def detect(self, record: Record) -> bool:
        return isinstance(record.get(self.text), str) and isinstance(record.get(self.label), str | int)

    def row(self, record: Record) -> NewRow:
        label = record.get(self.label)
        if isinstance(label, bool):
            label = "true" if label else "false"
        elif isinstance(label, int):
            label = str(label)
        elif not isinstance(label, str):
            raise DataError("error.data.not_text", field=self.label, where=self.label, found=shown(label))
        return NewRow("label", {"text": parts.text(record, self.text), "label": label})


@dataclass(frozen=True, eq=False)
class Choice(Shape):
    """A question, options and the right one.

    Options are a list, an object by letter, ARC's `{"text": […], "label": […]}`, or columns of their own (`letters`). A
    number as answer may be counted from 0 or from 1: these are two shapes, and the records of a file tell which it is.
    """

    question: str
    options: str | None
    answer: str
    spelling: Spelling
    letters: Names = ()

    @property
    def required(self) -> Names:
        return (self.question, *((self.options,) if self.options else self.letters[:2]), self.answer)

    @property
    def optional(self) -> tuple[Names, ...]:
        return tuple((letter,) for letter in self.letters[2:])

    def evidence(self) -> tuple[str, dict[str, Any]] | None:
        keys = {
            "letter": "data.reason.answer_letter",
            "words": "data.reason.answer_words",
            "from_zero": "data.reason.answer_from_zero",
            "from_one": "data.reason.answer_from_one",
        }
        return (keys[self.spelling], {"column": self.answer}) if self.spelling in keys else None

    def detect(self, record: Record) -> bool:
        has_marks = self.options is not None and isinstance(parts.from_json(record.get(self.options)), dict)
        if not isinstance(record.get(self.question), str) or (has_marks and self.spelling in ("from_zero", "from_one")):
            return False
        try:
            marks, options = self._options(record)
            self._index(record, marks, options)
        except DataError:
            return False
        return len(options) > 1

    def row(self, record: Record) -> NewRow:
        marks, options = self._options(record)
        content = {
            "question": parts.text(record, self.question),
            "options": options,
            "answer": self._index(record, marks, options),
        }
        return NewRow("choice", content)

    def _options(self, record: Record) -> tuple[list[str], list[str]]:
        """The marks of the options (A, B, …) and the options."""
        if self.options is None:
            found = [parts.optional_text(record, letter) for letter in self.letters]
            while found and not found[-1].strip():
                found.pop()
            return _alphabet(len(found)), found
        value = parts.from_json(record.get(self.options))
        marks: Any = None
        if isinstance(value, dict):
            is_arc = isinstance(value.get("text"), list)
            marks, value = (value.get("label"), value["text"]) if is_arc else (list(value), list(value.values()))
        if not isinstance(value, list) or not all(isinstance(option, str) for option in value):
            raise DataError("error.data.not_options", field=self.options, where=self.options, found=shown(value))
        has_marks = isinstance(marks, list) and len(marks) == len(value) and all(isinstance(mark, str) for mark in marks)
        return [mark.strip().upper() for mark in marks] if has_marks else _alphabet(len(value)), value

    def _index(self, record: Record, marks: list[str], options: list[str]) -> int:
        value = record.get(self.answer)
        found = self._readings(value, marks, options)
        if len(found) == 1:
            return found.pop()
        key = "error.data.unclear_answer" if found else "error.data.no_such_option"
        raise DataError(key, field=self.answer, where=self.answer, found=str(value)[:40])

    def _readings(self, value: Any, marks: list[str], options: list[str]) -> set[int]:
        """The options that an answer can mean."""
        found: set[int] = set()
        spelled = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if self.spelling in ("letter", "letter_or_words"):
            letter = spelled.strip("().:\uff08\uff09\u3001 ").upper()
            found.update(index for index, mark in enumerate(marks) if mark == letter)
        if self.spelling in ("words", "letter_or_words") and isinstance(value, str):
            found.update(index for index, option in enumerate(options) if option.strip() == spelled)
        if self.spelling in ("from_zero", "from_one") and spelled.isascii() and spelled.isdigit() and len(spelled) < 4:
            index = int(spelled) - (self.spelling == "from_one")
            found.update({index} if 0 <= index < len(options) else ())
        return found


def _alphabet(n: int) -> list[str]:
    return [chr(ord("A") + index) for index in range(min(n, 26))]


