"""Prompt tuning: see `virtual`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.train.methods.virtual import Virtual

if TYPE_CHECKING:
    from studio.train.estimates import Shapes
    from studio.train.spec import TrainSpec

__all__ = ["PROMPT_TUNING"]


class _PromptTuning(Virtual):
    name = "prompt_tuning"
    rate = 10.0

    def sizes(self, spec: TrainSpec, shapes: Shapes) -> list[int]:
        return [spec.virtual_tokens * shapes.width]

    def config(self, model: Any, spec: TrainSpec, steps: int) -> Any:
        from peft import PromptTuningConfig

        # Vectors of words that the model knows: random ones lie far from all of these, and learn slowly (section 3.2).
        return PromptTuningConfig(
            num_virtual_tokens=spec.virtual_tokens, prompt_tuning_init="SAMPLE_VOCAB", task_type="CAUSAL_LM"
        )


PROMPT_TUNING = _PromptTuning()
