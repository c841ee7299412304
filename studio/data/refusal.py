"""Why a row cannot be trained on, told before anything starts."""

from __future__ import annotations

from typing import Any

from studio.data.render import Rendered, Template, render
from studio.errors import StudioError

__all__ = ["rendered_or_refused"]


def rendered_or_refused(
    kind: str, content: dict[str, Any], template: Template, max_seq_len: int
) -> tuple[Rendered, None] | tuple[None, str]:
    """The row as tokens, or the message key of the reason why it is not trained on."""
    try:
        rendered = render(kind, content, template, max_seq_len=max_seq_len)
    except StudioError as error:
        return None, error.key
    if rendered.is_cut:
        return None, "data.refused.too_long"
    if rendered.n_targets == 0:
        return None, "data.refused.no_targets"
    return rendered, None
