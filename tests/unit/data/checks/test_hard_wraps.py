"""Lines that a column has broken are joined; lines that a person has ended stay."""

from __future__ import annotations

import textwrap
import time

import pytest

from studio.data.checks.hard_wraps import HardWraps

PROSE = (
    "Glaucoma is a disease of the optic nerve that is mostly without pain for years. The pressure inside of the eye is often "
    "raised, and what was lost of the field of vision does not come back. It is found by measuring the pressure and by looking "
    "at the nerve, which everybody over forty should have done every two years."
)
CHINESE = (
    "青光眼是一种损害视神经的疾病，多数患者多年没有疼痛。眼内压力往往升高，"
    "已经丢失的视野无法恢复。四十岁以上的人应当每两年检查一次眼压和眼底。"
)


def wrapped_chinese(width: int) -> str:
    return "\n".join(CHINESE[at : at + width] for at in range(0, len(CHINESE), width))


@pytest.mark.parametrize("width", [40, 58, 72])
def test_prose_wrapped_at_any_column_comes_back_as_it_was(width: int) -> None:
    check = HardWraps()
    broken = "\n".join(textwrap.wrap(PROSE, width))
    assert check.marks(broken)
    assert check.mend(broken) == PROSE
    assert check.mend(PROSE) == PROSE


@pytest.mark.parametrize("width", [15, 20, 30])
def test_chinese_is_joined_without_a_space(width: int) -> None:
    assert HardWraps().mend(wrapped_chinese(width)) == CHINESE


def test_a_word_that_a_hyphen_divides_is_one_word_again_and_paragraphs_stay() -> None:
    broken = "He had an exam-\nination of the eye.\n\nIt was well."
    assert HardWraps().mend(broken) == "He had an examination of the eye.\n\nIt was well."


@pytest.mark.parametrize(
    ("ending", "beginning", "joined"),
    [
        ("the inter-", "nal pressure", "the internal pressure"),
        ("it is a well-", "known cause", "it is a well-known cause"),  # the word's own hyphen
        ("some over-the-", "counter drops", "some over-the-counter drops"),
        ("it is COVID-", "19 again", "it is COVID-19 again"),
        ("in pre-", "and postoperative care", "in pre- and postoperative care"),
    ],
)
def test_a_hyphen_goes_only_where_the_line_has_put_it(ending: str, beginning: str, joined: str) -> None:
    before = f"Nobody is able to tell beforehand, not even the doctor, whether {ending}"
    broken = [before, *textwrap.wrap(f"{beginning} {PROSE}", len(before) + 1)]
    assert HardWraps().mend("\n".join(broken)) == f"{before.removesuffix(ending)}{joined} {PROSE}"


@pytest.mark.parametrize(
    "text",
    [
        "1. Wash your hands with soap\n2. Take the lens out of its case\n3. Rinse it with the solution",
        "- rest the eye for a day\n- drink enough water\n- call us if it hurts",
        "The market packs up,\none lemon left over\nrolls down the hill\nas free as a thought",
        "Sofie Moreau\n57 Harbour Road\n64752 Aarhus",
        "床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。",
        "Anna: Did you take the drops?\nBen: I did, in the morning.\nAnna: And in the evening?",
        "| eye | pressure |\n| --- | --- |\n| left | 14 |",
        "```\nfor row in rows:\n    print(row)\n```",
        "姓名：王芳\n年龄：四十岁\n主诉：视物模糊三天",
        "Short line\nanother short line",
        "for row in rows_of_the_table:\n    print(row_that_has_a_long_name)\n    count_of_rows = count_of_rows + 1",
        "生活就像海洋只有意志坚强的人才能到达彼岸\n学习就像爬山只有坚持不懈的人才能登上峰顶",
        "Treatment of raised blood pressure\ntreatment of diabetes mellitus now\ntreatment of heart disease",
        "The pre-\nand post-operative care",
        "A first paragraph that is one long line and ends here.\nA second that begins on a line of its own, as it should.",
    ],
)
def test_lines_that_somebody_ended_stay(text: str) -> None:
    assert not HardWraps().marks(text)
    assert HardWraps().mend(text) == text


def test_carriage_returns_go_with_the_breaks() -> None:
    assert HardWraps().mend("\r\n".join(textwrap.wrap(PROSE, 60))) == PROSE


@pytest.mark.parametrize("piece", ["a\n", "a", "word ", "x-\n", "a" * 60 + "\n", "word, " * 12 + "\n", "ab-\nab", "`ab-\ncd` "])
def test_a_hundred_thousand_characters_are_looked_at_and_mended_in_a_moment(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.monotonic()
    HardWraps().mend(text)
    assert time.monotonic() - began < 2
