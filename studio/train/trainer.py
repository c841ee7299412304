"""Trainer with our loss, our batches and a validation loss weighted by tokens."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any

import torch
from transformers import Trainer, TrainerControl

from studio.train.batches import LengthBatches, TokenRows, collate
from studio.train.loss import head_is_plain, summed_nll, summed_nll_plain

__all__ = ["StudioTrainer"]


class StudioTrainer(Trainer):
    """Counts the tokens of the current step in `step_tokens` and `step_targets`; the callback reads and resets them."""

    control: TrainerControl

    def __init__(self, *args: Any, pad_id: int, **kwargs: Any) -> None:
        super().__init__(*args, data_collator=partial(collate, pad_id=pad_id), **kwargs)
        # Micro-batches are divided by the targets of the whole step, so accumulation gives the mean over tokens.
        self.model_accepts_loss_kwargs = True
        self._pad_id = pad_id
        self._nll = summed_nll_plain
        self.step_tokens = 0
        self.step_targets = 0
        self.evaluation_seconds = 0.0

    def choose_loss(self, rows: TokenRows) -> bool:
        """Take the short way to the loss when it gives this model's own logits; returns whether it does."""
        batch = self._prepare_inputs(collate(rows.rows[:1], self._pad_id))
        with self.compute_loss_context_manager():
            fast = head_is_plain(self.model, batch)
        self._nll = summed_nll if fast else summed_nll_plain
        return bool(fast)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        total, n_targets = self._nll(model, inputs)
        self.step_tokens += int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else inputs["input_ids"].numel()
        self.step_targets += n_targets
        return total / (n_targets if num_items_in_batch is None else num_items_in_batch)

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthBatches:
        rows = (train_dataset or self.train_dataset).rows
        return LengthBatches([len(row.ids) for row in rows], self.args.train_batch_size, self.args.seed)

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Mean NLL per target token over the validation rows, in nats: one division, so long rows weigh as they should."""
        started = time.monotonic()
        loss = self.mean_nll(eval_dataset or self.eval_dataset)
        self.evaluation_seconds = time.monotonic() - started
        metrics = {f"{metric_key_prefix}_loss": loss}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()
    def mean_nll(self, rows: TokenRows) -> float:
        size = self.args.eval_batch_size
        ordered = sorted(rows.rows, key=lambda row: len(row.ids))
        model = self.model
        was_training = model.training
        model.eval()
        total, n_targets = 0.0, 0
        for start in range(0, len(ordered), size):
            batch = self._prepare_inputs(collate(ordered[start : start + size], self._pad_id))
            with self.compute_loss_context_manager():
                nll, count = self._nll(model, batch)
            total, n_targets = total + float(nll), n_targets + count
        model.train(was_training)
        return total / n_targets if n_targets else math.nan
