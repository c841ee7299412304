"""Radicals and ligatures become the characters that were meant; everything else stays as it was written."""

from __future__ import annotations

import unicodedata

import pytest

from studio.data.checks.base import RowView
from studio.data.checks.radicals import Radicals
from studio.data.rows import NewRow


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("⾼⾎压病⼈每⽇⾷盐不超过6克。", "高血压病人每日食盐不超过6克。"),  # U+2F00–2FDF, as PDFs write them
        ("⻄医与⻓期⻅效", "西医与长期见效"),  # U+2EC4, U+2ED3, U+2EC5: NFKC leaves these as they are
        ("The ﬁrst eﬀect of the eﬃcient ﬂow", "The first effect of the efficient flow"),
    ],
)
def test_look_alikes_become_what_was_meant(broken: str, whole: str) -> None:
    check = Radicals()
    assert check.marks(broken)
    assert check.mend(broken) == whole
    assert not check.marks(whole)
    assert check.mend(whole) == whole


def test_the_kangxi_block_is_mended_as_nfkc_says() -> None:
    block = "".join(chr(code) for code in range(0x2F00, 0x2FD6))
    assert Radicals().mend(block) == unicodedata.normalize("NFKC", block)


def test_every_mapped_radical_of_the_supplement_becomes_an_ideograph() -> None:
    """Unicode 14.0, EquivalentUnifiedIdeograph.txt: spot checks by hand, and the class of all of them."""
    mend = Radicals().mend
    known = {"⺁": "厂", "⺠": "民", "⻁": "虎", "⻋": "车", "⻔": "门", "⻘": "青", "⻢": "马", "⻩": "黄", "⻰": "龙"}
    assert {old: mend(old) for old in known} == known
    for code in range(0x2E80, 0x2F00):
        new = mend(chr(code))
        assert new == chr(code) or unicodedata.name(new).startswith("CJK UNIFIED IDEOGRAPH")


@pytest.mark.parametrize(
    "text",
    [
        "“全角”标点，（括号）：ＡＢＣ１２３％！",  # full width is a way of writing
        "①②③ ㎎ ℃ ½ x² ™",  # NFKC would change every one of these
        "患者应卧床休息，多喝水。",
        "ﷺ ﬖ",  # other presentation forms
        "plain ASCII",
        "",
    ],
)
def test_what_only_looks_special_is_left(text: str) -> None:
    assert not Radicals().marks(text)
    assert Radicals().mend(text) == text


def test_places_are_told_as_runs_with_what_they_are() -> None:
    said = [{"role": "user", "content": "⾼⾎压 ﬁ"}, {"role": "assistant", "content": "好"}]
    view = RowView(NewRow("chat", {"messages": said}))
    assert [(spot.where, spot.start, spot.end, spot.what) for spot in Radicals().spots(view)] == [
        ("messages[0].content", 0, 2, "radical"),
        ("messages[0].content", 4, 5, "ligature"),
    ]
