"""Why a row cannot be trained on, told before anything starts."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from studio.data.render import Rendered, Template, render
from studio.errors import StudioError

__all__ = ["is_locked", "rendered_or_refused"]

#: Splits that a training reads. Test rows and rows without a split are never trained on, locked or not.
_TRAINED = ("train", "validation")


def is_locked(split: str | None, prompt_hash: str, locked: Set[bytes]) -> bool:
    """Whether a training leaves the row out because it asks what stands in a locked test set (`locks.locked_digests`)."""
    return bool(locked) and split in _TRAINED and bytes.fromhex(prompt_hash) in locked


def rendered_or_refused(
    kind: str, content: dict[str, Any], template: Template, max_seq_len: int, *, is_locked: bool = False
) -> tuple[Rendered, None] | tuple[None, str]:
    """The row as tokens, or the message key of the reason why it is not trained on."""
    if is_locked:
        return None, "data.refused.locked_test"
    try:
        rendered = render(kind, content, template, max_seq_len=max_seq_len)
    except StudioError as error:
        return None, error.key
    if rendered.is_cut:
        return None, "data.refused.too_long"
    if rendered.n_targets == 0:
        return None, "data.refused.no_targets"
    return rendered, None
