"""Every shape the studio knows. A new one is a line in `FORMATS`."""

from __future__ import annotations

import functools
import itertools

from studio.data.formats import names
from studio.data.formats.base import Format, Names, Shape
from studio.data.formats.chat import Pair, Prompt, PromptCompletion, PromptTurns, Turns
from studio.data.formats.judged import Feedback, Preference, Ranked
from studio.data.formats.names import CARRIED, EXTRA, LETTERS, PART_NAMES
from studio.data.formats.plain import Choice, Classification, Spelling, Text

__all__ = ["FORMATS", "expected_shapes", "fitting", "known_columns"]

_CONVERSATIONS = (
    Turns("messages", "messages", "role", "content"),
    Turns("messages_in_conversations", "conversations", "role", "content"),
    Turns("sharegpt", "conversations", "from", "value"),
    Turns("sharegpt_conversation", "conversation", "from", "value"),
)
_ALPACA = Pair("alpaca", "instruction", "output", joined=("input",), history="history")
_PROMPT_COMPLETION = PromptCompletion("prompt_completion")

# What Alpaca calls input, beside any other name for the answer.
_JOINED: dict[str, Names] = {"instruction": ("input",), "指令": ("输入",)}


def _pairs() -> list[Shape]:
    taken = {shape.required for shape in (_ALPACA, _PROMPT_COMPLETION)}
    pairs = [pair for pair in itertools.product(names.QUESTIONS, names.ANSWERS) if pair not in taken]
    return [
        Pair("question_answer", question, answer, joined=_JOINED.get(question, ()))
        for question, answer in sorted(pairs, key=lambda pair: pair != ("question", "answer"))
    ]


def _preferences() -> list[Shape]:
    texts = [
        Preference("dpo", name, joined=_JOINED.get(name, ()), history="history" if name == "instruction" else None)
        for name in sorted(names.QUESTIONS, key=lambda name: name != "prompt")
    ]
    return [*texts, *(Preference("dpo_turns", name) for name in names.TURNS), Preference("dpo_implicit", None)]


def _ranked() -> list[Shape]:
    found: list[Shape] = []
    for question, answers in itertools.product(names.PROMPTS, names.ANSWER_LISTS):
        found += [Ranked("ranked", question, answers, scores) for scores in names.SCORE_LISTS]
        found += [Ranked("ranked", question, answers, ranks, is_rank=True) for ranks in names.RANK_LISTS]
        found += [Ranked("ranked", question, answers), Ranked("ranked", question, answers, is_rank=True)]
    return found


def _feedback() -> list[Shape]:
    found: list[Shape] = [Feedback("kto", _PROMPT_COMPLETION, label) for label in ("label", "kto_tag")]
    found += [Feedback("kto", shape, "kto_tag") for shape in (_ALPACA, *_CONVERSATIONS)]
    return [*found, *(Feedback("kto", shape, "label", is_strict=True) for shape in _CONVERSATIONS)]


def _choices() -> list[Shape]:
    """The answer's spellings are shapes of their own: which it is, a file's records decide together."""
    spellings: dict[str, Spelling] = {
        "choice": "letter",
        "choice_words": "words",
        "choice_from_zero": "from_zero",
        "choice_from_one": "from_one",
    }
    found: list[Shape] = []
    for question, options in itertools.product(names.CHOICE_QUESTIONS, (*names.OPTION_LISTS, None)):
        letters = LETTERS if options is None else ()
        found.append(Choice("choice_from_zero", question, options, "answer_index", "from_zero", letters))
        for answer, (name, spelling) in itertools.product(names.CHOICE_ANSWERS, spellings.items()):
            found.append(Choice(name, question, options, answer, spelling, letters))
    return found


FORMATS: tuple[Format, ...] = (
    *_CONVERSATIONS,
    _ALPACA,
    # Dolly's name for what Alpaca calls input is context. Under other names, a context is for a person to place.
    Pair("dolly", "instruction", "response", joined=("context",), is_joined_required=True),
    _PROMPT_COMPLETION,
    *_pairs(),
    *_preferences(),
    *_ranked(),
    *_feedback(),
    *(Classification("classification", text, label) for text, label in itertools.product(names.LABELLED, names.LABELS)),
    *_choices(),
    *(Text("text", name) for name in names.TEXTS),
    *(PromptTurns("prompt_messages", name) for name in ("messages", "prompt")),
    *(Prompt("prompt", name, joined=_JOINED.get(name, ())) for name in names.PROMPTS),
)


@functools.lru_cache(64)
def fitting(columns: frozenset[str]) -> tuple[Format, ...]:
    """The shapes whose required columns are all among these."""
    return tuple(shape for shape in FORMATS if columns.issuperset(shape.required))


@functools.cache
def known_columns() -> frozenset[str]:
    """Every name that some shape reads: what a header line may consist of. Single letters of options say too little."""
    columns = frozenset((*CARRIED, EXTRA)).union(PART_NAMES, *(shape.columns for shape in FORMATS))
    return columns - (set(LETTERS) - PART_NAMES)


@functools.cache
def expected_shapes() -> str:
    """One example of each shape in one line, for the message that none of them fits."""
    first = {shape.name: " + ".join(shape.required) for shape in reversed(FORMATS)}
    return " · ".join(dict.fromkeys(first[shape.name] for shape in FORMATS))
