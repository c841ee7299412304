"""What every trainer of ours does beside Trainer: counts, an order of rows, evaluations, checkpoints whole or not there.

A mixin in front of transformers' Trainer or one of TRL's: `class PairTrainer(Stepping, DPOTrainer)`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler, SequentialSampler
from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from studio.train.batches import AnyOrder, LengthBatches, TokenRows
from studio.train.checkpoints import CheckpointStore
from studio.train.methods import Method
from studio.train.spec import TrainSpec

__all__ = ["Measured", "StepFacts", "Stepping", "evaluations_in_vain", "validation_losses"]


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


@dataclass(frozen=True)
class Measured:
    """Over a set of rows: the loss, and what else the stage tells of them."""

    loss: float
    scores: dict[str, float] = field(default_factory=dict)


def validation_losses(state: TrainerState) -> dict[int, float]:
    """By step, in nats per token, from the state's log, which goes with every checkpoint."""
    return {entry["step"]: entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry}


def evaluations_in_vain(state: TrainerState) -> int:
    """Evaluations since the best one. A loss that is not a number is never better."""
    best, in_vain = math.inf, 0
    for loss in validation_losses(state).values():
        best, in_vain = (loss, 0) if loss < best else (best, in_vain + 1)
    return in_vain


class Stepping:
    """Counts the current step in `_facts`; the callback reads `take_step`, which begins anew.

    Rows come in the order of batches of `order_batch`, so that a training whose batches had to be cut smaller takes the same rows
    in each step; or `in_order`, as they stand. `before_save` is called with the step whose checkpoint comes next: what it
    tells is told again when a killed attempt did not get so far. The spec's patience is the number of evaluations in vain after
    which it stops, 0 for never. How many there were follows from the state's log, so that a resumed training knows it without a
    counter of its own.

    `score_names` are what Trainer's log calls the numbers that are told with each step, and what they are called here.
    """

    loss_of_base: float | None = None
    before_save: Callable[[int], None] | None = None
    score_names: Mapping[str, str] = {}

    # Of Trainer:
    args: Any
    model: Any
    state: TrainerState
    control: TrainerControl
    optimizer: Any
    callback_handler: Any
    compute_loss_context_manager: Callable[[], Any]
    train_dataset: Any
    eval_dataset: Any

    def __init__(
        self,
        *args: Any,
        spec: TrainSpec,
        rows: TokenRows,
        checkpoints: CheckpointStore | None = None,
        order_batch: int | None = None,
        in_order: bool = False,
        **kwargs: Any,
    ) -> None:
        self._spec = spec
        self._method = spec.how
        self.has_level = spec.to_what.has_level
        self._checkpoints = checkpoints
        self._order_batch = order_batch
        self._in_order = in_order
        self._widths = [row.width for row in rows.rows]
        self._facts = StepFacts()
        self.evaluation_seconds = 0.0
        super().__init__(*args, **kwargs)
        self.add_callback(_AfterUpdate(self._method, self.model))  # type: ignore[attr-defined]

    def take_step(self) -> StepFacts:
        """What was counted since the last call."""
        taken, self._facts = self._facts, StepFacts()
        return taken

    def float_adapter(self) -> None:
        """TRL rounds an adapter on a quantised base to bfloat16, and knows nothing of our ids."""
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        if hasattr(self.model, "peft_config"):
            self.model.peft_config["default"].base_model_name_or_path = self._spec.base.id

    def with_penalty(self, loss: Any, model: Any) -> Any:
        """The gradient of the method's own term, not its value: the curve stays the loss."""
        penalty = self._method.penalty(model) if model.training else None
        if penalty is None:
            return loss
        return loss + (penalty - penalty.detach()) / self.args.gradient_accumulation_steps

    def create_optimizer(self, model: Any = None) -> Any:
        groups = self._method.groups(self.model, self._spec)
        if groups is not None and self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)  # type: ignore[attr-defined]
            self.optimizer = kind(groups, **options)
        return super().create_optimizer(model)  # type: ignore[misc]

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """Trainer's, with a clock: while it waits for rows, the model does nothing."""
        started = time.monotonic()
        try:
            return super().get_batch_samples(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._facts.waited += time.monotonic() - started

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        if self._in_order:
            return SequentialSampler(self.train_dataset)
        if not self._spec.group_by_length:
            return AnyOrder(len(self._widths), self.args.seed)
        return LengthBatches(self._widths, self._order_batch or self.args.train_batch_size, self.args.seed)

    # Evaluations

    def measure(self, rows: TokenRows) -> Measured:
        """Over `rows`, in evaluation mode; draws no random number, so that it leaves the steps after it as they were."""
        raise NotImplementedError

    def measured(self, rows: TokenRows) -> Measured:
        """`measure`, with a clock, and the model left as it was."""
        started = time.monotonic()
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                return self.measure(rows)
        finally:
            self.model.train(was_training)
            self.evaluation_seconds = time.monotonic() - started

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """The validation rows, as Trainer's log and callbacks want to hear of them."""
        found = self.measured(eval_dataset or self.eval_dataset)
        scores = {f"{metric_key_prefix}_{name}": value for name, value in found.scores.items()}
        metrics = {f"{metric_key_prefix}_loss": found.loss} | scores
        was_training = self.model.training
        self.model.eval()  # else TRL takes this for a step's log, and what it has counted of the step away
        self.log(dict(metrics))  # type: ignore[attr-defined]
        self.model.train(was_training)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if self.has_stopped_early():
            self.control.should_training_stop = True
        return metrics

    def has_stopped_early(self) -> bool:
        """Whether the last evaluations were in vain as often as the patience allows."""
        return bool(self._spec.patience) and evaluations_in_vain(self.state) >= self._spec.patience

    # Checkpoints

    def go_on(self, checkpoint: Path | None) -> None:
        """Train from `checkpoint`, or from the beginning; from one that was the training's last, there is nothing to do."""
        if checkpoint is not None:
            state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
            before, self.state = self.state, state
            if state.global_step >= state.max_steps or self.has_stopped_early():
                return
            self.state = before
        self.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))  # type: ignore[attr-defined]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """In place of Trainer's, which writes where readers look, and deletes before anybody has been told."""
        if self._checkpoints is None:
            raise RuntimeError("this trainer was given no place for checkpoints")
        self.store_flos()  # type: ignore[attr-defined]
        step = self.state.global_step
        if self.before_save is not None:
            self.before_save(step)
        loss = validation_losses(self.state).get(step)
        self._checkpoints.save(step, val_loss=loss, best=self.state.best_global_step == step, fill=self._fill)

    def _fill(self, folder: Path) -> None:
        """What was trained, and what the steps after this one depend on."""
        self._method.save(self.model, folder)
        self._save_optimizer_and_scheduler(str(folder))  # type: ignore[attr-defined]
        self._save_scaler(str(folder))  # type: ignore[attr-defined]
        self._save_rng_state(str(folder))  # type: ignore[attr-defined]
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
