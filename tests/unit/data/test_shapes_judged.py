"""Preferences, rankings, thumbs, labels and options in every spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.data.formats import detect, find_format, to_row
from studio.data.rows import NewRow
from studio.errors import DataError

USER = {"role": "user", "content": "Q?"}
GOOD = {"role": "assistant", "content": "Good."}
BAD = {"role": "assistant", "content": "Bad."}
PAIR = {"messages": [USER], "chosen": [GOOD], "rejected": [BAD]}


def row_of(*records: dict[str, Any]) -> NewRow:
    """The row of the first record, in the shape of them all."""
    found = detect(records)
    assert found.is_sure and found.shape is not None, found
    return to_row(records[0], found.shape)


def error_of(record: dict[str, Any]) -> tuple[str, str | None]:
    with pytest.raises(DataError) as caught:
        to_row(record, find_format(record))
    return caught.value.key.removeprefix("error.data."), caught.value.field


# --- preference -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Q?", "chosen": "Good.", "rejected": "Bad."},
        {"question": "Q?", "chosen": "Good.", "rejected": "Bad."},
        {"instruction": "Q?", "input": "", "chosen": "Good.", "rejected": "Bad."},
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": "Q?", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": [USER], "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"chosen": json.dumps([USER, GOOD]), "rejected": json.dumps([USER, BAD])},
        {"prompt": "Q?", "messages": [USER, GOOD], "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"messages": [USER], "chosen": GOOD, "rejected": BAD},
        {
            "conversations": [{"from": "human", "value": "Q?"}],
            "chosen": {"from": "gpt", "value": "Good."},
            "rejected": {"from": "gpt", "value": "Bad."},
        },
    ],
)
def test_every_spelling_of_a_preference_is_the_same_row(record: dict[str, Any]) -> None:
    row = row_of(record)
    assert (row.kind, row.content) == ("preference", PAIR)


@pytest.mark.parametrize(
    ("columns", "margin", "extra"),
    [
        ({"margin": 2}, 2, None),
        ({"margin": "0.5"}, 0.5, None),
        ({"margin": ""}, None, None),
        ({"score_chosen": 8.0, "score_rejected": 5.5}, 2.5, {"score_chosen": 8.0, "score_rejected": 5.5}),
        ({"score_chosen": 8.0}, None, {"score_chosen": 8.0}),
    ],
)
def test_the_margin_is_a_column_or_the_difference_of_scores(
    columns: dict[str, Any], margin: float | None, extra: dict[str, Any] | None
) -> None:
    row = row_of({"prompt": "Q?", "chosen": "Good.", "rejected": "Bad.", **columns})
    assert (row.content.get("margin"), row.extra) == (margin, extra)


def test_an_earlier_answer_is_a_part_of_the_shared_prompt() -> None:
    before = [USER, GOOD, {"role": "user", "content": "And then?"}]
    row = row_of({"chosen": [*before, GOOD], "rejected": [*before, BAD]})
    assert row.content == {"messages": before, "chosen": [GOOD], "rejected": [BAD]}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"prompt": "Q?", "chosen": "Same.", "rejected": "Same."}, ("same_answers", "rejected")),
        ({"prompt": "Q?", "chosen": "", "rejected": "Bad."}, ("empty_answer", "chosen")),
        ({"prompt": "Other?", "chosen": [USER, GOOD], "rejected": [USER, BAD]}, ("other_prompt", "chosen")),
        ({"chosen": [GOOD], "rejected": [BAD]}, ("no_shared_prompt", "chosen")),
        ({"prompt": "Q?", "chosen": "Good.", "rejected": "Bad.", "margin": "much"}, ("wrong_type", "margin")),
    ],
)
def test_what_is_no_preference_is_refused(record: dict[str, Any], expected: tuple[str, str]) -> None:
    assert error_of(record) == expected


def test_two_texts_without_a_prompt_are_asked_about() -> None:
    found = detect([{"chosen": "Human: Q? Assistant: Good.", "rejected": "Human: Q? Assistant: Bad."}])
    assert (found.shape, found.is_sure) == (None, False)
    assert found.suggestion == {"as": "preference", "question": None, "chosen": "chosen", "rejected": "rejected", "system": None}


# --- ranked -----------------------------------------------------------------------------------------------------------

THREE = ["Middle.", "Good.", "Bad."]


@pytest.mark.parametrize(
    ("columns", "margin"),
    [
        ({"responses": THREE, "scores": [5, 9, 1]}, 8),
        ({"completions": json.dumps(THREE), "ratings": "[5, 9, 1]"}, 8),
        ({"answers": THREE, "ranks": [2, 1, 3]}, None),
        ({"answers": [{"answer": text, "rank": rank} for text, rank in zip(THREE, (2, 1, 3), strict=True)]}, None),
        ({"completions": [{"response": text, "score": s} for text, s in zip(THREE, (5, 9, 1), strict=True)]}, 8),
    ],
)
def test_the_best_answer_stands_against_the_worst_and_the_rest_is_kept(columns: dict[str, Any], margin: int | None) -> None:
    row = row_of({"prompt": "Q?", **columns})
    assert row.content == PAIR | ({} if margin is None else {"margin": margin})
    assert row.extra == columns


def test_answers_that_are_equally_good_are_no_preference() -> None:
    record = {"prompt": "Q?", "responses": ["A", "B"], "scores": [3, 3]}
    assert error_of(record) == ("no_preference", "responses")


def test_a_list_of_answers_without_scores_is_never_taken_for_an_order() -> None:
    found = detect([{"question": "Q?", "answers": ["Paris", "Paris, France"]}])
    assert not found.is_sure
    assert found.suggestion is not None and found.suggestion["answer"] is None


# --- feedback ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "expected"),
    [(True, True), (False, False), ("true", True), ("FALSE", False), (1, True), ("0", False), ("👍", True), ("👎\ufe0f", False)],
)
def test_thumbs_in_every_spelling(label: Any, expected: bool) -> None:
    row = row_of({"prompt": "Q?", "completion": "Good.", "label": label})
    assert (row.kind, row.content) == ("feedback", {"messages": [USER, GOOD], "label": expected})


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "Q?", "input": "", "output": "Good.", "kto_tag": True},
        {"conversations": [{"from": "human", "value": "Q?"}, {"from": "gpt", "value": "Good."}], "kto_tag": 1},
        {"messages": [USER, GOOD], "label": True},
        {"prompt": [USER], "completion": [GOOD], "label": "true"},
    ],
)
def test_thumbs_beside_other_shapes(record: dict[str, Any]) -> None:
    assert row_of(record).content == {"messages": [USER, GOOD], "label": True}


def test_a_judgement_that_is_none_is_asked_about() -> None:
    assert not detect([{"prompt": "Q?", "completion": "Good.", "label": 3}]).is_sure


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "expected"), [("good", "good"), (3, "3"), ("0", "0"), (True, "true")])
@pytest.mark.parametrize("columns", [("text", "label"), ("Sentence", "Label"), ("文本", "标签")])
def test_labels_are_kept_as_text(columns: tuple[str, str], label: Any, expected: str) -> None:
    row = row_of(dict(zip(columns, ("T", label), strict=True)) | {"idx": 0})
    assert (row.kind, row.content, row.extra) == ("label", {"text": "T", "label": expected}, {"idx": 0})


def test_labels_that_are_long_texts_may_be_answers() -> None:
    records = [{"text": f"Question {n}", "label": f"A long answer, number {n}, with many words in it."} for n in range(5)]
    assert not detect(records).is_sure


def test_a_pair_of_sentences_is_no_single_sentence() -> None:
    assert detect([{"sentence1": "a", "sentence2": "b", "label": 1}]).shape is None


# --- choice -----------------------------------------------------------------------------------------------------------

OPTIONS = ["red", "green", "blue"]
CHOICE = {"question": "Q?", "options": OPTIONS, "answer": 1}


@pytest.mark.parametrize(
    "record",
    [
        {"question": "Q?", "options": OPTIONS, "answer": "B"},
        {"question": "Q?", "choices": json.dumps(OPTIONS), "answer": "(b)"},
        {"question": "Q?", "options": OPTIONS, "answer": "green"},
        {"Question": "Q?", "A": "red", "B": "green", "C": "blue", "D": "", "Answer": "B"},
        {"题目": "Q?", "选项": OPTIONS, "答案": "B"},
        {"question": "Q?", "options": {"A": "red", "B": "green", "C": "blue"}, "answer_idx": "B", "answer": "green"},
        {"question": "Q?", "choices": {"text": OPTIONS, "label": ["1", "2", "3"]}, "answerKey": "2"},
        {"question": "Q?", "options": OPTIONS, "answer_index": 1},
    ],
)
def test_every_spelling_of_a_choice_is_the_same_row(record: dict[str, Any]) -> None:
    row = row_of(record)
    assert (row.kind, row.content) == ("choice", CHOICE)


def question(answer: Any) -> dict[str, Any]:
    return {"question": "Q?", "options": OPTIONS, "answer": answer}


@pytest.mark.parametrize(("others", "expected"), [((0, 1, 2), 1), ((1, 2, 3), 0), (("1", "2", "3"), 0), (("0", "2"), 1)])
def test_the_records_tell_whether_numbers_count_from_zero_or_one(others: tuple[Any, ...], expected: int) -> None:
    first = question("1" if isinstance(others[0], str) else 1)
    assert row_of(first, *map(question, others)).content["answer"] == expected


def test_numbers_that_could_count_from_zero_or_from_one_are_asked_about() -> None:
    found = detect([question(1), question(2), question(1)])
    assert not found.is_sure
    assert "data.reason.count_unclear" in [reason.key for reason in found.reasons]
    assert found.suggestion == {"as": "choice", "question": "question", "options": "options", "answer": None}


def test_letters_are_letters_where_the_other_records_say_so() -> None:
    """Alone, the second record could mean its option A or the option that is called A."""
    tricky = {"question": "Which vitamin?", "options": ["B", "A"], "answer": "A"}
    assert not detect([tricky]).is_sure
    assert row_of(tricky, question("C")).content["answer"] == 0
    assert row_of(tricky, question("blue")).content["answer"] == 1


def test_an_answer_that_no_option_has_is_no_choice() -> None:
    assert not detect([question("yellow")]).is_sure
