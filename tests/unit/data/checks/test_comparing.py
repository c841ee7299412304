"""Checks that compare rows: copies, near copies, contradictions, leaks, openings."""

from __future__ import annotations

import time
from typing import Any

import pytest

from studio.data.checks import alike, check_of
from studio.data.checks.base import Group, RowView, SetCheck
from studio.data.checks.openings import openings_of
from studio.data.near_duplicates import similarity
from studio.data.rows import NewRow


def chat(question: str, answer: str, *, split: str | None = "train", system: str = "") -> NewRow:
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    messages = [{"role": "system", "content": system}, *said] if system else said
    return NewRow("chat", {"messages": messages}, split=split)


def groups(key: str, *rows: NewRow) -> list[Group]:
    check = check_of(key)
    assert isinstance(check, SetCheck)
    for number, row in enumerate(rows):
        check.add(number, RowView(row))
    return [] if check.missing else list(check.groups(lambda: None))


# --- likeness ---------------------------------------------------------------------------------------------------------


def test_the_similarity_of_two_chinese_sentences_is_that_worked_out_by_hand() -> None:
    """10 characters, and the same with one more: they share 6 runs of 3 (of 8 and 9), and 8 runs of 2 (of 9 and 10)."""
    one, other = "患者应卧床休息多喝水", "患者应该卧床休息多喝水"
    assert similarity(alike.of_rows(one), alike.of_rows(other)) == pytest.approx(6 / 11)
    assert similarity(alike.of_questions(one), alike.of_questions(other)) == pytest.approx(8 / 11)


def test_words_are_compared_in_pairs_and_a_single_word_is_compared_too() -> None:
    assert alike.of_rows("the cat sat") == {"the cat", "cat sat"}
    assert alike.of_rows("yes") == {"yes"}
    assert alike.of_rows("") == {""}


def test_a_number_that_differs_makes_another_text_and_one_that_is_missing_does_not() -> None:
    assert not alike.same_numerals("take 5 mg twice", "take 50 mg twice")
    assert alike.same_numerals("1 wash 2 dry 3 fold", "1 wash 2 dry")


def test_texts_that_all_begin_alike_do_not_take_hours() -> None:
    """A form's fixed words crowd a band: each text is compared with some, not with all."""
    form = "patient record of the clinic name of the patient date of the visit complaint of the patient "
    texts = [f"{form} {number * 7919 % 100003} {number}" for number in range(4_000)]
    began = time.monotonic()
    for _ in alike.similar_pairs(texts, 0.99, lambda: None):
        pass
    assert time.monotonic() - began < 30


# --- copies -----------------------------------------------------------------------------------------------------------


def test_of_exact_copies_the_first_stays_and_a_test_row_before_all() -> None:
    row = chat("What is a stye?", "An infected gland of the eyelid.")
    held_out = chat("What is a stye?", "An infected gland of the eyelid.", split="test")
    assert groups("exact_duplicates", row, chat("Else?", "Else."), row, held_out) == [Group([0, 2], 3)]
    assert groups("exact_duplicates", row, row) == [Group([1], 0)]


def test_another_space_is_no_exact_copy_but_a_near_one() -> None:
    one, other = chat("What is a stye?", "An infected gland."), chat("What is  a stye?", "An infected gland!")
    assert groups("exact_duplicates", one, other) == []
    assert groups("near_duplicates", one, other) == [Group([1], 0)]


def test_exact_copies_are_no_near_duplicates_of_each_other() -> None:
    row = chat("What is a stye?", "An infected gland of the eyelid.")
    assert groups("near_duplicates", row, row, row) == []


def test_a_near_copy_with_another_dose_is_shown_and_left_for_a_person() -> None:
    sentence = "Give the child {} mg of the syrup twice a day with some water after the meal, and stop after five days."
    one, other = chat("How much?", sentence.format(5)), chat("How much?", sentence.format(50))
    assert groups("near_duplicates", one, other) == [Group([1], 0, {1})]


@pytest.mark.parametrize(
    "texts",
    [
        ("眼睛干涩怎么办？", "眼睛发红怎么办？", "眼睛发痒怎么办？"),
        ("患者应卧床休息，多喝水。", "患者应少用电脑，多远眺。"),  # 12 characters: a Chinese row must survive (reference, E3)
        ("Yes.", "No."),
    ],
)
def test_short_rows_that_say_different_things_survive(texts: tuple[str, ...]) -> None:
    rows = [chat(text, text) for text in texts]
    assert groups("near_duplicates", *rows) == []
    assert groups("exact_duplicates", *rows) == []


# --- contradictions ---------------------------------------------------------------------------------------------------


def test_one_question_with_two_answers_is_a_contradiction_whatever_its_punctuation() -> None:
    rows = (chat("What is a stye?", "A gland."), chat("what is a stye", "A muscle."), chat("What is a stye?", "A gland!"))
    assert groups("contradictions", *rows) == [Group([0, 1, 2])]
    assert groups("contradictions", rows[0], rows[2]) == []


def test_another_system_message_or_another_turn_before_makes_another_question() -> None:
    one = chat("Go on", "One.", system="You are a poet.")
    assert groups("contradictions", one, chat("Go on", "Two.", system="You are a lawyer.")) == []


def test_one_text_with_two_labels_contradicts_itself() -> None:
    rows = [NewRow("label", {"text": "good film", "label": label}) for label in ("+", "-", "+")]
    assert groups("contradictions", *rows) == [Group([0, 1, 2])]


# --- leaks ------------------------------------------------------------------------------------------------------------


def test_a_training_row_that_asks_what_a_test_row_asks_is_found_and_taken_out_of_training() -> None:
    rows = (
        chat("How often should contact lenses be changed?", "Daily."),
        chat("How often should the contact lenses be changed?", "Each day.", split="test"),
        chat("What is a cataract?", "A clouded lens."),
    )
    assert groups("leakage", *rows) == [Group([0], 1)]
    check = check_of("leakage")
    assert isinstance(check, SetCheck)
    assert [row.split for row in check.mended(rows[0])] == [None]
    assert groups("leakage", rows[1], rows[2]) == []


def test_without_a_held_out_set_it_says_so_and_looks_at_nothing() -> None:
    check = check_of("leakage")
    assert isinstance(check, SetCheck)
    check.add(0, RowView(chat("a", "b")))
    assert check.missing == "doctor.not_run.no_held_out"


# --- openings ---------------------------------------------------------------------------------------------------------


def test_openings_are_words_and_in_chinese_characters() -> None:
    assert openings_of("What is it?") == ["what is", "what is it"]
    assert openings_of("请问，青光眼是什么？") == ["请问", "请问青", "请问青光", "请问青光眼", "请问青光眼是"]
    assert openings_of("Hello there") == ["hello", "hello there"]


def polite(n: int, of: int) -> list[NewRow]:
    asked = ["青光眼", "白内障", "散光", "近视", "弱视", "斜视", "干眼", "飞蚊"]
    return [chat(("请问" if at < n else "") + f"{asked[at % 8]}第{at}期怎么治", f"第{at}种治法") for at in range(of)]


@pytest.mark.parametrize(("n", "is_found"), [(30, True), (29, False)])
def test_openings_are_told_from_three_in_ten_on(n: int, is_found: bool) -> None:
    found = groups("openings", *polite(n, 100))
    asked = [group for group in found if len(group.found) == n]
    assert bool(asked) == is_found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("请问，眼睛干怎么办？", "眼睛干怎么办？"),
        ("您好！请问白内障要手术吗？", "白内障要手术吗？"),
        ("Hello, what is a stye?", "What is a stye?"),
        ("Could you please tell me: what is a stye?", "What is a stye?"),
        ("你好", "你好"),  # nothing would be left
        ("Please", "Please"),
        ("Pleasant weather?", "Pleasant weather?"),
        ("问题是什么？", "问题是什么？"),
    ],
)
def test_mended_a_question_begins_with_what_it_asks(before: str, after: str) -> None:
    check = check_of("openings")
    assert isinstance(check, SetCheck)
    row = chat(before, "An answer.")
    made: list[dict[str, Any]] = check.mended(row)[0].content["messages"]
    assert made[0]["content"] == after
    assert check.mended(check.mended(row)[0]) == check.mended(row)
