"""Columns that a person has named: which parts there are to choose for, and the shape that follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from studio.data.formats.base import Format, Names
from studio.data.formats.chat import Pair, Prompt, PromptCompletion, Turns
from studio.data.formats.judged import Feedback, Preference, Ranked
from studio.data.formats.names import column_name
from studio.data.formats.plain import Choice, Classification, Text
from studio.errors import DataError

__all__ = ["TARGETS", "Part", "mapped"]


class Part(NamedTuple):
    """A part of a row that a column is chosen for, and what its values have to be."""

    name: str
    required: bool = False
    values: Literal["text", "turns", "text_or_turns", "texts", "numbers", "number", "truth", "pairs", "letter"] = "text"


_SYSTEM = Part("system")
_LETTERS = ("option_a", "option_b", "option_c", "option_d", "option_e", "option_f")

TARGETS: dict[str, tuple[Part, ...]] = {
    "chat": (
        Part("question", True),
        Part("answer", True),
        Part("context"),
        _SYSTEM,
        Part("reasoning"),
        Part("history", values="pairs"),
    ),
    "turns": (Part("turns", True, "turns"), _SYSTEM),
    "preference": (
        Part("question", values="text_or_turns"),
        Part("chosen", True, "text_or_turns"),
        Part("rejected", True, "text_or_turns"),
        Part("context"),
        _SYSTEM,
        Part("margin", values="number"),
    ),
    "ranked": (Part("question", True), Part("answers", True, "texts"), Part("scores", values="numbers"), _SYSTEM),
    "feedback": (
        Part("question", True, "text_or_turns"),
        Part("answer", True, "text_or_turns"),
        Part("judgement", True, "truth"),
        _SYSTEM,
    ),
    "label": (Part("text", True), Part("label", True)),
    "choice": (
        Part("question", True),
        Part("options", values="texts"),
        *(Part(letter) for letter in _LETTERS),
        Part("answer", values="letter"),
        Part("number_from_zero", values="number"),
        Part("number_from_one", values="number"),
    ),
    "text": (Part("text", True),),
    "prompt": (Part("question", True), Part("context"), _SYSTEM, Part("expected")),
}
"""What columns can be made into, and the parts of each. `data.target.<target>` and `data.part.<part>` are their words."""

Columns = dict[str, str]


def mapped(mapping: Mapping[str, str | None]) -> Format:
    """The shape of a file whose columns have other names: `{"as": target, part: column, …}`, without `as` a chat.

    The names are promises of a person: only their columns are read, and nothing is recognised by its values. Raises
    DataError for a target or part that is not there, a required part without a column, and a column chosen twice.
    """
    target = mapping.get("as") or "chat"
    if target not in TARGETS:
        raise DataError("error.data.unknown_field", field="as", where=target, expected=", ".join(TARGETS))
    known = [part.name for part in TARGETS[target]]
    for name in mapping:
        if name != "as" and name not in known:
            raise DataError("error.data.unknown_field", field=name, where=name, expected=", ".join(known))
    columns = {name: column_name(column or "") for name, column in mapping.items() if name != "as"}
    columns = {name: column for name, column in columns.items() if column}
    for part in TARGETS[target]:
        if part.required and part.name not in columns:
            raise DataError("error.data.mapping_incomplete", field=part.name, part=part.name)
    for name, column in columns.items():
        if list(columns.values()).count(column) > 1 and name != next(iter(columns)):
            raise DataError("error.data.mapping_same_column", field=name, column=column)
    return _SHAPES[target](columns)


def _some(columns: Columns, *names: str) -> Names:
    return tuple(columns[name] for name in names if name in columns)


def _chat(columns: Columns) -> Format:
    return Pair(
        "mapped",
        columns["question"],
        columns["answer"],
        joined=_some(columns, "context"),
        history=columns.get("history"),
        system=_some(columns, "system"),
        reasoning=_some(columns, "reasoning"),
    )


def _turns(columns: Columns) -> Format:
    return Turns("mapped", columns["turns"], None, None, system=_some(columns, "system"))


def _preference(columns: Columns) -> Format:
    return Preference(
        "mapped",
        columns.get("question"),
        columns["chosen"],
        columns["rejected"],
        margin=columns.get("margin"),
        joined=_some(columns, "context"),
        system=_some(columns, "system"),
    )


def _ranked(columns: Columns) -> Format:
    """Without scores, the person says by this that the best answer comes first."""
    scores = columns.get("scores")
    return Ranked(
        "mapped", columns["question"], columns["answers"], scores, is_ordered=scores is None, system=_some(columns, "system")
    )


def _feedback(columns: Columns) -> Format:
    pair = PromptCompletion("mapped", columns["question"], columns["answer"], system=_some(columns, "system"))
    return Feedback("mapped", pair, columns["judgement"])


def _label(columns: Columns) -> Format:
    return Classification("mapped", columns["text"], columns["label"])


def _choice(columns: Columns) -> Format:
    letters = _some(columns, *_LETTERS)
    if "options" not in columns and len(letters) < 2:
        raise DataError("error.data.mapping_incomplete", field="options", part="options")
    options = columns.get("options")
    if "number_from_zero" in columns:
        return Choice("mapped", columns["question"], options, columns["number_from_zero"], "from_zero", letters)
    if "number_from_one" in columns:
        return Choice("mapped", columns["question"], options, columns["number_from_one"], "from_one", letters)
    if "answer" not in columns:
        raise DataError("error.data.mapping_incomplete", field="answer", part="answer")
    return Choice("mapped", columns["question"], options, columns["answer"], "letter_or_words", letters)


def _text(columns: Columns) -> Format:
    return Text("mapped", columns["text"])


def _prompt(columns: Columns) -> Format:
    return Prompt(
        "mapped",
        columns["question"],
        joined=_some(columns, "context"),
        system=_some(columns, "system"),
        answer=columns.get("expected"),
    )


_SHAPES: dict[str, Callable[[Columns], Format]] = {
    "chat": _chat,
    "turns": _turns,
    "preference": _preference,
    "ranked": _ranked,
    "feedback": _feedback,
    "label": _label,
    "choice": _choice,
    "text": _text,
    "prompt": _prompt,
}
