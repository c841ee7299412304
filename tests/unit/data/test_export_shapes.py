"""How each kind of row is spelled, and which rows a shape refuses instead of cutting them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.data.export_llama import LLAMA_SHAPES, entry
from studio.data.export_shapes import SHAPES, Unfit, shape_of
from studio.data.rows import KINDS
from studio.text import has_text
from tests.unit.data.exported import ROWS, assistant, chat, user

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"word": "eye"}'}}
TOOL_TALK = [
    user("Q?"),
    assistant("", tool_calls=[CALL]),
    {"role": "tool", "content": "found", "tool_call_id": "c1"},
    assistant("A."),
]


def written(kind: str, name: str, content: dict[str, Any]) -> dict[str, Any]:
    shape = shape_of(kind, name)
    assert shape is not None
    return {column: value for column, value in shape.record(content).items() if value is not None}


def test_every_kind_has_shapes_and_every_shape_gives_its_columns() -> None:
    assert set(SHAPES) == set(KINDS)
    for kind, shapes in SHAPES.items():
        for shape in shapes:
            content = ROWS[kind].content
            fitting = {"messages": content["messages"]} if shape.name == "prompt_text" else content
            assert set(shape.record(fitting)) == set(shape.columns)


def test_a_kind_has_no_shape_of_another_one() -> None:
    assert shape_of("text", "alpaca") is None


def test_alpaca_has_the_last_exchange_in_its_columns_and_earlier_ones_in_history() -> None:
    content = {"messages": [{"role": "system", "content": "S"}, user("1"), assistant("2"), user("3"), assistant("4")]}
    assert written("chat", "alpaca", content) == {
        "system": "S",
        "instruction": "3",
        "input": "",
        "output": "4",
        "history": [["1", "2"]],
    }


def test_sharegpt_has_its_own_names_of_roles() -> None:
    content = {"messages": [{"role": "system", "content": "S"}, user("1"), assistant("2")]}
    turns = written("chat", "sharegpt", content)["conversations"]
    assert [(turn["from"], turn["value"]) for turn in turns] == [("system", "S"), ("human", "1"), ("gpt", "2")]


def test_a_judged_answer_is_the_completion_and_all_before_it_the_prompt() -> None:
    content = {"messages": [user("1"), assistant("2"), user("3"), assistant("4")], "label": False}
    record = written("feedback", "kto", content)
    assert (len(record["prompt"]), record["completion"], record["label"]) == (3, [assistant("4")], False)


def test_the_answer_of_a_multiple_choice_is_a_letter() -> None:
    assert written("choice", "choice", ROWS["choice"].content)["answer"] == "B"


PAIR = ROWS["preference"].content
UNFIT = [
    ("chat", "alpaca", {"messages": TOOL_TALK}, "tool_turns"),
    ("chat", "sharegpt", {"messages": TOOL_TALK}, "tool_turns"),
    ("chat", "alpaca", {"messages": [user("1"), assistant("2")], "tools": [{"name": "x"}]}, "tools"),
    ("chat", "question_answer", {"messages": [user("1"), assistant("2")], "tools": [{"name": "x"}]}, "tools"),
    ("chat", "alpaca", {"messages": [user("1"), assistant("2", reasoning_content="hm")]}, "reasoning"),
    ("chat", "sharegpt", {"messages": [user("1") | {"name": "Li"}, assistant("2")]}, "message_fields"),
    ("chat", "alpaca", chat(system="").content, "empty_system"),
    ("chat", "alpaca", {"messages": [user("1"), user("2"), assistant("3")]}, "turn_order"),
    ("chat", "prompt_completion", {"messages": [user("1"), assistant("2"), user("3"), assistant("4")]}, "several_turns"),
    ("chat", "prompt_completion", chat('[{"role": "user", "content": "x"}]').content, "looks_like_json"),
    ("preference", "dpo_texts", PAIR | {"messages": [{"role": "system", "content": "S"}, user("1")]}, "system"),
    ("preference", "dpo_texts", PAIR | {"messages": [user("1"), assistant("2"), user("3")]}, "several_turns"),
    ("preference", "dpo", PAIR | {"margin": 2**53 + 1}, "large_number"),
    ("prompt", "prompt_text", {"messages": [user("1"), assistant("2"), user("3")]}, "several_turns"),
    ("prompt", "prompt_text", ROWS["prompt"].content, "answer"),
    ("choice", "choice", {"question": "Q?", "options": [str(n) for n in range(27)], "answer": 0}, "many_options"),
]


@pytest.mark.parametrize(("kind", "name", "content", "reason"), UNFIT, ids=[f"{case[1]}-{case[3]}" for case in UNFIT])
def test_a_shape_refuses_what_it_would_lose(kind: str, name: str, content: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unfit) as caught:
        written(kind, name, content)
    assert caught.value.reason == f"data.unfit.{reason}"
    assert has_text(caught.value.reason)


# --- LLaMA-Factory (its data/README.md and data/converter.py, 0.9.5) --------------------------------------------------


def llama(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return LLAMA_SHAPES[kind].record(content)


def test_its_conversations_have_calls_as_turns_of_their_own_with_arguments_as_objects() -> None:
    record = llama("chat", {"messages": TOOL_TALK, "tools": [{"name": "find"}]})
    assert [turn["role"] for turn in record["messages"]] == ["user", "function_call", "tool", "assistant"]
    assert json.loads(record["messages"][1]["content"]) == [{"name": "find", "arguments": {"word": "eye"}}]
    assert json.loads(record["tools"]) == [{"name": "find"}]


def test_its_tools_are_a_text_in_every_row() -> None:
    assert llama("chat", ROWS["chat"].content)["tools"] == ""


def test_its_answers_have_their_reasoning_between_tags() -> None:
    record = llama("chat", {"messages": [user("1"), assistant("2", reasoning_content="hm")]})
    assert record["messages"][1]["content"] == "<think>\nhm\n</think>\n\n2"


def test_its_chosen_and_rejected_answers_are_one_message_each() -> None:
    record = llama("preference", ROWS["preference"].content)
    assert (record["chosen"], record["rejected"]) == (assistant("yes"), assistant("no"))


def test_its_prompts_are_columns_of_alpaca() -> None:
    content = {"messages": [{"role": "system", "content": "S"}, user("1"), assistant("2"), user("3")]}
    assert llama("prompt", content) == {"instruction": "3", "output": "", "system": "S", "history": [["1", "2"]]}


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("chat", {"messages": [user("1"), user("2"), assistant("3")]}, "turn_order"),
        ("chat", {"messages": [user("1"), assistant("Wait.", tool_calls=[CALL]), *TOOL_TALK[2:]]}, "text_beside_call"),
        ("chat", {"messages": [user("1"), assistant("", tool_calls=[{"id": "x"}]), TOOL_TALK[2], assistant("2")]}, "tool_turns"),
        ("chat", {"messages": [user("1") | {"name": "Li"}, assistant("2")]}, "message_fields"),
        ("preference", PAIR | {"chosen": [assistant("1"), assistant("2")]}, "several_answers"),
        ("choice", ROWS["choice"].content, "kind"),
        ("label", ROWS["label"].content, "kind"),
    ],
)
def test_what_it_would_skip_in_silence_is_said_before(kind: str, content: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unfit) as caught:
        llama(kind, content)
    assert caught.value.reason == f"data.unfit.{reason}"


def test_its_entries_say_formatting_columns_tags_and_ranking() -> None:
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "observation_tag": "tool",
        "function_tag": "function_call",
        "system_tag": "system",
    }
    assert entry("preference", "train.jsonl") == {
        "file_name": "train.jsonl",
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"},
        "tags": tags,
    }
    assert entry("feedback", "f")["columns"] == {"messages": "messages", "kto_tag": "label"}
    assert entry("text", "f") == {"file_name": "f", "formatting": "alpaca", "columns": {"prompt": "text"}}
    for kind, content in ((kind, ROWS[kind].content) for kind in ("chat", "preference", "feedback", "text", "prompt")):
        assert set(entry(kind, "f")["columns"].values()) <= llama(kind, content).keys()
