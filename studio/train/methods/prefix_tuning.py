"""Prefix tuning: see `virtual`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.train.methods.virtual import Virtual

if TYPE_CHECKING:
    from studio.train.estimates import Shapes
    from studio.train.spec import TrainSpec

__all__ = ["PREFIX_TUNING"]


class _PrefixTuning(Virtual):
    name = "prefix_tuning"
    rate = 10.0
    recomputes = False  # a layer that runs twice would lengthen its keys twice

    def sizes(self, spec: TrainSpec, shapes: Shapes) -> list[int]:
        return [spec.virtual_tokens * shapes.key_width]

    def config(self, model: Any, spec: TrainSpec, steps: int) -> Any:
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(num_virtual_tokens=spec.virtual_tokens, task_type="CAUSAL_LM")


PREFIX_TUNING = _PrefixTuning()
