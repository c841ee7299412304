"""Trainer for answers and texts: the loss of target tokens alone, divided by the targets of the whole step."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from transformers import Trainer

from studio.train.batches import TokenRows, collate
from studio.train.loss import head_is_plain, summed_nll, summed_nll_plain
from studio.train.spec import TrainSpec
from studio.train.stepping import Measured, Stepping

__all__ = ["StudioTrainer"]


class StudioTrainer(Stepping, Trainer):
    """Beside `Stepping`: the losses of single rows, which tell an odd one from the others."""

    def __init__(self, *args: Any, pad_id: int, spec: TrainSpec, **kwargs: Any) -> None:
        self._collate = partial(collate, pad_id=pad_id, packed=spec.packing)
        rows = kwargs.pop("rows", None) or kwargs.get("train_dataset") or TokenRows([])
        super().__init__(*args, spec=spec, rows=rows, data_collator=self._collate, **kwargs)
        # Micro-batches are divided by the targets of the whole step, so accumulation gives the mean over tokens.
        self.model_accepts_loss_kwargs = True
        self._nll = summed_nll_plain

    def choose_loss(self, rows: TokenRows) -> bool:
        """Take the short way to the loss when it gives this model's own logits; returns whether it does."""
        batch = self._prepare_inputs(self._collate(rows.rows[:1]))
        with self.compute_loss_context_manager():
            fast = head_is_plain(self.model, batch)
        self._nll = summed_nll if fast else summed_nll_plain
        return bool(fast)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        total, n_targets, by_row = self._nll(model, inputs)
        step = self._facts
        step.tokens += int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else inputs["input_ids"].numel()
        step.targets += n_targets
        step.rows += inputs["rows"].tolist()
        step.row_losses.append(by_row)
        return self.with_penalty(total / (n_targets if num_items_in_batch is None else num_items_in_batch), model)

    def measure(self, rows: TokenRows) -> Measured:
        """Σ NLL / Σ targets over `rows`, in nats: one division, so long rows weigh as they should."""
        size = self.args.eval_batch_size
        ordered = sorted(rows.rows, key=lambda row: row.width)
        total, n_targets = 0.0, 0
        for start in range(0, len(ordered), size):
            batch = self._prepare_inputs(self._collate(ordered[start : start + size]))
            with self.compute_loss_context_manager():
                nll = self._nll(self.model, batch)
            total, n_targets = total + float(nll.total), n_targets + nll.n_targets
        return Measured(total / n_targets if n_targets else math.nan)
