"""From Trainer to events: every step and every evaluation becomes one line of events.jsonl."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import psutil
import torch
from transformers import TrainerCallback

from studio.data.render import Template
from studio.jobs.context import JobContext
from studio.train.answers import greedy_answers
from studio.train.detectors import Evaluation, Finding, Step, Watch
from studio.train.history import answer_length, base_scores, seen_before, step_seconds
from studio.train.probes import Probe, probes_of
from studio.train.spec import TrainSpec
from studio.train.stepping import Stepping

__all__ = ["ProbeRounds", "TellEvents", "TimeSteps"]

#: Steps whose median is the step of the time that is left.
_RECENT = 20

#: Length of an answer to a probe; the characters are a bound for an event's line.
_ANSWER_TOKENS, _ANSWER_CHARS = 48, 2_000

#: Rows that a finding names, the worst ones.
_MOST_ROWS = 50


class TellEvents(TrainerCallback):
    """Writes what happens and passes the wish to stop on; needs `trainer` set before training begins.

    Checkpoints tell of themselves: what is told, and when, is part of how they are written.
    """

    trainer: Stepping

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._step_began = 0.0
        self._step_seconds = 0.0
        self._recent = deque(step_seconds(context.history, _RECENT), maxlen=_RECENT)
        self._evaluations_left = 0
        self._watch = Watch(0)
        self._length_of_base = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        every = max(1, int(args.eval_steps))
        if args.eval_strategy != "no":  # one at every multiple, and one at the end
            self._evaluations_left = math.ceil(state.max_steps / every) - state.global_step // every
        self._context.progress(state.global_step, state.max_steps, "steps", self._eta_s(state))
        scores, has_level = base_scores(self._context.history), self.trainer.has_level
        self._watch = Watch(state.max_steps, self.trainer.loss_of_base, scores, has_level=has_level)
        self._watch.answered(0, answer_length(self._context.history) or self._length_of_base)
        self._watch.recall(*seen_before(self._context.history, state.global_step))
        self.trainer.take_step()

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
        done = self.trainer.take_step()
        loss, grad_norm = logs["loss"], logs.get("grad_norm")
        self._context.events.write(
            "step_finished",
            step=state.global_step,
            loss=loss,
            lr=logs["learning_rate"],
            grad_norm=grad_norm,
            tokens=done.tokens,
            target_tokens=done.targets,
            seconds=self._step_seconds,
            mem_bytes=_memory_bytes(),
            scores={ours: logs[theirs] for theirs, ours in self.trainer.score_names.items() if theirs in logs},
        )
        seen = Step(state.global_step, loss, grad_norm, self._step_seconds, done.waited, done.rows, done.losses())
        self._tell(self._watch.step(seen))
        self._context.progress(state.global_step, state.max_steps, "steps", self._eta_s(state))

    def _eta_s(self, state: Any) -> float | None:
        """None before the first step that this run ever did."""
        if not self._recent:
            return None
        steps = (state.max_steps - state.global_step) * statistics.median(self._recent)
        return float(steps + self._evaluations_left * self.trainer.evaluation_seconds)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **_: Any) -> None:
        assert metrics is not None
        self._evaluations_left = max(0, self._evaluations_left - 1)
        loss = metrics["eval_loss"]
        scores = {name.removeprefix("eval_"): value for name, value in metrics.items() if name != "eval_loss"}
        self._context.events.write("evaluated", step=state.global_step, split="validation", loss=loss, scores=scores)
        self._tell(self._watch.evaluated(Evaluation(state.global_step, loss, scores)))

    def answered(self, step: int, chars: float) -> None:
        """The questions were answered, in so many characters each."""
        if step == 0:
            self._length_of_base = chars
        else:
            self._tell(self._watch.answered(step, chars))

    def _tell(self, findings: list[Finding]) -> None:
        for found in findings:
            self._context.warn(f"detect.{found.key}", found.params | {"step": found.step}, found.rows[:_MOST_ROWS])
            if found.key in ("diverged", "not_a_number"):
                self._context.events.write("diverged", step=found.step)


class TimeSteps(TrainerCallback):
    """`seconds` of each step."""

    def __init__(self, context: JobContext) -> None:
        self.seconds: list[float] = []
        self._context = context
        self._began = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # else only the wish for the work is timed
        self.seconds.append(time.monotonic() - self._began)
        self._context.progress(state.global_step, state.max_steps, "steps")
        control.should_training_stop = self._context.stop.is_set()


class ProbeRounds:
    """Asks the run's questions and tells the answers, one event each, `probe_answered`, and how long they are on average."""

    on_answers: Callable[[int, float], None] | None = None

    def __init__(self, context: JobContext, spec: TrainSpec, template: Template, trainer: Stepping) -> None:
        self._context = context
        self.probes = probes_of(spec)
        self._template = template
        self._trainer = trainer

    def __call__(self, step: int) -> None:
        if not self.probes or self._context.stop.is_set():
            return
        started = time.monotonic()
        answers = self._answers(self.probes)
        for probe, text in zip(self.probes, answers, strict=False):
            self._context.events.write("probe_answered", step=step, probe=probe.id, text=text[:_ANSWER_CHARS])
        if answers:
            chars = sum(map(len, answers)) / len(answers)
            self._context.events.write("evaluated", step=step, split="probes", loss=None, scores={"chars": chars})
            if self.on_answers is not None:
                self.on_answers(step, chars)
        self._trainer.evaluation_seconds += time.monotonic() - started

    def answer(self, n: int) -> int:
        """Answer the first `n` questions for the clock, and tell nobody; how many there were."""
        return len(self._answers(self.probes[:n])) or 1

    def _answers(self, probes: list[Probe]) -> list[str]:
        """None, where the training was asked to stop meanwhile."""
        with self._trainer.compute_loss_context_manager():
            answers = greedy_answers(
                self._trainer.model,
                self._template,
                [probe.question for probe in probes],
                max_new_tokens=_ANSWER_TOKENS,
                may_go_on=lambda: not self._context.stop.is_set(),
            )
        return answers or []


def _memory_bytes() -> int:
    """Peak on a card, resident on a CPU: what decides whether it fits."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return int(psutil.Process().memory_info().rss)
