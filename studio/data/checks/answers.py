"""Checks of what a model learns to write: its answers, and texts that are learned whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from studio.data.checks.base import RowView, Spot, TextCheck, Words, with_words
from studio.data.checks.settled import settled
from studio.data.rows import NewRow

__all__ = ["AnswerCheck"]


class AnswerCheck(TextCheck):
    """Looks at the answers of all turns, at chosen ones, and at the text of text rows. Not at rejected answers, nor at the last
    one of a row whose feedback is bad, which are there to be avoided; nor at texts that are given, such as options and those
    that a label is for.

    A row in which something remains that the mend cannot settle is left as it is.
    """

    roles = frozenset({"assistant", "text"})

    def spots(self, view: RowView) -> Sequence[Spot]:
        found: list[Spot] = []
        for words in view.words:
            if words.role in self.roles and _is_learned(view.row, words):
                found += [Spot(words.where, *mark) for mark in self.marks(words.text)]
        return found

    def mended(self, row: NewRow) -> list[NewRow]:
        def swap(words: Words) -> str:
            return self.mend(words.text) if words.role in self.roles and _is_learned(row, words) else words.text

        return settled(self, row, replace(row, content=with_words(row.content, swap)))


def _is_learned(row: NewRow, words: Words) -> bool:
    if words.role == "text":
        return row.kind == "text"
    if row.kind == "feedback" and not row.content["label"]:
        return not words.where.startswith(f"messages[{len(row.content['messages']) - 1}]")
    return True
