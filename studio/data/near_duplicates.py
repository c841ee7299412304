"""Near duplicates: prompts that ask almost the same, found without comparing each with each.

    prompt ─► folded text ─► shingles (runs of k letters) ─► MinHash ─► 14 bands ─► candidates ─► Jaccard ≥ 0.7 ─► clusters

Of two sets of shingles A and B the Jaccard similarity is s = |A ∩ B| / |A ∪ B|. A MinHash of A and one of B agree in each
place with probability s (Broder, "On the resemblance and containment of documents", 1997, doi:10.1109/SEQUEN.1997.666900).
Pairs that agree in all r places of one of b bands are candidates: 1 − (1 − s^r)^b of all pairs (Leskovec, Rajaraman, Ullman,
"Mining of Massive Datasets", 3.4.2), for r = 9 and b = 14 half of them at s ≈ 0.71, 87 % at 0.8 and 99.9 % at 0.9. What is a
candidate is then compared exactly, so whatever shares a cluster is linked by pairs that are similar indeed.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from studio.errors import DataError

__all__ = ["MAX_PROMPTS", "SIMILAR", "Clusters", "asked", "folded", "merged_prompts", "shingles", "similarity"]

#: From this Jaccard similarity on two prompts are near duplicates.
SIMILAR = 0.7

#: Different prompts that one search compares: their texts and their bands stay in memory, at most about 2.5 kB a prompt.
MAX_PROMPTS = 200_000

#: Characters of a prompt that are compared, from its beginning.
_COMPARED = 1_000

_PERMUTATIONS = 128
_BANDS, _ROWS = 14, 9
_BATCH = 2_000

#: In a crowded band a prompt is compared with as many before it: what all begin alike (a form's fixed words) may crowd one
#: with prompts that are not similar enough, and must not take hours. Similar ones meet in other bands as well.
_NEIGHBOURS = 50

#: Letters of which three say as much as five of an alphabet: Chinese, Japanese, Korean.
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_NO_LETTER = re.compile(r"[\W_]+")


def asked(kind: str, content: dict[str, Any]) -> str:
    """The words of a row's prompt: what stands before the answer that counts, without the system message, which whole datasets
    share.
    """
    if kind == "choice":
        return "\n".join([content["question"], *content["options"]])
    if kind in ("text", "label"):
        return str(content["text"])
    messages = content["messages"]
    if kind in ("chat", "feedback"):
        answers = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
        messages = messages[: answers[-1]] if answers else messages
    return "\n".join(message["content"] for message in messages if message["role"] != "system")


def folded(text: str, limit: int | None = _COMPARED) -> str:
    """What is compared of a text: no case, no width, no punctuation, its beginning. Never empty for a text that is not."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    letters = _NO_LETTER.sub(" ", plain).strip()
    return (letters or plain.strip() or text)[:limit]


def shingles(text: str) -> set[str]:
    """Runs of 5 characters of a folded text, of 3 where most letters are Chinese, Japanese or Korean. A text that is shorter
    is one shingle: short questions are compared like long ones.
    """
    k = 3 if 2 * len(_CJK.findall(text)) > len(text) else 5
    return {text[at : at + k] for at in range(max(1, len(text) - k + 1))}


def similarity(one: set[str], other: set[str]) -> float:
    """Jaccard similarity of two sets that are not both empty."""
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def merged_prompts(
    prompts: Iterable[tuple[str, str]], *, seed: int, on_step: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """For the name of every prompt in a cluster of several: the smallest name in it, other than its own.

    `prompts` are pairs of a name (its hash) and a text, each name once. The same prompts and seed give the same clusters, in
    whatever order. `on_step` is called all the while, and may raise to end it. Raises DataError above `MAX_PROMPTS` different
    texts.
    """
    names_of: dict[str, list[str]] = {}
    for name, text in prompts:
        names_of.setdefault(folded(text), []).append(name)
        if len(names_of) > MAX_PROMPTS:
            raise DataError("error.data.too_many_prompts", field="by", limit=MAX_PROMPTS)
        on_step()
    texts = sorted(names_of)
    clusters = Clusters(len(texts))
    for bucket in _buckets(texts, seed, on_step):
        on_step()
        _join(bucket, texts, clusters)
    first: dict[int, str] = {}
    for index, text in enumerate(texts):
        root = clusters.root(index)
        first[root] = min(first.get(root, "~"), *names_of[text])  # "~" stands behind every hash
    return {
        name: first[clusters.root(index)]
        for index, text in enumerate(texts)
        for name in names_of[text]
        if name != first[clusters.root(index)]
    }


class Clusters:
    """Disjoint sets of the numbers below n; a set's root is its smallest number."""

    def __init__(self, n: int) -> None:
        self._parent = array("l", range(n))

    def root(self, item: int) -> int:
        while (parent := self._parent[item]) != item:
            self._parent[item] = item = self._parent[parent]
        return item

    def join(self, one: int, other: int) -> None:
        one, other = self.root(one), self.root(other)
        self._parent[max(one, other)] = min(one, other)


def _buckets(texts: list[str], seed: int, on_step: Callable[[], None]) -> Iterator[list[int]]:
    """Texts that agree in a band, as indices in ascending order; a band after the other."""
    for keys in _band_keys(texts, seed, on_step):
        found: dict[int, list[int]] = {}
        for index, key in enumerate(keys):
            found.setdefault(key, []).append(index)
        yield from (bucket for bucket in found.values() if len(bucket) > 1)


def _band_keys(texts: list[str], seed: int, on_step: Callable[[], None]) -> list[array[int]]:
    """A number a text and band; two texts have the same where their MinHashes agree in the whole band."""
    from rensa import RMinHash  # an extension module, needed by this search alone

    bands = [array("q") for _ in range(_BANDS)]
    for batch in _batches(texts):
        on_step()
        for values in RMinHash.digests_from_token_sets([shingles(text) for text in batch], _PERMUTATIONS, seed):
            for number, keys in enumerate(bands):
                keys.append(hash(tuple(values[number * _ROWS : (number + 1) * _ROWS])))
    return bands


def _batches(texts: list[str]) -> Iterator[list[str]]:
    return (texts[at : at + _BATCH] for at in range(0, len(texts), _BATCH))


def _join(bucket: list[int], texts: list[str], clusters: Clusters) -> None:
    near: deque[tuple[int, set[str]]] = deque(maxlen=_NEIGHBOURS)
    for index in bucket:
        mine = shingles(texts[index])
        for other, theirs in near:
            if clusters.root(index) != clusters.root(other) and similarity(mine, theirs) >= SIMILAR:
                clusters.join(index, other)
        near.append((index, mine))
