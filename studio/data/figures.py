"""Figures: what tells of many numbers, texts or classes in a few numbers. Pure functions; knows no row and no tokenizer."""

from __future__ import annotations

import bisect
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

__all__ = ["balance", "distinct", "histogram", "lengths", "percent", "quantile"]

#: Bins of a histogram, and one more for all that is longer.
_BINS = 23

#: Edges of bins that are named, at most.
_TICKS = 7

#: Classes that are named, and characters of a name.
_CLASSES, _NAME = 20, 40

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

#: A word, or a character of Chinese.
_WORD = re.compile(f"[{_CJK}]|[^\\W_{_CJK}]+(?:['\u2019][^\\W_{_CJK}]+)*")


def quantile(ordered: Sequence[int], q: float) -> float:
    """Linear between the two nearest values: place (n − 1)·q from 0 (Hyndman & Fan 1996, doi:10.2307/2684934, type 7)."""
    place = (len(ordered) - 1) * q
    low = ordered[math.floor(place)]
    return round(low + (place % 1) * (ordered[math.ceil(place)] - low), 1)


def lengths(values: Iterable[int], limit: int | None = None) -> dict[str, Any]:
    """What a table and a histogram tell of at least one length."""
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "min": ordered[0],
        "median": quantile(ordered, 0.5),
        "mean": round(sum(ordered) / len(ordered), 1),
        "p90": quantile(ordered, 0.9),
        "p99": quantile(ordered, 0.99),
        "max": ordered[-1],
        "histogram": histogram(ordered, limit),
    }


def histogram(ordered: Sequence[int], limit: int | None = None) -> dict[str, Any]:
    """Bin i holds lengths from start + i·step to just below start + (i + 1)·step; `longer` counts those behind the last bin,
    `ticks` are edges to be named.

    The step is the smallest round number that reaches the 99th percentile (and a `limit` that is not far behind it) in 23
    bins: a single row of a hundred times the usual length would squeeze all others into one.
    """
    top = math.ceil(quantile(ordered, 0.99))
    if limit is not None and top < limit <= 2 * top:
        top = limit
    step = next(step for step in _round_numbers() if top // step - ordered[0] // step < _BINS)
    start, end = ordered[0] // step * step, (top // step + 1) * step
    counts = [0] * ((end - start) // step)
    within = bisect.bisect_left(ordered, end)
    for value in ordered[:within]:
        counts[(value - start) // step] += 1
    tick = next(tick for tick in _round_numbers() if tick % step == 0 and (end - start) // tick < _TICKS)
    ticks = list(range(-(-start // tick) * tick, end + 1, tick))
    return {"start": start, "step": step, "counts": counts, "longer": len(ordered) - within, "ticks": ticks}


def _round_numbers() -> Iterator[int]:
    """1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, …"""
    yield from (1, 2, 5)
    power = 10
    while True:
        yield from (power, 2 * power, power // 2 * 5, 5 * power)
        power *= 10


def distinct(texts: Iterable[str], n: int) -> float | None:
    """Different n-grams / n-grams, over all texts together: 1 where nothing is said twice (Li et al. 2016, arXiv:1510.03055).

    Over words, and over characters in Chinese; case and punctuation aside. None without an n-gram. It falls as texts grow
    in number, so only samples of one size can be compared.
    """
    different: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = _WORD.findall(text.casefold())
        runs = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
        different.update(runs)
        total += len(runs)
    return round(len(different) / total, 4) if total else None


def balance(counts: Counter[str]) -> dict[str, Any]:
    """How evenly rows are spread over k classes: H / ln k with H = −Σ p·ln p (Shannon 1948; Pielou 1966 calls it evenness J).

    1 where all classes are equally large, 0 where one has all rows, None for a single class. `others` counts the rows of classes
    that are not named: those behind the 20 largest, and where there are more, those of one row, which name nothing frequent.
    """
    total = counts.total()
    entropy = -sum(n / total * math.log(n / total) for n in counts.values() if n)
    frequent = [(name, n) for name, n in counts.most_common(_CLASSES) if n > 1 or len(counts) <= _CLASSES]
    return {
        "count": total,
        "n_classes": len(counts),
        "classes": [[name if len(name) <= _NAME else f"{name[: _NAME - 1]}…", n] for name, n in frequent],
        "others": total - sum(n for _, n in frequent),
        "evenness": round(entropy / math.log(len(counts)), 4) if len(counts) > 1 else None,
        "largest": max(counts.values()) / total,
    }


def percent(share: float) -> float:
    """As people say it: whole from ten per cent on, else to a tenth; never 0 for something, nor 100 for less than all."""
    if share in (0, 1):
        return 100 * share
    return min(99.9, max(0.1, round(100 * share, 0 if 0.1 <= share <= 0.99 else 1)))
