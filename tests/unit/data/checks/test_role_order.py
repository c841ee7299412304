"""Turns out of order, and what a mend makes of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from studio.data.checks.base import RowView
from studio.data.checks.role_order import RoleOrder
from studio.data.rows import NewRow, check_content

CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": {"name": "weather"}}]}
RESULT = {"role": "tool", "content": "12 °C"}


def said(*turns: str) -> list[dict[str, Any]]:
    """Messages from `u: words`, `a: words` and so on."""
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return [{"role": roles[turn[0]], "content": turn[3:]} for turn in turns]


def chat(*messages: dict[str, Any]) -> NewRow:
    check_content("chat", {"messages": list(messages)})
    return NewRow("chat", {"messages": list(messages)})


def found(row: NewRow) -> list[tuple[str, str]]:
    return [(spot.where, spot.what) for spot in RoleOrder().spots(RowView(row))]


def mended(row: NewRow) -> list[dict[str, Any]]:
    (new,) = RoleOrder().mended(row)
    assert RoleOrder().mended(new) == [new]
    assert new == row or not found(new)
    messages: list[dict[str, Any]] = new.content["messages"]
    return messages


@pytest.mark.parametrize(
    "messages",
    [
        said("u: Hi", "a: Hello"),
        said("s: Be brief", "u: Hi", "a: Hello", "u: Bye", "a: Bye"),
        said("a: 您好，请问有什么可以帮您？", "u: 退货", "a: 好的"),
        said("a: Welcome to our shop!", "u: Hi", "a: Hello"),
        said("a: Which of the two rooms do you want to see?", "u: The first", "a: Here it is"),
        [*said("u: Weather?"), CALL, RESULT, RESULT, *said("a: Cold")],
        said("u: Weather?", 'a: <tool_call>{"name": "weather"}</tool_call>', "t: 12 °C", "a: Cold"),
        said("u: Weather?", "a: Action: weather", "t: 12 °C", "a: Cold"),
    ],
    ids=["one turn", "two", "问候在先", "a greeting first", "a question first", "two results", "a written call", "an action"],
)
def test_turns_in_order_are_not_found(messages: list[dict[str, Any]]) -> None:
    row = chat(*messages)
    assert found(row) == []
    assert RoleOrder().mended(row) == [row]


def test_rows_without_messages_are_not_found() -> None:
    assert found(NewRow("text", {"text": "Hi"})) == []


def test_neighbours_of_one_role_become_one_message() -> None:
    row = chat(*said("u: My lamp flickers.", "u: What can I do?", "a: Check the bulb.", "a: Then the plug."))
    assert found(row) == [("messages[1].content", "same"), ("messages[3].content", "same")]
    assert mended(row) == said("u: My lamp flickers.\n\nWhat can I do?", "a: Check the bulb.\n\nThen the plug.")


def test_copies_become_one_message_also_among_others() -> None:
    row = chat(*said("u: 你好", "u: 灯坏了", "u: 灯坏了", "a: 请检查灯泡", "a: 请检查灯泡"))
    assert [what for _, what in found(row)] == ["same", "copy", "copy"]
    assert mended(row) == said("u: 你好\n\n灯坏了", "a: 请检查灯泡")


def test_a_message_with_tool_calls_is_left_for_a_person() -> None:
    messages = [*said("u: Weather?", "a: Let me see."), CALL, RESULT, *said("a: Cold")]
    row = chat(*messages)
    assert found(row) == [("messages[2].content", "same")]
    assert mended(row) == messages


def test_messages_of_two_people_are_left_for_a_person() -> None:
    asked = [{"role": "user", "content": "Hi", "name": "Ann"}, {"role": "user", "content": "Hi too", "name": "Ben"}]
    messages = [*asked, *said("a: Hello")]
    assert mended(chat(*messages)) == messages


def test_a_result_that_nobody_asked_for_is_left_for_a_person() -> None:
    messages = said("u: Weather?", "t: 12 °C", "a: Cold")
    row = chat(*messages)
    assert found(row) == [("messages[1].content", "tool")]
    assert mended(row) == messages


def test_an_answer_before_the_question_is_left_for_a_person_together_with_all_else() -> None:
    messages = said("s: Be brief", "a: Two tablets a day.", "u: How many?", "u: And when?", "a: At noon.")
    row = chat(*messages)
    assert found(row) == [("messages[1].content", "early"), ("messages[3].content", "same")]
    assert mended(row) == messages


def test_chosen_and_rejected_answers_are_looked_at() -> None:
    one, two = said("a: Yes.", "a: It is."), said("a: No.")
    row = NewRow("preference", {"messages": said("u: True?"), "chosen": one, "rejected": two})
    assert found(row) == [("chosen[1].content", "same")]
    (new,) = RoleOrder().mended(row)
    assert new.content["chosen"] == said("a: Yes.\n\nIt is.")


def test_many_messages_take_less_than_a_second() -> None:
    row = chat(*said(*["u: Hi"] * 20_000, *["a: Hello"] * 20_000))
    began = time.perf_counter()
    assert len(mended(row)) == 2
    assert time.perf_counter() - began < 1
