"""The checkpoints that can answer, as choices of a drop-down."""

from __future__ import annotations

from components.page import Page
from studio.access import Actor
from studio.train.service import answers_as

__all__ = ["checkpoint_choices"]


def checkpoint_choices(page: Page, actor: Actor) -> list[tuple[str, str]]:
    """(label, the engine's name): runs newest first, each one's best checkpoint before its others."""
    found = []
    for saved in page.services.train.checkpoints(actor):
        label = page.t("chat.checkpoint.best" if saved.best else "chat.checkpoint.step", run=saved.run_name, step=saved.step)
        found.append((saved.best, label, answers_as(saved.run_id, None if saved.best else saved.step), saved.run_id))
    order = list(dict.fromkeys(run_id for *_, run_id in found))
    found.sort(key=lambda item: (order.index(item[3]), not item[0]))
    return [(label, value) for _, label, value, _ in found]
