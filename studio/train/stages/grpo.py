"""GRPO: the model writes several answers to each question, rules reward them, and what did better than its group becomes more
likely (Shao et al. 2024, arXiv:2402.03300, section 4.1). For tasks whose answers can be checked.

What is told as validation loss is the reward that is missed: 1 − the mean reward of greedy answers to held-out questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, field_validator

from studio.data.examples import Purpose
from studio.errors import ConfigError, StudioError
from studio.train.methods import shown
from studio.train.rewards import rewards_of
from studio.train.stages.base import Parts, Stage
from studio.train.stages.dpo import reference_problems

if TYPE_CHECKING:
    from studio.train.spec import TrainSpec

__all__ = ["GRPO", "GrpoFields"]


class GrpoFields(BaseModel):
    rewards: list[str] = Field(
        default_factory=lambda: ["exact"], max_length=12, json_schema_extra=shown("preference", basic=True)
    )
    answers_each: int = Field(4, ge=2, le=64, json_schema_extra=shown("preference", basic=True))
    answer_tokens: int = Field(128, ge=4, le=8192, json_schema_extra=shown("preference"))
    answer_temperature: float = Field(1.0, gt=0, le=3, json_schema_extra=shown("preference"))
    kl_beta: float = Field(0.0, ge=0, le=10, json_schema_extra=shown("preference"))

    @field_validator("rewards", mode="before")
    @classmethod
    def _reward_lines(cls, given: Any) -> Any:
        """A form gives them as lines of one text."""
        return [line.strip() for line in given.splitlines() if line.strip()] if isinstance(given, str) else given


class _Grpo(Stage):
    name: Purpose = "grpo"
    made_for = ("prompt",)
    fields = tuple(GrpoFields.model_fields)
    rate = 0.25
    has_level = False
    watched = ("rewards", "length")

    def answers_of(self, spec: TrainSpec) -> int:
        return spec.answers_each

    def written(self, spec: TrainSpec) -> int:
        return spec.answer_tokens

    def problems(self, spec: TrainSpec) -> Iterator[StudioError]:
        yield from super().problems(spec)
        together = spec.per_device_batch_size * spec.gradient_accumulation_steps
        if together % spec.answers_each:
            yield ConfigError("error.train.grpo_batch", field="answers_each", each=spec.answers_each, together=together)
        if spec.method == "full" and spec.kl_beta:
            yield ConfigError("error.train.grpo_kl", field="kl_beta")
        if spec.kl_beta:
            yield from reference_problems(spec)
        try:
            rewards_of(spec.rewards)
        except ConfigError as error:
            yield error

    def trainer(self, spec: TrainSpec, parts: Parts, **options: Any) -> Any:
        from studio.train.rewarded import RewardedTrainer, grpo_parts

        return RewardedTrainer(**grpo_parts(spec, parts, options))


GRPO = _Grpo()
