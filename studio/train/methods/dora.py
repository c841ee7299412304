"""DoRA: direction by LoRA, the length of each column on its own (Liu et al. 2024, arXiv:2402.09353, equation 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.train.methods.lora import Lora, names_of

if TYPE_CHECKING:
    from studio.train.estimates import Shapes
    from studio.train.spec import TrainSpec

__all__ = ["DORA"]


class _Dora(Lora):
    name = "dora"
    in_vllm = False  # vLLM's LoRA has no lengths

    def sizes(self, spec: TrainSpec, shapes: Shapes) -> list[int]:
        return super().sizes(spec, shapes) + [outputs for outputs, _ in shapes.matched(names_of(spec.target_modules))]

    def options(self, spec: TrainSpec) -> dict[str, Any]:
        return super().options(spec) | {"use_dora": True}


DORA = _Dora()
