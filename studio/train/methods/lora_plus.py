"""LoRA+: B learns so many times as fast as A (Hayou et al. 2024, arXiv:2402.12354)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from studio.train.methods.base import shown
from studio.train.methods.lora import Lora

if TYPE_CHECKING:
    from studio.train.spec import TrainSpec

__all__ = ["LORA_PLUS", "LoraPlusFields"]


class LoraPlusFields(BaseModel):
    lora_plus_ratio: float = Field(8.0, ge=1, le=64, json_schema_extra=shown("adapter"))


class _LoraPlus(Lora):
    name = "lora_plus"
    fields = (*Lora.fields, *LoraPlusFields.model_fields)
    rate = 0.5  # the paper halves LoRA's rate where B's is raised

    def groups(self, model: Any, spec: TrainSpec) -> list[dict[str, Any]]:
        trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        shared = {"weight_decay": spec.weight_decay}
        fast = [parameter for name, parameter in trained if "lora_B" in name]
        slow = [parameter for name, parameter in trained if "lora_B" not in name]
        return [
            {"params": slow, "lr": spec.learning_rate, **shared},
            {"params": fast, "lr": spec.learning_rate * spec.lora_plus_ratio, **shared},
        ]


LORA_PLUS = _LoraPlus()
