"""Bytes that a training will need, from the headers of the base's files: shapes are read, weights are not."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.train.spec import Bits, Precision

__all__ = ["Shapes", "shapes_of"]

#: NF4 with quantised scales: 4 bits a weight, one byte for 64 weights, one float32 for 64 · 256 (QLoRA, section 3).
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)

#: Parts of names that mark matrices which are looked up, not multiplied, or are the head: PEFT leaves these alone.
_NO_ADAPTER = ("embed", "lm_head", "wte", "wpe", "output.weight")

#: Longest header that is read; that of a base with 100,000 tensors is shorter.
_MAX_HEADER_BYTES = 50_000_000


@dataclass(frozen=True)
class Shapes:
    """`linear`: (outputs, inputs) of every layer that gets an adapter; `other_parameters`: all the rest of the base."""

    linear: tuple[tuple[int, int], ...]
    other_parameters: int

    def adapter_parameters(self, rank: int) -> int:
        """A LoRA adapter's A (rank, inputs) and B (outputs, rank) of every linear layer."""
        return sum(rank * (outputs + inputs) for outputs, inputs in self.linear)

    def weight_bytes(self, bits: Bits, precision: Precision) -> int:
        """Of the frozen base in memory. `auto` counts as float32: which device it will be is not known here."""
        plain = 2 if precision == Precision.BFLOAT16 else 4
        linear = sum(outputs * inputs for outputs, inputs in self.linear)
        return round(linear * (_NF4_BYTES if bits == Bits.NF4 else plain) + self.other_parameters * plain)


def shapes_of(folder: Path) -> Shapes | None:
    """Of the base in `folder`; None where its files do not say, or have nothing that an adapter could be put on."""
    tensors: dict[str, Any] = {}
    try:
        for path in sorted(folder.glob("*.safetensors")):
            tensors |= _header(path)
    except (OSError, ValueError, struct.error):
        return None
    linear, other = [], 0
    for name, facts in tensors.items():
        shape = facts["shape"]
        if len(shape) == 2 and not any(part in name for part in _NO_ADAPTER):
            linear.append((shape[0], shape[1]))
        else:
            other += math.prod(shape)
    return Shapes(tuple(linear), other) if linear else None


def _header(path: Path) -> dict[str, Any]:
    """The JSON at the beginning of a safetensors file: its length in 8 bytes, little-endian, then itself."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _MAX_HEADER_BYTES:
            raise ValueError(f"{path.name}: a header of {length} bytes")
        header: dict[str, Any] = json.loads(file.read(length))
    return {name: facts for name, facts in header.items() if name != "__metadata__"}
