"""What the damaging functions share: places in a conversation, sentences, the result of a damage."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from .compose import Draft, Message

SENTENCE = {"en": re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“])"), "zh": re.compile(r"(?<=[。！？])")}


@dataclass(frozen=True)
class Damaged:
    """A damaged conversation and in which way it was damaged."""

    messages: tuple[Message, ...]
    how: str


Damage = Callable[[Draft, Random], Damaged | None]


def sentences(text: str, lang: str) -> list[str]:
    return [part for part in SENTENCE[lang].split(text) if part.strip()]


class Turns:
    """Hands out ways in a shuffled order and keeps offering one until it was used."""

    def __init__(self, ways: dict[str, int]) -> None:
        self._ways = [way for way, weight in ways.items() for _ in range(weight)]
        self._order: list[str] = []

    def current(self, rng: Random) -> str:
        if not self._order:
            self._order = rng.sample(self._ways, len(self._ways))
        return self._order[-1]

    def done(self) -> None:
        self._order.pop()


def insert_sentence(text: str, phrase: str, cut: int, lang: str) -> str:
    """The text with a phrase put in front of its sentence number `cut`; line breaks stay as they are."""
    starts = [0, *(match.end() for match in SENTENCE[lang].finditer(text) if 0 < match.end() < len(text)), len(text)]
    at = starts[min(cut, len(starts) - 1)]
    before, after = text[:at], text[at:]
    left = gap(lang) if before and not before[-1].isspace() else ""
    right = gap(lang) if after and not after[0].isspace() else ""
    return before + left + phrase + right + after


def count_sentences(text: str, lang: str) -> int:
    return len([match for match in SENTENCE[lang].finditer(text) if 0 < match.end() < len(text)]) + 1


def gap(lang: str) -> str:
    return "" if lang == "zh" else " "


def places(draft: Draft, role: str) -> list[int]:
    """The indices of the messages of a role; a greeting by the assistant before any question is no answer."""
    asked = next(i for i, (who, _) in enumerate(draft.messages) if who == "user")
    return [i for i, (who, _) in enumerate(draft.messages) if who == role and i >= asked]


def with_text(draft: Draft, place: int, text: str) -> tuple[Message, ...]:
    messages = list(draft.messages)
    messages[place] = (messages[place][0], text)
    return tuple(messages)


def last_place(draft: Draft) -> int:
    return len(draft.messages) - 1


def pick_place(draft: Draft, rng: Random, question_share: float = 0.3) -> int:
    """Mostly an answer (often the last), sometimes a question."""
    if rng.random() < question_share:
        return rng.choice(places(draft, "user"))
    answers = places(draft, "assistant")
    return answers[-1] if rng.random() < 0.7 else rng.choice(answers)


def damaged(draft: Draft, place: int, text: str, how: str) -> Damaged:
    where = "question" if draft.messages[place][0] == "user" else "answer"
    if where == "answer" and place != last_place(draft):
        where = "earlier answer"
    return Damaged(with_text(draft, place, text), f"{how} ({where})")


def is_prose(text: str, least: int) -> bool:
    """Running text without lists, tables, code and line breaks."""
    return len(text) >= least and "\n" not in text and "|" not in text and "```" not in text and "http" not in text


def has_prose(least: int) -> Callable[[Draft], bool]:
    return lambda draft: is_prose(draft.answer, least)


def without_frame(draft: Draft) -> Draft:
    """The draft without a system message or greeting."""
    asked = next(i for i, (who, _) in enumerate(draft.messages) if who == "user")
    return replace(draft, messages=draft.messages[asked:])
