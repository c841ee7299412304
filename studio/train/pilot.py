"""The job `pilot`: a few real steps of a training, the longest rows first, to know its memory and its time before it begins.

    1 one step of the longest rows     what the training needs at most
    2 steps of usual batches           tokens a second
    3 one batch evaluated, a probe     what an evaluation takes
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from studio.data.render import Template
from studio.jobs.context import JobContext
from studio.jobs.resources import free_memory_bytes
from studio.jobs.spec import Spec, checked
from studio.models.catalogue import base_folder
from studio.train.arguments import training_arguments
from studio.train.faults import told_plainly
from studio.train.rows import pad_id, rows_of
from studio.train.spec import TrainSpec

if TYPE_CHECKING:
    from studio.train.batches import TokenRow, TokenRows
    from studio.train.trainer import StudioTrainer

__all__ = ["PilotSpec", "digest_of", "run_pilot"]

#: Usual batches that are timed, the first of which warms up.
_TIMED = 3

#: Validation rows, and questions, from which the time of an evaluation is told.
_TRIED = 8

#: Fields that change neither memory nor time.
_BESIDE = {"name", "seed", "then", "learning_rate", "weight_decay", "preset", "warmup_share"}


class PilotSpec(Spec):
    """`digest` says what the pilot's numbers hold for, as `digest_of` makes it."""

    kind: Literal["pilot"] = "pilot"
    train: TrainSpec
    digest: str


def digest_of(spec: TrainSpec) -> str:
    """The same for specs that take the same memory and time."""
    facts = {name: value for name, value in spec.as_dict().items() if name not in _BESIDE}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def run_pilot(context: JobContext) -> dict[str, Any]:
    """Bytes at the peak and those that there are, tokens a second, seconds of the whole training, and whether it fits.

    Raises JobError where memory is not enough: that is an answer as well.
    """
    with told_plainly(context.folder.path):
        return _run(context, checked(PilotSpec, context.spec).train)


def _run(context: JobContext, spec: TrainSpec) -> dict[str, Any]:
    began = time.monotonic()
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
    free = free_memory_bytes()  # beside this process, which is still small
    context.phase("preparing")
    train_rows, validation_rows, template = rows_of(context, spec)
    context.check_stop()
    context.phase("loading")
    import transformers
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from studio.train.batches import LengthBatches, TokenRows
    from studio.train.callbacks import TimeSteps
    from studio.train.facts import device_bytes, facts_of, peak_bytes
    from studio.train.model import adapted_model, device_of
    from studio.train.trainer import StudioTrainer

    transformers.set_seed(spec.seed)
    transformers.logging.disable_progress_bar()
    device = device_of(context.settings, spec.precision)
    steps = spec.planned_steps(len(train_rows))
    model = adapted_model(base_folder(context.settings, spec.base.id), spec, device, steps)
    context.check_stop()

    context.phase("piloting")
    rows = train_rows.rows
    size = min(spec.per_device_batch_size, len(rows))
    longest = sorted(rows, key=lambda row: len(row.ids), reverse=True)[:size]
    order = list(LengthBatches([len(row.ids) for row in rows], size, spec.seed))
    usual = [rows[at] for at in order[: _TIMED * size]]
    n_steps = 1 + len(usual) // size
    more = {"max_steps": n_steps, "gradient_accumulation_steps": 1, "save_strategy": "no", "warmup_steps": 0}
    arguments = training_arguments(spec, device, context.folder.path, n_train=len(rows), validates=False, **more)
    clock = TimeSteps(context)
    trainer = StudioTrainer(
        model=model,
        args=arguments,
        train_dataset=TokenRows([*longest, *usual]),
        callbacks=[clock],
        pad_id=pad_id(template),
        spec=spec,
        in_order=True,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.choose_loss(train_rows)
    ready_s = time.monotonic() - began
    trainer.train()
    context.check_stop()
    peak = peak_bytes()
    timed = max(1, n_steps - 2) * size  # the last ones: the longest batch and the one after it warm up
    tokens_per_s = sum(len(row.ids) for row in usual[-timed:]) / sum(clock.seconds[-max(1, n_steps - 2) :])
    evaluations_s = _evaluations_s(context, spec, trainer, template, validation_rows)
    seconds = ready_s + _passes(spec, rows, size) / tokens_per_s + evaluations_s
    limit = device_bytes() or free
    return {
        "peak_bytes": peak,
        "limit_bytes": limit,
        "fits": peak <= limit,
        "tokens_per_s": round(tokens_per_s, 1),
        "seconds": round(seconds, 1),
        "steps": spec.planned_steps(len(rows)),
        "rows": size,
        "width": len(longest[0].ids),
        "facts": facts_of(device, model),
    }


def _passes(spec: TrainSpec, rows: Sequence[TokenRow], size: int) -> float:
    """Tokens that all steps together read."""
    mean = sum(len(row.ids) for row in rows) / len(rows)
    if spec.max_steps:
        return mean * spec.max_steps * size * spec.gradient_accumulation_steps
    return mean * spec.epochs * len(rows)


def _evaluations_s(
    context: JobContext, spec: TrainSpec, trainer: StudioTrainer, template: Template, validation_rows: TokenRows
) -> float:
    """Seconds of all evaluations and probes, from a few rows and a few questions."""
    from studio.train.batches import TokenRows
    from studio.train.callbacks import ProbeRounds

    seconds = 0.0
    if validation_rows.rows:
        few = validation_rows.rows[:: max(1, len(validation_rows.rows) // _TRIED)][:_TRIED]
        started = time.monotonic()
        trainer.mean_nll(TokenRows(few))
        seconds += (time.monotonic() - started) * len(validation_rows.rows) / len(few)
    asked = ProbeRounds(context, spec, template, trainer)
    if asked.probes:
        started = time.monotonic()
        n_tried = asked.answer(_TRIED)
        seconds += (time.monotonic() - started) * len(asked.probes) / n_tried
    return seconds * (spec.evaluations + 1)
