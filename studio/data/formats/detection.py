"""Which shape a file's records have, why the studio thinks so, and how sure it is.

A shape is found by whole column names and checked by making rows of the records. It is not sure where another shape fits as
well, or where a column that bears the name of a part is left aside: then a person says which column is what.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from studio.data.formats import names, parts
from studio.data.formats.base import Format, Names, Shape
from studio.data.formats.chat import Prompt
from studio.data.formats.names import column_name
from studio.data.formats.plain import Classification
from studio.data.formats.reading import column_names, normalised, plan_of, to_row
from studio.data.formats.shapes import expected_shapes, fitting
from studio.data.rows import NewRow
from studio.errors import DataError

__all__ = ["Detection", "Reason", "detect", "find_format"]

#: Records that are looked at; fewer where so many shapes have their columns that reading them all would take seconds.
_LOOKED_AT = 200
_READINGS = 4_000
_SHOWN_COLUMNS = 12
_SHOWN_CHARS = 60

#: Characters from which a column's values are running text and no name, number or address; Chinese ones count twice.
_PROSE_WIDTH = 40

# A record of the right shape may still be refused for its contents. These say that it is another shape.
_OTHER_SHAPE = frozenset(
    f"error.data.{what}"
    for what in (
        *("not_text", "not_an_object", "wrong_type", "missing_columns", "duplicate_column"),
        *("unknown_role", "no_messages", "no_question", "no_answer", "last_not_assistant", "last_not_user"),
        *("bad_history", "bad_function_call", "other_prompt", "no_shared_prompt", "scores_differ"),
        *("not_options", "too_few_options", "no_such_option", "unclear_answer"),
    )
)


class Reason(NamedTuple):
    """Why the studio thinks so: `text(lang, key, **params)` makes the words."""

    key: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Detection:
    """What the first records of a file are.

    `confidence` is the share of the records that have the shape, at most 0.5 where something speaks against it; records
    that have another shape are refused one by one. `alternatives` name other shapes that fit as well. `suggestion` is a
    mapping to begin with where the studio is not sure: columns whose names leave no choice, None for the others.
    """

    shape: Format | None
    confidence: float
    reasons: tuple[Reason, ...]
    alternatives: tuple[str, ...]
    suggestion: dict[str, str | None] | None

    @property
    def is_sure(self) -> bool:
        """Whether nothing speaks against the shape and most records have it. If not, a person is asked."""
        return self.shape is not None and self.confidence > 0.5


@dataclass
class _Tally:
    """What became of the records under one shape, the columns it `reads`, and its `rivals`: those with a part's name that it
    does not read."""

    shape: Format
    n_rows: int = 0
    n_refused: int = 0  # the right shape, but empty or broken
    n_doubtful: int = 0  # there are rivals
    rivals: dict[str, None] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)

    @property
    def n_clear(self) -> int:
        return self.n_rows + self.n_refused

    @property
    def rank(self) -> tuple[int, int, int]:
        return self.n_clear, self.n_clear + self.n_doubtful, len(self.reads)

    def add(self, record: Mapping[Any, Any], values: parts.Record) -> None:
        self.reads |= self.shape.columns & values.keys()
        row = None
        try:
            row = to_row(record, self.shape)
        except DataError as error:
            is_empty = error.params.get("found") == "null" or error.field in names.CARRIED
            if error.key in _OTHER_SHAPE and not is_empty:
                return
        rivals = [name for name in plan_of(tuple(record), self.shape).rivals if not _is_said(values[name], row)]
        self.rivals |= dict.fromkeys(rivals)
        if rivals:
            self.n_doubtful += 1
        elif row is None:
            self.n_refused += 1
        else:
            self.n_rows += 1


def detect(records: Sequence[Mapping[str, Any]]) -> Detection:
    """The shape of a file whose first records these are."""
    if not records:
        return Detection(None, 0.0, (), (), None)
    looked_at = _first(records)
    tallies = sorted(_tallies(looked_at), key=lambda tally: tally.rank, reverse=True)
    if not tallies:
        return Detection(None, 0.0, (_no_shape(looked_at),), (), _suggestion(looked_at))
    best = tallies[0]
    rivals = _equals(tallies)
    doubts = _doubts(best, rivals, looked_at)
    confidence = best.n_clear / len(looked_at)
    if doubts or not best.n_clear:
        confidence = min(0.5, (best.n_clear + best.n_doubtful) / len(looked_at))
    found = Detection(
        best.shape,
        confidence,
        (*_evidence(best, looked_at), *doubts),
        tuple(dict.fromkeys(tally.shape.name for tally in rivals if tally.shape.name != best.shape.name)),
        None,
    )
    return found if found.is_sure else _with_suggestion(found, looked_at)


def _first(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    first = list(records[:_LOOKED_AT])
    n_shapes = max(len(fitting(frozenset(column_name(str(name)) for name in record))) for record in first)
    return first[: max(1, _READINGS // max(1, n_shapes))]


def _with_suggestion(found: Detection, records: list[Mapping[str, Any]]) -> Detection:
    return Detection(found.shape, found.confidence, found.reasons, found.alternatives, _suggestion(records))


def find_format(record: Mapping[Any, Any]) -> Format:
    """The one shape that a record has, by the names and kinds of its values.

    Raises DataError: `unknown_shape` where none fits, `ambiguous_shape` where more than one does, or where a column with
    the name of a part would be left aside (a guess would train on the wrong column silently).
    """
    normalised(record)  # two columns of one name are said first
    tallies = list(_tallies([record]))
    if not tallies:
        raise DataError("error.data.unknown_shape", columns=column_names(record), shapes=expected_shapes())
    best = max((tally.n_clear, -tally.n_doubtful) for tally in tallies)
    found = [tally for tally in tallies if (tally.n_clear, -tally.n_doubtful) == best]
    if not any(tally.n_doubtful for tally in found):
        found = [tally for tally in found if not any(tally.reads < other.reads for other in found)]
    if len(found) > 1 or found[0].n_doubtful:
        shapes = ", ".join(sorted({tally.shape.name for tally in found}))
        raise DataError("error.data.ambiguous_shape", columns=column_names(record), shapes=shapes)
    return found[0].shape


def _tallies(records: Iterable[Mapping[Any, Any]]) -> Iterable[_Tally]:
    """One for every shape that a record's columns have."""
    tallies: dict[Format, _Tally] = {}
    for record in records:
        try:
            values = normalised(record)
        except DataError:
            continue
        for shape in fitting(frozenset(values)):
            if shape.detect(values):
                tallies.setdefault(shape, _Tally(shape)).add(record, values)
    return tallies.values()


def _equals(tallies: list[_Tally]) -> list[_Tally]:
    """The other shapes that fit as many records as the first one."""
    best, others = tallies[0], tallies[1:]
    if best.n_clear:
        # What reads fewer of the same columns has missed nothing only because the others are empty.
        others = [tally for tally in others if not tally.reads < best.reads]
        return [tally for tally in others if tally.n_clear == best.n_clear]
    return [tally for tally in others if tally.n_doubtful and tally.n_doubtful == best.n_doubtful and not _takes_all(tally.shape)]


def _takes_all(shape: Format) -> bool:
    return isinstance(shape, Shape) and shape.takes_all


def _is_said(value: Any, row: NewRow | None) -> bool:
    """Whether a column tells nothing that the row does not have: it is empty, or repeats a text or the turns of the row."""
    if value is None or value in ("", []) or (isinstance(value, str) and not value.strip()):
        return True
    if row is None:
        return False
    content = row.content
    turns = [content.get(name) or [] for name in ("messages", "chosen", "rejected")]
    if isinstance(value, str):
        said = [message["content"] for messages in turns for message in messages]
        said += [*content.get("options", ()), *(content.get(name) for name in ("question", "text", "answer"))]
        return value.strip() in [text.strip() for text in said if isinstance(text, str)]
    prompt, chosen, rejected = turns
    return value in (prompt, prompt + chosen, prompt + rejected)


# --- reasons ----------------------------------------------------------------------------------------------------------


def _evidence(tally: _Tally, records: list[Mapping[str, Any]]) -> Iterable[Reason]:
    shape = tally.shape
    yield Reason("data.reason.names", {"columns": ", ".join(shape.required)})
    evidence = shape.evidence() if isinstance(shape, Shape) else None
    if evidence and tally.n_clear + tally.n_doubtful:
        yield Reason(*evidence)
    n_fit = tally.n_clear + tally.n_doubtful
    if n_fit == len(records):
        yield Reason("data.reason.all_fit", {"n": n_fit})
    else:
        yield Reason("data.reason.some_fit", {"n_fit": n_fit, "n": len(records)})
    if tally.n_refused:
        yield Reason("data.reason.refused", {"n": tally.n_refused})
    if kept := [name for name in _beside(shape, records) if column_name(name) not in tally.rivals]:
        yield Reason("data.reason.kept", {"columns": _shown(kept)})
    if n_weights := sum(_has_zero_weight(record) for record in records):
        yield Reason("data.reason.weights", {"n": n_weights})


def _doubts(tally: _Tally, rivals: list[_Tally], records: list[Mapping[str, Any]]) -> list[Reason]:
    doubts = []
    if tally.rivals:
        doubts.append(Reason("data.reason.rivals", {"columns": _shown(tally.rivals)}))
    shapes = {shape.name for shape in (tally.shape, *(rival.shape for rival in rivals))}
    if shapes == {"choice_from_zero", "choice_from_one"}:
        doubts.append(Reason("data.reason.count_unclear", {}))
    elif rivals:
        doubts.append(Reason("data.reason.several", {}))
    if _takes_all(tally.shape):
        says_more = _is_words if isinstance(tally.shape, Prompt) else _is_prose  # an answer may be short
        found = [name for name in _beside(tally.shape, records) if column_name(name) not in (*names.FACTS, *tally.rivals)]
        if found := [name for name in found if says_more([_cell(record, name) for record in records])]:
            doubts.append(Reason("data.reason.words_beside", {"columns": _shown(found)}))
    if isinstance(tally.shape, Classification):
        label = tally.shape.label
        if _is_prose([_cell(record, label) for record in records]):
            doubts.append(Reason("data.reason.long_labels", {"column": label}))
    return doubts


def _cell(record: Mapping[str, Any], name: str) -> Any:
    return next((value for column, value in record.items() if column_name(str(column)) == column_name(name)), None)


def _no_shape(records: list[Mapping[str, Any]]) -> Reason:
    columns = dict.fromkeys(str(name).strip() for record in records for name in record)
    return Reason("data.reason.no_shape", {"columns": _shown(columns)})


def _shown(columns: Iterable[str]) -> str:
    """The first columns, for a sentence; a file may have thousands, with names of any length."""
    return ", ".join(column[:_SHOWN_CHARS] for column in itertools.islice(columns, _SHOWN_COLUMNS))


def _beside(shape: Format, records: list[Mapping[str, Any]]) -> list[str]:
    """The columns that go into `extra`, under their own names."""
    found: dict[str, None] = {}
    for record in records:
        try:
            found |= dict.fromkeys(name for _, name in plan_of(tuple(record), shape).others)
        except DataError:
            continue
    return list(found)


def _is_words(values: list[Any]) -> bool:
    return any(isinstance(value, str) and value.strip() for value in values)


def _is_prose(values: list[Any]) -> bool:
    """Whether the values are running text, by their mean length."""
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if not texts or all(text.startswith(("http://", "https://")) for text in texts):
        return False
    width = sum(len(text) + sum(char > "\u2e80" for char in text) for text in texts)
    return width >= _PROSE_WIDTH * len(texts)


def _has_zero_weight(record: Mapping[str, Any]) -> bool:
    turns = record.get("messages")
    return isinstance(turns, list) and any(isinstance(turn, dict) and turn.get("weight") == 0 for turn in turns)


# --- a mapping to begin with ------------------------------------------------------------------------------------------


def _suggestion(records: list[Mapping[str, Any]]) -> dict[str, str | None] | None:
    """From whole names and kinds of values only; None where these say nothing."""
    values: dict[str, list[Any]] = {}
    own_names: dict[str, str] = {}
    for record in records:
        for name, value in record.items():
            values.setdefault(column_name(str(name)), []).append(parts.from_json(value) if name not in ("", None) else value)
            own_names.setdefault(column_name(str(name)), str(name).strip())

    def one(wanted: Names, *kinds: type) -> str | None:
        """The only column of these names whose values are of these kinds."""
        present = [name for name in wanted if name in values and _hold(values[name], kinds or (str,))]
        return own_names[present[0]] if len(present) == 1 else None

    turns = [own_names[name] for name, cells in values.items() if all(parts.is_turns(cell) for cell in cells)]
    question, answer, text = one(names.QUESTIONS), one(names.ANSWERS), one(names.LABELLED)
    label = one((*names.LABELS, "kto_tag"), str, int, float, bool)
    system = {"system": one(names.SYSTEMS)}
    if "chosen" in values and "rejected" in values:
        asked = question or one((*names.QUESTIONS, *names.TURNS), str, list)
        sides = {"chosen": own_names["chosen"], "rejected": own_names["rejected"]}
        return {"as": "preference", "question": asked, **sides, **system}
    if options := one(names.OPTION_LISTS, list, dict):
        right = one((*names.CHOICE_ANSWERS, "answer_index"), str, int)
        numbers = right is not None and not _hold(values[column_name(right)], (str,))
        return {"as": "choice", "question": question, "options": options, "answer": None if numbers else right}
    scores = one(names.SCORE_LISTS, list)
    if scores and (answers := one(names.ANSWER_LISTS, list)):
        return {"as": "ranked", "question": question, "answers": answers, "scores": scores, **system}
    if len(turns) == 1:
        return {"as": "turns", "turns": turns[0], **system}
    if question and answer and label and Counter(map(_is_truth, values[column_name(label)])).keys() == {True}:
        return {"as": "feedback", "question": question, "answer": answer, "judgement": label, **system}
    if question or answer:
        reasoning, context = one(names.REASONINGS), one(names.CONTEXTS)
        return {"as": "chat", "question": question, "answer": answer, "context": context, "reasoning": reasoning, **system}
    if text and label:
        return {"as": "label", "text": text, "label": label}
    return {"as": "text", "text": text} if text else None


def _hold(values: list[Any], kinds: tuple[type, ...]) -> bool:
    return any(value not in (None, "") for value in values) and all(value is None or isinstance(value, kinds) for value in values)


def _is_truth(value: Any) -> bool:
    try:
        parts.truth({"label": value}, "label")
    except DataError:
        return False
    return True
