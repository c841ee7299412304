"""rsLoRA: LoRA scaled by α/√r, so that a high rank learns as fast as a low one (Kalajdzievski 2023, arXiv:2312.03732)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.train.methods.lora import Lora

if TYPE_CHECKING:
    from studio.train.spec import TrainSpec

__all__ = ["RSLORA"]


class _RsLora(Lora):
    name = "rslora"
    rate = 0.5  # α/√r is 4 · α/r at rank 16; half the rate and the clipped gradient meet it

    def options(self, spec: TrainSpec) -> dict[str, Any]:
        return super().options(spec) | {"use_rslora": True}


RSLORA = _RsLora()
