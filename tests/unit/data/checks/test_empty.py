"""Rows that ask or answer nothing; short answers that say something are none of them."""

from __future__ import annotations

import time

import pytest

from studio.data.checks.base import RowView
from studio.data.checks.empty import Empty
from studio.data.rows import NewRow


def row(question: str, answer: str) -> NewRow:
    return NewRow("chat", {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})


@pytest.mark.parametrize(
    "answer",
    [
        *("…", "...", "-", "？", "N/A", "n/a.", "null", "[empty]", "{}", "TODO: write this", "TBD", "Answer:", "as above"),
        *("回答：", "待补充", "（略）", "同上", "\u200b", "\ufeff \u2060", "No input", "此处填写答案", "**"),
    ],
)
def test_what_says_nothing_is_found_and_goes(answer: str) -> None:
    check = Empty()
    broken = row("How is a stye treated?", answer)
    assert [spot.where for spot in check.spots(RowView(broken))] == ["messages[1].content"]
    assert check.mended(broken) == []


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is it contagious?", "No."),
        ("还需要复查吗？", "是"),
        ("3 + 4?", "7"),
        ("Does it hurt?", "👍"),
        ("Which drugs interact with it?", "None."),
        ("有没有过敏史？", "无"),
        ("Which symbol stands for multiplication?", "*"),
        ("这句话末尾用什么标点？", "？"),
        ("What is the null hypothesis?", "That there is no effect."),
        ("谁写的？", "略萨"),
    ],
)
def test_a_short_answer_is_an_answer(question: str, answer: str) -> None:
    assert not Empty().spots(RowView(row(question, answer)))


def test_none_answers_nothing_where_nothing_of_its_kind_was_asked() -> None:
    assert Empty().spots(RowView(row("Explain the operation.", "None")))
    assert Empty().spots(RowView(row("请解释手术过程。", "无")))


def test_a_question_may_be_empty_too_and_a_tool_call_needs_no_words() -> None:
    assert [spot.where for spot in Empty().spots(RowView(row("问题：", "A stye heals by itself.")))] == ["messages[0].content"]
    called = {"role": "assistant", "content": "", "tool_calls": [{"type": "function"}]}
    before, behind = {"role": "user", "content": "Weather?"}, {"role": "assistant", "content": "Rain."}
    said = [before, called, {"role": "tool", "content": ""}, behind]
    assert not Empty().spots(RowView(NewRow("chat", {"messages": said})))


def test_a_long_row_of_dots_costs_nothing() -> None:
    began = time.monotonic()
    assert not Empty().spots(RowView(row("a", "." * 100_000 + "b")))
    assert time.monotonic() - began < 1
