"""Questions of the test or validation set that stand in the training set as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

from studio.data.checks import alike
from studio.data.checks.base import Area, Context, Group, RowView, SetCheck
from studio.data.rows import NewRow

__all__ = ["Leakage"]


class Leakage(SetCheck):
    """Training rows whose question is that of a held-out row, or nearly: a Jaccard similarity of 0.7 or more (runs of 2
    characters in Chinese, of 3 letters elsewhere) and no other numerals. Held out are test and validation. Mended, the training
    row stands in no split.
    """

    key = "leakage"
    params: ClassVar[dict[str, Any]] = {"similar": 0.7}
    area: ClassVar[Area] = "consistency"

    #: Characters of a question that are compared, from its beginning.
    _COMPARED = 1_000

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(context)
        self._trained: dict[str, list[int]] = {}
        self._held_out: dict[str, int] = {}

    @property
    def missing(self) -> str:
        if not self._held_out or not self._trained:
            return "doctor.not_run.no_held_out"
        return "doctor.not_run.too_many" if self._n_texts > alike.MAX_TEXTS else ""

    @property
    def _n_texts(self) -> int:
        return len(self._trained) + len(self._held_out)

    def add(self, number: int, view: RowView) -> None:
        if view.row.split == "train":
            self._trained.setdefault(view.question[: self._COMPARED], []).append(number)
        elif view.row.split is not None:
            self._held_out.setdefault(view.question[: self._COMPARED], number)

    def groups(self, on_step: Callable[[], None]) -> Iterable[Group]:
        """One group for each held-out row that leaked; the same training row may stand in one only."""
        leaked: dict[int, list[int]] = {}
        for question in self._trained.keys() & self._held_out.keys():
            leaked.setdefault(self._held_out[question], []).extend(self._trained[question])
        trained = [question for question in self._trained if question not in self._held_out]
        held_out = list(self._held_out)
        first = len(held_out)  # of the training questions, behind those that are held out
        pairs = alike.similar_pairs(
            held_out + trained,
            self.params["similar"],
            on_step,
            shingle=alike.of_questions,
            band=4,
            meet=lambda one, other: one < first <= other,
        )
        known: set[int] = set()
        for one, other in pairs:
            if other not in known and alike.same_numerals(held_out[one], trained[other - first]):
                known.add(other)
                leaked.setdefault(self._held_out[held_out[one]], []).extend(self._trained[trained[other - first]])
        for kept in sorted(leaked):
            yield Group(sorted(leaked[kept]), kept)

    def mended(self, row: NewRow) -> list[NewRow]:
        return [replace(row, split=None)]
