"""Peak memory of a LoRA training, from its spec and the shapes of its base: nothing is loaded and torch is not imported.

    fixed      libraries, the frozen base, the adapter with its gradients and the optimizer's moments
    passing    what autograd keeps of every layer, then either the logits or one layer's backward pass on top of it

What is kept of a layer was read off transformers' Llama with PEFT's LoRA on every linear layer, tensor by tensor. A frozen
layer keeps no input for itself, but LoRA's A does, in float32 always; norms compute in float32 as well, so bfloat16 saves less
here than one expects. Checkpointing keeps the input of each layer, and everything of one layer while that is computed again.
Compared with real trainings on a CPU, and with torch's own accounting on tensors without content, by
`python -m tests.bench memory`. No card was measured.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from studio.train.estimates import Decoder, Shapes
from studio.train.methods.full import FULL
from studio.train.spec import Bits, Optimizer, Precision, TrainSpec

__all__ = ["PARTS", "Batch", "Footprint", "footprint"]

PARTS = ("libraries", "weights", "adapter", "gradients", "optimizer", "activations", "logits")

#: Outside of the model. CPU: resident after three steps of a base of 160 kB: torch, transformers, PEFT, accelerate, all but
#: 30 MB of it before the first step. CUDA: the workspace that torch allocates for cuBLAS, 8 MiB or, on Hopper, 32 MiB.
_LIBRARY_BYTES = {"cpu": 594_000_000, "cuda": 32 * 2**20}

#: Freed blocks that glibc does not hand out again, as a share of what all layers keep in a pass without checkpointing: with it
#: as well, since that is allocated and freed all the same. An aligned block asks for more than a hole of its own size has.
#: One number for all that `python -m tests.bench memory` measures (glibc 2.36): 0.6 to 1.0 in float32, 0.4 to 0.5 in bfloat16.
_WASTED = 0.65

#: Blocks from here on are mapped one by one, and given back when freed (DEFAULT_MMAP_THRESHOLD_MAX in glibc's malloc.c).
_MAPPED_BYTES = 32 * 2**20

#: How far the truth may lie from the total: the goals of the bench, and more where the shapes had to be guessed.
_RANGES = {"cpu": (0.75, 1.25), "cuda": (0.9, 1.1)}
_GUESSED_RANGE = (0.5, 1.6)

#: Methods whose memory the bench compares; others keep about as much of a pass, and are told with more caution.
_MEASURED = ("lora", "qlora", "rslora", "lora_plus")

#: Moments that an optimizer keeps of each weight, and whether in 8 bits. Adafactor's row and column sums are next to nothing.
_KEPT = {
    Optimizer.ADAMW: (2, False),
    Optimizer.PAGED_ADAMW: (2, False),
    Optimizer.ADAMW_8BIT: (2, True),
    Optimizer.PAGED_ADAMW_8BIT: (2, True),
    Optimizer.LION: (1, False),
    Optimizer.LION_8BIT: (1, True),
    Optimizer.ADAFACTOR: (0, False),
    Optimizer.SGD: (0, False),
}

#: bitsandbytes leaves the moments of tensors with fewer elements in float32, and scales others by blocks (its `min_8bit_size`
#: and `blocksize`).
_LEAST_8BIT, _BLOCK_8BIT = 4096, 256


@dataclass(frozen=True)
class Batch:
    """The largest micro-batch: `width` tokens in its longest row, `targets` in all rows together."""

    rows: int
    width: int
    targets: int


@dataclass(frozen=True)
class Footprint:
    """Bytes at the peak, by part; the truth is expected within [`low`, `high`]."""

    parts: dict[str, int]
    low: int
    high: int

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def footprint(spec: TrainSpec, shapes: Shapes, batch: Batch, *, device: Literal["cpu", "cuda"], bf16: bool) -> Footprint:
    """On the CPU what is resident at most (`ru_maxrss`), on CUDA what torch allocates at most (`max_memory_allocated`).

    `logits` are log-probabilities and two gradients of them in float32, of the targets only where the head allows it. They are
    gone when the layers' backward passes begin, so of these only what is larger counts, among the activations.
    """
    decoder = shapes.decoder or _guessed(shapes)
    precision = Precision.BFLOAT16 if bf16 else Precision.FLOAT32
    sizes = spec.how.sizes(spec, shapes)
    adapter = 4 * sum(sizes)
    positions = batch.targets if decoder.plain_head else batch.rows * batch.width
    logits = 12 * positions * decoder.vocabulary
    parts = {
        "libraries": _LIBRARY_BYTES[device],
        "weights": shapes.weight_bytes(spec.bits, precision),
        "adapter": adapter,
        "gradients": adapter,
        "optimizer": _moments(spec, sizes),
        "activations": _activations(spec, shapes, decoder, batch, logits, is_cpu=device == "cpu", number=2 if bf16 else 4),
        "logits": logits,
    }
    if device == "cpu":  # while they are read, the file lies in memory as well, and is mapped rather than copied if it can be
        is_mapped = math.isclose(shapes.file_bytes, parts["weights"], rel_tol=0.01)
        loading = 0 if is_mapped else shapes.file_bytes
        parts["weights"] += max(0, loading - sum(parts[name] for name in PARTS[2:]))
    if spec.method == FULL.name:  # the weights that are trained are the base's own
        parts["weights"] = max(0, parts["weights"] - adapter)
    total = sum(parts.values())
    measured = shapes.decoder is not None and spec.method in _MEASURED
    low, high = _RANGES[device] if measured else _GUESSED_RANGE
    return Footprint(parts, round(low * total), round(high * total))


def _moments(spec: TrainSpec, sizes: Sequence[int]) -> int:
    """Bytes of what the optimizer keeps of tensors of these sizes: 4 a moment, or 1 and a float32 scale for every block."""
    kept, is_8bit = _KEPT[spec.optimizer]
    total = 0
    for size in sizes:
        total += kept * (size + 4 * math.ceil(size / _BLOCK_8BIT)) if is_8bit and size >= _LEAST_8BIT else 4 * kept * size
    return total


def _activations(
    spec: TrainSpec, shapes: Shapes, decoder: Decoder, batch: Batch, logits: int, *, is_cpu: bool, number: int
) -> int:
    """Bytes beside the logits at the peak; `number` is the bytes of one number of the base."""
    tokens = batch.rows * batch.width
    hidden = tokens * decoder.hidden
    layer = _kept_of_layer(spec, decoder, batch, is_cpu=is_cpu, number=number)
    # The last norm's copy, its output; the gradients that are alive together in a norm, or in the gated product.
    ends = hidden * (4 + number)
    backward = max(5 * 4 * hidden, 2 * number * tokens * decoder.intermediate)
    kept = decoder.layers * sum(layer)
    if spec.gradient_checkpointing:
        kept = decoder.layers * hidden * number
        backward += sum(layer)
    passing = layer * decoder.layers
    if spec.bits != Bits.PLAIN:  # one matrix at a time is unpacked, and PEFT copies its product
        unpacked = [number * outputs * inputs for outputs, inputs in shapes.linear]
        backward += max(unpacked)
        passing += unpacked + [number * tokens * outputs for outputs, _ in shapes.linear]
    wasted = _WASTED * sum(size for size in passing if size < _MAPPED_BYTES) if is_cpu else 0
    return round(ends + kept + wasted + max(0, backward - logits))


def _kept_of_layer(spec: TrainSpec, decoder: Decoder, batch: Batch, *, is_cpu: bool, number: int) -> list[int]:
    """Bytes of each tensor that one layer keeps for its backward pass."""
    tokens = batch.rows * batch.width
    hidden, inner = decoder.hidden, decoder.intermediate
    queries, keys = decoder.heads * decoder.head_dim, decoder.kv_heads * decoder.head_dim
    # Rows of one batch differ in length as a rule: then there is a mask, and transformers repeats keys and values.
    is_padded = batch.rows > 1
    wide = 4 * tokens  # one float32 a token
    plain = number * tokens

    kept = 2 * [wide * hidden, wide]  # into each norm, and what it divides by
    inputs = [hidden, hidden, hidden, queries, hidden, hidden, inner]  # of q, k, v, o, gate, up, down: for LoRA's A
    if spec.lora_dropout:  # a copy for each, and what was dropped: torch's CPU keeps float32 for it, CUDA bytes
        kept += [wide * width for width in inputs]
        kept += [(wide if is_cpu else tokens) * width for width in inputs]
    elif number == 4:  # q, k and v share theirs, as gate and up do; o's is the output of attention
        kept += [wide * hidden, wide * hidden, wide * inner]
    else:  # copies in float32, one for each
        kept += [wide * width for width in inputs]
    kept += [wide * spec.lora_rank] * len(inputs)  # for LoRA's B
    repeated = queries if is_padded else keys
    kept += [plain * queries, plain * repeated, plain * repeated, plain * queries, wide * decoder.heads]  # q, k, v, out, sums
    if is_padded:
        kept.append(plain * batch.width)  # the mask, as numbers
    kept += 3 * [plain * inner]  # gate, its activation, up
    if decoder.qk_norm:
        kept += [wide * queries, wide * keys, wide * decoder.heads, wide * decoder.kv_heads]
    return kept


def _guessed(shapes: Shapes) -> Decoder:
    """From the linear layers alone: seven of them in a layer, no shared heads, and all the rest an embedding."""
    hidden = Counter(inputs for _, inputs in shapes.linear).most_common(1)[0][0]
    inner = max(max(shape) for shape in shapes.linear)
    layers = math.ceil(len(shapes.linear) / 7)
    return Decoder(hidden, inner, layers, heads=1, kv_heads=1, head_dim=hidden, vocabulary=shapes.other_parameters // hidden)
