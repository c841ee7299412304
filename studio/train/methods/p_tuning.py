"""P-tuning: see `virtual`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.train.methods.virtual import Virtual

if TYPE_CHECKING:
    from studio.train.estimates import Shapes
    from studio.train.spec import TrainSpec

__all__ = ["P_TUNING"]


class _PTuning(Virtual):
    name = "p_tuning"
    rate = 1.0
    starts_from_own = False
    adapter_is_all = False  # its file holds what the network wrote, not the network

    def sizes(self, spec: TrainSpec, shapes: Shapes) -> list[int]:
        width = shapes.width
        return [spec.virtual_tokens * width, *[width * width, width] * 3]

    def config(self, model: Any, spec: TrainSpec, steps: int) -> Any:
        from peft import PromptEncoderConfig

        width = model.get_input_embeddings().weight.shape[1]
        return PromptEncoderConfig(num_virtual_tokens=spec.virtual_tokens, encoder_hidden_size=width, task_type="CAUSAL_LM")


P_TUNING = _PTuning()
