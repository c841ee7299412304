"""Near duplicates against comparing each with each, and against the formula that says how many pairs are found."""

from __future__ import annotations

import itertools
import random
import unicodedata
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.data import near_duplicates
from studio.data.near_duplicates import asked, folded, merged_prompts, shingles, similarity
from studio.errors import DataError

WORDS = [f"{first}{second}{third}" for first in "bdfgklm" for second in "aeiou" for third in ("nt", "rs", "x", "ly", "p")]
SIGNS = [chr(code) for code in range(0x4E00, 0x5200)]


def named(texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{number:04}", text) for number, text in enumerate(texts)]


def clusters(texts: Sequence[str], merged: Mapping[str, str]) -> list[set[int]]:
    """Of several texts, by index."""
    found: dict[str, set[int]] = {}
    for number, (name, _) in enumerate(named(texts)):
        found.setdefault(merged.get(name, name), set()).add(number)
    return sorted((each for each in found.values() if len(each) > 1), key=min)


def naive_similarity(one: str, other: str) -> float:
    """Written again from the definition: folded, cut into runs of 5 or 3, |A ∩ B| / |A ∪ B|."""

    def runs(text: str) -> set[str]:
        plain = unicodedata.normalize("NFKC", text).casefold()
        plain = " ".join("".join(char if char.isalnum() else " " for char in plain).split())
        k = 3 if sum("\u4e00" <= char <= "\u9fff" for char in plain) > len(plain) / 2 else 5
        return {plain[at : at + k] for at in range(len(plain) - k + 1)} or {plain}

    a, b = runs(one), runs(other)
    return len(a & b) / len(a | b)


def naive_clusters(texts: Sequence[str], threshold: float) -> list[set[int]]:
    """Connected parts of the graph of all pairs over the threshold, each compared with each."""
    parts = [{number} for number in range(len(texts))]
    for one, other in itertools.combinations(range(len(texts)), 2):
        if naive_similarity(texts[one], texts[other]) >= threshold:
            a, b = (next(part for part in parts if number in part) for number in (one, other))
            if a is not b:
                parts.remove(b)
                a |= b
    return [part for part in parts if len(part) > 1]


def written(chance: random.Random, n: int, *, chinese: bool) -> str:
    return "".join(chance.choices(SIGNS, k=n)) if chinese else " ".join(chance.choices(WORDS, k=n))


def planted(seed: int) -> list[str]:
    """A hundred texts, every fifth followed by two that differ from it in a character."""
    chance = random.Random(seed)
    texts: list[str] = []
    for number in range(100):
        text = written(chance, 60 if number % 2 else 25, chinese=bool(number % 2))
        texts.append(text)
        if number % 5 == 0:
            texts += [text + ("吗" if number % 2 else "?x"), text[:30] + ("好" if number % 2 else "z") + text[31:]]
    return texts


@pytest.mark.parametrize("seed", range(3))
def test_planted_near_duplicates_are_the_clusters_that_comparing_each_with_each_finds(seed: int) -> None:
    texts = planted(seed)
    expected = naive_clusters(texts, 0.7)
    assert len(expected) == 20
    assert clusters(texts, merged_prompts(named(texts), seed=seed)) == expected


@given(st.lists(st.text("ab ,高压X", max_size=12), max_size=25), st.integers(0, 2**63 - 1))
@hypothesis_settings(database=None, deadline=None, max_examples=60)
def test_whatever_is_in_one_cluster_is_linked_by_similar_pairs(texts: list[str], seed: int) -> None:
    """Short texts of few letters: many pairs near the threshold, on both sides."""
    texts = [text + "q" for text in texts]  # one that is punctuation alone is compared as it stands
    parts = naive_clusters(texts, 0.7)
    for found in clusters(texts, merged_prompts(named(texts), seed=seed)):
        assert any(found <= part for part in parts)


def test_as_many_similar_pairs_are_found_as_the_formula_says() -> None:
    """1 − (1 − s^9)^14, summed over 400 pairs of known similarity between 0.7 and 0.95; four standard deviations."""
    chance = random.Random(5)
    texts: list[str] = []
    expected = variance = 0.0
    while len(texts) < 800:
        one = written(chance, 100, chinese=True)
        length = chance.randint(5, 40)
        other = one[:-length] + written(chance, length, chinese=True)
        s = naive_similarity(one, other)
        if 0.7 <= s <= 0.95:
            p = 1 - (1 - s**9) ** 14
            texts += [one, other]
            expected, variance = expected + p, variance + p * (1 - p)
    found = len(clusters(texts, merged_prompts(named(texts), seed=11)))
    assert abs(found - expected) < 4 * variance**0.5


def test_the_order_of_rows_changes_nothing_and_a_cluster_is_called_by_its_smallest_name() -> None:
    prompts = named(planted(7))
    merged = merged_prompts(prompts, seed=3)
    shuffled = prompts[:]
    random.Random(1).shuffle(shuffled)
    assert merged_prompts(shuffled, seed=3) == merged
    assert all(name > first for name, first in merged.items())
    assert not set(merged) & set(merged.values())


def test_short_chinese_questions_are_compared_like_any_other() -> None:
    texts = ["眼疼？", "眼疼", "头疼？", "好", "不", "好！"]
    assert clusters(texts, merged_prompts(named(texts), seed=0)) == [{0, 1}, {3, 5}]


def test_case_width_and_punctuation_do_not_matter() -> None:
    texts = ["What is GLAUCOMA?", "what is ｇｌａｕｃｏｍａ", "What, is: glaucoma!", "What is a cataract?"]
    assert clusters(texts, merged_prompts(named(texts), seed=0)) == [{0, 1, 2}]


def test_texts_without_a_letter_stay_apart() -> None:
    texts = ["?", "!", "😀", "😀😀"]
    assert merged_prompts(named(texts), seed=0) == {}


def test_a_crowd_that_begins_alike_is_one_cluster_however_many_there_are() -> None:
    """More of them than are compared with each other one by one."""
    texts = [f"Please tell me everything that you know about the treatment of the common cold, part {n}" for n in range(300)]
    assert clusters(texts, merged_prompts(named(texts), seed=2)) == [set(range(300))]


def test_chinese_is_cut_into_threes_and_an_alphabet_into_fives() -> None:
    assert shingles("高血压病") == {"高血压", "血压病"}
    assert shingles("abcdef") == {"abcde", "bcdef"}
    assert shingles("abc") == {"abc"}
    assert shingles("") == {""}


def test_similarity_is_the_share_of_what_both_have() -> None:
    assert similarity({"a", "b", "c"}, {"b", "c", "d"}) == 0.5


def test_a_long_prompt_is_compared_by_its_beginning() -> None:
    assert folded("a" * 5_000) == "a" * 1_000


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (
            "chat",
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "A?"},
                    {"role": "assistant", "content": "B."},
                    {"role": "user", "content": "C?"},
                    {"role": "assistant", "content": "D."},
                ]
            },
            "A?\nB.\nC?",
        ),
        ("prompt", {"messages": [{"role": "user", "content": "A?"}], "answer": "B."}, "A?"),
        ("choice", {"question": "A?", "options": ["x", "y"], "answer": 0}, "A?\nx\ny"),
        ("text", {"text": "A."}, "A."),
        ("label", {"text": "A.", "label": "good"}, "A."),
    ],
)
def test_a_prompt_is_what_stands_before_the_answer_without_the_system_message(
    kind: str, content: dict[str, object], words: str
) -> None:
    assert asked(kind, content) == words


def test_too_many_prompts_are_refused_with_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "MAX_PROMPTS", 3)
    merged_prompts(named(["a", "b", "c", "C"]), seed=0)
    with pytest.raises(DataError) as caught:
        merged_prompts(named(["a", "b", "c", "d"]), seed=0)
    assert (caught.value.key, caught.value.params) == ("error.data.too_many_prompts", {"limit": 3})
