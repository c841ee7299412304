"""The job `train`: from a dataset revision and a base to LoRA checkpoints.

    1 rows: snapshot, rendered, refused ones counted      2 the base and its adapter      3 steps      4 what came of it
"""

from __future__ import annotations

import logging
import math
import os
import time
from typing import Any

from studio.data.render import Template
from studio.data.snapshot import ensure_snapshot, read_snapshot
from studio.errors import ConfigError, DataError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.spec import checked
from studio.models.catalogue import base_folder
from studio.train.spec import TrainSpec

__all__ = ["run_training"]

log = logging.getLogger("studio.train")


def run_training(context: JobContext) -> dict[str, Any]:
    """Train as the spec says; the result names the best step and the validation losses of base and checkpoint.

    Raises StoppedByRequest, with the result so far, when it was asked to stop: the last checkpoint is kept.
    """
    started = time.monotonic()
    spec = checked(TrainSpec, context.spec)
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
    context.phase("preparing")
    train_rows, validation_rows, template = _rows(context, spec)
    context.check_stop()

    context.phase("loading")
    import transformers

    transformers.set_seed(spec.seed)
    transformers.logging.disable_progress_bar()
    model = _model(context, spec)
    context.check_stop()

    trainer = _trainer(context, spec, model, train_rows, validation_rows, template)
    fast = trainer.choose_loss(train_rows)
    log.info("head and loss on target positions only: %s", "yes" if fast else "no, this head is not a plain product")
    base_loss = None
    if validation_rows:
        context.phase("evaluating")
        base_loss = trainer.mean_nll(validation_rows)
        context.events.write("evaluated", step=0, split="validation", loss=base_loss, scores={})
    context.check_stop()

    context.phase("training")
    trainer.train()
    result = _result(trainer, base_loss, time.monotonic() - started)
    if context.stop.is_set():
        raise StoppedByRequest(result)
    return result


def _rows(context: JobContext, spec: TrainSpec) -> tuple[Any, Any, Template]:
    """Token rows of the train and the validation split. Test rows are not even looked at."""
    from studio.train.batches import TokenRows, render_rows

    template = Template.load(base_folder(context.settings, spec.base.id))
    snapshot = ensure_snapshot(context.db, context.settings, spec.dataset.id, spec.dataset.revision, spec.dataset.hash)
    by_split = {}
    for split in ("train", "validation"):
        rows = (row for row in read_snapshot(snapshot) if row.split == split)
        good, refused = render_rows(rows, template, spec.max_seq_len)
        for reason, count in refused.items():
            told = {"split": split, "reason": reason, "n": count}
            context.events.write("warned", key="train.warned.rows_refused", params=told, rows=[])
        by_split[split] = TokenRows(good)
        tokens, targets = sum(len(row.ids) for row in good), sum(row.n_targets for row in good)
        log.info("%s: %d rows, %d tokens, %d of them targets", split, len(good), tokens, targets)
    if not by_split["train"].rows:
        raise DataError("error.train.no_rows", field="dataset", max_seq_len=spec.max_seq_len)
    return by_split["train"], by_split["validation"], template


def _model(context: JobContext, spec: TrainSpec) -> Any:
    """The frozen base with a LoRA adapter on every linear layer but the head."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    device, bf16 = _device(context)
    folder = base_folder(context.settings, spec.base.id)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype="bfloat16" if bf16 else "float32",
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    )
    model.config.use_cache = False
    adapter = LoraConfig(
        r=spec.lora_rank,
        lora_alpha=spec.lora_alpha,
        lora_dropout=spec.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, adapter)
    adapted.peft_config["default"].base_model_name_or_path = spec.base.id
    trainable = sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
    log.info("device %s, bf16 %s, %d trainable parameters", device, bf16, trainable)
    return adapted


def _device(context: JobContext) -> tuple[str, bool]:
    """The device, and whether it computes in bfloat16."""
    import torch

    if context.settings.device != "cpu" and torch.cuda.is_available():
        return "cuda", torch.cuda.is_bf16_supported()
    if context.settings.device == "cuda":
        raise ConfigError("error.train.no_cuda", field="device")
    return "cpu", bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _trainer(
    context: JobContext, spec: TrainSpec, model: Any, train_rows: Any, validation_rows: Any, template: Template
) -> Any:
    from transformers import EarlyStoppingCallback, TrainingArguments
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from studio.train.callbacks import TellEvents
    from studio.train.trainer import StudioTrainer

    device, bf16 = _device(context)
    total_steps = spec.planned_steps(len(train_rows))
    every = max(1, math.ceil(total_steps / spec.evaluations))
    validates = len(validation_rows) > 0
    arguments = TrainingArguments(
        output_dir=str(context.folder.path),
        num_train_epochs=spec.epochs,
        max_steps=spec.max_steps or -1,
        learning_rate=spec.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(spec.warmup_share * total_steps),
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        per_device_train_batch_size=spec.per_device_batch_size,
        per_device_eval_batch_size=spec.per_device_batch_size,
        gradient_accumulation_steps=spec.gradient_accumulation_steps,
        bf16=bf16,
        use_cpu=device == "cpu",
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is not a number is a fact, not a gap
        eval_strategy="steps" if validates else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=3,  # the best and the last two (CONTRACTS 4)
        metric_for_best_model="eval_loss" if validates else None,
        greater_is_better=False if validates else None,
        seed=spec.seed,
        data_seed=spec.seed,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
    )
    tell = TellEvents(context)
    callbacks: list[Any] = [tell]
    if spec.patience and validates:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=spec.patience))
    trainer = StudioTrainer(
        model=model,
        args=arguments,
        train_dataset=train_rows,
        eval_dataset=validation_rows if validates else None,
        callbacks=callbacks,
        pad_id=_pad_id(template),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    tell.trainer = trainer
    return trainer


def _pad_id(template: Template) -> int:
    """Padding is masked everywhere, so any token serves where the tokenizer names none."""
    token = template.special_tokens.get("pad_token") or template.special_tokens.get("eos_token", "")
    return template.tokenizer.token_to_id(token) or 0


def _result(trainer: Any, base_loss: float | None, seconds: float) -> dict[str, Any]:
    state = trainer.state
    losses = {entry["step"]: entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry}
    best_step = min(losses, key=lambda step: losses[step]) if losses else state.global_step
    return {
        "steps": state.global_step,
        "planned_steps": state.max_steps,
        "best_step": best_step,
        "base_loss": base_loss,
        "best_loss": losses.get(best_step),
        "early_stopped": state.global_step < state.max_steps,
        "seconds": round(seconds, 1),
    }
