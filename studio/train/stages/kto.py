"""KTO: single answers, good or bad, without a pair (Ethayarajh et al. 2024, arXiv:2402.01306, equation 8). What 👍 and 👎 are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from studio.errors import ConfigError, StudioError
from studio.train.methods import shown
from studio.train.stages.base import Parts, Stage
from studio.train.stages.dpo import PreferenceFields, reference_problems

if TYPE_CHECKING:
    from studio.train.spec import TrainSpec

__all__ = ["KTO", "KtoFields"]


class KtoFields(BaseModel):
    kto_good_weight: float = Field(1.0, ge=0, le=100, json_schema_extra=shown("preference"))
    kto_bad_weight: float = Field(1.0, ge=0, le=100, json_schema_extra=shown("preference"))


class _Kto(Stage):
    name = "kto"
    made_for = ("feedback",)
    fields = (*PreferenceFields.model_fields, *KtoFields.model_fields)
    rate = 0.25
    watched = ("rewards", "logps", "length")

    def problems(self, spec: TrainSpec) -> Iterator[StudioError]:
        yield from super().problems(spec)
        yield from reference_problems(spec)
        if spec.per_device_batch_size < 2:  # its zero point is estimated from the other rows of the batch
            yield ConfigError("error.train.kto_batch", field="per_device_batch_size")

    def trainer(self, spec: TrainSpec, parts: Parts, **options: Any) -> Any:
        from studio.train.preference import JudgedTrainer, KTOConfig, trl_parts

        weights = {"desirable_weight": spec.kto_good_weight, "undesirable_weight": spec.kto_bad_weight}
        return JudgedTrainer(**trl_parts(KTOConfig, spec, parts, {"beta": spec.beta} | weights, options))


KTO = _Kto()
