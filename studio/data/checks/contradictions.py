"""The same question with different answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from studio.data.checks.base import Area, Context, Group, RowView, SetCheck
from studio.data.near_duplicates import folded

__all__ = ["Contradictions"]


class Contradictions(SetCheck):
    """Rows whose whole prompt is the same, case, width and punctuation aside, and whose answers are not. Which of them is right
    only a person knows.
    """

    key = "contradictions"
    area: ClassVar[Area] = "consistency"
    has_mend = False

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(context)
        self._answers: dict[int, dict[int, list[int]]] = {}

    def add(self, number: int, view: RowView) -> None:
        said = view.answer
        if view.row.kind == "feedback":
            said = f"{said} {view.row.content['label']}"
        if said:
            asked = hash((view.question, folded(view.system, None) if view.system else ""))
            self._answers.setdefault(asked, {}).setdefault(hash(said), []).append(number)

    def groups(self, on_step: Callable[[], None]) -> Iterable[Group]:
        for answers in self._answers.values():
            if len(answers) > 1:
                on_step()
                yield Group(sorted(number for members in answers.values() for number in members))
