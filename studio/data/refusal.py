"""Why a row cannot be trained on, told before anything starts."""

from __future__ import annotations

from typing import Any

from studio.data.render import Template, render
from studio.errors import StudioError

__all__ = ["refusal"]


def refusal(kind: str, content: dict[str, Any], template: Template, max_seq_len: int) -> tuple[str, int, int]:
    """A message key ("" when the row can be trained on), the row's tokens, and how many of them are targets."""
    try:
        rendered = render(kind, content, template, max_seq_len=max_seq_len)
    except StudioError as error:
        return error.key, 0, 0
    if rendered.is_cut:
        return "data.refused.too_long", len(rendered.ids), 0
    if rendered.n_targets == 0:
        return "data.refused.no_targets", len(rendered.ids), 0
    return "", len(rendered.ids), rendered.n_targets
