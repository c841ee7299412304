"""LoRA: W stays, W·x + (α/r)·B·A·x is computed, and B = 0 at the start (Hu et al. 2021, arXiv:2106.09685)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, field_validator

from studio.train.methods.base import Method, shown

if TYPE_CHECKING:
    from studio.train.estimates import Shapes
    from studio.train.spec import TrainSpec

__all__ = ["LORA", "Lora", "LoraFields", "names_of"]


class LoraFields(BaseModel):
    lora_rank: int = Field(16, ge=1, le=512, json_schema_extra=shown("adapter", basic=True))
    lora_alpha: int = Field(32, ge=1, le=2048, json_schema_extra=shown("adapter"))
    lora_dropout: float = Field(0.0, ge=0, lt=1, json_schema_extra=shown("adapter"))
    target_modules: str = Field(
        "", max_length=500, pattern=r"^[\w.,; ]*$", description="empty: every linear layer but the head",
        json_schema_extra=shown("adapter"),
    )

    @field_validator("target_modules")
    @classmethod
    def _tidy(cls, given: str) -> str:
        return ", ".join(names_of(given))


def names_of(target_modules: str) -> list[str]:
    """`q_proj, v_proj` as names; [] stands for every linear layer."""
    return [name for name in target_modules.replace(";", ",").replace(" ", ",").split(",") if name]


class Lora(Method):
    name = "lora"
    fields = tuple(LoraFields.model_fields)
    in_vllm = True

    def sizes(self, spec: TrainSpec, shapes: Shapes) -> list[int]:
        return [spec.lora_rank * width for pair in shapes.matched(names_of(spec.target_modules)) for width in reversed(pair)]

    def config(self, model: Any, spec: TrainSpec, steps: int) -> Any:
        from peft import LoraConfig

        return LoraConfig(**self.options(spec))

    def options(self, spec: TrainSpec) -> dict[str, Any]:
        """Of PEFT's `LoraConfig`."""
        return {
            "r": spec.lora_rank,
            "lora_alpha": spec.lora_alpha,
            "lora_dropout": spec.lora_dropout,
            "target_modules": names_of(spec.target_modules) or "all-linear",
            "task_type": "CAUSAL_LM",
        }


LORA = Lora()
