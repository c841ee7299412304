"""What a base is made of, from its `config.json` and the headers of its files: shapes are read, weights are not.

Knows nothing of batches; what a training takes in all is `studio.train.memory`.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.train.spec import Bits, Precision

__all__ = ["Decoder", "Shapes", "decoder_of", "shapes_of"]

#: NF4 with quantised scales: 4 bits a weight, one byte for 64 weights, one float32 for 64 · 256 (QLoRA, section 3).
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)

#: LLM.int8(): a byte a weight; its scale, one float32 a row, is left aside (Dettmers et al. 2022, arXiv:2208.07339).
_INT8_BYTES = 1.0

#: Parts of names that mark matrices which are looked up, not multiplied, or are the head: PEFT leaves these alone.
_NO_ADAPTER = ("embed", "lm_head", "wte", "wpe", "output.weight")

#: Longest header that is read; that of a base with 100,000 tensors is shorter.
_MAX_HEADER_BYTES = 50_000_000

#: Families that normalise queries and keys head by head.
_QK_NORMS = ("qwen3",)

#: Where a config says that its logits are more than a product with the head: capped, or scaled.
_LOGITS_CHANGED = ("final_logit_softcapping", "logit_scale", "logits_scaling")

#: Where a config says how many experts a layer has: these are no linear layers of their own in transformers.
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")


@dataclass(frozen=True)
class Decoder:
    """Widths of a decoder of the Llama kind: RMS norms, rotary attention, a gated MLP. `heads` · `head_dim` need not be
    `hidden`; `tied` where the head is the embedding again; `plain_head` where the loss may look at target positions only.
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool = False
    qk_norm: bool = False
    plain_head: bool = True


@dataclass(frozen=True)
class Shapes:
    """`linear`: (outputs, inputs) of every layer that may get an adapter, and their `names`; `other_parameters`: all the rest
    of the base.

    `decoder` is None where there is no `config.json`, or one in other words than Llama's. `file_bytes` are those of the weights
    as they lie on disk.
    """

    linear: tuple[tuple[int, int], ...]
    other_parameters: int
    decoder: Decoder | None = None
    file_bytes: int = 0
    names: tuple[str, ...] = ()

    def named(self, endings: Sequence[str]) -> list[tuple[int, int]]:
        """Those whose names end so, the word `weight` left aside."""
        found = zip(self.names, self.linear, strict=True) if self.names else ()
        return [pair for name, pair in found if name.removesuffix(".weight").endswith(tuple(endings))]

    def matched(self, endings: Sequence[str]) -> list[tuple[int, int]]:
        """As PEFT chooses them: by whole last parts of their names; all, where none are given."""
        return self.named([f".{ending}" for ending in endings]) if endings else list(self.linear)

    @property
    def width(self) -> int:
        """Of the hidden states."""
        if self.decoder is not None:
            return self.decoder.hidden
        return Counter(inputs for _, inputs in self.linear).most_common(1)[0][0]

    @property
    def key_width(self) -> int:
        """Numbers of one token in a cache of keys and values, over all layers."""
        if self.decoder is None:
            return 2 * self.width * math.ceil(len(self.linear) / 7)
        return 2 * self.decoder.layers * self.decoder.kv_heads * self.decoder.head_dim

    def weight_bytes(self, bits: Bits, precision: Precision) -> int:
        """Of the frozen base in memory. `auto` counts as float32: which device it will be is not known here."""
        plain = 2 if precision == Precision.BFLOAT16 else 4
        linear = sum(outputs * inputs for outputs, inputs in self.linear)
        each = {Bits.PLAIN: plain, Bits.INT8: _INT8_BYTES, Bits.NF4: _NF4_BYTES}[bits]
        return round(linear * each + self.other_parameters * plain)


def shapes_of(folder: Path) -> Shapes | None:
    """Of the base in `folder`; None where its files do not say, or have nothing that an adapter could be put on."""
    tensors: dict[str, Any] = {}
    try:
        for path in sorted(folder.glob("*.safetensors")):
            tensors |= _header(path)
    except (OSError, ValueError, struct.error):
        return None
    decoder = _decoder(folder)
    linear: dict[str, tuple[int, int]] = {}
    other = 0
    for name, facts in tensors.items():
        shape = facts["shape"]
        if len(shape) == 2 and not any(part in name for part in _NO_ADAPTER):
            linear[name] = (shape[0], shape[1])
        elif not (decoder is not None and decoder.tied and name == "lm_head.weight"):  # a tied head is the embedding again
            other += math.prod(shape)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return Shapes(tuple(linear.values()), other, decoder, size, tuple(linear)) if linear else None


def _decoder(folder: Path) -> Decoder | None:
    """As `config.json` has it; None where it is not of that kind. A model that sees as well has its decoder in `text_config`."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        config = config.get("text_config", config) | {"tied": config.get("tie_word_embeddings", False)}
        return decoder_of(config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def decoder_of(config: dict[str, Any]) -> Decoder:
    """From a config in the words of transformers. Raises KeyError for one that has others, or has experts."""
    if any(config.get(name) for name in _EXPERTS):
        raise KeyError("a mixture of experts")
    heads, family = config["num_attention_heads"], config.get("model_type", "")
    return Decoder(
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        vocabulary=config["vocab_size"],
        tied=bool(config.get("tied", config.get("tie_word_embeddings", False))),
        qk_norm=family in _QK_NORMS,
        plain_head=not any(config.get(name) for name in _LOGITS_CHANGED),
    )


def _header(path: Path) -> dict[str, Any]:
    """The JSON at the beginning of a safetensors file: its length in 8 bytes, little-endian, then itself."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _MAX_HEADER_BYTES:
            raise ValueError(f"{path.name}: a header of {length} bytes")
        header: dict[str, Any] = json.loads(file.read(length))
    return {name: facts for name, facts in header.items() if name != "__metadata__"}
