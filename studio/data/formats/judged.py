"""Answers that somebody judged: one better than another, several in an order, one with a thumb up or down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio.data.formats import parts
from studio.data.formats.base import Names, Shape
from studio.data.formats.chat import question_turns
from studio.data.formats.names import SYSTEMS
from studio.data.formats.parts import Message, Record, Turned
from studio.data.rows import NewRow
from studio.errors import DataError

__all__ = ["Feedback", "Preference", "Ranked"]

_TEXT_KEYS = ("text", "content", "response", "answer", "completion", "output")
_SCORE_KEYS = ("score", "rating", "reward")


@dataclass(frozen=True, eq=False)
class Preference(Shape):
    """`chosen` and `rejected`, each a text, a turn or a list of turns, behind the prompt in `question` (a text or turns).

    Without a `question`, both lists begin with the prompt (TRL's implicit prompt). The margin is the column `margin`, or
    the difference of `score_chosen` and `score_rejected`, which stay in `extra`.
    """

    question: str | None
    chosen: str = "chosen"
    rejected: str = "rejected"
    margin: str | None = "margin"
    joined: Names = ()
    history: str | None = None
    system: Names = SYSTEMS

    @property
    def required(self) -> Names:
        return (*((self.question,) if self.question else ()), self.chosen, self.rejected)

    @property
    def optional(self) -> tuple[Names, ...]:
        single = tuple((name,) for name in (*self.joined, self.history, self.margin) if name)
        return (*single, self.system)

    def evidence(self) -> tuple[str, dict[str, Any]]:
        return "data.reason.two_answers", {"chosen": self.chosen, "rejected": self.rejected}

    def detect(self, record: Record) -> bool:
        sides = [parts.from_json(record.get(name)) for name in (self.chosen, self.rejected)]
        if not all(isinstance(side, str | dict) or parts.is_turns(side) for side in sides):
            return False
        if self.question is None:
            return all(isinstance(side, list) for side in sides)
        return self.question in record and parts.is_text_or_turns(parts.from_json(record[self.question]))

    def row(self, record: Record) -> NewRow:
        chosen, chosen_fields = parts.side(record, self.chosen, "assistant")
        rejected, rejected_fields = parts.side(record, self.rejected, "assistant")
        prompt, fields = self._prompt(record, chosen, rejected)
        if _begins(chosen, prompt) and _begins(rejected, prompt):
            chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
        content: dict[str, Any] = {"messages": prompt, "chosen": chosen, "rejected": rejected}
        if (margin := self._margin(record)) is not None:
            content["margin"] = margin
        fields = [*fields, *chosen_fields, *rejected_fields]
        return NewRow("preference", content, extra={"message_fields": fields} if any(fields) else None)

    def _prompt(self, record: Record, chosen: list[Message], rejected: list[Message]) -> Turned:
        if self.question is None:
            return _shared(chosen, rejected, self.chosen), []
        if parts.is_turns(parts.from_json(record.get(self.question))):
            messages, fields = parts.side(record, self.question, "user")
            if messages[0]["role"] != "system":
                messages = parts.system(record, parts.first_of(record, self.system)) + messages
            return messages, fields
        asked = question_turns(record, self.question, self.joined, self.system, self.history)
        if chosen[0]["role"] not in ("user", "system"):
            return asked, []
        shared = _shared(chosen, rejected, self.chosen)
        if asked[-1]["content"].strip() not in [message["content"].strip() for message in shared]:
            raise DataError("error.data.other_prompt", field=self.chosen, where=self.chosen, column=self.question)
        return shared, []

    def _margin(self, record: Record) -> float | int | None:
        margin = parts.number(record.get(self.margin), self.margin) if self.margin else None
        if margin is not None:
            return margin
        chosen, rejected = (parts.number(record.get(name), name) for name in ("score_chosen", "score_rejected"))
        return None if chosen is None or rejected is None else chosen - rejected


def _begins(messages: list[Message], prompt: list[Message]) -> bool:
    return len(messages) > len(prompt) and messages[: len(prompt)] == prompt


def _shared(chosen: list[Message], rejected: list[Message], where: str) -> list[Message]:
    """The turns with which both lists begin, up to the user's last."""
    n_same = 0
    while n_same < min(len(chosen), len(rejected)) and chosen[n_same] == rejected[n_same]:
        n_same += 1
    while n_same and chosen[n_same - 1]["role"] not in ("user", "tool"):
        n_same -= 1
    if not n_same:
        raise DataError("error.data.no_shared_prompt", field=where, where=where)
    return chosen[:n_same]


@dataclass(frozen=True, eq=False)
class Ranked(Shape):
    """Several answers to one question with scores (the highest is best) or ranks (the lowest is best).

    One record gives one row: its best answer against its worst, the first of equals; of scores, the difference is the
    margin. All answers and their scores stay in `extra`. Where all are equally good there is no preference.

    `scores` None: each answer is an object with its own score, or, if `is_ordered`, the list begins with the best.
    """

    question: str
    answers: str
    scores: str | None = None
    is_rank: bool = False
    is_ordered: bool = False
    system: Names = SYSTEMS

    @property
    def required(self) -> Names:
        return (self.question, self.answers, *((self.scores,) if self.scores else ()))

    @property
    def optional(self) -> tuple[Names, ...]:
        return (self.system,)

    def evidence(self) -> tuple[str, dict[str, Any]]:
        return "data.reason.best_and_worst", {"column": self.answers}

    def detect(self, record: Record) -> bool:
        answers = parts.from_json(record.get(self.answers))
        if not isinstance(record.get(self.question), str) or not isinstance(answers, list) or not answers:
            return False
        if self.scores is None:
            key = "rank" if self.is_rank else parts.first_of(answers[0], _SCORE_KEYS) if isinstance(answers[0], dict) else None
            return self.is_ordered or (isinstance(answers[0], dict) and key in answers[0])
        scores = parts.from_json(record.get(self.scores))
        return isinstance(scores, list) and len(scores) == len(answers)

    def row(self, record: Record) -> NewRow:
        messages = question_turns(record, self.question, (), self.system, None)
        answers = self._answers(record)
        if len(answers) < 2:
            raise DataError("error.data.no_preference", field=self.answers, where=self.answers)
        scores = self._scores(record, len(answers))
        best, worst = scores.index(max(scores)), scores.index(min(scores))
        if best == worst:
            raise DataError("error.data.no_preference", field=self.answers, where=self.answers)
        content: dict[str, Any] = {
            "messages": messages,
            "chosen": [parts.message("assistant", answers[best])],
            "rejected": [parts.message("assistant", answers[worst])],
        }
        if not (self.is_rank or self.is_ordered):
            content["margin"] = scores[best] - scores[worst]
        kept = {name: record[name] for name in (self.answers, self.scores) if name}
        return NewRow("preference", content, extra=kept)

    def _answers(self, record: Record) -> list[str]:
        answers = []
        for index, answer in enumerate(parts.from_json(record.get(self.answers)) or ()):
            at = f"{self.answers}[{index}]"
            key = parts.first_of(answer, _TEXT_KEYS) if isinstance(answer, dict) else None
            answers.append(parts.text({at: answer[key] if key else answer}, at))
        return answers

    def _scores(self, record: Record, n_answers: int) -> list[float | int]:
        """One number per answer, the highest for the best."""
        if self.is_ordered:
            return [-index for index in range(n_answers)]
        value = parts.from_json(record.get(self.scores or self.answers))
        if not isinstance(value, list) or len(value) != n_answers:
            raise DataError("error.data.scores_differ", field=self.scores, where=self.scores, answers=self.answers)
        if self.scores is None:
            keys = ("rank",) if self.is_rank else _SCORE_KEYS
            value = [next((item[key] for key in keys if key in item), None) if isinstance(item, dict) else None for item in value]
        scores = []
        for index, item in enumerate(value):
            at = f"{self.scores or self.answers}[{index}]"
            score = parts.number(item, at)
            if score is None or score != score:
                raise DataError("error.data.wrong_type", field=at, where=at, found="null", expected="number")
            scores.append(-score if self.is_rank else score)
        return scores


@dataclass(frozen=True, eq=False)
class Feedback(Shape):
    """A conversation in another shape, and a judgement of its last answer in `label`: good or bad.

    `is_strict`: 0 and 1 are not enough to recognise it, because such a column may number classes.
    """

    base: Shape
    label: str
    is_strict: bool = False

    @property
    def required(self) -> Names:
        return (*self.base.required, self.label)

    @property
    def optional(self) -> tuple[Names, ...]:
        return self.base.optional

    def evidence(self) -> tuple[str, dict[str, Any]]:
        return "data.reason.judgement", {"column": self.label}

    def detect(self, record: Record) -> bool:
        if self.label not in record or not self.base.detect(record):
            return False
        value = record[self.label]
        if self.is_strict and (str(value).strip() in ("0", "1", "0.0", "1.0") and not isinstance(value, bool)):
            return False
        try:
            parts.truth(record, self.label)
        except DataError:
            return False
        return True

    def row(self, record: Record) -> NewRow:
        row = self.base.row(record)
        content = dict(row.content)
        tools = {"tools": content.pop("tools")} if "tools" in content else {}  # a judged conversation keeps none
        extra = {**(row.extra or {}), **tools}
        content["label"] = parts.truth(record, self.label)
        return NewRow("feedback", content, extra=extra or None)


