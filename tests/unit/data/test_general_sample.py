"""The bundled replay set: general questions mixed into a fine-tune on a narrow domain, against forgetting."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from studio.data.importer import inspect_file
from studio.data.rows import check_content, prompt_hash

SAMPLES = Path(__file__).parents[3] / "assets" / "sample"
GENERAL = SAMPLES / "general.jsonl"
EYE_CARE = SAMPLES / "eye-care.jsonl"

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LATIN_WORD = re.compile(r"[A-Za-z']+")
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
FILLER = ("Sure", "Of course", "Certainly", "Absolutely", "Great question", "当然", "好的", "没问题", "作为一个")


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _said(row: dict[str, Any], role: str) -> list[str]:
    return [message["content"] for message in row["messages"] if message["role"] == role]


def _language(row: dict[str, Any]) -> str:
    """The language of the person who asks: a Chinese character counts as one English word."""
    text = " ".join(_said(row, "user"))
    return "zh" if len(CHINESE.findall(text)) > len(LATIN_WORD.findall(text)) else "en"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return _read(GENERAL)


def test_every_row_is_a_valid_conversation_marked_as_replay(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        check_content("chat", {"messages": row["messages"]})
        assert row.keys() == {"messages", "topic", "tags"}
        assert row["topic"]
        assert row["tags"] == ["replay"]


def test_an_import_takes_all_160_rows() -> None:
    found = inspect_file(GENERAL, GENERAL.name)

    assert (found.n_good, found.n_refused) == (160, 0)


def test_half_of_the_rows_ask_in_chinese_and_half_in_english(rows: list[dict[str, Any]]) -> None:
    assert Counter(_language(row) for row in rows) == {"zh": 80, "en": 80}


def test_both_languages_cover_the_same_topics(rows: list[dict[str, Any]]) -> None:
    topics = {language: Counter(row["topic"] for row in rows if _language(row) == language) for language in ("zh", "en")}

    assert topics["zh"] == topics["en"]


def test_nothing_is_asked_twice(rows: list[dict[str, Any]]) -> None:
    asked = Counter(" ".join(question.split()).casefold() for row in rows for question in _said(row, "user"))

    assert [question for question, n in asked.items() if n > 1] == []


def test_nothing_is_answered_twice_in_the_same_words(rows: list[dict[str, Any]]) -> None:
    """Single words ("yes", "是") may come back, sentences may not."""
    answered = Counter(answer for row in rows for answer in _said(row, "assistant") if len(answer) > 10)

    assert [answer for answer, n in answered.items() if n > 1] == []


def test_no_question_is_shared_with_the_eye_care_sample(rows: list[dict[str, Any]]) -> None:
    def prompts(some: list[dict[str, Any]]) -> set[str]:
        return {prompt_hash("chat", {"messages": row["messages"]}) for row in some}

    assert not prompts(rows) & prompts(_read(EYE_CARE))


def test_several_turns_and_system_prompts_are_well_represented(rows: list[dict[str, Any]]) -> None:
    turns = [len(_said(row, "user")) for row in rows]

    assert sum(n > 1 for n in turns) >= 24
    assert max(turns) <= 3
    assert sum(bool(_said(row, "system")) for row in rows) >= 16


def test_no_answer_opens_with_filler(rows: list[dict[str, Any]]) -> None:
    assert [answer for row in rows for answer in _said(row, "assistant") if answer.startswith(FILLER)] == []


def test_python_in_the_answers_compiles(rows: list[dict[str, Any]]) -> None:
    blocks = [block for row in rows for answer in _said(row, "assistant") for block in PYTHON_BLOCK.findall(answer)]

    assert len(blocks) >= 10
    for block in blocks:
        compile(block, "answer", "exec")


def test_json_in_the_answers_can_be_read(rows: list[dict[str, Any]]) -> None:
    answers = [answer for row in rows for answer in _said(row, "assistant") if answer[0] in "{["]

    assert len(answers) >= 8
    for answer in answers:
        json.loads(answer)
