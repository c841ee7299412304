"""Answers that stop in the middle, against hand-made ones that say why they do or do not."""

from __future__ import annotations

import time

import pytest

from studio.data.checks.base import RowView
from studio.data.checks.truncated import Truncated
from studio.data.rows import NewRow

CUT = [
    ("Salt lowers the freezing point. Roads stay free of ice beca", "sentence", "a word is cut"),
    ("盐会降低冰点。所以冬天路面不容易结", "sentence", "中文停在半句"),
    ("It is one clause, and whoever writes so would have ended it wit", "sentence", "one sentence of two clauses"),
    ("1. Wash the rice until it runs clear.\n2. Soak it for an hour.\n3. Bring it to the bo", "sentence", "items before it end"),
    ("Take the bus to the station. Then buy the", "word", "an article asks for a noun"),
    ("A mortgage is a loan that is secured by a house or", "word", "a conjunction, in a text of one sentence"),
    ("高血压的常见原因包括遗传、肥胖、高盐饮食以及", "word", "以及后面还有内容"),
    ("Wash it. Dry it. Store it in a place that is", "word", "is asks for more where there are full stops"),
    ("The reasons are these:", "mark", "nothing behind the colon"),
    ("第一，多喝水；第二，注意休息，", "mark", "逗号结尾"),
    ("It helps. It is an over-the-", "mark", "a hyphen"),
    ("He closed the door and said “I never", "bracket", "a quotation that stays open"),
    ("维生素D有助于钙的吸收（例如牛奶", "bracket", "括号未闭合"),
    ("Three things:\n\n1. Rest.\n2. Water.\n3.", "item", "an item without words"),
    ("| Day | Dose |\n| --- | --- |\n| 1 | 5 mg |\n| 2 | 10", "table", "a row without its end"),
    ("Run this.\n\n```python\nfor n in range(3):\n    print(", "fence", "code without its fence"),
]

WHOLE = [
    ("Paris", "one word"),
    ("Yes,", "too short to be a sentence"),
    ("Apples, pears and plums", "a short answer without a mark"),
    ("It rained. It poured.", "full stops"),
    ("可以的。没问题！", "句末标点"),
    ("1. One\n2. Two\n3. Three", "items without marks"),
    ("Pack these. Nothing else.\n\n- a towel for the beach and the pool\n- two bottles of water per head", "items, by style"),
    ("Dear Ann,\n\nThank you for the book. I liked it.\n\nKind regards,\nThe service team in Nantes", "a letter's end"),
    ("此事已办妥。请放心。\n\n此致\n敬礼", "书信结尾"),
    ("多喝水。注意休息。祝早日康复", "祝愿"),
    ("The answer is simple. It is 42", "a number"),
    ("Read it. Learn it. See https://example.com/guide", "a link"),
    ("It is cheap. It is good. #budget", "a tag"),
    ("Great job. Keep going 🎉", "an emoji"),
    ("一共三步。最后得到结果。故选B", "选择题答案"),
    ("Use a loop.\n\n```python\nprint(1)\n```", "code that is closed"),
    ("x = 1\nwhile x < 5:\n    x += 1", "bare code"),
    ("| a | b |\n| - | - |\n| 1 | 2 |", "a table"),
    ("It is short. It is sweet.\n\n## Next Steps", "a heading"),
    ("The kettle begins,\nlow first, then sure,\nas if the morning\nhad found its key", "a poem without full stops"),
    ("Name:\nDate of birth:", "a form to be filled in"),
    ("东西不错,价格便宜。物流很快。推荐大家购买", "随手写的中文"),
    ("她问我去不去。我说去吧。她就走了", "以“了”收尾"),
    ("The unit is hPa. Pressure falls with height. Ada Lovelace", "a name"),
]


def answer(text: str) -> NewRow:
    return NewRow("chat", {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": text}]})


def whats(text: str) -> list[str]:
    return [spot.what for spot in Truncated().spots(RowView(answer(text)))]


def mended(text: str) -> str:
    (row,) = Truncated().mended(answer(text))
    return str(row.content["messages"][1]["content"])


@pytest.mark.parametrize(("text", "what"), [(text, what) for text, what, _ in CUT], ids=[why for _, _, why in CUT])
def test_an_answer_that_stops_in_the_middle_is_found(text: str, what: str) -> None:
    assert whats(text) == [what]


@pytest.mark.parametrize("text", [text for text, _ in WHOLE], ids=[why for _, why in WHOLE])
def test_an_answer_that_ends_is_not_found(text: str) -> None:
    assert whats(text) == []


def test_earlier_answers_count_and_questions_do_not() -> None:
    said = ["Tell me and", "Salt melts ice. It lowers the", "More about the", "It is cheap."]
    roles = ["user", "assistant", "user", "assistant"]
    row = NewRow("chat", {"messages": [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)]})
    assert [spot.where for spot in Truncated().spots(RowView(row))] == ["messages[1].content"]


def test_the_chosen_answer_and_a_text_row_are_looked_at_and_the_rejected_one_is_not() -> None:
    question = [{"role": "user", "content": "Why?"}]
    cut, whole = ({"role": "assistant", "content": text} for text in ("It melts. It lowers the", "It melts."))
    for chosen, rejected, found in ((cut, whole, ["chosen[0].content"]), (whole, cut, [])):
        row = NewRow("preference", {"messages": question, "chosen": [chosen], "rejected": [rejected]})
        assert [spot.where for spot in Truncated().spots(RowView(row))] == found
    assert Truncated().spots(RowView(NewRow("text", {"text": "It melts. It lowers the"})))
    assert not Truncated().spots(RowView(NewRow("label", {"text": "It melts. It lowers the", "label": "good"})))


def test_an_answer_with_bad_feedback_is_there_to_be_avoided() -> None:
    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "It melts. It lowers the"}]
    assert Truncated().spots(RowView(NewRow("feedback", {"messages": said, "label": True})))
    assert not Truncated().spots(RowView(NewRow("feedback", {"messages": said, "label": False})))


def test_the_place_is_the_sentence_that_has_no_end() -> None:
    text = "Salt melts ice. It lowers the"
    (spot,) = Truncated().spots(RowView(answer(text)))
    assert text[spot.start : spot.end] == "It lowers the"


def test_a_mend_cuts_back_to_the_last_whole_sentence() -> None:
    text = "Salt lowers the freezing point of water. Roads stay free of ice down to minus ten. Below that it"
    assert mended(text) == "Salt lowers the freezing point of water. Roads stay free of ice down to minus ten."
    assert mended("盐会降低冰点。所以路面不容易结冰。但在零下") == "盐会降低冰点。所以路面不容易结冰。"


def test_a_mend_cuts_back_to_the_last_whole_item_and_row() -> None:
    assert mended("Take these along.\n\n- a warm coat for the night\n- a map\n-") == (
        "Take these along.\n\n- a warm coat for the night\n- a map"
    )
    table = "| Day | Dose of the drug |\n| --- | --- |\n| 1 | five milligrams |\n| 2 | ten milligrams |\n"
    assert mended(table + "| 3 | fif") == table.rstrip()


def test_a_mend_does_not_end_where_an_announcement_or_a_quotation_stands_open() -> None:
    text = "First wash the rice well. Then soak it for half an hour. “Rest it. Do not stir it and"
    assert mended(text) == "First wash the rice well. Then soak it for half an hour."


def test_a_row_of_which_too_little_would_stay_is_left_for_a_person() -> None:
    text = "No. The mantle of the earth is solid but creeps over millions of years, and the"
    assert mended(text) == text


@pytest.mark.parametrize("text", [text for text, _, _ in CUT] + [text for text, _ in WHOLE])
def test_a_mended_row_is_clean_or_as_it_was_and_mending_again_changes_nothing(text: str) -> None:
    (row,) = Truncated().mended(answer(text))
    assert row == answer(text) or not Truncated().spots(RowView(row))
    assert Truncated().mended(row) == [row]


HOSTILE = ["a" * 100_000, "(" * 100_000 + "a", "a, " * 33_000, "```\n" * 25_001, "1. a\n" * 20_000 + "b", ":" * 100_000 + "a"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[:6]))
def test_a_hostile_text_takes_less_than_a_second(hostile: str) -> None:
    began = time.perf_counter()
    Truncated().marks(hostile)
    assert time.perf_counter() - began < 1
