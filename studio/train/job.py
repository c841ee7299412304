"""The job `train`: from a dataset revision and a base to LoRA checkpoints.

    1 rows: snapshot, rendered, refused ones counted      2 the base and its adapter      3 steps      4 what came of it
"""

from __future__ import annotations

import logging
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.data.locks import locked_digests
from studio.data.refusal import is_locked
from studio.data.render import Template
from studio.data.snapshot import ensure_snapshot, read_snapshot
from studio.errors import DataError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.runfolder import write_by_rename
from studio.jobs.spec import checked
from studio.models.catalogue import base_folder
from studio.train.checkpoints import CheckpointStore
from studio.train.faults import told_plainly
from studio.train.history import base_loss, evaluation_seconds, seconds_before
from studio.train.spec import Optimizer, TrainSpec

if TYPE_CHECKING:
    from studio.train.model import Device

__all__ = ["run_training"]

log = logging.getLogger("studio.train")

#: As `TrainingArguments` calls them.
_OPTIMIZERS = {Optimizer.ADAMW: "adamw_torch", Optimizer.ADAMW_8BIT: "adamw_bnb_8bit"}

#: In the run's folder: prompt hashes of the rows that locked test sets keep out of it, one a line.
_LOCKED_FILE = "locked_prompts.txt"


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
    spec = checked(TrainSpec, context.spec)
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
    checkpoints = CheckpointStore(context)
    checkpoints.begin()
    context.phase("preparing")
    train_rows, validation_rows, template = _rows(context, spec)
    context.check_stop()

    context.phase("loading")
    import transformers

    from studio.train.callbacks import ProbeRounds
    from studio.train.model import adapted_model, device_of

    transformers.set_seed(spec.seed)
    transformers.logging.disable_progress_bar()
    device = device_of(context.settings, spec.precision)
    model = adapted_model(base_folder(context.settings, spec.base.id), spec, device)
    context.check_stop()

    trainer = _trainer(context, spec, device, model, (train_rows, validation_rows), _pad_id(template), checkpoints)
    fast = trainer.choose_loss(train_rows)
    log.info("head and loss on target positions only: %s", "yes" if fast else "no, this head is not a plain product")
    loss_of_base = _base_loss(context, trainer, validation_rows)
    ask = ProbeRounds(context, spec, template, trainer)
    if not any(event.kind == "probe_answered" for event in context.history) and not context.resumed_from_step:
        context.phase("evaluating")
        ask(0)
    trainer.before_save = ask
    trainer.loss_of_base = loss_of_base
    context.check_stop()

    context.phase("training")
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
    loss = float(trainer.mean_nll(rows))
    context.events.write("evaluated", step=0, split="validation", loss=loss, scores={})
    return loss


def _rows(context: JobContext, spec: TrainSpec) -> tuple[Any, Any, Template]:
    """Token rows of the train and the validation split. Test rows are not even looked at."""
    from studio.train.batches import TokenRows, render_rows, share_of_rows

    template = Template.load(base_folder(context.settings, spec.base.id))
    snapshot = ensure_snapshot(context.db, context.settings, spec.dataset.id, spec.dataset.revision, spec.dataset.hash)
    locked = _locked(context, snapshot)
    by_split = {}
    for split in ("train", "validation"):
        rows = (row for row in read_snapshot(snapshot) if row.split == split)
        good, refused = render_rows(rows, template, spec.max_seq_len, locked)
        for reason, count in refused.items():
            context.warn("train.warned.rows_refused", {"split": split, "reason": reason, "n": count})
        if split == "train" and spec.train_share < 1:
            good = share_of_rows(good, spec.rows_of_share(len(good)))
        by_split[split] = TokenRows(good)
        tokens, targets = sum(len(row.ids) for row in good), sum(row.n_targets for row in good)
        log.info("%s: %d rows, %d tokens, %d of them targets", split, len(good), tokens, targets)
    if not by_split["train"].rows:
        raise DataError("error.train.no_rows", field="dataset", max_seq_len=spec.max_seq_len)
    return by_split["train"], by_split["validation"], template


def _locked(context: JobContext, snapshot: Path) -> frozenset[bytes]:
    """Prompts among these rows that stood in a locked test set when the run began: kept in its folder, so that every attempt
    trains on the same rows, whatever is locked or unlocked in between.
    """
    path = context.folder.path / _LOCKED_FILE
    if not path.exists():
        # A run that has checkpoints, but not this file, began before test sets could be locked.
        locked = frozenset() if context.resumed_from_step else locked_digests(context.db)
        rows = read_snapshot(snapshot) if locked else ()
        found = {row.prompt_hash for row in rows if is_locked(row.split, row.prompt_hash, locked)}
        write_by_rename(path, "".join(f"{prompt_hash}\n" for prompt_hash in sorted(found)))
    return frozenset(bytes.fromhex(line) for line in path.read_text("utf-8").split())


def _trainer(
    context: JobContext,
    spec: TrainSpec,
    device: Device,
    model: Any,
    rows: tuple[Any, Any],
    pad_id: int,
    checkpoints: CheckpointStore,
) -> Any:
    from transformers import TrainingArguments
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from studio.train.callbacks import TellEvents
    from studio.train.trainer import StudioTrainer

    train_rows, validation_rows = rows
    total_steps = spec.planned_steps(len(train_rows))
    every = max(1, math.ceil(total_steps / spec.evaluations))
    validates = len(validation_rows) > 0
    arguments = TrainingArguments(
        output_dir=str(context.folder.path),
        num_train_epochs=spec.epochs,
        max_steps=spec.max_steps or -1,
        learning_rate=spec.learning_rate,
        lr_scheduler_type="cosine",
        optim=_OPTIMIZERS[spec.optimizer],
        activation_checkpointing=spec.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        warmup_steps=round(spec.warmup_share * total_steps),
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        per_device_train_batch_size=spec.per_device_batch_size,
        per_device_eval_batch_size=spec.per_device_batch_size,
        gradient_accumulation_steps=spec.gradient_accumulation_steps,
        bf16=device.bf16,
        use_cpu=device.name == "cpu",
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is not a number is a fact, not a gap
        eval_strategy="steps" if validates else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        metric_for_best_model="eval_loss" if validates else None,
        greater_is_better=False if validates else None,
        seed=spec.seed,
        data_seed=spec.seed,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=device.name == "cuda",
    )
    tell = TellEvents(context)
    trainer = StudioTrainer(
        model=model,
        args=arguments,
        train_dataset=train_rows,
        eval_dataset=validation_rows if validates else None,
        callbacks=[tell],
        pad_id=pad_id,
        checkpoints=checkpoints,
        patience=spec.patience,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    tell.trainer = trainer
    return trainer


def _pad_id(template: Template) -> int:
    """Padding is masked everywhere, so any token serves where the tokenizer names none."""
    token = template.special_tokens.get("pad_token") or template.special_tokens.get("eos_token", "")
    return template.tokenizer.token_to_id(token) or 0


def _result(trainer: Any, loss_of_base: float | None, seconds: float) -> dict[str, Any]:
    """`seconds` are those of all attempts; the best step is the last one where nothing was evaluated."""
    from studio.train.trainer import validation_losses

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
    }
