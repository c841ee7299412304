"""A spec in the words of transformers' Trainer. One place, so that a pilot steps as the training will."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio.train.spec import Optimizer, TrainSpec

if TYPE_CHECKING:
    from studio.train.stages.base import Parts

__all__ = ["training_arguments"]

#: As `TrainingArguments` calls them.
_OPTIMIZERS = {
    Optimizer.ADAMW: "adamw_torch",
    Optimizer.ADAMW_8BIT: "adamw_bnb_8bit",
    Optimizer.PAGED_ADAMW: "paged_adamw_32bit",
    Optimizer.PAGED_ADAMW_8BIT: "paged_adamw_8bit",
    Optimizer.LION: "lion_32bit",
    Optimizer.LION_8BIT: "lion_8bit",
    Optimizer.ADAFACTOR: "adafactor",
    Optimizer.SGD: "sgd",
}


def training_arguments(spec: TrainSpec, parts: Parts, more: Mapping[str, Any], kind: Any = None) -> Any:
    """`TrainingArguments`, or TRL's `kind` of them; `more` goes over what the spec says."""
    from transformers import TrainingArguments

    device, n_train, validates = parts.device, len(parts.train_rows), len(parts.validation_rows) > 0
    total_steps = spec.planned_steps(n_train)
    every = max(1, math.ceil(total_steps / spec.evaluations))
    usual: dict[str, Any] = {
        "output_dir": str(parts.folder),
        "num_train_epochs": spec.epochs,
        "max_steps": spec.max_steps or -1,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": "cosine",
        "optim": _OPTIMIZERS[spec.optimizer],
        "activation_checkpointing": spec.gradient_checkpointing,
        "activation_checkpointing_kwargs": {"use_reentrant": False},
        "warmup_steps": round(spec.warmup_share * total_steps),
        "neftune_noise_alpha": spec.neftune_alpha or None,
        "weight_decay": spec.weight_decay,
        "max_grad_norm": spec.max_grad_norm,
        "per_device_train_batch_size": spec.per_device_batch_size,
        "per_device_eval_batch_size": spec.per_device_batch_size,
        "gradient_accumulation_steps": spec.gradient_accumulation_steps,
        "bf16": device.bf16,
        "use_cpu": device.name == "cpu",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a loss that is not a number is a fact, not a gap
        "eval_strategy": "steps" if validates else "no",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "metric_for_best_model": "eval_loss" if validates else None,
        "greater_is_better": False if validates else None,
        "seed": spec.seed,
        "data_seed": spec.seed,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": device.name == "cuda",
    }
    if kind is not None:  # TRL's default is another
        usual["gradient_checkpointing"] = False
    return (kind or TrainingArguments)(**usual | dict(more))
