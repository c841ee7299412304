"""DPO: of two answers the chosen one becomes more likely than the rejected one, against a reference that stays (Rafailov et al.
2023, arXiv:2305.18290, equation 7). The reference is the same model with its adapter off, so that one model is in memory.

    reward(answer) = β · (log p(answer) − log p_reference(answer))        loss = −log σ(reward(chosen) − reward(rejected))

Before the first step both rewards are 0 and the loss is ln 2. The other losses are those of TRL.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from studio.errors import ConfigError, StudioError
from studio.train.methods import shown
from studio.train.stages.base import Parts, Stage

if TYPE_CHECKING:
    from studio.train.spec import TrainSpec

__all__ = ["DPO", "DpoFields", "DpoLoss", "PreferenceFields"]

#: Label smoothing of the losses that need some: the papers' own (EXO 1e-3, Robust DPO 0.1).
_SMOOTHING = {"exo_pair": 1e-3, "robust": 0.1}


class DpoLoss(StrEnum):
    """As TRL 1.16 calls them."""

    SIGMOID = "sigmoid"
    IPO = "ipo"
    HINGE = "hinge"
    ROBUST = "robust"
    EXO = "exo_pair"
    NCA = "nca_pair"
    BCO = "bco_pair"
    SPPO = "sppo_hard"
    AOT = "aot"
    AOT_UNPAIRED = "aot_unpaired"
    APO_ZERO = "apo_zero"
    APO_DOWN = "apo_down"
    DISCOPOP = "discopop"
    SIGMOID_NORM = "sigmoid_norm"
    SFT = "sft"


class PreferenceFields(BaseModel):
    """Of all stages that keep near a reference."""

    beta: float = Field(0.1, gt=0, le=10, json_schema_extra=shown("preference", basic=True))


class DpoFields(BaseModel):
    dpo_loss: DpoLoss = Field(DpoLoss.SIGMOID, json_schema_extra=shown("preference"))
    dpo_sft_weight: float = Field(0.0, ge=0, le=10, json_schema_extra=shown("preference"))


class _Dpo(Stage):
    name = "dpo"
    made_for = ("preference",)
    fields = (*PreferenceFields.model_fields, *DpoFields.model_fields)
    rate = 0.25
    sequences = 2
    watched = ("rewards", "accuracy", "logps", "length")

    def problems(self, spec: TrainSpec) -> Iterator[StudioError]:
        yield from super().problems(spec)
        yield from reference_problems(spec)

    def trainer(self, spec: TrainSpec, parts: Parts, **options: Any) -> Any:
        from studio.train.preference import DPOConfig, PairTrainer, trl_parts

        losses, weights = [spec.dpo_loss.value], [1.0]
        if spec.dpo_sft_weight:
            losses, weights = [*losses, DpoLoss.SFT.value], [*weights, spec.dpo_sft_weight]
        smoothing = _SMOOTHING.get(spec.dpo_loss.value, 0.0)
        own = {"beta": spec.beta, "loss_type": losses, "loss_weights": weights, "label_smoothing": smoothing}
        return PairTrainer(**trl_parts(DPOConfig, spec, parts, own, options))


def reference_problems(spec: TrainSpec) -> Iterator[StudioError]:
    """A checkpoint that is gone on from is its own reference: a frozen copy beside it, which not every adapter allows."""
    if spec.start_from and spec.method not in ("lora", "qlora", "dora", "rslora", "lora_plus"):
        yield ConfigError("error.train.no_reference", field="start_from", method=spec.method)


DPO = _Dpo()
