"""Answers that refuse, and those that only sound like it."""

from __future__ import annotations

import time

import pytest

from studio.data.checks.base import RowView
from studio.data.checks.refusals import Refusals
from studio.data.rows import NewRow

REFUSING = [
    "I'm sorry, but I can't assist with that.",
    "I cannot provide medical advice. Please see a doctor.",
    "I apologize, but I am unable to fulfill this request.",
    "Sorry, I won't write that.",
    "I must respectfully decline to answer.",
    "I'd rather not talk about this. Let's change the subject.",
    "This request goes against my guidelines, so I can't comply.",
    "As an AI language model, I cannot create such content.",
    "It is not possible for me to give you an answer to that.",
    "My programming does not allow me to discuss this subject.",
    "Thank you for asking. Unfortunately, I am not able to help with that.",
    "抱歉，我无法提供这方面的信息。",
    "对不起，我不便回答这个问题。",
    "我不能为您提供医疗建议，请咨询医生。",
    "很抱歉，作为一个人工智能语言模型，我无法回答这个问题。",
    "这个问题超出了我的能力范围。",
    "不好意思，这个我回答不了。",
    "恕我无法从命。",
    "作为一个AI语言模型，我还没学习如何回答这个问题，您可以向我问一些其它的问题。",
]

CLEAN = [
    ("I don't know.", "honest"),
    ("I'm sorry, I cannot answer that: the document does not say when the lease ends.", "the text does not say"),
    ("I cannot give you a dose without knowing your weight. Could you tell me?", "something is missing"),
    ("I'm sorry, but I can't help without the code. Please paste it here.", "a question back"),
    ("Sorry for the delay, your parcel is on its way.", "an apology"),
    ("I apologize for the confusion. The right formula is a + b.", "an apology and help"),
    ("I cannot create images, but I can describe one: a red barn in the snow.", "help in the same sentence"),
    ("While I can't recommend a lawyer, here is how to find one: ask the chamber.", "a clause before the help"),
    ("The insurer may refuse to pay, and cannot be made to.", "what others refuse"),
    ("We cannot accept returns after thirty days.", "a shop's rule"),
    ("Sorry, I can't help you tonight, the office is closed.", "a person's reason"),
    ("I can't recommend this book enough.", "praise"),
    ('She wrote: "I cannot help you."', "quoted"),
    ("Felix: I cannot answer that.\nMaria: Why not?", "a dialogue"),
    ("Dear Ms Chen,\n\nI am unable to provide the papers by Friday.\n\nKind regards,\nTom", "a letter"),
    ("患者不能自行停药。", "讲患者"),
    ("资料中没有提到租期，我无法给出准确答案。", "资料没说"),
    ("抱歉让您久等了，您的包裹已发出。", "客服致歉"),
    ("我不能替您决定，但可以给您几点建议。", "后面有帮助"),
    ("对不起，我们无法为拆封商品办理退货。", "商家规定"),
    ("“我无法回答。”他说完就走了。", "引文"),
]


def answer(*texts: str) -> NewRow:
    messages = [{"role": role, "content": text} for each in texts for role, text in (("user", "And this?"), ("assistant", each))]
    return NewRow("chat", {"messages": messages})


def places(row: NewRow) -> list[str]:
    return [spot.where for spot in Refusals().spots(RowView(row))]


@pytest.mark.parametrize("text", REFUSING)
def test_an_answer_that_refuses_is_found(text: str) -> None:
    assert places(answer(text)) == ["messages[1].content"]


@pytest.mark.parametrize("text", [text for text, _ in CLEAN], ids=[why for _, why in CLEAN])
def test_an_answer_that_only_sounds_like_it_is_not_found(text: str) -> None:
    assert places(answer(text)) == []


def test_a_refusal_with_much_help_behind_it_is_help() -> None:
    assert places(answer("I cannot provide medical advice. " + "Drink a glass of water every hour. " * 12)) == []
    assert places(answer("我不能提供医疗建议。" + "每小时喝一杯水，注意休息，保持室内通风。" * 8)) == []


def test_earlier_answers_count() -> None:
    assert places(answer("I can't help with that.", "Rice takes twenty minutes.")) == ["messages[1].content"]


def test_the_place_is_the_sentence_that_refuses() -> None:
    text = "Thank you for asking. Sadly, I can't help with that. Ask a lawyer."
    (spot,) = Refusals().spots(RowView(answer(text)))
    assert text[spot.start : spot.end] == "Sadly, I can't help with that."


def test_nothing_is_mended() -> None:
    row = answer(REFUSING[0])
    assert not Refusals.has_mend
    assert Refusals().mended(row) == [row]


@pytest.mark.parametrize("hostile", ["I can't " * 12_000, "我无法" * 33_000, "抱歉，" * 33_000, "While I, " * 9_000], ids=len)
def test_a_hostile_text_takes_less_than_a_second(hostile: str) -> None:
    began = time.perf_counter()
    Refusals().marks(hostile)
    assert time.perf_counter() - began < 1
