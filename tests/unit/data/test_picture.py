"""The picture of a dataset: its numbers against hand arithmetic and second implementations."""

from __future__ import annotations

import json
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from components.page import render as page
from studio.data.checks.base import Context, RowView
from studio.data.checks.too_long import TooLong
from studio.data.figures import balance, distinct, histogram, lengths, percent, quantile
from studio.data.picture import Picture
from studio.data.render import Template, render
from studio.data.rows import NewRow
from studio.text import LANGS, text


def talk(question: str, answer: str, *, system: str = "", **more: Any) -> NewRow:
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return NewRow("chat", {"messages": messages}, **more)


def picture_of(rows: Iterable[NewRow], context: Context | None = None) -> dict[str, Any]:
    picture = Picture(context or Context())
    for row in rows:
        picture.add(RowView(row))
    return picture.as_json()


def said(picture: dict[str, Any], lang: Any = "en") -> list[str]:
    return [text(lang, one["key"], **one["params"]) for one in picture["said"]]


@pytest.fixture
def template(model_folder: Callable[[str], Path]) -> Template:
    return Template.load(model_folder("chatml"))


# --- formulas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "one", "two"),
    [
        (["好的好的好的好的"], 0.25, 0.2857),  # 好 的 of 8; 好的 的好 of 7
        (["The cat, the CAT"], 0.5, 0.6667),  # the cat of 4; the-cat cat-the of 3
        (["好的", "的好"], 0.5, 1.0),  # no pair goes from one answer into the next
        (["用CT检查"], 1.0, 1.0),  # 用 · ct · 检 · 查: a quoted term is one word
        (["don’t"], 1.0, None),
        (["……", "!"], None, None),
    ],
)
def test_distinct_n_grams(texts: list[str], one: float, two: float | None) -> None:
    assert distinct(texts, 1) == one
    assert distinct(texts, 2) == two


def test_evenness_is_entropy_over_its_largest_value() -> None:
    """H(1/4) = 0.8113 bits of 1; three classes of 2 : 1 : 1 have 1.5 bits of log2(3) = 1.585."""
    assert balance(Counter({"a": 3, "b": 1}))["evenness"] == 0.8113
    assert balance(Counter({"a": 2, "b": 1, "c": 1}))["evenness"] == 0.9464
    assert balance(Counter({"a": 5, "b": 5}))["evenness"] == 1
    assert balance(Counter({"a": 5, "b": 0}))["evenness"] == 0
    assert balance(Counter({"a": 5}))["evenness"] is None


def test_the_twenty_largest_classes_are_named_and_what_names_one_row_only_among_few() -> None:
    few = balance(Counter({"a": 3, "b": 1}))
    assert (few["classes"], few["others"], few["largest"]) == ([["a", 3], ["b", 1]], 0, 0.75)
    many = balance(Counter({f"class {at}": 50 - at for at in range(30)}))
    assert (len(many["classes"]), many["n_classes"], many["others"]) == (20, 30, sum(range(21, 31)))
    free_text = balance(Counter({f"What a person wrote, {at}": 1 for at in range(30)}))
    assert (free_text["classes"], free_text["others"]) == ([], 30)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=300))
@hypothesis_settings(database=None, deadline=None)
def test_quantiles_are_those_of_the_standard_library(values: list[int]) -> None:
    told = lengths(values)
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    for name, cut in (("median", cuts[49]), ("p90", cuts[89]), ("p99", cuts[98])):
        assert told[name] == pytest.approx(cut, abs=0.051)
    assert (told["count"], told["min"], told["max"]) == (len(values), min(values), max(values))


def test_a_quantile_lies_between_its_neighbours() -> None:
    assert quantile([10, 20, 30, 40], 0.5) == 25
    assert quantile([10, 20, 30, 40], 0.9) == 37  # place 2.7: 30 + 0.7 · 10
    assert quantile([7], 0.99) == 7


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=300), st.none() | st.integers(1, 10**6))
@hypothesis_settings(database=None, deadline=None)
def test_a_histogram_holds_every_length_once_in_at_most_24_bins(values: list[int], limit: int | None) -> None:
    ordered = sorted(values)
    bins = histogram(ordered, limit)
    start, step, counts = bins["start"], bins["step"], bins["counts"]
    assert counts == [sum(start + at * step <= value < start + (at + 1) * step for value in values) for at in range(len(counts))]
    assert sum(counts) + bins["longer"] == len(values)
    assert bins["longer"] <= len(values) / 100 + 1
    assert 1 <= len(counts) + (bins["longer"] > 0) <= 24
    assert start % step == 0
    assert str(step).strip("0") in ("1", "2", "5", "25")
    assert all(start <= tick <= start + len(counts) * step and (tick - start) % step == 0 for tick in bins["ticks"])
    assert len(bins["ticks"]) <= 8


def test_a_limit_that_is_near_is_inside_the_histogram_and_a_far_one_does_not_squeeze_it() -> None:
    assert (histogram([100, 300], 512)["start"], histogram([100, 300], 512)["step"]) == (100, 20)
    near, far = histogram([100, 300], 512), histogram([10, 30], 512)
    assert near["start"] + near["step"] * len(near["counts"]) > 512
    assert far["start"] + far["step"] * len(far["counts"]) == 31


@pytest.mark.parametrize(
    ("share", "told"), [(0, 0), (1, 100), (0.8, 80), (0.031, 3.1), (0.00001, 0.1), (0.9999, 99.9), (0.995, 99.5), (0.126, 13)]
)
def test_a_share_is_never_told_as_none_or_all_when_it_is_not(share: float, told: float) -> None:
    assert percent(share) == told


# --- what is counted --------------------------------------------------------------------------------------------------


def test_rows_are_counted_by_split_and_kind_and_their_messages() -> None:
    rows = [talk("a", "b", split="train"), talk("c", "d", split="test", system="s"), NewRow("text", {"text": "t"})]
    rows.append(NewRow("preference", {"messages": [said_by("user", "e")], "chosen": [said_by("assistant", "f")],
                                      "rejected": [said_by("assistant", "a rejected answer")]}))
    told = picture_of(rows)
    assert told["n_rows"] == 4
    assert told["splits"] == {"train": 1, "test": 1, "none": 2}
    assert told["kinds"] == {"chat": 2, "text": 1, "preference": 1}
    assert told["turns"] == {"count": 3, "median": 2, "max": 3}
    assert told["lengths"]["assistant"]["max"] == 1  # nothing of what was rejected


def said_by(role: str, words: str, **more: str) -> dict[str, str]:
    return {"role": role, "content": words, **more}


def test_lengths_are_told_for_each_role_and_for_reasoning_apart() -> None:
    messages = [said_by("system", "1"), said_by("user", "22"), said_by("assistant", "333", reasoning_content="4444")]
    told = picture_of([NewRow("chat", {"messages": [*messages, said_by("tool", "55555"), said_by("assistant", "666666")]})])
    sizes = {role: (found["min"], found["max"]) for role, found in told["lengths"].items()}
    assert sizes == {"rows": (21, 21), "system": (1, 1), "user": (2, 2), "assistant": (3, 6), "reasoning": (4, 4), "tool": (5, 5)}
    assert (told["unit"], told["limit"], told["over_limit"]) == ("chars", None, None)


def test_openings_that_stand_once_are_not_told() -> None:
    rows = [talk(f"请问第{at}题？", answer) for at, answer in enumerate(["好的，是。", "好的，否。", "王芳说过。"])]
    told = picture_of(rows)["openings"]
    assert told["user"] == {"count": 3, "top": [["请问", 3]]}
    assert told["assistant"] == {"count": 3, "top": [["好的", 2]]}


def test_first_questions_that_stand_twice_are_counted_once() -> None:
    told = picture_of([talk(question, "b") for question in ("One?", "Two?", "One? ", "one?")])["diversity"]
    assert (told["n_questions"], told["distinct_questions"]) == (4, 0.75)


def test_classes_are_labels_right_options_judgements_and_topics() -> None:
    options = {"question": "Which?", "options": ["w", "x", "y", "z"]}
    rows = [NewRow("label", {"text": "t", "label": label}, topic="eyes") for label in "aab"]
    rows += [NewRow("choice", options | {"answer": 1})] * 3
    rows += [NewRow("feedback", {"messages": [said_by("user", "a"), said_by("assistant", "b")], "label": True})]
    told = picture_of(rows)["balance"]
    assert told["label"]["classes"] == [["a", 2], ["b", 1]]
    assert (told["choice"]["classes"][0], told["choice"]["n_classes"], told["choice"]["evenness"]) == (["B", 3], 4, 0)
    assert sorted(told["feedback"]["classes"]) == [["false", 0], ["true", 1]]
    assert told["topic"] == balance(Counter({"eyes": 3}))


# --- the sample -------------------------------------------------------------------------------------------------------


def test_the_sample_is_spread_evenly_and_the_same_each_time() -> None:
    """Every twentieth of the rows gives a twentieth of the sample, up to two rows."""
    rows = [talk("q", "a" * (1 + at * 100 // 10_000)) for at in range(10_000)]
    told = picture_of(rows)
    assert told["sample"] == {"n_rows": 1252, "every": 8}
    counts = told["lengths"]["assistant"]["histogram"]
    assert (counts["step"], counts["start"]) == (5, 0)
    assert all(abs(n - 62.6) <= 2 for n in counts["counts"][1:-1])
    assert picture_of(rows) == told


def test_a_dataset_whose_languages_take_turns_is_seen_in_both() -> None:
    rows = [talk("眼睛红怎么办？", "去看医生。") if at % 2 else talk("Red eyes?", "See a doctor.") for at in range(7_000)]
    told = picture_of(rows)
    assert told["sample"]["every"] == 4
    assert told["languages"]["zh"]["share"] == pytest.approx(0.5, abs=0.01)


def test_long_rows_make_the_sample_smaller() -> None:
    told = picture_of(talk("q", "a" * 50_000) for _ in range(100))
    assert 15 <= told["sample"]["n_rows"] <= 40
    assert picture_of([talk("q", "a" * 3_000_000)])["sample"]["n_rows"] == 1


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_lengths_are_tokens_of_the_base_and_whole_rows_those_of_training(template: Template) -> None:
    asked, answer = "What is hypertension?", "高血压是指血压持续升高的慢性疾病。"
    rows = [talk(asked, answer * n, system="You are helpful.") for n in range(1, 9)]
    told = picture_of(rows, Context("b", template, 100))
    whole = [render(row.kind, row.content, template).n_tokens for row in rows]
    answers = [row.content["messages"][2]["content"] for row in rows]
    tokens = [len(template.tokenizer.encode(answer, add_special_tokens=False).ids) for answer in answers]
    assert (told["unit"], told["limit"], told["base"]) == ("tokens", 100, "b")
    assert told["lengths"]["rows"] == lengths(whole, 100)
    assert told["lengths"]["assistant"] == lengths(tokens)
    assert told["over_limit"] == sum(n > 100 for n in whole) / 8
    assert told["languages"]["zh"]["per_char"] == pytest.approx(sum(tokens) / sum(map(len, answers)), abs=1e-4)


def test_rows_over_the_limit_are_those_that_the_check_finds(template: Template) -> None:
    """The two each know by themselves what a training renders of a row."""
    rng = random.Random(5)
    rows = []
    for _ in range(60):
        asked, good, bad = (said_by(role, "The user asks. " * rng.randint(1, 12)) for role in ("user", "assistant", "assistant"))
        rows.append(NewRow("chat", {"messages": [asked, good]}))
        rows.append(NewRow("feedback", {"messages": [asked, good], "label": True}))
        rows.append(NewRow("preference", {"messages": [asked], "chosen": [good], "rejected": [bad]}))
        rows.append(NewRow("text", {"text": asked["content"] + bad["content"]}))
    context = Context("b", template, 120)
    found = [row for row in rows if TooLong(context).spots(RowView(row))]
    assert 20 < len(found) < 200
    assert picture_of(rows, context)["over_limit"] == len(found) / len(rows)


def test_rows_that_no_training_reads_have_no_length_as_a_whole(template: Template) -> None:
    rows = [NewRow("label", {"text": "t", "label": "a"}), NewRow("choice", {"question": "q", "options": ["a", "b"], "answer": 0})]
    told = picture_of(rows, Context("b", template, 100))
    assert (told["lengths"].keys(), told["over_limit"]) == ({"user", "text"}, None)


# --- what it says -----------------------------------------------------------------------------------------------------


def test_it_says_first_what_asks_for_something(template: Template) -> None:
    rows = [talk(f"请问第{at}题？" if at % 5 else f"第{at}题？", f"第{at}题选甲。", split="train") for at in range(50)]
    rows += [talk("第五十题", "很长的回答。" * 90, split="test")]
    told = picture_of(rows, Context("b", template, 512))
    assert said(told)[:2] == ["2 % of the rows are longer than 512 tokens; training leaves them out.",
                              "78 % of the questions begin with “请问”."]
    assert said(told, "zh")[1] == "78 % 的提问以“请问”开头。"


def test_without_anything_to_do_it_says_how_long_answers_are() -> None:
    rows = [talk(f"{chr(65 + at)}{at} is what?", "a" * at, split="train" if at else "test") for at in range(1, 12)]
    rows.append(talk("Zoom?", "b", split="test"))
    assert said(picture_of(rows))[0] == "Half of the answers have at most 5 characters; one in ten has more than 9."


def test_a_class_that_outweighs_the_others_is_named() -> None:
    rows = [NewRow("label", {"text": f"t{at}", "label": "b" if at % 10 == 0 else "a"}, split="test") for at in range(50)]
    assert said(picture_of(rows))[0] == "90 % of the labels are “a”."


@pytest.mark.parametrize("lang", LANGS)
def test_it_is_drawn_in_both_languages_for_every_kind_of_data(template: Template, lang: Any) -> None:
    chat = [talk(f"Red eyes, {at}?", "See a doctor. " * at, system="s" * (at % 4), topic=f"t{at % 30}") for at in range(1, 90)]
    feedback = NewRow("feedback", {"messages": [said_by("user", "a"), said_by("assistant", "b")], "label": False})
    rows = [*chat, NewRow("text", {"text": "t"}), feedback]
    rows += [NewRow("label", {"text": "t", "label": label}) for label in "ab"]
    rows += [NewRow("choice", {"question": "q", "options": ["a", "b"], "answer": 0})]
    for some in (rows, rows[-3:], [], [feedback], chat[:1]):
        for context in (Context(), Context("b", template, 60), Context("b", template, 5_000)):
            told = json.loads(json.dumps(picture_of(some, context)))
            assert page("doctor_picture", lang, picture=told)


def test_it_is_small_and_plain_json_whatever_rows_hold() -> None:
    labels = [{"text": "文" * 90, "label": f"{at % 40}" + "签" * 500} for at in range(300)]
    rows = [NewRow("label", label, topic=f"{at % 50}" + "题" * 190) for at, label in enumerate(labels)]
    rows += [talk("W" * 300 + f" {at % 9}", "A" * 300 + f" {at % 9}") for at in range(300)]
    told = picture_of(rows)
    written = json.dumps(told, ensure_ascii=False)
    assert json.loads(written) == told
    assert len(written.encode()) < 20_000
