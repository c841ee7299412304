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
from studio.train.faults import told_plainly
from studio.train.rows import rows_of
from studio.train.spec import TrainSpec
from studio.train.stages import Parts
from studio.train.start import started_from

if TYPE_CHECKING:
    from studio.train.batches import TokenRows
    from studio.train.stepping import Stepping

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
    from studio.train.model import device_of, load_base

    transformers.set_seed(spec.seed)
    transformers.logging.disable_progress_bar()
    device = device_of(context.settings, spec.precision)
    base = base_folder(context.settings, spec.base.id)
    model, start = load_base(base, spec, device), started_from(context.settings, spec)
    context.check_stop()

    context.phase("piloting")
    rows = train_rows.rows
    size = min(spec.per_device_batch_size, len(rows))
    longest = sorted(rows, key=lambda row: row.width, reverse=True)[:size]
    order = list(LengthBatches([row.width for row in rows], size, spec.seed))
    usual = [rows[at] for at in order[: _TIMED * size]]
    n_steps = 1 + len(usual) // size
    more: dict[str, Any] = {"max_steps": n_steps, "gradient_accumulation_steps": 1, "warmup_steps": 0}
    more |= {"save_strategy": "no", "eval_strategy": "no", "metric_for_best_model": None}
    clock = TimeSteps(context)
    tried, few = TokenRows([*longest, *usual]), _few(validation_rows)
    parts = Parts(device, model, template, base, tried, few, context.folder.path, start)
    trainer = spec.to_what.trainer(spec, parts, in_order=True, callbacks=[clock], more=more)
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    ready_s = time.monotonic() - began
    trainer.train()
    context.check_stop()
    peak = peak_bytes()
    timed = max(1, n_steps - 2) * size  # the last ones: the longest batch and the one after it warm up
    tokens_per_s = sum(row.n_tokens for row in usual[-timed:]) / sum(clock.seconds[-max(1, n_steps - 2) :])
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
        "width": longest[0].width,
        "facts": facts_of(device, trainer.model),
    }


def _passes(spec: TrainSpec, rows: Sequence[Any], size: int) -> float:
    """Tokens that all steps together read."""
    mean = float(sum(row.n_tokens for row in rows) / len(rows))
    if spec.max_steps:
        return mean * spec.max_steps * size * spec.gradient_accumulation_steps
    return mean * spec.epochs * len(rows)


def _few(rows: TokenRows) -> TokenRows:
    """Some of them, from all over."""
    from studio.train.batches import TokenRows

    return TokenRows(rows.rows[:: max(1, len(rows.rows) // _TRIED)][:_TRIED])


def _evaluations_s(
    context: JobContext, spec: TrainSpec, trainer: Stepping, template: Template, validation_rows: TokenRows
) -> float:
    """Seconds of all evaluations and probes, from a few rows and a few questions."""
    from studio.train.callbacks import ProbeRounds

    seconds = 0.0
    if few := _few(validation_rows).rows:
        trainer.measured(_few(validation_rows))
        seconds += trainer.evaluation_seconds * len(validation_rows.rows) / len(few)
    asked = ProbeRounds(context, spec, template, trainer)
    if asked.probes:
        started = time.monotonic()
        n_tried = asked.answer(_TRIED)
        seconds += (time.monotonic() - started) * len(asked.probes) / n_tried
    return seconds * (spec.evaluations + 1)
