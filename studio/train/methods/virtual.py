"""Prompt learning: the model stays as it is, and what stands before its input is learned.

    prompt tuning   n vectors in the place of n tokens, at the input (Lester et al. 2021, arXiv:2104.08691)
    P-tuning        the same, written by a small network while it trains (Liu et al. 2021, arXiv:2103.10385)
    prefix tuning   n keys and values in every layer (Li & Liang 2021, arXiv:2101.00190), of which P-tuning v2 is a name as well

Nothing can be merged, and the model answers otherwise than its base from the first step on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from studio.train.methods.base import ADAPTER_FILE, Method, fill, shown

__all__ = ["Virtual", "VirtualFields"]


class VirtualFields(BaseModel):
    virtual_tokens: int = Field(20, ge=1, le=1000, json_schema_extra=shown("adapter", basic=True))


class Virtual(Method):
    fields = tuple(VirtualFields.model_fields)
    starts_as_base = False
    merges = False

    packs = False  # they stand before the first row only

    def prepared(self, model: Any, spec: Any) -> Any:
        model.requires_grad_(False)  # as PEFT does itself in other methods
        return model

    def start(self, model: Any, folder: Path) -> None:
        from safetensors.torch import load_file

        learned = load_file(folder / ADAPTER_FILE)["prompt_embeddings"]
        fill({"weight": model.prompt_encoder["default"].embedding.weight.data}, {"weight": learned}, folder)
