"""Templates of the bases that are here, loaded once and kept until their files change."""

from __future__ import annotations

import functools
from pathlib import Path

from studio.data.checks.base import Context
from studio.data.render import Template
from studio.errors import ModelError
from studio.models.catalogue import base_folder
from studio.settings import Settings

__all__ = ["context_of", "template_of"]


@functools.lru_cache(maxsize=16)
def _load(folder: Path, _changed_ns: int) -> Template:
    return Template.load(folder)


def template_of(settings: Settings, base_id: str) -> Template:
    """Tokenizer and chat template of a base. Raises ModelError while the base is not fetched."""
    folder = base_folder(settings, base_id)
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise ModelError("error.model.not_ready", base=base_id)
    return _load(folder, tokenizer.stat().st_mtime_ns)


def context_of(settings: Settings, base_id: str, max_seq_len: int) -> Context:
    """For what model rows are examined; an empty `base_id` for none. Raises ModelError while the base is not fetched."""
    return Context(base_id, template_of(settings, base_id) if base_id else None, max_seq_len)
