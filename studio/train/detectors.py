"""What goes wrong in a training, seen while it runs: one plain sentence and one suggestion each.

    over-fitting         validation rises twice in a row while training falls      the best checkpoint is named
    flat                 half of the steps are done, and the loss is where it was
    diverged             the loss is far above the lowest it had, and stays there
    not_a_number         NaN or infinity, in the loss or in the gradient
    spike                one batch far above the others                            with its rows, the worst first
    exploding_gradient   the gradient of a step is many times the usual one
    slow_data            the model waits for its rows
    chosen_falls         the chosen answers become less likely, not only the rejected ones
    no_preference        held-out pairs are told apart no better than by chance
    longer               answers grow, which preferences often reward

Pure: numbers in, findings out. Knows no torch, no page, no words: a finding is a message key with its numbers. The same numbers
give the same findings, so that a resumed training, which reads its own past first, tells nothing twice.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Evaluation", "Finding", "Step", "Watch"]

#: Losses whose median is the level of the loss: one odd batch does not move it.
_LEVEL = 8

#: Steps within which spikes are one.
_APART = 4

#: Steps that a gradient and a loss are compared with (a loss falls: what it was long ago says little), and how many of them
#: there must be.
_RECENT, _RECENT_LOSSES, _ENOUGH = 50, 12, 10


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer update. `loss` in nats per target token; `waited` are seconds in which the model had no rows; `row_losses`
    are the mean losses of the rows in `rows`.
    """

    step: int
    loss: float
    grad_norm: float | None = None
    seconds: float = 0.0
    waited: float = 0.0
    rows: Sequence[int] = ()
    row_losses: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`scores` of a stage that compares answers: margin, accuracy, logp_chosen (nats an answer) and others."""

    step: int
    loss: float
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """`key` names the messages `detect.<key>` (what is seen) and `detect.<key>.do` (what to do); `rows` are dataset rows."""

    key: str
    step: int
    params: dict[str, Any] = field(default_factory=dict)
    rows: tuple[int, ...] = ()


class Watch:
    """Sees every step and every evaluation of a training, in order; `planned` is the number of steps that it will do. Without
    `has_level`, the loss of a step says nothing (GRPO).
    """

    def __init__(
        self,
        planned: int,
        base_loss: float | None = None,
        base_scores: Mapping[str, float] | None = None,
        *,
        has_level: bool = True,
    ) -> None:
        self._planned = planned
        self._has_level = has_level
        self._base_loss = base_loss
        self._base_scores = base_scores or {}
        self._base_chars = 0.0
        self._told: set[str] = set()
        self._losses: list[float] = []
        self._levels: list[tuple[int, float]] = []
        self._recent: deque[Step] = deque(maxlen=_RECENT)
        self._evaluations: list[Evaluation] = []
        self._quiet_until = 0

    def recall(self, told: Sequence[str], steps: Sequence[Step], evaluations: Sequence[Evaluation]) -> None:
        """What earlier attempts saw and told, so that a resumed training goes on from it."""
        for step in steps:
            self.step(step)
        for evaluation in evaluations:
            self.evaluated(evaluation)
        self._told = set(told)

    def step(self, now: Step) -> list[Finding]:
        if not self._has_level:
            return [*self._exploding(now), *self._slow(now)]
        if not math.isfinite(now.loss) or (now.grad_norm is not None and not math.isfinite(now.grad_norm)):
            return self._once("not_a_number", now.step, rows=now.rows)
        found = [*self._spike(now), *self._exploding(now), *self._slow(now)]
        self._recent.append(now)
        self._losses.append(now.loss)
        self._levels.append((now.step, statistics.median(self._losses[-_LEVEL:])))
        return [*found, *self._diverged(now), *self._flat(now)]

    def evaluated(self, now: Evaluation) -> list[Finding]:
        self._evaluations.append(now)
        return [*self._overfits(now), *self._chosen_falls(now), *self._no_preference(now)]

    def answered(self, step: int, chars: float) -> list[Finding]:
        """The questions were answered in so many characters each; step 0 is the base."""
        if step == 0:
            self._base_chars = chars
            return []
        if not self._base_chars or chars < max(1.5 * self._base_chars, self._base_chars + 30):
            return []
        return self._once("longer", step, chars=round(chars), before=round(self._base_chars))

    def _once(self, key: str, step: int, rows: Sequence[int] = (), **params: Any) -> list[Finding]:
        if key in self._told:
            return []
        self._told.add(key)
        return [Finding(key, step, params, tuple(rows))]

    # 1 One step against the others

    def _spike(self, now: Step) -> list[Finding]:
        """Far above the median of the recent losses, by their own spread (MAD · 1.4826 is a standard deviation of a normal
        distribution) and by half a nat at least.
        """
        losses = [one.loss for one in self._recent][-_RECENT_LOSSES:]
        if len(losses) < _ENOUGH or now.step < self._quiet_until:
            return []
        usual = statistics.median(losses)
        spread = 1.4826 * statistics.median(abs(loss - usual) for loss in losses)
        if now.loss - usual < max(6 * spread, 0.5, 0.3 * usual):
            return []
        self._quiet_until = now.step + _APART
        worst = _worst(now, usual)
        return [Finding("spike", now.step, {"loss": now.loss, "usual": usual, "n": len(worst)}, worst)]

    def _exploding(self, now: Step) -> list[Finding]:
        """Ten times the median, twice within ten steps: a single large gradient is what clipping is there for."""
        norms = [one.grad_norm for one in self._recent if one.grad_norm is not None]
        if now.grad_norm is None or len(norms) < _ENOUGH:
            return []
        usual = statistics.median(norms)
        if now.grad_norm < 10 * usual or sum(norm >= 10 * usual for norm in norms[-9:]) < 1:
            return []
        return self._once("exploding_gradient", now.step, rows=_worst(now, 0.0), norm=now.grad_norm, usual=usual)

    def _slow(self, now: Step) -> list[Finding]:
        recent = [*self._recent, now][-2 * _ENOUGH :]
        if len(recent) < 2 * _ENOUGH:
            return []
        waited, worked = sum(one.waited for one in recent), sum(one.seconds for one in recent)
        if waited < 0.3 * (waited + worked):
            return []
        return self._once("slow_data", now.step, percent=round(100 * waited / (waited + worked)))

    # 2 The course of the loss

    def _diverged(self, now: Step) -> list[Finding]:
        """Its level has been far above the lowest one, for as many steps as a level takes."""
        if len(self._losses) < 2 * _LEVEL:
            return []
        lowest = min(level for _, level in self._levels)
        above = [level > max(1.5 * lowest, lowest + 0.5) for _, level in self._levels[-_LEVEL:]]
        return self._once("diverged", now.step, lowest=lowest, loss=self._levels[-1][1]) if all(above) else []

    def _flat(self, now: Step) -> list[Finding]:
        """Half of the steps are done, and neither the training loss nor the validation loss is 1 % below where it began."""
        done = len(self._losses)
        if done < 2.5 * _LEVEL or 2 * now.step < self._planned:
            return []
        began = statistics.median(self._losses[:_LEVEL])
        if self._levels[-1][1] < 0.99 * began:
            return []
        if self._base_loss is not None and self._evaluations and min(self._lows()) < 0.99 * self._base_loss:
            return []
        return self._once("flat", now.step, began=began, loss=self._levels[-1][1])

    def _lows(self) -> list[float]:
        return [one.loss for one in self._evaluations]

    def _overfits(self, now: Evaluation) -> list[Finding]:
        """The last two validation losses are each above the one before, the last one by 1 % above the best, and the level of the
        training loss fell meanwhile.
        """
        lows = self._lows()
        if len(lows) < 3 or not lows[-1] > lows[-2] > lows[-3] or lows[-1] < 1.01 * min(lows):
            return []
        best = min(self._evaluations, key=lambda one: one.loss)
        then = [level for step, level in self._levels if step <= best.step]
        if not then or not self._levels[-1][1] < then[-1]:
            return []
        return self._once("overfits", now.step, best_step=best.step, best=best.loss, loss=now.loss)


    # 3 Preferences

    def _chosen_falls(self, now: Evaluation) -> list[Finding]:
        """The chosen answers are less likely than before the training, by three nats and a tenth: what DPO does when the rejected
        ones fall faster (Pal et al. 2024, arXiv:2402.13228).
        """
        before, after = self._base_scores.get("logp_chosen"), now.scores.get("logp_chosen")
        if before is None or after is None or before - after < max(3.0, 0.1 * abs(before)):
            return []
        return self._once("chosen_falls", now.step, before=before, after=after, margin=now.scores.get("margin", 0.0))

    def _no_preference(self, now: Evaluation) -> list[Finding]:
        """Half of the steps are done, and held-out pairs are told apart no better than by chance."""
        accuracy = now.scores.get("accuracy")
        if accuracy is None or 2 * now.step < self._planned or accuracy > 0.55:
            return []
        return self._once("no_preference", now.step, percent=round(100 * accuracy))


def _worst(now: Step, usual: float) -> tuple[int, ...]:
    """Rows of the batch whose own loss is far above the usual one, the worst first; all of them, where none stands out."""
    ranked = sorted(zip(now.row_losses, now.rows, strict=True), reverse=True)
    far = tuple(row for loss, row in ranked if loss > 1.5 * usual + 0.5)
    return far or tuple(row for _, row in ranked)
