"""What a bulk change does to one row, of every kind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from studio.data import revisions
from studio.data.operations import Operation
from studio.data.rows import NewRow
from studio.data.store import GAP, StoredRow
from studio.errors import DataError
from studio.jobs.context import JobContext
from studio.text import LANGS, text
from tests.unit.data.edited import chat, plain, questions, said

Context = Callable[..., JobContext]


def stored(new: NewRow, position: int = GAP) -> StoredRow:
    fields = {name: getattr(new, name) for name in NewRow.__dataclass_fields__}
    return StoredRow(id=1, position=position, content_hash="", prompt_hash="", n_chars=0, since=1, author="", **fields)


def operation(**values: Any) -> Any:
    return TypeAdapter(Operation).validate_python(values)


def after(new: NewRow, **values: Any) -> list[NewRow]:
    """What becomes of a row, which itself is left as it was."""
    old = stored(new)
    before = copy.deepcopy(old)
    found: list[NewRow] = operation(**values).rows(old)
    assert old == before
    return found


# --- replace ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "before", "expected"),
    [
        ({"find": "eye", "put": "ear"}, "Eye, eye and EYES", "ear, ear and earS"),
        ({"find": "eye", "put": "ear", "match_case": True}, "Eye, eye and EYES", "Eye, ear and EYES"),
        ({"find": "眼压", "put": "血压"}, "眼压高，眼压低", "血压高，血压低"),
        ({"find": "STRASSE", "put": "Weg"}, "die straße", "die Weg"),
        ({"find": "σας", "put": "x"}, "ΣΑΣ σασ", "x x"),
        ({"find": "ПРИВЕТ", "put": "x"}, "привет", "x"),
        ({"find": "a.c", "put": "x"}, "abc a.c A.C", "abc x x"),
        ({"find": "é", "put": "e"}, "e\u0301 é É", "e\u0301 e e"),
        ({"find": "a", "put": r"\1\n"}, "a", r"\1\n"),
        ({"find": r"(\w+) (\w+)", "put": r"\2 \1", "regex": True}, "one two", "two one"),
        ({"find": r"(?P<d>\d+) mmhg", "put": r"\g<d> mmHg", "regex": True}, "21 MMHG", "21 mmHg"),
        ({"find": r"mmhg", "put": "x", "regex": True, "match_case": True}, "mmHg mmhg", "mmHg x"),
        ({"find": r"(a)|b", "put": r"<\1>", "regex": True}, "ab", "<a><>"),
        ({"find": r"\s+$", "put": "", "regex": True}, "a  ", "a"),
        ({"find": r"(?x) a # b", "put": "x", "regex": True}, "ab", "xb"),
    ],
)
def test_text_is_replaced_as_a_person_means_it(options: dict[str, Any], before: str, expected: str) -> None:
    (row,) = after(plain(before), do="replace", **options)
    assert row.content == {"text": expected}


FULL = NewRow(
    "chat",
    {
        "messages": [
            {"role": "system", "content": "x"},
            {"role": "user", "content": "x", "name": "x"},
            {"role": "assistant", "content": "x", "reasoning_content": "x", "tool_calls": [{"id": "x", "function": "x"}]},
            {"role": "tool", "content": "x", "tool_call_id": "x"},
            {"role": "assistant", "content": "x"},
        ],
        "tools": [{"x": "x"}],
    },
    tags=["x"],
    topic="x",
    extra={"x": "x"},
)
PAIR = NewRow(
    "preference",
    {
        "messages": said("x", "x", "x"),
        "chosen": [{"role": "assistant", "content": "x"}],
        "rejected": [{"role": "assistant", "content": "y x"}],
    },
)


@pytest.mark.parametrize(
    ("where", "is_hit"), [("all", "110110"), ("answers", "000110"), ("questions", "010000"), ("system", "100000")]
)
def test_only_texts_of_the_wanted_role_are_replaced_and_never_the_json_of_tools(where: str, is_hit: str) -> None:
    """`is_hit` in order: system, user, the user's name, the assistant's answer, its thoughts, its tool call."""
    (row,) = after(FULL, do="replace", find="x", put="NEW", where=where)
    messages = row.content["messages"]
    hit = [messages[0]["content"], messages[1]["content"], messages[1]["name"]]
    hit += [messages[2]["content"], messages[2]["reasoning_content"], messages[2]["tool_calls"][0]["id"]]
    assert "".join(str(int(word == "NEW")) for word in hit) == is_hit
    assert messages[3] == {"role": "tool", "content": "NEW" if where == "all" else "x", "tool_call_id": "x"}
    assert row.content["tools"] == [{"x": "x"}]
    assert replace(row, content=FULL.content) == FULL


@pytest.mark.parametrize(
    ("row", "where", "content"),
    [
        (PAIR, "answers", {"messages": said("x", "N", "x"), "chosen": said("", "N")[1:], "rejected": said("", "y N")[1:]}),
        (PAIR, "questions", {"messages": said("N", "x", "N"), "chosen": said("", "x")[1:], "rejected": said("", "y x")[1:]}),
        (NewRow("prompt", {"messages": said("x"), "answer": "x"}), "answers", {"messages": said("x"), "answer": "N"}),
        (NewRow("prompt", {"messages": said("x"), "answer": "x"}), "questions", {"messages": said("N"), "answer": "x"}),
        (
            NewRow("choice", {"question": "x", "options": ["x", "b"], "answer": 0}),
            "questions",
            {"question": "N", "options": ["x", "b"], "answer": 0},
        ),
        (
            NewRow("choice", {"question": "x", "options": ["x", "b"], "answer": 0}),
            "all",
            {"question": "N", "options": ["N", "b"], "answer": 0},
        ),
        (NewRow("label", {"text": "x", "label": "x"}), "all", {"text": "N", "label": "N"}),
        (NewRow("label", {"text": "x", "label": "x"}), "answers", {"text": "x", "label": "x"}),
        (
            NewRow("feedback", {"messages": said("x", "x"), "label": True}),
            "answers",
            {"messages": said("x", "N"), "label": True},
        ),
    ],
)
def test_every_kind_of_row_knows_its_questions_and_answers(row: NewRow, where: str, content: dict[str, Any]) -> None:
    (new,) = after(row, do="replace", find="x", put="N", where=where)
    assert new.content == content


@pytest.mark.parametrize(
    ("values", "key", "field"),
    [
        ({"find": ""}, "error.data.nothing_to_find", "find"),
        ({"find": "a", "put": "\0"}, "error.data.nul_character", "put"),
        ({"find": "a(b", "regex": True}, "error.find.bad_pattern", "find"),
        ({"find": "(?x) a # (", "put": r"\1", "regex": True}, "error.data.bad_replacement", "put"),
        ({"find": "(a)", "put": r"\2", "regex": True}, "error.data.bad_replacement", "put"),
        ({"find": "(a)", "put": r"\g<no>", "regex": True}, "error.data.bad_replacement", "put"),
        ({"find": "a", "put": "\\", "regex": True}, "error.data.bad_replacement", "put"),
    ],
)
def test_a_replacement_that_cannot_work_is_told_before_anything_is_done(values: dict[str, Any], key: str, field: str) -> None:
    with pytest.raises(DataError) as caught:
        operation(do="replace", **values)
    assert (caught.value.key, caught.value.field) == (key, field)


def test_the_place_of_a_patterns_mistake_is_told() -> None:
    with pytest.raises(DataError) as caught:
        operation(do="replace", find="ab[c", regex=True)
    assert caught.value.params == {"pattern": "ab[c", "position": 5}


def test_a_pattern_that_would_take_hours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.data.operations._PATTERN_S", 0.05)
    with pytest.raises(DataError) as caught:
        after(plain("a" * 5_000 + "b"), do="replace", find="(a+)+$", put="x", regex=True)
    assert (caught.value.key, caught.value.field) == ("error.find.slow_pattern", "find")


# --- the other operations ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "without", "with_one"), [("missing", "new", "old"), ("always", "new", "new"), ("remove", None, None)]
)
def test_a_system_message_is_added_set_or_removed(when: str, without: str | None, with_one: str | None) -> None:
    for system, expected in ((None, without), ("old", with_one)):
        for row in (chat("q", "a", system=system), NewRow("prompt", {"messages": said("q", system=system)})):
            (new,) = after(row, do="system", text="new", when=when)
            rest = row.content["messages"][system is not None :]
            first = [] if expected is None else [{"role": "system", "content": expected}]
            assert new.content == {"messages": [*first, *rest]}


def test_a_row_without_messages_has_no_system_message() -> None:
    assert after(plain("a"), do="system", text="new", when="always") == [plain("a")]


def test_tags_come_behind_those_that_are_there_and_none_twice() -> None:
    row = replace(plain("a"), tags=["b", "c"])
    assert after(row, do="tag", add=["d", "b", "d"], remove=["c", "z"])[0].tags == ["b", "d"]
    assert after(row, do="tag", add=["c"], remove=["c"])[0].tags == ["b", "c"]


@pytest.mark.parametrize(("field", "value"), [("split", "test"), ("split", None), ("flag", "odd"), ("flag", None)])
def test_a_field_is_set_or_emptied(field: str, value: str | None) -> None:
    row = NewRow("text", {"text": "a"}, split="train", flag="f", topic="x")
    assert after(row, do=field, **{field: value}) == [replace(row, **{field: value})]


def test_delete_leaves_nothing() -> None:
    assert after(plain("a"), do="delete") == []


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"do": "split", "split": "dev"}, "error.data.unknown_split"),
        ({"do": "flag", "flag": "f" * 201}, "error.data.label_too_long"),
        ({"do": "topic", "topic": " "}, "error.data.empty_text"),
        ({"do": "tag", "add": ["\0"]}, "error.data.nul_character"),
    ],
)
def test_what_no_field_can_hold_is_told_at_once(values: dict[str, Any], key: str) -> None:
    with pytest.raises(DataError) as caught:
        operation(**values)
    assert caught.value.key == key
    with pytest.raises(ValidationError):
        operation(do="nonsense")


# --- cut --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "turns", "parts"),
    [
        (5, 2, [["0", "2"], ["4", "6"], ["8"]]),
        (4, 2, [["0", "2"], ["4", "6"]]),
        (2, 2, [["0", "2"]]),
        (3, 1, [["0"], ["2"], ["4"]]),
    ],
)
def test_a_long_conversation_becomes_parts_of_at_most_so_many_questions(n: int, turns: int, parts: list[list[str]]) -> None:
    row = chat(*map(str, range(2 * n)), system="s", references=["r"], rule={"a": 1}, tags=["t"])
    new = after(row, do="cut", max_turns=turns)
    assert questions(new) == parts
    assert [message for part in new for message in part.content["messages"][1:]] == row.content["messages"][1:]
    assert all(part.content["messages"][0] == {"role": "system", "content": "s"} for part in new)
    if len(new) == 1:
        assert new == [row]
        return
    assert {part.group_key for part in new} == {f"row-{GAP}"}
    assert [(part.references, part.rule) for part in new] == [([], None)] * (len(new) - 1) + [(["r"], {"a": 1})]
    assert all(part.tags == ["t"] for part in new)
    for part in new:
        revisions.checked(part)


def test_a_cut_falls_only_between_an_answer_and_a_question() -> None:
    """Two questions in a row are one turn, a greeting goes with the first question, tool results stay with their call."""
    call = {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}
    answered = [call, {"role": "tool", "content": "5"}, {"role": "assistant", "content": "a2"}]
    turns = [
        [{"role": "assistant", "content": "Welcome"}, *said("q1", "a1")],
        [*said("and")[:1], *said("q2")[:1], *answered],
        said("q3", "a3"),
    ]
    row = NewRow("chat", {"messages": [message for turn in turns for message in turn], "tools": [{"f": 1}]}, group_key="g")
    new = after(row, do="cut", max_turns=1)
    assert [part.content["messages"] for part in new] == turns
    assert all((part.content["tools"], part.group_key) == ([{"f": 1}], "g") for part in new)


def test_only_conversations_are_cut() -> None:
    row = NewRow("feedback", {"messages": said("q", "a", "q", "a"), "label": True})
    assert after(row, do="cut", max_turns=1) == [row]


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"do": "replace", "find": "长" * 200, "put": "b"},
        *({"do": "system", "text": "t", "when": when} for when in ("missing", "always", "remove")),
        {"do": "delete"},
        {"do": "tag", "add": ["a"], "remove": ["b"]},
        *({"do": "split", "split": split} for split in ("train", "validation", "test", None)),
        *({"do": "flag", "flag": flag} for flag in ("f", None)),
        *({"do": "topic", "topic": topic} for topic in ("t", None)),
        {"do": "cut", "max_turns": 3},
    ],
)
def test_every_operation_is_told_in_both_languages(values: dict[str, Any]) -> None:
    key, params = operation(**values).summary()
    for lang in LANGS:
        told = text(lang, key, **params, n=7)
        assert "7" in told
        assert "{" not in told
        assert len(told) < 160
    assert all(len(value) <= 60 for value in params.values() if isinstance(value, str))
