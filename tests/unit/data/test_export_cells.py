"""Cells that no spreadsheet runs, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.data.cells import MARK, escape_cell, unescape_cell, unescaped

#: OWASP, "CSV Injection": beginnings that make a cell a formula, and their full-width forms.
SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

texts = st.text(st.sampled_from(("'", " ", "a", "1", '"', *SIGNS)), max_size=8) | st.text(max_size=8)


@pytest.mark.parametrize("sign", SIGNS)
def test_a_formula_gets_an_apostrophe_in_front(sign: str) -> None:
    assert escape_cell(f"{sign}1+1") == f"'{sign}1+1"


@pytest.mark.parametrize("space", [" ", "\t", "\u00a0", "\ufeff", "\u3000"])
def test_a_formula_behind_a_space_is_one_too(space: str) -> None:
    assert escape_cell(f"{space}=1+1") == f"'{space}=1+1"


@pytest.mark.parametrize("text", ["", "it's", "'quoted'", "a=b", "1-2", "高血压", "'", "[=1]", "x@y.org"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert escape_cell(text) == text


@given(texts)
@example("'=1")
@example("''=1")
@hypothesis_settings(database=None, deadline=None)
def test_a_cell_comes_back_as_it_was_and_never_begins_a_formula(text: str) -> None:
    cell = escape_cell(text)
    assert unescape_cell(cell) == text
    assert not cell.lstrip().startswith(SIGNS)
    assert not cell.startswith(SIGNS)


@given(texts, texts)
@hypothesis_settings(database=None, deadline=None)
def test_two_texts_never_become_the_same_cell(one: str, other: str) -> None:
    assert (escape_cell(one) == escape_cell(other)) == (one == other)


def test_only_a_file_with_the_mark_is_unescaped() -> None:
    assert unescaped({"question": "'=1", "answer": "'tis"}) == {"question": "'=1", "answer": "'tis"}
    assert unescaped({"question": "'=1", "answer": "'tis", MARK: "1"}) == {"question": "=1", "answer": "'tis"}
