"""Rows over the limit, under the tokenizer and the template of a base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from studio.data.checks.base import Context, RowView
from studio.data.checks.too_long import TooLong
from studio.data.render import Template, render
from studio.data.rows import NewRow


def talk(*turns: tuple[str, str], system: str = "") -> NewRow:
    messages = [{"role": "system", "content": system}] if system else []
    for question, answer in turns:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return NewRow("chat", {"messages": messages})


def length(row: NewRow, template: Template) -> int:
    return render(row.kind, row.content, template).n_tokens


def test_the_limit_is_that_of_the_rendered_row_to_the_token(model_folder: Callable[..., Path]) -> None:
    template = Template.load(model_folder("chatml"))
    row = talk(("What is hypertension?", "高血压是指血压持续升高的慢性疾病。" * 4))
    n = length(row, template)
    assert not TooLong(Context("b", template, n)).spots(RowView(row))
    (spot,) = TooLong(Context("b", template, n - 1)).spots(RowView(row))
    assert (spot.where, spot.what) == ("messages[1].content", "answer")


def test_what_would_be_cut_is_the_text_behind_the_limit(model_folder: Callable[..., Path]) -> None:
    template = Template.load(model_folder("chatml"))
    row = talk(("Short?", "The user asks and the assistant answers. " * 20))
    rendered = render(row.kind, row.content, template)
    (spot,) = TooLong(Context("b", template, 80)).spots(RowView(row))
    answer = row.content["messages"][1]["content"]
    kept = rendered.text[: rendered.offsets[80][0]]
    assert kept.endswith(answer[: spot.start])
    assert spot.end == len(answer)


def test_a_conversation_is_divided_between_questions_and_every_part_fits(model_folder: Callable[..., Path]) -> None:
    template = Template.load(model_folder("chatml"))
    turns = [(f"Question {at}?", "The user asks and the assistant answers.") for at in range(9)]
    row = talk(*turns, system="You are a helpful assistant.")
    check = TooLong(Context("b", template, 200))
    parts = check.mended(row)
    assert 1 < len(parts) < 9
    assert all(length(part, template) <= 200 for part in parts)
    assert all(part.content["messages"][0]["role"] == "system" for part in parts)
    said = [message["content"] for part in parts for message in part.content["messages"][1:]]
    assert said == [words for turn in turns for words in turn]
    assert len({part.group_key for part in parts}) == 1
    assert not any(check.spots(RowView(part)) for part in parts)


def test_one_long_answer_is_left_for_a_person(model_folder: Callable[..., Path]) -> None:
    row = talk(("Short?", "The user asks and the assistant answers. " * 40))
    check = TooLong(Context("b", Template.load(model_folder("chatml")), 60))
    assert check.mended(row) == [row]


def test_without_a_base_nothing_is_counted_and_it_says_so() -> None:
    check = TooLong()
    assert check.missing == "doctor.not_run.no_base"
    assert not check.spots(RowView(talk(("a", "b" * 10_000))))


def test_rows_are_counted_as_they_are_rendered(model_folder: Callable[..., Path]) -> None:
    for family in ("chatml", "llama3", "gemma"):
        template = Template.load(model_folder(family))
        for row in (talk(("What is hypertension?", "高血压。" * 40)), NewRow("text", {"text": "青光眼会损害视神经。" * 40})):
            n = length(row, template)
            assert not TooLong(Context("b", template, n)).spots(RowView(row))
            assert TooLong(Context("b", template, n - 1)).spots(RowView(row))
