"""Rows that are there twice: word for word, or almost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from studio.data.checks import alike
from studio.data.checks.base import Area, Context, Group, RowView, SetCheck

__all__ = ["ExactDuplicates", "NearDuplicates", "first_to_keep"]

#: A row that is tested with stays before one that is trained on: a test set keeps its rows.
_RANK = {"test": 0, "validation": 1}


def first_to_keep(members: Iterable[int], splits: list[str | None]) -> int:
    return min(members, key=lambda number: (_RANK.get(splits[number] or "", 2), number))


class ExactDuplicates(SetCheck):
    """Rows of the same kind with the same content (sha256 of its canonical JSON). The first stays, a test row before all."""

    key = "exact_duplicates"
    area: ClassVar[Area] = "diversity"
    certain = True

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(context)
        self._members: dict[tuple[str, bytes], list[int]] = {}
        self._splits: list[str | None] = []

    def add(self, number: int, view: RowView) -> None:
        digest = bytes.fromhex(view.content_hash)
        self._members.setdefault((view.row.kind, digest), []).append(number)
        self._splits.append(view.row.split)

    def groups(self, on_step: Callable[[], None]) -> Iterable[Group]:
        for members in self._members.values():
            if len(members) > 1:
                on_step()
                kept = first_to_keep(members, self._splits)
                yield Group([number for number in members if number != kept], kept)


class NearDuplicates(SetCheck):
    """Rows whose question and answer together have a Jaccard similarity of 0.7 or more (runs of 3 characters in Chinese, of 2
    words elsewhere; case, width and punctuation aside). Exact copies count once. One that differs from the row that stays by
    numerals (a dose, a date) may say something else: a person decides.
    """

    key = "near_duplicates"
    area: ClassVar[Area] = "diversity"
    params: ClassVar[dict[str, Any]] = {"similar": 0.7}

    #: Characters of a row that are compared, from its beginning.
    _COMPARED = 2_000

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(context)
        self._rows_of: dict[str, dict[str, list[int]]] = {}
        self._splits: list[str | None] = []
        self._is_over = False

    @property
    def missing(self) -> str:
        return "doctor.not_run.too_many" if self._is_over else ""

    def add(self, number: int, view: RowView) -> None:
        self._splits.append(view.row.split)
        if self._is_over:
            return
        text = f"{view.question} {view.answer}"[: self._COMPARED]
        self._rows_of.setdefault(text, {}).setdefault(view.content_hash, []).append(number)
        if len(self._rows_of) > alike.MAX_TEXTS:
            self._is_over = True
            self._rows_of.clear()

    def groups(self, on_step: Callable[[], None]) -> Iterable[Group]:
        texts = list(self._rows_of)
        pairs = alike.similar_pairs(texts, self.params["similar"], on_step)
        for cluster in alike.clusters(len(texts), pairs):
            copies = [(texts[index], same) for index in cluster for same in self._rows_of[texts[index]].values()]
            text_of = {first_to_keep(same, self._splits): text for text, same in copies}
            if len(text_of) > 1:
                kept = first_to_keep(text_of, self._splits)
                found = sorted(text_of.keys() - {kept})
                yield Group(found, kept, {number for number in found if not alike.same_numerals(text_of[number], text_of[kept])})
