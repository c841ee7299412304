"""QLoRA: LoRA in 16 or 32 bits on a base whose weights are frozen in 4 bits (Dettmers et al. 2023, arXiv:2305.14314), or in 8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from studio.errors import ConfigError, StudioError
from studio.train.methods.lora import Lora

if TYPE_CHECKING:
    from studio.train.spec import TrainSpec

__all__ = ["QLORA"]


class _QLora(Lora):
    name = "qlora"
    suggests = {"bits": 4}

    def problems(self, spec: TrainSpec) -> Iterator[StudioError]:
        yield from super().problems(spec)
        if spec.bits == 16:
            yield ConfigError("error.train.qlora_bits", field="bits")


QLORA = _QLora()
