"""Will it fit: the memory of a training against its device, and what to change until it does.

    1 micro-batch     fewer rows at once, as many more passes a step: the same numbers
    2 checkpointing   gradients computed twice, activations kept once
    3 shorter limit   the longest rows are left out, and counted
    4 8-bit optimizer
    5 QLoRA           the base in 4 bits
    6 LoRA            in the place of full fine-tuning

Knows no torch: what a training takes is predicted from the shapes of the base and the lengths of the rows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from studio.jobs.resources import Device, computes_bfloat16, devices, free_memory_bytes
from studio.jobs.runfolder import RunFolder, write_by_rename
from studio.settings import Settings
from studio.train.estimates import Shapes
from studio.train.memory import Batch, Footprint, footprint
from studio.train.spec import Bits, Optimizer, Precision, TrainSpec

__all__ = ["EASED_FILE", "Fitted", "Outlook", "Remedy", "ease", "eased", "make_fit", "outlook_of", "worst_batch"]

#: In the run's folder: what was changed after memory had not been enough.
EASED_FILE = "eased.json"

#: Share of a device's memory that a training may be predicted to take: the driver, the desktop and bad luck take the rest.
_USABLE = 0.9

#: Rows that a shorter limit may leave out.
_MOST_CUT = 0.1

#: Shortest limit that is proposed.
_SHORTEST = 64

RemedyName = Literal["micro_batch", "checkpointing", "shorter", "optimizer_8bit", "qlora", "lora"]
Lengths = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Remedy:
    """One change. `changes` are fields of the spec; `n_cut` rows are left out by it."""

    name: RemedyName
    changes: dict[str, Any]
    n_cut: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "changes": self.changes, "n_cut": self.n_cut}


@dataclass(frozen=True)
class Outlook:
    """What a training is predicted to take on a device of which `limit_bytes` are to be had."""

    footprint: Footprint
    batch: Batch
    device: Device
    limit_bytes: int

    @property
    def spare(self) -> float:
        """Share of the limit that stays free, in (−∞, 1]."""
        return 1 - self.footprint.total / self.limit_bytes

    @property
    def fits(self) -> bool:
        return self.footprint.total <= _USABLE * self.limit_bytes


@dataclass(frozen=True)
class Fitted:
    """A spec that was made to fit, or the nearest to it; `remedies` in the order in which they were taken."""

    spec: TrainSpec
    outlook: Outlook
    remedies: list[Remedy] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        return self.outlook.fits


def worst_batch(spec: TrainSpec, lengths: Lengths) -> Batch:
    """The longest rows together; `lengths` are (tokens, targets), the longest first. Without any: full rows, all targets.

    Where the model writes answers itself, the longest question with answers of full length, in all rows.
    """
    taken = [item for item in lengths if item[0] <= spec.max_seq_len][: spec.per_device_batch_size]
    if written := spec.to_what.written(spec):
        width = taken[0][0] if taken else spec.max_seq_len
        return Batch(spec.per_device_batch_size, width + written, spec.per_device_batch_size * written)
    rows = (len(taken) or spec.per_device_batch_size) * spec.to_what.sequences
    if not taken:
        return Batch(rows, spec.max_seq_len, rows * spec.max_seq_len)
    return Batch(rows, taken[0][0], max(1, sum(targets for _, targets in taken)))


def outlook_of(spec: TrainSpec, shapes: Shapes, batch: Batch, settings: Settings) -> Outlook:
    """On the first device, which is as large as the others on most machines. On the CPU, what is free now counts."""
    device = devices(settings)[0]
    bf16 = computes_bfloat16(device) if spec.precision == Precision.AUTO else spec.precision == Precision.BFLOAT16
    limit = free_memory_bytes() if device.kind == "cpu" else device.total_bytes
    return Outlook(footprint(spec, shapes, batch, device=device.kind, bf16=bf16), batch, device, limit)


def make_fit(spec: TrainSpec, predict: Callable[[TrainSpec], Outlook], lengths: Lengths) -> Fitted:
    """Change `spec` as little as it takes: remedy after remedy in their order, none once it fits."""
    outlook = predict(spec)
    taken: list[Remedy] = []
    while not outlook.fits:
        remedy = next(_remedies(spec, lengths), None)
        if remedy is None:
            break
        spec = spec.model_copy(update=remedy.changes)
        outlook = predict(spec)
        if taken and taken[-1].name == remedy.name:  # two halvings are one change
            remedy = Remedy(remedy.name, remedy.changes, taken.pop().n_cut + remedy.n_cut)
        taken.append(remedy)
    return Fitted(spec, outlook, taken)


def _remedies(spec: TrainSpec, lengths: Lengths) -> Iterator[Remedy]:
    """What can still be changed, the mildest first."""
    rows = spec.per_device_batch_size
    if rows > 1:
        smaller = rows // _smallest_divisor(rows)
        passes = spec.gradient_accumulation_steps * (rows // smaller)
        yield Remedy("micro_batch", {"per_device_batch_size": smaller, "gradient_accumulation_steps": passes})
    if not spec.gradient_checkpointing and spec.how.recomputes:
        yield Remedy("checkpointing", {"gradient_checkpointing": True})
    if (shorter := _shorter(spec, lengths)) is not None:
        yield shorter
    if spec.optimizer == Optimizer.ADAMW:
        yield Remedy("optimizer_8bit", {"optimizer": Optimizer.ADAMW_8BIT})
    if spec.bits == Bits.PLAIN and spec.how.takes_quantised:
        yield Remedy("qlora", {"bits": Bits.NF4} | ({"method": "qlora"} if spec.method == "lora" else {}))
    if spec.method == "full":
        yield Remedy("lora", {"method": "lora", "learning_rate": spec.learning_rate / spec.how.rate})


def _smallest_divisor(number: int) -> int:
    """So that the rows of a step stay the same ones, in as few more passes as there can be."""
    return next((divisor for divisor in range(2, math.isqrt(number) + 1) if number % divisor == 0), number)


def _shorter(spec: TrainSpec, lengths: Lengths) -> Remedy | None:
    """A quarter less than the longest row that is left, as long as few rows are cut by all such steps together."""
    kept = [tokens for tokens, _ in lengths if tokens <= spec.max_seq_len]
    if not kept:
        return None
    limit = int(0.75 * kept[0]) // 16 * 16
    cut = sum(tokens > limit for tokens in kept)
    if limit < _SHORTEST or len(lengths) - len(kept) + cut > _MOST_CUT * len(lengths):
        return None
    return Remedy("shorter", {"max_seq_len": limit}, cut)


# After memory was not enough


def ease(folder: RunFolder, settings: Settings) -> bool:
    """Note for the next attempt of a training what it shall leave out: one remedy, once a run. Called by the worker."""
    del settings
    path = folder.path / EASED_FILE
    if path.exists():
        return False
    spec = TrainSpec.model_validate(folder.read_spec())
    remedy = next((remedy for remedy in _remedies(spec, []) if remedy.name != "lora"), None)  # that is a person's choice
    if remedy is None:
        return False
    write_by_rename(path, json.dumps(remedy.as_dict()))
    return True


def eased(spec: TrainSpec, folder: RunFolder) -> tuple[TrainSpec, dict[str, Any] | None]:
    """The spec as the attempt shall do it, and the remedy that changed it (`Remedy.as_dict`) if there was one."""
    path = folder.path / EASED_FILE
    if not path.exists():
        return spec, None
    remedy = json.loads(path.read_text("utf-8"))
    return TrainSpec.model_validate(spec.as_dict() | remedy["changes"]), remedy
