"""Shapes of records: recognised by exact names, turned into chat rows, everything else kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.data.formats import find_format, known_columns, mapped, to_row
from studio.data.rows import NewRow
from studio.errors import DataError


def row_of(record: dict[str, Any]) -> NewRow:
    return to_row(record, find_format(record))


def turns(row: NewRow) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in row.content["messages"]]


def error_of(record: dict[str, Any]) -> DataError:
    with pytest.raises(DataError) as caught:
        row_of(record)
    return caught.value


QA = [("user", "Q?"), ("assistant", "A.")]

SHAPES: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("messages", {"messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]}, QA),
    (
        "messages",
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Q"}, {"type": "text", "text": "?"}]},
                {"role": "assistant", "content": "A."},
            ]
        },
        QA,
    ),
    (
        "messages_in_conversations",
        {"conversations": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]},
        QA,
    ),
    ("sharegpt", {"conversations": [{"from": "human", "value": "Q?"}, {"from": "gpt", "value": "A."}]}, QA),
    (
        "sharegpt",
        {"system": "S", "conversations": [{"from": "User", "value": "Q?"}, {"from": "assistant", "value": "A."}]},
        [("system", "S"), *QA],
    ),
    ("alpaca", {"instruction": "Q?", "input": "", "output": "A."}, QA),
    ("alpaca", {"instruction": "Sum", "input": "1 2", "output": "3"}, [("user", "Sum\n1 2"), ("assistant", "3")]),
    (
        "alpaca",
        {"instruction": "Q?", "output": "A.", "system": "S", "history": [["q0", "a0"]]},
        [("system", "S"), ("user", "q0"), ("assistant", "a0"), *QA],
    ),
    ("prompt_completion", {"prompt": "Q?", "completion": "A."}, QA),
    (
        "prompt_completion",
        {"prompt": [{"role": "user", "content": "Q?"}], "completion": [{"role": "assistant", "content": "A."}]},
        QA,
    ),
    ("question_answer", {"question": "Q?", "answer": "A."}, QA),
    ("question_answer", {" Question ": "Q?", "ANSWER": "A."}, QA),
    ("question_answer", {"q": "Q?", "a": "A."}, QA),
    ("question_answer", {"问题": "Q?", "回答": "A."}, QA),
    ("question_answer", {"问": "Q?", "答": "A."}, QA),
    ("dolly", {"instruction": "Q?", "context": "C", "response": "A."}, [("user", "Q?\nC"), ("assistant", "A.")]),
    ("question_answer", {"query": "Q?", "response": "A."}, QA),
]


@pytest.mark.parametrize(("name", "record", "expected"), SHAPES)
def test_every_shape_becomes_a_chat_row(name: str, record: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert find_format(record).name == name
    row = row_of(record)
    assert row.kind == "chat"
    assert turns(row) == expected
    assert row.extra is None


def test_lists_written_as_json_in_a_cell_are_read() -> None:
    messages = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]
    assert turns(row_of({"messages": json.dumps(messages)})) == QA


@pytest.mark.parametrize(
    "columns", [("questions", "answers"), ("my_question", "answer"), ("plain_text",), ("texts", "label_id"), ()]
)
def test_names_are_never_matched_by_a_part(columns: tuple[str, ...]) -> None:
    error = error_of(dict.fromkeys(columns, "x"))
    assert error.key == "error.data.unknown_shape"
    assert error.params["columns"] == ", ".join(columns)
    assert "question + answer" in error.params["shapes"]


def test_two_fitting_shapes_are_not_guessed_between() -> None:
    error = error_of({"question": "Q?", "answer": "A.", "instruction": "I", "output": "O"})
    assert (error.key, error.params["shapes"]) == ("error.data.ambiguous_shape", "alpaca, prompt, question_answer")


def test_columns_are_compared_without_case_space_and_full_width() -> None:
    assert turns(row_of({"ＱＵＥＳＴＩＯＮ": "Q?", "\u3000Answer ": "A."})) == QA


def test_references_flag_and_what_the_studio_wrote_as_extra_come_back() -> None:
    beside = {"references": '["B.", "C."]', "flag": " odd ", "extra": '{"q": 1, "n": [2]}', "z": 3}
    row = row_of({"question": "Q?", "answer": "A.", **beside})
    assert (row.references, row.flag, row.extra) == (("B.", "C."), "odd", {"q": 1, "n": [2], "z": 3})
    assert row_of({"question": "Q?", "answer": "A.", "references": ["B."], "extra": "words"}).extra == {"extra": "words"}
    assert row_of({"question": "Q?", "answer": "A.", "references": "B."}).references == ("B.",)
    assert row_of({"question": "Q?", "answer": "A.", "extra": {"z": 1}, "z": 3}).extra == {"extra": {"z": 1}, "z": 3}


def test_carried_columns_and_everything_else() -> None:
    record = {
        "question": "Q?",
        "answer": "A.",
        "Split": "dev",
        "topic": " eyes ",
        "tags": "a, b；a、c",
        "group_key": 7,
        "Source": {"page": 3},
    }
    row = row_of(record)
    assert (row.split, row.topic, tuple(row.tags), row.group_key) == ("validation", "eyes", ("a", "b", "c"), "7")
    assert row.extra == {"Source": {"page": 3}}


@pytest.mark.parametrize(
    ("written", "split"),
    [
        ("train", "train"),
        ("valid", "validation"),
        ("VAL", "validation"),
        ("eval", "validation"),
        ("test", "test"),
        ("", None),
        (None, None),
    ],
)
def test_split_names(written: str | None, split: str | None) -> None:
    assert row_of({"q": "Q?", "a": "A.", "split": written}).split == split


@pytest.mark.parametrize("written", ["holdout", 3, ["train"]])
def test_unknown_split_is_an_error_of_the_row(written: Any) -> None:
    error = error_of({"q": "Q?", "a": "A.", "split": written})
    assert (error.key, error.field) == ("error.data.unknown_split", "split")


def test_fields_of_a_message_that_a_row_does_not_keep_go_into_extra() -> None:
    row = row_of({"messages": [{"role": "user", "content": "Q?", "id": 5}, {"role": "assistant", "content": "A.", "weight": 0}]})
    assert turns(row) == QA
    assert row.extra == {"message_fields": [{"id": 5}, {"weight": 0}]}


def test_tool_calls_survive() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}
    result = {"role": "tool", "content": "42", "tool_call_id": "1"}
    record = {
        "messages": [{"role": "user", "content": "Q?"}, call, result, {"role": "assistant", "content": "A."}],
        "tools": [{"name": "f"}],
    }
    content = row_of(record).content
    assert content["messages"][1] == {**call, "content": ""}
    assert content["messages"][2] == result
    assert content["tools"] == [{"name": "f"}]


BAD_RECORDS: list[tuple[dict[str, Any], str, str]] = [
    ({"question": "", "answer": "A."}, "empty_question", "question"),
    ({"question": "Q?", "answer": " \n"}, "empty_answer", "answer"),
    ({"question": "Q?", "answer": None}, "not_text", "answer"),
    ({"question": 5, "answer": "A."}, "not_text", "question"),
    ({"prompt": "Q?", "completion": ""}, "empty_answer", "completion"),
    ({"instruction": "Q?", "output": "A.", "history": [["only one"]]}, "bad_history", "history"),
    ({"instruction": "Q?", "output": "A.", "history": [[1, 2]]}, "not_text", "messages[0].content"),
    (
        {"conversations": [{"from": "human", "value": "Q?"}, {"from": "function_call", "value": "A."}]},
        "bad_function_call",
        "conversations[1].value",
    ),
    ({"conversations": [{"from": "human", "value": "Q?"}, {"from": "gpt", "value": 1}]}, "not_text", "conversations[1].value"),
    ({"conversations": [{"from": "human", "value": "Q?"}, "A."]}, "not_an_object", "conversations[1]"),
    ({"messages": [{"role": "assistant", "content": "A."}]}, "no_question", "messages"),
    ({"conversations": [{"from": "bard", "value": "Q?"}]}, "unknown_role", "conversations[0].from"),
    ({"question": "Q?", "answer": "A.", "tags": [1]}, "not_text", "tags"),
    ({"question": "Q?", "answer": "A.", "topic": True}, "not_text", "topic"),
    ({"question": "Q?", "answer": "A.", "topic": "眼" * 201}, "label_too_long", "topic"),
    ({"question": "Q?", "answer": "A.", "group_key": "k" * 201}, "label_too_long", "group_key"),
    ({"question": "Q?", "answer": "A.", "note": "\ud83d"}, "lone_surrogate", "note"),
    ({"question": "Q?", "answer": "A.", "score": float("nan")}, "not_a_number", "score"),
    ({"question": "Q?", "Question ": "Q", "answer": "A."}, "duplicate_column", "question"),
]


@pytest.mark.parametrize(("record", "what", "field"), BAD_RECORDS)
def test_bad_records_name_what_and_where(record: dict[str, Any], what: str, field: str) -> None:
    error = error_of(record)
    assert (error.key, error.field) == (f"error.data.{what}", field)


def test_record_of_another_shape_says_what_is_missing() -> None:
    with pytest.raises(DataError) as caught:
        to_row({"q": "Q?", "a": "A."}, find_format({"question": "Q?", "answer": "A."}))
    assert caught.value.key == "error.data.missing_columns"
    assert caught.value.params == {"missing": "question, answer", "columns": "q, a", "shape": "question_answer"}


def test_columns_with_odd_names_are_mapped() -> None:
    shape = mapped({"question": "Frage", "answer": " Antwort", "system": None})
    row = to_row({"Frage": "Q?", "Antwort": "A.", "system": "not asked for", "split": "test"}, shape)
    assert turns(row) == QA
    assert (row.split, row.extra) == ("test", {"system": "not asked for"})
    assert "frage" not in known_columns()


@pytest.mark.parametrize(
    ("mapping", "key", "field"),
    [
        ({"question": "x"}, "mapping_incomplete", "answer"),
        ({"question": "", "answer": "y"}, "mapping_incomplete", "question"),
        ({"question": "x", "answer": "X"}, "mapping_same_column", "answer"),
        ({"question": "x", "answer": "y", "frage": "z"}, "unknown_field", "frage"),
    ],
)
def test_incomplete_mappings_are_refused(mapping: dict[str, str | None], key: str, field: str) -> None:
    with pytest.raises(DataError) as caught:
        mapped(mapping)
    assert (caught.value.key, caught.value.field) == (f"error.data.{key}", field)
