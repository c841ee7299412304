"""Stand-in until the measured one is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from studio.train.estimates import Shapes
from studio.train.spec import Optimizer, Precision, TrainSpec

__all__ = ["PARTS", "Batch", "Footprint", "footprint"]

PARTS = ("libraries", "weights", "adapter", "gradients", "optimizer", "activations", "logits")


@dataclass(frozen=True)
class Batch:
    """The worst micro-batch."""

    rows: int
    width: int
    targets: int


@dataclass(frozen=True)
class Footprint:
    """Bytes."""

    parts: dict[str, int]
    low: int
    high: int

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def footprint(spec: TrainSpec, shapes: Shapes, batch: Batch, *, device: Literal["cpu", "cuda"], bf16: bool) -> Footprint:
    adapter = shapes.adapter_parameters(spec.lora_rank)
    per_token = 1_400_000 if not spec.gradient_checkpointing else 200_000
    parts = {
        "libraries": 538 * 2**20,
        "weights": shapes.weight_bytes(spec.bits, Precision.BFLOAT16 if bf16 else Precision.FLOAT32),
        "adapter": adapter * 4,
        "gradients": adapter * 4,
        "optimizer": adapter * (8 if spec.optimizer == Optimizer.ADAMW else 2),
        "activations": batch.rows * batch.width * per_token,
        "logits": batch.targets * 49152 * 12,
    }
    total = sum(parts.values())
    return Footprint(parts, round(total * 0.8), round(total * 1.25))
