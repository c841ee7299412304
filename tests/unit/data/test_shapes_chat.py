"""Conversations in every spelling: reasoning, tools, system prompts beside, and prompts that wait for an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.data.formats import detect, find_format, to_row
from studio.data.rows import NewRow
from studio.errors import DataError

USER = {"role": "user", "content": "Q?"}
ANSWER = {"role": "assistant", "content": "A."}
SYSTEM = {"role": "system", "content": "S"}


def row_of(record: dict[str, Any]) -> NewRow:
    found = detect([record])
    assert found.is_sure and found.shape is not None, found
    assert find_format(record) is found.shape
    return to_row(record, found.shape)


@pytest.mark.parametrize(
    "columns",
    [("question", "answer"), ("Query", "Reply"), ("user", "assistant"), ("input", "target"), ("提问", "回复"), ("用户", "助手")],
)
def test_a_question_and_an_answer_under_any_exact_names(columns: tuple[str, str]) -> None:
    row = row_of(dict(zip(columns, ("Q?", "A."), strict=True)) | {"id": 4})
    assert (row.kind, row.content, row.extra) == ("chat", {"messages": [USER, ANSWER]}, {"id": 4})


@pytest.mark.parametrize("column", ["reasoning", "reasoning_content", "Complex_CoT", "chain_of_thought", "思考", "推理过程"])
def test_a_column_of_reasoning_belongs_to_the_answer(column: str) -> None:
    row = row_of({"question": "Q?", column: "Well …", "response": "A."})
    assert row.content["messages"] == [USER, ANSWER | {"reasoning_content": "Well …"}]
    assert row.extra is None


def test_reasoning_inside_an_answer_stays_as_the_template_wants_it() -> None:
    answer = "<think>\nWell …\n</think>\n\nA."
    row = row_of({"question": "Q?", "answer": answer})
    assert row.content["messages"][1] == {"role": "assistant", "content": answer}


def test_reasoning_that_is_said_in_the_answer_is_not_trained_twice() -> None:
    row = row_of({"question": "Q?", "reasoning": "Well", "answer": "<think>Well</think>A."})
    assert row.content["messages"][1] == {"role": "assistant", "content": "<think>Well</think>A."}
    assert row.extra == {"reasoning": "Well"}


def test_an_empty_column_of_reasoning_is_none() -> None:
    assert row_of({"question": "Q?", "reasoning": None, "answer": "A."}).content["messages"][1] == ANSWER


def test_reasoning_of_a_turn_is_kept_with_it() -> None:
    row = row_of({"messages": [USER, ANSWER | {"thinking": "Well"}]})
    assert row.content["messages"][1] == ANSWER | {"reasoning_content": "Well"}


@pytest.mark.parametrize("column", ["system", "system_prompt", "系统提示词"])
@pytest.mark.parametrize("rest", [{"question": "Q?", "answer": "A."}, {"messages": [USER, ANSWER]}])
def test_a_system_prompt_in_a_column_comes_first(column: str, rest: dict[str, Any]) -> None:
    assert row_of({column: "S", **rest}).content["messages"] == [SYSTEM, USER, ANSWER]


def test_a_system_prompt_that_differs_from_that_of_the_turns_is_not_lost() -> None:
    row = row_of({"messages": [SYSTEM, USER, ANSWER], "system": "Other"})
    assert (row.content["messages"], row.extra) == ([SYSTEM, USER, ANSWER], {"system": "Other"})


def test_two_columns_for_the_same_part_are_asked_about() -> None:
    record = {"system": "S", "system_prompt": "T", "question": "Q?", "answer": "A."}
    found = detect([record])
    assert not found.is_sure and found.shape is not None
    assert to_row(record, found.shape).extra == {"system_prompt": "T"}


def test_calls_and_results_of_sharegpt_become_those_of_openai() -> None:
    call = {"name": "add", "arguments": {"a": 1}}
    turns = [
        {"from": "human", "value": "Q?"},
        {"from": "function_call", "value": json.dumps(call)},
        {"from": "observation", "value": "2"},
        {"from": "gpt", "value": "A."},
    ]
    row = row_of({"conversations": turns, "tools": ' [\n {"name": "add"}]'})
    assert row.content["messages"] == [
        USER,
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call}]},
        {"role": "tool", "content": "2"},
        ANSWER,
    ]
    assert row.content["tools"] == [{"name": "add"}]


def test_calls_that_a_table_holds_as_json_are_read() -> None:
    calls = [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]
    turn = {"role": "assistant", "content": "", "tool_calls": json.dumps(calls)}
    assert row_of({"messages": [USER, turn, ANSWER | {"tool_calls": None}]}).content["messages"][1]["tool_calls"] == calls


def test_an_empty_list_of_tools_stays_one() -> None:
    assert row_of({"messages": [USER, ANSWER], "tools": []}).content["tools"] == []


@pytest.mark.parametrize(
    ("record", "content"),
    [
        ({"prompt": "Q?"}, {"messages": [USER]}),
        ({"instruction": "Q?", "input": ""}, {"messages": [USER]}),
        ({"问题": "Q?", "来源": "book", "id": "7"}, {"messages": [USER]}),
        ({"messages": [SYSTEM, USER]}, {"messages": [SYSTEM, USER]}),
        ({"prompt": [USER], "answer": "A."}, {"messages": [USER], "answer": "A."}),
        ({"prompt": json.dumps([USER]), "answer": ""}, {"messages": [USER]}),
    ],
)
def test_what_ends_with_the_user_is_a_prompt(record: dict[str, Any], content: dict[str, Any]) -> None:
    row = row_of(record)
    assert (row.kind, row.content) == ("prompt", content)


def test_plain_text_is_a_row_of_text() -> None:
    row = row_of({"正文": "眼睛", "title": "T"})
    assert (row.kind, row.content, row.extra) == ("text", {"text": "眼睛"}, {"title": "T"})


@pytest.mark.parametrize("value", ["A.", "{}", '{"name": "f"}', "[]", "[1]"])
def test_a_function_call_that_is_none_is_refused(value: str) -> None:
    record = {"conversations": [{"from": "human", "value": "Q?"}, {"from": "function_call", "value": value}]}
    with pytest.raises(DataError) as caught:
        to_row(record, find_format(record))
    assert (caught.value.key, caught.value.field) == ("error.data.bad_function_call", "conversations[1].value")
