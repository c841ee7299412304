"""Whether a row stands in a locked test set, which no training reads."""

from __future__ import annotations

from collections.abc import Set

__all__ = ["is_locked"]

#: Splits that a training reads. Test rows and rows without a split are never trained on, locked or not.
_TRAINED = ("train", "validation")


def is_locked(split: str | None, prompt_hash: str, locked: Set[bytes]) -> bool:
    """Whether a training leaves the row out because it asks what stands in a locked test set (`locks.locked_digests`)."""
    return bool(locked) and split in _TRAINED and bytes.fromhex(prompt_hash) in locked
