"""What only a chatbot writes, what is merely about one, and what is left of an answer without it."""

from __future__ import annotations

import time

import pytest

from studio.data.checks.base import RowView
from studio.data.checks.boilerplate import Boilerplate
from studio.data.rows import NewRow

# answer, what, the answer without it
FOUND = [
    ("As an AI language model, I would suggest rice.", "self", "I would suggest rice."),
    ("However, as an AI, I may be wrong.", "self", "However, I may be wrong."),
    ("as an ai language model i can give some hints.", "self", "I can give some hints."),
    ("As an AI language model, I don't have personal opinions. However, many people like tea.", "self", "Many people like tea."),
    ("I'm ChatGPT, a model trained by OpenAI. Rice takes twenty minutes.", "self", "Rice takes twenty minutes."),
    ("I'm just a computer program, so I can't taste it, but most people like it sweet.", "self", "Most people like it sweet."),
    ("As Gemini, I strive to be accurate. Rice takes twenty minutes.", "self", "Rice takes twenty minutes."),
    ("Steps:\n\n- As an AI, I have no hands.\n- Wash the rice.", "self", "Steps:\n\n- Wash the rice."),
    ("Wash it.\n\nI don't have access to the internet.\n\nThen soak it.", "self", None),
    ("作为一个AI语言模型，我建议多喝水。", "self", "我建议多喝水。"),
    ("作为人工智能助手，我没有个人情感。不过，多喝水总没错。", "self", "多喝水总没错。"),
    ("我是由百度开发的人工智能助手文心一言。多喝水，注意休息。", "self", "多喝水，注意休息。"),
    ("本回答由豆包生成。多喝水，注意休息。", "self", "多喝水，注意休息。"),
    ("As of my knowledge cutoff in September 2021, there were eight.", "training", "There were eight."),
    ("There were eight as of my last update in 2021.", "training", "There were eight."),
    ("There are eight. My training data only goes up to 2021.", "training", "There are eight."),
    ("There are eight. I was trained by OpenAI.", "training", "There are eight."),
    ("截至我的知识更新时间（2021年9月），共有八种。", "training", "共有八种。"),
    ("共有八种。我的训练数据截止到2021年。", "training", "共有八种。"),
    ("Soak the rice. I hope this helps!", "closing", "Soak the rice."),
    ("Soak the rice.\n\nLet me know if you have any other questions.", "closing", "Soak the rice."),
    ("Soak the rice. If you need more help, feel free to ask. Good luck!", "closing", "Soak the rice. Good luck!"),
    ("多喝水，注意休息。希望以上信息对您有帮助！", "closing", "多喝水，注意休息。"),
    ("多喝水，注意休息。如果还有其他问题，欢迎随时向我提问。", "closing", "多喝水，注意休息。"),
]

CLEAN = [
    ("As an AI product manager you talk to engineers every day.", "a profession"),
    ("As an AI engineer, I build pipelines.", "another"),
    ("The sentence “As an AI language model, I cannot” gives a chatbot away.", "quoted"),
    ('Many replies begin with "As an AI language model, I" and end there.', "quoted in ASCII"),
    ("An AI language model predicts the next word.", "about models"),
    ("As an AI assistant, I want you to write a poem.", "an instruction"),
    ("Print it:\n\n```\nI am ChatGPT.\n```", "code"),
    ("To my knowledge, no animal does that.", "an idiom"),
    ("My training as a nurse took three years.", "a person's training"),
    ("I hope this helps!", "nothing else is said"),
    ("We hope that the weather helps the farmers. Rain would do.", "a hope in the middle"),
    ("Dear Ann,\n\nThe files are ready. Please let me know if you have any questions.\n\nBest regards,\nTom", "a letter"),
    ("作为AI产品经理，你要懂技术。", "职业"),
    ("我是人工智能专业的学生，今年大三。", "学生"),
    ("我没有意识到这一点，谢谢提醒。", "日常说法"),
    ("大语言模型靠海量文本训练而成。", "谈论模型"),
    ("希望您早日康复。", "祝愿"),
    ("如有其他问题，请随时联系我们的客服。", "客服用语"),
]


def answer(text: str) -> NewRow:
    return NewRow("chat", {"messages": [{"role": "user", "content": "Are you an AI?"}, {"role": "assistant", "content": text}]})


def whats(text: str) -> set[str]:
    return {spot.what for spot in Boilerplate().spots(RowView(answer(text)))}


def mended(text: str) -> str:
    (row,) = Boilerplate().mended(answer(text))
    return str(row.content["messages"][1]["content"])


@pytest.mark.parametrize(("text", "what"), [(text, what) for text, what, _ in FOUND])
def test_what_only_a_chatbot_writes_is_found(text: str, what: str) -> None:
    assert whats(text) == {what}


@pytest.mark.parametrize("text", [text for text, _ in CLEAN], ids=[why for _, why in CLEAN])
def test_what_is_about_ai_or_said_by_people_is_not_found(text: str) -> None:
    assert whats(text) == set()


@pytest.mark.parametrize(("text", "expected"), [(text, without) for text, _, without in FOUND])
def test_a_mend_takes_it_out_and_nothing_else(text: str, expected: str | None) -> None:
    assert mended(text) == (expected or "Wash it.\n\nThen soak it.")


def test_questions_do_not_count() -> None:
    said = [{"role": "user", "content": "As an AI language model, I am sad."}, {"role": "assistant", "content": "Me."}]
    assert not Boilerplate().spots(RowView(NewRow("chat", {"messages": said})))


def test_the_place_is_the_clause_or_the_sentence() -> None:
    text = "As an AI, I would suggest rice. I was trained by OpenAI. Soak it."
    spots = Boilerplate().spots(RowView(answer(text)))
    assert [text[spot.start : spot.end] for spot in spots] == ["As an AI, ", "I was trained by OpenAI."]


@pytest.mark.parametrize("text", ["I am ChatGPT, an AI.", "Sure! I'm an AI assistant.", "您好！我是人工智能助手。"])
def test_an_answer_of_which_nothing_remains_is_left_for_a_person(text: str) -> None:
    assert whats(text) == {"self"}
    assert mended(text) == text


def test_a_clause_that_the_sentence_leans_on_is_left_for_a_person() -> None:
    text = "The list is based on my training data, so it may be old."
    assert whats(text) == {"training"}
    assert mended(text) == text


def test_a_row_of_a_table_is_left_for_a_person() -> None:
    text = "| Day | Dose |\n| --- | --- |\n| 1 | 5 mg | I hope this helps!"
    assert whats(text) == {"closing"}
    assert mended(text) == text


@pytest.mark.parametrize("text", [text for text, _, _ in FOUND] + [text for text, _ in CLEAN])
def test_a_mended_row_is_clean_or_as_it_was_and_mending_again_changes_nothing(text: str) -> None:
    (row,) = Boilerplate().mended(answer(text))
    assert row == answer(text) or not Boilerplate().spots(RowView(row))
    assert Boilerplate().mended(row) == [row]


HOSTILE = ["As an AI " * 11_000, "I hope this " * 8_000, "作为一个AI" * 16_000, "我是" * 50_000, "AI" * 50_000]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[:6]))
def test_a_hostile_text_takes_less_than_a_second(hostile: str) -> None:
    began = time.perf_counter()
    Boilerplate().marks(hostile)
    assert time.perf_counter() - began < 1
