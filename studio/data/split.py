"""Splits drawn by prompt, so that two rows with the same question never stand on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["SplitRule", "drawn", "rule_of_draws", "split_rule", "streamed_rule"]


@dataclass(frozen=True)
class SplitRule:
    """Every prompt has a fixed number that the seed draws; those under the two limits are held out."""

    seed: int
    validation_below: int
    test_below: int

    def split_of(self, prompt_hash: str) -> str:
        return self.split_of_draw(drawn(prompt_hash, self.seed))

    def split_of_draw(self, draw: int) -> str:
        if draw < self.validation_below:
            return "validation"
        return "test" if draw < self.test_below else "train"


def drawn(prompt_hash: str, seed: int) -> int:
    """The number in [0, 2^64) that the seed draws for a prompt, or for whatever else stays together."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{prompt_hash}".encode()).digest()[:8], "big")


def split_rule(prompt_hashes: Iterable[str], *, validation_share: float, test_share: float, seed: int) -> SplitRule:
    """The rule that holds out exactly `round(share · prompts)` prompts, at least one where a share is above 0, and leaves
    one to train on.

    Shares are of distinct prompts, not rows (0 ≤ share < 1). The same prompts, shares and seed give the same split. With
    fewer than three prompts nothing is held out: a side would be empty.
    """
    draws = {drawn(prompt_hash, seed) for prompt_hash in prompt_hashes}
    return rule_of_draws(draws, validation_share=validation_share, test_share=test_share, seed=seed)


def rule_of_draws(draws: Iterable[int], *, validation_share: float, test_share: float, seed: int) -> SplitRule:
    """As `split_rule`, from the numbers that are drawn already; each stands once."""
    order = sorted(draws)
    if len(order) < 3:
        return SplitRule(seed, 0, 0)
    n_validation = max(1, round(validation_share * len(order))) if validation_share else 0
    n_validation = min(n_validation, len(order) - 1)
    n_test = max(1, round(test_share * len(order))) if test_share else 0
    n_test = min(n_test, len(order) - 1 - n_validation)
    held = order[: n_validation + n_test]
    validation_below = held[n_validation - 1] + 1 if n_validation else 0
    return SplitRule(seed, validation_below, held[-1] + 1 if held else 0)


def streamed_rule(*, validation_share: float, test_share: float, seed: int) -> SplitRule:
    """The rule for data that are read only once: each prompt is held out with the probability that the shares say."""
    validation_below = round(validation_share * 2**64)
    return SplitRule(seed, validation_below, validation_below + round(test_share * 2**64))
