"""Loops in answers; the two measures against figures worked out by hand and with zlib's own bytes."""

from __future__ import annotations

import random
import time

import pytest

from studio.data.checks import loops, repeats
from studio.data.checks.base import RowView
from studio.data.checks.loops import Loops
from studio.data.checks.repeats import Run, runs, seq_rep, zlib_ratio
from studio.data.rows import NewRow

SENTENCE = "The second dose is given after four weeks, and earlier only if the doctor says so."
PARAGRAPH = (
    "The bill is sent in the first week of each month and has to be paid within fourteen days. Who pays later gets a reminder. "
    "That letter costs another five euros, and the account is closed when a second one has gone by without an answer."
)

FOUND = [
    ("They say: it is safe. it is safe. it is safe. it is safe. it is safe. it is safe.", "run", "six times"),
    (f"{SENTENCE} {SENTENCE}", "run", "a long sentence twice"),
    ("可以多喝水，可以多喝水，可以多喝水，", "run", "三遍"),
    ("我们应该注意的是我们应该注意的是我们应该注意的是", "run", "没有标点的循环"),
    ("Rest. I think that the I think that the I think that the", "run", "without a mark"),
    ("假的！假的！假的！假的！假的！假的！", "run", "短句六遍"),
    ("Steps:\n\n" + "\n".join(f"{n}. Repeat the step before." for n in range(1, 5)), "run", "numbered"),
    ("".join(f"步骤{n}：请重复上一步操作。" for n in range(4, 8)), "run", "带序号"),
    ("It is fine. " + "no" * 40, "run", "a word of one syllable"),
    ("的" * 30, "run", "同一个字"),
    (f"{PARAGRAPH}\n\nMore is in the contract.\n\n{PARAGRAPH}", "copy", "a paragraph comes again"),
    (
        " ".join(f"From the words so far it predicts the one that comes next, {end}." for end in "abcdefg"),
        "share",
        "nearly the same, with another end each time",
    ),
]

CLEAN = [
    ("Tick tock, tick tock, tick tock.", "what people say"),
    ("加油！加油！加油！", "口号"),
    ("哈哈哈哈哈哈哈哈哈哈哈", "笑声"),
    ("谢谢谢谢谢谢", "道谢"),
    ("Row, row, row your boat,\nGently down the stream.\nMerrily, merrily, merrily,\nLife is a dream.", "a song"),
    ("Let it be\nLet it be as it is\nLet it be as it is\nLet it be as it is\nThere will be an answer", "a refrain"),
    ("3 × 1 = 3\n3 × 2 = 6\n3 × 3 = 9\n3 × 4 = 12\n3 × 5 = 15\n3 × 6 = 18", "a table of products"),
    ("三乘三是九，三乘四是十二，三乘五是十五，三乘六是十八。", "乘法口诀"),
    ("- You need a pen.\n- You need a book.\n- You need a lamp.\n- You need a desk.", "items that begin alike"),
    ("| a | N/A | N/A | N/A | N/A |\n| b | N/A | N/A | N/A | N/A |", "a table"),
    ("```\nprint(1)\nprint(1)\nprint(1)\nprint(1)\nprint(1)\nprint(1)\n```", "code"),
    ("Nest it: `=" + 'SUBSTITUTE(' * 6 + 'A1,"a","b")' * 6 + "`", "a formula"),
    ('{"name": "a", "n": 0, "name": "a", "n": 0, "name": "a", "n": 0}', "bare JSON"),
    ("[Company], [Place], [Year]\n[Company], [Place], [Year]\n[Company], [Place], [Year]", "a form"),
    ("The bus leaves at 7:05. The bus leaves at 8:10. The bus leaves at 9:05. The bus leaves at 9:55.", "numbers that tell"),
    ("甲方应当按时付款。甲方应当及时验收。乙方应当按时交货。乙方应当及时开票。", "平行的条款"),
    (SENTENCE, "once"),
]


def answer(text: str) -> NewRow:
    return NewRow("chat", {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": text}]})


def whats(text: str) -> set[str]:
    return {spot.what for spot in Loops().spots(RowView(answer(text)))}


def mended(text: str) -> str:
    (row,) = Loops().mended(answer(text))
    return str(row.content["messages"][1]["content"])


# --- measures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "distinct"), [(1, 0.25), (2, 0.2857), (4, 0.40)])
def test_the_share_of_repeated_n_grams_is_one_less_that_of_distinct_ones(n: int, distinct: float) -> None:
    """Of 好的好的好的好的 2 of 8 characters, 2 of 7 pairs (好的, 的好) and 2 of 5 runs of four are distinct. 1 − distinct-n is
    the seq-rep-n of Welleck et al. 2019, arXiv:1908.04319.
    """
    assert seq_rep("好的好的好的好的", n) == pytest.approx(1 - distinct, abs=5e-5)


def test_words_are_counted_in_english_and_a_text_without_n_grams_repeats_nothing() -> None:
    """In "the cat sat the cat sat" there are 5 pairs, of which (the cat) and (cat sat) come twice."""
    assert seq_rep("The cat, the cat.".lower(), 2) == pytest.approx(1 / 3)
    assert seq_rep("the cat sat the cat sat", 2) == pytest.approx(2 / 5)
    assert seq_rep("yes", 4) == 0


def test_zlib_packs_four_hundred_characters_of_one_word_to_a_forty_eighth() -> None:
    """好的 × 200 is 1,200 bytes of UTF-8, and 25 of zlib's."""
    assert zlib_ratio("好的" * 200) == 48.0
    assert zlib_ratio("") == 1.0


def test_a_run_is_followed_as_far_as_it_goes() -> None:
    assert list(runs(list("xfafafafy"))) == [Run(1, 8, 2)]
    assert list(runs(list("abcdef"))) == []


def naive_runs(words: list[str]) -> set[tuple[int, int]]:
    """Every place where some words stand twice in a row, each period tried at each place."""
    found = set()
    for period in range(1, len(words) // 2 + 1):
        for start in range(len(words) - 2 * period + 1):
            if words[start : start + period] == words[start + period : start + 2 * period]:
                found.add((start, period))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_what_is_found_are_runs_and_no_text_with_three_copies_goes_unseen(seed: int) -> None:
    """Against trying every period at every place."""
    chance = random.Random(seed)
    words = chance.choices("abcdefgh", k=60)
    block = chance.choices("abcdefgh", k=chance.randint(4, 9))
    at = chance.randint(0, 60)
    words[at:at] = block * 3
    truth = naive_runs(words)
    found = list(runs(words))
    assert all((run.start, run.period) in truth for run in found)
    assert any(run.start < at + 3 * len(block) and at < run.end for run in found)


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "what"), [(text, what) for text, what, _ in FOUND], ids=[why for _, _, why in FOUND])
def test_an_answer_in_a_loop_is_found(text: str, what: str) -> None:
    assert whats(text) == {what}


@pytest.mark.parametrize("text", [text for text, _ in CLEAN], ids=[why for _, why in CLEAN])
def test_an_answer_that_repeats_itself_for_a_reason_is_not_found(text: str) -> None:
    assert whats(text) == set()


def test_questions_do_not_count() -> None:
    said = [{"role": "user", "content": f"{SENTENCE} {SENTENCE}"}, {"role": "assistant", "content": "Yes."}]
    assert not Loops().spots(RowView(NewRow("chat", {"messages": said})))


def test_the_place_is_that_of_the_copies() -> None:
    text = f"Yes. {SENTENCE} {SENTENCE}"
    (spot,) = Loops().spots(RowView(answer(text)))
    assert text[spot.start : spot.end] == SENTENCE[:-1]


# --- what is mended ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Yes. {SENTENCE} {SENTENCE} {SENTENCE} Call us.", f"Yes. {SENTENCE} Call us."),
        (f"{SENTENCE} {SENTENCE} {SENTENCE[:30]}", SENTENCE),
        ("桂林四月最美，青岛五月最美。" * 3 + "桂林四月", "桂林四月最美，青岛五月最美。"),
        ("假的！假的！假的！假的！假的！假的！假", "假的！"),
        (f"{PARAGRAPH}\n\n{PARAGRAPH}", PARAGRAPH),
        ("Do this:\n\n- Wash the rice well\n- Soak the rice\n" + "- Wash the rice well\n- Soak the rice\n" * 3, None),
    ],
    ids=["in the middle", "the last copy is cut off", "中文，最后一份被截断", "短句", "a paragraph", "items"],
)
def test_of_a_run_one_copy_stays(text: str, expected: str | None) -> None:
    assert mended(text) == (expected or "Do this:\n\n- Wash the rice well\n- Soak the rice")


def test_what_is_no_run_is_left_for_a_person() -> None:
    for text in (f"{PARAGRAPH}\n\nMore is in the contract.\n\n{PARAGRAPH}", "It is fine. " + "no" * 40):
        assert mended(text) == text


@pytest.mark.parametrize("text", [text for text, _, _ in FOUND] + [text for text, _ in CLEAN])
def test_a_mended_row_is_clean_or_as_it_was_and_mending_again_changes_nothing(text: str) -> None:
    (row,) = Loops().mended(answer(text))
    assert row == answer(text) or not Loops().spots(RowView(row))
    assert Loops().mended(row) == [row]


def test_two_answers_that_would_become_the_same_stay_a_preference() -> None:
    question = [{"role": "user", "content": "Why?"}]
    good, looping = ([{"role": "assistant", "content": text}] for text in (SENTENCE, f"{SENTENCE} {SENTENCE}"))
    row = NewRow("preference", {"messages": question, "chosen": looping, "rejected": good})
    assert Loops().spots(RowView(row))
    assert Loops().mended(row) == [row]


def hostile() -> list[str]:
    chance = random.Random(3)
    few = "".join(chance.choices("的是了", k=100_000))
    repeated = ["a" * 100_000, "a " * 50_000, "好的" * 50_000, "今天天气很好。" * 14_000, "." * 100_000, "|a|\n" * 25_000]
    return [*repeated, few, " ".join(few)]


@pytest.mark.parametrize("text", hostile(), ids=lambda text: repr(text[:6]))
def test_a_hostile_text_takes_less_than_a_second(text: str) -> None:
    began = time.perf_counter()
    Loops().marks(text)
    assert time.perf_counter() - began < 1


def test_the_rule_tells_the_numbers_that_are_used() -> None:
    assert Loops.params["copies"] == loops._BLOCK_COPIES
    assert repeats.tokens("Take 5 mg, 每天一次")[-1].text == "次"
