"""Precision and recall of every check on planted rows: `python -m tests.planted.table [seed …]`, over all seeds together.

The generator beside this file was written by somebody who had not seen the checks; the checks were written by people who had not
seen it. Rows of `truth` have to be found, rows of `also` may be, any other is a false alarm.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from studio.data.checks import CHECKS
from studio.data.checks.base import Context
from studio.data.doctor import Examination
from studio.data.rows import NewRow, content_hash, prompt_hash
from studio.data.store import GAP, StoredRow
from tests.planted.plants import Planted, planted, planted_openings

LANGS = ("en", "zh")

#: Their rule is about characters, not about meaning: nine of ten are not enough.
MECHANICAL = frozenset(
    {"empty", "exact_duplicates", "role_order", "template_tokens", "html", "hard_wraps", "radicals", "mojibake", "personal_data"}
)
RECALL, PRECISION_MECHANICAL, PRECISION = 0.95, 0.95, 0.8

_AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Score:
    """`n_alarms` rows were found that are neither planted nor allowed to be found."""

    lang: str
    key: str
    n_planted: int
    n_hits: int
    n_alarms: int

    def __add__(self, other: Score) -> Score:
        counts = ("n_planted", "n_hits", "n_alarms")
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in counts})

    @property
    def recall(self) -> float:
        return self.n_hits / max(1, self.n_planted)

    @property
    def precision(self) -> float:
        return self.n_hits / max(1, self.n_hits + self.n_alarms)

    @property
    def is_good(self) -> bool:
        return self.recall >= RECALL and self.precision >= (PRECISION_MECHANICAL if self.key in MECHANICAL else PRECISION)


def new_row(row: dict[str, Any]) -> NewRow:
    return NewRow(row["kind"], row["content"], split=row["split"])


def stored(number: int, row: NewRow) -> StoredRow:
    nothing: dict[str, Any] = dict.fromkeys(("group_key", "topic", "rule", "origin", "extra", "flag"))
    hashes = {"content_hash": content_hash(row.content), "prompt_hash": prompt_hash(row.kind, row.content)}
    rest: dict[str, Any] = {"tags": [], "references": [], "n_chars": 0, "since": 1, "author": "usr_a"}
    return StoredRow(
        id=number, position=number * GAP, kind=row.kind, content=row.content, split=row.split, **hashes, **nothing, **rest
    )


def found_by_check(rows: list[dict[str, Any]], keys: tuple[str, ...] = tuple(CHECKS)) -> dict[str, set[int]]:
    """Numbers of the rows that each check tells: those found, and of clusters the one that stays as well."""
    examination = Examination(Context(), keys)
    told: dict[str, set[int]] = {key: set() for key in keys}
    every = (stored(number, new_row(row)) for number, row in enumerate(rows))
    for one in examination.findings(every, lambda n: None, lambda: None):
        told[one.check].add(one.row_id)
        if one.kept_id is not None and one.check != "leakage":
            told[one.check].add(one.kept_id)
    return told


def scores_of(lang: str, made: Planted, openings: list[dict[str, Any]], polite: set[int]) -> list[Score]:
    told = found_by_check(made.rows)
    scores = [_score(lang, key, told[key], truth, made.also[key]) for key, truth in made.truth.items() if key in told]
    return [*scores, _score(lang, "openings", found_by_check(openings, ("openings",))["openings"], polite, set())]


def _score(lang: str, key: str, found: set[int], truth: set[int], also: set[int]) -> Score:
    return Score(lang, key, len(truth), len(found & truth), len(found - truth - also))


def scores(lang: str, *seeds: int) -> list[Score]:
    """Of all seeds together: some dozen planted rows a check and seed are few for a share of 95 %."""
    total: dict[str, Score] = {}
    for seed in seeds:
        for one in _scores(lang, seed):
            total[one.key] = total[one.key] + one if one.key in total else one
    return list(total.values())


def _scores(lang: str, seed: int) -> list[Score]:
    openings = planted_openings(lang, seed)
    asked = [next(m["content"] for m in row["content"]["messages"] if m["role"] == "user") for row in openings]
    first = max({text[:2] if lang == "zh" else text.split()[0] for text in asked}, key=lambda start: _n(asked, start))
    return scores_of(lang, planted(lang, seed), openings, {at for at, text in enumerate(asked) if text.startswith(first)})


def _n(texts: list[str], start: str) -> int:
    return sum(text.startswith(start) for text in texts)


def table(told: list[Score]) -> str:
    lines = [f"{'check':18} {'lang':4} {'planted':>7} {'hits':>5} {'alarms':>6} {'recall':>7} {'precision':>9}"]
    for one in sorted(told, key=lambda one: (one.key, one.lang)):
        mark = "" if one.is_good else "  short"
        counts = f"{one.n_planted:7} {one.n_hits:5} {one.n_alarms:6}"
        lines.append(f"{one.key:18} {one.lang:4} {counts} {one.recall:7.3f} {one.precision:9.3f}{mark}")
    return "\n".join(lines)


if __name__ == "__main__":
    wanted = [int(word) for word in sys.argv[1:]] or [1]
    print(table([score for lang in LANGS for score in scores(lang, *wanted)]))
