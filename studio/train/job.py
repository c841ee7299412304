"""The job `train`: from a dataset revision and a base to LoRA checkpoints.

    1 rows: snapshot, rendered, refused ones counted      2 the base and its adapter      3 steps      4 what came of it
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any, Literal

from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.spec import checked
from studio.models.catalogue import base_folder
from studio.train.checkpoints import CheckpointStore
from studio.train.estimates import shapes_of
from studio.train.faults import told_plainly
from studio.train.fit import eased, worst_batch
from studio.train.history import base_loss, evaluation_seconds, seconds_before
from studio.train.memory import footprint
from studio.train.rows import rows_of
from studio.train.spec import TrainSpec
from studio.train.stages import Parts
from studio.train.start import started_from

__all__ = ["run_training"]

log = logging.getLogger("studio.train")


def run_training(context: JobContext) -> dict[str, Any]:
    """Train as the spec says; the result names the best step and the validation losses of base and checkpoint.

    It goes on from the checkpoint of `context.resumed_from_step`, as if nothing had come between. Raises StoppedByRequest,
    with the result so far, when it was asked to stop: the last checkpoint is kept. Raises StudioError with what to do when
    memory or disk are used up.
    """
    with told_plainly(context.folder.path):
        return _run(context)


def _run(context: JobContext) -> dict[str, Any]:
    started = time.monotonic()
    asked = checked(TrainSpec, context.spec)
    spec, remedy = eased(asked, context.folder)
    if remedy is not None:
        context.warn("train.warned.eased", remedy)
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
    checkpoints = CheckpointStore(context)
    checkpoints.begin()
    context.phase("preparing")
    train_rows, validation_rows, template = rows_of(context, spec)
    context.check_stop()

    context.phase("loading")
    import transformers

    from studio.train.callbacks import ProbeRounds
    from studio.train.model import device_of, load_base

    transformers.set_seed(spec.seed)
    transformers.logging.disable_progress_bar()
    device = device_of(context.settings, spec.precision)
    base = base_folder(context.settings, spec.base.id)
    model, start = load_base(base, spec, device), started_from(context.settings, spec)
    context.check_stop()

    parts = Parts(device, model, template, base, train_rows, validation_rows, context.folder.path, start)
    trainer = _trainer(context, spec, asked, parts, checkpoints)
    loss_of_base = _base_loss(context, trainer, validation_rows)
    ask = ProbeRounds(context, spec, template, trainer)
    ask.on_answers = trainer.tell.answered
    if not any(event.kind == "probe_answered" for event in context.history) and not context.resumed_from_step:
        context.phase("evaluating")
        ask(0)
    trainer.before_save = ask
    trainer.loss_of_base = loss_of_base
    context.check_stop()

    context.phase("training", facts=_facts(context, spec, parts, trainer.model))
    step = context.resumed_from_step
    trainer.go_on(context.folder.checkpoint(step) if step else None)
    result = _result(trainer, loss_of_base, seconds_before(context.history) + time.monotonic() - started)
    is_done = trainer.state.global_step >= trainer.state.max_steps or trainer.has_stopped_early()
    if context.stop.is_set() and not is_done:
        raise StoppedByRequest(result)
    return result


def _base_loss(context: JobContext, trainer: Any, rows: Any) -> float | None:
    """The validation loss before the first step, in nats per token: told once a run, by the first attempt that gets so far."""
    told = base_loss(context.history)
    if told is not None:
        trainer.evaluation_seconds = evaluation_seconds(context.history)
        return told
    if not rows or context.resumed_from_step:  # the adapter of a checkpoint is not the base
        return None
    context.phase("evaluating")
    found = trainer.measured(rows)
    context.events.write("evaluated", step=0, split="validation", loss=found.loss, scores=found.scores)
    return float(found.loss)


def _trainer(context: JobContext, spec: TrainSpec, asked: TrainSpec, parts: Parts, checkpoints: CheckpointStore) -> Any:
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from studio.train.callbacks import TellEvents

    tell = TellEvents(context)
    trainer = spec.to_what.trainer(
        spec, parts, checkpoints=checkpoints, order_batch=asked.per_device_batch_size, callbacks=[tell]
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    tell.trainer = trainer
    trainer.tell = tell
    return trainer


def _facts(context: JobContext, spec: TrainSpec, parts: Parts, model: Any) -> dict[str, Any]:
    """For the lineage, and the memory that was predicted for these very rows."""
    from studio.train.facts import facts_of

    facts = facts_of(parts.device, model)
    shapes = shapes_of(base_folder(context.settings, spec.base.id))
    if shapes is not None:
        lengths = sorted(((row.width, row.n_targets) for row in parts.train_rows.rows), reverse=True)
        kind: Literal["cpu", "cuda"] = "cuda" if parts.device.name == "cuda" else "cpu"
        expected = footprint(spec, shapes, worst_batch(spec, lengths), device=kind, bf16=parts.device.bf16)
        facts["predicted"] = {"total": expected.total, "low": expected.low, "high": expected.high}
    return facts


def _result(trainer: Any, loss_of_base: float | None, seconds: float) -> dict[str, Any]:
    """`seconds` are those of all attempts; the best step is the last one where nothing was evaluated."""
    from studio.train.facts import peak_bytes
    from studio.train.stepping import validation_losses

    state = trainer.state
    best_step = state.best_global_step or state.global_step
    return {
        "steps": state.global_step,
        "planned_steps": state.max_steps,
        "best_step": best_step,
        "base_loss": loss_of_base,
        "best_loss": validation_losses(state).get(best_step),
        "early_stopped": trainer.has_stopped_early() and state.global_step < state.max_steps,
        "seconds": round(seconds, 1),
        "peak_bytes": peak_bytes(),
    }
