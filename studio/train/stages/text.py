"""Continued pre-training: every token of a text is learned, long texts in pieces. Facts and language, not answers."""

from __future__ import annotations

from studio.train.stages.supervised import Supervised

__all__ = ["TEXT"]


class _Text(Supervised):
    name = "text"
    made_for = ("text",)
    rate = 0.5


TEXT = _Text()
