"""What can be known before a training starts: what stops it, what to look at, and what it will do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from studio.data.service import TrainingView
from studio.data.store import DatasetInfo
from studio.errors import StudioError
from studio.jobs.resources import devices, free_disk_bytes, free_memory_bytes
from studio.models.catalogue import Base, base_folder
from studio.settings import Settings
from studio.text import is_plain
from studio.train.estimates import shapes_of
from studio.train.spec import TrainSpec

__all__ = ["Preflight", "look_ahead"]

#: Libraries, optimizer and activations beside the weights; measured at 1.9 to 3 GiB for the starter model, batch 8.
_OVERHEAD_BYTES = 2 * 2**30

#: A checkpoint holds the adapter in float32, and two moments of it in the optimizer's state; memory holds its gradient too.
_BYTES_PER_ADAPTER_PARAMETER = 12
_BYTES_PER_TRAINED_PARAMETER = 16

#: What else lies in a checkpoint: random state, log, configuration. The log of a long run is the most of it.
_CHECKPOINT_BYTES = 2**20

#: The best, the last two, and the one that is being written.
_CHECKPOINTS = 4

#: For events, the log and the snapshot.
_SPARE_DISK_BYTES = 2**28

#: Adapters of rank 16 have about so many parameters for one of a small base; where its files do not say more.
_USUAL_SHARE = 0.04


@dataclass(frozen=True)
class Preflight:
    """`errors` stop, `warnings` tell; both are error dictionaries as the catalogue knows them."""

    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    n_train: int = 0
    n_validation: int = 0
    n_test: int = 0
    steps: int = 0
    tokens: int = 0
    refused: dict[str, int] = field(default_factory=dict)


def look_ahead(spec: TrainSpec, base: Base, dataset: DatasetInfo, view: TrainingView, settings: Settings) -> Preflight:
    """Check a complete spec against its base, its rows and the machine. Collects every problem."""
    share = view.n_rows / view.n_seen if view.n_seen else 1.0
    n_train = round(view.counts.get("train", 0) * share)
    errors = [*_name_errors(spec), *_row_errors(spec, base, n_train), *_machine_errors(spec, base, settings)]
    return Preflight(
        errors=[error.as_dict() for error in errors],
        warnings=[warning.as_dict() for warning in _warnings(view, dataset)],
        n_train=n_train,
        n_validation=round(view.counts.get("validation", 0) * share),
        n_test=dataset.counts.get("test", 0),
        steps=spec.planned_steps(n_train) if n_train else 0,
        tokens=_tokens(spec, view, n_train),
        refused=view.refused,
    )


def _tokens(spec: TrainSpec, view: TrainingView, n_train: int) -> int:
    """Tokens that all steps together read: the mean row's, times the rows that the steps take."""
    seen = view.counts.get("train", 0)
    if not seen:
        return 0
    rows_read = spec.epochs * n_train
    if spec.max_steps:
        rows_read = spec.max_steps * spec.per_device_batch_size * spec.gradient_accumulation_steps
    return round(view.tokens / seen * rows_read)


def _name_errors(spec: TrainSpec) -> list[StudioError]:
    """Asked of a new run, not of the spec: what trained under such a name earlier must still be read."""
    return [] if is_plain(spec.name) else [StudioError("error.name.not_plain", field="name")]


def _row_errors(spec: TrainSpec, base: Base, n_train: int) -> list[StudioError]:
    found = []
    if n_train == 0:
        found.append(StudioError("error.train.no_rows", field="dataset", max_seq_len=spec.max_seq_len))
    if base.context and spec.max_seq_len > base.context:
        too_long = {"max_seq_len": spec.max_seq_len, "context": base.context}
        found.append(StudioError("error.train.context_too_short", field="max_seq_len", base=base.name, **too_long))
    return found


def _machine_errors(spec: TrainSpec, base: Base, settings: Settings) -> list[StudioError]:
    found = []
    shapes = shapes_of(base_folder(settings, base.id))
    weights, adapter = base.parameters * 4, round(_USUAL_SHARE * base.parameters)
    if shapes is not None:
        weights, adapter = shapes.weight_bytes(spec.bits, spec.precision), shapes.adapter_parameters(spec.lora_rank)
    needed_memory, free_memory = weights + adapter * _BYTES_PER_TRAINED_PARAMETER + _OVERHEAD_BYTES, free_memory_bytes()
    if devices(settings)[0].kind == "cpu" and needed_memory > free_memory:
        found.append(StudioError("error.train.no_memory", field="base", needed_bytes=needed_memory, free_bytes=free_memory))
    needed_disk = _CHECKPOINTS * (adapter * _BYTES_PER_ADAPTER_PARAMETER + _CHECKPOINT_BYTES) + _SPARE_DISK_BYTES
    free_disk = free_disk_bytes(settings.home)
    if needed_disk > free_disk:
        found.append(StudioError("error.train.no_disk", needed_bytes=needed_disk, free_bytes=free_disk))
    return found


def _warnings(view: TrainingView, dataset: DatasetInfo) -> list[StudioError]:
    found = []
    if view.counts.get("validation", 0) == 0:
        found.append(StudioError("train.warning.no_validation", dataset=dataset.name))
    found += [StudioError("train.warning.refused", n=count, reason=reason) for reason, count in view.refused.items()]
    return found
