"""From Trainer to events: every step, evaluation and checkpoint becomes one line of events.jsonl."""

from __future__ import annotations

import statistics
import time
from collections import deque
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import TrainerCallback

from studio.jobs.context import JobContext
from studio.train.trainer import StudioTrainer

__all__ = ["TellEvents"]


class TellEvents(TrainerCallback):
    """Writes what happens and passes the wish to stop on; needs `trainer` set before training begins."""

    trainer: StudioTrainer

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._step_began = 0.0
        self._step_seconds = 0.0
        self._recent: deque[float] = deque(maxlen=20)
        self._evaluations_left = 0
        self._known: set[int] = set()
        self._last_loss: float | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._evaluations_left = state.max_steps // max(1, int(args.eval_steps))

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._step_began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._step_seconds = time.monotonic() - self._step_began
        self._recent.append(self._step_seconds)
        if self._context.stop.is_set():
            control.should_training_stop = True
            control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if logs is None or "loss" not in logs:
            return
        trainer = self.trainer
        self._context.events.write(
            "step_finished",
            step=state.global_step,
            loss=logs["loss"],
            lr=logs["learning_rate"],
            grad_norm=logs.get("grad_norm"),
            tokens=trainer.step_tokens,
            target_tokens=trainer.step_targets,
            seconds=self._step_seconds,
            mem_bytes=_memory_bytes(),
        )
        trainer.step_tokens = trainer.step_targets = 0
        self._context.progress(state.global_step, state.max_steps, "steps", self._eta_s(state))

    def _eta_s(self, state: Any) -> float:
        steps = (state.max_steps - state.global_step) * statistics.median(self._recent)
        return float(steps + self._evaluations_left * self.trainer.evaluation_seconds)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **_: Any) -> None:
        assert metrics is not None
        self._evaluations_left = max(0, self._evaluations_left - 1)
        self._last_loss = metrics["eval_loss"]
        self._context.events.write("evaluated", step=state.global_step, split="validation", loss=self._last_loss, scores={})

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = self._context.folder.checkpoint(state.global_step)
        best = state.best_model_checkpoint
        there = {int(path.name.split("-")[1]) for path in self._context.folder.path.glob("checkpoint-*")}
        removed = sorted(self._known - there)
        self._known = there
        self._context.events.write(
            "checkpoint_saved",
            step=state.global_step,
            path=self._context.settings.relative(folder),
            bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
            val_loss=_loss_at(state, state.global_step),
            best=best is not None and Path(best).name == folder.name,
            removed=removed,
        )


def _loss_at(state: Any, step: int) -> float | None:
    found = [entry["eval_loss"] for entry in state.log_history if entry.get("step") == step and "eval_loss" in entry]
    return found[-1] if found else None


def _memory_bytes() -> int:
    """Peak on a card, resident on a CPU: what decides whether it fits."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return int(psutil.Process().memory_info().rss)
