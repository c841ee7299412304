"""What can be known before a training starts: what stops it, what to look at, and what it will do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from studio.data.service import TrainingView
from studio.data.store import DatasetInfo
from studio.errors import StudioError
from studio.jobs.resources import free_disk_bytes, free_memory_bytes
from studio.models.catalogue import Base, base_folder
from studio.settings import Settings
from studio.text import is_plain
from studio.train.estimates import Shapes, shapes_of
from studio.train.fit import Outlook, outlook_of, worst_batch
from studio.train.spec import TrainSpec

__all__ = ["Preflight", "look_ahead"]

#: A checkpoint holds what was trained in float32, and at most two moments of it in the optimizer's state.
_BYTES_PER_PARAMETER = 12

#: What any training takes beside the weights, where the base's files say no more: libraries, activations.
_OVERHEAD_BYTES = 2 * 2**30

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
    """`errors` stop, `warnings` ask; both are error dictionaries as the catalogue knows them. `outlook` is None where the
    base's files do not say its shapes.
    """

    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    n_train: int = 0
    n_validation: int = 0
    n_test: int = 0
    steps: int = 0
    tokens: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    outlook: Outlook | None = None


def look_ahead(spec: TrainSpec, base: Base, dataset: DatasetInfo, view: TrainingView, settings: Settings) -> Preflight:
    """Check a complete spec against its base, its rows and the machine. Collects every problem."""
    share = view.n_rows / view.n_seen if view.n_seen else 1.0
    n_train = round(view.n_examples * share)
    shapes = shapes_of(base_folder(settings, base.id))
    outlook = None if shapes is None else outlook_of(spec, shapes, worst_batch(spec, view.lengths), settings)
    errors = [
        *_name_errors(spec),
        *spec.problems(),
        *_row_errors(spec, base, view, n_train),
        *_memory_errors(spec, base, outlook),
        *_disk_errors(spec, base, shapes, settings),
    ]
    return Preflight(
        errors=[error.as_dict() for error in errors],
        warnings=[warning.as_dict() for warning in _warnings(view, dataset, outlook)],
        n_train=n_train,
        n_validation=round(view.counts.get("validation", 0) * share),
        n_test=dataset.counts.get("test", 0),
        steps=spec.planned_steps(n_train) if n_train else 0,
        tokens=_tokens(spec, view, n_train),
        refused=view.refused,
        outlook=outlook,
    )


def _tokens(spec: TrainSpec, view: TrainingView, n_train: int) -> int:
    """Tokens that all steps together read: the mean row's, times the rows that the steps take."""
    seen = view.n_examples
    if not seen:
        return 0
    rows_read = spec.epochs * n_train
    if spec.max_steps:
        rows_read = spec.max_steps * spec.per_device_batch_size * spec.gradient_accumulation_steps
    return round(view.tokens / seen * rows_read)


def _name_errors(spec: TrainSpec) -> list[StudioError]:
    """Asked of a new run, not of the spec: what trained under such a name earlier must still be read."""
    return [] if is_plain(spec.name) else [StudioError("error.name.not_plain", field="name")]


def _row_errors(spec: TrainSpec, base: Base, view: TrainingView, n_train: int) -> list[StudioError]:
    found = []
    if n_train == 0 and "error.model.no_chat_template" in view.refused:
        found.append(StudioError("error.train.no_template", field="base", base=base.name))
    elif n_train == 0:
        reason = max(view.refused, key=lambda key: view.refused[key], default="data.refused.too_long")
        if reason == "data.refused.too_long":
            found.append(StudioError("error.train.no_rows", field="dataset", max_seq_len=spec.max_seq_len))
        else:
            found.append(StudioError("error.train.no_rows_for", field="stage", stage=spec.stage, reason=reason))
    if base.context and spec.max_seq_len > base.context:
        too_long = {"max_seq_len": spec.max_seq_len, "context": base.context}
        found.append(StudioError("error.train.context_too_short", field="max_seq_len", base=base.name, **too_long))
    return found


def _memory_errors(spec: TrainSpec, base: Base, outlook: Outlook | None) -> list[StudioError]:
    """Only what surely does not fit is an error: a pilot or the training itself knows the rest."""
    if outlook is None:
        needed, free = spec.bits * base.parameters // 8 + _OVERHEAD_BYTES, free_memory_bytes()
    else:
        needed, free = outlook.footprint.low, outlook.limit_bytes
    if needed <= free:
        return []
    return [StudioError("error.train.no_memory", field="base", needed_bytes=needed, free_bytes=free)]


def _disk_errors(spec: TrainSpec, base: Base, shapes: Shapes | None, settings: Settings) -> list[StudioError]:
    trained = round(_USUAL_SHARE * base.parameters) if shapes is None else sum(spec.how.sizes(spec, shapes))
    needed = _CHECKPOINTS * (trained * _BYTES_PER_PARAMETER + _CHECKPOINT_BYTES) + _SPARE_DISK_BYTES
    free = free_disk_bytes(settings.home)
    return [StudioError("error.train.no_disk", needed_bytes=needed, free_bytes=free)] if needed > free else []


def _warnings(view: TrainingView, dataset: DatasetInfo, outlook: Outlook | None) -> list[StudioError]:
    found = []
    if view.counts.get("validation", 0) == 0:
        found.append(StudioError("train.warning.no_validation", dataset=dataset.name))
    found += [StudioError("train.warning.refused", n=count, reason=reason) for reason, count in view.refused.items()]
    if view.unended:
        found.append(StudioError("train.warning.no_end", n=view.unended))
    if view.leaked:
        found.append(StudioError("train.warning.leaked", n=view.leaked))
    if outlook is not None and not outlook.fits and outlook.footprint.low <= outlook.limit_bytes:
        needed, free = outlook.footprint.total, outlook.limit_bytes
        found.append(StudioError("train.warning.tight", needed_bytes=needed, free_bytes=free))
    return found
