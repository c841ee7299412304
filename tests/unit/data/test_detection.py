"""What a file is: reasons, counts and doubts; the records that other tools read with swapped or lost parts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.data.formats import FORMATS, TARGETS, Detection, detect, known_columns, mapped, to_row
from studio.errors import DataError
from studio.text import LANGS, has_text, text

QA = {"question": "Q?", "answer": "A."}


def keys(found: Detection) -> list[str]:
    return [reason.key.removeprefix("data.reason.") for reason in found.reasons]


def turns_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    found = detect([record])
    assert found.is_sure and found.shape is not None, found
    return [(message["role"], message["content"]) for message in to_row(record, found.shape).content["messages"]]


# --- traps ------------------------------------------------------------------------------------------------------------


def test_a_context_is_never_the_question() -> None:
    record = {"context": "A passage.", **QA}
    found = detect([record])
    assert not found.is_sure and "rivals" in keys(found)
    assert found.suggestion == {
        "as": "chat",
        "question": "question",
        "answer": "answer",
        "context": "context",
        "reasoning": None,
        "system": None,
    }
    row = to_row(record, mapped(found.suggestion))
    assert [message["content"] for message in row.content["messages"]] == ["Q?\nA passage.", "A."]


@pytest.mark.parametrize("column", ["context", "textual", "my_text", "contents", "prompts", "question_id"])
def test_a_name_inside_of_another_name_is_not_that_name(column: str) -> None:
    found = detect([{column: "words"}])
    assert (found.shape, found.is_sure, found.suggestion) == (None, False, None)


def test_who_speaks_is_told_by_the_role_and_not_by_the_order() -> None:
    conversation = [
        {"from": "gpt", "value": "Hello, how can I help?"},
        {"from": "human", "value": "Q?"},
        {"from": "gpt", "value": "A."},
    ]
    expected = [("assistant", "Hello, how can I help?"), ("user", "Q?"), ("assistant", "A.")]
    assert turns_of({"conversations": conversation}) == expected


def test_dolly_keeps_its_category_beside_and_its_context_with_the_question() -> None:
    record = {"instruction": "Q?", "context": "", "response": "A.", "category": "open_qa"}
    assert turns_of(record) == [("user", "Q?"), ("assistant", "A.")]
    assert turns_of(record | {"context": "C."})[0] == ("user", "Q?\nC.")


def test_input_is_the_question_where_there_is_no_instruction() -> None:
    assert turns_of({"input": "Q?", "output": "A."}) == [("user", "Q?"), ("assistant", "A.")]


def test_a_file_with_and_without_instructions_does_not_lose_the_instructions() -> None:
    found = detect([{"instruction": "Sum", "input": "1 2", "output": "3"}, {"input": "Q?", "output": "A."}] * 3)
    assert not found.is_sure


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Q?", "text": "A."},
        {"question": "Q?", "answer": "A.", "response": "B."},
        {"question": "Q?", "query": "Q2?", "answer": "A."},
        {"messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}], "label": 3},
        {"messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}], "label": 1},
        {"question": "Q?", "answer": "A.", "label": 1},
        {"question": "Q?", "answer": "A.", "text": "More."},
        {"question": "Q?", "Antwort": "Ja"},
        {"text": "A passage.", "summary": "A long summary of the passage, with many words in it."},
        {"messages": [{"role": "user", "content": "Q?"}], "response": "A."},
    ],
)
def test_what_could_be_something_else_is_asked_about(record: dict[str, Any]) -> None:
    assert not detect([record] * 5).is_sure


@pytest.mark.parametrize("swapped", [False, True])
def test_names_decide_and_never_words_or_length(swapped: bool) -> None:
    words = ["assistant: the user says that the answer is a question, at length? " * 5, "user?"]
    asked, answered = reversed(words) if swapped else words
    for first in ({"user": asked, "assistant": answered}, {"assistant": answered, "user": asked}):
        assert turns_of(first) == [("user", asked), ("assistant", answered)]


def test_a_column_that_repeats_a_text_of_the_row_is_no_doubt() -> None:
    messages = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]
    assert turns_of({"prompt": "Q? ", "messages": messages}) == [("user", "Q?"), ("assistant", "A.")]
    assert not detect([{"prompt": "Another?", "messages": messages}]).is_sure


def test_empty_columns_are_no_doubt() -> None:
    assert detect([QA | {"response": None, "context": "", "label": None}]).is_sure
    messages = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]
    empty = {"label": None, "chosen": None, "rejected": ""}
    assert turns_of({"messages": messages, **empty}) == [("user", "Q?"), ("assistant", "A.")]


def test_questions_with_an_empty_column_of_answers_are_still_questions_and_answers() -> None:
    found = detect([{"question": "Q?", "answer": ""}] * 3)
    assert found.is_sure and found.shape is not None and found.shape.name == "question_answer"
    assert ("data.reason.refused", {"n": 3}) in found.reasons


storable = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
texts = storable.filter(lambda value: bool(value.strip()))


@given(asked=texts, answered=texts, question=st.sampled_from(["question", "prompt", "user", "问"]), data=st.data())
@hypothesis_settings(database=None, deadline=None, max_examples=60)
def test_roles_are_never_swapped_whatever_the_texts_are(asked: str, answered: str, question: str, data: st.DataObject) -> None:
    answer = data.draw(st.sampled_from(["answer", "response", "assistant", "答"]))
    columns = data.draw(st.permutations([(question, asked), (answer, answered)]))
    assert turns_of(dict(columns)) == [("user", asked), ("assistant", answered)]


# --- counts and reasons -----------------------------------------------------------------------------------------------


def test_all_records_fit() -> None:
    found = detect([QA | {"id": n} for n in range(250)])
    assert (found.confidence, found.alternatives, found.suggestion) == (1.0, (), None)
    assert keys(found) == ["names", "all_fit", "kept"]
    assert [reason.params for reason in found.reasons] == [{"columns": "question, answer"}, {"n": 200}, {"columns": "id"}]


def test_a_few_records_of_another_shape_lower_the_confidence_and_are_counted() -> None:
    found = detect([QA] * 97 + [{"q": "Q?", "a": "A."}] * 3)
    assert found.is_sure and found.confidence == 0.97
    assert ("data.reason.some_fit", {"n_fit": 97, "n": 100}) in found.reasons


def test_records_that_are_empty_have_the_shape_and_are_counted() -> None:
    found = detect([QA] * 8 + [QA | {"answer": ""}, QA | {"answer": None}])
    assert found.confidence == 1.0
    assert ("data.reason.refused", {"n": 2}) in found.reasons


def test_an_unknown_first_record_does_not_decide() -> None:
    found = detect([{"note": "made by hand"}, *[QA] * 9])
    assert found.is_sure and found.confidence == 0.9


def test_two_shapes_in_equal_parts_are_asked_about() -> None:
    found = detect([QA, {"messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]}] * 5)
    assert not found.is_sure and found.confidence == 0.5
    assert {found.shape.name if found.shape else "", *found.alternatives} == {"question_answer", "messages"}


def test_one_doubtful_record_is_enough_to_ask() -> None:
    assert not detect([QA] * 99 + [QA | {"context": "A passage."}]).is_sure


def test_a_record_with_every_name_there_is_does_not_take_long() -> None:
    found = detect([dict.fromkeys(known_columns(), "words")] * 200)
    assert not found.is_sure
    assert found.reasons[1].params["n"] < 10


def test_weights_of_openai_are_told() -> None:
    turns = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A.", "weight": 0}]
    assert ("data.reason.weights", {"n": 3}) in detect([{"messages": turns}] * 3).reasons


@pytest.mark.parametrize("records", [[], [{}], [{"x": 1}], [{"question": 5, "answer": []}], [{"Q": "a", "q ": "b"}]])
def test_what_fits_nothing_has_no_confidence(records: list[dict[str, Any]]) -> None:
    found = detect(records)
    assert (found.shape, found.confidence, found.is_sure) == (None, 0.0, False)


@pytest.mark.parametrize(
    ("record", "suggestion"),
    [
        ({"Frage": "Q?", "Antwort": "A."}, None),
        ({"Question": "Q?", "Antwort": "A."}, {"as": "chat", "question": "Question", "answer": None}),
        ({"dialog": [{"from": "human", "value": "Q?"}]}, {"as": "turns", "turns": "dialog"}),
        ({"text": "T", "label": "L", "prompt": "P"}, {"as": "chat", "question": "prompt", "answer": None}),
    ],
)
def test_a_suggestion_has_exact_names_only(record: dict[str, Any], suggestion: dict[str, str | None] | None) -> None:
    found = detect([record]).suggestion
    assert (found and {key: value for key, value in found.items() if value or key == "answer"}) == suggestion


def test_every_reason_has_words_in_both_languages() -> None:
    files: list[list[dict[str, Any]]] = [
        [QA | {"context": "C", "id": 1}, {"x": 1}, QA | {"answer": ""}],
        [{"question": "Q?", "options": ["a", "b", "c"], "answer": 1}],
        [{"text": "T", "label": "many words " * 9}],
        [{"x": "y"}],
        [{"text": "T", "summary": "many words " * 9}],
    ]
    for found in map(detect, files):
        assert found.reasons
        for key, params in found.reasons:
            assert all("{" not in text(lang, key, **params) for lang in LANGS)


def test_a_shape_that_was_detected_is_one_of_the_list() -> None:
    assert detect([QA]).shape in FORMATS


# --- mapping ----------------------------------------------------------------------------------------------------------

RECORD: dict[str, Any] = {
    "f1": "Q?",
    "f2": "A.",
    "f3": "B.",
    "list": ["A.", "B.", "C."],
    "nums": [1, 2, 3],
    "one": 1,
    "letter": "B",
    "yes": "👍",
    "talk": [{"from": "human", "value": "Q?"}, {"from": "gpt", "value": "A."}],
    "context": "not asked for",
}
MAPPINGS: list[tuple[dict[str, str | None], str, dict[str, Any]]] = [
    ({"as": "turns", "turns": "talk"}, "chat", {}),
    ({"as": "preference", "question": "f1", "chosen": "f2", "rejected": "f3"}, "preference", {}),
    ({"as": "ranked", "question": "f1", "answers": "list", "scores": "nums"}, "preference", {"margin": 2}),
    ({"as": "ranked", "question": "f1", "answers": "list"}, "preference", {}),
    ({"as": "feedback", "question": "f1", "answer": "f2", "judgement": "yes"}, "feedback", {"label": True}),
    ({"as": "label", "text": "f1", "label": "one"}, "label", {"label": "1"}),
    ({"as": "choice", "question": "f1", "options": "list", "number_from_one": "one"}, "choice", {"answer": 0}),
    ({"as": "choice", "question": "f1", "option_a": "f2", "option_b": "f3", "number_from_zero": "one"}, "choice", {"answer": 1}),
    ({"as": "choice", "question": "f1", "option_a": "f3", "option_b": "f2", "answer": "LETTER"}, "choice", {"answer": 1}),
    ({"as": "text", "text": "f1"}, "text", {"text": "Q?"}),
    ({"as": "prompt", "question": "f1", "expected": "f2", "context": None}, "prompt", {"answer": "A."}),
    ({"as": "chat", "question": "f1", "answer": "f2", "reasoning": "f3"}, "chat", {}),
]


@pytest.mark.parametrize(("mapping", "kind", "content"), MAPPINGS)
def test_columns_are_mapped_to_every_target(mapping: dict[str, str | None], kind: str, content: dict[str, Any]) -> None:
    row = to_row(RECORD, mapped(mapping))
    assert row.kind == kind
    assert {name: row.content.get(name) for name in content} == content
    assert row.extra is not None and row.extra["context"] == "not asked for"


def test_every_target_is_mapped_in_a_test() -> None:
    assert {mapping["as"] for mapping, _, _ in MAPPINGS} == set(TARGETS)


def test_every_target_and_part_has_words() -> None:
    parts = {f"data.part.{part.name}" for parts in TARGETS.values() for part in parts}
    wanted = parts | {f"data.target.{name}" for name in TARGETS} | {f"data.target.{name}.help" for name in TARGETS}
    assert [key for key in wanted if not has_text(key)] == []


@pytest.mark.parametrize(
    ("mapping", "key", "field"),
    [
        ({"as": "poem", "text": "x"}, "unknown_field", "as"),
        ({"as": "text", "question": "x"}, "unknown_field", "question"),
        ({"as": "choice", "question": "x", "answer": "y"}, "mapping_incomplete", "options"),
        ({"as": "choice", "question": "x", "options": "y"}, "mapping_incomplete", "answer"),
        ({"as": "preference", "chosen": "x", "rejected": "X "}, "mapping_same_column", "rejected"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(mapping: dict[str, str | None], key: str, field: str) -> None:
    with pytest.raises(DataError) as caught:
        mapped(mapping)
    assert (caught.value.key, caught.value.field) == (f"error.data.{key}", field)


def test_an_answer_that_could_be_a_letter_or_words_is_refused_in_a_mapped_file() -> None:
    shape = mapped({"as": "choice", "question": "q", "options": "o", "answer": "r"})
    with pytest.raises(DataError) as caught:
        to_row({"q": "Q?", "o": ["B", "A"], "r": "A"}, shape)
    assert caught.value.key == "error.data.unclear_answer"
