"""Texts that are almost the same, found without comparing each with each: what the checks that compare rows are made of.

    texts ─► shingles ─► MinHash of 128 ─► bands ─► candidates ─► Jaccard ≥ threshold ─► pairs ─► clusters

The formulas stand in `near_duplicates`, which keeps groups of prompts on one side of a split. Here a band has r = 5 or 4 places:
of pairs at s = 0.7 they miss 1 % and less, and what they bring that is not similar is thrown out by the exact comparison.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from studio.data.checks.base import is_chinese
from studio.data.near_duplicates import Clusters, similarity

__all__ = ["MAX_TEXTS", "Shingle", "clusters", "of_questions", "of_rows", "same_numerals", "similar_pairs"]

#: The runs of a folded text. One that is shorter than a run is one shingle: short texts are compared like long ones.
Shingle = Callable[[str], set[str]]

#: Different texts that are compared; of each, its words, its bands and a place in the index stay in memory: about 2 kB.
MAX_TEXTS = 200_000

_PERMUTATIONS = 128
_BATCH = 2_000
_SEED = 42

#: In a crowded band a text is compared with so many before it: a form's fixed words must not take hours.
_NEIGHBOURS = 50

_NUMERALS = re.compile(r"\d+")


def of_rows(text: str) -> set[str]:
    """Runs of 3 characters in Chinese, where a sentence has no words between spaces; of 2 words elsewhere."""
    if is_chinese(text):
        return _runs(text, 3)
    words = text.split(" ")
    return {f"{one} {other}" for one, other in itertools.pairwise(words)} or {text}


def of_questions(text: str) -> set[str]:
    """Runs of 2 characters in Chinese, of 3 elsewhere: in a question of ten words, another word for one is a third of all pairs
    of words.
    """
    return _runs(text, 2 if is_chinese(text) else 3)


def _runs(text: str, k: int) -> set[str]:
    letters = text.replace(" ", "")
    return {letters[at : at + k] for at in range(max(1, len(letters) - k + 1))}


def similar_pairs(
    texts: Sequence[str],
    threshold: float,
    on_step: Callable[[], None],
    *,
    shingle: Shingle = of_rows,
    band: int = 5,
    meet: Callable[[int, int], bool] | None = None,
) -> Iterator[tuple[int, int]]:
    """Pairs of folded texts, by their numbers, whose Jaccard similarity is at least the threshold. With `meet`, only pairs that
    it lets through. `band` is the number of places that candidates agree in.
    """
    known: dict[int, set[str]] = {}
    seen: set[tuple[int, int]] = set()

    def shingles(index: int) -> set[str]:
        if index not in known:
            if len(known) > _BATCH:
                known.clear()
            known[index] = shingle(texts[index])
        return known[index]

    for bucket in _buckets(texts, shingle, band, on_step):
        on_step()
        near: deque[int] = deque(maxlen=_NEIGHBOURS)
        for index in bucket:
            for other in near:
                pair = (other, index)
                if pair in seen or (meet is not None and not meet(other, index)):
                    continue
                seen.add(pair)
                if similarity(shingles(index), shingles(other)) >= threshold:
                    yield pair
            near.append(index)


def same_numerals(one: str, other: str) -> bool:
    """Whether at most one of two texts has numerals that the other has not: what differs by a dose or a date is another text,
    a list without one of its steps is not.
    """
    mine, theirs = Counter(_NUMERALS.findall(one)), Counter(_NUMERALS.findall(other))
    return not (mine - theirs and theirs - mine)


def clusters(n: int, pairs: Iterator[tuple[int, int]]) -> list[list[int]]:
    """What hangs together by pairs, each in ascending order, the first of them first; alone, what has no pair."""
    sets = Clusters(n)
    for one, other in pairs:
        sets.join(one, other)
    found: dict[int, list[int]] = {}
    for index in range(n):
        found.setdefault(sets.root(index), []).append(index)
    return list(found.values())


def _buckets(texts: Sequence[str], shingle: Shingle, band: int, on_step: Callable[[], None]) -> Iterator[list[int]]:
    for keys in _band_keys(texts, shingle, band, on_step):
        found: dict[int, list[int]] = {}
        for index, key in enumerate(keys):
            found.setdefault(key, []).append(index)
        yield from (bucket for bucket in found.values() if len(bucket) > 1)


def _band_keys(texts: Sequence[str], shingle: Shingle, band: int, on_step: Callable[[], None]) -> list[array[int]]:
    """A number a text and band; two texts have the same where their MinHashes agree in the whole band."""
    from rensa import RMinHash  # an extension module, needed by this search alone

    bands = [array("q") for _ in range(_PERMUTATIONS // band)]
    for at in range(0, len(texts), _BATCH):
        on_step()
        batch = [shingle(text) for text in texts[at : at + _BATCH]]
        for values in RMinHash.digests_from_token_sets(batch, _PERMUTATIONS, _SEED):
            for number, keys in enumerate(bands):
                keys.append(hash(tuple(values[number * band : (number + 1) * band])))
    return bands
