"""TRL's GRPO on our rows: questions as tokens, rewards by rule, our order and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from torch.utils.data import Sampler
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from studio.data.render import Template
from studio.train.answers import greedy_ids
from studio.train.batches import AnyOrder, ExampleRow, TokenRows
from studio.train.preference import trl_parts
from studio.train.rewards import mean_reward, named, rewards_of
from studio.train.spec import TrainSpec
from studio.train.stages.base import Parts
from studio.train.stepping import Measured, Stepping

__all__ = ["RewardedTrainer", "grpo_parts"]

#: Held-out questions that an evaluation answers.
_MOST_ASKED = 64


def grpo_parts(spec: TrainSpec, parts: Parts, options: dict[str, Any]) -> dict[str, Any]:
    rewards = rewards_of(spec.rewards)
    own = {
        "num_generations": spec.answers_each,
        "max_completion_length": spec.answer_tokens,
        "temperature": spec.answer_temperature,
        "beta": spec.kl_beta,
        "reward_weights": [reward.weight for reward in rewards],
        "max_steps": spec.planned_steps(len(parts.train_rows)),
        "log_completions": False,
    }
    parts.model.generation_config.eos_token_id = sorted(parts.template.end_ids) or None
    made = trl_parts(GRPOConfig, spec, parts, own, options, columns=_columns)
    del made["pad"]
    return made | {
        "reward_funcs": [named(reward) for reward in rewards],
        "template": parts.template,
        "held_out": parts.validation_rows,
    }


def _columns(row: ExampleRow) -> dict[str, Any]:
    return {"prompt": str(row.row_id), "prompt_ids": row.example.prompt, "expected": row.example.expected}


class _Groups(Sampler[int]):
    """Row indices as GRPO wants them: each question as often as it is answered, and a batch of them once for each pass that is
    made of it; questions in an order of the seed and the epoch.
    """

    def __init__(self, n_rows: int, seed: int, *, each: int, together: int, passes: int) -> None:
        self._order = AnyOrder(n_rows, seed)
        self._each, self._together, self._passes = each, together, passes

    def set_epoch(self, epoch: int) -> None:
        self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._together) * self._together * self._each * self._passes

    def __iter__(self) -> Iterator[int]:
        rows = list(self._order)
        while len(rows) % self._together:  # the last batch is filled up from the beginning
            rows.append(rows[len(rows) % len(self._order)])
        for start in range(0, len(rows), self._together):
            for _ in range(self._passes):
                for row in rows[start : start + self._together]:
                    yield from [row] * self._each


class RewardedTrainer(Stepping, GRPOTrainer):
    """The question's tokens are found again by the row's number, which stands in the place of its text."""

    score_names = {
        "reward": "reward",
        "reward_std": "reward_spread",
        "completions/mean_length": "tokens_written",
        "completions/clipped_ratio": "cut_off",
        "kl": "kl",
    }

    def __init__(self, *args: Any, spec: TrainSpec, template: Template, held_out: TokenRows, **kwargs: Any) -> None:
        self._template = template
        self._rewards = rewards_of(spec.rewards)
        self._held_out = held_out.rows[:_MOST_ASKED]
        datasets = [kwargs.get("train_dataset"), kwargs.get("eval_dataset")]
        self._ids = {row["prompt"]: row["prompt_ids"] for held in datasets if held is not None for row in held}
        super().__init__(*args, spec=spec, **kwargs)
        self.float_adapter()

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self._ids[prompt] for prompt in prompts], None, {}

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:
        each = self._spec.answers_each
        together = self.args.generation_batch_size // each
        return _Groups(len(self._widths), self.args.seed, each=each, together=together, passes=self.args.steps_per_generation)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
        written = int(inputs["completion_mask"].sum())
        self._facts.tokens += int(inputs["prompt_mask"].sum()) + written
        self._facts.targets += written
        return self.with_penalty(loss, model)

    def measure(self, rows: Any) -> Measured:
        """Rewards of greedy answers; the loss is what is missed of them."""
        prompts = [row.example.prompt for row in self._held_out]
        with self.compute_loss_context_manager():
            written = greedy_ids(
                self.model, self._template, prompts, max_new_tokens=self._spec.answer_tokens, may_go_on=lambda: True
            )
        assert written is not None
        answers = [self._template.decode(ids) for ids in written]
        told = [
            mean_reward(self._rewards, answer, row.example.expected)
            for answer, row in zip(answers, self._held_out, strict=True)
        ]
        said = [value for value in told if not math.isnan(value)]
        reward = sum(said) / len(said) if said else math.nan
        tokens = sum(map(len, written)) / len(written) if written else 0.0
        return Measured(1 - reward, {"reward": reward, "tokens_written": tokens})
