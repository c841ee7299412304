"""Trainer with our loss, our batches, a validation loss weighted by tokens, and checkpoints that are whole or not there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from studio.train.batches import LengthBatches, TokenRows, collate
from studio.train.checkpoints import CheckpointStore
from studio.train.loss import head_is_plain, summed_nll, summed_nll_plain
from studio.train.methods import Method
from studio.train.spec import TrainSpec

__all__ = ["StepFacts", "StudioTrainer", "evaluations_in_vain", "validation_losses"]

@dataclass
class StepFacts:
    """Of one optimizer update: real tokens, targets among them, its rows, their mean losses (one tensor a micro-batch), and
    the seconds in which there were no rows to work on.
    """

    tokens: int = 0
    targets: int = 0
    rows: list[int] = field(default_factory=list)
    row_losses: list[torch.Tensor] = field(default_factory=list)
    waited: float = 0.0

    def losses(self) -> list[float]:
        return [float(loss) for losses in self.row_losses for loss in losses]


def validation_losses(state: TrainerState) -> dict[int, float]:
    """By step, in nats per token, from the state's log, which goes with every checkpoint."""
    return {entry["step"]: entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry}


def evaluations_in_vain(state: TrainerState) -> int:
    """Evaluations since the best one. A loss that is not a number is never better."""
    best, in_vain = math.inf, 0
    for loss in validation_losses(state).values():
        best, in_vain = (loss, 0) if loss < best else (best, in_vain + 1)
    return in_vain


class StudioTrainer(Trainer):
    """Counts the tokens of the current step in `step_tokens` and `step_targets`, keeps its rows with their losses and the
    seconds that it waited for them; the callback reads `take_step`, which begins anew.

    Rows come in the order of batches of `order_batch`, so that a training whose batches had to be cut smaller takes the same rows
    in each step; or `in_order`, as they stand. `before_save` is called with the step whose checkpoint comes next: what it
    tells is told again when a killed attempt did not get so far. `patience` is the number of evaluations in vain after which
    it stops, 0 for never. How many there were follows from the state's log, so that a resumed training knows it without a
    counter of its own.
    """

    loss_of_base: float | None = None
    before_save: Callable[[int], None] | None = None
    control: TrainerControl
    state: TrainerState
    optimizer: Any

    def __init__(
        self,
        *args: Any,
        pad_id: int,
        spec: TrainSpec,
        checkpoints: CheckpointStore | None = None,
        patience: int = 0,
        order_batch: int | None = None,
        in_order: bool = False,
        **kwargs: Any,
    ) -> None:
        self._method = spec.how
        self._spec = spec
        super().__init__(*args, data_collator=partial(collate, pad_id=pad_id), **kwargs)
        self.add_callback(_AfterUpdate(self._method, self.model))
        self._checkpoints = checkpoints
        self._patience = patience
        self._order_batch = order_batch
        self._in_order = in_order
        # Micro-batches are divided by the targets of the whole step, so accumulation gives the mean over tokens.
        self.model_accepts_loss_kwargs = True
        self._pad_id = pad_id
        self._nll = summed_nll_plain
        self._step = StepFacts()
        self.evaluation_seconds = 0.0

    def take_step(self) -> StepFacts:
        """What was counted since the last call."""
        taken, self._step = self._step, StepFacts()
        return taken

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
        total, n_targets, by_row = self._nll(model, inputs)
        step = self._step
        step.tokens += int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else inputs["input_ids"].numel()
        step.targets += n_targets
        step.rows += inputs["rows"].tolist()
        step.row_losses.append(by_row)
        loss = total / (n_targets if num_items_in_batch is None else num_items_in_batch)
        penalty = self._method.penalty(model) if model.training else None
        if penalty is not None:  # its gradient, not its value: the curve stays the loss in nats per token
            loss = loss + (penalty - penalty.detach()) / self.args.gradient_accumulation_steps
        return loss

    def create_optimizer(self, model: Any = None) -> Any:
        groups = self._method.groups(self.model, self._spec)
        if groups is not None and self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = kind(groups, **options)
        return super().create_optimizer(model)

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """Trainer's, with a clock: while it waits for rows, the model does nothing."""
        started = time.monotonic()
        try:
            return super().get_batch_samples(*args, **kwargs)
        finally:
            self._step.waited += time.monotonic() - started

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthBatches | SequentialSampler:
        if self._in_order:
            return SequentialSampler(self.train_dataset)
        rows = (train_dataset or self.train_dataset).rows
        size = self._order_batch or self.args.train_batch_size
        return LengthBatches([len(row.ids) for row in rows], size, self.args.seed)

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Mean NLL per target token over the validation rows, in nats: one division, so long rows weigh as they should."""
        loss = self.mean_nll(eval_dataset or self.eval_dataset)
        metrics = {f"{metric_key_prefix}_loss": loss}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if self.has_stopped_early():
            self.control.should_training_stop = True
        return metrics

    def has_stopped_early(self) -> bool:
        """Whether the last evaluations were in vain as often as the patience allows."""
        return bool(self._patience) and evaluations_in_vain(self.state) >= self._patience

    @torch.no_grad()
    def mean_nll(self, rows: TokenRows) -> float:
        """Σ NLL / Σ targets over `rows`, in nats; draws no random number, so that it leaves the steps after it as they were."""
        started = time.monotonic()
        size = self.args.eval_batch_size
        ordered = sorted(rows.rows, key=lambda row: len(row.ids))
        model = self.model
        was_training = model.training
        model.eval()
        total, n_targets = 0.0, 0
        for start in range(0, len(ordered), size):
            batch = self._prepare_inputs(collate(ordered[start : start + size], self._pad_id))
            with self.compute_loss_context_manager():
                nll = self._nll(model, batch)
            total, n_targets = total + float(nll.total), n_targets + nll.n_targets
        model.train(was_training)
        self.evaluation_seconds = time.monotonic() - started
        return total / n_targets if n_targets else math.nan

    # Checkpoints

    def go_on(self, checkpoint: Path | None) -> None:
        """Train from `checkpoint`, or from the beginning; from one that was the training's last, there is nothing to do."""
        if checkpoint is not None:
            state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
            before, self.state = self.state, state
            if state.global_step >= state.max_steps or self.has_stopped_early():
                return
            self.state = before
        self.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """In place of Trainer's, which writes where readers look, and deletes before anybody has been told."""
        if self._checkpoints is None:
            raise RuntimeError("this trainer was given no place for checkpoints")
        self.store_flos()
        step = self.state.global_step
        if self.before_save is not None:
            self.before_save(step)
        loss = validation_losses(self.state).get(step)
        self._checkpoints.save(step, val_loss=loss, best=self.state.best_global_step == step, fill=self._fill)

    def _fill(self, folder: Path) -> None:
        """What was trained, and what the steps after this one depend on."""
        self._method.save(self.model, folder)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / TRAINER_STATE_NAME))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """The trained weights, safetensors only, onto those that are there."""
        self._method.load(self.model, Path(resume_from_checkpoint))


class _AfterUpdate(TrainerCallback):
    """Lets a method see every update while the gradients are still there."""

    def __init__(self, method: Method, model: Any) -> None:
        self._method = method
        self._model = model

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._method.after_update(self._model, state.global_step)
