"""What a row may hold, and the hashes by which it is found again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.rows import ROLES, check_content, content_hash, encoded, last_answer, prompt_hash, search_text
from studio.errors import DataError

USER = {"role": "user", "content": "高血压是什么？"}
ANSWER = {"role": "assistant", "content": "一种慢性病。"}
OTHER = {"role": "assistant", "content": "不知道。"}
SYSTEM = {"role": "system", "content": "You are a doctor."}

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"messages": [USER, ANSWER]}),
    ("chat", {"messages": [{"role": "system", "content": ""}, USER, ANSWER]}),
    (
        "chat",
        {
            "messages": [
                USER,
                {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]},
                {"role": "tool", "content": ""},
                ANSWER,
            ]
        },
    ),
    ("preference", {"messages": [USER], "chosen": [ANSWER], "rejected": [OTHER], "margin": 0.5}),
    ("feedback", {"messages": [USER, ANSWER], "label": False}),
    ("text", {"text": "青光眼"}),
    ("prompt", {"messages": [SYSTEM, USER], "answer": "x"}),
    ("choice", {"question": "2 + 2?", "options": ["3", "4"], "answer": 1}),
    ("label", {"text": "good", "label": "positive"}),
]

# kind, content, key, field
BAD: list[tuple[str, Any, str, str]] = [
    ("poem", {}, "unknown_kind", "kind"),
    ("chat", [], "not_an_object", "content"),
    ("chat", {}, "no_messages", "messages"),
    ("chat", {"messages": []}, "no_messages", "messages"),
    ("chat", {"messages": [USER, ANSWER], "mood": 1}, "unknown_field", "mood"),
    ("chat", {"messages": [USER, "hello"]}, "not_an_object", "messages[1]"),
    ("chat", {"messages": [USER, {"role": "gpt", "content": "x"}]}, "unknown_role", "messages[1].role"),
    ("chat", {"messages": [USER, {"role": ["user"], "content": "x"}]}, "unknown_role", "messages[1].role"),
    ("chat", {"messages": [USER, {"role": "assistant", "content": 7}]}, "not_text", "messages[1].content"),
    ("chat", {"messages": [USER, {"role": "assistant"}]}, "not_text", "messages[1].content"),
    ("chat", {"messages": [USER, {"role": "assistant", "content": " \u3000\n"}]}, "empty_answer", "messages[1].content"),
    ("chat", {"messages": [{"role": "user", "content": ""}, ANSWER]}, "empty_question", "messages[0].content"),
    ("chat", {"messages": [USER, ANSWER | {"weight": 0}]}, "unknown_field", "messages[1].weight"),
    ("chat", {"messages": [SYSTEM, SYSTEM, USER, ANSWER]}, "two_system_messages", "messages"),
    ("chat", {"messages": [USER, SYSTEM, ANSWER]}, "system_not_first", "messages[1].role"),
    ("chat", {"messages": [ANSWER]}, "no_question", "messages"),
    ("chat", {"messages": [SYSTEM, USER]}, "no_answer", "messages"),
    ("chat", {"messages": [USER, ANSWER, USER]}, "last_not_assistant", "messages[2].role"),
    ("chat", {"messages": [USER, ANSWER], "tools": {}}, "wrong_type", "tools"),
    ("preference", {"messages": [USER], "chosen": [ANSWER], "rejected": [ANSWER]}, "same_answers", "rejected"),
    ("preference", {"messages": [USER, ANSWER], "chosen": [ANSWER], "rejected": [OTHER]}, "last_not_user", "messages[1].role"),
    ("preference", {"messages": [USER], "chosen": [USER], "rejected": [OTHER]}, "last_not_assistant", "chosen[0].role"),
    ("preference", {"messages": [USER], "chosen": [ANSWER], "rejected": [OTHER], "margin": True}, "wrong_type", "margin"),
    ("feedback", {"messages": [USER, ANSWER], "label": 1}, "wrong_type", "label"),
    ("text", {"text": " "}, "empty_text", "text"),
    ("prompt", {"messages": [USER], "answer": ""}, "empty_answer", "answer"),
    ("choice", {"question": "?", "options": ["a"], "answer": 0}, "too_few_options", "options"),
    ("choice", {"question": "?", "options": ["a", "a"], "answer": 0}, "same_options", "options"),
    ("choice", {"question": "?", "options": ["a", "b"], "answer": 2}, "answer_out_of_range", "answer"),
    ("choice", {"question": "?", "options": ["a", "b"], "answer": True}, "answer_out_of_range", "answer"),
    ("label", {"text": "a", "label": None}, "not_text", "label"),
    ("text", {"text": "a\ud800"}, "lone_surrogate", "text"),
    ("text", {"text": "a\0b"}, "nul_character", "text"),
    (
        "preference",
        {"messages": [USER], "chosen": [ANSWER], "rejected": [OTHER], "margin": float("nan")},
        "not_a_number",
        "margin",
    ),
]


@pytest.mark.parametrize(("kind", "content"), GOOD)
def test_good_content_of_every_kind_is_accepted(kind: str, content: dict[str, Any]) -> None:
    check_content(kind, content)


@pytest.mark.parametrize(("kind", "content", "what", "field"), BAD)
def test_bad_content_names_what_and_where(kind: str, content: Any, what: str, field: str) -> None:
    with pytest.raises(DataError) as caught:
        check_content(kind, content)
    assert (caught.value.key, caught.value.field) == (f"error.data.{what}", field)
    assert caught.value.params["where"] == field


def test_content_nested_beyond_all_reason_is_refused_without_recursion() -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    with pytest.raises(DataError) as caught:
        check_content("chat", {"messages": [USER, ANSWER], "tools": value})
    assert caught.value.key == "error.data.too_deep"
    assert caught.value.params == {"where": "tools", "limit": 64}
    while isinstance(value, list):  # taken apart here: the interpreter would free it recursively
        value = value[0]


def test_content_hash_is_sha256_of_canonical_json() -> None:
    expected = hashlib.sha256('{"a":"é","b":[1,true,null]}'.encode()).hexdigest()  # CONTRACTS 2, written by hand
    assert content_hash({"b": [1, True, None], "a": "é"}) == expected


def test_content_hash_does_not_normalise_unicode() -> None:
    assert content_hash({"text": "\u00e9"}) != content_hash({"text": "e\u0301"})


def test_prompt_hash_ignores_the_last_answer_only() -> None:
    first = prompt_hash("chat", {"messages": [USER, ANSWER]})
    assert first == prompt_hash("chat", {"messages": [USER, OTHER]})
    assert first != prompt_hash("chat", {"messages": [SYSTEM, USER, ANSWER]})
    assert first != prompt_hash("chat", {"messages": [USER, ANSWER, USER, OTHER]})


def test_a_prompt_is_found_again_in_other_kinds() -> None:
    expected = prompt_hash("prompt", {"messages": [USER]})
    assert prompt_hash("chat", {"messages": [USER, ANSWER]}) == expected
    assert prompt_hash("feedback", {"messages": [USER, ANSWER], "label": True}) == expected
    assert prompt_hash("preference", {"messages": [USER], "chosen": [ANSWER], "rejected": [OTHER]}) == expected


def test_last_answers_and_searchable_words() -> None:
    answers = [last_answer(kind, content) for kind, content in GOOD]
    assert answers == [*["一种慢性病。"] * 5, None, "x", "4", "positive"]
    assert search_text("chat", {"messages": [SYSTEM, USER, ANSWER]}) == "You are a doctor.\n高血压是什么？\n一种慢性病。"
    assert search_text("choice", {"question": "q", "options": ["a", "b"], "answer": 0}) == "q\na\nb"
    assert search_text("label", {"text": "t", "label": "l"}) == "t\nl"
    assert search_text("prompt", {"messages": [USER], "answer": "x"}).endswith("\nx")


# --- all at once ------------------------------------------------------------------------------------------------------

_TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20).filter(str.strip)
_TURNS = st.lists(
    st.builds(
        lambda role, text, first: {"content": text, "role": role} if first else {"role": role, "content": text},
        st.sampled_from(ROLES),
        _TEXTS,
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)
_CONTENTS = st.one_of(
    st.tuples(st.just("chat"), st.fixed_dictionaries({"messages": _TURNS})),
    st.tuples(st.just("chat"), st.fixed_dictionaries({"messages": _TURNS, "tools": st.just([{"name": "f", "a": 1}])})),
    st.tuples(st.just("text"), st.fixed_dictionaries({"text": _TEXTS})),
    st.tuples(st.just("choice"), st.fixed_dictionaries({"question": _TEXTS, "options": st.lists(_TEXTS), "answer": st.just(0)})),
)


@given(_CONTENTS)
def test_what_is_stored_of_a_content_is_what_each_function_says_alone(pair: tuple[str, dict[str, Any]]) -> None:
    kind, content = pair
    stored = encoded(kind, content)
    assert stored.content == json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    assert stored.content_hash == content_hash(content)
    assert stored.prompt_hash == prompt_hash(kind, content)
    assert stored.search_text == search_text(kind, content)
