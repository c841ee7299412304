"""Held-out prompts: exactly as many as asked for, always the same ones, never on two sides."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.data.split import split_rule


def prompts(n: int) -> list[str]:
    return [hashlib.sha256(f"prompt {number}".encode()).hexdigest() for number in range(n)]


def counts(hashes: list[str], *, validation: float, test: float, seed: int = 42) -> Counter[str]:
    rule = split_rule(hashes, validation_share=validation, test_share=test, seed=seed)
    return Counter(rule.split_of(prompt) for prompt in sorted(set(hashes)))


@pytest.mark.parametrize(
    ("n", "validation", "test", "expected"),
    [
        (100, 0.1, 0.1, {"train": 80, "validation": 10, "test": 10}),
        (350, 0.1, 0.2, {"train": 245, "validation": 35, "test": 70}),
        (7, 0.1, 0.1, {"train": 5, "validation": 1, "test": 1}),  # 0.7 of a prompt is one
        (12, 0.01, 0.0, {"train": 11, "validation": 1}),  # a share above 0 holds out one at least
        (12, 0.0, 0.25, {"train": 9, "test": 3}),
        (12, 0.0, 0.0, {"train": 12}),
        (3, 0.1, 0.1, {"train": 1, "validation": 1, "test": 1}),
        (2, 0.4, 0.4, {"train": 2}),
        (1, 0.4, 0.0, {"train": 1}),
        (0, 0.4, 0.4, {}),
    ],
)
def test_exactly_the_rounded_share_of_prompts_is_held_out(
    n: int, validation: float, test: float, expected: dict[str, int]
) -> None:
    """Counted by hand: round(share · prompts)."""
    assert counts(prompts(n), validation=validation, test=test) == expected


def test_shares_are_of_prompts_and_not_of_rows() -> None:
    hashes = prompts(20)
    assert counts(hashes + hashes[:1] * 500, validation=0.2, test=0.1) == counts(hashes, validation=0.2, test=0.1)


def test_a_split_does_not_depend_on_the_order_of_rows() -> None:
    hashes = prompts(50)
    assert split_rule(hashes, validation_share=0.2, test_share=0.2, seed=1) == split_rule(
        reversed(hashes), validation_share=0.2, test_share=0.2, seed=1
    )


def test_another_seed_holds_out_other_prompts() -> None:
    hashes = prompts(200)
    first, second = (split_rule(hashes, validation_share=0.2, test_share=0.0, seed=seed) for seed in (1, 2))
    assert [first.split_of(prompt) for prompt in hashes] != [second.split_of(prompt) for prompt in hashes]


def test_the_same_seed_gives_the_same_split_in_every_release() -> None:
    """sha256("7:<prompt hash>"), first 8 bytes, is smallest for prompts 3 and 8 of these ten (worked out with hashlib)."""
    hashes = prompts(10)
    drawn = {n: hashlib.sha256(f"7:{prompt}".encode()).digest()[:8] for n, prompt in enumerate(hashes)}
    first, second = sorted(drawn, key=lambda n: drawn[n])[:2]
    rule = split_rule(hashes, validation_share=0.1, test_share=0.1, seed=7)
    held = {rule.split_of(prompt): n for n, prompt in enumerate(hashes) if rule.split_of(prompt) != "train"}
    assert held == {"validation": first, "test": second}


shares = st.floats(0, 0.49, allow_nan=False)


@given(st.sets(st.binary(min_size=1, max_size=4), max_size=60), shares, shares, st.integers(0, 2**31 - 1))
@hypothesis_settings(database=None, deadline=None)
def test_whatever_the_shares_every_prompt_has_one_side_and_something_is_left_to_train_on(
    raw: set[bytes], validation: float, test: float, seed: int
) -> None:
    hashes = [hashlib.sha256(value).hexdigest() for value in raw]
    found = counts(hashes, validation=validation, test=test, seed=seed)
    assert sum(found.values()) == len(hashes)
    if len(hashes) < 3:
        assert found["validation"] == found["test"] == 0
        return
    n_validation = max(1, round(validation * len(hashes))) if validation else 0
    n_test = max(1, round(test * len(hashes))) if test else 0
    assert found["train"] >= 1
    assert found["validation"] == n_validation
    assert found["test"] == min(n_test, len(hashes) - n_validation - 1)
