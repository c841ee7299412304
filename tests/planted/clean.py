"""Clean datasets: rows without any defect, no two alike, many of which only look suspicious."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from importlib import import_module
from random import Random
from typing import Any

from .compose import Draft, Topic, Voice, draft_of_topic, with_frame

Row = dict[str, Any]
Maker = Callable[[Random], Draft]
ALIKE = 0.41  # Jaccard of whole rows (on folded 3-grams, which overestimates a little)
ALIKE_QUESTION = 0.58
ALIKE_SHORT_QUESTION = 0.80
SHORT_QUESTION = {"zh": 14, "en": 36}
FAMILY_SHARE = 0.02
HARD_SHARE = 0.30  # of the attempts go to the families of hard negatives; tables, short answers and lists come on top
FOLD = 4096


class Grams:
    """3-grams as bits of an integer; the numbers are given in order of appearance, so that they do not vary."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def bits(self, text: str) -> int:
        flat = "".join(char for char in text.lower() if char.isalnum())
        result = 0
        for start in range(max(1, len(flat) - 2)):
            number = self._numbers.setdefault(flat[start : start + 3], len(self._numbers))
            result |= 1 << (number % FOLD)
        return result


def likeness(a: int, b: int) -> float:
    return (a & b).bit_count() / ((a | b).bit_count() or 1)


def question_key(text: str) -> str:
    """A question without case, blanks and punctuation."""
    return "".join(char for char in text.lower() if char.isalnum()) or text


class Gate:
    """Lets a draft pass only if no earlier one is like it."""

    def __init__(self, lang: str) -> None:
        self._short = SHORT_QUESTION[lang]
        self._grams = Grams()
        self._seen: defaultdict[str, list[tuple[int, int, bool]]] = defaultdict(list)
        self._questions: set[str] = set()

    def admit(self, draft: Draft) -> bool:
        keys = {question_key(text) for role, text in draft.messages if role == "user"}
        if keys & self._questions or len(keys) < sum(role == "user" for role, _ in draft.messages):
            return False
        whole = self._grams.bits(draft.text)
        asked = self._grams.bits(draft.question)
        brief = len(draft.question) <= self._short
        for other_whole, other_asked, other_brief in self._seen[draft.group]:
            if likeness(whole, other_whole) > ALIKE:
                return False
            if likeness(asked, other_asked) > (ALIKE_SHORT_QUESTION if brief and other_brief else ALIKE_QUESTION):
                return False
        self._seen[draft.group].append((whole, asked, brief))
        self._questions |= keys
        return True


@cache
def parts_of(lang: str) -> tuple[Voice, tuple[Topic, ...], dict[str, Maker]]:
    voice = import_module(f".voice_{lang}", __package__)
    families: dict[str, Maker] = {}
    for name in (f".hard_{lang}", f".hard_{lang}_code"):
        families |= import_module(name, __package__).FAMILIES
    return voice.VOICE, voice.topics(), families


def clean_drafts(lang: str, n: int, seed: int) -> list[Draft]:
    """`n` different clean drafts; a family that has nothing new to say for a while is left alone."""
    voice, topics, families = parts_of(lang)
    rng = Random(f"{lang}-{seed}")
    gate = Gate(lang)
    failures: defaultdict[str, int] = defaultdict(int)
    made: defaultdict[str, int] = defaultdict(int)
    names = sorted(families)
    drafts: list[Draft] = []
    attempts = 0
    while len(drafts) < n:
        attempts += 1
        if attempts > 40 * n + 2000:
            raise ValueError(f"only {len(drafts)} different rows of {n}")
        living = [name for name in names if failures[name] < 40 and made[name] < max(12, FAMILY_SHARE * n)]
        if living and rng.random() < HARD_SHARE:
            name = rng.choice(living)
            draft = with_frame(families[name](rng), rng, voice)
        else:
            topic = rng.choice(topics)
            name = topic.name
            draft = draft_of_topic(topic, rng, voice)
        admitted = gate.admit(draft)
        failures[name] = 0 if admitted else failures[name] + 1
        if admitted:
            made[name] += 1
            drafts.append(draft)
    return drafts


def pick_split(rng: Random) -> str:
    return rng.choices(("train", "validation", "test"), (80, 10, 10))[0]


def as_row(draft: Draft, split: str) -> Row:
    messages = [{"role": role, "content": text} for role, text in draft.messages]
    return {"kind": "chat", "content": {"messages": messages}, "split": split}


def clean_rows(lang: str, n: int, seed: int) -> list[Row]:
    """`n` different clean rows of the language ("zh" or "en")."""
    rng = Random(f"split-{lang}-{seed}")
    return [as_row(draft, pick_split(rng)) for draft in clean_drafts(lang, n, seed)]
